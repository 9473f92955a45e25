package audit

import (
	"os"
	"strings"
	"testing"
	"time"
)

// headOf returns what is known of the end of the rig's own chain.
func (r *rig) headOf(t *testing.T) Head {
	t.Helper()
	heads, err := r.Heads(t.Context())
	must(t, err)
	for _, head := range heads {
		if head.Chain == r.chain {
			return head
		}
	}
	t.Fatalf("got no head of %s", r.chain)
	return Head{}
}

func TestHeads(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if got := r.headOf(t); got.Seq != 0 || got.Signed != 0 || !got.SignedAt.IsZero() || !got.UnsignedAt.IsZero() || got.Fault != nil {
		t.Errorf("an empty chain: got %+v", got)
	}
	r.record(t, 3)
	if got := r.headOf(t); got.Seq != 3 || got.Signed != 0 || !got.UnsignedAt.Equal(*r.clock) || got.Fault != nil {
		t.Errorf("before it is signed: got %+v", got)
	}
	*r.clock = r.clock.Add(time.Minute)
	r.sign(t)
	if got := r.headOf(t); got.Signed != 3 || !got.SignedAt.Equal(*r.clock) || !got.UnsignedAt.IsZero() || got.Fault != nil {
		t.Errorf("signed: got %+v", got)
	}
	r.record(t, 2)
	if got := r.headOf(t); got.Seq != 5 || got.Signed != 3 || !got.UnsignedAt.Equal(*r.clock) || got.Fault != nil {
		t.Errorf("grown: got %+v", got)
	}
	r.sign(t)
	*r.clock = r.clock.Add(1000 * time.Hour)
	if retired, err := r.Retire(t.Context(), time.Hour); err != nil || retired != 5 {
		t.Fatalf("got %d retired, %v", retired, err)
	}
	if got := r.headOf(t); got.Seq != 5 || got.Signed != 5 || got.Fault != nil {
		t.Errorf("retired: got %+v, fault %+v", got, got.Fault)
	}
}

// What is done to the end of a chain, or to what signs it, shows without the chain being read.
func TestHeadsOfABentChain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bend func(*testing.T, *rig)
		seq  int64
		what string
	}{
		"the signed entry is another": {func(t *testing.T, r *rig) {
			t.Helper()
			r.exec(t, "UPDATE audit_entry SET hash = decode(repeat('ab', 32), 'hex') WHERE chain = $1 AND seq = 4", r.chain)
		}, 4, "it is not what was signed"},
		"the signed entry is gone": {func(t *testing.T, r *rig) {
			t.Helper()
			r.exec(t, "DELETE FROM audit_entry WHERE chain = $1 AND seq = 4", r.chain)
		}, 4, "it was signed and is missing"},
		"the checkpoint is nobody's": {func(t *testing.T, r *rig) {
			t.Helper()
			r.exec(t, "UPDATE audit_checkpoint SET at = at + interval '1 second' WHERE chain = $1", r.chain)
		}, 4, "the checkpoint at it is not signed by this installation"},
		"the chain was cut": {func(t *testing.T, r *rig) {
			t.Helper()
			r.exec(t, "DELETE FROM audit_entry WHERE chain = $1 AND seq > 2", r.chain)
			r.exec(t, "DELETE FROM audit_checkpoint WHERE chain = $1", r.chain)
			r.exec(t, "UPDATE audit_chain SET seq = 2 WHERE name = $1", r.chain)
		}, 3, "says that they were there"},
		"the head alone was cut": {func(t *testing.T, r *rig) {
			t.Helper()
			must(t, os.Remove(headPath(r.dir, r.chain)))
			r.exec(t, "UPDATE audit_chain SET seq = 2 WHERE name = $1", r.chain)
		}, 3, "a checkpoint has signed"},
		"the file beside the gateway": {func(t *testing.T, r *rig) {
			t.Helper()
			r.putHead(t, strings.Replace(r.headFile(t), `"seq":4`, `"seq":3`, 1))
		}, 0, "is not signed by this installation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.record(t, 4)
			r.sign(t)
			r.record(t, 1)
			if got := r.headOf(t); got.Fault != nil {
				t.Fatalf("got fault %+v before anything was done", got.Fault)
			}
			r.disarm(t)
			c.bend(t, r)
			if got := r.headOf(t).Fault; got == nil || got.Seq != c.seq || !strings.Contains(got.What, c.what) {
				t.Errorf("got %+v, want entry %d: %q", got, c.seq, c.what)
			}
		})
	}
}
