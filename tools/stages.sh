#!/bin/sh
# stages.sh TARGET[=SECONDS]... makes each target in turn, stops at the first that fails, and prints what each took,
# with a mark where that is more than SECONDS.
#
# Environment: STAGES_BEFORE, lines of "name seconds budget" for what the caller has done already.
set -u

rows=${STAGES_BEFORE:-}
newline='
'

report() {
	printf '\n%-12s %8s %8s\n' stage seconds budget
	printf '%s\n' "$rows" | awk 'NF {
		printf "%-12s %8d %8s%s\n", $1, $2, $3, ($3 != "-" && $2 > $3 ? "  over" : "")
		total += $2
	} END { printf "%-12s %8d\n", "total", total }'
}

for stage in "$@"; do
	name=${stage%%=*} budget=-
	case $stage in *=*) budget=${stage#*=} ;; esac
	start=$(date +%s)
	"${MAKE:-make}" --no-print-directory "$name"
	status=$?
	rows="$rows$newline$name $(($(date +%s) - start)) $budget"
	if [ $status -ne 0 ]; then
		report
		echo "FAILED at: make $name"
		exit 1
	fi
done
report
