package cdx

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
	"github.com/cdxgate/cdxgate/internal/cdx/screen"
)

// How long a login on disk is enough without a word of the gateway (the offline rule). Longer, and a machine that was
// taken from the fleet could go on for as long as it keeps away from the network.
const (
	offlineAge       = 24 * time.Hour
	offlineAgeSecure = 7 * 24 * time.Hour
	maxAhead         = 5 * time.Minute // of this machine's clock; what is later was not true
)

// placeholderPrefix begins what stands for a refresh token where the gateway keeps the real one.
const placeholderPrefix = "cdxp_"

func (h home) contactPath() string { return filepath.Join(h.dir, ".cdx", "contact") }

// rememberContact records that the gateway answered. It is not flushed, which would cost every start more than all the
// rest: after a power cut the time before counts. The same goes for a disk that is full.
func (h home) rememberContact(now time.Time) {
	file, err := files.Keep(h.contactPath())
	if err != nil {
		return
	}
	defer func() { _ = file.Close() }() // not flushed either
	if file.Truncate(0) == nil {
		_, _ = file.WriteString(now.UTC().Format(time.RFC3339Nano) + "\n")
	}
}

// lastContact returns when the gateway last answered; zero: never, or it was forgotten.
func (h home) lastContact() time.Time {
	text, err := files.ReadBounded(h.contactPath(), 64)
	if err != nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(text)))
	if err != nil {
		return time.Time{}
	}
	return at
}

// mayGoOn reports whether the login on disk is enough although the gateway has no say, and if not, why.
func (s *session) mayGoOn() error {
	now := s.app.Now()
	if !s.login.usable() {
		return errors.New("there is no login on this machine to start with meanwhile")
	}
	if s.login.isOwnAPIKey() {
		return nil
	}
	if until := s.login.claims().expiresAt; !s.login.renewable() && !until.IsZero() && !until.After(now) {
		return errors.New("the login on this machine has expired, and only the gateway can renew it")
	}
	checked := s.home.lastContact()
	if checked.IsZero() {
		// Codex writes up to nine digits of a second; time.Parse takes them all.
		checked, _ = time.Parse(time.RFC3339, s.login.lastRefresh())
	}
	limit := offlineAge
	if s.client.config.Secure && s.isSecure() { // neither the older word nor a file without a signature alone
		limit = offlineAgeSecure
	}
	switch age := now.Sub(checked); {
	case age < -maxAhead:
		return errors.New("by this machine's clock the gateway was last asked in the future")
	case age > limit:
		return errors.New("the gateway was last asked " + screen.Span(age) + " ago; without it this machine may go on for " + screen.Span(limit))
	}
	return nil
}
