#!/bin/sh
# test_layers.sh - the layering check notices what it is there for
#
# Method: a copy of the table, of CMakeLists.txt and of a small tree is sound; then one thing at a time is
# broken, and the check must fail and name the place. Last, the real tree.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

fresh_tree() {
    rm -rf "$dir/tree"
    mkdir -p "$dir/tree/docs" "$dir/tree/src/log" "$dir/tree/src/collect" "$dir/tree/client/core"
    cp "$root/docs/architecture.md" "$dir/tree/docs/"
    cp "$root/CMakeLists.txt" "$dir/tree/"
    printf '#include "log/log.h"\n#include "base/io.h"\n' >"$dir/tree/src/log/segment.c"
    printf '#include "collect/collect.h"\n#include "log/log.h"\n' >"$dir/tree/src/collect/route.c"
    printf '#include "playtrace.h"\n#include "wire/uuid.h"\n' >"$dir/tree/client/core/queue.c"
}

# expect CODE TEXT: the check ends with CODE and says TEXT.
expect() {
    code=0
    "$root/tools/check_layers.sh" "$dir/tree" >"$dir/out" 2>&1 || code=$?
    if [ "$code" != "$1" ] || ! grep -qF "$2" "$dir/out"; then
        printf 'not ok: wanted exit %s and "%s", got exit %s and:\n' "$1" "$2" "$code"
        cat "$dir/out"
        failed=1
    else
        printf 'ok: %s\n' "$2"
    fi
}

fresh_tree
expect 0 "6 includes of 3 files hold"

printf '\n#include "collect/collect.h"\n' >>"$dir/tree/src/log/segment.c"
expect 1 'src/log/segment.c:4: log may not include collect ("collect/collect.h")'

fresh_tree
printf '  #  include "log/segment.h"\n' >>"$dir/tree/src/collect/route.c"
expect 1 'src/collect/route.c:3: "log/segment.h" is private to log'

fresh_tree
printf '#include "base/mem.h"\n' >>"$dir/tree/client/core/queue.c"
expect 1 'client/core/queue.c:3: client may not include base ("base/mem.h")'

fresh_tree
mkdir "$dir/tree/src/attic"
printf 'int x;\n' >"$dir/tree/src/attic/old.c"
expect 1 'src/attic/old.c:1: attic is no room'

fresh_tree
sed 's/^pt_room(log USES base wire/& lake/' "$root/CMakeLists.txt" >"$dir/tree/CMakeLists.txt"
expect 1 'log USES lake, which docs/architecture.md does not allow'

fresh_tree
sed '/layers: begin/d' "$root/docs/architecture.md" >"$dir/tree/docs/architecture.md"
expect 2 'no table between'

"$root/tools/check_layers.sh" "$root" || failed=1
exit $failed
