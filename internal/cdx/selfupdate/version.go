package selfupdate

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"
)

// Higher returns the higher of two versions, for [Current.Highest].
func Higher(a, b string) string {
	if compare(a, b) < 0 {
		return b
	}
	return a
}

// compare orders versions. One that is no version, such as dev, is below all that are. What git describes as so many
// commits after a version is above it, although the letter of semantic versioning puts it below.
func compare(a, b string) int {
	baseA, commitsA := sinceTag(a)
	baseB, commitsB := sinceTag(b)
	return cmp.Or(semver.Compare("v"+baseA, "v"+baseB), cmp.Compare(commitsA, commitsB))
}

var described = regexp.MustCompile(`^(.+)-([0-9]{1,9})-g[0-9a-f]+(?:-dirty)?$`)

// sinceTag takes 1.4.0-3-gc0ffee0 apart: 1.4.0 and 3.
func sinceTag(version string) (base string, commits int) {
	parts := described.FindStringSubmatch(version)
	if parts == nil {
		return version, 0
	}
	commits, _ = strconv.Atoi(parts[2]) // at most nine digits
	return parts[1], commits
}

// isSame reports whether an offered version brings nothing new. Development builds keep their version while they
// change: for them the content alone decides.
func isSame(offered, current string) bool {
	return compare(offered, current) == 0 && !isDevelopment(offered)
}

func isDevelopment(version string) bool {
	return !semver.IsValid("v"+version) || strings.HasPrefix(semver.Prerelease("v"+version), "-dev") ||
		strings.HasSuffix(version, "-dirty")
}
