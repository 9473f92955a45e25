package credential

import (
	"testing"
	"time"
)

func TestParseLastRefresh(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2000-01-01T00:00:00Z":                testTime(2000, 1, 1, 0, 0, 0, 0),
		"2000-01-01T05:30:00+05:30":           testTime(2000, 1, 1, 0, 0, 0, 0),
		"2025-11-21T00:00:00Z":                testTime(2025, 11, 21, 0, 0, 0, 0),
		"2025-11-21t00:00:00z":                testTime(2025, 11, 21, 0, 0, 0, 0),
		"2025-11-21T00:00:00+01:00":           testTime(2025, 11, 20, 23, 0, 0, 0),
		"2025-11-20T18:30:00.5-05:30":         testTime(2025, 11, 21, 0, 0, 0, 500000000),
		"2025-11-20T09:27:43.373506999Z":      testTime(2025, 11, 20, 9, 27, 43, 373506000),
		"2025-11-20T09:27:43.000000000-00:00": testTime(2025, 11, 20, 9, 27, 43, 0),
		"2024-02-29T23:59:59.9Z":              testTime(2024, 2, 29, 23, 59, 59, 900000000),
		"2026-11-23T15:21:00Z":                testTime(2026, 11, 23, 15, 21, 0, 0), // exactly as far ahead as allowed
	} {
		got, err := ParseLastRefresh("f", text, testNow.Add(UploadSlack))
		if err != nil || got != want { // == also demands UTC
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
	}
	const (
		required = "last_refresh is required"
		format   = "must be an RFC3339 timestamp"
		old      = "timestamp is implausibly old"
		future   = "timestamp is in the future"
	)
	for text, want := range map[string]string{
		"":                                 required,
		" \t\n":                            required,
		"1999-12-31T23:59:59.999999999Z":   old,
		"2000-01-01T00:00:00+00:01":        old,
		"0000-01-01T00:00:00Z":             old,
		"2026-11-23T15:21:00.000000001Z":   future,
		"2026-11-23T15:21:01Z":             future,
		"9999-12-31T23:59:59Z":             future,
		"now":                              format,
		"yesterday":                        format,
		"x":                                format,
		"@1700000000":                      format,
		"2025-11-20":                       format,
		"2025-11-20 00:00:00Z":             format,
		"2025-11-20T00:00:00":              format,
		"2025-11-20T00:00Z":                format,
		" 2025-11-20T00:00:00Z":            format,
		"2025-11-20T00:00:00Z ":            format,
		"2025-11-20T00:00:00ZZ":            format,
		"2025-11-20T0:00:00Z":              format,
		"2025-11-20T24:00:00Z":             format,
		"2025-11-20T23:59:60Z":             format,
		"2025-02-29T00:00:00Z":             format,
		"2025-13-01T00:00:00Z":             format,
		"2025-11-20T00:00:00.Z":            format,
		"2025-11-20T00:00:00,5Z":           format,
		"2025-11-20T00:00:00.1234567890Z":  format,
		"2025-11-20T00:00:00.1234567890+0": format,
		"2025-11-20T00:00:00+24:00":        format,
		"2025-11-20T00:00:00+00:60":        format,
		"2025-11-20T00:00:00+0100":         format,
		"2025-11-20T00:00:00+01":           format,
		"+025-11-20T00:00:00Z":             format,
		"12025-11-20T00:00:00Z":            format,
		"２025-11-20T00:00:00Z":             format,
		"2025-11-20T00:00:00Z\x00":         format,
	} {
		_, err := ParseLastRefresh("f", text, testNow.Add(UploadSlack))
		wantField(t, text, err, "f", want)
	}
	if _, err := ParseLastRefresh("f", "2026-11-23T15:25:00Z", testNow.Add(RetrieveSlack)); err != nil {
		t.Errorf("300 s ahead on retrieve: got %v, want nil", err)
	}
}

func testTime(year int, month time.Month, day, hour, minute, second, nanosecond int) time.Time {
	return time.Date(year, month, day, hour, minute, second, nanosecond, time.UTC)
}
