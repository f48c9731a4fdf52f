#!/usr/bin/env bash
# Has Autobahn's fuzzing server judge our WebSocket client, says the counts, and then tries the
# client on another server that compresses (interop.sh).
#
#   run.sh [--quick | --compression]
#
#   --quick         the 247 cases of sections 1 to 7 and 10 instead of all 517
#   --compression   12 cases of sections 12 and 13, for each agreement one, and no interop
#
# The suite is installed once, into the folder that AUTOBAHN_VENV names (default:
# target/autobahn). Exits 0 when every case, every close and the interop are as wanted, 1 when one
# is not, and 77 when the suite can't be installed here. Interop that can't be installed is said,
# and no failure.
set -Eeuo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${AUTOBAHN_VENV:-$root/target/autobahn}

# Only the whole suite has cases of many megabytes, for which the client is built as benchmarks are.
config=$here/fuzzingserver.json expect=517 profile=bench
case ${1-} in
  "") ;;
  --quick) config=$here/quick.json expect=247 profile=dev ;;
  --compression) config=$here/compression.json expect=12 profile=dev ;;
  *) sed -n '2,13p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac

if ! "$here/run-fuzzingserver.sh" "$venv" 0; then
  echo "the Autobahn suite can't be installed here: nothing was judged"
  exit 77
fi
echo "building the client (profile $profile), which takes minutes the first time"
client=$("$here/built.sh" --bin autobahn-client --profile "$profile")

# A port that is free now; only the fuzzing server takes it in between.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
out=$root/target/autobahn-reports
rm -rf "$out"
mkdir -p "$out"
"$here/run-fuzzingserver.sh" "$venv" "$port" "$out" "$config" >"$out/server.log" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  kill -0 "$server" 2>/dev/null || { cat "$out/server.log" >&2; exit 1; }
  sleep 0.1
done

"$client" "ws://127.0.0.1:$port" restless 2>"$out/client.log" || { tail -n 20 "$out/client.log" >&2; exit 1; }
echo "reports in $out"
status=0
python3 "$here/check.py" "$out/index.json" --agent restless --expect "$expect" --close --exact --strict 6.4 || status=1
[ "${1-}" = --compression ] && exit "$status"
interop=0
"$here/interop.sh" || interop=$?
case $interop in
  0 | 77) ;;
  *) status=1 ;;
esac
exit "$status"
