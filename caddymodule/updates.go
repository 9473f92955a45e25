package caddymodule

import (
	"fmt"
	"net/netip"
	"net/url"

	"github.com/cdxgate/cdxgate/internal/github"
	"github.com/cdxgate/cdxgate/internal/hostapi"
	"github.com/cdxgate/cdxgate/internal/release"
)

func validReleaseKey(text string) error {
	_, err := release.ParseKey(text)
	return err
}

// validReleasesURL refuses places from where a program would come to hosts unprotected. Empty is fine.
func validReleasesURL(text string) error {
	if text == "" {
		return nil
	}
	if err := validPublicURL(text); err != nil {
		return err
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "https" && !isLoopback(u.Hostname())) {
		return fmt.Errorf("want https://…, or http://… of this very machine, got %q", text)
	}
	return nil
}

// githubOff is the option github_api of a site that asks nobody.
const githubOff = "off"

func validGitHub(text string) error {
	if text == githubOff {
		return nil
	}
	if err := validReleasesURL(text); err != nil {
		return fmt.Errorf("neither off nor such a URL: %w", err)
	}
	return nil
}

// github is whom to ask for the newest Codex; nil: nobody.
func (a *App) github() *github.Client {
	if a.GitHubAPI == githubOff {
		return nil
	}
	return github.New(orDefault(a.GitHubAPI, github.DefaultAPI))
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && addr.IsLoopback())
}

// updates is what the options say about keeping clients up to date.
func (a *App) updates() hostapi.Updates {
	return hostapi.Updates{
		Auto: a.AutoUpdate == nil || *a.AutoUpdate, ReleaseKey: a.ClientReleaseKey,
		Rollback: a.ClientRollback, CodexReleases: a.CodexReleases,
	}
}

// checkBuilds warns of builds that no client will take, since nobody else would say so: hosts just stay with what they have.
func (a *App) checkBuilds(clients *release.Clients) {
	if a.ClientReleaseKey == "" {
		return
	}
	unfits, err := clients.Unfits(a.release, Version)
	if err != nil {
		a.logger.Error("the builds of cdx cannot be read", "error", err)
	}
	for _, unfit := range unfits {
		a.logger.Warn("hosts will not take this build of cdx: the option “client_release_key” asks for a signature",
			"file", unfit.File, "reason", unfit.Reason)
	}
}
