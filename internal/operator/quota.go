package operator

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/quota"
)

// QuotaShow prints what ChatGPT last said about the fleet's account. It asks nobody.
func (c *Console) QuotaShow(ctx context.Context) error {
	known, err := c.quota.Read(ctx, c.account.ID)
	if err != nil {
		return err
	}
	return c.showQuota(ctx, known, false)
}

// QuotaRefresh has ChatGPT asked now and prints what is known then. Errors: quota.ErrOff.
func (c *Console) QuotaRefresh(ctx context.Context) error {
	known, asked, err := c.quota.Refresh(ctx, c.account.ID, c.by)
	if err != nil {
		return err
	}
	switch {
	case asked && known.Failure == nil:
		c.say("✓ ChatGPT has answered")
	case asked:
		c.say("! %s", known.Failure.Text)
	case known.Failure != nil && known.Failure.Code == quota.CodeNoLogin:
		c.say("Nobody was asked: there is no login yet. Upload one: cdxgate auth upload FILE")
	default:
		c.say("Nobody was asked: somebody did within the last minute, or ChatGPT said to wait")
	}
	return c.showQuota(ctx, known, asked)
}

func (c *Console) showQuota(ctx context.Context, known *quota.Known, asked bool) error {
	decided, err := c.policies.Load(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	rules := quota.Rules{HardFail: decided.QuotaHardFail, LimitPercent: decided.QuotaLimitPercent, WeekPartition: decided.QuotaWeekPartition}
	shown := known.Admin(asked, rules, now)
	return c.print(shown, func(out io.Writer) {
		for _, fact := range quotaFacts(shown, rules, now) {
			_, _ = fmt.Fprintf(out, "%-9s %s\n", fact[0], visible(fact[1], ""))
		}
	})
}

// quotaFacts are the lines of quota show: what they are about, and what there is to say.
func quotaFacts(shown *api.AdminQuota, rules quota.Rules, now time.Time) (facts [][2]string) {
	say := func(about, format string, args ...any) {
		facts = append(facts, [2]string{about, fmt.Sprintf(format, args...)})
	}
	if s := shown.Snapshot; s == nil {
		say("quota", "unknown")
	} else {
		by := "ChatGPT"
		if s.Source == "host" {
			by = "what " + orDash(s.FQDN) + " reported"
		}
		say("plan", "%s", orDash(s.PlanType))
		say("as of", "%s (%s), by %s", moment(s.FetchedAt.Time), ago(&s.FetchedAt.Time, now), by)
	}
	for _, w := range shown.Windows {
		say(w.Label, "%s", windowWords(w, now))
	}
	if shown.DailyUsedPercent != nil {
		share := ""
		if shown.DailyAllowancePercent != nil {
			share = fmt.Sprintf(" of %d%% that are a day's share", *shown.DailyAllowancePercent)
		}
		say("today", "%d%%%s", *shown.DailyUsedPercent, share)
	}
	say("launches", "%s", launches(shown, rules))
	if e := shown.LastError; e != nil {
		when := ""
		if !e.At.IsZero() {
			when = " (" + ago(&e.At.Time, now) + ")"
		}
		say("error", "%s%s", e.Message, when)
	}
	switch {
	case !shown.Enabled:
		say("next", "never: the option chatgpt_url is off")
	case !shown.NextEligibleAt.After(now):
		say("next", "as soon as a gateway runs that has a login")
	default:
		say("next", "in %s", left(shown.NextEligibleAt.Time, now))
	}
	return facts
}

// windowWords say how a window stands: 38% used, 12% would fit the time, at this pace 81% at the reset in 2 d 3 h.
func windowWords(w api.QuotaWindow, now time.Time) string {
	if w.UsedPercent == nil {
		return "unknown"
	}
	words := fmt.Sprintf("%d%% used", *w.UsedPercent)
	if w.ElapsedPercent != nil {
		words += fmt.Sprintf(", %.0f%% of the time over", *w.ElapsedPercent)
	}
	if w.ProjectedPercent != nil {
		words += fmt.Sprintf(", heading for %.0f%%", *w.ProjectedPercent)
	}
	if !w.ResetsAt.IsZero() {
		words += ", reset in " + left(w.ResetsAt.Time, now)
	}
	return words
}

func launches(shown *api.AdminQuota, rules quota.Rules) string {
	switch {
	case shown.LaunchesRefused:
		return "refused, except on VIP hosts: " + *shown.LimitReason
	case shown.LimitReason != nil:
		return "allowed by the policy quota_hard_fail, although " + *shown.LimitReason
	default:
		return fmt.Sprintf("allowed; the limit is %d%%", rules.LimitPercent)
	}
}
