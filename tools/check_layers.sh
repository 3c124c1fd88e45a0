#!/bin/sh
# check_layers.sh [ROOT] - hold the includes to the layering of docs/architecture.md
#
# Reads the table between the "layers:" marks there: which room may include which, and which headers
# of a room are for others. Prints file:line for every #include that breaks it, and for every pt_room
# of CMakeLists.txt whose USES say something else. Exit 0: all hold, 1: broken, 2: no table.
set -eu

root=${1:-$(cd "$(dirname "$0")/.." && pwd)}
cd "$root"

{
    # The wrappers include their engine's headers, and of ours the public one alone.
    find src client \( -path client/unreal -o -path client/unity \) -prune -o \
        \( -name '*.c' -o -name '*.h' -o -name '*.cc' \) -type f -print |
        LC_ALL=C sort
} | awk '
function trim(text) {
    gsub(/^[ \t`]+|[ \t`]+$/, "", text)
    return text
}

function complain(where, text) {
    printf "%s: %s\n", where, text
    broken++
}

# Rows of the table: may[room, other], and header[room, name] for what others may include.
function read_table(path,   line, cells, words, count, i, room, is_inside) {
    while ((getline line < path) > 0) {
        if (line ~ /<!-- layers: begin -->/) {
            is_inside = 1
        } else if (line ~ /<!-- layers: end -->/) {
            is_inside = 0
        } else if (is_inside && line ~ /^\|/ && line !~ /^\| *(---|room)/) {
            split(line, cells, "|")
            room = trim(cells[2])
            is_room[room] = 1
            rooms++
            count = split(trim(cells[3]), words, /[ \t]+/)
            uses[room] = ""
            for (i = 1; i <= count; i++) {
                may[room, words[i]] = 1
                used_by[room, i] = words[i]
            }
            used_count[room] = count
            count = split(trim(cells[4]), words, /[ \t]+/)
            for (i = 1; i <= count; i++) {
                header[room, words[i]] = 1
            }
        }
    }
    close(path)
}

# "src/log/segment.c" -> "log", "client/core/queue.c" -> "client", "src/banned.h" -> "".
function room_of_file(path,   parts) {
    split(path, parts, "/")
    if (parts[1] == "client") {
        return "client"
    }
    return (parts[2] in is_room) ? parts[2] : (path ~ /^src\/[^\/]+\// ? "?" parts[2] : "")
}

# The room that an include names, "" for one of the same folder.
function room_of_include(name,   parts) {
    if (name == "playtrace.h" || name ~ /^(core|platform)\//) {
        return "client"
    }
    if (name !~ /\//) {
        return ""
    }
    split(name, parts, "/")
    return (parts[1] in is_room) ? parts[1] : "?" parts[1]
}

function check_include(path, line_number, room, name,   target, short) {
    target = room_of_include(name)
    if (target == "" || target == room) {
        return
    }
    if (substr(target, 1, 1) == "?") {
        complain(path ":" line_number, "includes \"" name "\", and " substr(target, 2) \
                 " is no room of docs/architecture.md")
    } else if (!((room, target) in may)) {
        complain(path ":" line_number, room " may not include " target " (\"" name "\")")
    } else {
        short = name
        sub(/^.*\//, "", short)
        if (!((target, "all") in header) && !((target, short) in header)) {
            complain(path ":" line_number, "\"" name "\" is private to " target)
        }
    }
}

function check_file(path,   line, line_number, room) {
    room = room_of_file(path)
    if (room == "") {
        return
    }
    if (substr(room, 1, 1) == "?") {
        complain(path ":1", substr(room, 2) " is no room of docs/architecture.md")
        return
    }
    while ((getline line < path) > 0) {
        line_number++
        if (line ~ /^[ \t]*#[ \t]*include[ \t]*"/) {
            sub(/^[^"]*"/, "", line)
            sub(/".*$/, "", line)
            check_include(path, line_number, room, line)
            includes++
        }
    }
    close(path)
    files++
}

# pt_room(NAME USES room... LINK library...), over one or more lines.
function check_cmake(path,   line, line_number, start, text) {
    while ((getline line < path) > 0) {
        line_number++
        if (line ~ /^pt_room\(/) {
            text = ""
            start = line_number
        }
        if (start) {
            text = text " " line
            if (line ~ /\)/) {
                check_room_line(path ":" start, text)
                start = 0
            }
        }
    }
    close(path)
}

function check_room_line(where, text,   words, count, i, room, is_uses, seen, n) {
    gsub(/pt_room\(|\)/, " ", text)
    count = split(trim(text), words, /[ \t]+/)
    room = words[1]
    if (!(room in is_room)) {
        complain(where, room " is no room of docs/architecture.md")
        return
    }
    for (i = 2; i <= count; i++) {
        if (words[i] == "USES" || words[i] == "LINK") {
            is_uses = words[i] == "USES"
        } else if (is_uses) {
            seen[words[i]] = 1
            n++
            if (!((room, words[i]) in may)) {
                complain(where, room " USES " words[i] ", which docs/architecture.md does not allow")
            }
        }
    }
    for (i = 1; i <= used_count[room]; i++) {
        if (!(used_by[room, i] in seen)) {
            complain(where, room " may use " used_by[room, i] " by docs/architecture.md, and does not say so")
        }
    }
}

BEGIN {
    read_table("docs/architecture.md")
    if (rooms == 0) {
        print "docs/architecture.md: no table between the \"layers:\" marks"
        exit 2
    }
    check_cmake("CMakeLists.txt")
}

{ check_file($0) }

END {
    if (rooms == 0) {
        exit 2
    }
    if (broken > 0) {
        printf "layering: %d broken\n", broken
        exit 1
    }
    printf "layering: %d includes of %d files hold\n", includes, files
}'
