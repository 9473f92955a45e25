package cdx

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/cdxgate/cdxgate/internal/api"
)

// deregister ends this machine's enrolment at the gateway. One that does not know its key any more has done so before.
//
// Errors: *failure.
func (c *client) deregister(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout())
	defer cancel()
	var answer api.Deleted
	err := c.remove(ctx, c.config.BaseURL+api.PathAuth, &answer)
	if f := asFailure(err); f != nil && f.status == http.StatusUnauthorized && f.is("api_key_invalid", "invalid api key") {
		return nil
	}
	return err
}

// remove sends a DELETE to address and decodes the data of the answer.
//
// Errors: *failure.
func (c *client) remove(ctx context.Context, address string, data any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodDelete, address, http.NoBody)
	if err != nil {
		return &failure{err: errors.New("the address of the gateway is not a URL")}
	}
	r.Header.Set("User-Agent", c.userAgent)
	r.Header.Set(headerPlatform, c.platform)
	r.Header.Set(api.HeaderAPIKey, string(c.config.APIKey))
	response, err := c.http.Do(r)
	if err != nil {
		return &failure{err: withoutURL(err)}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return &failure{status: response.StatusCode, err: withoutURL(err)}
	}
	return decode(response, text, data)
}
