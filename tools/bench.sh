#!/bin/sh
# bench.sh - every benchmark of bench/, each with the yardstick that it brings
set -eu

cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin # where Debian keeps servers
tools/setup.sh bench
for source in bench/bench_*.c bench/*/bench_*.c; do
    [ -e "$source" ] || continue
    tools/build.sh release "$(basename "$source" .c)"
done
for source in bench/bench_*.c; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    printf '\n== %s\n' "$name"
    # What a program leaves behind goes where the next one's work does.
    mkdir -p build/bench/work
    (cd build/bench/work && "../$name")
    rm -rf build/bench/work
done
for script in bench/*.mjs bench/*/run.mjs; do
    [ -e "$script" ] || continue
    printf '\n== %s\n' "$script"
    node "$script"
done
