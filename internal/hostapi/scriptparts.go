package hostapi

import (
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// What the scripts that put cdx on a machine have in common. Each defines say, which tells the user something, sets base
// and version, and is free of bashisms: they run under dash, bash, busybox and zsh's sh.

// shellClient is a build of cdx as a script has to know it.
type shellClient struct {
	SHA256    string // lower-case hex; the script checks the download against it
	SizeBytes int64
}

// transport is how a script reaches the gateway. The zero value: as the machine reaches anything.
type transport struct {
	CA       string // PEM of the private authority that signs the gateway's certificate, which then is the only one that counts
	IPv4Only bool
}

// curl is the beginning of a curl command line.
func (t transport) curl(options string) string { return t.command("curl "+options, "--cacert ") }

// wget is the beginning of a wget command line.
func (t transport) wget(options string) string {
	return t.command("wget "+options, "--ca-certificate=")
}

// command adds to a command of either what the way to the gateway asks for; caOption is how it is told an authority's file.
func (t transport) command(command, caOption string) string {
	if t.IPv4Only {
		command += " -4"
	}
	if t.CA != "" {
		command += " " + caOption + `"$ca_file"`
	}
	return command
}

// shellCA sets $ca and writes it to $ca_file, which curl and wget read. shellTraps removes that. It needs fail.
func (t transport) shellCA(b *strings.Builder) {
	assign(b, "ca", strings.TrimSuffix(t.CA, "\n"))
	if t.CA == "" {
		return
	}
	b.WriteString(`	ca_file=$(mktemp) && printf '%s\n' "$ca" >"$ca_file" || fail 73 "no temporary file can be written, so nothing was done" "Make room, or set TMPDIR."
`)
}

// shellTraps removes $tmp and $ca_file however the script ends.
const shellTraps = `	tmp=
	ca_file=
	trap '[ -z "$tmp" ] || rm -f "$tmp"; [ -z "$ca_file" ] || rm -f "$ca_file"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
`

// shellFail defines fail.
const shellFail = `	fail() { # STATUS WHAT NEXT
		printf '✗ %s\n  %s\n' "$2" "$3" >&2
		exit "$1"
	}
`

// shellTools defines fail, have and get, and finds out what this machine is: $platform.
func shellTools(t transport) string {
	var b strings.Builder
	b.WriteString(shellTraps + "\n" + shellFail)
	t.shellCA(&b)
	b.WriteString("	have() { command -v \"$1\" >/dev/null 2>&1; }\n")
	b.WriteString("	get() { # URL FILE\n		if have curl; then\n")
	b.WriteString("			" + t.curl("-fsSL") + " -o \"$2\" \"$1\"\n		elif have wget; then\n")
	if t.CA != "" {
		b.WriteString(shellWgetKnows("--ca-certificate", "whom to trust"))
	}
	if t.IPv4Only {
		b.WriteString(shellWgetKnows("--inet4-only", "to use IPv4 only"))
	}
	b.WriteString("			" + t.wget("-q") + " -O \"$2\" \"$1\"\n")
	b.WriteString(shellToolsTail)
	return b.String()
}

// shellWgetKnows fails where wget lacks an option, as that of busybox does, which would say no more than how it is used.
func shellWgetKnows(option, what string) string {
	return `			case $(wget --help 2>&1) in
			*` + option + `*) ;;
			*) fail 69 "this machine's wget cannot be told ` + what + `, so nothing was installed" "Install curl, then try again." ;;
			esac
`
}

const shellToolsTail = `		else
			fail 69 "this machine has neither curl nor wget, so nothing was installed" "Install one of them, then try again."
		fi
	}

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
`

// shellBuilds sets digest and size to those of the build for $platform, and fails when there is none.
func shellBuilds(clients map[string]shellClient) string {
	var b strings.Builder
	platforms := slices.DeleteFunc(slices.Sorted(maps.Keys(clients)), func(platform string) bool {
		return !isPlatform(platform) || !isSHA256(clients[platform].SHA256)
	})
	assign(&b, "available", strings.Join(platforms, ", "))
	b.WriteString("\tcase $platform in\n")
	for _, platform := range platforms {
		client := clients[platform]
		fmt.Fprintf(&b, "\t%s)\n", platform)
		fmt.Fprintf(&b, "\t\tdigest=%s\n\t\tsize=%s\n\t\t;;\n", client.SHA256, shellQuote(megabytes(client.SizeBytes)))
	}
	b.WriteString(`	*)
		[ -n "$available" ] || available=none
		fail 69 "this gateway has no cdx for $platform, so nothing was installed" "It has: $available. Ask an admin for the missing one."
		;;
	esac

`)
	return b.String()
}

// shellPutClient installs $dir/cdx, whole or not at all; $other says what else to try when $dir does not take it. It
// needs curl or wget and one of sha256sum, shasum, openssl; asks for no rights and runs no package manager.
const shellPutClient = `	shown=$dir
	case $dir in
	"${HOME:-/nowhere}"/*) shown="~${dir#"$HOME"}" ;;
	esac
	mkdir -p "$dir" || fail 73 "the directory $shown cannot be made, so nothing was installed" "$other"
	[ ! -d "$dir/cdx" ] || fail 73 "$shown/cdx is a directory, so nothing was installed" "$other"

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
		(set -C && : >"$tmp") || fail 73 "$shown cannot be written to, so nothing was installed" "$other"
		get "$base/install/bin/cdx-$platform" "$tmp" || fail 69 "cdx could not be downloaded from $base, so nothing was installed" "Try again; if it happens twice, tell your admin."
		matches "$tmp" || fail 75 "the downloaded cdx does not match its digest, so it was thrown away" "Try again; if it happens twice, tell your admin."
		say "✓ cdx $version downloaded${size:+, $size}, digest checked"
		chmod 755 "$tmp"
		"$tmp" version >/dev/null </dev/null || fail 73 "cdx does not start from $shown, so it was not installed" "$other"
		mv -f "$tmp" "$dir/cdx" || fail 73 "$shown/cdx cannot be replaced, so nothing was installed" "$other"
		tmp=
		say "✓ installed as $shown/cdx"
	fi
`

func assign(b *strings.Builder, name, value string) {
	fmt.Fprintf(b, "\t%s=%s\n", name, shellQuote(value))
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
