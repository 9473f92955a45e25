package quota

import "time"

// For tests of what has no other way out.
var (
	ReadAnswer = readAnswer
	Interval   = interval
	BackOff    = backOff
	RetryAfter = retryAfter
	WithRetry  = func(code string, after time.Duration) *Failure { return &Failure{Code: code, retryAfter: after} }
)
