package hostapi

import (
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/internal/api"
)

// installClient is a build of cdx as the installer has to know it.
type installClient struct {
	SHA256    string // lower-case hex; the script checks the download against it
	SizeBytes int64
}

// installScriptParams is what one machine's installer is made of. There is no API key among it: the machine gets that
// from the claim, which cdx enroll makes.
type installScriptParams struct {
	BaseURL string                   // of the gateway, without a trailing slash
	FQDN    string                   // of the host
	Token   string                   // the install token; reaches cdx by standard input, never as an argument
	Version string                   // of the builds
	Clients map[string]installClient // platform (linux-amd64) → build
}

// installScript renders the POSIX shell script that puts cdx on a machine and enrols it. It runs under dash, bash,
// busybox and zsh's sh; needs curl or wget and one of sha256sum, shasum, openssl; asks for no rights and runs no
// package manager.
//
// Everything that varies is an assignment of a quoted word at the top; the rest is the same for everybody. All of it is
// one function that the last line calls, so half a script does nothing.
func installScript(p installScriptParams) []byte {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	b.WriteString("# Installs cdx on this machine and enrols it. Works once. Contains no API key.\n")
	b.WriteString("_cdx_installer() {\n\tset -eu\n")
	// A name that the user happens to export would take its new value to every command we start.
	b.WriteString("\tunset base fqdn token version available digest size os arch platform dir shown tmp found failed first\n")
	assign := func(name, value string) { fmt.Fprintf(&b, "\t%s=%s\n", name, shellQuote(value)) }
	assign("base", p.BaseURL)
	assign("fqdn", p.FQDN)
	assign("token", p.Token)
	assign("version", p.Version)
	platforms := slices.DeleteFunc(slices.Sorted(maps.Keys(p.Clients)), func(platform string) bool {
		return !isPlatform(platform) || !isSHA256(p.Clients[platform].SHA256)
	})
	assign("available", strings.Join(platforms, ", "))
	b.WriteString(installScriptPlatform)
	for _, platform := range platforms {
		client := p.Clients[platform]
		fmt.Fprintf(&b, "\t%s)\n", platform)
		fmt.Fprintf(&b, "\t\tdigest=%s\n\t\tsize=%s\n\t\t;;\n", client.SHA256, shellQuote(megabytes(client.SizeBytes)))
	}
	b.WriteString(installScriptBody)
	return []byte(b.String())
}

// installScriptPlatform finds out what this machine is; the arms of its last case are the builds there are.
const installScriptPlatform = `
	exec </dev/null # the rest of this script comes from there: no command may swallow it
	umask 022
	tmp=
	failed=
	trap '[ -z "$tmp" ] || rm -f "$tmp"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM

	say() { printf '%s\n' "$1"; }
	fail() { # STATUS WHAT NEXT
		printf '✗ %s\n  %s\n' "$2" "$3" >&2
		exit "$1"
	}
	have() { command -v "$1" >/dev/null 2>&1; }

	os=$(uname -s)
	case $os in
	Linux) os=linux ;;
	Darwin) os=darwin ;;
	esac
	arch=$(uname -m)
	case $arch in
	x86_64 | amd64) arch=amd64 ;;
	aarch64 | arm64) arch=arm64 ;;
	esac
	platform=$os-$arch
	say "cdx installer for $fqdn ($platform)"

	case $platform in
`

// installScriptBody does the work: download, check, put into place, enrol.
const installScriptBody = `	*)
		[ -n "$available" ] || available=none
		fail 69 "this gateway has no cdx for $platform, so nothing was installed" "It has: $available. Ask an admin for the missing one."
		;;
	esac

	if [ -n "${CDX_INSTALL_DIR:-}" ]; then
		dir=$CDX_INSTALL_DIR
	elif [ "$(id -u)" = 0 ]; then
		dir=/usr/local/bin
	else
		dir=${HOME:?is not set, so there is no place for cdx}/.local/bin
	fi
	shown=$dir
	case $dir in
	"${HOME:-/nowhere}"/*) shown="~${dir#"$HOME"}" ;;
	esac
	mkdir -p "$dir" || fail 73 "the directory $shown cannot be made, so nothing was installed" "Name another one: CDX_INSTALL_DIR"
	[ ! -d "$dir/cdx" ] || fail 73 "$shown/cdx is a directory, so nothing was installed" "Name another place: CDX_INSTALL_DIR"

	sum() {
		if have sha256sum; then
			sha256sum <"$1"
		elif have shasum; then
			shasum -a 256 <"$1"
		elif have openssl; then
			openssl dgst -sha256 <"$1"
		else
			fail 69 "this machine has none of sha256sum, shasum, openssl, so nothing was installed" "Install one of them, then try again."
		fi
	}
	matches() {
		found=$(sum "$1") || exit
		case " $found " in
		*[!0-9a-f]"$digest"[!0-9a-f]*) return 0 ;;
		esac
		return 1
	}

	if [ -f "$dir/cdx" ] && [ -x "$dir/cdx" ] && matches "$dir/cdx"; then
		say "✓ cdx $version is already there as $shown/cdx"
	else
		tmp=$dir/.cdx-download.$$
		rm -f "$tmp"
		(set -C && : >"$tmp") || fail 73 "$shown cannot be written to, so nothing was installed" "Name another directory: CDX_INSTALL_DIR"
		if have curl; then
			curl -fsSL -o "$tmp" "$base/install/bin/cdx-$platform" || failed=$?
		elif have wget; then
			wget -q -O "$tmp" "$base/install/bin/cdx-$platform" || failed=$?
		else
			fail 69 "this machine has neither curl nor wget, so nothing was installed" "Install one of them, then try again."
		fi
		[ -z "$failed" ] || fail 69 "cdx could not be downloaded from $base, so nothing was installed" "Try again; if it happens twice, tell your admin."
		matches "$tmp" || fail 75 "the downloaded cdx does not match its digest, so it was thrown away" "Try again; if it happens twice, tell your admin."
		say "✓ cdx $version downloaded, $size, digest checked"
		chmod 755 "$tmp"
		"$tmp" version >/dev/null || fail 73 "cdx does not start from $shown, so it was not installed" "Name another directory: CDX_INSTALL_DIR"
		mv -f "$tmp" "$dir/cdx" || fail 73 "$shown/cdx cannot be replaced, so nothing was installed" "Name another directory: CDX_INSTALL_DIR"
		tmp=
		say "✓ installed as $shown/cdx"
	fi

	case :$PATH: in
	*:"$dir":*)
		first=$(command -v cdx) || first=
		if [ -n "$first" ] && [ "$first" != "$dir/cdx" ]; then
			say "! another cdx comes first on your PATH: $first"
		fi
		;;
	*)
		say "! $shown is not on your PATH. For this shell:"
		case $shown in
		"~"/*) say "    export PATH=\"\$HOME${shown#"~"}:\$PATH\"" ;;
		*) say "    export PATH=\"$dir:\$PATH\"" ;;
		esac
		;;
	esac

	umask 077
	printf '%s\n' "$base/install/$token" | "$dir/cdx" enroll
}
_cdx_installer
`

// refusalScript renders what an install URL without a usable token serves: two lines for the user, and a status that is
// not zero, so that whatever was to follow does not.
func refusalScript(state, reason, next string) []byte {
	if !slices.Contains([]string{api.InstallUsed, api.InstallExpired, api.InstallUnknown}, state) {
		state = api.InstallUnknown
	}
	return fmt.Appendf(nil, "#!/bin/sh\n# %s\nprintf '%%s\\n' %s >&2\nprintf '%%s\\n' %s >&2\nexit 1\n",
		state, shellQuote("✗ "+reason), shellQuote("  "+next))
}

// shellQuote makes one word of any text, for any POSIX shell: between single quotes nothing means anything but the
// single quote itself. NUL bytes, which no shell can hold, are dropped.
func shellQuote(text string) string {
	text = strings.ReplaceAll(text, "\x00", "")
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

var platformPattern = regexp.MustCompile(`^[a-z0-9]+-[a-z0-9]+$`)

func isPlatform(text string) bool { return platformPattern.MatchString(text) }

// isSHA256 reports whether text is 64 lower-case hex digits: anything else would be a pattern that matches too much.
func isSHA256(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == 32 && text == strings.ToLower(text)
}

// megabytes writes a size as people read it: 9.8 MB.
func megabytes(sizeBytes int64) string {
	return fmt.Sprintf("%.1f MB", float64(sizeBytes)/1e6)
}
