package hostapi

import (
	"fmt"
	"strings"
)

// transitionParams is what one host's transition script is made of. All of it is restricted to characters that mean
// nothing in JSON and, but for the key's use, is no secret.
type transitionParams struct {
	BaseURL        string // of the gateway, without a trailing slash
	APIKey         string // the host's, which the caller has shown
	FQDN           string // of the host
	Secure         bool   // it may keep a login on disk
	InstallationID string // of the gateway
	Version        string // of the builds
	Reach          transport
}

// transitionScript renders what a host of the reference takes for a newer version of its wrapper and puts into the
// wrapper's place: a POSIX shell script that, when it is next run, leaves the host's configuration to cdx, puts cdx into
// its own place and starts it with the same arguments.
//
// Standard input and output belong to Codex, so it speaks on standard error only. Whatever fails leaves it where it is,
// so that the next run tries again, which may be years after it was made: so it asks the gateway which digest the build
// has now. A configuration that is there already is newer, and stays; so does a cdx, which looks after itself. The assignments at the
// top have the names that the reference's wrapper gives them (contract/host-api.md 6.3).
func transitionScript(p transitionParams) []byte {
	secure := "0"
	if p.Secure {
		secure = "1"
	}
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	b.WriteString("# Replaces the old wrapper by cdx, and starts it. Contains the host's API key.\n")
	b.WriteString("_cdx_transition() {\n")
	// A name that the user happens to export would take its new value to Codex.
	b.WriteString("\tunset WRAPPER_VERSION CODEX_SYNC_BASE_URL_DEFAULT CODEX_SYNC_API_KEY_DEFAULT CODEX_SYNC_FQDN_DEFAULT\n")
	b.WriteString("\tunset CODEX_HOST_SECURE CODEX_INSTALLATION_ID base version self home config dir other status ca ca_file ca_json\n")
	fmt.Fprintf(&b, "\tWRAPPER_VERSION=\"%s\"\n", p.Version)
	assign(&b, "CODEX_SYNC_BASE_URL_DEFAULT", p.BaseURL)
	assign(&b, "CODEX_SYNC_API_KEY_DEFAULT", p.APIKey)
	assign(&b, "CODEX_SYNC_FQDN_DEFAULT", p.FQDN)
	assign(&b, "CODEX_HOST_SECURE", secure)
	assign(&b, "CODEX_INSTALLATION_ID", p.InstallationID)
	b.WriteString(transitionPlace)
	b.WriteString("\n\t(\n\tset -eu\n\tumask 022\n\tsay() { printf '%s\\n' \"$1\" >&2; }\n")
	b.WriteString(shellTools(p.Reach))
	assign(&b, "ca_json", caMember(p.Reach.CA))
	b.WriteString(transitionConfig)
	b.WriteString(transitionDigest)
	b.WriteString(shellPutClient)
	b.WriteString(transitionTail)
	return []byte(b.String())
}

// caMember is one more member of the configuration. Of what PEM is made of, line ends alone mean something in JSON.
func caMember(ca string) string {
	if ca == "" {
		return ""
	}
	return `,"ca":"` + strings.ReplaceAll(ca, "\n", `\n`) + `"`
}

// transitionPlace decides where cdx goes: into the wrapper's place, or, if this user may not, where an installer would
// put it.
const transitionPlace = `
	case ${1:-} in
	--wrapper-version | -W)
		printf 'cdx wrapper %s\n' "$WRAPPER_VERSION"
		exit 0
		;;
	esac
	base=$CODEX_SYNC_BASE_URL_DEFAULT
	version=$WRAPPER_VERSION
	home=${HOME:?is not set, so there is no place for the configuration of cdx}

	self=$0
	case $self in
	*/*) ;;
	*) self=$(command -v "$self") || self= ;;
	esac
	other="Run it as a user who may write there."
	if [ "${self##*/}" = cdx ] && [ -w "${self%/*}/" ]; then
		dir=${self%/*}
	elif [ "$(id -u)" = 0 ]; then
		dir=/usr/local/bin
	else
		dir=$home/.local/bin
	fi
`

// transitionConfig leaves the configuration where cdx looks for it.
const transitionConfig = `	config=${CDX_CONFIG_PATH:-}
	if [ -z "$config" ] && [ "$os" = darwin ]; then
		config="$home/Library/Application Support/cdx/host.json"
	elif [ -z "$config" ]; then
		config=${XDG_CONFIG_HOME:-$home/.config}/cdx/host.json
	fi
	# The machine's configuration counts for a user who has none: this must not come before it.
	if [ ! -e "$config" ] && { [ -n "${CDX_CONFIG_PATH:-}" ] || [ ! -r /etc/cdx/host.json ]; }; then
		secure=false
		[ "$CODEX_HOST_SECURE" = 0 ] || secure=true
		(
			umask 077
			made=
			case $config in
			*/*)
				made=${config%/*}
				above=${made%/*}
				[ -z "$above" ] || [ -d "$above" ] || made="$above
$made"
				mkdir -p "${config%/*}" || exit
				;;
			esac
			rm -f "$config.$$" && set -C && printf '{"base_url":"%s","api_key":"%s","fqdn":"%s","installation_id":"%s","secure":%s%s}\n' \
				"$base" "$CODEX_SYNC_API_KEY_DEFAULT" "$CODEX_SYNC_FQDN_DEFAULT" "$CODEX_INSTALLATION_ID" "$secure" "$ca_json" >"$config.$$" &&
				mv -f "$config.$$" "$config" || exit
			if [ "$(id -u)" = 0 ]; then
				# Root may run this with the home of somebody else, to whom these files then belong.
				owner=$(ls -ldn "$home" | { read -r _ _ user group _ && printf '%s:%s' "$user" "$group"; })
				printf '%s\n%s\n' "$made" "$config" | while read -r path; do
					[ -z "$path" ] || chown "$owner" "$path"
				done
			fi
		) || fail 73 "the configuration $config cannot be written, so nothing was installed" "Make room or rights, then try again."
		say "✓ the old wrapper's API key is now in $config (0600)"
	fi

`

// transitionDigest ends the work if cdx is there already, under another name than this script's own, and otherwise finds
// out which digest the build for this machine has.
const transitionDigest = `	if [ -f "$dir/cdx" ] && [ -x "$dir/cdx" ] && [ ! "$dir/cdx" -ef "$self" ]; then
		case $("$dir/cdx" -W </dev/null 2>/dev/null) in
		"cdx wrapper "*) ;; # an old one
		"cdx "*) exit 0 ;;
		esac
	fi
	size=
	mkdir -p "$dir" || fail 73 "the directory $dir cannot be made, so nothing was installed" "$other"
	tmp=$dir/.cdx-digest.$$
	rm -f "$tmp"
	get "$base/install/bin/cdx-$platform.sha256" "$tmp" ||
		fail 69 "$base cannot be reached, or has no cdx for $platform, so nothing was installed" "Try again; if it happens twice, tell your admin."
	digest=
	read -r digest <"$tmp" || :
	rm -f "$tmp"
	tmp=
	case $digest in
	"" | *[!0-9a-f]*) fail 75 "the digest of cdx that $base gave is none, so nothing was installed" "Try again; if it happens twice, tell your admin." ;;
	esac
`

const transitionTail = `	)
	status=$?
	[ "$status" = 0 ] || exit "$status"
	exec "$dir/cdx" "$@"
}
_cdx_transition "$@"
`
