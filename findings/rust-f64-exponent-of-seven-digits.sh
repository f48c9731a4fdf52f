#!/usr/bin/env bash
# Rust's `f64::from_str` rounds correctly, and says so; but it takes only the first digits of an
# exponent once that is above 65,535. A number of a million ones and `e-1000000` is 0.111…, and is
# read as infinite: of the exponent no more than six digits counted. With a hundred thousand ones
# and `e-100000` it is right. Python's `float`, by David Gay's algorithm, reads both right. JSON
# (RFC 8259 §6) allows both spellings, and so does whoever takes infinity for "too large".
#
# Seen with rustc 1.95.0 and Python 3.11.2 (2026-11-28):
#   Rust   100000 Ok(0.1111111111111111)
#   Rust   1000000 Ok(inf)
#   Python 100000 0.1111111111111111
#   Python 1000000 0.1111111111111111
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >read.rs <<'RS'
fn main() {
    for digits in [100_000_usize, 1_000_000] {
        let text = format!("{}e-{digits}", "1".repeat(digits));
        println!("Rust   {digits} {:?}", text.parse::<f64>());
    }
}
RS
rustc -O read.rs
cat >read.py <<'PY'
for digits in (100_000, 1_000_000):
    print("Python", digits, float("1" * digits + f"e-{digits}"))
PY
{ timeout 20 ./read; timeout 20 python3 read.py; } | tee seen
diff - seen <<'DUE'
Rust   100000 Ok(0.1111111111111111)
Rust   1000000 Ok(inf)
Python 100000 0.1111111111111111
Python 1000000 0.1111111111111111
DUE
