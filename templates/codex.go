package templates

// CodexPage is what is new in a version of Codex.
type CodexPage struct {
	Title     string
	GitHub    string // where GitHub shows it
	Published Moment // zero: it is not known
	Checked   Moment // when GitHub last said what Notes say; zero: it never did
	Notes     string // a stranger's words; "": Empty says why
	Empty     Empty
}
