// sdk_package.test.mjs - the SDK as a C or C++ game takes it: installed, found, linked, run
//
// client/ is built alone, installed with `cmake --install --component sdk`, and found by find_package, by
// pkg-config and by FetchContent. The programs (examples/hello.c, hello.cpp, sdk/wrapper.cpp) run against the real
// collector, and what they sent is in the table.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import os from 'node:os';
import { promisify } from 'node:util';

import { Server, environment, freshDir, root, sql } from '../e2e/support/server.mjs';

const run = promisify(execFile);
const client = path.join(root, 'client');
const examples = path.join(root, 'examples');
const gameSource = path.join(root, 'tests', 'interop', 'sdk');
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'playtrace-sdk-'));
const prefix = path.join(work, 'prefix');
process.on('exit', () => fs.rmSync(work, { recursive: true, force: true }));

async function ok(command, args, options = {}) {
    try {
        return (await run(command, args, { maxBuffer: 1 << 24, ...options })).stdout;
    } catch (error) {
        return assert.fail(`${command} ${args.join(' ')}:\n${error.stdout ?? ''}${error.stderr ?? error.message}`);
    }
}

async function cmake(source, build, settings) {
    const definitions = Object.entries({ CMAKE_BUILD_TYPE: 'RelWithDebInfo', ...settings }).map(([key, value]) => `-D${key}=${value}`);
    await ok('cmake', ['-S', source, '-B', build, '-G', 'Ninja', ...definitions]);
    await ok('cmake', ['--build', build]);
}

async function isThere(command) {
    return run(command, ['--version']).then(() => true, () => false);
}

let lib; // lib/x86_64-linux-gnu, as Debian has it: the paths in the package must hold there too

before(async () => {
    const triplet = (await run('cc', ['-print-multiarch']).catch(() => ({ stdout: '' }))).stdout.trim();
    const libDir = triplet === '' ? 'lib64' : `lib/${triplet}`;
    lib = path.join(prefix, libDir);
    await cmake(client, path.join(work, 'sdk'), { CMAKE_INSTALL_LIBDIR: libDir });
    await ok('cmake', ['--install', path.join(work, 'sdk'), '--component', 'sdk', '--prefix', prefix]);
});

// Run programs, then the rows of their events in the order in which they were tracked.
async function rowsAfter(t, programs) {
    const dir = freshDir(t);
    const flag = (variants, defaultVariant) => ({ state: 'ENABLED', variants, defaultVariant });
    fs.mkdirSync(path.join(dir, 'data'));
    fs.writeFileSync(path.join(dir, 'data', 'flags.json'), JSON.stringify({ flags: {
        speed: flag({ slow: 1, fast: 3 }, 'fast'), ratio: flag({ half: 0.5 }, 'half'), open: flag({ on: true, off: false }, 'on'),
        greeting: flag({ long: 'g'.repeat(300) }, 'long'), shop: flag({ a: { items: [1, 2] } }, 'a') } }));
    const server = await Server.forTest(t, path.join(dir, 'data'));
    for (const [index, [program, ...rest]] of programs.entries()) {
        const queue = path.join(dir, `queue-${index}`);
        fs.mkdirSync(queue);
        const said = await ok(program, [server.url, queue, ...rest], {
            env: environment({ LD_LIBRARY_PATH: lib }),
        });
        assert.match(said, /^(delivered|ok)\n$/);
    }
    await server.checkpoint();
    const rows = await sql(server.dataDir,
        "select event_name, attributes, user_id from events where event_name not like 'playtrace%' order by received_at, session_id, seq");
    await server.stop();
    return rows;
}

test('find_package: shared and static, C and C++', async (t) => {
    const build = path.join(work, 'game');
    await cmake(gameSource, build, { SDK: 'installed', CMAKE_PREFIX_PATH: prefix });
    const rows = await rowsAfter(t, ['hello_c', 'hello_cpp', 'hello_static'].map((name) => [path.join(build, name)]));
    assert.deepEqual(rows.map((row) => [row.event_name, JSON.parse(row.attributes)]),
        ['c', 'c++', 'c'].map((from) => ['hello', { from, level: 7, won: true }]));
});

test('the C++ wrapper, without exceptions and type information', async (t) => {
    const rows = await rowsAfter(t, [[path.join(work, 'game', 'wrapper')]]);
    assert.deepEqual(rows.map((row) => row.event_name).sort(),
        ['first', 'second', 'level_end', 'n'.repeat(64), 'other_player', 'kinds', 'left_out', 'large', 'purchase', 'with_consent'].sort());
    const attributesOf = Object.fromEntries(rows.map((row) => [row.event_name, JSON.parse(row.attributes ?? 'null')]));
    assert.deepEqual(attributesOf.kinds, { int: -7, long: -9007199254740991, unsigned: 7, size: 8, double: 0.5, float: 0.25,
        yes: true, no: false, literal: 'text', string: 'a "quoted" é text', view: 'view', json: [1, { a: null }] });
    assert.deepEqual(attributesOf.left_out, { kept: 1, last: 'one' });
    assert.deepEqual(attributesOf.large, { longer: 'x'.repeat(3000) });
    const userOf = Object.fromEntries(rows.map((row) => [row.event_name, row.user_id]));
    assert.equal(userOf.first, userOf.level_end);
    assert.notEqual(userOf.first, userOf.other_player);
});

test('pkg-config: shared, and static with its libraries', async (t) => {
    const env = { ...process.env, PKG_CONFIG_PATH: path.join(lib, 'pkgconfig') };
    const flags = async (...args) => (await ok('pkg-config', [...args, 'playtrace'], { env })).trim().split(/\s+/);
    const shared = path.join(work, 'hello-pc');
    const fixed = path.join(work, 'hello-pc-static');
    assert.equal((await ok('pkg-config', ['--modversion', 'playtrace'], { env })).trim(), '0.1.0');
    await ok('cc', [path.join(examples, 'hello.c'), ...(await flags('--cflags', '--libs')), '-o', shared]);
    // -l:libplaytrace.a takes ours alone statically: the distribution has no static libcurl.
    const all = (await flags('--static', '--cflags', '--libs')).map((flag) => (flag === '-lplaytrace' ? '-l:libplaytrace.a' : flag));
    await ok('cc', [path.join(examples, 'hello.c'), ...all, '-o', fixed]);
    assert.doesNotMatch(await ok('ldd', [fixed]), /playtrace\.so/);
    assert.equal((await rowsAfter(t, [[shared], [fixed]])).length, 2);
});

test('only playtrace_* can be seen in the shared library', async () => {
    const library = path.join(lib, 'libplaytrace.so');
    const names = (await ok('nm', ['-D', '--defined-only', library])).trim().split('\n').map((line) => line.split(' ').at(-1));
    assert.deepEqual(names.filter((name) => !name.startsWith('playtrace_')), []);
    // Every function that the header declares is there, and nothing else.
    const header = fs.readFileSync(path.join(prefix, 'include', 'playtrace.h'), 'utf8').replace(/\/\*[^]*?\*\//g, '');
    const declared = [...header.matchAll(/^[a-z][\w \n*]*?\b(playtrace_\w+)\(/gm)].map((found) => found[1]);
    assert.deepEqual([...new Set(names)].sort(), [...new Set(declared)].sort());
});

test('client/ as a part of a game\'s build, without the default platform and its libraries', async (t) => {
    const build = path.join(work, 'fetched');
    const absent = Object.fromEntries(['CURL', 'OpenSSL', 'ZLIB', 'Threads', 'PkgConfig'].map((name) => [`CMAKE_DISABLE_FIND_PACKAGE_${name}`, 'ON']));
    await cmake(gameSource, build, { SDK: 'fetched', CLIENT: client, PLAYTRACE_DEFAULT_PLATFORM: 'OFF', ...absent });
    assert.equal(await ok(path.join(build, 'no_platform'), []), 'INVALID\n');
    const needed = await ok('readelf', ['-d', path.join(build, '_deps', 'playtrace-build', 'libplaytrace.so')]);
    assert.deepEqual([...needed.matchAll(/NEEDED.*\[(.*)\]/g)].map((found) => found[1]), ['libc.so.6']);
    const stripped = path.join(work, 'stripped.so');
    await ok('strip', ['-o', stripped, path.join(build, '_deps', 'playtrace-build', 'libplaytrace.so')]);
    t.diagnostic(`the core, stripped: ${fs.statSync(stripped).size} bytes`);
    assert.ok(fs.statSync(stripped).size <= 120 * 1024, `the core, stripped: ${fs.statSync(stripped).size} bytes`);
});

test('for Windows: a DLL with what the header declares, and nothing else', async (t) => {
    const [compiler, objdump] = ['gcc', 'objdump'].map((tool) => `x86_64-w64-mingw32-${tool}`);
    if (!(await isThere(compiler))) {
        t.skip(`there is no ${compiler}: run tools/setup.sh test`);
        return;
    }
    const build = path.join(work, 'windows');
    await cmake(client, build, { CMAKE_SYSTEM_NAME: 'Windows', CMAKE_C_COMPILER: compiler });
    const table = await ok(objdump, ['-p', path.join(build, 'libplaytrace.dll')]);
    const [, names] = /Ordinal\/Name Pointer\] Table\n([^]*?)\n\n/.exec(table);
    const header = fs.readFileSync(path.join(client, 'include', 'playtrace.h'), 'utf8').replace(/\/\*[^]*?\*\//g, '');
    const declared = [...header.matchAll(/^[a-z][\w \n*]*?\b(playtrace_\w+)\(/gm)].map((found) => found[1])
        .filter((name) => !name.includes('_http_curl_')); // of the default platform
    assert.deepEqual(names.trim().split('\n').map((line) => line.trim().split(/\s+/).at(-1)).sort(), declared.sort());
});

test('the headers compile as C99, C11 and C++17, with gcc and clang', async (t) => {
    const strict = ['-Wall', '-Wextra', '-Wpedantic', '-Wshadow', '-Werror', '-fsyntax-only', '-I', path.join(prefix, 'include')];
    const file = (name, header) => {
        const at = path.join(work, name);
        fs.writeFileSync(at, `#include <${header}>\nint main(void) { return 0; }\n`);
        return at;
    };
    const inC = file('header.c', 'playtrace.h');
    const inCpp = file('header.cpp', 'playtrace.h');
    const wrapper = file('wrapper.cpp', 'playtrace.hpp');
    let compiled = 0;
    for (const [cc, cxx] of [['gcc', 'g++'], ['clang', 'clang++']]) {
        if (!(await isThere(cc))) {
            t.diagnostic(`no ${cc} here`);
            continue;
        }
        for (const args of [['-std=c99', inC], ['-std=c11', inC]]) {
            await ok(cc, [...strict, ...args]);
        }
        for (const args of [['-std=c++17', inCpp], ['-std=c++17', wrapper], ['-std=c++20', wrapper],
            ['-std=c++17', '-fno-exceptions', '-fno-rtti', wrapper]]) {
            await ok(cxx, [...strict, ...args]);
        }
        compiled++;
    }
    assert.ok(compiled > 0);
    assert.ok(fs.readFileSync(path.join(examples, 'hello.c'), 'utf8').trim().split('\n').length <= 60);
});

test('the C++ wrapper knows every call of the client', () => {
    const read = (name) => fs.readFileSync(path.join(client, 'include', name), 'utf8').replace(/\/\*[^]*?\*\//g, '');
    const [calls] = read('playtrace.h').split('struct playtrace_http_request {');
    const declared = [...calls.matchAll(/^[a-z][\w \n*]*?\b(playtrace_\w+)\(/gm)].map((found) => found[1]);
    const wrapper = read('playtrace.hpp');
    // track_with() and track_event() are the two that the others of their kind are made of.
    const missing = declared.filter((name) => !new RegExp(`::${name}\\b`).test(wrapper))
        .filter((name) => !['playtrace_track', 'playtrace_track_id'].includes(name));
    assert.deepEqual(missing, []);
    assert.ok(declared.length > 35, `${declared.length} calls`);
});

test('one version in the server\'s build and the SDK\'s', () => {
    const version = (file) => /^project\(\w+ VERSION (\S+)/m.exec(fs.readFileSync(path.join(root, file), 'utf8'))[1];
    assert.equal(version('client/CMakeLists.txt'), version('CMakeLists.txt'));
});
