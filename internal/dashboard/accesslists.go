package dashboard

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/adminca"
	"github.com/cdxgate/cdxgate/templates"
)

const (
	maxAccess = 100                 // rows of a list; the search finds the others
	endsSoon  = 14 * 24 * time.Hour // so long before its end a certificate or a token is said to end
)

// accessPage says who may come in.
func accessPage(f *accessFacts) templates.AccessPage {
	return templates.AccessPage{
		Query: f.query, All: f.all, ShowCurrent: accessAddress(f.query, ""), ShowAll: accessAddress(f.query, showAll),
		Actions:      []templates.Action{{Label: "New API token", Icon: "add", Href: pathNewToken, Kind: templates.Primary, Why: f.visit.unless(access.AdminWrite)}},
		Certificates: f.certificateList(), Tokens: f.tokenList(), Sessions: f.sessionList(),
	}
}

// finds reports whether one of the texts has what is searched for.
func (f *accessFacts) finds(texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(f.query)) })
}

// list bounds the rows, and says what to do when there are none.
func (f *accessFacts) list(l templates.AccessList, rows []templates.AccessRow) templates.AccessList {
	l.Rows = rows
	if len(rows) > maxAccess {
		l.Rows = rows[:maxAccess]
		l.Foot = fmt.Sprintf("%s of %s. The search finds the others.", templates.Grouped(maxAccess), templates.Grouped(int64(len(rows))))
	}
	if f.query != "" {
		l.Empty = templates.Empty{Title: "Nothing here is called “" + f.query + "”", Actions: []templates.Action{{Label: "Show all", Href: accessAddress("", showAll)}}}
	}
	return l
}

func (f *accessFacts) certificateList() templates.AccessList {
	rows := []templates.AccessRow{}
	for i := range f.certs {
		cert := &f.certs[i]
		if !cert.opens() && !f.all || !f.finds(cert.Name, cert.Serial) {
			continue
		}
		row := templates.AccessRow{
			Name: cert.Name, Note: "serial " + shortSerial(cert.Serial), You: isOwnCert(f.visit, cert), Role: cert.Role, Ends: cert.ends,
			Last: templates.Moment{At: cert.CreatedAt, Now: f.visit.now},
		}
		row.Tone, row.Icon, row.State = certState(cert)
		if cert.opens() {
			row.Act = templates.Action{
				Label: "Revoke…", Kind: templates.Small, Href: pathRevokeCert + "?" + url.Values{"name": {cert.Name}, "serial": {cert.Serial}}.Encode(), Why: f.visit.unless(access.AdminWrite),
			}
		}
		rows = append(rows, row)
	}
	return f.list(templates.AccessList{
		ID: "certificates", Title: "Certificates", Text: "for browsers and scripts", Last: "Made",
		Empty:   templates.Empty{Title: "No certificates", Text: "Make one on the gateway's machine and import it into a browser."},
		Command: "cdxgate admin cert add NAME --role operator", CommandText: "They are made on the gateway's machine alone: a private key does not travel. The next one of a name is made by cdxgate admin cert renew NAME.",
	}, rows)
}

// shortSerial is the beginning of a serial, as much as one compares.
func shortSerial(serial string) string {
	if len(serial) > 16 {
		return serial[:16] + "…"
	}
	return serial
}

func certState(cert *certFacts) (tone templates.Tone, icon, text string) {
	switch cert.state {
	case adminca.StateRevoked:
		return templates.Bad, "bad", "Revoked"
	case adminca.StateExpired:
		return templates.Plain, "expires", "Expired"
	case adminca.StateNoAuthority:
		return templates.Warn, "warn", "No authority"
	case adminca.StateRenewed:
		return templates.Info, "refresh", "Renewed"
	case adminca.StateTrusted:
		return templates.OK, "shield", "Trusted"
	}
	return goodUntil(cert.ends)
}

// goodUntil is the state of what is good now.
func goodUntil(ends templates.Moment) (tone templates.Tone, icon, text string) {
	if ends.At.Sub(ends.Now) < endsSoon {
		return templates.Warn, "expires", "Ends soon"
	}
	return templates.OK, "ok", "Good"
}

func (f *accessFacts) tokenList() templates.AccessList {
	rows := []templates.AccessRow{}
	for i := range f.tokens {
		token := &f.tokens[i]
		state := access.TokenState(token)
		if state != access.StateGood && !f.all || !f.finds(token.Name, token.TokenPrefix, token.CreatedBy) {
			continue
		}
		row := templates.AccessRow{
			Name: token.Name, Note: token.TokenPrefix + "…", Role: token.Role, Scopes: strings.Join(token.Scopes, ", "), Ends: templates.Moment{At: token.ExpiresAt, Now: f.visit.now},
			LastNote: "made by " + token.CreatedBy,
		}
		if token.LastUsedAt != nil {
			row.Last = templates.Moment{At: *token.LastUsedAt, Now: f.visit.now}
		}
		switch state {
		case access.StateRevoked:
			row.Tone, row.Icon, row.State = templates.Bad, "bad", "Revoked"
		case access.StateExpired:
			row.Tone, row.Icon, row.State = templates.Plain, "expires", "Expired"
		default:
			row.Tone, row.Icon, row.State = goodUntil(row.Ends)
		}
		if state != access.StateRevoked { // an expired one has its name still
			row.Act = templates.Action{Label: "Revoke…", Kind: templates.Small, Href: pathRevokeTok + "?" + url.Values{"name": {token.Name}}.Encode(), Why: f.visit.unless(access.AdminWrite)}
		}
		rows = append(rows, row)
	}
	return f.list(templates.AccessList{
		ID: "tokens", Title: "API tokens", Text: "for scripts", Last: "Last used",
		Empty: templates.Empty{Title: "No API tokens", Text: "A script shows one instead of a certificate, and may do what its scopes say.", Actions: []templates.Action{
			{Label: "New API token", Icon: "add", Href: pathNewToken, Why: f.visit.unless(access.AdminWrite)},
		}},
	}, rows)
}

// sessionList are the links that nobody has used, then the sessions, the newest first.
func (f *accessFacts) sessionList() templates.AccessList {
	rows := []templates.AccessRow{}
	for _, link := range f.links {
		name := "Login link " + strconv.FormatInt(link.ID, 10)
		if f.finds(name, link.CreatedBy) {
			rows = append(rows, templates.AccessRow{
				Name: name, Note: "made by " + link.CreatedBy, Role: link.Role, Tone: templates.Info, Icon: "key", State: "Not used yet",
				Ends: templates.Moment{At: link.ExpiresAt, Now: f.visit.now}, Last: templates.Moment{At: link.CreatedAt, Now: f.visit.now},
				Act: f.end("Revoke", pathRevokeLink, link.ID),
			})
		}
	}
	for _, session := range slices.Backward(f.sessions) {
		if row, shown := f.sessionRow(&session); shown {
			rows = append(rows, row)
		}
	}
	return f.list(templates.AccessList{
		ID: "sessions", Title: "Sessions and login links", Text: "of the last 30 days", Last: "Since",
		Empty:   templates.Empty{Title: "No sessions", Text: "A link from the console logs a browser in, once."},
		Command: "cdxgate admin link", CommandText: "A login link is made on the gateway's machine. It works once, in the next 5 minutes, on a site that accepts sessions.",
	}, rows)
}

func (f *accessFacts) sessionRow(session *db.AdminSessionListRow) (row templates.AccessRow, shown bool) {
	state, name := access.SessionState(session), "Session "+strconv.FormatInt(session.ID, 10)
	from := ""
	if session.UsedFrom != nil {
		from = session.UsedFrom.String()
	}
	if state != access.StateOpen && !f.all || !f.finds(name, session.CreatedBy, from) {
		return row, false
	}
	row = templates.AccessRow{
		Name: name, Note: fmt.Sprintf("by link %d of %s", session.LinkID, session.CreatedBy), Role: session.Role,
		You:  f.visit.By == access.Session && strings.HasPrefix(f.visit.Name, fmt.Sprintf("session %d (", session.ID)),
		Ends: templates.Moment{At: session.ExpiresAt, Now: f.visit.now}, Last: templates.Moment{At: session.CreatedAt, Now: f.visit.now},
	}
	if from != "" {
		row.LastNote = "from " + from
	}
	switch state {
	case access.StateRevoked:
		row.Tone, row.Icon, row.State, row.Ends.At = templates.Plain, "logout", "Ended", *session.RevokedAt
	case access.StateOver:
		row.Tone, row.Icon, row.State = templates.Plain, "expires", "Over"
	default:
		row.Tone, row.Icon, row.State = templates.OK, "ok", "Open"
		row.Act = f.end("End", pathRevokeSess, session.ID)
	}
	return row, true
}

func (f *accessFacts) end(label, post string, id int64) templates.Action {
	return templates.Action{
		Label: label, Kind: templates.Small, Post: post, Fields: []templates.Field{{Name: "id", Value: strconv.FormatInt(id, 10)}}, Why: f.visit.unless(access.AdminWrite),
	}
}
