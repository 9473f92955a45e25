package cdx

import (
	"os"
	"strconv"
	"strings"

	"github.com/cdxgate/cdxgate/internal/cdx/codexconfig"
)

// envActive names the Codex home whose login an outer cdx looks after: a cdx that Codex starts leaves it alone.
const envActive = "CDX_ACTIVE"

// envStarter is the process number of the cdx that started Codex: a cdx that finds its own parent there is what was
// taken for Codex.
const envStarter = "CDX_STARTER"

// isNested reports whether this process runs inside a Codex that another cdx started for the same home.
func (a *app) isNested() bool { return os.Getenv(envActive) == a.home.dir }

// environ is this process's environment and the marks for those inside.
func (a *app) environ() []string {
	env := append(os.Environ(), envStarter+"="+strconv.Itoa(os.Getpid()))
	if a.home.dir != "" {
		env = append(env, envActive+"="+a.home.dir)
	}
	return env
}

// refuseLoop refuses to be the Codex of another cdx, by whatever link or script: each would start the next without end.
func refuseLoop() error {
	if os.Getenv(envStarter) != strconv.Itoa(os.Getppid()) {
		return nil
	}
	return &refusal{
		exit: ExitNoCodex, label: "codex", what: "the codex that was found leads back to cdx",
		next: "name the real one: " + envCodexBin + "   or install it: npm i -g @openai/codex",
	}
}

// expandProfile turns a first argument that names one of the user's profiles into --profile NAME, unless the user said
// by a leading "--" that the words are Codex's.
func (s *session) expandProfile(c call) []string {
	if c.literal || len(c.args) == 0 || strings.HasPrefix(c.args[0], "-") {
		return c.args
	}
	version := versionOf(s.codex, s.home.loadState().Codex)
	if !codexconfig.IsProfile(s.home.dir, c.args[0], version) {
		return c.args
	}
	return append([]string{"--profile"}, c.args...)
}

// keepToFile makes Codex keep the login in auth.json for this run when it is set to keep it elsewhere: saving to a
// keyring deletes the file, and a renewed login would never reach the gateway. A configuration that cannot be read is
// Codex's to complain about.
func (s *session) keepToFile(args []string) []string {
	config, _ := codexconfig.Read(codexconfig.Paths(s.home.dir)...)
	if config.CredentialsStore == "" || config.CredentialsStore == codexconfig.StoreFile {
		return args
	}
	s.notice("login", "Codex is set to keep its login in "+field(config.CredentialsStore)+"; with cdx it keeps it in auth.json")
	return append([]string{"-c", `cli_auth_credentials_store="file"`}, args...)
}
