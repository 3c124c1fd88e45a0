#!/bin/sh
# bench.sh - every benchmark of bench/, each with the yardstick that it brings
set -eu

cd "$(dirname "$0")/.."
for source in bench/bench_*.c; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    tools/build.sh release "$name"
    printf '\n== %s\n' "$name"
    "build/bench/$name"
done
for script in bench/*.mjs; do
    printf '\n== %s\n' "$(basename "$script" .mjs)"
    node "$script"
done
