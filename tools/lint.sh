#!/bin/sh
# lint.sh - formatting, static analysis, unfinished words
#
# Looks at everything and says all that it finds before it ends with 1; exit 0 where nothing is found.
# clang-tidy reads the compile commands of the clang build, so that it sees the flags that clang knows.
set -eu

cd "$(dirname "$0")/.."
bad=0
report=$(mktemp)
commands=$(mktemp -d)
trap 'rm -rf "$report" "$commands"' EXIT
sources=$(git ls-files '*.c' '*.h' '*.cc')

printf '== formatting (clang-format)\n'
# shellcheck disable=SC2086 # one word a file
clang-format --dry-run -Werror $sources 2>"$report" || bad=1
grep -E 'error:' "$report" | sed 's/:[0-9]*:[0-9]*: error:.*//' | sort | uniq -c |
    sed 's/^ *\([0-9]*\) \(.*\)/\2: \1 places; clang-format -i mends them/' || true

printf '== unfinished words\n'
if git grep -nIwE 'TODO|FIXME|XXX|HACK|stubbed|not yet implemented' -- \
    src client sql schemas tests tools bench docs README.md CMakeLists.txt Makefile \
    ':!tools/lint.sh'; then
    bad=1
fi

printf '== layering\n'
tools/check_layers.sh || bad=1

printf '== static analysis (clang-tidy)\n'
tools/build.sh clang >/dev/null || bad=1
# One file a process, and of a file that several targets compile the first command alone: with more,
# clang 14 carries the state of a va_list from one into the next.
node -e 'const fs = require("fs"), seen = new Set();
    const all = JSON.parse(fs.readFileSync("build/clang/compile_commands.json"));
    const first = all.filter(({ file }) => !seen.has(file) && seen.add(file));
    fs.writeFileSync(process.argv[1], JSON.stringify(first));' "$commands/compile_commands.json"
git ls-files 'src/*.c' 'src/*.cc' 'client/*.c' |
    xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p "$commands" 2>/dev/null || bad=1

if [ "$bad" = 0 ]; then
    printf 'lint: nothing found\n'
fi
exit "$bad"
