package fleet

import (
	"strings"

	"github.com/cdxgate/cdxgate/internal/errs"
)

// ParseFQDN reads a host's name by the hostname grammar of RFC 1123: labels of letters, digits and inner hyphens, at most
// 63 octets each and 253 in all. The name is folded to lower case; surrounding blanks and one final dot are dropped.
// Nothing else is: what passes here may stand in a URL, a log line or a shell script.
func ParseFQDN(text string) (string, error) {
	name := strings.TrimSuffix(strings.TrimSpace(text), ".")
	if name == "" {
		return "", errs.Field("fqdn", "fqdn is required")
	}
	if len(name) > 253 {
		return "", errs.Field("fqdn", "fqdn is longer than 253 characters")
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return "", errs.Field("fqdn", "fqdn must be a host name: labels of letters, digits and inner hyphens, separated by dots")
		}
	}
	// Folded last: some letters outside ASCII have an ASCII letter as their lower case.
	return strings.ToLower(name), nil
}
