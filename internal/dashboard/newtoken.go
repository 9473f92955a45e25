package dashboard

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/access"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/templates"
)

// newTokenForm is what the form says.
type newTokenForm struct {
	name, role, life string
	bound            bool
	scopes           []string
}

// lives are how long a token can be made for, in days.
var lives = []struct{ days, label string }{{"1", "1 day"}, {"7", "7 days"}, {"30", "30 days"}, {"90", "90 days"}, {"365", "a year"}}

const defaultLife = "90"

// errLife is a life that the form does not offer.
var errLife = errs.New(errs.Invalid, "token_life_invalid", "choose how long the token is good for")

// errNoScope is a token that may do nothing.
var errNoScope = errs.New(errs.Invalid, "token_scopes_missing", "tick what the token may do, or let it do all that its role may")

// makeToken makes an API token and shows it, this once. It can do no more than who makes it.
func (s *Surface) makeToken(v *visit) (outcome, error) {
	form := newTokenForm{name: v.post("name"), role: v.post("role"), life: v.post("life"), bound: v.post("bound") != "", scopes: v.posted()["scope"]}
	wanted, err := form.wanted()
	if err != nil {
		return s.newToken(v, form, errs.Of(err)), nil
	}
	wanted.Within = &access.Grant{Role: v.Role, Scopes: v.Scopes}
	made, err := s.cfg.Access.AddToken(v.Context(), wanted, v.Actor)
	if refused := errs.Of(err); err != nil && (refused.Kind == errs.Invalid || refused.Kind == errs.Conflict || errors.Is(err, access.ErrGrantExceeded)) {
		return s.newToken(v, form, refused), nil
	}
	if err != nil {
		return nil, err
	}
	may := "all that the role may"
	if wanted.Scopes != nil {
		may = strings.Join(access.Words(wanted.Scopes), ", ")
	}
	return page{
		Title: "API token made", Path: pathAccess, Crumbs: []templates.Crumb{{Label: "Access", Path: pathAccess}},
		Body: templates.MadeToken(templates.MadeTokenPage{
			Name: wanted.Name, Token: made.Secret.Reveal(), Role: string(wanted.Role), Scopes: may, Ends: templates.Moment{At: made.ExpiresAt, Now: v.now},
		}),
	}, nil
}

// wanted is the token that the form asks for.
func (f *newTokenForm) wanted() (access.NewToken, error) {
	wanted := access.NewToken{Name: f.name, Role: access.Role(f.role)}
	for _, life := range lives {
		if days, _ := strconv.Atoi(life.days); life.days == f.life {
			wanted.TTL = time.Duration(days) * 24 * time.Hour
		}
	}
	if wanted.TTL == 0 {
		return wanted, errLife
	}
	if !f.bound {
		return wanted, nil
	}
	if len(f.scopes) == 0 {
		return wanted, errNoScope
	}
	for _, scope := range f.scopes {
		wanted.Scopes = append(wanted.Scopes, access.Capability(scope))
	}
	return wanted, nil
}

// newToken shows the form, with what is wrong with what it said; nil: nothing is.
func (s *Surface) newToken(v *visit, form newTokenForm, wrong *errs.Error) page {
	shown := page{
		Title: "New API token", Path: pathAccess, Crumbs: []templates.Crumb{{Label: "Access", Path: pathAccess}},
		Body: templates.NewToken(newTokenPage(form, wrong, v.unless(access.AdminWrite))),
	}
	if wrong != nil {
		shown.Status = http.StatusUnprocessableEntity
	}
	return shown
}

// tokenFields are the fields that refusals are about.
var tokenFields = map[string]string{
	access.ErrTokenName.Code: "name", access.ErrTokenExists.Code: "name", access.ErrRole.Code: "role", access.ErrTokenTTL.Code: "life", errLife.Code: "life",
	access.ErrScope.Code: "scopes", errNoScope.Code: "scopes",
}

// scopeTitles say whose the capabilities of a group are.
var scopeTitles = map[access.Role]string{access.Viewer: "Viewers may", access.Operator: "Operators also", access.Owner: "Owners also"}

func newTokenPage(form newTokenForm, wrong *errs.Error, why string) templates.NewTokenPage {
	p := templates.NewTokenPage{Name: form.name, Bound: form.bound, Why: why, Unfit: map[string]string{}}
	if wrong != nil {
		text := sentence(wrong.Message)
		if wrong.Code == access.ErrScope.Code {
			text = "The role " + form.role + " does not have all that is ticked."
		}
		if field := tokenFields[wrong.Code]; field != "" {
			p.Unfit[field] = text
		} else {
			p.Wrong = text
		}
	}
	before := []access.Capability{}
	for _, role := range access.Roles {
		p.Roles = append(p.Roles, templates.Option{Label: string(role), Value: string(role), Current: string(role) == form.role})
		group := templates.ScopeGroup{Title: scopeTitles[role]}
		for _, capability := range role.Capabilities() {
			if capability != access.Self && !slices.Contains(before, capability) {
				group.Scopes = append(group.Scopes, templates.Option{Label: string(capability), Value: string(capability), Current: slices.Contains(form.scopes, string(capability))})
			}
		}
		before = role.Capabilities()
		p.Scopes = append(p.Scopes, group)
	}
	for _, life := range lives {
		p.Lives = append(p.Lives, templates.Option{Label: life.label, Value: life.days, Current: life.days == form.life})
	}
	return p
}
