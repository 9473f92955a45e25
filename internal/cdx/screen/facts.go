package screen

import "time"

// Facts are what the boot card tells. What is nil or zero is not known, and is left out.
type Facts struct {
	Versions Versions
	Gateway  Gateway
	Window   *HostWindow // only on an insecure host
	Login    *Login
	Quota    *Quota
	Month    *Month
	Policy   *Policy
	Waiting  Waiting
	Refusal  *Refusal // why Codex is not started; it replaces everything else
}

// Versions are of the programs on this machine.
type Versions struct {
	Cdx, Codex string
	Offer      string // what is newer and not used yet: "Codex 0.170.0", "cdx 1.5.0"
	Type       string // the command that takes the offer; without one it comes by itself, with the next run
}

// Gateway is how the gateway answered.
type Gateway struct {
	Host        string
	RoundTrip   time.Duration
	Unreachable string        // why it did not: "did not answer", "refused the connection"
	Tries       int           // how often it was tried
	Elapsed     time.Duration // how long that took
}

// HostWindow is the time in which an insecure host may take part.
type HostWindow struct {
	Until    time.Time
	OpenedBy string
}

// Login is the login on this machine.
type Login struct {
	Generation int64
	ValidUntil time.Time
	VerifiedAt time.Time // when Codex last accepted it
	Cached     bool      // the gateway could not be asked
	NotKept    bool      // it is removed when the last session ends
}

// Quota is what ChatGPT says about the account's limits.
type Quota struct {
	Windows []Window
	SeenAt  time.Time // when it was true
	Stale   bool      // too old to go by; also for a quota that nobody knows
}

// Month is what this host has used in this month.
type Month struct {
	Tokens int64
	Cost   *float64 // dollars
	Remark string   // something else worth a word: "12 commands current"
}

// Policy is what the fleet does about the quota.
type Policy struct {
	LimitPercent float64 // 50 to 100; anything else stands for 100
	Refuses      bool    // launches of this machine are refused at the limit; otherwise there is a warning
}

// Waiting is what the gateway has not got yet.
type Waiting struct {
	Login   bool // a new login
	Reports int  // reports of usage
}

// Refusal is why Codex is not started.
type Refusal struct {
	Label string // "denied" unless set
	What  Words
	Cause Words
	Next  []Words
}

// Words are a sentence, its form for 40 columns (the sentence cut off, unless set), and what there is to type after it.
type Words struct {
	Long, Short string
	Type        string
}

// spans are both forms.
func (w Words) spans() (long, short []span) {
	long = text(w.Long)
	if w.Short != "" {
		short = text(w.Short)
	}
	if w.Type != "" {
		if w.Long != "" {
			long = append(long, span{blank, " "})
		}
		long = append(long, span{typed, w.Type})
		if w.Short == "" {
			short = []span{{typed, w.Type}} // a sentence about it helps less
		}
	}
	return long, short
}

// sentence is what there is to say, in one.
func (w Words) sentence() string { return list(" ", w.Long, w.Type) }
