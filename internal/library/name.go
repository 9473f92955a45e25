package library

import (
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/internal/errs"
)

const maxNameBytes = 255

// reserved are names that are devices on Windows, whatever comes after a dot.
var reserved = []string{
	"con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
}

// ParseName reads the name of a file as it will be on hosts: letters, digits, dots, underscores and hyphens, which is a
// plain name in one directory on every system.
//
// Errors: kind Invalid on field filename.
func ParseName(text string) (string, error) {
	name := strings.TrimSpace(text)
	problem := ""
	switch {
	case name == "":
		problem = "filename is required"
	case len(name) > maxNameBytes:
		problem = "filename must be 255 characters or fewer"
	case strings.Contains(name, "..") || strings.ContainsAny(name, `/\`):
		problem = "filename cannot include path separators"
	case strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != "":
		problem = "filename may only contain letters, numbers, dots, underscores, and hyphens"
	case strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") || strings.HasSuffix(name, "."):
		problem = "filename may not begin with a dot or a hyphen, nor end with a dot"
	case slices.Contains(reserved, strings.ToLower(strings.SplitN(name, ".", 2)[0])):
		problem = "filename is reserved on Windows"
	}
	if problem != "" {
		return "", errs.Field("filename", problem)
	}
	return name, nil
}
