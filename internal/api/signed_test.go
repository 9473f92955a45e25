package api

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// signer makes a key from one byte, so that a test can have several that are always the same.
func signer(id string, seed byte) (SigningKey, ed25519.PrivateKey) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	public := private.Public().(ed25519.PublicKey)
	return SigningKey{KeyID: id, PublicKey: base64.StdEncoding.EncodeToString(public)}, private
}

func mustSign(t testing.TB, purpose string, key ed25519.PrivateKey, document any) Signed {
	t.Helper()
	signed, err := Sign(purpose, "00c0ffee", key, document)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

var aConfig = HostConfig{
	BaseURL: "https://codex.example", FQDN: "build7.example", InstallationID: "<a & b>\u2028", Secure: true, CA: "-----BEGIN\n+/=\n",
	IssuedAt:  Time{time.Date(2026, 11, 25, 7, 0, 0, 0, time.UTC)},
	ExpiresAt: Time{time.Date(2026, 12, 25, 7, 0, 0, 0, time.UTC)},
}

// What a gateway sends passes through encoders and files, which may lay it out in their own way.
func TestSignedSurvivesTheWay(t *testing.T) {
	t.Parallel()
	key, private := signer("00c0ffee", 1)
	signed := mustSign(t, PurposeHostConfig, private, aConfig)
	ways := map[string]func(v any) ([]byte, error){
		"json.Marshal": json.Marshal,
		"indented":     func(v any) ([]byte, error) { return json.MarshalIndent(v, "\t", "  ") },
		"not escaping": func(v any) ([]byte, error) {
			var out bytes.Buffer
			encoder := json.NewEncoder(&out)
			encoder.SetEscapeHTML(false)
			err := encoder.Encode(v)
			return out.Bytes(), err
		},
	}
	for name, encode := range ways {
		carried := ConfigOffer{Config: signed}
		for range 3 {
			text, err := encode(carried)
			if err != nil {
				t.Fatal(err)
			}
			carried = ConfigOffer{}
			if err := json.Unmarshal(text, &carried); err != nil {
				t.Fatal(err)
			}
		}
		var got HostConfig
		if err := carried.Config.Open(PurposeHostConfig, key, &got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text, err := json.Marshal(got); err != nil || !bytes.Equal(text, signed.Document) {
			t.Errorf("%s: got %s, %v\nwant %s", name, text, err, signed.Document)
		}
	}
	spaced := signed
	spaced.Document = json.RawMessage("\r\n \t" + strings.ReplaceAll(string(signed.Document), `","`, "\"\n,\t\"") + "\n\n")
	if err := spaced.Open(PurposeHostConfig, key, new(HostConfig)); err != nil {
		t.Errorf("with white space: %v", err)
	}
}

// Whichever byte changes on the way, nothing of the document is believed.
func TestTamperedSignedDoesNotOpen(t *testing.T) {
	t.Parallel()
	key, private := signer("00c0ffee", 1)
	signed := mustSign(t, PurposeHostConfig, private, aConfig)
	refused := func(what string, s Signed, key SigningKey) {
		t.Helper()
		var got HostConfig
		if err := s.Open(PurposeHostConfig, key, &got); !errors.Is(err, ErrSignature) || !reflect.DeepEqual(got, HostConfig{}) {
			t.Errorf("%s: got %+v, %v; want nothing and ErrSignature", what, got, err)
		}
	}
	// Every byte of each part in turn; bit 5 turns letters into the same ones in the other case.
	for _, bit := range []byte{1, 2, 1 << 5, 1 << 7} {
		for i := range signed.Document {
			bent := signed
			bent.Document = bytes.Clone(signed.Document)
			bent.Document[i] ^= bit
			refused("document", bent, key)
		}
		for i := range signed.Signature {
			bent := signed
			text := []byte(signed.Signature)
			text[i] ^= bit
			bent.Signature = string(text)
			refused("signature", bent, key)
		}
		for i := range key.PublicKey {
			text := []byte(key.PublicKey)
			text[i] ^= bit
			refused("public key", signed, SigningKey{KeyID: key.KeyID, PublicKey: string(text)})
		}
		for i := range signed.KeyID {
			bent := signed
			text := []byte(signed.KeyID)
			text[i] ^= bit
			bent.KeyID = string(text)
			refused("key id", bent, key)
		}
	}
	document := string(signed.Document)
	for what, text := range map[string]string{
		"nothing":            "",
		"null":               "null",
		"cut":                document[:len(document)-1],
		"one more":           document + "{}",
		"two of them":        document + document,
		"a member more":      strings.Replace(document, "{", `{"secure":false,`, 1),
		"a member behind":    strings.TrimSuffix(document, "}") + `,"secure":false}`,
		"in a list":          "[" + document + "]",
		"unescaped":          strings.ReplaceAll(document, `\u0026`, "&"),
		"space in a string":  strings.Replace(document, "build7", "build7 ", 1),
		"purpose once more":  PurposeHostConfig + "\n" + document,
		"not JSON any more":  strings.Replace(document, ":", "=", 1),
		"a zero byte behind": document + "\x00",
	} {
		bent := signed
		bent.Document = json.RawMessage(text)
		refused(what, bent, key)
	}
	for what, text := range map[string]string{
		"no signature":             "",
		"a line end in it":         signed.Signature[:10] + "\n" + signed.Signature[10:],
		"a line end behind":        signed.Signature + "\r\n",
		"without padding":          strings.TrimRight(signed.Signature, "="),
		"cut":                      signed.Signature[4:],
		"twice":                    signed.Signature + signed.Signature,
		"in the alphabet of URLs":  strings.NewReplacer("+", "-", "/", "_").Replace(signed.Signature) + " ",
		"of the document only":     base64.StdEncoding.EncodeToString(ed25519.Sign(private, signed.Document)),
		"with no line end between": base64.StdEncoding.EncodeToString(ed25519.Sign(private, append([]byte(PurposeHostConfig), signed.Document...))),
	} {
		bent := signed
		bent.Signature = text
		refused(what, bent, key)
	}
	other, otherPrivate := signer("00c0ffee", 2)
	refused("the same key id, another key", signed, other)
	refused("signed by another key of that id", mustSign(t, PurposeHostConfig, otherPrivate, aConfig), key)
	renamed := key
	renamed.KeyID = "deadbeef"
	refused("the key under another id", signed, renamed)
	for _, public := range []string{"", "AA==", key.PublicKey + "\n", key.PublicKey + key.PublicKey, strings.Repeat("A", 43) + "="} {
		refused("public key "+public, signed, SigningKey{KeyID: key.KeyID, PublicKey: public})
	}
	refused("nothing at all", Signed{}, SigningKey{})
}

// A signature of one kind is none of another, even where the documents look alike.
func TestPurposesAreApart(t *testing.T) {
	t.Parallel()
	key, private := signer("00c0ffee", 1)
	purposes := []string{PurposeHostConfig, PurposeClientBuild, PurposeSigningKey}
	for _, made := range purposes {
		signed := mustSign(t, made, private, map[string]any{"key_id": "deadbeef", "name": "cdx"})
		for _, asked := range append(purposes, "", made+"\n", strings.TrimSuffix(made, "1"), strings.ToUpper(made)) {
			err := signed.Open(asked, key, new(map[string]any))
			if asked == made && err != nil || asked != made && !errors.Is(err, ErrSignature) {
				t.Errorf("made for %q, opened for %q: got %v", made, asked, err)
			}
		}
	}
}

func TestSignedOfAnotherShape(t *testing.T) {
	t.Parallel()
	key, private := signer("00c0ffee", 1)
	for _, document := range []any{[]string{"a"}, map[string]any{"size_bytes": "many"}, "cdx"} {
		err := mustSign(t, PurposeClientBuild, private, document).Open(PurposeClientBuild, key, new(ClientBuild))
		if err == nil || errors.Is(err, ErrSignature) {
			t.Errorf("%v: got %v, want an error about its shape", document, err)
		}
	}
	// What a newer gateway adds is no reason to refuse.
	var build ClientBuild
	signed := mustSign(t, PurposeClientBuild, private, map[string]any{"version": "9.0.0", "colour": "blue"})
	if err := signed.Open(PurposeClientBuild, key, &build); err != nil || build.Version != "9.0.0" {
		t.Errorf("got %+v, %v", build, err)
	}
	if _, err := Sign(PurposeClientBuild, "00c0ffee", private, func() {}); err == nil {
		t.Error("signed what cannot be encoded")
	}
}

// Only what was signed opens, whatever arrives.
func FuzzOpen(f *testing.F) {
	key, private := signer("00c0ffee", 1)
	signed := mustSign(f, PurposeSigningKey, private, SigningKey{KeyID: "deadbeef", PublicKey: "x"})
	f.Add([]byte(signed.Document), signed.KeyID, signed.Signature, key.PublicKey)
	f.Add([]byte(" {} "), "", "", "")
	f.Add([]byte(`{"a":1}{`), "00c0ffee", "AAAA\n", strings.Repeat("A", 43)+"=")
	f.Fuzz(func(t *testing.T, document []byte, keyID, signature, public string) {
		var got SigningKey
		given := Signed{Document: document, KeyID: keyID, Signature: signature}
		err := given.Open(PurposeSigningKey, key, &got)
		var text bytes.Buffer
		same := json.Compact(&text, document) == nil && bytes.Equal(text.Bytes(), signed.Document) &&
			keyID == signed.KeyID && signature == signed.Signature
		if (err == nil) != same {
			t.Errorf("Open of %q, %q, %q: got %v", document, keyID, signature, err)
		}
		if err := given.Open(PurposeClientBuild, SigningKey{KeyID: keyID, PublicKey: public}, &got); err == nil && public == key.PublicKey {
			t.Errorf("opened %q for a purpose that nobody signed for", document)
		}
	})
}
