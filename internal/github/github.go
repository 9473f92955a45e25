// Package github asks a releases API like GitHub's which Codex is the newest. What comes from there is believed only as far
// as it has the form that it should have.
package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// DefaultAPI is GitHub's own.
const DefaultAPI = "https://api.github.com"

// latestPath is the newest release of Codex, as GitHub calls it: no draft, no pre-release.
const latestPath = "/repos/openai/codex/releases/latest"

// Timeout is what callers give one question, everything included.
const Timeout = 5 * time.Second

const (
	maxBody     = 4 << 20 // bytes; a release lists its files, about 200 KiB today
	maxETag     = 256     // bytes
	maxWords    = 200     // of an error that the API may have caused
	maxRedirect = 3
	mostWait    = 24 * time.Hour
)

// RefusalError is an answer that is no release.
type RefusalError struct {
	Status int
	Wait   time.Duration // GitHub does not want to be asked again so soon; 0: it does not say
}

// Error implements error.
func (r *RefusalError) Error() string {
	text := fmt.Sprintf("it answered %d %s", r.Status, http.StatusText(r.Status))
	if r.Wait > 0 {
		text += fmt.Sprintf(", and wants no question for %s", r.Wait.Round(time.Second))
	}
	return text
}

// Release is the newest Codex.
type Release struct {
	Version   string // N.N.N; "" when Unchanged
	ETag      string // what the API calls this answer; "": nothing
	Unchanged bool   // it is the one that was known by the ETag that was shown

	Notes       string    // what is new in it; see [MaxNotes]. A stranger's words, to be shown as text
	PublishedAt time.Time // zero: the API does not say
}

// Client asks one API. It is safe for concurrent use.
type Client struct {
	url  string
	http *http.Client
}

// New makes a client of the API at a base URL without a final slash. It connects through the proxy that the environment
// names, if any.
func New(base string) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = quietly(http.ProxyFromEnvironment)
	transport.MaxResponseHeaderBytes = 64 << 10
	transport.MaxIdleConns, transport.IdleConnTimeout = 1, Timeout // the next look is hours away
	return &Client{url: base + latestPath, http: &http.Client{Transport: transport, CheckRedirect: stayThere}}
}

// quietly keeps the address of a proxy out of errors: one that is no URL would be told whole, with its password.
func quietly(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		u, err := proxy(r)
		if err != nil {
			return nil, errors.New("HTTPS_PROXY or HTTP_PROXY is no URL of a proxy")
		}
		return u, nil
	}
}

// stayThere follows an API that has moved a repository, not one that sends us elsewhere.
func stayThere(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirect || r.URL.Host != via[0].URL.Host || r.URL.Scheme != via[0].URL.Scheme {
		return errors.New("it redirects to another place")
	}
	return nil
}

// Latest asks for the newest release, or whether it is still the one that etag is of; "": none is known.
//
// Errors: *[RefusalError]; others when there is no answer before ctx ends, or one that makes no sense. They may repeat a few words
// of what the API said: a stranger's.
func (c *Client) Latest(ctx context.Context, etag string) (Release, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, http.NoBody)
	if err != nil {
		return Release{}, fmt.Errorf("asking the releases API: %w", err)
	}
	request.Header.Set("Accept", "application/vnd.github+json")
	request.Header.Set("User-Agent", "cdxgate")
	request.Header.Set("X-Github-Api-Version", "2022-11-28")
	if etag != "" {
		request.Header.Set("If-None-Match", etag)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Release{}, fmt.Errorf("asking the releases API: %w", brief(err))
	}
	defer func() { _ = response.Body.Close() }()
	switch {
	case response.StatusCode == http.StatusNotModified && etag != "":
		return Release{ETag: etag, Unchanged: true}, nil
	case response.StatusCode != http.StatusOK:
		return Release{}, fmt.Errorf("asking the releases API: %w", &RefusalError{Status: response.StatusCode, Wait: wait(response)})
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || !isJSON(kind) {
		return Release{}, errors.New("the releases API answered something else than JSON")
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		return Release{}, fmt.Errorf("reading the releases API's answer: %w", err)
	}
	if len(body) > maxBody {
		return Release{}, fmt.Errorf("the releases API's answer has more than %d bytes", maxBody)
	}
	release, err := parse(body)
	if err != nil {
		return Release{}, err
	}
	release.ETag = cleanETag(response.Header.Get("Etag"))
	return release, nil
}

// brief is why no answer came, without the URL, which is ours, or where a redirect leads, and with few of the API's words.
func brief(err error) error {
	if outer, is := errors.AsType[*url.Error](err); is {
		err = outer.Err
	}
	if text := err.Error(); len(text) > maxWords {
		return fmt.Errorf("%.*s…", maxWords, strings.ToValidUTF8(text, "?"))
	}
	return err
}

func isJSON(kind string) bool { return kind == "application/json" || strings.HasSuffix(kind, "+json") }

// tagPrefix is what the tags of Codex's releases for everybody have before the version.
const tagPrefix = "rust-v"

var version = regexp.MustCompile(`^(?:0|[1-9][0-9]{0,8})\.(?:0|[1-9][0-9]{0,8})\.(?:0|[1-9][0-9]{0,8})$`)

// IsVersion reports whether a text is N.N.N, as the version of a release for everybody is.
func IsVersion(text string) bool { return version.MatchString(text) }

// PageOf is where GitHub shows the release of a version to people; "": it is not N.N.N.
func PageOf(version string) string {
	if !IsVersion(version) {
		return ""
	}
	return "https://github.com/openai/codex/releases/tag/" + tagPrefix + version
}

func parse(body []byte) (Release, error) {
	var answer struct {
		TagName     *string         `json:"tag_name"`
		Draft       bool            `json:"draft"`
		Prerelease  bool            `json:"prerelease"`
		Body        json.RawMessage `json:"body"`
		PublishedAt json.RawMessage `json:"published_at"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.TagName == nil {
		return Release{}, errors.New("the releases API's answer is no release")
	}
	if answer.Draft || answer.Prerelease {
		return Release{}, errors.New("the releases API's newest release is a draft or a pre-release")
	}
	number, is := strings.CutPrefix(*answer.TagName, tagPrefix)
	if !is || !IsVersion(number) {
		return Release{}, fmt.Errorf("the releases API's newest release has the tag %.64q; want rust-vN.N.N", *answer.TagName)
	}
	return Release{Version: number, Notes: cleanNotes(answer.Body), PublishedAt: cleanTime(answer.PublishedAt)}, nil
}

// cleanETag is an ETag that may be kept and shown again; "" instead of one that may not.
func cleanETag(etag string) string {
	if len(etag) > maxETag || strings.ContainsFunc(etag, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return etag
}

// wait is how long the API wants to be left alone: Retry-After, or until its count of questions starts anew. Moments are by
// the API's clock where it says what that shows, since ours may be wrong.
func wait(response *http.Response) time.Duration {
	header := response.Header
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	after := header.Get("Retry-After")
	if seconds, err := number(after, 32); err == nil {
		return min(max(time.Duration(seconds)*time.Second, 0), mostWait)
	}
	if until, err := http.ParseTime(after); err == nil {
		return min(max(until.Sub(now), 0), mostWait)
	}
	if header.Get("X-Ratelimit-Remaining") != "0" {
		return 0
	}
	reset, err := number(header.Get("X-Ratelimit-Reset"), 48)
	if err != nil {
		return 0
	}
	return time.Duration(min(max(reset-now.Unix(), 0), int64(mostWait/time.Second))) * time.Second
}

// number reads a number; one with too many bits is the greatest that there is, or the least.
func number(text string, bits int) (int64, error) {
	n, err := strconv.ParseInt(text, 10, bits)
	if errors.Is(err, strconv.ErrRange) {
		err = nil
	}
	return n, err
}
