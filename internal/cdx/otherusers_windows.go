//go:build windows

package cdx

import "errors"

// openNonblocking is of no use here: a file is a file.
const openNonblocking = 0

// userHomes is not for Windows, which has no root.
func userHomes() ([]string, error) { return nil, errors.New("Windows has none") }
