#!/bin/sh
# need.sh THING... makes sure that this machine has what building, testing and running need.
#
# As root on Debian or Ubuntu it installs what is missing; anywhere else it prints the one line to run and exits 1.
# Go is never installed: Debian's is too old for us.
#
# Things: certificates chromium curl gcc go make node nss openssl postgres python3 tmux
# Environment: APT_ARCHIVES, a directory that keeps the downloaded packages between machines.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

have() { command -v "$1" >/dev/null 2>&1; }

need_go() {
	want=$(sed -n 's/^go //p' "$root/go.mod")
	found=none
	if have go; then
		# Inside the module, since Go 1.21 and later fetch the version that go.mod asks for by themselves.
		found=$(cd "$root" && go env GOVERSION 2>/dev/null) || found=$(go version)
		found=${found#go version } found=${found#go} found=${found%% *}
		if [ "$(printf '%s\n' "$want" "$found" | sort -V | head -n 1)" = "$want" ]; then
			return
		fi
	fi
	echo "Go $want or newer is needed (found: $found). Install it from https://go.dev/doc/install, put its bin directory on PATH and run this again." >&2
	exit 1
}

# The places that the gateway itself searches.
has_postgres() {
	for dir in $(echo "$PATH" | tr ':' ' ') /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin; do
		if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
			return
		fi
	done
	return 1
}

has_gcc() {
	# A compiler without the C library's headers is what minimal images have.
	have gcc && printf '#include <stdlib.h>\nint main(void) { return EXIT_SUCCESS; }\n' | gcc -x c -o /dev/null - 2>/dev/null
}

postgres_package() {
	if grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
		echo postgresql-15
	else
		echo postgresql
	fi
}

# missing THING prints the Debian packages that bring it, or nothing when it is here.
missing() {
	case $1 in
	certificates) [ -s /etc/ssl/certs/ca-certificates.crt ] || [ -s /etc/ssl/cert.pem ] || [ -s /etc/pki/tls/certs/ca-bundle.crt ] || echo ca-certificates ;;
	chromium) have chromium || have google-chrome || echo chromium ;;
	curl | make | openssl | tmux) have "$1" || echo "$1" ;;
	gcc) has_gcc || echo gcc libc6-dev ;;
	nss) have certutil && have pk12util || echo libnss3-tools ;; # the browser's client certificates
	node) have node || echo nodejs; have npm || echo npm ;;
	postgres) has_postgres || postgres_package ;;
	# An interpreter without the standard library's rest is what python3-minimal brings.
	python3) python3 -c 'import hashlib, urllib.request' 2>/dev/null || echo python3 ;;
	*) echo "need.sh: unknown thing: $1" >&2; exit 2 ;;
	esac
}

# A fresh postgresql package makes a cluster of its own, which would take port 5432. Ours lives in the data directory,
# so the package is told not to; afterwards the machine has its own default again.
install_packages() {
	dropin=/etc/postgresql-common/createcluster.d/cdxgate.conf
	trap 'rm -f "$dropin"' EXIT
	mkdir -p "${dropin%/*}"
	echo 'create_main_cluster = false' >"$dropin"
	set -- --assume-yes --no-install-recommends -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
	if [ -n "${APT_ARCHIVES:-}" ]; then
		mkdir -p "$APT_ARCHIVES/partial"
		set -- -o Dir::Cache::Archives="$APT_ARCHIVES" "$@"
	fi
	apt-get -q -o Acquire::Retries=3 update >&2
	DEBIAN_FRONTEND=noninteractive apt-get -q install "$@" >&2
}

packages=
for thing in "$@"; do
	if [ "$thing" = go ]; then
		need_go
	else
		packages="$packages $(missing "$thing")"
	fi
done
# shellcheck disable=SC2086 # a list of package names
set -- $packages
if [ $# -eq 0 ]; then
	exit 0
fi
if have apt-get && [ "$(id -u)" -eq 0 ]; then
	echo "Installing what is missing: $*" >&2
	install_packages "$@"
	exit 0
fi
if have apt-get; then
	printf 'This machine lacks: %s. Install it and run this again:\n\n    sudo apt-get install --no-install-recommends %s\n\n' "$*" "$*" >&2
else
	echo "This machine lacks: $* (these are Debian's names). Install it with your package manager and run this again." >&2
fi
exit 1
