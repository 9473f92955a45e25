//go:build unix

package codexconfig

// systemPaths are the files that an administrator of the machine keeps for all its users.
func systemPaths() []string { return []string{"/etc/codex/config.toml"} }
