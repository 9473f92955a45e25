package hostapi_test

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
	"github.com/cdxgate/cdxgate/internal/credential/authtest"
	"github.com/cdxgate/cdxgate/internal/gatewaytest"
	"github.com/cdxgate/cdxgate/internal/hostapi"
)

var someUpdates = hostapi.Updates{
	Auto: true, ReleaseKey: "RWRgSrG6u+d/v1X1AOjfEN2c72MkxnJxE6rvcQ8esdyZMrMh0UUSF7CP", CodexReleases: "https://mirror.example/codex",
}

// synced is what POST /sync says to a host on a platform, in the two blocks that are signed.
func synced(t *testing.T, g *gatewaytest.Gateway, key, platform string, have map[string]string) (answer api.SyncResponse) {
	t.Helper()
	header := http.Header{}
	if platform != "" {
		header = platformHeader(platform)
	}
	a := g.Do(t, gatewaytest.Request{Path: "/sync", Key: key, Header: header, Body: body{"etags": have}})
	a.Decode(t, &answer)
	if a.Status != http.StatusOK {
		t.Errorf("got %d %s", a.Status, a.Body)
	}
	return answer
}

func configIn(t *testing.T, block api.Block, key api.SigningKey) (config api.HostConfig) {
	t.Helper()
	var offer api.ConfigOffer
	if err := json.Unmarshal(block.Data, &offer); err != nil {
		t.Fatalf("got block %s: %v", block.Data, err)
	}
	if err := offer.Config.Open(api.PurposeHostConfig, key, &config); err != nil {
		t.Fatalf("the configuration does not open: %v", err)
	}
	return config
}

// offered is the build in a block; nil: the gateway has none.
func offered(t *testing.T, block api.Block, key api.SigningKey) (*api.ClientOffer, api.ClientBuild) {
	t.Helper()
	var offer *api.ClientOffer
	if err := json.Unmarshal(block.Data, &offer); err != nil {
		t.Fatalf("got block %s: %v", block.Data, err)
	}
	var build api.ClientBuild
	if offer != nil {
		if err := offer.Build.Open(api.PurposeClientBuild, key, &build); err != nil {
			t.Fatalf("the build does not open: %v", err)
		}
	}
	return offer, build
}

// What a host pins when it enrols opens everything that is signed for it afterwards.
func TestSignedConfiguration(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 25, 7, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	g := gatewaytest.New(t, gatewaytest.Options{Now: clock, Updates: someUpdates})
	host := g.Register(t, "build7.example")
	var enrolled api.EnrolResponse
	g.Do(t, gatewaytest.Request{Path: api.PathInstall + host.Token.Reveal(), Body: "{}"}).Decode(t, &enrolled)
	pinned := enrolled.SigningKey
	if pinned != g.Core.Signer.Key() || pinned.KeyID != g.Core.Keyring.Active() {
		t.Errorf("got key %v", pinned)
	}
	want := api.HostConfig{
		BaseURL: gatewaytest.PublicURL, FQDN: "build7.example", InstallationID: g.Core.InstallationID.String(), Secure: true,
		AutoUpdate: true, ClientReleaseKey: someUpdates.ReleaseKey, CodexReleases: someUpdates.CodexReleases,
		IssuedAt: api.Time{Time: now}, ExpiresAt: api.Time{Time: now.AddDate(0, 0, 30)},
	}
	var claimed api.HostConfig
	if err := enrolled.Config.Open(api.PurposeHostConfig, pinned, &claimed); err != nil || text(t, claimed) != text(t, want) {
		t.Errorf("the claim says %s, %v\nwant %s", text(t, claimed), err, text(t, want))
	}
	key := enrolled.APIKey
	first := synced(t, g, key, "", nil)
	if got := configIn(t, first.Config, pinned); text(t, got) != text(t, want) {
		t.Errorf("the sync says %s\nwant %s", text(t, got), text(t, want))
	}
	var offer api.ConfigOffer
	if err := json.Unmarshal(first.Config.Data, &offer); err != nil || offer.SigningKey != pinned || len(offer.Successors) != 0 {
		t.Errorf("got %s, %v", first.Config.Data, err)
	}

	// Time alone changes nothing that a host has to have anew, and it gets one with new times when it asks for one.
	mu.Lock()
	now = now.AddDate(0, 0, 29)
	mu.Unlock()
	have := map[string]string{api.BlockConfig: first.Config.ETag}
	if later := synced(t, g, key, "", have); later.Config.Data != nil || later.Config.ETag != first.Config.ETag {
		t.Errorf("a month later got %s %s, had %s", later.Config.ETag, later.Config.Data, first.Config.ETag)
	}
	fresh := synced(t, g, key, "", nil).Config
	if got := configIn(t, fresh, pinned); fresh.ETag != first.Config.ETag || !got.IssuedAt.Equal(now) || !got.ExpiresAt.Equal(now.AddDate(0, 0, 30)) {
		t.Errorf("got %s %s, want new times under the old ETag", fresh.ETag, text(t, got))
	}
	// What it says about the host does change it, and of another host it says something else.
	g.Exec(t, "UPDATE host SET force_ipv4 = true")
	ipv4 := synced(t, g, key, "", have).Config
	if got := configIn(t, ipv4, pinned); !got.IPv4Only || ipv4.ETag == first.Config.ETag {
		t.Errorf("got %s with ETag %s for a host that is to use IPv4 only", text(t, got), ipv4.ETag)
	}
	g.Exec(t, "UPDATE host SET force_ipv4 = false")
	if back := synced(t, g, key, "", map[string]string{api.BlockConfig: ipv4.ETag}).Config; configIn(t, back, pinned).IPv4Only || back.ETag != first.Config.ETag {
		t.Errorf("got %s with ETag %s when it is not to any more", back.Data, back.ETag)
	}
	g.Exec(t, "UPDATE host SET secure = false, insecure_until = $1", now.AddDate(1, 0, 0))
	changed := synced(t, g, key, "", have).Config
	if got := configIn(t, changed, pinned); got.Secure || changed.ETag == first.Config.ETag {
		t.Errorf("got %s with ETag %s after the host was made insecure", text(t, got), changed.ETag)
	}
	if got := configIn(t, synced(t, g, g.Register(t, "two.example").Key.Reveal(), "", have).Config, pinned); got.FQDN != "two.example" {
		t.Errorf("another host got %s", text(t, got))
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// What a gateway of other options says.
func TestConfigurationFollowsTheOptions(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	host := g.Register(t, "build7.example")
	config := configIn(t, synced(t, g, host.Key.Reveal(), "", nil).Config, g.Core.Signer.Key())
	if config.AutoUpdate || config.ClientReleaseKey != "" || config.CodexReleases != "" {
		t.Errorf("got %+v", config)
	}
}

func TestOfferedBuild(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: builds})
	key, signer := g.Register(t, "build7.example").Key.Reveal(), g.Core.Signer.Key()
	for platform, content := range builds {
		first := synced(t, g, key, platform, nil)
		offer, build := offered(t, first.Client, signer)
		want := api.ClientBuild{
			Name: "cdx", Version: gatewaytest.Version, Platform: platform, SHA256: hexOf([]byte(content)), SizeBytes: int64(len(content)),
		}
		if offer == nil || build != want || offer.Minisig != "" {
			t.Fatalf("%s: got %s, want %+v", platform, first.Client.Data, want)
		}
		if file := g.Do(t, gatewaytest.Request{Path: offer.URL}); string(file.Body) != content {
			t.Errorf("%s: %s serves %q", platform, offer.URL, file.Body)
		}
		again := synced(t, g, key, platform, map[string]string{api.BlockClient: first.Client.ETag})
		if again.Client.Data != nil || again.Client.ETag != first.Client.ETag {
			t.Errorf("%s: it came again: %s", platform, again.Client.Data)
		}
	}
	for _, platform := range []string{"", "windows-amd64", "plan9-mips", "../linux-amd64", "linux-amd64.sha256"} {
		if block := synced(t, g, key, platform, nil).Client; string(block.Data) != "null" {
			t.Errorf("%q: got %s", platform, block.Data)
		}
	}
	// A replaced file is another offer, and so is one that the operator has signed.
	before := synced(t, g, key, "linux-amd64", nil).Client
	path := filepath.Join(g.ClientDir, "cdx-linux-amd64")
	write(t, path, "a newer build")
	replaced := synced(t, g, key, "linux-amd64", map[string]string{api.BlockClient: before.ETag}).Client
	if _, build := offered(t, replaced, signer); build.SHA256 != hexOf([]byte("a newer build")) {
		t.Errorf("got %+v for the replaced file", build)
	}
	const minisig = "untrusted comment: x\nAAAA\ntrusted comment: cdx 1.2.3-test linux-amd64\nBBBB\n"
	write(t, path+".minisig", minisig)
	withSignature := synced(t, g, key, "linux-amd64", map[string]string{api.BlockClient: replaced.ETag}).Client
	if offer, _ := offered(t, withSignature, signer); offer == nil || offer.Minisig != minisig {
		t.Errorf("got %s, want the signature file", withSignature.Data)
	}
	get := func(name string) *gatewaytest.Answer {
		return g.Do(t, gatewaytest.Request{Path: api.PathClient + name})
	}
	if a := get("cdx-linux-amd64.minisig"); a.Status != 200 || string(a.Body) != minisig || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %d %q, %v", a.Status, a.Body, a.Header)
	}
	get("cdx-linux-arm64.minisig").Refused(t, 404, "signature_not_found", "This build of cdx has no signature file")
	for _, name := range []string{"cdx-windows-amd64.minisig", "cdx-linux-amd64.sha256.minisig", "cdx-linux-amd64.minisig.minisig", ".minisig", "cdx-..%2fkeyring.minisig"} {
		get(name).Refused(t, 404, "client_not_found", "This gateway has no cdx for that platform")
	}
	// What nobody would take for a signature is not read into memory; the login comes nevertheless.
	write(t, path+".minisig", strings.Repeat("x", 4097))
	if block := synced(t, g, key, "linux-amd64", nil).Client; string(block.Data) != "null" || !strings.Contains(g.Logs.String(), "more than 4096 bytes") {
		t.Errorf("got %.100s with a huge signature file", block.Data)
	}
	if a := get("cdx-linux-amd64.minisig"); a.Status != http.StatusInternalServerError {
		t.Errorf("got %d for a huge signature file", a.Status)
	}
	write(t, path+".minisig", strings.Repeat("x", 4096))
	if offer, _ := offered(t, synced(t, g, key, "linux-amd64", nil).Client, signer); offer == nil || len(offer.Minisig) != 4096 {
		t.Error("a signature file of the largest size is not sent")
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRollbackIsMarked(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: builds, Updates: hostapi.Updates{Rollback: true}})
	_, build := offered(t, synced(t, g, g.Register(t, "build7.example").Key.Reveal(), "linux-amd64", nil).Client, g.Core.Signer.Key())
	if !build.Rollback {
		t.Errorf("got %+v", build)
	}
}

// Hosts that sync while a build is replaced get the old or the new one, each with a signature that fits.
func TestOffersWhileABuildIsReplaced(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: builds})
	key, signer := g.Register(t, "build7.example").Key.Reveal(), g.Core.Signer.Key()
	path := filepath.Join(g.ClientDir, "cdx-linux-amd64")
	contents := []string{"a build", "build 2", "build 3 is longer"}
	var sums []string
	for _, content := range contents {
		sums = append(sums, hexOf([]byte(content)))
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				if _, build := offered(t, synced(t, g, key, "linux-amd64", nil).Client, signer); !slices.Contains(sums, build.SHA256) ||
					int(build.SizeBytes) != len(contents[slices.Index(sums, build.SHA256)]) {
					t.Errorf("got %+v, which no build is", build)
				}
			}
		})
	}
	for i := range 30 {
		next := path + ".next"
		write(t, next, contents[i%len(contents)])
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
}

// Neither what is signed nor what signs gives anything away.
func TestSignedDocumentsHoldNoSecret(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: builds, Updates: someUpdates})
	g.Upload(t, authtest.New(authtest.Options{}))
	host := g.Register(t, "build7.example")
	var enrolled api.EnrolResponse
	g.Do(t, gatewaytest.Request{Path: api.PathInstall + host.Token.Reveal(), Body: "{}"}).Decode(t, &enrolled)
	answer := synced(t, g, enrolled.APIKey, "linux-amd64", nil)

	ring, err := os.ReadFile(filepath.Join(g.DataDir, "keyring"))
	if err != nil {
		t.Fatal(err)
	}
	master, err := base64.StdEncoding.DecodeString(strings.Fields(string(ring)[strings.Index(string(ring), "\nkey "):])[2])
	if err != nil {
		t.Fatal(err)
	}
	seed, err := hkdf.Key(sha256.New, master, []byte("cdxgate/sign/v1"), "", 32)
	if err != nil {
		t.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	if public := base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey)); public != enrolled.SigningKey.PublicKey {
		t.Fatalf("the gateway signs with %s, not with %s; this test must learn how the key is made", enrolled.SigningKey.PublicKey, public)
	}
	secrets := map[string]string{"API key": host.Key.Reveal(), "install token": host.Token.Reveal()}
	for name, secret := range map[string][]byte{"master key": master, "seed": seed, "private key": private} {
		secrets[name+", hex"] = hex.EncodeToString(secret)
		secrets[name+", base64"] = strings.TrimRight(base64.StdEncoding.EncodeToString(secret), "=")
		secrets[name+", numbers"] = strings.Trim(fmt.Sprintf("%d", secret), "[]")
	}
	for where, said := range map[string]string{
		"the claim's document": string(enrolled.Config.Document), "the signing key": fmt.Sprint(enrolled.SigningKey),
		"the block config": string(answer.Config.Data), "the block client": string(answer.Client.Data),
		"the log": g.Logs.String(), "the database": dump(t, g), "what prints": fmt.Sprintf("%+v %#v", g.Core.Signer, g.Core.Signer),
	} {
		for name, secret := range secrets {
			if strings.Contains(said, secret) {
				t.Errorf("%s shows the %s", where, name)
			}
		}
	}
}

// The documents are on the wire for good: hosts of every age read them.
func TestSignedShapes(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Clients: builds, Updates: someUpdates})
	host := g.Register(t, "build7.example")
	claim := g.Do(t, gatewaytest.Request{Path: api.PathInstall + host.Token.Reveal(), Body: "{}"})
	keyShape, signedShape := shape{"key_id": "s", "public_key": "s"}, shape{"document": "o", "key_id": "s", "signature": "s"}
	configShape := shape{
		"base_url": "s", "fqdn": "s", "installation_id": "s", "secure": "b", "auto_update": "b", "client_release_key": "s", "codex_releases": "s",
		"issued_at": "s", "expires_at": "s",
	}
	enrolled := shape{
		"base_url": "s", "api_key": "s", "fqdn": "s", "installation_id": "s", "secure": "b", "signing_key": "o", "config": "o",
	}.check(t, "claim", claim.Envelope.Data)
	keyShape.check(t, "claim.signing_key", enrolled["signing_key"])
	configShape.check(t, "claim.config.document", signedShape.check(t, "claim.config", enrolled["config"])["document"])

	answer := synced(t, g, host.Key.Reveal(), "linux-amd64", nil)
	config := shape{"config": "o", "signing_key": "o"}.check(t, "config", answer.Config.Data)
	keyShape.check(t, "config.signing_key", config["signing_key"])
	configShape.check(t, "config.config.document", signedShape.check(t, "config.config", config["config"])["document"])
	client := shape{"build": "o", "url": "s"}.check(t, "client", answer.Client.Data)
	shape{"name": "s", "version": "s", "platform": "s", "sha256": "s", "size_bytes": "n"}.
		check(t, "client.build.document", signedShape.check(t, "client.build", client["build"])["document"])
}
