#!/bin/sh
# build.sh PRESET [TARGET...] - configure once, then build
#
# Quiet unless standard output is a terminal; what a compiler has to say is always shown.
set -eu

preset=$1
shift
cd "$(dirname "$0")/.."
source=.
case $preset in
release) dir=build ;;
m32 | wasm | windows) # the client's core alone
    source=tests/portable
    dir=build/$preset
    # Debian's emscripten needs Debian's acorn, which another Node does not look for there.
    export NODE_PATH="${NODE_PATH:+$NODE_PATH:}/usr/share/nodejs"
    ;;
*) dir=build/$preset ;;
esac

if [ ! -f "$dir/build.ninja" ]; then
    mkdir -p build
    if ! (cd "$source" && cmake --preset "$preset") >"build/configure-$preset.log" 2>&1; then
        cat "build/configure-$preset.log" >&2
        exit 1
    fi
fi
if [ -t 1 ]; then
    exec ninja -C "$dir" "$@"
fi
exec ninja --quiet -C "$dir" "$@"
