#!/bin/bash -eu
# Builds the fuzz targets as OSS-Fuzz wants them: $SRC has the sources, $OUT gets a program for each
# target, and its corpus. By hand, with cargo-fuzz and a nightly toolchain:
#
#   RESTLESS=. OUT=target/fuzzers RUSTUP_TOOLCHAIN=nightly fuzz/oss-fuzz.sh
for program in cargo-fuzz zip; do
    if ! command -v "$program" >/dev/null; then
        echo "$program is missing" >&2
        exit 1
    fi
done
root=${RESTLESS:-$SRC/restless}
cd "$root"
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
# Linked as one, a release loses what counts coverage.
export CARGO_PROFILE_RELEASE_LTO=false
cargo fuzz build --fuzz-dir fuzz --features libfuzzer -O --debug-assertions

programs=$(rustc -vV | sed -n 's/^host: //p')/release
for source in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$source" .rs)
    for folder in fuzz/target target; do
        if [ -x "$folder/$programs/$target" ]; then
            cp "$folder/$programs/$target" "$OUT/"
        fi
    done
    test -x "$OUT/$target"
    (cd "fuzz/corpus/$target" && zip -q -r "$OUT/${target}_seed_corpus.zip" .)
done
