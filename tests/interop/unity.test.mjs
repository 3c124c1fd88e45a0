// unity.test.mjs - the Unity package: its C# under Mono, against the real library and the real collector
//
// Promise: a game in C# gets what the C library promises. Method: everything that needs no engine is compiled by mcs
// and run with Debian's Mono against libplaytrace.so and `playtrace serve`; the rest is compiled, and its life cycle
// driven, with stand-ins of the engine's API (tests/unity/standins), which shows that it compiles and how it is wired,
// and nothing about a real editor or player. PLAYTRACE_LIB names another directory of libplaytrace.so.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { assemble, imported } from '../../tools/unity_package.mjs';
import { isBound, readHeader, render } from '../../tools/unity_native.mjs';
import { Server, environment, freshDir, patience, root, sql } from '../e2e/support/server.mjs';

const packageDir = path.join(root, 'client/unity/com.playtrace.sdk');
const testDir = path.join(root, 'tests/unity');
const libraryDir = process.env.PLAYTRACE_LIB ?? path.join(root, 'build/client');
let out; // what mcs makes

const files = (dir) => fs.readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const full = path.join(dir, entry.name);
    return entry.isDirectory() ? files(full) : [full];
});
const sources = (dir) => files(dir).filter((file) => file.endsWith('.cs'));
// The package's files that need no engine.
const engineFree = () => sources(path.join(packageDir, 'Runtime')).filter((file) => !file.includes('/Unity/'));

function run(command, args, { env = {}, timeoutMs = 90000 * patience } = {}) {
    return new Promise((resolve, reject) => {
        const child = spawn(command, args, { env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] });
        const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
        let stdout = '';
        let stderr = '';
        child.stdout.setEncoding('utf8');
        child.stderr.setEncoding('utf8');
        child.stdout.on('data', (chunk) => (stdout += chunk));
        child.stderr.on('data', (chunk) => (stderr += chunk));
        child.on('error', reject);
        child.on('close', (code, signal) => {
            clearTimeout(timer);
            if (code !== 0) {
                reject(new Error(`${path.basename(command)} ${args.slice(0, 3).join(' ')}: ${code ?? signal}\n${stderr}${stdout}`));
                return;
            }
            resolve(stdout);
        });
    });
}

// As Unity 2021.3 compiles it, but for the language: mcs ends at 7.2.
function compile(name, list, { kind = 'library', references = [], define = [] } = {}) {
    return run('mcs', ['-langversion:7.2', '-unsafe', '-warn:4', '-warnaserror', '-debug', `-target:${kind}`,
        `-out:${path.join(out, name)}`, ...references.map((one) => `-reference:${path.join(out, one)}`),
        ...define.map((one) => `-define:${one}`), ...list]);
}

const monoWith = (library, program, ...args) => run('mono', ['--debug', path.join(out, program), ...args],
    { env: { LD_LIBRARY_PATH: library, MONO_PATH: out, ...stress } });
// With this Mono collects at every 20th allocation and wipes what it frees: whatever C still holds shows.
let stress = {};
const underStress = (action) => {
    stress = { MONO_GC_DEBUG: 'collect-before-allocs=20,clear-at-gc' };
    return action().finally(() => (stress = {}));
};
const mono = (...args) => monoWith(libraryDir, ...args);

before(async () => {
    out = fs.mkdtempSync(path.join(os.tmpdir(), 'playtrace-unity-'));
    await compile('Binding.exe', [path.join(testDir, 'Binding.cs'), ...engineFree()], { kind: 'exe' });
});
after(() => fs.rmSync(out, { recursive: true, force: true }));

// ---- the binding is the header's ----------------------------------------------

const pascal = (name) => name.split('_').map((word) => word[0].toUpperCase() + word.slice(1).toLowerCase()).join('');

test('Native.cs is what the header makes it, and the C compiler lays it out the same', async (t) => {
    assert.equal(fs.readFileSync(path.join(packageDir, 'Runtime/Native.cs'), 'utf8'), render(),
        'run node tools/unity_native.mjs');
    const { structs, enums, functions } = readHeader();
    assert.ok(structs.size >= 5 && functions.length >= 15 && enums.size >= 3, 'the header was read');
    const declared = fs.readFileSync(path.join(root, 'client/include/playtrace.h'), 'utf8');
    assert.equal(structs.size, [...declared.matchAll(/^struct playtrace_\w+ \{/gm)].length, 'every struct was read');
    assert.equal(enums.size, [...declared.matchAll(/^enum playtrace_\w+ \{/gm)].length, 'every enum was read');

    const dir = freshDir(t);
    const lines = ['#include <stdio.h>', '#include "playtrace.h"', 'int main(void) {'];
    for (const [name, fields] of structs) {
        lines.push(`printf("${name} - %zu\\n", sizeof(struct ${name}));`);
        for (const field of fields) {
            lines.push(`printf("${name} ${field.name} %zu\\n", offsetof(struct ${name}, ${field.name}));`);
        }
    }
    for (const [name, values] of enums) {
        for (const key of values.keys()) {
            lines.push(`printf("${name} ${key} %d\\n", (int)${key});`);
        }
    }
    fs.writeFileSync(path.join(dir, 'layout.c'), [...lines, 'return 0; }', ''].join('\n'));
    await run('gcc', ['-std=c99', '-Wall', '-Werror', '-I', path.join(root, 'client/include'),
        path.join(dir, 'layout.c'), '-o', path.join(dir, 'layout')]);
    await compile('Layout.exe', [path.join(testDir, 'Layout.cs'), ...engineFree()], { kind: 'exe' });
    const seen = JSON.parse(await mono('Layout.exe'));
    // A set of bits has the plural as its name in C#, and a name for 0.
    const mirrored = (name) => seen[pascal(name)] ?? seen[`${pascal(name)}s`];
    let compared = 0;
    for (const line of (await run(path.join(dir, 'layout'), [])).trim().split('\n')) {
        const [type, member, value] = line.split(' ');
        if (structs.has(type)) {
            const mine = member === '-' ? seen[type]?.bytes : seen[type]?.fields[member];
            assert.equal(mine, Number(value), `${type}.${member}`);
            compared++;
        } else if (mirrored(type)) {
            // PLAYTRACE_CONSENT_GIVEN is Given, PLAYTRACE_NO_CONSENT is NoConsent.
            assert.ok(Object.entries(mirrored(type)).some(([name, number]) =>
                pascal(member).endsWith(name) && number === Number(value)), `${type}.${member}`);
            compared++;
        }
    }
    t.diagnostic(`${compared} sizes, offsets and enumerators compared`);
    for (const [name, values] of enums) {
        if (mirrored(name)) {
            const extra = seen[pascal(name)] ? 0 : 1;
            assert.equal(Object.keys(mirrored(name)).length, values.size + extra, `${name} has no more in C# than in C`);
        }
    }

    // The library shows what the header declares and nothing else, and the rest of the package calls what is bound.
    const symbols = (await run('nm', ['-D', '--defined-only', path.join(libraryDir, 'libplaytrace.so')]))
        .trim().split('\n').map((line) => line.split(' ').pop()).sort();
    assert.deepEqual(symbols, functions.map(({ name }) => name).sort());
    const code = engineFree().filter((file) => !file.endsWith('Native.cs')).map((file) => fs.readFileSync(file, 'utf8')).join('');
    const unused = functions.map(({ name }) => name).filter((name) => isBound(name) && !new RegExp(`Native\\.${name}(_get)?\\(`).test(code));
    assert.deepEqual(unused, []);
});

// ---- the binding at work --------------------------------------------------------

const value = (row) => JSON.parse(row.attributes);

test('every type of attribute arrives as it was written', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const facts = JSON.parse(await underStress(() => mono('Binding.exe', 'types', server.url, path.join(dir, 'queue'))));
    await server.settle(facts.tracked);
    const rows = await sql(dir, 'select event_id, event_name, user_id, session_id, build_id, attributes from events');
    assert.equal(rows.length, facts.tracked);
    const one = (name) => {
        const found = rows.filter((row) => row.event_name === name);
        assert.equal(found.length, 1, name);
        return found[0];
    };
    assert.deepEqual(value(one('json')), { a: { b: [1, 2] } });
    assert.deepEqual(value(one('dictionary')), {
        text: 'Zoë "😀" \\ \n\t\u0001 日本', empty: '', int: -7, uint: 7, long: -9223372036854775808, ulong: 18446744073709551615,
        short: -3, byte: 255, float: 0.1, double: 0.1 + 0.2, decimal: 12.5, true: true, char: 'é', none: null, enum: 'Sword',
        when: '2026-01-02T03:04:05.006Z', list: [1, 2], in: { ключ: 1.5 },
    });
    assert.match(one('dictionary').attributes, /18446744073709551615/); // JavaScript would round it
    assert.deepEqual(value(one('built')), {
        text: 'Zoë "😀" \\ \n 日本', ключ: '', int: -2147483648, long: 9223372036854775807, ulong: 18446744073709551615, float: 0.1,
        large: 16777216, double: 1e-300, true: true, false: false, json: { a: [1, null] }, wide: 'ß'.repeat(2000), last: 1,
    });
    assert.deepEqual([value(one('outer')), value(one('inner'))], [{ a: 1, c: 3 }, { b: 2 }]);
    assert.equal(rows.filter((row) => row.event_name === 'never_sent').length, 0);
    assert.equal(value(one('half')).text, 'half \ufffd pair');
    assert.equal(value(one('long')).text, 'ß'.repeat(2000));
    assert.equal(one('with_id').event_id, facts.id);
    assert.equal(one('plain').session_id, facts.session);
    assert.equal(one('plain').build_id, '1.4.2');
    assert.notEqual(one('other_user').session_id, facts.session);
    assert.notEqual(one('other_user').user_id, one('plain').user_id);
    await server.stop();
});

test('10,000 events of four threads, beside a garbage collector at work: each once', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const facts = JSON.parse(await mono('Binding.exe', 'threads', server.url, path.join(dir, 'queue')));
    assert.ok(facts.collections > 0, 'the collector ran');
    await server.settle(facts.wanted);
    const [row] = await sql(dir, `select count(*) as n, count(distinct event_id) as ids,
        count(distinct attributes) as texts from events where event_name = 'tick'`);
    assert.deepEqual([row.n, row.ids, row.texts].map(Number), [facts.wanted, facts.wanted, facts.wanted]);
    t.diagnostic(`${facts.collections} collections`);
    await server.stop();
});

test('typed events and flags allocate nothing', async (t) => {
    const { ns } = JSON.parse(await mono('Binding.exe', 'allocations', 'http://127.0.0.1:9', path.join(freshDir(t), 'queue')));
    t.diagnostic(`${ns} ns an event of six attributes and a flag, in the mean`);
});

test('nothing before consent, nothing after it', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await mono('Binding.exe', 'consent', server.url, path.join(dir, 'queue'));
    await server.settle(2);
    const rows = await sql(dir, `select event_name, attributes from events where event_name != 'playtrace_self_test' order by 1`);
    assert.deepEqual(rows.map((row) => row.event_name), ['during', 'playtrace_consent']);
    const { state, purposes, policy_version: policy } = value(rows[1]);
    assert.deepEqual({ state, purposes, policy }, { state: 'withdrawn', purposes: [], policy: '2026-12' });
    await server.stop();
});

test('a session outlives a short pause and not a long one', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const facts = JSON.parse(await mono('Binding.exe', 'pause', server.url, path.join(dir, 'queue')));
    await server.settle(5); // and two self-tests
    const rows = await sql(dir, `select event_name, session_id from events where event_name in ('first', 'second', 'third')`);
    assert.deepEqual(Object.fromEntries(rows.map((row) => [row.event_name, row.session_id])), facts);
    await server.stop();
});

test('flags: every type, defaults, context, from disk, one exposure', async (t) => {
    const dir = freshDir(t);
    const one = (value, extra = {}) => ({ state: 'ENABLED', variants: { a: value }, defaultVariant: 'a', ...extra });
    fs.writeFileSync(path.join(dir, 'flags.json'), JSON.stringify({ flags: {
        on: one(true), far: one(2 ** 40), share: one(0.25), title: one('Größe 😀'), empty: one(''), long: one('ß'.repeat(3000)),
        layout: one({ columns: 3 }), retired: one('x', { state: 'DISABLED' }),
        shop: one('a', { targeting: { fractional: [['a', 100]] }, metadata: { experiment: 'shop-1' } }),
        gate: {
            state: 'ENABLED', variants: { gate_30: 30, gate_40: 40 }, defaultVariant: 'gate_40',
            targeting: { if: [{ '==': [{ var: 'level' }, 3] }, 'gate_30', null] },
        },
    } }));
    const server = await Server.forTest(t, dir);
    await underStress(() => mono('Binding.exe', 'flags', server.url, path.join(dir, 'queue')));
    await server.settle(2); // and the self-test
    const rows = await sql(dir, `select attributes from events where event_name = 'experiment_exposure'`);
    assert.equal(rows.length, 1);
    const { experiment, variant, flag_key: key } = value(rows[0]);
    assert.deepEqual({ experiment, variant, key }, { experiment: 'shop-1', variant: 'a', key: 'shop' });
    await server.stop();
});

test('wrong calls are statuses: too early, too late, nonsense, twice', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await underStress(() => mono('Binding.exe', 'misuse', server.url, path.join(dir, 'queue')));
    await server.settle(2);
    const rows = await sql(dir, `select event_name from events where event_name not like 'playtrace%' order by 1`);
    assert.deepEqual(rows.map((row) => row.event_name), ['sealed', 'x'.repeat(64)]);
    await server.stop();
});

test('Shutdown while threads track, 100 times: what was taken arrives once', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const facts = JSON.parse(await mono('Binding.exe', 'closing', server.url, path.join(dir, 'queue')));
    assert.ok(facts.wanted > 100);
    await server.settle(facts.wanted);
    const [row] = await sql(dir, `select count(*) as n, count(distinct event_id) as ids from events where event_name = 'closing'`);
    assert.deepEqual([row.n, row.ids].map(Number), [facts.wanted, facts.wanted]);
    t.diagnostic(`${facts.wanted} events`);
    await server.stop();
});

test('an engine\'s transport: a break, a hang, a refusal, a long answer, a close on its way', async (t) => {
    const network = () => mono('Binding.exe', 'network', 'http://127.0.0.1:9', path.join(freshDir(t), 'queue'));
    await network();
    // Also where the collector stops the library's thread again and again, in the middle of a callback.
    await underStress(network);
});

// ---- with stand-ins of the engine -------------------------------------------------

const linkGuid = () => /guid: (\w+)/.exec(fs.readFileSync(path.join(packageDir, 'link.xml.meta'), 'utf8'))[1];

test('what needs the engine compiles against stand-ins, for each platform\'s defines', async () => {
    const engine = ['UnityEngine.dll'];
    const standin = (name) => [path.join(testDir, 'standins', `${name}.cs`)];
    const define = ['UNITY_2021_3_OR_NEWER'];
    await compile('UnityEngine.dll', standin('UnityEngine'));
    await compile('UnityEditor.dll', standin('UnityEditor'), { references: engine });
    await compile('nunit.framework.dll', standin('NUnit'));
    for (const player of ['UNITY_WEBGL', 'UNITY_IOS', 'UNITY_ANDROID']) {
        await compile('Player.dll', sources(path.join(packageDir, 'Runtime')), { references: engine, define: [...define, player] });
    }
    await compile('Playtrace.Runtime.dll', sources(path.join(packageDir, 'Runtime')), { references: engine, define });
    const editor = [...engine, 'UnityEditor.dll', 'Playtrace.Runtime.dll'];
    await compile('Playtrace.Editor.dll', sources(path.join(packageDir, 'Editor')), { references: editor, define: [...define, 'UNITY_EDITOR'] });
    await compile('Playtrace.Tests.dll', sources(path.join(packageDir, 'Tests/Runtime')), { references: [...engine, 'Playtrace.Runtime.dll', 'nunit.framework.dll'] });
    const all = [...editor, 'Playtrace.Editor.dll', 'nunit.framework.dll'];
    await compile('Playtrace.Editor.Tests.dll', sources(path.join(packageDir, 'Tests/Editor')), { references: all });
    await compile('Samples.dll', sources(path.join(packageDir, 'Samples~')), { references: [...engine, 'Playtrace.Runtime.dll'] });
    // The life cycle looks into both assemblies, as the package's own tests may.
    await compile('Playtrace.Lifecycle.exe', [path.join(testDir, 'Lifecycle.cs')],
        { kind: 'exe', references: [...all, 'Playtrace.Tests.dll', 'Playtrace.Editor.Tests.dll'] });
});

test('the life of the component: start, frames, pause, quit, again, reload, browser', async (t) => {
    const dir = freshDir(t);
    const data = path.join(dir, 'persistent');
    fs.mkdirSync(data);
    fs.writeFileSync(path.join(dir, 'flags.json'), JSON.stringify({ flags: { on: { state: 'ENABLED', variants: { a: true }, defaultVariant: 'a' } } }));
    const server = await Server.forTest(t, dir);
    // With the library of the package, which has no network of its own.
    const facts = JSON.parse(await underStress(() => monoWith(path.join(libraryDir, 'engine'), 'Playtrace.Lifecycle.exe', 'life', server.url, data)));
    t.diagnostic(`${facts.requests} requests`);
    const wanted = ['after_reload', 'before_focus', 'before_pause', 'before_quit', 'early', 'early', 'early', 'in_browser', 'in_game', 'second_play'];
    await server.settle(wanted.length);
    const rows = await sql(dir, `select event_name, platform, build_id from events where event_name not like 'playtrace%' order by 1`);
    assert.deepEqual(rows.map((row) => row.event_name), wanted);
    assert.ok(rows.every((row) => row.build_id === '2.0'));
    assert.deepEqual([...new Set(rows.map((row) => row.platform))].sort(), ['pc', 'web']);
    await server.stop();
});

test('without the native library the game runs, and the console says why', async (t) => {
    await monoWith('/nowhere', 'Playtrace.Lifecycle.exe', 'missing', 'http://127.0.0.1:9', freshDir(t));
});

test('the package\'s own tests pass, as far as stand-ins go', async (t) => {
    const dir = freshDir(t);
    const count = Number(await monoWith(path.join(libraryDir, 'engine'), 'Playtrace.Lifecycle.exe', 'tests', linkGuid(), dir));
    assert.ok(count >= 9, `${count} tests`);
});

// ---- the package --------------------------------------------------------------------

const json = (name) => JSON.parse(fs.readFileSync(path.join(packageDir, name), 'utf8'));

test('the package is whole: .meta files, GUIDs, assemblies, samples, version', () => {
    const names = imported(packageDir);
    const guids = new Map();
    for (const name of names) {
        const meta = path.join(packageDir, `${name}.meta`);
        assert.ok(fs.existsSync(meta), `${name}.meta is missing: node tools/unity_package.mjs meta`);
        const [, id] = /^guid: ([0-9a-f]{32})$/m.exec(fs.readFileSync(meta, 'utf8'));
        assert.ok(!guids.has(id), `${name} has the GUID of ${guids.get(id)}`);
        guids.set(id, name);
    }
    const stray = files(packageDir).filter((file) => file.endsWith('.meta') && !fs.existsSync(file.slice(0, -5)));
    assert.deepEqual(stray, [], 'a .meta file of nothing');
    assert.match(fs.readFileSync(path.join(packageDir, 'Editor/PlaytraceLinker.cs'), 'utf8'), new RegExp(`"${linkGuid()}"`));

    const { version, samples } = json('package.json');
    assert.match(fs.readFileSync(path.join(root, 'client/CMakeLists.txt'), 'utf8'), new RegExp(`VERSION ${version} `));
    assert.ok(fs.readFileSync(path.join(packageDir, 'CHANGELOG.md'), 'utf8').includes(`## [${version}]`));
    for (const sample of samples) {
        assert.ok(fs.statSync(path.join(packageDir, sample.path)).isDirectory(), sample.path);
    }
    const assemblies = names.filter((name) => name.endsWith('.asmdef'));
    const known = new Set([...assemblies.map((name) => json(name).name), 'UnityEngine.TestRunner', 'UnityEditor.TestRunner']);
    assert.equal(assemblies.length, 4);
    for (const name of assemblies) {
        assert.equal(path.basename(name, '.asmdef'), json(name).name);
        assert.ok(json(name).references.every((one) => known.has(one)), name);
    }
    // What an AOT compiler needs: every function that C calls is static and marked.
    const code = engineFree().map((file) => fs.readFileSync(file, 'utf8')).join('');
    const given = [...code.matchAll(/GetFunctionPointerForDelegate\((\w+)\)/g)].length;
    assert.ok(given >= 6);
    assert.equal([...code.matchAll(/\[MonoPInvokeCallback\(typeof\(\w+\)\)\]\s+private static /g)].length, given);
    assert.doesNotMatch(code, /System\.Reflection|\bdynamic\b|Activator\./);
});

test('the release holds the library and sources that compile in one folder', async (t) => {
    const dir = freshDir(t);
    const library = path.join(libraryDir, 'engine/libplaytrace.so');
    const file = assemble(dir, { library });
    const first = fs.readFileSync(file);
    assert.deepEqual(fs.readFileSync(assemble(dir, { library })), first, 'the same input, the same bytes');
    await run('tar', ['-xzf', file, '-C', dir]);
    const release = path.join(dir, 'package');
    for (const name of imported(release)) {
        assert.ok(fs.existsSync(path.join(release, `${name}.meta`)), `${name}.meta`);
    }
    // No include path, no define, no option: as an engine compiles a plugin.
    const web = path.join(release, 'Plugins/WebGL');
    const list = fs.readdirSync(web).filter((name) => name.endsWith('.c')).map((name) => path.join(web, name));
    assert.ok(list.length > 20);
    await run('gcc', ['-fsyntax-only', ...list]);
    assert.ok(fs.existsSync(path.join(web, 'playtrace.jslib')));
    // The library loads wherever the C library is.
    const needs = [...(await run('readelf', ['-d', path.join(release, 'Plugins/Linux/x86_64/libplaytrace.so')]))
        .matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name);
    assert.deepEqual(needs, ['libc.so.6']);
    t.diagnostic(`${first.length} bytes, the library ${fs.statSync(path.join(release, 'Plugins/Linux/x86_64/libplaytrace.so')).size}`);
});
