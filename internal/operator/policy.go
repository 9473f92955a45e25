package operator

import (
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/cdxgate/cdxgate/internal/policy"
)

// meanings say what each policy decides, in words that fit beside the rest of the table on a terminal of 80 columns.
var meanings = map[string]string{
	"api_disabled":           "kill switch: refuses all host calls",
	"quota_hard_fail":        "an exhausted quota stops Codex",
	"quota_limit_percent":    "used percent that counts as exhausted",
	"quota_week_partition":   "days to spread a week's quota over",
	"cdx_silent":             "cdx speaks only if something is wrong",
	"client_version":         "the Codex version hosts are to run",
	"host_prompt_push":       "what becomes of commands hosts push",
	"inactivity_window_days": "days of silence until a host is pruned",
}

// consequences are what an operator should know who has just decided so.
var consequences = map[string]string{ // :: name=value → words
	"api_disabled=true": "Every host is refused from now on, and cdx starts no Codex on it; sessions that run go on.\n" +
		"  Admins, /livez and /readyz are still answered. To end it: cdxgate policy set api_disabled false",
	"api_disabled=false":  "Hosts are served.",
	"host_prompt_push=on": "What one host pushes runs on all the others, and nobody looks at it before.",
}

// shownPolicy is a policy as policy list -o json shows it.
type shownPolicy struct {
	Name    string          `json:"name"`
	Value   json.RawMessage `json:"value"`
	Default json.RawMessage `json:"default"`
	Meaning string          `json:"meaning"`
}

func (c *Console) policy(ctx context.Context) ([]shownPolicy, error) {
	decided, err := c.policies.Load(ctx)
	if err != nil {
		return nil, err
	}
	values, defaults := decided.Values(), new(policy.Default()).Values()
	all := make([]shownPolicy, 0, len(values))
	for _, name := range policy.Names() {
		all = append(all, shownPolicy{Name: name, Value: values[name], Default: defaults[name], Meaning: meanings[name]})
	}
	return all, nil
}

// PolicyList prints every policy: what is decided, and what would be if nobody had.
func (c *Console) PolicyList(ctx context.Context) error {
	all, err := c.policy(ctx)
	if err != nil {
		return err
	}
	t := table{head: []string{"NAME", "VALUE", "DEFAULT", "MEANING"}, optional: []string{"MEANING", "DEFAULT"}}
	for _, p := range all {
		t.rows = append(t.rows, []string{p.Name, bare(p.Value), bare(p.Default), p.Meaning})
	}
	return c.print(map[string]any{"policies": all}, func(out io.Writer) { t.write(out, c.Err) })
}

// PolicySet decides one policy and says what that means where it may surprise.
func (c *Console) PolicySet(ctx context.Context, name, value string) error {
	if err := c.policies.Set(ctx, name, value, c.by); err != nil {
		return advise(err, policy.ErrUnknown, "see cdxgate policy list")
	}
	all, err := c.policy(ctx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.Name != name {
			continue
		}
		c.say("✓ %s is %s", name, bare(p.Value))
		if words := consequences[name+"="+bare(p.Value)]; words != "" {
			c.say("  %s", words)
		}
		return c.print(map[string]any{"policy": p}, func(io.Writer) {})
	}
	return errors.New("the policy " + name + " was set and is not there")
}

// bare is a value as one types it.
func bare(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return string(value)
	}
	return dash(text)
}
