// Package cdxgate is the whole gateway as one Caddy plugin, so that a custom build needs one module only:
//
//	xcaddy build --with github.com/cdxgate/cdxgate
package cdxgate

import _ "github.com/cdxgate/cdxgate/caddymodule" // registers the modules
