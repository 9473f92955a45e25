// Command cdxgate is Caddy with its standard modules and the gateway's.
package main

import (
	"fmt"
	"os"
	_ "time/tzdata" // so that time zones in the configuration work on the smallest systems

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/cdxgate/cdxgate/caddymodule"
)

func main() {
	if err := caddymodule.Prepare(os.Args); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "cdxgate: "+err.Error())
		os.Exit(1)
	}
	caddycmd.Main()
}
