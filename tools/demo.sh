#!/usr/bin/env bash
# demo.sh - a game of 20,000 synthetic players, from the client to the decision
#
# Starts a server of its own on a free port and a fresh directory demo/, plays 14 days through the
# real client library, and prints what came out. Leaves the data; stops the server it
# started whatever happens; ends with 0 only if every step did.
set -euo pipefail
cd "$(dirname "$0")/.."

program="${PLAYTRACE_PROGRAM:-build/playtrace}"
players="${PLAYTRACE_DEMO_PLAYERS:-20000}"
unset "${!PLAYTRACE_@}" # our own settings, and nobody's who works in this shell
dir=demo
data="$dir/data"
mark="$dir/.made-by-make-demo"
server=

say_failed() {
    echo "demo: $*" >&2
    exit 1
}

stop_server() {
    if [ -n "$server" ]; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" || return 1
        server=
    fi
}
trap 'status=$?; trap - EXIT; stop_server || true; exit "$status"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

heading() {
    printf '\n== %s ==\n' "$*"
}

[ -x "$program" ] || say_failed "$program is not there: run make"
if [ -e "$dir" ]; then
    [ -e "$mark" ] || say_failed "$dir/ exists and was not made here: move it away"
    rm -rf "$dir"
fi
mkdir -p "$data"
touch "$mark"
cp tools/demo/flags.json "$data/flags.json"

heading "A server on this machine, a game of $players players over 14 days"
"$program" serve --data "$data" --listen 127.0.0.1:0 >"$dir/serve.out" 2>"$dir/serve.log" &
server=$!
url=
for _ in $(seq 100); do
    url=$(sed -n 's/^listening on //p' "$dir/serve.out")
    [ -n "$url" ] && break
    kill -0 "$server" 2>/dev/null || say_failed "serve ended: $(tail -n 1 "$dir/serve.log")"
    sleep 0.1
done
[ -n "$url" ] || say_failed "serve does not listen after 10 s: $(tail -n 1 "$dir/serve.log")"
"$program" simulate --url "$url" --players "$players" --days 14 --seed 1 --truth "$dir/truth" --checkpoint

heading "Retention: of the players who installed on a day, who came back"
"$program" query retention --data "$data"

heading "Funnel: how far players come"
"$program" query funnel --data "$data" --steps tutorial_start,tutorial_complete,level_end,purchase

heading "Revenue by day"
"$program" query revenue --data "$data"

heading "Experiment: which shop layout sells"
"$program" experiment analyze shop_layout --data "$data" --metric conversion:purchase:7d

heading "The table against the simulation's own books"
"$program" simulate verify --truth "$dir/truth" --data "$data"

stop_server || say_failed "serve did not stop cleanly: $(tail -n 1 "$dir/serve.log")"

heading "Audit: every event accounted for"
"$program" audit --data "$data"
echo "(Late is what came behind the live windows' watermark: here two weeks went by in seconds.)"

cat <<END

The data stays in $data. Try next:
  $program query sessions --data $data
  $program query --data $data --sql "select event_name, count(*) n from events group by all order by n desc"
  $program serve --data $data
END
