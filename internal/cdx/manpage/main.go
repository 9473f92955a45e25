// Command manpage prints the manual page of cdx; tools/generated.sh keeps it as docs/cdx.1.
package main

import (
	"io"
	"os"

	"github.com/cdxgate/cdxgate/internal/cdx"
)

func main() {
	if _, err := io.WriteString(os.Stdout, cdx.ManPage()); err != nil {
		os.Exit(1)
	}
}
