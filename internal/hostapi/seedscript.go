package hostapi

import "strings"

// seedScript renders the POSIX shell script that uploads this machine's login. It needs curl, by which it came. The token
// reaches curl by standard input, never as an argument, and nothing of the login is printed.
func seedScript(baseURL, seedToken string, reach transport) []byte {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n")
	b.WriteString("# Uploads this machine's Codex login to be the fleet's. Works once. Reads nothing from the gateway.\n")
	b.WriteString("_cdx_seed() {\n\tset -eu\n")
	b.WriteString("\tunset base token file shown answer code reason generation tmp ca ca_file\n")
	assign(&b, "base", baseURL)
	assign(&b, "token", seedToken)
	b.WriteString("\n\texec </dev/null # the rest of this script comes from there: no command may swallow it\n")
	b.WriteString(shellTraps + "\n" + shellFail)
	reach.shellCA(&b)
	b.WriteString("\tpost() { " + reach.curl("-sS") + " \"$@\"; }\n")
	b.WriteString(seedScriptBody)
	return []byte(b.String())
}

const seedScriptBody = `
	file=${CODEX_HOME:-${HOME:?is not set, so Codex has no home}/.codex}/auth.json
	shown=$file
	case $file in
	"${HOME:-/nowhere}"/*) shown="~${file#"$HOME"}" ;;
	esac
	[ -f "$file" ] || fail 66 "there is no $shown, so nothing was uploaded" "Log in with codex login, or run this where somebody has."
	[ -r "$file" ] || fail 66 "$shown cannot be read, so nothing was uploaded" "Run this as the user whose login it is."
	command -v curl >/dev/null 2>&1 || fail 69 "this machine has no curl, so nothing was uploaded" "Copy $shown to the gateway: cdxgate auth upload FILE"

	printf 'Uploading %s to %s\n' "$shown" "$base"
	answer=$(printf 'url = "%s/seed/auth/%s"\n' "$base" "$token" |
		post -K - -H 'Content-Type: application/json' --data-binary "@$file" -w '\n%{http_code}') ||
		fail 69 "$base could not be reached, so nothing was uploaded" "Try again; if it happens twice, tell your admin."
	code=${answer##*
}
	if [ "$code" != 200 ]; then
		reason=$(printf '%s\n' "$answer" | sed -n 's/.*"errors":{"[^"]*":\["\([^"]*\)".*/\1/p')
		[ -n "$reason" ] || reason=$(printf '%s\n' "$answer" | sed -n 's/.*"message":"\([^"]*\)".*/\1/p')
		fail 65 "the gateway did not take it: ${reason:-HTTP $code}" "The fleet's login is what it was. Ask an admin: cdxgate auth seed-command"
	fi
	generation=$(printf '%s\n' "$answer" | sed -n 's/.*"generation":\([0-9]*\).*/\1/p')
	printf '✓ this is the fleet'"'"'s login now, generation %s\n' "$generation"
	printf '  Use Codex on this machine through cdx from now on: a copy that renews itself alone ends the login for all.\n'
}
_cdx_seed
`
