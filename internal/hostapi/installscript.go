package hostapi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cdxgate/cdxgate/internal/api"
)

// installScriptParams is what one machine's installer is made of. There is no API key among it: the machine gets that
// from the claim, which cdx enroll makes.
type installScriptParams struct {
	BaseURL string                 // of the gateway, without a trailing slash
	FQDN    string                 // of the host
	Token   string                 // the install token; reaches cdx by standard input, never as an argument; so does the CA, after it
	Version string                 // of the builds
	Clients map[string]shellClient // platform (linux-amd64) → build
	Reach   transport
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
	b.WriteString("\tunset base fqdn token version available digest size os arch platform dir other shown tmp found first ca ca_file\n")
	assign(&b, "base", p.BaseURL)
	assign(&b, "fqdn", p.FQDN)
	assign(&b, "token", p.Token)
	assign(&b, "version", p.Version)
	b.WriteString(installScriptHead)
	b.WriteString(shellTools(p.Reach))
	b.WriteString("\tsay \"cdx installer for $fqdn ($platform)\"\n\n")
	b.WriteString(shellBuilds(p.Clients))
	b.WriteString(installScriptPlace)
	b.WriteString(shellPutClient)
	b.WriteString(installScriptTail)
	return []byte(b.String())
}

const installScriptHead = `
	exec </dev/null # the rest of this script comes from there: no command may swallow it
	umask 022

	say() { printf '%s\n' "$1"; }
`

// installScriptPlace decides where cdx goes.
const installScriptPlace = `	if [ -n "${CDX_INSTALL_DIR:-}" ]; then
		dir=$CDX_INSTALL_DIR
	elif [ "$(id -u)" = 0 ]; then
		dir=/usr/local/bin
	else
		dir=${HOME:?is not set, so there is no place for cdx}/.local/bin
	fi
	other="Name another directory: CDX_INSTALL_DIR"
`

// installScriptTail says what the user has to know about the place, and enrols.
const installScriptTail = `
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
	printf '%s\n' "$base/install/$token" ${ca:+"$ca"} | "$dir/cdx" enroll
}
_cdx_installer
`

// refusalScript renders what an install URL without a usable token serves: two lines for the user, and a status that is
// not zero, so that whatever was to follow does not.
func refusalScript(state, reason, next string) []byte {
	if !slices.Contains([]string{api.InstallUsed, api.InstallExpired, api.InstallUnknown, api.InstallLimited, api.SeedWornOut}, state) {
		state = api.InstallUnknown
	}
	return fmt.Appendf(nil, "#!/bin/sh\n# %s\nprintf '%%s\\n' %s >&2\nprintf '%%s\\n' %s >&2\nexit 1\n",
		state, shellQuote("✗ "+reason), shellQuote("  "+next))
}
