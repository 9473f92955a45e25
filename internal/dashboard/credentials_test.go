package dashboard

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/call"
	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/templates"
)

// The state of the page is its address, which nobody can bend into anything else.
func TestCredentialsAddress(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"":                                   pathCredentials,
		"before=41&source=host":              pathCredentials + "?before=41&source=host",
		"proposals=discarded":                pathCredentials + "?proposals=discarded",
		"proposals=pending":                  pathCredentials,
		"before=-1":                          pathCredentials,
		"before=4x":                          pathCredentials,
		"source=%3Cscript%3E&proposals=none": pathCredentials,
		"older=" + uuid.Nil.String():         pathCredentials + "?older=" + uuid.Nil.String(),
		"older=x":                            pathCredentials,
	} {
		v := &visit{Request: &call.Request{Request: httptest.NewRequest(http.MethodGet, pathCredentials+"?"+query, http.NoBody)}}
		if got := readCredentialsList(v).address(); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}

// row is a generation as the history lists it.
func row(number int64, change func(*db.GenerationListRow)) *db.GenerationListRow {
	issued, expires := now.AddDate(0, 0, -3), now.AddDate(0, 0, 7)
	account := "acct-1"
	g := &db.GenerationListRow{
		ID: uuid.New(), Number: number, Lineage: uuid.MustParse("019abc00-0000-7000-8000-00000000000a"), Digest: bytes.Repeat([]byte{0xab}, 32), ChatGPTAccount: &account,
		HasRefreshToken: true, AccessIssuedAt: &issued, AccessExpiresAt: &expires, LastRefresh: "2026-11-20T00:00:00Z", Source: "admin", CreatedAt: now.Add(-time.Hour), Holders: 2,
	}
	if change != nil {
		change(g)
	}
	return g
}

func TestBroughtBy(t *testing.T) {
	t.Parallel()
	host, id, back := "atlas.example", int64(7), int64(39)
	for want, change := range map[string]func(*db.GenerationListRow){
		"Brought by atlas.example":            func(g *db.GenerationListRow) { g.Source, g.SourceHostID, g.SourceFQDN = "host", &id, &host },
		"Brought by a host that is forgotten": func(g *db.GenerationListRow) { g.Source = "host" },
		"Adopted from atlas.example":          func(g *db.GenerationListRow) { g.SourceHostID, g.SourceFQDN = &id, &host },
		"Upload by an admin ":                 nil,
		"Upload on the console ":              func(g *db.GenerationListRow) { g.Source = "operator" },
		"Seed command ":                       func(g *db.GenerationListRow) { g.Source = "seed" },
		"Back to gen 39":                      func(g *db.GenerationListRow) { g.RolledBackTo = &back },
		"elsewhere ":                          func(g *db.GenerationListRow) { g.Source = "elsewhere" },
	} {
		if _, source, from := broughtBy(row(41, change)); source+" "+from != want {
			t.Errorf("got %q, want %q", source+" "+from, want)
		}
	}
}

func credentialsOf(change func(*credentialsFacts)) *credentialsFacts {
	f := &credentialsFacts{overviewFacts: facts(nil), list: credentialsList{offers: credential.ProposalPending}}
	if change != nil {
		change(f)
	}
	return f
}

func TestGenerationsCard(t *testing.T) {
	t.Parallel()
	if card := credentialsOf(nil).generationsCard(); card.Text != "" || len(card.Rows) != 0 {
		t.Errorf("without a login: got %+v", card)
	}
	f := credentialsOf(func(f *credentialsFacts) {
		f.current, f.more, f.list.source = credential.Generation{Number: 1041}, true, "host"
		expired := now.Add(-time.Second)
		f.page = []db.GenerationListRow{*row(1041, func(g *db.GenerationListRow) { g.Current = true }), *row(1040, func(g *db.GenerationListRow) { g.AccessExpiresAt, g.Lineage = &expired, g.ID })}
		f.why = func(needs access.Capability) string {
			return map[access.Capability]string{access.CredentialReveal: "owners only"}[needs]
		}
	})
	card := f.generationsCard()
	if card.Place != "Generations 1,041 to 1,040" || card.Older != pathCredentials+"?before=1040&source=host" || card.Newest != "" {
		t.Errorf("got %q, %q, %q", card.Place, card.Older, card.Newest)
	}
	newest, older := card.Rows[0], card.Rows[1]
	if !newest.Current || newest.Expired || newest.Lineage || newest.Digest != "abab abab …" || newest.Held != 2 || newest.Action.Label != "Reveal…" || newest.Action.Why != "owners only" {
		t.Errorf("got %+v", newest)
	}
	if older.Current || !older.Expired || !older.Lineage || older.Action.Href != pathCredentials+"/1040/rollback" || older.Action.Why != "" {
		t.Errorf("got %+v", older)
	}
	for _, option := range card.Sources {
		if option.Current != (option.Label == "Hosts") {
			t.Errorf("got %+v as what is shown", option)
		}
	}
	f.list.before, f.page, f.more = 1040, nil, false
	if card = f.generationsCard(); card.Newest != pathCredentials+"?source=host" || card.Older != "" || card.Empty.Title == "" {
		t.Errorf("got %+v", card)
	}
	f.page = []db.GenerationListRow{*row(3, func(g *db.GenerationListRow) { g.AccessExpiresAt = nil })}
	if got := f.generationsCard().Rows[0]; got.Expired || !got.Until.At.IsZero() {
		t.Errorf("an end that is unknown: got %+v", got)
	}
}

func proposedLogin(change func(*credential.Proposal)) *credential.Proposal {
	p := &credential.Proposal{CredentialProposalListRow: db.CredentialProposalListRow{
		ID: uuid.MustParse("019abc00-0000-7000-8000-000000000001"), FQDN: "gallium.example", Digest: bytes.Repeat([]byte{0xcd}, 32), HasRefreshToken: true,
		LastRefresh: "2026-11-23T00:00:00Z", BaseGeneration: 40, CreatedAt: now.Add(-time.Hour),
	}}
	if change != nil {
		change(p)
	}
	return p
}

func decidedAs(as string) func(*credential.Proposal) {
	return func(p *credential.Proposal) {
		at, by := now, "alice"
		p.Decision, p.DecidedAt, p.DecidedBy = &as, &at, &by
	}
}

func TestOffersCard(t *testing.T) {
	t.Parallel()
	if credentialsOf(nil).offersCard().Shown {
		t.Error("the card is shown though nothing was ever proposed")
	}
	address := pathCredentials + "/proposals/019abc00-0000-7000-8000-000000000001"
	for name, c := range map[string]struct {
		p    *credential.Proposal
		want string
	}{
		"waiting": {proposedLogin(func(p *credential.Proposal) { p.Warnings = []credential.Warning{credential.WarnNoRefresh} }),
			"Waiting  [It has no refresh token: Codex works until the access token expires, and then needs a new login.] Adopt… " + address + "; Discard " + address + "/discard; "},
		"discarded": {proposedLogin(decidedAs("discarded")), "Discarded by alice [] Take up again " + address + "/reopen; "},
		"adopted":   {proposedLogin(decidedAs("adopted")), "Adopted by alice [] "},
	} {
		f := credentialsOf(func(f *credentialsFacts) {
			f.everOffers, f.offers, f.moreOffers = true, []credential.Proposal{*c.p}, true
		})
		card := f.offersCard()
		got := fmt.Sprintf("%s %s %v ", card.Offers[0].Word, card.Offers[0].By, card.Offers[0].Warnings)
		for _, action := range card.Offers[0].Actions {
			got += action.Label + " " + action.Href + action.Post + "; "
		}
		if got != c.want {
			t.Errorf("%s: got %q\nwant %q", name, got, c.want)
		}
		if card.Older != pathCredentials+"?older="+c.p.ID.String() || card.Offers[0].Account != templates.Unknown || !card.Offers[0].Until.At.IsZero() {
			t.Errorf("%s: got %+v", name, card)
		}
	}
}

func TestRollbackQuestion(t *testing.T) {
	t.Parallel()
	other := "acct-2"
	from, to := row(41, nil), row(40, func(g *db.GenerationListRow) { g.ChatGPTAccount, g.HasRefreshToken = &other, false })
	for name, c := range map[string]struct {
		plan credential.Rollback
		want []string
	}{
		"good for long": {credential.Rollback{WorksUntil: now.Add(time.Hour)}, []string{"The login of generation 40 becomes generation 42. 2\u00a0hosts that have generation 41", "good until Mon 23 Nov 2026, 15:32 UTC"}},
		"end unknown":   {credential.Rollback{}, []string{"generation 42", "does not say until when"}},
		"has ended": {credential.Rollback{WorksUntil: now.Add(-time.Hour), Warnings: []credential.Warning{credential.WarnExpired, credential.WarnOtherAccount}},
			[]string{"generation 42", "has expired", "another ChatGPT account"}},
	} {
		q := rollbackQuestion(from, to, &c.plan, now, "owners only")
		if len(q.Ask.Effects) != len(c.want) {
			t.Errorf("%s: got %q", name, q.Ask.Effects)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(q.Ask.Effects[i], want) {
				t.Errorf("%s: got %q, want %q", name, q.Ask.Effects[i], want)
			}
		}
		if q.Ask.Type != "gen 40" || q.Ask.Do.Why != "owners only" || q.Ask.Do.Fields[0].Value != "41" || q.Ask.Do.Post != pathCredentials+"/40/rollback" {
			t.Errorf("%s: got %+v", name, q.Ask)
		}
		changed := map[string]bool{}
		for _, line := range q.Diff {
			changed[line.Label] = line.Before != line.After
		}
		if !changed["ChatGPT account"] || !changed["refresh token"] || changed["lineage"] || changed["valid until"] {
			t.Errorf("%s: got %+v", name, q.Diff)
		}
	}
}

func TestProposalQuestion(t *testing.T) {
	t.Parallel()
	q := proposalQuestion(proposedLogin(nil), row(41, nil), now, "")
	if q.Ask.Type != "" || q.Ask.Do.Kind != templates.Primary || len(q.Diff) != 4 || len(q.Facts) != 2 || !strings.Contains(q.Ask.Note, "as generation 42; 2\u00a0hosts that have generation 41") {
		t.Errorf("without anything to mind: got %+v %+v", q, q.Ask)
	}
	risky := proposedLogin(func(p *credential.Proposal) { p.Warnings = []credential.Warning{credential.WarnOtherAccount} })
	if q = proposalQuestion(risky, row(41, nil), now, ""); q.Ask.Type != adoptWord || q.Ask.Do.Kind != templates.DangerNow || len(q.Ask.Effects) != 1 {
		t.Errorf("with something to mind: got %+v", q.Ask)
	}
	if q = proposalQuestion(proposedLogin(decidedAs("discarded")), row(41, nil), now, "no"); q.Ask != nil || len(q.Diff) != 0 || len(q.Others) != 1 || q.Others[0].Why != "no" || !strings.Contains(q.Text, "Discarded by alice") {
		t.Errorf("decided: got %+v", q)
	}
	if q = proposalQuestion(proposedLogin(nil), nil, now, ""); q.Ask == nil || len(q.Diff) != 0 || len(q.Facts) != 6 || q.Ask.Do.Fields[0].Value != "0" {
		t.Errorf("of a fleet without a login: got %+v", q)
	}
}

func TestReceiversCard(t *testing.T) {
	t.Parallel()
	hosts := []db.GenerationReceiversRow{{ID: 7, FQDN: "a.example", DeliveredAt: now, Holds: true}, {ID: 8, FQDN: "b.example", DeliveredAt: now}}
	card := receivers{number: 41, hosts: hosts, more: true, has: everyPage}.card(now)
	if card.First != "" || card.More != pathCredentials+"/41?after=b.example" || card.Rows[0].Href != "/dashboard/hosts/7" || !card.Rows[0].Holds || card.Rows[1].Holds {
		t.Errorf("got %+v", card)
	}
	card = receivers{number: 41, after: "b&c", has: func(string) bool { return false }}.card(now)
	if card.First != pathCredentials+"/41" || card.Address != pathCredentials+"/41?after=b%26c" || card.More != "" {
		t.Errorf("got %+v", card)
	}
}

// form is a body of multipart/form-data; parts are names and contents in turn, a name with a file behind a slash.
func form(t *testing.T, parts ...string) (body, kind string) {
	t.Helper()
	var text bytes.Buffer
	writer := multipart.NewWriter(&text)
	for i := 0; i < len(parts); i += 2 {
		name, file, isFile := strings.Cut(parts[i], "/")
		create := func() (io.Writer, error) { return writer.CreateFormField(name) }
		if isFile {
			create = func() (io.Writer, error) { return writer.CreateFormFile(name, file) }
		}
		part, err := create()
		if err == nil {
			_, err = part.Write([]byte(parts[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return text.String(), writer.FormDataContentType()
}

func TestReadLogin(t *testing.T) {
	t.Parallel()
	const urlencoded = "application/x-www-form-urlencoded"
	multi := func(parts ...string) [2]string { body, kind := form(t, parts...); return [2]string{body, kind} }
	cut := multi("auth", `{"a":1}`)
	cut[0] = cut[0][:len(cut[0])-12]
	many := []string{}
	for i := range maxLoginParts + 1 {
		many = append(many, fmt.Sprintf("part%d", i), "x")
	}
	const both, none, unreadable = "give a file or a text, not both: it cannot be told which one counts", "choose an auth.json, or paste what is in it", "the form cannot be read"
	for name, c := range map[string]struct {
		form [2]string
		want string
	}{
		"a file":                     {multi("file/auth.json", " {\"a\":1}\n", "auth", "\r\n"), `{"a":1}`},
		"a text":                     {multi("file/", "", "auth", `{"a":1}`), `{"a":1}`},
		"a text, the plain way":      {[2]string{"auth=" + url.QueryEscape(`{"a":1}`), urlencoded}, `{"a":1}`},
		"both":                       {multi("file/auth.json", "{}", "auth", "{}"), both},
		"both, the plain way":        {[2]string{"auth=1&file=2", urlencoded}, both},
		"neither":                    {multi("file/", "", "auth", ""), none},
		"nothing":                    {[2]string{"", ""}, none},
		"the same twice":             {multi("auth", "1", "auth", "2"), unreadable},
		"too many parts":             {multi(many...), unreadable},
		"a form that is cut off":     {cut, unreadable},
		"a form without a boundary":  {[2]string{"x", "multipart/form-data"}, unreadable},
		"a form with another bounds": {[2]string{multi("auth", "1")[0], "multipart/form-data; boundary=zz"}, none},
		"what is no form":            {[2]string{"%zz;=", urlencoded}, unreadable},
	} {
		r := &call.Request{Request: httptest.NewRequest(http.MethodPost, pathCredentials, http.NoBody), Body: []byte(c.form[0])}
		r.Header.Set("Content-Type", c.form[1])
		got, err := readLogin(r)
		text := string(got)
		if err != nil {
			text = strings.TrimPrefix(err.Error(), "Validation failed: file: ")
		}
		if text != c.want {
			t.Errorf("%s: got %q, want %q", name, text, c.want)
		}
	}
}
