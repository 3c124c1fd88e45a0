#!/bin/sh
# setup.sh [build|test|lint|bench] - put in place what building, testing, linting or measuring needs
#
# Looks first and installs only what is missing: packages of Debian 12 by apt-get (as root; anyone
# else is told the command to have run), npm packages by the lock file in tools/deps, and, for the
# tests, the Python packages of tests/interop/requirements.txt in .venv and Apache Spark by
# tests/interop/spark/pom.xml in .spark (200 MB). Where nothing is missing it prints nothing and needs no network. Tools that come from elsewhere (a Node of one's own) are taken
# as they are: a thing is looked for by what it gives, not by its package.
set -eu

PATH=$PATH:/usr/sbin # where Debian keeps servers
stage=${1:-build}
root=$(cd "$(dirname "$0")/.." && pwd)
node_major_min=18

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

case $stage in
build | test | lint | bench) ;;
*)
    printf 'setup: unknown stage %s (usage: tools/setup.sh [build|test|lint|bench])\n' "$stage" >&2
    exit 2
    ;;
esac

# ---- what is missing -------------------------------------------------------

missing=

need() { missing="$missing $1"; }
need_command() { command -v "$2" >/dev/null 2>&1 || need "$1"; }
need_library() {
    { command -v pkg-config >/dev/null 2>&1 && pkg-config --exists "$2"; } || need "$1"
}

find_missing() {
    missing=
    need_command gcc gcc
    need_command g++ g++
    need_command cmake cmake
    need_command ninja-build ninja
    need_command pkg-config pkg-config
    need_library libsimdjson-dev simdjson
    need_library libmaxminddb-dev libmaxminddb
    need_library libssl-dev openssl
    need_library libcurl4-openssl-dev libcurl
    need_library libnghttp2-dev libnghttp2
    need_library libzstd-dev libzstd
    need_library zlib1g-dev zlib
    need_library libxxhash-dev libxxhash
    need_library libyaml-dev yaml-0.1
    need_library libavro-dev avro-c
    need_library libpcre2-dev libpcre2-8
    need_library libcmocka-dev cmocka
    # Boost.Math is headers only, and Boost brings no pkg-config file.
    if ! printf '#include <boost/math/distributions/normal.hpp>\n' |
        g++ -E -x c++ - >/dev/null 2>&1; then
        need libboost-dev
    fi
    if ! command -v node >/dev/null 2>&1; then
        need nodejs
        need_command npm npm
    elif ! command -v npm >/dev/null 2>&1; then
        case $(dpkg-query -W -f '${Version}' nodejs 2>/dev/null) in
        *dfsg*) need npm ;;
        *) fail "node is here ($(command -v node)) without npm: add npm from where node came from" ;;
        esac
    fi
    [ -e /etc/ssl/certs/ca-certificates.crt ] || need ca-certificates
    if [ "$stage" = test ]; then
        need_command clang clang
        need_command strace strace
        # The client for 32 bits, WebAssembly and Windows (tests/portable).
        printf 'int main(void) { return 0; }' |
            gcc -m32 -fsanitize=address,undefined -x c - -o /dev/null 2>/dev/null || need gcc-multilib
        need_command emscripten emcc
        need_command gcc-mingw-w64-x86-64 x86_64-w64-mingw32-gcc
        # Reports and pages are opened in a real browser (tests/e2e/support/chromium.mjs).
        need_command chromium chromium
        need_command openjdk-17-jre-headless java
        need_command maven mvn
        # The Unity package's C#: mcs compiles it, Mono runs it.
        need_command mono-mcs mcs
        need_command mono-runtime mono
        python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || need python3-venv
    fi
    if [ "$stage" = lint ]; then
        need_command clang clang
        need_command clang-format clang-format
        need_command clang-tidy clang-tidy
    fi
    if [ "$stage" = bench ]; then
        need_command wrk wrk
        # The yardstick of bench/client.
        need_library libsqlite3-dev sqlite3
        # The yardstick of bench/stream/bench_dedup.
        [ -e /usr/include/rocksdb/c.h ] || need librocksdb-dev
        need_command nginx nginx
        need_command nghttp2-client h2load
        need_command curl curl
        need_command openssl openssl
    fi
}

# ---- Debian's packages -----------------------------------------------------

install_packages() {
    find_missing
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        fail "this system has no apt-get; install what stands for these Debian packages:$missing"
    fi
    if [ "$(id -u)" != 0 ]; then
        printf 'setup: packages are missing, and only root can install them. Have this run as root:\n' >&2
        printf '\n    apt-get update && apt-get install --no-install-recommends%s\n\n' "$missing" >&2
        exit 1
    fi
    say "installing from Debian:$missing"
    apt-get -qq update
    # What brings a service of its own (nginx) is wanted as a program only: nothing is started.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    # shellcheck disable=SC2086 # one word a package
    DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get -qq -y -o Dpkg::Use-Pty=0 install \
        --no-install-recommends $missing >/dev/null
    find_missing
    [ -z "$missing" ] || fail "still not there after the installation:$missing"
}

check_node() {
    major=$(node -p 'process.versions.node.split(".")[0]')
    [ "$major" -ge "$node_major_min" ] ||
        fail "node $(node --version) is too old: $node_major_min or later is needed"
}

# ---- npm's packages, by the lock file --------------------------------------

# True where every package of the lock file that is meant for this machine stands at its version.
npm_is_whole() {
    node -e '
        const fs = require("fs");
        const dir = process.argv[1];
        const { packages } = JSON.parse(fs.readFileSync(dir + "/package-lock.json"));
        const isFor = (list, value) => !list || list.includes(value);
        for (const [path, entry] of Object.entries(packages)) {
            if (!path || !isFor(entry.os, process.platform) || !isFor(entry.cpu, process.arch)) {
                continue;
            }
            const found = JSON.parse(fs.readFileSync(dir + "/" + path + "/package.json"));
            if (found.version !== entry.version) {
                process.exit(1);
            }
        }' "$1" >/dev/null 2>&1
}

install_npm() {
    dir=$root/$1
    npm_is_whole "$dir" && return 0
    say "installing from npm, by $1/package-lock.json: $2"
    # No package's own install script is run: what is taken from them is files alone.
    (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) ||
        fail "npm ci failed in $1"
    npm_is_whole "$dir" || fail "npm ci in $1 left packages out"
}

# ---- Python's packages, for the tests with other people's readers -----------

install_python() {
    wanted=$root/tests/interop/requirements.txt
    [ -e "$wanted" ] || return 0
    cmp -s "$wanted" "$root/.venv/installed.txt" && return 0
    say "installing from PyPI into .venv: $(grep -v '^ *\(#\|$\|--\)' "$wanted" | sed 's/ .*//' | tr '\n' ' ')"
    rm -rf "$root/.venv"
    python3 -m venv "$root/.venv"
    "$root/.venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" ||
        fail "pip could not install tests/interop/requirements.txt"
    cp "$wanted" "$root/.venv/installed.txt"
}

# ---- Spark, for the test with Iceberg's own library ---------------------------

# Every jar that the class path names is there, and it was made from this very pom.
spark_is_whole() {
    cmp -s "$root/tests/interop/spark/pom.xml" "$root/.spark/installed.xml" || return 1
    tr ':' '\n' <"$root/.spark/classpath" | while read -r jar; do
        [ -e "$jar" ] || exit 1
    done
}

install_spark() {
    wanted=$root/tests/interop/spark/pom.xml
    [ -e "$wanted" ] || return 0
    spark_is_whole && return 0
    say "installing from Maven Central into .spark, by tests/interop/spark/pom.xml: Apache Spark with Iceberg"
    rm -rf "$root/.spark"
    mkdir -p "$root/.spark"
    mvn -q -B -f "$wanted" "-Dmaven.repo.local=$root/.spark/repository" \
        org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath \
        "-Dmdep.outputFile=$root/.spark/classpath" >"$root/.spark/maven.log" 2>&1 || {
        tail -n 5 "$root/.spark/maven.log" >&2
        fail "Maven could not resolve tests/interop/spark/pom.xml; see .spark/maven.log"
    }
    cp "$wanted" "$root/.spark/installed.xml"
}

install_packages
check_node
install_npm tools/deps "DuckDB (library and header)"
if [ "$stage" = test ]; then
    install_npm tests/interop/openfeature "the OpenFeature SDKs, for the tests"
    install_python
    install_spark
fi
if [ "$stage" = bench ]; then
    install_npm bench/experiment "json-logic-js, a yardstick"
fi
