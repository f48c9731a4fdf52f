#!/usr/bin/env bash
# Builds the page of the driver over `fetch`, opens it in Chromium, and has it take the trial.
#
#   run.sh [--installed]
#
#   --installed   installs nothing: what is missing is said
#
# Builds for wasm32-unknown-unknown with that target's standard library, where the toolchain has it
# (rustup target add wasm32-unknown-unknown). No Debian has a package of it for a Rust as new as is
# wanted here (bookworm's libstd-rust-dev-wasm32 is Rust 1.63's); there the library is built along,
# in minutes the first time, from Debian's own sources (rustc-web and rust-web-src of bookworm,
# 1.96) by their compiler, and linked by rustup's rust-lld or Debian's lld-22.
#
# wasm-bindgen's program, which writes the page's JavaScript, has to be of the version in
# Cargo.lock, and is installed into target/wasm-bindgen, in minutes, where that one is missing.
#
# RESTLESS_FETCH_ONLY=TEXT tries only rules with this in their name. Exits 0 when all that was tried
# held, 77 when something is missing, which is said, and anything else when something broke.
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=wasm32-unknown-unknown
installs=yes
case ${1-} in
  "") ;;
  --installed) installs=no ;;
  *) sed -n '2,18p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

missing() { echo "$1: not tried"; exit 77; }
cd "$root"

browser=
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && { browser=$name; break; }
done
[ -n "$browser" ] || missing "no Chromium is installed here"

# Which compiler has, or can build, the standard library.
debian=/usr/bin/rustc
# bash before 4.4 (macOS has 3.2) takes an empty array for one that is not set.
build=() rustc=${RUSTC:-rustc} linker=
if [ ! -d "$("$rustc" --print target-libdir --target "$target")" ]; then
  [ -f "$("$debian" --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library/std/Cargo.toml" ] ||
    missing "the standard library of $target is not installed (rustup target add $target)"
  for name in "$("$rustc" --print sysroot)"/lib/rustlib/*/bin/rust-lld wasm-ld-22; do
    command -v "$name" >/dev/null && { linker=$name; break; }
  done
  [ -n "$linker" ] || missing "no linker for $target is installed (lld-22)"
  # Debian's is of a release, where building the library has to be allowed.
  rustc=$debian build=(-Zbuild-std=std,panic_abort)
  export RUSTC_BOOTSTRAP=1
  export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker
fi

version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)
bindgen=$root/target/wasm-bindgen/bin/wasm-bindgen
is_right() { [ "$("$1" --version 2>/dev/null)" = "wasm-bindgen $version" ]; }
if is_right wasm-bindgen; then
  bindgen=wasm-bindgen
elif ! is_right "$bindgen"; then
  [ "$installs" = yes ] || missing "wasm-bindgen $version is not installed"
  echo "installing wasm-bindgen $version, which takes minutes"
  cargo install --quiet --root target/wasm-bindgen --version "$version" wasm-bindgen-cli ||
    missing "wasm-bindgen $version can't be installed here"
fi

# In a folder of its own: another compiler would have cargo build all anew, in turns.
folder=$root/target/fetch
echo "building the page"
RUSTC=$rustc cargo build --package restless-example-fetch --target "$target" \
  --target-dir "$folder" ${build[@]+"${build[@]}"}
page=$folder/page
"$bindgen" --target web --no-typescript --out-dir "$page" --out-name page \
  "$folder/$target/debug/restless_example_fetch.wasm"

"$browser" --version 2>/dev/null
# What the compiler of the page was told is not for the test's.
unset RUSTC_BOOTSTRAP CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER
RESTLESS_FETCH_PAGE=$page cargo test --package restless-example-fetch -- --nocapture
