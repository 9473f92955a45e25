package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a client certificate is worth in the TLS handshake.
const (
	none      = iota
	trusted   // its chain leads to an authority of ours or of the operator's, now
	untrusted // it does not, or not now
)

// proof is one thing that a caller shows. The zero value is nothing.
type proof struct {
	kind    string
	refusal string // the code, if it is no good
	role    string
	scopes  []string // nil: all that the role may
}

// caller is somebody with whatever he shows, in the order in which it counts: token, session, certificate.
type caller struct {
	name        string
	proofs      []proof
	certificate tls.Certificate // zero: none
	handshake   int
	header      []string
	http1, h2   *http.Client // both keep their connections
}

// client makes a request of this form: forged headers go over HTTP/1.1, all others over HTTP/2.
func (c *caller) client(f form) *http.Client {
	if f.name == withClaims.name {
		return c.http1
	}
	return c.h2
}

// shownTo is what counts of what a caller shows to a listener: the first that it accepts, even if a later one were better.
func (c *caller) shownTo(l *listener) proof {
	for _, p := range c.proofs {
		switch {
		case !slices.Contains(l.accepts, p.kind):
		case p.kind == "certificate" && l.certificates == unchecked:
			return proof{refusal: "admin_certificate_required"} // what nobody verified is none
		default:
			return p
		}
	}
	if slices.Contains(l.accepts, "certificate") {
		return proof{refusal: "admin_certificate_required"}
	}
	return proof{refusal: "admin_login_required"}
}

func (m *matrix) named(name string) *caller {
	i := slices.IndexFunc(m.callers, func(c *caller) bool { return c.name == name })
	return m.callers[i]
}

// open starts a gateway with a listener of every sort, and an authority of the operator's.
func (m *matrix) open(t *testing.T) {
	t.Helper()
	m.ca, m.caKey = foreignAuthority(t)
	people := filepath.Join(tempDir(t, identity{}), "people.pem")
	writePEM(t, people, m.ca.Raw)
	const asking = "tls internal {\n\t\tclient_auth {\n\t\t\tmode MODE\n\t\t\ttrust_pool cdxgate\n\t\t}\n\t}"
	own := []*listener{
		{name: "session", accepts: []string{"session"}},
		{name: "token", accepts: []string{"token"}},
		{name: "everything", certificates: welcome, accepts: []string{"certificate", "session", "token"}},
		{name: "unchecked certificate", certificates: unchecked, accepts: []string{"certificate"}},
	}
	m.gateway = start(t, options{
		// What a call would ask of the Internet fails at once.
		env: []string{"HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1"},
		caddyfile: func(shipped string) string {
			shipped = configured(t, shipped, "admin_ca "+people)
			// Nearly all of the matrix are refusals, from one address, which twenty of them would shut out for half an hour.
			shipped = configured(t, shipped, "limit admin-fail off")
			for _, l := range own {
				l.url = "https://localhost:" + freePort(t)
				tls := "tls internal"
				switch l.certificates {
				case welcome:
					tls = strings.Replace(asking, "MODE", "verify_if_given", 1)
				case unchecked:
					tls = strings.Replace(asking, "MODE", "request", 1)
				}
				shipped += "\n" + l.url + " {\n\tbind 127.0.0.1\n\t" + tls + "\n\tcdxgate_console {\n\t\taccess " + strings.Join(l.accepts, " ") + "\n\t}\n}\n"
			}
			return shipped
		},
	})
	m.listeners = append(own,
		&listener{"certificate", m.AdminURL, demanded, []string{"certificate"}},
		&listener{"session and token", m.LocalURL, ignored, []string{"session", "token"}},
	)
}

// add adds a caller; without a certificate if that is the zero value.
func (m *matrix) add(name string, certificate tls.Certificate, handshake int, header []string, proofs ...proof) {
	c := &caller{name: name, proofs: proofs, certificate: certificate, handshake: handshake, header: header}
	for client, h2 := range map[**http.Client]bool{&c.h2: true, &c.http1: false} {
		*client = m.adminClient(certificate) // an empty certificate is sent as none
		transport := (*client).Transport.(*http.Transport)
		transport.DisableKeepAlives, transport.ForceAttemptHTTP2 = false, h2
		m.t.Cleanup(transport.CloseIdleConnections)
	}
	m.callers = append(m.callers, c)
}

// invite makes everybody who comes.
func (m *matrix) invite(t *testing.T) {
	t.Helper()
	m.add("nobody", tls.Certificate{}, none, nil)
	m.inviteCertificates(t)
	m.inviteTokens(t)
	m.inviteSessions(t)
	// Several at once: the first that the listener accepts counts, and is not made up for by another.
	owner, viewer, gone := m.named("certificate owner"), m.named("session viewer"), m.named("token revoked")
	m.add("certificate owner, session viewer", owner.certificate, trusted, viewer.header, viewer.proofs[0], owner.proofs[0])
	m.add("certificate owner, token revoked", owner.certificate, trusted, gone.header, gone.proofs[0], owner.proofs[0])
	m.eventually(callDeadline, "the running gateway accepts the first certificate", func() bool {
		got, err := callWith(owner.h2, "GET", m.AdminURL+"/admin/whoami", nil, "")
		return err == nil && got.status == http.StatusOK
	})
}

func (m *matrix) inviteCertificates(t *testing.T) {
	t.Helper()
	add := func(name string, certificate tls.Certificate, handshake int, p proof) {
		p.kind = "certificate"
		m.add("certificate "+name, certificate, handshake, nil, p)
	}
	for _, role := range []string{"viewer", "operator", "owner"} {
		m.must("admin", "cert", "add", role, "--role", role)
		add(role, m.loadCert(role), trusted, proof{role: role})
	}
	revoked := m.addCert("revoked")
	m.must("admin", "cert", "revoke", "revoked", "--yes")
	add("revoked", revoked, trusted, proof{refusal: "admin_certificate_revoked"})

	tomorrow, yesterday := time.Now().Add(24*time.Hour), time.Now().Add(-24*time.Hour)
	ca, key := m.authority()
	add("that nobody listed", leaf(t, ca, key, x509.ExtKeyUsageClientAuth, tomorrow), trusted, proof{refusal: "admin_certificate_revoked"})
	add("of ours, expired", leaf(t, ca, key, x509.ExtKeyUsageClientAuth, yesterday), untrusted, proof{})
	add("of ours for servers", leaf(t, ca, key, x509.ExtKeyUsageServerAuth, tomorrow), untrusted, proof{})
	foreignCA, foreignKey := foreignAuthority(t)
	add("of a foreign authority", leaf(t, foreignCA, foreignKey, x509.ExtKeyUsageClientAuth, tomorrow), untrusted, proof{})
	add("that signed itself", leaf(t, nil, nil, x509.ExtKeyUsageClientAuth, tomorrow), untrusted, proof{})

	listed, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	alice := leafFor(t, listed, m.ca, m.caKey, x509.ExtKeyUsageClientAuth, tomorrow)
	file := filepath.Join(m.dir, "alice.crt")
	writePEM(t, file, alice.Certificate[0])
	m.must("admin", "cert", "trust", "alice", file, "--role", "operator")
	add("of the operator's authority", alice, trusted, proof{role: "operator"})
	add("of the operator's authority, expired", leafFor(t, listed, m.ca, m.caKey, x509.ExtKeyUsageClientAuth, yesterday), untrusted, proof{})
	add("of the operator's authority that nobody listed", leaf(t, m.ca, m.caKey, x509.ExtKeyUsageClientAuth, tomorrow), trusted, proof{refusal: "admin_certificate_refused"})
	add("of the listed key by a foreign authority", leafFor(t, listed, foreignCA, foreignKey, x509.ExtKeyUsageClientAuth, tomorrow), untrusted, proof{})
}

func (m *matrix) inviteTokens(t *testing.T) {
	t.Helper()
	add := func(name, token string, p proof) {
		p.kind = "token"
		m.add("token "+name, tls.Certificate{}, none, []string{"Authorization: Bearer " + token}, p)
	}
	made := func(name, role string, more ...string) string {
		return strings.TrimSpace(m.must(append([]string{"admin", "token", "add", name, "--role", role}, more...)...).out)
	}
	for _, role := range []string{"viewer", "operator", "owner"} {
		add(role, made(role, role), proof{role: role})
	}
	add("that may enrol", made("enrols", "operator", "--scope", "host.enrol"), proof{role: "operator", scopes: []string{"host.enrol"}})
	add("that may decide", made("decides", "owner", "--scope", "policy.read,policy.write"), proof{role: "owner", scopes: []string{"policy.read", "policy.write"}})
	invalid := proof{refusal: "admin_token_invalid"}
	add("expired", made("expired", "owner"), invalid)
	m.sql("UPDATE admin_token SET expires_at = now() WHERE name = 'expired'")
	revoked := made("revoked", "owner")
	m.must("admin", "token", "revoke", "revoked", "--yes")
	add("revoked", revoked, invalid)
	add("unknown", "cdxa_"+strings.Repeat("A", 43), invalid)
	add("that is a host's key", m.addHost("matrix.example").Host.APIKey, invalid)
	owner := m.named("token owner").header[0]
	m.add("token twice", tls.Certificate{}, none, []string{owner, owner}, proof{kind: "token", refusal: "admin_token_invalid"})
	m.add("token in the wrong scheme", tls.Certificate{}, none, []string{strings.Replace(owner, "Bearer", "Basic", 1)})
}

func (m *matrix) inviteSessions(t *testing.T) {
	t.Helper()
	add := func(name, cookie string, p proof) {
		p.kind = "session"
		m.add("session "+name, tls.Certificate{}, none, []string{cookie}, p)
	}
	opened := func(role string) string {
		return logIn(m.gateway, strings.TrimSpace(m.must("admin", "link", "--role", role).out))
	}
	for _, role := range []string{"viewer", "operator", "owner"} {
		add(role, opened(role), proof{role: role})
	}
	over, invalid := proof{refusal: "admin_session_over"}, proof{refusal: "admin_session_invalid"}
	expired := opened("owner")
	m.sql("UPDATE admin_session SET expires_at = now() WHERE id = (SELECT max(id) FROM admin_session)")
	add("expired", expired, over)
	revoked := opened("owner")
	m.must("admin", "session", "revoke", m.sql("SELECT max(id)::text FROM admin_session")[0])
	add("revoked", revoked, over)
	add("unknown", "Cookie: __Host-cdxgate="+strings.Repeat("A", 43), invalid)
	owner := m.named("session owner").header[0]
	add("twice", owner+"; "+strings.TrimPrefix(owner, "Cookie: "), invalid)
	m.add("session under another name", tls.Certificate{}, none, []string{strings.Replace(owner, "__Host-", "", 1)})
}

var (
	parameter     = regexp.MustCompile(`\{[^{}]*\}`)
	documentedRow = regexp.MustCompile("(?m)^\\| `([A-Z]+ /(?:admin|dashboard)/[^`]*)` \\| `?([a-z.]+)`? \\|")
)

// documentedDoors is what each route of the admin surface needs: :: "METHOD path" → capability.
func documentedDoors(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	needs := map[string]string{}
	for _, row := range documentedRow.FindAllStringSubmatch(string(text), -1) {
		needs[row[1]] = row[2]
	}
	return needs
}

// role is what somebody is, with what he may beside what the role before it may.
type role struct {
	name string
	adds []string
}

// documentedRoles are the roles, the least first.
func documentedRoles(t *testing.T) (all []role) {
	t.Helper()
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"viewer", "operator", "owner"} {
		row := regexp.MustCompile("(?m)^\\| `" + name + "` \\| (.*) \\|$").FindStringSubmatch(string(text))
		if row == nil {
			t.Fatalf("docs/security.md has no row for %s", name)
		}
		all = append(all, role{name, strings.Fields(strings.ReplaceAll(row[1], "`", ""))})
	}
	return all
}
