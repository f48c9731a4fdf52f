#!/usr/bin/env bash
# How many instructions each row of benches/instructions.rs takes, under callgrind, compared with
# benches/instructions.txt: fails when a row takes 3 % more. Counts have no noise, unlike times, but
# hang on the compiler and on the processor's vectors, so elsewhere they are only shown.
#
#   benches/instructions.sh            compares
#   benches/instructions.sh --update   writes the table anew
set -euo pipefail
cd "$(dirname "$0")/.."
table=benches/instructions.txt

if ! command -v valgrind >/dev/null; then
    echo "valgrind is not installed: instructions are not counted"
    exit 0
fi

# What the counts hang on besides the code.
vectors=no-avx2
if grep -qw avx2 /proc/cpuinfo 2>/dev/null; then vectors=avx2; fi
here="# $("${RUSTC:-rustc}" --version | cut -d' ' -f2) $(uname -m) $vectors"

# In one piece: how the compiler shares a crate out among several changes with any edit elsewhere in
# the crate, and moves a row by up to 5 %.
export CARGO_PROFILE_BENCH_CODEGEN_UNITS=1
program=$(cargo bench -p restless-benches --bench instructions --no-run 2>&1 |
    sed -n 's/^ *Executable .*(\(.*\))$/\1/p')
if [ -z "$program" ]; then
    echo "the rows could not be built; try: cargo bench -p restless-benches --bench instructions --no-run" >&2
    exit 1
fi

folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
# glibc may copy with `rep movsb`, of which callgrind counts each byte as an instruction.
limit=0x40000000
export GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=$limit:glibc.cpu.x86_rep_stosb_threshold=$limit

echo "$here" >"$folder/found"
while IFS=$'\t' read -r name events; do
    valgrind -q --tool=callgrind --callgrind-out-file="$folder/out" --collect-atstart=no \
        --toggle-collect='instructions::measured*' "$program" "$name" >/dev/null 2>"$folder/errors" ||
        { cat "$folder/errors" >&2; exit 1; }
    count=$(sed -n 's/^\(summary\|totals\): \([0-9]*\).*/\2/p' "$folder/out" | tail -n 1)
    if [ "${count:-0}" = 0 ]; then
        echo "callgrind counted nothing for: $name" >&2
        exit 1
    fi
    printf '%s\t%d\n' "$name" $((count / events)) >>"$folder/found"
done < <("$program" --list)

if [ "${1:-}" = --update ]; then
    cp "$folder/found" "$table"
    cat "$table"
    exit 0
fi

same=1
if [ "$(head -n 1 "$table")" != "$here" ]; then
    echo "the table is of another compiler or processor: shown, not judged ($(head -n 1 "$table"), here $here)"
    same=0
fi
awk -F'\t' -v same="$same" '
    NR == FNR { if ($1 !~ /^#/) due[$1] = $2; next }
    /^#/ { next }
    !($1 in due) { printf "%-44s %9d an event, NOT IN THE TABLE\n", $1, $2; bad = 1; next }
    {
        grown = ($2 / due[$1] - 1) * 100
        over = grown > 3
        printf "%-44s %9d an event, %+5.1f %%%s\n", $1, $2, grown, over ? ", MORE THAN 3 %" : ""
        bad = bad || over
        delete due[$1]
    }
    END {
        for (name in due) { print name ": in the table, and counted no more"; bad = 1 }
        exit bad && same
    }' "$table" "$folder/found" || {
    echo "a row takes more instructions (above). If that is worth it: benches/instructions.sh --update" >&2
    exit 1
}
