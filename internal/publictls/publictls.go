// Package publictls is what a machine has to know of the gateway's certificate when no authority that it knows has
// signed it: which private authority did, and which public keys the gateway shows now.
package publictls

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
	"time"
)

// Trust is what a machine needs beside the authorities it has, to recognise the gateway. The zero value is nothing:
// every machine does already, or nobody knows better.
type Trust struct {
	CA   string   `json:"ca,omitempty"`   // PEM of the private authorities
	Pins []string `json:"pins,omitempty"` // standard base64 of the SHA-256 of the public keys; none: somebody else shows the certificate
}

// ByHand reports whether a machine has to be given the authority before the printed command works.
func (t Trust) ByHand() bool { return t.CA != "" && len(t.Pins) == 0 }

// Command is the line that runs the script at an address, which is one below a gateway's public URL, in a machine's
// shell. Where keys are pinned, curl is told to ask for nothing else: whoever has another key gets no answer. options are
// curl's, besides.
func (t Trust) Command(address string, options ...string) string {
	if strings.ContainsAny(address, "[]") {
		address = "'" + address + "'" // an IPv6 address is a pattern to shells
	}
	for _, option := range options {
		address = option + " " + address
	}
	if len(t.Pins) == 0 {
		return "curl -fsSL " + address + " | sh"
	}
	return "curl -fsSLk --pinnedpubkey 'sha256//" + strings.Join(t.Pins, ";sha256//") + "' " + address + " | sh"
}

// Of finds out what a machine needs to recognise a gateway that shows one of several chains, each leaf first, for a name.
// The authorities are those that no machine is expected to know. Chains that are not valid at the time do not count. If
// none is left, or one is signed by somebody else, the answer is the zero value: it cannot be said which one a machine
// will see, and the plain way refuses what it does not know.
func Of(name string, shown [][]*x509.Certificate, authorities []*x509.Certificate, at time.Time) Trust {
	var pins []string
	var roots []*x509.Certificate
	for _, chain := range shown {
		if !Valid(chain[0], at) {
			continue
		}
		verified, err := chain[0].Verify(x509.VerifyOptions{
			DNSName: name, Roots: pool(authorities), Intermediates: pool(chain[1:]), CurrentTime: at,
		})
		if err != nil {
			return Trust{}
		}
		root := verified[0][len(verified[0])-1]
		if !slices.ContainsFunc(roots, root.Equal) {
			roots = append(roots, root)
		}
		if pin := Pin(chain[0]); !slices.Contains(pins, pin) {
			pins = append(pins, pin)
		}
	}
	return Trust{CA: Encode(roots), Pins: pins}
}

// Valid reports whether a certificate is neither too old nor too new.
func Valid(cert *x509.Certificate, at time.Time) bool {
	return !at.Before(cert.NotBefore) && !at.After(cert.NotAfter)
}

// Pin is the standard base64 of the SHA-256 of a certificate's public key, as curl pins it.
func Pin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Encode writes certificates as PEM.
func Encode(certs []*x509.Certificate) string {
	var text strings.Builder
	for _, cert := range certs {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: cert.Raw}))
	}
	return text.String()
}

const pemType = "CERTIFICATE"

func pool(certs []*x509.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, cert := range certs {
		p.AddCert(cert)
	}
	return p
}
