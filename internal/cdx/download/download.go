// Package download gets files over HTTP within bounds of size and of silence, and says what it got.
package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// stallTimeout is how long the other side may stay silent. There is no limit in total: lines are slow.
const stallTimeout = 30 * time.Second

// Reasons why a download failed, beside [StatusError] and what the network says.
var (
	ErrStalled = errors.New("nothing came for a while, so the download was given up")
	ErrSize    = errors.New("its size is not the announced one")
	ErrTooBig  = errors.New("it is larger than it may be")
)

// StatusError is an answer that is not the file.
type StatusError struct{ Status int } // HTTP

// Error implements error.
func (e *StatusError) Error() string {
	switch e.Status {
	case http.StatusForbidden, http.StatusTooManyRequests:
		return fmt.Sprintf("it answers HTTP %d: it refuses, or there were too many requests from this address", e.Status)
	case http.StatusNotFound:
		return "it answers HTTP 404: there is no such file"
	default:
		return fmt.Sprintf("it answers HTTP %d", e.Status)
	}
}

// Request says what to get, and how much of it.
type Request struct {
	URL       string
	Accept    string // media type; "": any
	UserAgent string
	Limit     int64         // bytes; more is an error
	Size      int64         // bytes, as announced elsewhere; 0: not known
	Stall     time.Duration // how long it may be silent; 0: 30 s

	// Progress, if set, is told after every piece how many bytes have come, and of how many; 0: not known.
	Progress func(done, total int64)
}

// Get writes what the server answers to a GET to w and returns its SHA-256 in lower-case hex. Redirects are the
// client's: see [Following]. It should have no total timeout. On an error w has got some of it.
//
// Errors: ErrStalled, ErrSize, ErrTooBig, *StatusError, context.Canceled, or what the network says, without the URL.
func Get(ctx context.Context, client *http.Client, r Request, w io.Writer) (digest string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := r.Stall
	if stall == 0 {
		stall = stallTimeout
	}
	silence := time.AfterFunc(stall, func() { cancel(ErrStalled) })
	defer silence.Stop()

	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, http.NoBody)
	if err != nil {
		return "", errors.New("the address is not a URL")
	}
	if request.URL.User != nil {
		return "", errors.New("the address has a password in it")
	}
	request.Header.Set("User-Agent", r.UserAgent)
	request.Header.Set("Accept-Encoding", "identity") // sizes and digests are of the file as it is
	if r.Accept != "" {
		request.Header.Set("Accept", r.Accept)
	}
	response, err := client.Do(request)
	if err != nil {
		return "", reason(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", &StatusError{response.StatusCode}
	}
	total := r.Size
	switch announced := response.ContentLength; {
	case announced > r.Limit:
		return "", ErrTooBig
	case announced >= 0 && total > 0 && announced != total:
		return "", ErrSize
	case total == 0:
		total = max(0, announced)
	}
	limit := r.Limit
	if total > 0 {
		limit = min(limit, total)
	}

	sum := sha256.New()
	to := io.MultiWriter(w, sum)
	piece := make([]byte, 64<<10)
	var done int64
	for {
		n, err := response.Body.Read(piece)
		silence.Reset(stall)
		done += int64(n)
		if done > limit {
			if limit == r.Limit {
				return "", ErrTooBig
			}
			return "", ErrSize
		}
		if _, err := to.Write(piece[:n]); err != nil {
			return "", fmt.Errorf("keeping what was downloaded: %w", err)
		}
		if n > 0 && r.Progress != nil {
			r.Progress(done, total)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", reason(ctx, err)
		}
	}
	if total > 0 && done != total {
		return "", ErrSize
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// reason is why an exchange failed, without the URL: redirects put passing signatures there.
func reason(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrSize
	}
	return err
}
