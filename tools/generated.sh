#!/bin/sh
# generated.sh write|check makes db/*.gen.go from the queries and the migrations, templates/*_templ.go from the components, and
# docs/cdx.1 from the tables of cdx, or fails when they are not exactly what would be made now. Either way in a directory of its own, so that a file is noticed behind which no query stands
# any more, and a failure leaves everything as it was.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

mkdir "$fresh/db" "$fresh/have" "$fresh/templates" "$fresh/components"
cp -R "$root/sqlc.yaml" "$root/queries" "$fresh/"
cp -R "$root/db/migrations" "$fresh/db/"
(cd "$fresh" && "$root/bin/tools/sqlc" generate)
rm -r "$fresh/db/migrations"
if [ "${1:-}" = write ]; then
	"$root/bin/tools/templ" fmt "$root/templates" 2>/dev/null
fi
cp "$root"/templates/*.templ "$fresh/templates/"
(cd "$fresh" && "$root/bin/tools/templ" fmt -fail templates && "$root/bin/tools/templ" generate -path templates) >"$fresh/templ.log" 2>&1 || {
	cat "$fresh/templ.log" >&2
	echo "templates/*.templ are wrong or not formatted: run make generate" >&2
	exit 1
}
rm "$fresh"/templates/*.templ
go -C "$root" run ./internal/cdx/manpage >"$fresh/cdx.1"

case ${1:-} in
write)
	rm -f "$root"/db/*.gen.go
	cp "$fresh"/db/*.gen.go "$root/db/"
	rm -f "$root"/templates/*_templ.go
	cp "$fresh"/templates/*_templ.go "$root/templates/"
	cp "$fresh/cdx.1" "$root/docs/"
	;;
check)
	cp "$root"/db/*.gen.go "$fresh/have/"
	if ! diff -ru "$fresh/have" "$fresh/db"; then
		echo "db/*.gen.go (-) is not what its sources say (+): run make generate" >&2
		exit 1
	fi
	cp "$root"/templates/*_templ.go "$fresh/components/"
	if ! diff -ru "$fresh/components" "$fresh/templates"; then
		echo "templates/*_templ.go (-) is not what its sources say (+): run make generate" >&2
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
