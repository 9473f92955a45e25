package journal

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cdxgate/cdxgate/internal/cdx/files"
)

func TestDamaged(t *testing.T) {
	t.Parallel()
	whole := journalText(t, session("one", 1), session("two", 1))
	flipped := bytes.Clone(whole)
	flipped[bytes.Index(flipped, []byte(`"auth":"`))+40] ^= 1
	for name, text := range map[string][]byte{
		"empty": {}, "zeros": make([]byte, len(whole)), "half": whole[:len(whole)/2], "no end": whole[:len(whole)-2],
		"twice": append(bytes.Clone(whole), whole...), "list": []byte("[]"), "no list": []byte("{}"), "null": []byte(`{"pending":[null]}`),
		"plain login": session("one", 1), "one bit": flipped, "too large": append(bytes.Clone(whole), bytes.Repeat([]byte(" "), maxBytes)...),
	} {
		j := newJournal(t)
		writeOpen(t, j.Path, text)
		_, err := j.Read()
		damaged, ok := asDamaged(err)
		if !ok || strings.Contains(err.Error(), secret) {
			t.Fatalf("%s: got %v, want that it is damaged, without the content", name, err)
		}
		if got, err := os.ReadFile(damaged.Kept); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%s: got %d bytes, %v, want the %d that were there", name, len(got), err, len(text))
		}
		wantMode(t, damaged.Kept, 0o600)
		if got := read(t, j); len(got) != 0 {
			t.Errorf("%s: got %d logins after that, want none", name, len(got))
		}
	}
}

func TestEveryDamagedByte(t *testing.T) {
	t.Parallel()
	whole := journalText(t, session("one", 1))
	for i := range whole {
		text := bytes.Clone(whole)
		text[i] ^= 1
		entries, err := decode(text)
		if err == nil && (len(entries) != 1 || entries[0].Digest != digestOf(t, session("one", 1))) {
			t.Errorf("byte %d: another login was read without an error", i)
		}
	}
}

func TestDamagedTwiceInASecond(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	for _, text := range []string{"first", "second"} {
		writeOpen(t, j.Path, []byte(text))
		if _, err := j.Read(); err == nil {
			t.Fatal("got no error")
		}
	}
	wantFiles(t, j, "pending-auth.json.bad-20261123T120000Z", "pending-auth.json.bad-20261123T120000Z-2")
}

func TestChangesOfADamagedOne(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	for name, change := range map[string]func() error{
		"Put":    func() error { return j.Put(session("one", 1), "") },
		"Settle": func() error { return j.Settle(someDigest) },
		"Reject": func() error { return j.Reject(someDigest, "no") },
	} {
		writeOpen(t, j.Path, []byte("{"))
		if _, ok := asDamaged(change()); !ok {
			t.Errorf("%s: got no word of the damage", name)
		}
		if got := read(t, j); (len(got) == 1) != (name == "Put") {
			t.Errorf("%s: got %d logins", name, len(got))
		}
		if err := files.Remove(j.Path); err != nil {
			t.Fatal(err)
		}
	}
}

// What a killed cdx left half-written holds a login too.
func TestHalfWrittenFilesGo(t *testing.T) {
	t.Parallel()
	j := newJournal(t)
	j.Now = func() time.Time { return time.Now().Add(time.Hour) }
	put(t, j, session("one", 1))
	writeOpen(t, filepath.Join(filepath.Dir(j.Path), ".pending-auth.json.cdx-tmp-1"), session("two", 1))
	put(t, j, session("one", 1))
	wantFiles(t, j, "pending-auth.json")
}

const (
	crashEnv  = "JOURNAL_CRASH" // path|change|step: where the test program ends itself
	crashExit = 86
)

// crashing are changes of a journal that begins as the first half of each says.
var crashing = map[string]struct{ prepare, change func(j Journal) error }{
	"first":   {nothing, putOne("one", 1)},
	"second":  {putOne("one", 1), putOne("two", 1)},
	"renewal": {putOne("one", 1), putOne("one", 2)},
	"reject": {putOne("one", 1), func(j Journal) error {
		return j.Reject(mustDigest("one", 1), "no")
	}},
	"settle one": {
		func(j Journal) error { return errors.Join(putOne("one", 1)(j), putOne("two", 1)(j)) },
		func(j Journal) error { return j.Settle(mustDigest("two", 1)) },
	},
	"settle last": {putOne("one", 1), func(j Journal) error { return j.Settle(mustDigest("one", 1)) }},
	"no room": {func(j Journal) error {
		var all error
		for i := range maxEntries {
			all = errors.Join(all, putOne(fmt.Sprint(i), 1)(j))
		}
		return all
	}, putOne("one more", 1)},
	"damaged": {func(j Journal) error {
		return errors.Join(files.MakeDir(filepath.Dir(j.Path)), os.WriteFile(j.Path, append(session("damaged", 1), '}'), 0o644))
	}, func(j Journal) error {
		err := putOne("one", 1)(j)
		if _, ok := asDamaged(err); ok {
			return nil
		}
		return errors.Join(err, errors.New("no word of the damage"))
	}},
}

func nothing(Journal) error { return nil }

func putOne(name string, issuedAt int) func(Journal) error {
	return func(j Journal) error { return j.Put(session(name, issuedAt), someDigest) }
}

func mustDigest(name string, issuedAt int) string {
	e, err := newEntry(session(name, issuedAt))
	if err != nil {
		panic(err)
	}
	return e.Digest
}

func TestMain(m *testing.M) {
	if text := os.Getenv(crashEnv); text != "" {
		path, rest, _ := strings.Cut(text, "|")
		change, step, _ := strings.Cut(rest, "|")
		left, _ := strconv.Atoi(step)
		files.Step = func(string) {
			if left--; left < 0 {
				os.Exit(crashExit)
			}
		}
		if err := crashing[change].change(at(path)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// After a crash the journal is as before the change or as after it, nothing that was in it is lost unless the change
// says so, and the change can be made again.
func TestCrashes(t *testing.T) {
	t.Parallel()
	for name, test := range crashing {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := newJournal(t), newJournal(t)
			must(t, test.prepare(before), test.prepare(after), test.change(after))
			held := everything(t, before)
			want := everything(t, after)
			crashed := 0
			for step := 0; ; step++ {
				j := newJournal(t)
				must(t, test.prepare(j))
				if !crash(t, j, name, step) {
					break
				}
				crashed++
				got := everything(t, j)
				for _, auth := range held {
					if contains(want, auth) && !contains(got, auth) {
						t.Errorf("step %d: a login was lost", step)
					}
				}
				isBefore := slices.EqualFunc(journalled(before), journalled(j), Entry.same)
				if !isBefore && !slices.EqualFunc(journalled(after), journalled(j), Entry.same) {
					t.Errorf("step %d: the journal is neither as before nor as after", step)
				}
				err := test.change(j)
				if name != "damaged" && err != nil { // the damage is told of once
					t.Errorf("step %d: the second time: %v", step, err)
				}
				if !slices.EqualFunc(journalled(after), journalled(j), Entry.same) {
					t.Errorf("step %d: the change, made again, did not do its work", step)
				}
			}
			if crashed < 2 {
				t.Errorf("got %d crashes, want one at every step", crashed)
			}
		})
	}
}

// crash makes the change in a process that ends at the given step; false when there is no such step.
func crash(t *testing.T, j Journal, change string, step int) bool {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s|%s|%d", crashEnv, j.Path, change, step), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	err := cmd.Run()
	if err != nil && cmd.ProcessState.ExitCode() != crashExit {
		t.Fatal(err)
	}
	return err != nil
}

// everything is what an owner could find: the logins of the journal, and whole files beside it that cdx does not remove.
func everything(t *testing.T, j Journal) [][]byte {
	t.Helper()
	all := auths(journalled(j))
	names, err := filepath.Glob(j.Path + "*")
	must(t, err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		must(t, err)
		all = append(all, text)
	}
	return all
}

// journalled is what the file holds, without setting it aside.
func journalled(j Journal) []Entry {
	text, err := os.ReadFile(j.Path)
	if err != nil {
		return nil
	}
	entries, _ := decode(text)
	return entries
}

func contains(all [][]byte, one []byte) bool {
	return slices.ContainsFunc(all, func(other []byte) bool { return bytes.Equal(one, other) })
}

func journalText(t *testing.T, auths ...[]byte) []byte {
	t.Helper()
	j := newJournal(t)
	put(t, j, auths...)
	text, err := os.ReadFile(j.Path)
	must(t, err)
	return text
}

// writeOpen writes a file that others may read.
func writeOpen(t *testing.T, path string, text []byte) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, text, 0o644))
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
