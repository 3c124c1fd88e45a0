#!/bin/sh
# build.sh PRESET [TARGET...] - configure once, then build
#
# Quiet unless standard output is a terminal; what a compiler has to say is always shown.
set -eu

preset=$1
shift
cd "$(dirname "$0")/.."
case $preset in
release) dir=build ;;
*) dir=build/$preset ;;
esac

if [ ! -f "$dir/build.ninja" ]; then
    mkdir -p build
    if ! cmake --preset "$preset" >"build/configure-$preset.log" 2>&1; then
        cat "build/configure-$preset.log" >&2
        exit 1
    fi
fi
if [ -t 1 ]; then
    exec ninja -C "$dir" "$@"
fi
exec ninja --quiet -C "$dir" "$@"
