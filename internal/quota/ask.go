package quota

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/internal/seal"
)

// Codes of failures.
const (
	CodeNoLogin     = "no_login"         // the account has none
	CodeNoTokens    = "no_tokens"        // the login is an API key: nobody is asked
	CodeLogin       = "login_unreadable" // the stored login does not open
	CodeRefused     = "token_refused"    // 401
	CodeForbidden   = "forbidden"        // 403
	CodeLimited     = "limited"          // 429
	CodeUpstream    = "upstream"         // 5xx
	CodeStatus      = "status"           // any other status than 200; redirects are not followed
	CodeUnreachable = "unreachable"      // no answer
	CodeTooLarge    = "too_large"        // more of an answer than is read
	CodeUnreadable  = "unreadable"       // no JSON, or nothing where the limits used to be
)

// aboutLogin are failures that a new login ends.
var aboutLogin = []string{CodeNoTokens, CodeLogin, CodeRefused}

// Failure is why a question had no good answer. Its text is ours: nothing that came from the upstream is in it. None says
// that a login is bad: only a refresh that is refused does.
type Failure struct {
	Code   string
	Text   string
	Status int // of HTTP; 0: there was no answer
	At     time.Time

	retryAfter time.Duration
}

// refusal reports whether ChatGPT answered that it does not want to.
func (f *Failure) refusal() bool {
	return f.Code == CodeRefused || f.Code == CodeForbidden || f.Code == CodeLimited
}

const (
	maxAnswerBytes = 64 << 10
	maxTextBytes   = 256
	askTimeout     = 10 * time.Second
	userAgent      = "codex-auth" // what is known to be let through
)

// newClient makes the client for questions that are minutes apart. It keeps no connection and follows no redirect: the
// token is for one place.
func newClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	transport.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask asks ChatGPT what it says about the account of a token.
func (s *Service) ask(ctx context.Context, token seal.Secret, chatgptAccount string, at time.Time) (Snapshot, *Failure) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.URL+"/wham/usage", nil)
	if err != nil {
		return Snapshot{}, &Failure{Code: CodeUnreachable, Text: "the option chatgpt_url makes no request"}
	}
	request.Header.Set("Authorization", "Bearer "+string(token))
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", userAgent)
	if chatgptAccount != "" {
		request.Header.Set("ChatGPT-Account-Id", chatgptAccount)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return Snapshot{}, unreachable(err, s.cfg.Timeout)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return Snapshot{}, refused(answer, s.cfg.Now())
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return Snapshot{}, unreachable(err, s.cfg.Timeout)
	case len(body) > maxAnswerBytes:
		return Snapshot{}, &Failure{Code: CodeTooLarge, Status: answer.StatusCode, Text: "ChatGPT answered more than " + strconv.Itoa(maxAnswerBytes>>10) + " KiB"}
	}
	snapshot, err := readAnswer(body, at)
	if err != nil {
		return Snapshot{}, &Failure{Code: CodeUnreadable, Status: answer.StatusCode, Text: err.Error()}
	}
	if repeats(snapshot.Plan, token) || repeats(snapshot.CreditBalance, token) {
		return Snapshot{}, &Failure{Code: CodeUnreadable, Status: answer.StatusCode, Text: "the answer repeats the access token"}
	}
	snapshot.chatgptAccount = chatgptAccount
	return snapshot, nil
}

// repeats reports whether a text that is to be kept is the token, or a good part of it: a proxy that shows what it was sent
// would have it written down in the clear.
func repeats(text string, token seal.Secret) bool {
	const goodPart = 16
	return strings.Contains(text, string(token)) || len(text) >= goodPart && strings.Contains(string(token), text)
}

// refused words a status that is no success. The body is not looked at.
func refused(answer *http.Response, now time.Time) *Failure {
	f := &Failure{Status: answer.StatusCode, retryAfter: retryAfter(answer.Header.Get("Retry-After"), now)}
	switch status := answer.StatusCode; {
	case status == http.StatusUnauthorized:
		f.Code, f.Text = CodeRefused, "ChatGPT refuses the access token of the login"
	case status == http.StatusForbidden:
		f.Code, f.Text = CodeForbidden, "ChatGPT does not let the gateway ask"
	case status == http.StatusTooManyRequests:
		f.Code, f.Text = CodeLimited, "ChatGPT was asked too often"
	case status >= http.StatusInternalServerError:
		f.Code, f.Text = CodeUpstream, "ChatGPT has a fault: HTTP "+strconv.Itoa(status)
	default:
		f.Code, f.Text = CodeStatus, "ChatGPT answered HTTP "+strconv.Itoa(status)
	}
	return f
}

// retryAfter reads seconds or a date; 0: there is no advice.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, longestWait)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), longestWait)
	}
	return 0
}

// unreachable words what went wrong on the way. An error of a connection that was made may quote what came over it, so
// only those of making one are told.
func unreachable(err error, timeout time.Duration) *Failure {
	f := &Failure{Code: CodeUnreachable, Text: "the connection to ChatGPT broke"}
	op, isOp := errors.AsType[*net.OpError](err)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		f.Text = "ChatGPT did not answer within " + timeout.String()
	case isOp && op.Op == "dial":
		f.Text = "ChatGPT cannot be reached: " + op.Error()
	case isCertificate:
		f.Text = "ChatGPT cannot be recognised: its certificate is not trusted"
	}
	f.Text = strings.ToValidUTF8(f.Text[:min(len(f.Text), maxTextBytes)], "")
	return f
}
