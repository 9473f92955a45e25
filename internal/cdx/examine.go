package cdx

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/cdxgate/cdxgate/internal/cdx/codexconfig"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// pendingPath is where a login waits that the gateway has not acknowledged yet.
func (h home) pendingPath() string { return filepath.Join(h.dir, ".cdx", "pending-auth.json") }

// examineMachine is about what needs no gateway and no enrolment: the files of the home, the programs on PATH, Codex's
// settings, the environment.
func (a *app) examineMachine() []screen.Finding {
	findings := []screen.Finding{a.home.examineRights()}
	if exists, err := isThere(a.home.pendingPath()); exists || err != nil {
		findings = append(findings, fault(screen.Attention, "waiting", "a new login has not reached the gateway yet",
			"It may be the only copy of a login that the whole fleet needs.", "cdx sync"))
	}
	return append(findings, examineSelf(), a.home.examineStore(), examineEnvironment())
}

func isThere(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// examineRights says who may read the home and the login in it.
func (h home) examineRights() screen.Finding {
	for _, path := range []string{h.authPath(), h.dir} {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return fault(screen.Refused, "home", err.Error(), "Codex cannot keep a login there.", "ls -ld "+display(path))
		case path == h.authPath() && othersMayRead(info, false):
			return fault(screen.Attention, "home", "other users can read "+display(path),
				"Who has that file has the fleet's login.", "chmod 600 "+display(path))
		case path == h.dir && !info.IsDir():
			return fault(screen.Refused, "home", display(path)+" is no directory", "Codex cannot keep a login there.", "ls -ld "+display(path))
		case path == h.dir && othersMayWrite(info):
			return fault(screen.Attention, "home", "other users can write in "+display(path),
				"They can put a login or settings of theirs there.", "chmod go-w "+display(path))
		}
	}
	return fine("home", display(h.dir)+", private")
}

// examineLogin is about the login on disk; err is why it cannot be read.
func (s *session) examineLogin(err error) screen.Finding {
	path := display(s.home.authPath())
	validity := s.login.validity(s.app.Now())
	switch {
	case err != nil:
		return fault(screen.Refused, "login", err.Error(), "Codex does not start with it.", "ls -l "+path)
	case s.login.broken != nil:
		return fault(screen.Refused, "login", path+" is no login: "+s.login.broken.Error(),
			"The next start keeps it aside and takes the fleet's.", "cdx sync")
	case s.login.isOwnAPIKey():
		return fault(screen.Attention, "login", "this machine uses an API key of its own", "The fleet's login is not used.", "cdx logout && cdx sync")
	case !s.login.exists() && s.home.loadState().LoggedOut:
		return fault(screen.Attention, "login", "it was removed by cdx logout", "Codex does not start.", "cdx sync")
	case !s.login.exists():
		return fault(screen.Attention, "login", "there is none on this machine yet", "The next start takes the fleet's.", "cdx sync")
	case strings.HasPrefix(validity, "expired"):
		return fault(screen.Attention, "login", validity, "Codex or the gateway renews it with the next start.", "cdx sync")
	}
	words := "present"
	if generation := s.loginOnScreen(false).Generation; generation > 0 {
		words = "generation " + strconv.FormatInt(generation, 10)
	}
	if validity != "" {
		words += ", " + validity
	}
	return fine("login", words)
}

// examineUpdates is about what the background could not bring up to date; nothing when all went well.
func (h home) examineUpdates() []screen.Finding {
	var findings []screen.Finding
	u := h.loadUpdates()
	for _, tried := range []attempt{u.Client, u.Codex} {
		if remark := tried.remark(); remark != "" {
			findings = append(findings, fault(screen.Attention, "update", remark, "What is here is used meanwhile.", "cdx update"))
		}
	}
	return findings
}

// examineCodex is about the Codex that cdx starts, and others that could be taken for it.
func (s *session) examineCodex(codex codexVersion) screen.Finding {
	path, err := findCodex()
	if refused, ok := errors.AsType[*refusal](err); ok {
		return fault(screen.Refused, "codex", refused.what, "There is nothing to start.", refused.next)
	}
	words := codex.Version + ", " + display(path)
	if codex.Version == "" {
		return fault(screen.Attention, "codex", display(path)+" does not say its version", "It may be damaged, or no Codex.", display(path)+" --version")
	}
	if by := s.installer(codex); by != "" {
		words += ", installed by " + by
	}
	if others := programsOnPath("codex", path); len(others) > 0 && os.Getenv(envCodexBin) == "" {
		return fault(screen.Attention, "codex", words+"; there is another on PATH: "+display(others[0]),
			"cdx starts the first; updates may go to the other.", whereAll("codex"))
	}
	if target := codexTarget(s.blocks.host(), s.blocks.versions()); target != "" && target != codex.Version {
		return fault(screen.Attention, "codex", words, "The fleet is to run "+target+".", "cdx update")
	}
	return fine("codex", words)
}

// examineSelf says whether typing cdx starts this program.
func examineSelf() screen.Finding {
	self, err := os.Executable()
	if err != nil {
		return fault(screen.Unknown, "cdx", "this program does not know where it is", "", "")
	}
	found := programsOnPath("cdx", "")
	switch {
	case len(found) == 0:
		command := `export PATH="` + filepath.Dir(self) + `:$PATH"`
		if runtime.GOOS == "windows" {
			command = `$env:PATH = "` + filepath.Dir(self) + `;$env:PATH"`
		}
		return fault(screen.Attention, "cdx", display(self)+" is not on PATH", "Typing cdx does not find it.", command)
	case !isOurselves(found[0]):
		return fault(screen.Attention, "cdx", display(found[0])+" is found before "+display(self), "Typing cdx starts another one than this.", whereAll("cdx"))
	default:
		return fine("cdx", display(self))
	}
}

// whereAll is the command that shows everything that PATH offers under a name.
func whereAll(name string) string {
	if runtime.GOOS == "windows" {
		return "where.exe " + name
	}
	return "type -a " + name
}

// programsOnPath returns what PATH offers under a name, without those that are the same file as not, and each file once.
func programsOnPath(name, not string) []string {
	var found []string
	var seen []fs.FileInfo
	if info, err := os.Stat(not); err == nil {
		seen = append(seen, info)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		for _, file := range executables(name) {
			path := filepath.Join(dir, file)
			info, err := os.Stat(path)
			if err != nil || !filepath.IsAbs(dir) || !isExecutable(path) || name == "codex" && isOurselves(path) ||
				slices.ContainsFunc(seen, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
				continue
			}
			found, seen = append(found, path), append(seen, info)
		}
	}
	return found
}

// examineStore says where Codex is set to keep a login.
func (h home) examineStore() screen.Finding {
	config, err := codexconfig.Read(codexconfig.Paths(h.dir)...)
	switch {
	case err != nil:
		return fault(screen.Attention, "store", "Codex's configuration is not understood: "+err.Error(), "Codex may refuse to start.", "codex features list")
	case config.CredentialsStore == "" || config.CredentialsStore == codexconfig.StoreFile:
		return fine("store", "Codex keeps its login in auth.json")
	default:
		return fault(screen.Attention, "store", "Codex is set to keep its login in "+field(config.CredentialsStore),
			"cdx makes it keep to auth.json; Codex without cdx may delete that file.", `set cli_auth_credentials_store = "file" in `+display(filepath.Join(h.dir, "config.toml")))
	}
}

// examineEnvironment names the variables that change what Codex or cdx does. Their values may be secrets.
func examineEnvironment() screen.Finding {
	var names []string
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if value != "" && (strings.HasPrefix(name, "CODEX_") || strings.HasPrefix(name, "CDX_")) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	switch own := setOwnCredential(); {
	case own != "":
		return fault(screen.Attention, "environment", own+" is set", "Codex uses that instead of the fleet's login, and nothing is sent up.", "unset "+own)
	case len(names) == 0:
		return fine("environment", "no CODEX_ or CDX_ variable is set")
	default:
		return fine("environment", "set: "+strings.Join(names, ", "))
	}
}
