package caddymodule

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cdxgate/cdxgate/internal/fleet"
	"github.com/cdxgate/cdxgate/internal/operator"
)

const configurationDoc = "../docs/configuration.md"

// parsedOptions are the words that parseApp knows: the JSON names of App, since the two are the same.
func parsedOptions() (names []string) {
	for field := range reflect.TypeFor[App]().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func TestEveryOptionIsParsed(t *testing.T) {
	t.Parallel()
	samples := map[string]string{
		"public_url": "http://a.example", "database_max_conns": "3", "install_token_ttl": "5m", "seed_token_ttl": "5m", "audit_retention": "400d", "start_timeout": "5m",
		"ipv6_prefix": "56", "runner_bypass": "172.28.0.0/16", "limit": "host 60 1m",
		"auto_update": "off", "client_rollback": "on", "client_release_key": "RWRgSrG6u+d/v1X1AOjfEN2c72MkxnJxE6rvcQ8esdyZMrMh0UUSF7CP", "codex_releases": "https://a.example",
		"chatgpt_url": "off", "github_api": "off",
	}
	for _, name := range parsedOptions() {
		got := adaptText("Caddyfile", "{\n\tcdxgate {\n\t\t"+name+" "+orDefault(samples[name], "x")+"\n\t}\n}\n")
		if !strings.Contains(got, `"`+name+`"`) || strings.HasPrefix(got, "Error") {
			t.Errorf("option %s becomes\n%s\nwant JSON with a member of that name", name, got)
		}
	}
}

// directives are what the Caddyfile syntax adds to a site.
func directives(t *testing.T) (names []string) {
	t.Helper()
	source, err := os.ReadFile("caddyfile.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`(?m)^\t(?:guard|responder)\("(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		names = append(names, match[1])
	}
	return names
}

// A fact has one home, and a copy has a test: the tables of docs/configuration.md say what the code says.
func TestConfigurationIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(configurationDoc)
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\|\\s*`(\\w+)").FindAllStringSubmatch(string(text), -1) {
		documented[row[1]] = true
	}
	words := slices.Concat(parsedOptions(), directives(t))
	if len(words) < 15 {
		t.Fatalf("got %d options and directives (%v), want all of them", len(words), words)
	}
	for _, word := range words {
		if !documented[word] {
			t.Errorf("no table of %s has a row that begins with `%s`", configurationDoc, word)
		}
	}
	for _, variable := range shippedVariables(t) {
		if !strings.Contains(string(text), variable) {
			t.Errorf("%s does not mention %s, which the shipped Caddyfile reads", configurationDoc, variable)
		}
	}
}

// So does the row of host set, whose flags are many.
func TestFlagsOfHostSetAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `cdxgate host set NAME FLAG…` \\|.*$").FindString(string(text))
	cmd := &cobra.Command{}
	changeFlags(cmd, &fleet.Change{})
	found := 0
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		found++
		if !regexp.MustCompile("`--" + flag.Name + "[ `]").MatchString(row) {
			t.Errorf("the row of host set in docs/operations.md does not mention --%s", flag.Name)
		}
	})
	if found < 12 {
		t.Errorf("got %d flags, want all of them", found)
	}
}

func TestFlagsOfHostSet(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]fleet.Change{
		"--ipv4-only": {ForceIPv4: new(true)}, "--ipv4-only=off": {ForceIPv4: new(false)}, "--ipv4-only=false": {ForceIPv4: new(false)},
		"--ipv4-only=on --vip=off": {ForceIPv4: new(true), VIP: new(false)},
		"--model gpt-5.1-codex":    {Model: new("gpt-5.1-codex")}, "--model=": {Model: new("")},
		"--label team=x --label rack= --note=": {Labels: map[string]string{"team": "x", "rack": ""}, Note: new("")},
		"--reasoning-effort high":              {ReasoningEffort: new("high")}, "--reasoning-effort=": {ReasoningEffort: new("")},
	} {
		var change fleet.Change
		cmd := &cobra.Command{}
		changeFlags(cmd, &change)
		if err := cmd.ParseFlags(strings.Fields(text)); err != nil || !reflect.DeepEqual(change, want) {
			t.Errorf("%s: got %+v, %v", text, change, err)
		}
	}
	cmd := &cobra.Command{}
	changeFlags(cmd, &fleet.Change{})
	if err := cmd.ParseFlags([]string{"--ipv4-only=perhaps"}); err == nil || !strings.Contains(err.Error(), "true or false") {
		t.Errorf("got %v", err)
	}
}

func TestFlagsOfHostList(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var list operator.HostListOptions
	cmd := &cobra.Command{}
	listFlags(cmd, &list)
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if !regexp.MustCompile("`--" + flag.Name + "[ `]").Match(text) {
			t.Errorf("docs/operations.md does not mention --%s of host list", flag.Name)
		}
	})
	if list.Limit != 100 || list.Sort != fleet.SortName {
		t.Errorf("got %+v without flags", list)
	}
	want := operator.HostListOptions{
		Query: fleet.Query{Search: "x", Sort: "seen", Desc: true, Limit: 7, Filter: fleet.Filter{
			State: "active", Secure: new(true), Roaming: new(false), VIP: new(true), Outdated: new(true), WindowOpen: new(false), NeverSeen: new(true),
			Label: map[string]string{"a": "b", "c": "d"},
		}},
		All: true,
	}
	args := "--search x --sort seen --desc --limit 7 --state active --secure --roaming=off --vip=on --outdated --window-open=false --never-seen --label a=b --label c=d --all"
	if err := cmd.ParseFlags(strings.Fields(args)); err != nil || !reflect.DeepEqual(list, want) {
		t.Errorf("got %+v, %v", list, err)
	}
	for _, bad := range []string{"--label team", "--label Team=x", "--vip=perhaps"} {
		if err := cmd.ParseFlags(strings.Fields(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func shippedVariables(t *testing.T) (names []string) {
	t.Helper()
	shipped, err := os.ReadFile("../Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`\{\$(CDXGATE_\w+)`).FindAllStringSubmatch(string(shipped), -1) {
		names = append(names, match[1])
	}
	if len(names) == 0 {
		t.Fatal("the shipped Caddyfile reads no variables any more; this test must learn what became of them")
	}
	return names
}

func TestEveryFieldOfAppHasADocComment(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "app.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "App" {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			if field.Tag == nil {
				continue
			}
			found++
			if doc := field.Doc.Text(); !strings.Contains(doc, "Default: ") {
				t.Errorf("%s has the doc comment %q, want one that ends with its default", field.Names[0], doc)
			}
		}
		return false
	})
	if want := len(parsedOptions()); found != want {
		t.Errorf("got %d fields with a tag, want %d", found, want)
	}
}

// Whoever lists the modules of his binary finds these, and no others of ours.
func TestModules(t *testing.T) {
	t.Parallel()
	want := []string{
		"admin.api.cdxgate", "cdxgate", "http.handlers.cdxgate_admin", "http.handlers.cdxgate_auth", "http.handlers.cdxgate_dashboard", "http.handlers.cdxgate_fallback",
		"http.handlers.cdxgate_host_key", "http.handlers.cdxgate_installer", "http.handlers.cdxgate_library", "http.handlers.cdxgate_usage", "http.handlers.cdxgate_versions",
		"tls.ca_pool.source.cdxgate",
	}
	var got []string
	for _, id := range caddy.Modules() {
		if strings.Contains(id, "cdxgate") {
			got = append(got, id)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
