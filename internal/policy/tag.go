package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Tag is a text that is another one once any of the named policies has been decided, be it as before: what somebody decides by
// what he saw is not to undo what another has decided meanwhile. A name that there is not counts like one that nobody decided.
func (s *State) Tag(names ...string) string {
	values, sum := s.Values(), sha256.New()
	for _, name := range names {
		sum.Write([]byte(name + "=" + string(values[name]) + "@" + s.DecidedAt[name].UTC().Format(time.RFC3339Nano) + "\n"))
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
