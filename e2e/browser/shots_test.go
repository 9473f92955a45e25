package browser

import "testing"

// The README's pictures.
func TestShots(t *testing.T) {
	g := demoFleet(t)
	wide, phone := views[0], views[5]
	dark := wide
	dark.dark = true
	for _, shot := range []struct {
		name, path string
		view       view
	}{
		{"readme-overview", "/dashboard/", wide},
		{"readme-hosts", "/dashboard/hosts", dark},
		{"readme-usage", "/dashboard/usage", wide},
		{"readme-phone", "/dashboard/credentials", phone},
	} {
		b := newTab(t, g.Local, shot.view)
		b.logIn(g.link(t, "owner"))
		b.open(shot.path)
		b.shows("#live", "Live")
		b.shootWindow(shot.name)
	}
}
