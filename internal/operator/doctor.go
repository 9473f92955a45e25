package operator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/credential"
	"github.com/cdxgate/cdxgate/internal/errs"
	"github.com/cdxgate/cdxgate/internal/release"
)

// ErrSick is an installation in which the doctor found something that does not work.
var ErrSick = errs.New(errs.Internal, "sick", "this installation needs attention")

// finding is one line of the doctor's: what is, and for a fault what it means and what to do.
type finding struct {
	Grade string `json:"grade"` // ok, attention, failed
	Topic string `json:"topic"`
	What  string `json:"what"`
	Means string `json:"means,omitempty"`
	Fix   string `json:"fix,omitempty"`
}

// Doctor examines what the configuration names. That it could be opened shows the database and the keyring to be good.
func (c *Console) Doctor(ctx context.Context, clientDir string) error {
	findings := []finding{
		{Grade: "ok", Topic: "config", What: "is valid; hosts use " + c.PublicURL},
		{Grade: "ok", Topic: "keyring", What: fmt.Sprintf("active key %s, opens the database's", c.core.Keyring.Active())},
		c.examineDatabase(ctx), c.examineLogin(ctx), c.examinePolicy(ctx), c.examineLimits(ctx), c.examineCerts(ctx), examineClients(clientDir),
	}
	counts := map[string]int{}
	for _, f := range findings {
		counts[f.Grade]++
	}
	err := c.print(map[string]any{"findings": findings}, func(out io.Writer) {
		for _, f := range findings {
			symbol := map[string]string{"ok": "✓", "attention": "!", "failed": "✗"}[f.Grade]
			_, _ = fmt.Fprintf(out, "%s %-9s %s\n", symbol, f.Topic, f.What)
			if f.Means != "" {
				_, _ = fmt.Fprintf(out, "%12s%s\n", "", f.Means)
			}
			if f.Fix != "" {
				_, _ = fmt.Fprintf(out, "%12s%s\n", "", f.Fix)
			}
		}
		_, _ = fmt.Fprintf(out, "%d in order, %d to look at, %d failed\n", counts["ok"], counts["attention"], counts["failed"])
	})
	if err == nil && counts["failed"]+counts["attention"] > 0 {
		err = ErrSick
	}
	return err
}

func (c *Console) examineDatabase(ctx context.Context) finding {
	start := time.Now()
	version, err := c.core.DB.SchemaVersion(ctx)
	if err != nil {
		return finding{"failed", "database", err.Error(), "Nothing works without it.", "check the option “database”"}
	}
	took := time.Since(start)
	return finding{Grade: "ok", Topic: "database", What: fmt.Sprintf("schema %d, %.1f ms", version, float64(took.Microseconds())/1000)}
}

func (c *Console) examineLogin(ctx context.Context) finding {
	current, err := c.credentials.Current(ctx, c.account.ID)
	now := time.Now()
	switch {
	case errors.Is(err, credential.ErrNone):
		return finding{"attention", "login", "there is none yet", "Hosts have nothing to pull.", "cdxgate auth upload ~/.codex/auth.json"}
	case err != nil:
		return finding{"failed", "login", err.Error(), "Hosts cannot pull it.", "look into the gateway's log"}
	case !current.AccessExpiresAt.IsZero() && !current.AccessExpiresAt.After(now):
		return finding{"attention", "login", fmt.Sprintf("generation %d expired on %s", current.Number, moment(current.AccessExpiresAt)),
			"Codex on the hosts will refresh it by itself.", "cdxgate auth upload ~/.codex/auth.json"}
	}
	return finding{Grade: "ok", Topic: "login", What: fmt.Sprintf("generation %d%s", current.Number, validity(current))}
}

func (c *Console) examinePolicy(ctx context.Context) finding {
	decided, err := c.policies.Load(ctx)
	switch {
	case err != nil:
		return finding{"failed", "policy", err.Error(), "Hosts are refused until it can be read.", "cdxgate policy set NAME VALUE"}
	case decided.APIDisabled:
		return finding{"attention", "policy", "the kill switch is on", "Every host is refused.", "cdxgate policy set api_disabled false"}
	}
	return finding{Grade: "ok", Topic: "policy", What: "hosts are served"}
}

func (c *Console) examineLimits(ctx context.Context) finding {
	blocked, err := c.limits.BlockedCount(ctx)
	switch {
	case err != nil:
		return finding{"failed", "limits", err.Error(), "Nobody is let in.", "check the option “database”"}
	case blocked > 0: // strangers must not be able to make an installation sick
		return finding{"ok", "limits", fmt.Sprintf("addresses that failed too often: %d", blocked),
			"They are refused for a while; the gateway's log names them.", "cdxgate limit clear ADDRESS"}
	}
	return finding{Grade: "ok", Topic: "limits", What: "no address is blocked"}
}

func (c *Console) examineCerts(ctx context.Context) finding {
	certs, err := c.certs.List(ctx)
	if err != nil {
		return finding{"failed", "admin", err.Error(), "Nobody can be let in.", "check the option “database”"}
	}
	good := 0
	for _, cert := range certs {
		if c.certs.Opens(cert) {
			good++
		}
	}
	if good == 0 {
		return finding{"attention", "admin", "no certificate opens the admin door", "The admin API refuses everybody.", "cdxgate admin cert add NAME"}
	}
	return finding{Grade: "ok", Topic: "admin", What: fmt.Sprintf("%d certificates open the admin door", good)}
}

func examineClients(dir string) finding {
	missing := release.NewClients(dir).Missing()
	if len(missing) == 0 {
		return finding{Grade: "ok", Topic: "clients", What: "cdx for every platform in " + dir}
	}
	what := fmt.Sprintf("%s has no cdx for %s", dir, strings.Join(missing, ", "))
	return finding{"attention", "clients", what, "Machines of these platforms cannot be installed.", "make clients, or set client_binaries"}
}
