package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cdxgate/cdxgate/internal/github/githubtest"
)

const lookJob = "look for the newest Codex"

// Two gateways on one database ask GitHub once between them; one that is killed over it is followed by the other; one that
// stops leaves nothing taken.
func TestGatewaysShareJobs(t *testing.T) {
	t.Parallel()
	releases := githubtest.New(t, "rust-v0.63.0")
	o := options{fresh: true, database: externalURL(t), caddyfile: func(text string) string {
		return replaceOnce(t, text, "github_api off", "github_api "+releases.URL)
	}}
	first, second := install(t, o), install(t, o)
	first.run()
	first.waitReady()
	keyring, err := os.ReadFile(filepath.Join(first.data, "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(second.data, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(second.data, "keyring"), keyring, 0o600); err != nil {
		t.Fatal(err)
	}
	second.run()
	second.waitReady()
	for _, g := range []*gateway{first, second} {
		g.eventually(callDeadline, "it tells the newest Codex", func() bool { return g.newestCodex() == "0.63.0 cache" })
		g.eventually(callDeadline, "its metrics have the jobs", func() bool {
			text := g.metrics()
			return strings.Contains(text, `cdxgate_job_last_success_timestamp_seconds{job="`+lookJob+`"}`) &&
				strings.Contains(text, `cdxgate_job_last_success_timestamp_seconds{job="sign the audit trail"}`)
		})
	}
	if n := len(releases.Asked()); n != 1 {
		t.Errorf("GitHub was asked %d times, want once", n)
	}

	asked := make(chan struct{}, 10)
	releases.Answer(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	})
	first.sql("UPDATE job SET next_run_at = now() WHERE name = $1", lookJob)
	<-asked
	owner := strings.Fields(first.job(lookJob).RunningOn)
	dead, other := first, second
	if len(owner) == 3 && owner[1] == strconv.Itoa(second.cmd.Process.Pid) {
		dead, other = second, first
	}
	dead.kill()
	releases.Release("rust-v0.64.0")
	if job := other.job(lookJob); job.RunningOn != strings.Join(owner, " ") {
		t.Errorf("got %+v, want that the dead one has it until its time is over", job)
	}
	other.sql("UPDATE job SET lease_until = now() WHERE lease_owner IS NOT NULL")
	other.sql("UPDATE codex_release SET looking_until = now() WHERE looking_until IS NOT NULL")
	other.eventually(callDeadline, "it tells what it found itself", func() bool { return other.newestCodex() == "0.64.0 cache" })

	other.writeConfig(configured(t, other.readConfig(), "install_token_ttl 40m"))
	other.reload()
	if text := other.metrics(); !strings.Contains(text, `{job="`+lookJob+`"}`) {
		t.Errorf("after a reload the metrics are\n%s", text)
	}
	other.stop()
	if taken := other.sql("SELECT name FROM job WHERE lease_owner IS NOT NULL"); len(taken) != 0 {
		t.Errorf("a gateway that has stopped left %q taken", taken)
	}
	if log := other.readLog(); strings.Contains(log, "job failed") || strings.Contains(log, "job interrupted") {
		t.Errorf("the log of the one that stayed has a fault:\n%s", tail(log, 20))
	}
}

// newestCodex is what hosts are told to run, and why.
func (g *gateway) newestCodex() string {
	g.t.Helper()
	var answer struct {
		Data struct {
			Version *string `json:"client_version"`
			Source  string  `json:"client_version_source"`
		}
	}
	got := g.call("GET", "/versions", nil, "")
	if err := json.Unmarshal([]byte(got.body), &answer); err != nil || answer.Data.Version == nil {
		return answer.Data.Source
	}
	return *answer.Data.Version + " " + answer.Data.Source
}

func (g *gateway) metrics() string {
	g.t.Helper()
	got, err := g.try("GET", g.MetricsURL+"/metrics", nil, "")
	if err != nil || got.status != 200 {
		g.t.Fatalf("got %s, %v", got, err)
	}
	return got.body
}

type jobShown struct {
	Name      string `json:"name"`
	RunningOn string `json:"running_on"`
}

// job is what job list says of one.
func (g *gateway) job(name string) jobShown {
	g.t.Helper()
	var all struct{ Jobs []jobShown }
	if err := json.Unmarshal([]byte(g.must("job", "list", "-o", "json").out), &all); err != nil {
		g.t.Fatal(err)
	}
	for _, job := range all.Jobs {
		if job.Name == name {
			return job
		}
	}
	g.t.Fatalf("there is no job %q in %+v", name, all.Jobs)
	return jobShown{}
}
