package share

import (
	"errors"
	"slices"
	"strings"
)

// maxNameBytes leaves room for what is added to names on disk. The gateway allows longer ones.
const maxNameBytes = 128

// devices are names that mean no file on Windows, whatever comes after a dot.
var devices = []string{
	"con", "prn", "aux", "nul", "com0", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9",
	"lpt0", "lpt1", "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
}

const nameCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

// CheckName says what is wrong with a name that comes from outside: it has to be a plain name of one file on every
// system, on all of them if on one. The error completes a sentence that begins with the name.
func CheckName(name string) error {
	stem, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > maxNameBytes:
		return errors.New("is longer than 128 characters")
	case strings.Trim(name, nameCharacters) != "":
		return errors.New("has other characters than letters, digits, dots, underscores and hyphens")
	case name[0] == '.' || name[0] == '-' || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return errors.New("begins with a dot or a hyphen, ends with a dot or has two in a row")
	case slices.Contains(devices, stem):
		return errors.New("means a device on Windows")
	case strings.HasSuffix(strings.ToLower(name), besideSuffix):
		return errors.New("ends like the copies that cdx makes of the fleet's texts")
	}
	return nil
}
