package templates

// JumpPage is what a search for pages and hosts finds.
type JumpPage struct {
	Query string
	Found []JumpItem
}

// JumpItem is a page or a host that was found.
type JumpItem struct {
	Icon, Path           string
	Before, Match, After string // the name, the part of it that matches marked
	Note                 string
	Key                  string // with g before it goes there
}
