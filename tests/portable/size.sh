#!/bin/sh
# size.sh - the client's core is small: at most 120 KB of code, stripped
#
# Compiles core/ and wire/ with -O2 as a shared library that shows the public functions alone, drops
# what none of them reaches, strips it, and says what is left: code and constants, as the loader maps
# them, and the file.
set -eu

cd "$(dirname "$0")/../.."
bytes_max=$((120 * 1024))
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

${CC:-cc} -std=c99 -O2 -fPIC -shared -fvisibility=hidden -ffunction-sections -fdata-sections -Wl,--gc-sections -s \
    -DPLAYTRACE_BUILD -DPT_VERSION='"size"' -Iclient/include -Iclient -Isrc \
    client/core/*.c src/wire/*.c client/platform/none/default.c -o "$dir/core.so"
code=$(size "$dir/core.so" | awk 'NR == 2 { print $1 + $2 }')
file=$(wc -c <"$dir/core.so")
printf 'core: %s bytes of code and constants, %s bytes as a file, stripped\n' "$code" "$file"
if [ "$code" -gt "$bytes_max" ] || [ "$file" -gt "$bytes_max" ]; then
    printf 'error: more than %s bytes\n' "$bytes_max"
    exit 1
fi
