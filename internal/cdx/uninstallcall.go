package cdx

import (
	"context"
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
	err := c.do(ctx, http.MethodDelete, c.config.BaseURL+api.PathAuth, nil, &answer)
	if f := asFailure(err); f != nil && f.keyInvalid() {
		return nil
	}
	return err
}
