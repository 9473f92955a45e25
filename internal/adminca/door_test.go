package adminca

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// knock makes one TLS connection to a listener that demands a certificate of pool, and returns what the listener
// verified. The client shows client whatever the listener asks for, as an attacker would.
func knock(t *testing.T, pool *x509.CertPool, version uint16, client *tls.Certificate) ([][]*x509.Certificate, error) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{serverCertificate(t)},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
		MinVersion:   version,
		Time:         func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		dialer := tls.Dialer{Config: &tls.Config{
			InsecureSkipVerify: true,
			MinVersion:         version,
			MaxVersion:         version,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if client == nil {
					return &tls.Certificate{}, nil
				}
				return client, nil
			},
		}}
		// What the client makes of it does not count: under TLS 1.3 it is done before the listener has decided. So it
		// waits for the listener to hang up, and never resets a handshake that is still under way.
		if c, err := dialer.DialContext(ctx, "tcp", listener.Addr().String()); err == nil {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server := conn.(*tls.Conn)
	err = server.HandshakeContext(ctx)
	chains := server.ConnectionState().VerifiedChains
	_ = server.Close()
	<-done
	return chains, errors.Join(err, listener.Close())
}

func serverCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	return selfSigned(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

func selfSigned(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	return signed(t, template, nil)
}

// signed makes a certificate from template, signed by ca or, with none, by itself.
func signed(t *testing.T, template *x509.Certificate, ca *CA) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(1)
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.Add(time.Hour)
	}
	parent, signer := template, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func (l *Leaf) tls() *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{l.cert.Raw}, PrivateKey: l.key, Leaf: l.cert}
}

func TestDoor(t *testing.T) {
	t.Parallel()
	ca, foreign := newCA(t, now), newCA(t, now)
	path := filepath.Join(t.TempDir(), "ca.pem")
	if _, err := WritePool(path, ca.CertPEM()); err != nil {
		t.Fatal(err)
	}
	pool, authorities, err := Pool(path)
	if err != nil {
		t.Fatal(err)
	}
	usage := func(name string, usages ...x509.ExtKeyUsage) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: usages, KeyUsage: x509.KeyUsageDigitalSignature}
	}
	impostor := selfSigned(t, usage("alice", x509.ExtKeyUsageClientAuth))
	server := signed(t, usage("alice", x509.ExtKeyUsageServerAuth), ca)
	anyUsage := signed(t, usage("alice"), ca)
	oddName := signed(t, usage("Alice Smith", x509.ExtKeyUsageClientAuth), ca)
	intermediate := usage("alice", x509.ExtKeyUsageClientAuth)
	intermediate.IsCA, intermediate.BasicConstraintsValid, intermediate.KeyUsage = true, true, x509.KeyUsageCertSign
	subCA := signed(t, intermediate, ca)
	below := *issue(t, &CA{cert: subCA.Leaf, key: subCA.PrivateKey.(*ecdsa.PrivateKey)}, "alice", now, time.Minute).tls()
	below.Certificate = append(below.Certificate, subCA.Leaf.Raw)

	const atTLS, atVerify, opens = "refused by the listener", "refused by Verify", "opens"
	for name, c := range map[string]struct {
		client *tls.Certificate
		want   string
	}{
		"valid":                            {issue(t, ca, "alice", now, 0).tls(), opens},
		"none":                             {nil, atTLS},
		"foreign CA of the same name":      {issue(t, foreign, "alice", now, 0).tls(), atTLS},
		"self-signed with an admin's name": {&impostor, atTLS},
		"expired":                          {issue(t, ca, "alice", now.Add(-2*time.Hour), time.Hour).tls(), atTLS},
		"not yet valid":                    {issue(t, ca, "alice", now.Add(time.Hour), time.Hour).tls(), atTLS},
		"wrong extended key usage":         {&server, atTLS},
		"no extended key usage":            {&anyUsage, atVerify},
		"name outside the grammar":         {&oddName, atVerify},
		"an authority below ours":          {&subCA, atVerify},
		"an admin of an authority below":   {&below, atTLS},
		"the authority itself":             {&tls.Certificate{Certificate: [][]byte{ca.cert.Raw}, PrivateKey: ca.key, Leaf: ca.cert}, atVerify},
	} {
		for version, versionName := range map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"} {
			t.Run(name+"/"+versionName, func(t *testing.T) {
				t.Parallel()
				chains, err := knock(t, pool, version, c.client)
				got := atTLS
				if err == nil {
					got = opens
					id, err := Verify(chains, authorities, now)
					switch {
					case errors.Is(err, ErrForeign):
						got = atVerify
					case err != nil:
						t.Fatalf("got %v, want %v or none", err, ErrForeign)
					case id.Name != "alice" || id.SPKI != SPKIOf(c.client.Leaf):
						t.Errorf("got identity %+v, want alice with %s", id, SPKIOf(c.client.Leaf))
					}
				}
				if got != c.want {
					t.Errorf("got %s (%v), want %s", got, err, c.want)
				}
				if empty, err := knock(t, x509.NewCertPool(), version, c.client); err == nil {
					t.Errorf("an empty pool verified %v", empty)
				}
			})
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	ca, foreign := newCA(t, now), newCA(t, now)
	leaf := issue(t, ca, "alice", now, time.Hour).cert
	ours, theirs := []SPKI{ca.SPKI()}, []SPKI{foreign.SPKI()}
	chain := []*x509.Certificate{leaf, ca.cert}
	for name, c := range map[string]struct {
		chains      [][]*x509.Certificate
		authorities []SPKI
		at          time.Time
		want        error
	}{
		"ours":                       {[][]*x509.Certificate{chain}, ours, now, nil},
		"one of several authorities": {[][]*x509.Certificate{chain}, append(theirs, ours...), now, nil},
		"one of several chains":      {[][]*x509.Certificate{{leaf, foreign.cert}, chain}, ours, now, nil},
		"no connection state":        {nil, ours, now, ErrNoCertificate},
		"an empty chain":             {[][]*x509.Certificate{{}}, ours, now, ErrForeign},
		"no authority":               {[][]*x509.Certificate{chain}, nil, now, ErrForeign},
		"another authority":          {[][]*x509.Certificate{chain}, theirs, now, ErrForeign},
		"a leaf that is trusted":     {[][]*x509.Certificate{{leaf}}, append([]SPKI{SPKIOf(leaf)}, ours...), now, ErrForeign},
		"something in between":       {[][]*x509.Certificate{{leaf, foreign.cert, ca.cert}}, ours, now, ErrForeign},
		"its last moment":            {[][]*x509.Certificate{chain}, ours, leaf.NotAfter, nil},
		"expired on an open line":    {[][]*x509.Certificate{chain}, ours, leaf.NotAfter.Add(time.Second), ErrForeign},
		"before its time":            {[][]*x509.Certificate{chain}, ours, leaf.NotBefore.Add(-time.Second), ErrForeign},
	} {
		id, err := Verify(c.chains, c.authorities, c.at)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if (id == Identity{}) != (c.want != nil) {
			t.Errorf("%s: got identity %+v with error %v", name, id, err)
		}
	}
}

// crypto/tls takes a nil pool for the system's roots: whoever has a certificate of any public authority would be let in.
func TestPoolIsNeverNil(t *testing.T) {
	t.Parallel()
	ca := newCA(t, now)
	dir := t.TempDir()
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		path        string
		authorities int
		fails       bool
	}{
		"no file":             {filepath.Join(dir, "absent"), 0, false},
		"no directory":        {filepath.Join(dir, "absent", "ca.pem"), 0, false},
		"a directory":         {dir, 0, true},
		"an empty file":       {write("empty", nil), 0, true},
		"garbage":             {write("garbage", []byte("garbage")), 0, true},
		"a leaf":              {write("leaf", encodeCert(issue(t, ca, "alice", now, 0).cert)), 0, true},
		"our authority":       {write("ca", ca.CertPEM()), 1, false},
		"ours and its former": {write("two", append(ca.CertPEM(), newCA(t, now).CertPEM()...)), 2, false},
	} {
		pool, authorities, err := Pool(c.path)
		if pool == nil {
			t.Fatalf("%s: got a nil pool", name)
		}
		if (err != nil) != c.fails {
			t.Errorf("%s: got error %v, want one: %t", name, err, c.fails)
		}
		if len(authorities) != c.authorities || pool.Equal(x509.NewCertPool()) != (c.authorities == 0) {
			t.Errorf("%s: got %d authorities, pool empty %t, want %d", name, len(authorities), pool.Equal(x509.NewCertPool()), c.authorities)
		}
	}
}
