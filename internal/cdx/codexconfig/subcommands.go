package codexconfig

import "slices"

// subcommands are the words that some Codex takes as a subcommand, hidden ones and aliases included, sorted. A word that a
// Codex at hand does not know is still none that a profile should have: the next one may, or a script may mean it.
var subcommands = []string{
	"a", "agents", "app", "app-server", "apply", "archive", "cloud", "cloud-tasks", "completion", "debug", "delete", "doctor",
	"e", "exec", "exec-server", "execpolicy", "features", "fork", "generate-ts", "git-credential", "help", "login", "logout",
	"mcp", "mcp-server", "migrate-nfs-db", "migrate-rollouts", "p", "plugin", "proto", "queue", "remote-control", "responses",
	"responses-api-proxy", "resume", "review", "sandbox", "stdio-to-uds", "tcp-tunnel", "tui", "unarchive", "update",
}

// IsSubcommand reports whether Codex takes a first argument as a command of its own.
func IsSubcommand(word string) bool {
	_, found := slices.BinarySearch(subcommands, word)
	return found
}
