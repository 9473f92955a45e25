package release

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"aead.dev/minisign"
)

// maxMinisig is the largest signature file that is handed out, in bytes; a real one has about 300.
const maxMinisig = 4 << 10

// ErrNoMinisig means that an operator has not signed a build.
var ErrNoMinisig = errors.New("no minisign signature of this client")

// Minisig returns the operator's signature of the build named cdx-<platform>: the file of that name with .minisig behind
// it. What is in it is for clients to judge. Errors: ErrNoClient, ErrNoMinisig.
func (c *Clients) Minisig(name string) (string, error) {
	client, err := c.Named(name)
	if err != nil {
		return "", err
	}
	file, err := os.Open(client.path + ".minisig")
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrNoMinisig
	}
	if err != nil {
		return "", fmt.Errorf("reading the signature of %s: %w", name, err)
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxMinisig+1))
	if err != nil {
		return "", fmt.Errorf("reading the signature of %s: %w", name, err)
	}
	if len(text) > maxMinisig {
		return "", fmt.Errorf("the signature of %s has more than %d bytes", name, maxMinisig)
	}
	return string(text), nil
}

// Key is an operator's own key for builds: the public half of a minisign key. The zero value is none.
type Key struct{ public minisign.PublicKey }

// ParseKey reads a key as minisign prints it: the base64 line of a .pub file.
func ParseKey(text string) (Key, error) {
	var key Key
	if err := key.public.UnmarshalText([]byte(text)); err != nil || key.public.String() != text {
		return Key{}, errors.New("want a minisign public key, the line of its .pub file that begins with RW")
	}
	return key, nil
}

// Unfit is a build that clients with a release key will not take.
type Unfit struct {
	File   string // the signature's
	Reason error
}

// Unfits lists the builds without a signature that clients with this key take: of the file's hash, as minisign makes them by
// default, with the trusted comment "cdx <version> <platform>". It reads every build.
func (c *Clients) Unfits(key Key, version string) ([]Unfit, error) {
	builds, err := c.All()
	if err != nil {
		return nil, err
	}
	var unfits []Unfit
	for _, build := range builds {
		if err := c.fits(build, key, version); err != nil {
			unfits = append(unfits, Unfit{File: build.path + ".minisig", Reason: err})
		}
	}
	return unfits, nil
}

func (c *Clients) fits(build Client, key Key, version string) error {
	text, err := c.Minisig("cdx-" + build.Platform)
	if err != nil {
		return err
	}
	var signature minisign.Signature
	if err := signature.UnmarshalText([]byte(text)); err != nil {
		return errors.New("it is no minisign signature")
	}
	if signature.Algorithm != minisign.HashEdDSA {
		return errors.New("it is of the old kind, which is not of the file's hash; sign with minisign -S -H")
	}
	if want := fmt.Sprintf("cdx %s %s", version, build.Platform); signature.TrustedComment != want {
		return fmt.Errorf("its trusted comment is %q; want %q", signature.TrustedComment, want)
	}
	file, err := os.Open(build.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	hashed := minisign.NewReader(file)
	if _, err := io.Copy(io.Discard, hashed); err != nil {
		return err
	}
	if !hashed.Verify(key.public, []byte(text)) {
		return errors.New("it is not this file's, or not by client_release_key")
	}
	return nil
}
