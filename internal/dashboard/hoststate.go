package dashboard

import (
	"bytes"
	"fmt"
	"math"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/templates"
)

// hostState is what matters most about a host, in a word with a shape and a colour: the same on every page.
type hostState struct {
	Key   string // of the legend
	Label string
	Icon  string
	Tone  templates.Tone
	Off   bool // there is nothing to see yet, or nothing may happen
}

// hostStates are all of them, in the order of the legend: the least usual first.
var hostStates = []hostState{
	{Key: "suspended", Label: "Suspended", Icon: "paused", Tone: templates.Warn},
	{Key: "expired", Label: "Expired", Icon: "bad", Tone: templates.Bad},
	{Key: "pruned", Label: "Pruned soon", Icon: "expires", Tone: templates.Warn},
	{Key: "window", Label: "Window open", Icon: "window", Tone: templates.Warn},
	{Key: "behind", Label: "Behind", Icon: "behind", Tone: templates.Info},
	{Key: "locked", Label: "Locked", Icon: "locked", Off: true},
	{Key: "never", Label: "Never seen", Icon: "never", Off: true},
	{Key: "ok", Label: "Can login", Icon: "ok", Tone: templates.OK},
}

func stateNamed(key string) hostState {
	for _, state := range hostStates {
		if state.Key == key {
			return state
		}
	}
	panic("dashboard: there is no state of hosts " + key)
}

// pruneWarning is how long before a host is pruned for silence that is said.
const pruneWarning = 10 * 24 * time.Hour

// stateOf is a host's state now. canonical is the digest of its account's login (empty: there is none); silence is how long a
// host may be silent before it is pruned (0: for ever).
func stateOf(h *db.Host, canonical []byte, silence time.Duration, now time.Time) hostState {
	switch {
	case h.Status != "active":
		return stateNamed("suspended")
	case h.ExpiresAt != nil && !h.ExpiresAt.After(now):
		return stateNamed("expired")
	case h.LastSeenAt == nil:
		return stateNamed("never")
	case silence > 0 && h.LastSeenAt.Add(silence).Sub(now) < pruneWarning:
		state := stateNamed("pruned")
		if left := h.LastSeenAt.Add(silence).Sub(now); left > 0 {
			state.Label = fmt.Sprintf("Pruned in %d d", int(math.Ceil(left.Hours()/24)))
		}
		return state
	case windowOpen(h, now):
		return stateNamed("window")
	case !h.Secure:
		return stateNamed("locked")
	case len(h.AuthDigest) > 0 && len(canonical) > 0 && !bytes.Equal(h.AuthDigest, canonical):
		return stateNamed("behind")
	}
	return stateNamed("ok")
}

// windowOpen reports whether a host is insecure and may call now.
func windowOpen(h *db.Host, now time.Time) bool {
	return !h.Secure && h.InsecureUntil != nil && !h.InsecureUntil.Before(now)
}
