// Command cdx runs Codex with the login of a fleet. Everything about it is in internal/cdx.
package main

import (
	"context"
	"os"

	"github.com/cdxgate/cdxgate/internal/cdx"
)

// version is set by the build: -ldflags "-X main.version=1.4.0".
var version = "dev"

func main() {
	os.Exit(cdx.Run(context.Background(), cdx.Invocation{Version: version, Args: os.Args[1:]}))
}
