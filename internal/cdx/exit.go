package cdx

import "fmt"

// Exit is an exit status of cdx itself. When Codex was started the status is Codex's, 128 + N if signal N ended it.
type Exit int

// The statuses of cdx when it did not start Codex. They follow sysexits.h, so that scripts can tell them from Codex's.
const (
	ExitAttention   Exit = 1
	ExitUsage       Exit = 2
	ExitUnavailable Exit = 69
	ExitCannotWrite Exit = 73
	ExitNotUpdated  Exit = 74
	ExitTryLater    Exit = 75
	ExitQuota       Exit = 76
	ExitDenied      Exit = 77
	ExitConfig      Exit = 78
	ExitNoCodex     Exit = 127
	ExitInterrupted Exit = 130
)

// exits is the one table of statuses; the help prints it.
var exits = []struct {
	exit    Exit
	meaning string
}{
	{ExitAttention, "of cdx status and cdx doctor: something needs attention"},
	{ExitUsage, "this command line makes no sense to cdx"},
	{ExitUnavailable, "no login: the gateway has none or does not answer, and this machine has none"},
	{ExitCannotWrite, "something cannot be written or removed on this machine"},
	{ExitNotUpdated, "cdx update: a download failed or is not what it should be; what was there still is"},
	{ExitTryLater, "try later: too many requests, or another cdx is busy"},
	{ExitQuota, "the fleet's limit of the quota is reached, and its policy refuses launches then"},
	{ExitDenied, "the gateway refuses this machine: key, address, host, window, kill switch, certificate"},
	{ExitConfig, "not enrolled, an unusable configuration, or a login on disk that is not the fleet's"},
	{ExitNoCodex, "Codex was not found or cannot be started"},
	{ExitInterrupted, "interrupted before Codex was started"},
}

// refusal is why cdx ends without having started Codex. It is shown in three parts: what is, why, what to do.
type refusal struct {
	exit  Exit
	label string // at most eight columns: denied, login, gateway …
	what  string
	short string // optional: what, for a terminal of 40 columns
	cause string // optional
	next  string // optional: commands or sentences, one per line
	opens bool   // an admin can end this at any moment: it may be worth waiting
}

// Error implements error.
func (r *refusal) Error() string { return fmt.Sprintf("%s: %s", r.label, r.what) }

// notStarted is the sentence that ends a refusal before Codex: it tells scripts' authors the status, users that
// nothing was lost.
func notStarted(exit Exit) string {
	return fmt.Sprintf("Codex was not started, exit %d. %s", exit, untouched)
}

// What became of the login of a machine on which Codex was not started.
const (
	untouched = "The login on disk is untouched."
	purged    = "The login was removed: this machine does not keep it."
)
