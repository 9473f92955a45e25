//go:build windows

package codexconfig

import (
	"os"
	"path/filepath"
)

// systemPaths are the files that an administrator of the machine keeps for all its users.
func systemPaths() []string {
	data := os.Getenv("ProgramData")
	if data == "" {
		data = `C:\ProgramData`
	}
	return []string{filepath.Join(data, "OpenAI", "Codex", "config.toml")}
}
