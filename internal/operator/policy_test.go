package operator

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/policy"
)

func TestPolicyList(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	must(t, d.PolicySet(t.Context(), "quota_limit_percent", "90"))
	d.said()
	must(t, d.PolicyList(t.Context()))
	out, words := d.said()
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != len(policy.Names())+1 || words != "" || strings.Join(strings.Fields(lines[0]), " ") != "NAME VALUE DEFAULT MEANING" {
		t.Fatalf("got\n%s%s", out, words)
	}
	for i, name := range policy.Names() {
		if !strings.HasPrefix(lines[i+1], name+" ") || meanings[name] == "" {
			t.Errorf("got %q, want the row of %s with its meaning", lines[i+1], name)
		}
		if n := len([]rune(lines[i+1])); n > 80 {
			t.Errorf("got a row of %d columns, want it to fit into 80: %q", n, lines[i+1])
		}
	}
	for _, row := range []string{"quota_limit_percent 90 100 ", "host_prompt_push review review ", "client_version - - ", "api_disabled false false "} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), row) {
			t.Errorf("got\n%s, want %q in it", out, row)
		}
	}

	d.JSON = true
	must(t, d.PolicyList(t.Context()))
	all := document[struct{ Policies []shownPolicy }](t, d).Policies
	for i, p := range all {
		if p.Name != policy.Names()[i] || p.Meaning == "" || len(p.Value) == 0 || len(p.Default) == 0 {
			t.Errorf("got %+v", p)
		}
		if want := map[string]string{"quota_limit_percent": "90", "client_version": `""`}[p.Name]; want != "" && string(p.Value) != want {
			t.Errorf("%s: got %s, want %s", p.Name, p.Value, want)
		}
	}
}

func TestPolicySet(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, c := range []struct{ name, value, words string }{
		{"quota_hard_fail", "no", "✓ quota_hard_fail is false\n"},
		{"quota_limit_percent", " 90 ", "✓ quota_limit_percent is 90\n"},
		{"client_version", "0.63.0", "✓ client_version is 0.63.0\n"},
		{"client_version", "", "✓ client_version is -\n"},
		{"host_prompt_push", "off", "✓ host_prompt_push is off\n"},
		{"host_prompt_push", "on", "✓ host_prompt_push is on\n  What one host pushes runs on all the others, and nobody looks at it before.\n"},
	} {
		must(t, d.PolicySet(t.Context(), c.name, c.value))
		if out, words := d.said(); out != "" || words != c.words {
			t.Errorf("%s: got %q, %q; want %q", c.name, out, words, c.words)
		}
	}
	d.JSON = true
	must(t, d.PolicySet(t.Context(), "cdx_silent", "yes"))
	if p := document[struct{ Policy shownPolicy }](t, d).Policy; p.Name != "cdx_silent" || string(p.Value) != "true" || string(p.Default) != "false" {
		t.Errorf("got %+v", p)
	}
	if err := d.PolicySet(t.Context(), "nothing", "1"); !errors.Is(err, policy.ErrUnknown) || !strings.Contains(err.Error(), "cdxgate policy list") {
		t.Errorf("got %v, want where the names are", err)
	}
	if err := d.PolicySet(t.Context(), "quota_limit_percent", "20"); errs.Of(err).Kind != errs.Invalid || !strings.Contains(err.Error(), "from 50 to 100") {
		t.Errorf("got %v, want what would be right", err)
	}
	if n := d.g.Int(t, "SELECT count(*) FROM audit_entry WHERE action = 'admin.policy' AND actor_kind = 'operator'"); n != 7 {
		t.Errorf("got %d entries, want one for each that was set", n)
	}
}

func TestKillSwitch(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	host := d.g.Register(t, "build7.example")
	list := gatewaytest.Request{Path: "/slash-commands", Key: host.Key.Reveal()}
	must(t, d.PolicySet(t.Context(), "api_disabled", "on"))
	if _, words := d.said(); !strings.HasPrefix(words, "✓ api_disabled is true\n  Every host is refused from now on") || !strings.Contains(words, "cdxgate policy set api_disabled false") {
		t.Errorf("got %q, want what it means and how to end it", words)
	}
	d.g.Do(t, list).Refused(t, 503, "api_disabled", "API disabled by administrator")
	must(t, d.PolicySet(t.Context(), "api_disabled", "false"))
	if _, words := d.said(); words != "✓ api_disabled is false\n  Hosts are served.\n" {
		t.Errorf("got %q", words)
	}
	if a := d.g.Do(t, list); a.Status != 200 {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
}

func TestBare(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{`true`: "true", `90`: "90", `"off"`: "off", `""`: "-", `"a\"b"`: `a"b`} {
		if got := bare(json.RawMessage(value)); got != want {
			t.Errorf("%s: got %q, want %q", value, got, want)
		}
	}
}
