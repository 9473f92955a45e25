// Package pagetest checks what every page of the dashboard has to be, for tests of internal/templates and of internal/dashboard.
package pagetest

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Check reports what a page has that its Content-Security-Policy would not let run, what it loads from elsewhere, what of it
// points nowhere, and what of it a screen reader could not name. name says in a failure which page it was.
func Check(t testing.TB, name string, page []byte) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		t.Errorf("%s: no HTML: %v", name, err)
		return
	}
	c := checker{t: t, name: name, ids: map[string]int{}}
	c.walk(root, c.count)
	c.walk(root, c.check)
	if c.headings != 1 {
		t.Errorf("%s: got %d h1, want 1", name, c.headings)
	}
	for id, n := range c.ids {
		if n > 1 {
			t.Errorf("%s: %d elements have the id %q", name, n, id)
		}
	}
}

// Text is what a browser shows of a page, with single blanks between words.
func Text(t testing.TB, page []byte) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(page)))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	new(checker).walk(root, func(n *html.Node) {
		if n.Type == html.TextNode && n.Parent.Data != "script" && n.Parent.Data != "style" {
			text.WriteString(n.Data)
			text.WriteByte(' ')
		}
	})
	return strings.Join(strings.Fields(text.String()), " ")
}

type checker struct {
	t        testing.TB
	name     string
	ids      map[string]int // :: id → how many elements have it
	labelled []string       // ids that a label is for
	headings int
}

func (c *checker) walk(n *html.Node, visit func(*html.Node)) {
	visit(n)
	for child := range n.ChildNodes() {
		c.walk(child, visit)
	}
}

func (c *checker) count(n *html.Node) {
	if n.Type != html.ElementNode {
		return
	}
	if id := attr(n, "id"); id != "" {
		c.ids[id]++
	}
	switch n.Data {
	case "h1":
		c.headings++
	case "label":
		c.labelled = append(c.labelled, attr(n, "for"))
	}
}

// references are attributes that name elements by their ids.
var references = []string{"for", "commandfor", "popovertarget", "aria-labelledby", "aria-describedby", "aria-controls", "form", "list"}

// loaded are attributes whose addresses a browser loads, or goes to by itself.
var loaded = map[string][]string{
	"src": nil, "srcset": nil, "data": nil, "poster": nil, "action": nil, "formaction": nil, "hx-get": nil, "hx-post": nil, "href": {"link", "use", "image"},
}

func (c *checker) check(n *html.Node) {
	if n.Type != html.ElementNode {
		return
	}
	switch n.Data {
	case "style", "iframe", "object", "embed", "base":
		c.t.Errorf("%s: has <%s>", c.name, n.Data)
	case "script":
		if attr(n, "src") == "" || n.FirstChild != nil {
			c.t.Errorf("%s: has an inline script", c.name)
		}
	case "input", "select", "textarea":
		c.checkField(n)
	}
	for _, a := range n.Attr {
		c.checkAttribute(n, a)
	}
}

func (c *checker) checkAttribute(n *html.Node, a html.Attribute) {
	if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") {
		c.t.Errorf("%s: <%s> has %s=%q", c.name, n.Data, a.Key, a.Val)
	}
	if a.Key == "href" || a.Key == "action" || a.Key == "src" {
		if scheme, _, found := strings.Cut(strings.ToLower(strings.TrimSpace(a.Val)), ":"); found && (scheme == "javascript" || scheme == "data") {
			c.t.Errorf("%s: <%s> has %s=%q", c.name, n.Data, a.Key, a.Val)
		}
	}
	if elements, is := loaded[a.Key]; is && (elements == nil || slices.Contains(elements, n.Data)) {
		inPage := n.Data == "use" && strings.HasPrefix(a.Val, "#") && c.ids[a.Val[1:]] == 1
		if !strings.HasPrefix(a.Val, "/dashboard/") && a.Val != "/dashboard" && !inPage {
			c.t.Errorf("%s: <%s> has %s=%q, which is not a path of ours", c.name, n.Data, a.Key, a.Val)
		}
	}
	if slices.Contains(references, a.Key) {
		for id := range strings.FieldsSeq(a.Val) {
			if c.ids[id] == 0 {
				c.t.Errorf("%s: <%s> has %s=%q, and there is no such element", c.name, n.Data, a.Key, id)
			}
		}
	}
}

// checkField reports a field without a name that is read out.
func (c *checker) checkField(n *html.Node) {
	if kind := attr(n, "type"); kind == "hidden" || kind == "submit" {
		return
	}
	inLabel := false
	for parent := n.Parent; parent != nil; parent = parent.Parent {
		inLabel = inLabel || parent.Data == "label"
	}
	if id := attr(n, "id"); !inLabel && attr(n, "aria-label") == "" && attr(n, "aria-labelledby") == "" && (id == "" || !slices.Contains(c.labelled, id)) {
		c.t.Errorf("%s: the field %q has no label", c.name, attr(n, "name"))
	}
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}
