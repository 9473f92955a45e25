#!/bin/sh
# generated.sh write|check makes db/*.gen.go from the queries and the migrations, and docs/cdx.1 from the tables of cdx, or
# fails when they are not exactly what would be made now. Either way in a directory of its own, so that a file is noticed behind which no query stands
# any more, and a failure leaves everything as it was.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

mkdir "$fresh/db" "$fresh/have"
cp -R "$root/sqlc.yaml" "$root/queries" "$fresh/"
cp -R "$root/db/migrations" "$fresh/db/"
(cd "$fresh" && "$root/bin/tools/sqlc" generate)
rm -r "$fresh/db/migrations"
go -C "$root" run ./internal/cdx/manpage >"$fresh/cdx.1"

case ${1:-} in
write)
	rm -f "$root"/db/*.gen.go
	cp "$fresh"/db/*.gen.go "$root/db/"
	cp "$fresh/cdx.1" "$root/docs/"
	;;
check)
	cp "$root"/db/*.gen.go "$fresh/have/"
	if ! diff -ru "$fresh/have" "$fresh/db"; then
		echo "db/*.gen.go (-) is not what its sources say (+): run make generate" >&2
		exit 1
	fi
	if ! diff -u "$root/docs/cdx.1" "$fresh/cdx.1"; then
		echo "docs/cdx.1 (-) is not what internal/cdx says (+): run make generate" >&2
		exit 1
	fi
	;;
*)
	echo "usage: generated.sh write|check" >&2
	exit 2
	;;
esac
