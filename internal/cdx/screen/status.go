package screen

import (
	"strings"
	"time"
)

// StatusFacts are what cdx status tells. What is nil or zero is not known, and is left out.
type StatusFacts struct {
	Host     Host
	Gateway  StatusGateway
	Refusal  *Refusal // the gateway denies this machine
	Address  Address
	Login    *StatusLogin
	Sessions *Sessions
	Codex    CodexVersion
	Cdx      CdxVersion
	Commands *Commands
	Quota    *Quota
	Policy   *Policy // only decides how the quota stands
	Month    *Month
	Waiting  *Waiting
}

// Host is this machine.
type Host struct {
	FQDN     string
	Secure   bool
	Brokered bool // Codex gets its tokens from cdx alone
}

// StatusGateway is how the gateway answered, with its URL in place of its name.
type StatusGateway struct {
	URL              string
	RoundTrip        time.Duration
	CertificateUntil time.Time
	Unreachable      string // why it did not answer
}

// Address is where this machine calls from.
type Address struct {
	IP    string
	Bound bool // the machine's API key works from there only
}

// StatusLogin is the login on this machine, in full.
type StatusLogin struct {
	Login
	NextRefresh time.Time
	Digest      string // hexadecimal
}

// Sessions are the runs of Codex that go on now.
type Sessions struct {
	Running int
	Since   time.Time // when the oldest began
	PID     int       // of the oldest
}

// CodexVersion is the Codex on this machine and the one the fleet wants.
type CodexVersion struct{ Installed, Target, InstalledBy string }

// CdxVersion is this cdx and the newest one that the gateway has.
type CdxVersion struct{ Installed, Newest string }

// Commands are the slash commands on this machine.
type Commands struct{ Current, Proposals int }

// Exit statuses of cdx status.
const (
	exitAttention = 1
	exitDenied    = 77
)

// row is one subject of the status: parts that are joined by commas, or by a line break where there is no room.
type row struct {
	state State
	label string
	parts []string
	next  []string // these begin a line in any case
	comma string   // "," unless set
}

// Status is the answer of cdx status, with its exit status: 0, 1 when something needs attention, 77 when denied. Times
// are in the zone of now, except those that admins are told too.
func Status(f StatusFacts, t Terminal, now time.Time) (out string, exit int) {
	var b strings.Builder
	for _, r := range f.rows(now) {
		r.write(&b, t)
	}
	return b.String(), f.exit(now)
}

func (f StatusFacts) exit(now time.Time) int {
	if f.Refusal != nil {
		return exitDenied
	}
	for _, r := range f.rows(now) {
		if r.state >= Attention {
			return exitAttention
		}
	}
	return 0
}

// rows are the facts in their fixed order.
func (f StatusFacts) rows(now time.Time) []row {
	all := []row{f.Host.row()}
	if f.Refusal != nil {
		all = append(all, f.Refusal.rows()...)
	} else {
		all = append(all, f.Gateway.row(now))
	}
	all = append(all, f.Address.row(), f.Login.row(now), f.Sessions.row(now), f.Codex.row(), f.Cdx.row(), f.Commands.row(),
		f.Quota.row(f.Policy, now), f.Month.row(), f.Waiting.row())
	rows := all[:0]
	for _, r := range all {
		if len(r.parts) > 0 {
			rows = append(rows, r)
		}
	}
	return rows
}

// write lays a row out. A symbol stands before the value of what is not in order; the words say it too.
func (r row) write(b *strings.Builder, t Terminal) {
	name, sign := t.legible(r.label), ""
	if r.state >= Attention {
		sign = t.sign(r.state) + " "
	}
	room := t.limit(min(t.columns(), layoutWidth)) - labelWidth - Cells(sign)
	state := r.state
	if state == Unknown {
		state = Good // what is unknown says so; to dim it as well would hide it
	}
	for _, value := range append(r.fold(t, r.parts, room), r.fold(t, r.next, room)...) {
		gap := strings.Repeat(" ", max(0, labelWidth-Cells(name)))
		spans := []span{{label, name}, {blank, gap}, {mark, sign}, {plain, value}}
		b.WriteString(t.paint(state, t.cutSpans(spans, t.limit(min(t.columns(), layoutWidth)))))
		b.WriteByte('\n')
		name, sign = "", strings.Repeat(" ", Cells(sign))
	}
}

// fold joins parts to lines of at most so many cells. A line ends between parts, and inside one only if it is longer
// than a line.
func (r row) fold(t Terminal, parts []string, room int) []string {
	comma := ","
	if r.comma != "" {
		comma = r.comma
	}
	var lines []string
	line := ""
	for i, part := range parts {
		part = t.legible(part)
		if i < len(parts)-1 {
			part += comma
		}
		pieces := []string{part}
		if Cells(part) > room {
			pieces = strings.Split(part, " ")
		}
		for _, piece := range pieces {
			if line != "" && Cells(line)+1+Cells(piece) > room {
				lines, line = append(lines, line), ""
			}
			line = list(" ", line, piece)
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
