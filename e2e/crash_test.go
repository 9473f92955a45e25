package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// What was answered `updated` is there after a power cut, whenever that comes.
func TestKillLosesNothingThatWasAnswered(t *testing.T) {
	t.Parallel()
	g := start(t, options{caddyfile: unlimited(t)})
	key := g.addHost("build7.example").Host.APIKey
	number := 0
	var acknowledged []string // digests
	for round := range 8 {
		// At a moment between the first store and the twentieth or so.
		delay := time.Duration(20+rand.IntN(400)) * time.Millisecond
		killed := make(chan struct{})
		process := g.cmd.Process
		time.AfterFunc(delay, func() {
			_ = process.Kill()
			close(killed)
		})
		stored := 0
		for {
			number++
			got, err := g.try("POST", g.URL+"/auth", []string{"X-API-Key: " + key}, storeBody(t, login(number)))
			if err != nil {
				break // the gateway is dead; whether it had stored this one nobody knows
			}
			data := got.auth(t)
			if data.Status != "updated" {
				t.Fatalf("store %d in round %d: got %s, want updated", number, round, got)
			}
			acknowledged = append(acknowledged, data.Digest)
			stored++
		}
		<-killed
		g.kill() // collects it, and waits for its PostgreSQL to be gone
		g.run()
		g.waitReady()
		kept := g.sql("SELECT encode(digest, 'hex') FROM generation ORDER BY number")
		for _, digest := range acknowledged {
			if !slices.Contains(kept, digest) {
				t.Fatalf("after round %d (killed after %s, %d stores) the generation %s is lost; there are %d", round, delay, stored, digest, len(kept))
			}
		}
		if len(kept) == 0 { // killed before the first store, of which nothing was answered either
			continue
		}
		// The account points to the newest, and that one is delivered.
		newest := kept[len(kept)-1]
		data := g.call("POST", "/auth", []string{"X-API-Key: " + key}, retrieveBody).auth(t)
		if data.Digest != newest || !json.Valid(data.Auth) || len(data.Auth) == 0 {
			t.Fatalf("after round %d the host gets %s, want the newest generation %s", round, data.Digest, newest)
		}
	}
	if len(acknowledged) < 8 {
		t.Errorf("there were %d stores in 8 rounds, too few to prove anything", len(acknowledged))
	}
	t.Logf("%d stores answered, all there", len(acknowledged))
}

// However short a first start was, the next one works.
func TestKillDuringTheFirstStart(t *testing.T) {
	t.Parallel()
	g := install(t, options{fresh: true})
	for round := range 6 {
		g.run()
		ended := time.After(time.Duration(round)*250*time.Millisecond + time.Duration(rand.IntN(250))*time.Millisecond)
		select {
		case <-ended:
		case <-g.exited:
			t.Fatalf("in round %d the gateway ended by itself", round)
		}
		g.kill()
	}
	g.run()
	g.waitReady()
	g.addHost("build7.example")
	g.stop()
	// One that was stopped in order starts again, too.
	g.run()
	g.waitReady()
	if debris, err := filepath.Glob(filepath.Join(g.data, "pg/new-*")); err != nil || len(debris) > 0 {
		t.Errorf("the killed starts have left %v (%v)", debris, err)
	}
	if _, err := os.Stat(filepath.Join(g.data, "keyring")); err != nil {
		t.Error(err)
	}
}
