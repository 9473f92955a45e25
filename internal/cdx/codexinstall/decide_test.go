package codexinstall

import (
	"path/filepath"
	"slices"
	"testing"
)

var (
	npm       = Origin{Kind: NPM}
	oldLocal  = Local{Path: "/bin/codex", Version: "0.160.0", Origin: npm}
	sameLocal = Local{Path: "/bin/codex", Version: "0.169.0", Origin: npm}
	newLocal  = Local{Path: "/bin/codex", Version: "0.170.0", Origin: npm}
	mute      = Local{Path: "/bin/codex", Origin: Origin{Kind: Other}}
	oldCopy   = Copy{"0.160.0", "/own/0.160.0/codex"}
	sameCopy  = Copy{"0.169.0", "/own/0.169.0/codex"}
	newCopy   = Copy{"0.170.0", "/own/0.170.0/codex"}
)

func TestDecide(t *testing.T) {
	t.Parallel()
	start := func(c Copy) Decision { return Decision{Start: c.Path, Version: c.Version} }
	onPath := func(l Local) Decision {
		return Decision{Start: l.Path, Version: l.Version, UnknownVersion: l.Version == ""}
	}
	installing := func(d Decision, version string) Decision { d.Install = version; return d }
	advising := func(d Decision) Decision { d.Advice = "npm install -g @openai/codex@0.169.0"; return d }
	const target = "0.169.0"
	for name, c := range map[string]struct {
		given Situation
		want  Decision
	}{
		"locked, nothing":               {Situation{Target: target, Locked: true}, installing(Decision{}, target)},
		"locked, PATH has it":           {Situation{Target: target, Locked: true, OnPath: sameLocal, Private: []Copy{newCopy}}, onPath(sameLocal)},
		"locked, PATH older":            {Situation{Target: target, Locked: true, OnPath: oldLocal}, installing(onPath(oldLocal), target)},
		"locked, PATH newer":            {Situation{Target: target, Locked: true, OnPath: newLocal}, installing(onPath(newLocal), target)},
		"locked, PATH older, copy":      {Situation{Target: target, Locked: true, OnPath: oldLocal, Private: []Copy{newCopy, sameCopy}}, start(sameCopy)},
		"locked, PATH newer, copy":      {Situation{Target: target, Locked: true, OnPath: newLocal, Private: []Copy{sameCopy, oldCopy}}, start(sameCopy)},
		"locked, PATH unknown":          {Situation{Target: target, Locked: true, OnPath: mute}, installing(onPath(mute), target)},
		"locked, PATH unknown, copy":    {Situation{Target: target, Locked: true, OnPath: mute, Private: []Copy{sameCopy}}, start(sameCopy)},
		"locked, only an older copy":    {Situation{Target: target, Locked: true, Private: []Copy{oldCopy}}, installing(start(oldCopy), target)},
		"locked, only a newer copy":     {Situation{Target: target, Locked: true, Private: []Copy{newCopy}}, installing(start(newCopy), target)},
		"locked, the right copy":        {Situation{Target: target, Locked: true, Private: []Copy{newCopy, sameCopy}}, start(sameCopy)},
		"locked to nothing":             {Situation{Locked: true, OnPath: oldLocal}, onPath(oldLocal)},
		"free, nothing":                 {Situation{Target: target}, installing(Decision{}, target)},
		"free, PATH older":              {Situation{Target: target, OnPath: oldLocal, Private: []Copy{newCopy}}, advising(onPath(oldLocal))},
		"free, PATH has it":             {Situation{Target: target, OnPath: sameLocal}, onPath(sameLocal)},
		"free, PATH newer":              {Situation{Target: target, OnPath: newLocal}, onPath(newLocal)},
		"free, PATH unknown":            {Situation{Target: target, OnPath: mute}, onPath(mute)},
		"free, only an older copy":      {Situation{Target: target, Private: []Copy{oldCopy}}, installing(start(oldCopy), target)},
		"free, the right copy":          {Situation{Target: target, Private: []Copy{sameCopy, oldCopy}}, start(sameCopy)},
		"free, only a newer copy":       {Situation{Target: target, Private: []Copy{newCopy}}, start(newCopy)},
		"no target, nothing":            {Situation{}, installing(Decision{}, Latest)},
		"no target, PATH":               {Situation{OnPath: oldLocal}, onPath(oldLocal)},
		"no target, PATH unknown":       {Situation{OnPath: mute}, onPath(mute)},
		"no target, copies":             {Situation{Private: []Copy{newCopy, oldCopy}}, start(newCopy)},
		"a target for file systems":     {Situation{Target: "../../etc", Locked: true, Private: []Copy{oldCopy}}, start(oldCopy)},
		"a target of the old kind":      {Situation{Target: "rust-v0.169.0", Locked: true, Private: []Copy{sameCopy}}, start(sameCopy)},
		"a copy of ours on PATH":        {Situation{Target: target, OnPath: Local{"/own/0.160.0/codex", "0.160.0", Origin{Kind: Private}}, Private: []Copy{oldCopy}}, installing(start(oldCopy), target)},
		"what codex --version says":     {Situation{Target: target, Locked: true, OnPath: Local{"/bin/codex", "codex-cli 0.169.0", npm}}, onPath(sameLocal)},
		"a version before the released": {Situation{Target: target, Private: []Copy{{"0.169.0-alpha.2", "/own/a"}}}, installing(start(Copy{"0.169.0-alpha.2", "/own/a"}), target)},
	} {
		if got := Decide(c.given); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// Every combination keeps the promises.
func TestDecideAlways(t *testing.T) {
	t.Parallel()
	copies := []Copy{newCopy, sameCopy, oldCopy}
	seen := 0
	for _, target := range []string{"", "nonsense", "0.160.0", "0.169.0", "0.170.0", "0.171.0"} {
		for _, locked := range []bool{false, true} {
			for _, onPath := range []Local{{}, oldLocal, sameLocal, newLocal, mute} {
				for _, kind := range []Kind{NPM, Brew, Standalone, Other, Private} {
					for set := range 8 {
						s := Situation{Target: target, Locked: locked, OnPath: onPath}
						s.OnPath.Origin.Kind = kind
						for i, c := range copies {
							if set&(1<<i) != 0 {
								s.Private = append(s.Private, c)
							}
						}
						seen++
						if wrong := broken(s, Decide(s)); wrong != "" {
							t.Errorf("%+v: %+v: %s", s, Decide(s), wrong)
						}
					}
				}
			}
		}
	}
	if seen != 6*2*5*5*8 {
		t.Errorf("got %d combinations", seen)
	}
}

// broken says which promise a decision breaks.
func broken(s Situation, d Decision) string {
	foreign := s.OnPath.Path != "" && s.OnPath.Origin.Kind != Private
	target := Normalize(s.Target)
	has := func(version string) bool {
		return foreign && s.OnPath.Version == version || slices.ContainsFunc(s.Private, func(c Copy) bool { return c.Version == version })
	}
	switch {
	case d.Start == "" && (foreign || len(s.Private) > 0):
		return "there is something to start"
	case d.Start == "" && d.Install == "":
		return "it will never start"
	case d.Install != "" && has(d.Install):
		return "it is there already"
	case d.Install != "" && d.Install != target && d.Install != Latest:
		return "nobody asked for that version"
	case s.Locked && target != "" && has(target) && d.Version != target:
		return "the pinned version is there and does not start"
	case s.Locked && target != "" && !has(target) && d.Install != target:
		return "the pinned version does not come"
	case !s.Locked && foreign && (d.Start != s.OnPath.Path || d.Install != ""):
		return "what somebody else installed is not left alone"
	case !s.Locked && !foreign && len(s.Private) > 0 && d.Start != s.Private[0].Path:
		return "the newest copy does not start"
	case !s.Locked && !foreign && target != "" && len(s.Private) > 0 && compare(s.Private[0].Version, target) < 0 && d.Install != target:
		return "the target does not come"
	case !s.Locked && d.Install != "" && d.Install != Latest && len(s.Private) > 0 && compare(s.Private[0].Version, d.Install) >= 0:
		return "an older version comes without a pin"
	case d.Advice != "" && (!foreign || s.Locked || compare(s.OnPath.Version, target) >= 0):
		return "advice for nothing"
	case d.UnknownVersion != (d.Start != "" && d.Version == ""):
		return "an unknown version is not reported"
	}
	return ""
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0.169.0": "0.169.0", "codex-cli 0.169.0\n": "0.169.0", "codex 0.169.0": "0.169.0", "v0.169.0": "0.169.0",
		"rust-v0.169.0": "0.169.0", "rust-0.169.0": "0.169.0", "0.170.0-alpha.3": "0.170.0-alpha.3",
		"": "", "latest": "", "0.169": "", "0.169.0/..": "", "..": "", "0.169.0-..": "", "0.169.0-a/b": "", "01.2.3": "",
		"0.169.0 ; rm": "", "0.169.0\x00": "", "0.169.0-": "", "9999999.0.0": "",
	} {
		if got := Normalize(text); got != want {
			t.Errorf("Normalize(%q): got %q, want %q", text, got, want)
		}
	}
}

func TestRoot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goos string
		env  map[string]string
		want string
	}{
		{"linux", map[string]string{"HOME": "/home/u"}, "/home/u/.local/share/cdx/codex"},
		{"linux", map[string]string{"HOME": "/home/u", "XDG_DATA_HOME": "/data"}, "/data/cdx/codex"},
		{"linux", map[string]string{"HOME": "/home/u", "XDG_DATA_HOME": "data"}, "/home/u/.local/share/cdx/codex"},
		{"linux", map[string]string{"LOCALAPPDATA": "/x"}, ""},
		{"darwin", map[string]string{"HOME": "/Users/u", "XDG_DATA_HOME": "/data"}, "/Users/u/Library/Application Support/cdx/codex"},
		{"darwin", nil, ""},
		{"windows", map[string]string{"LOCALAPPDATA": "/local", "USERPROFILE": "/u", "HOME": "/h"}, "/local/cdx/codex"},
		{"windows", map[string]string{"USERPROFILE": "/u"}, "/u/AppData/Local/cdx/codex"},
		{"windows", map[string]string{"HOME": "/h"}, ""},
	} {
		got, err := Root(c.goos, func(name string) string { return c.env[name] })
		if filepath.ToSlash(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: got %q, %v", c, got, err)
		}
	}
}
