#!/bin/sh
# fuzz.sh runs every fuzz target of the module for FUZZTIME (default 60s) each, and stops at the first that finds something.
set -eu

list=$(mktemp)
trap 'rm -f "$list"' EXIT
go test -list '^Fuzz' ./internal/... ./db/... >"$list"

# go test prints the names of a package's targets and then the line "ok <package>".
found=0
while read -r word package _; do
	case $word in
	Fuzz*) targets="${targets:-} $word" ;;
	ok)
		for target in ${targets:-}; do
			found=$((found + 1))
			echo "== $package $target"
			go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-60s}" -fuzzminimizetime 200x "$package" </dev/null
		done
		targets=
		;;
	esac
done <"$list"
if [ $found -eq 0 ]; then
	echo "no fuzz target found" >&2
	exit 1
fi
