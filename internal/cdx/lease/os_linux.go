package lease

import (
	"fmt"
	"os"
	"strings"
)

// startOf returns when the process started, in clock ticks since the machine did.
//
// Errors: errGone; others when it cannot be told.
func startOf(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		if isGone(pid) {
			return "", errGone
		}
		return "", err
	}
	// The program's name comes second, in parentheses, and may hold anything; the state is the field after it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	if strings.ContainsAny(fields[0], "ZXx") { // in a container nobody may ever collect it
		return "", errGone
	}
	return fields[19], nil
}

// place names this run of the machine and the set of processes that can be seen in it: a container's numbers are
// another's than its host's.
func place() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + namespace
}
