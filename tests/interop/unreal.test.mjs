// unreal.test.mjs - the Unreal plugin as it is released, as far as it can be had without an Unreal Engine
//
// tools/unreal_package.mjs makes the release; from that folder the core (C99), the engine-independent part and the
// plugin are compiled, the last against tests/unreal/standins: three headers, written from Unreal's documentation, behind
// the names that the engine's headers have, for the interfaces of 5.3 and of 5.6. Then it all runs against the real
// collector, and what was recorded is in the table.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { before, test } from 'node:test';
import { promisify } from 'node:util';

import { Server, environment, freshDir, root, sql } from '../e2e/support/server.mjs';

const run = promisify(execFile);
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'playtrace-unreal-'));
process.on('exit', () => fs.rmSync(work, { recursive: true, force: true }));
const plugin = path.join(work, 'release', 'Playtrace');
const moduleDir = path.join(plugin, 'Source', 'Playtrace');
const core = path.join(plugin, 'Source', 'ThirdParty', 'PlaytraceCore');
const standins = path.join(root, 'tests', 'unreal', 'standins');
const warnings = ['-Wall', '-Wextra', '-Werror'];

// Which of the engine's headers each stand-in is behind.
const headers = {
    'standin_core.h': ['CoreMinimal.h', 'Containers/StringConv.h'],
    'standin_hal.h': ['GenericPlatform/GenericPlatformFile.h', 'HAL/Event.h', 'HAL/PlatformProcess.h', 'HAL/PlatformTime.h',
        'HAL/Runnable.h', 'HAL/RunnableThread.h', 'HAL/UnrealMemory.h', 'Misc/App.h', 'Misc/Compression.h',
        'Misc/ConfigCacheIni.h', 'Misc/CoreDelegates.h', 'Misc/DateTime.h', 'Misc/Guid.h', 'Misc/Paths.h', 'Misc/ScopeLock.h',
        'Containers/Ticker.h'],
    'standin_engine.h': ['HttpModule.h', 'Interfaces/IHttpRequest.h', 'Interfaces/IHttpResponse.h',
        'Subsystems/GameInstanceSubsystem.h', 'Engine/DeveloperSettings.h', 'Kismet/BlueprintFunctionLibrary.h',
        'Modules/ModuleManager.h', 'Misc/EngineVersionComparison.h', 'Analytics.h', 'AnalyticsET.h', 'AnalyticsEventAttribute.h',
        'IAnalyticsProviderET.h', 'Interfaces/IAnalyticsProviderModule.h'],
};

async function ok(command, args, options = {}) {
    try {
        return (await run(command, args, { maxBuffer: 1 << 24, ...options })).stdout;
    } catch (error) {
        return assert.fail(`${command} ${args.join(' ')}:\n${error.stdout ?? ''}${error.stderr ?? error.message}`);
    }
}

function write(file, text) {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
}

const under = (dir, pattern) => fs.readdirSync(dir, { withFileTypes: true }).sort().flatMap((entry) => {
    const at = path.join(dir, entry.name);
    return entry.isDirectory() ? under(at, pattern) : pattern.test(entry.name) ? [at] : [];
});

// What UnrealHeaderTool would write: here, GENERATED_BODY() names the class's Super.
function generate(dir) {
    for (const header of under(path.join(moduleDir, 'Public'), /\.h$/)) {
        const text = fs.readFileSync(header, 'utf8');
        const name = path.basename(header, '.h');
        const [, own, base] = /class PLAYTRACE_API (\w+) : public (\w+)/.exec(text) ?? [];
        const body = own ? `public: typedef ${own} ThisClass; typedef ${base} Super; private:` : '';
        write(path.join(dir, `${name}.generated.h`), `#undef GENERATED_BODY\n#define GENERATED_BODY() ${body}\n`);
        // UnrealHeaderTool wants its header last.
        assert.equal(/#include "([^"]+)"\s*(?!#include)[^#]*$/.exec(text)?.[1] ?? '', `${name}.generated.h`, header);
    }
}

// Compile each source on its own, two at a time; the objects.
async function compile(name, command, flags, sources) {
    const dir = path.join(work, name);
    const objects = sources.map((source, index) => path.join(dir, `${index}-${path.basename(source)}.o`));
    const next = [...sources.keys()];
    fs.mkdirSync(dir, { recursive: true });
    await Promise.all([0, 1].map(async () => {
        for (let index = next.shift(); index !== undefined; index = next.shift()) {
            await ok(command, [...flags, '-O0', '-c', sources[index], '-o', objects[index]]);
        }
    }));
    return objects;
}

let coreObjects;
let portableObjects;
const include = (...dirs) => dirs.flatMap((dir) => ['-I', dir]);
const cpp = ['-std=c++17', '-fno-exceptions', '-fno-rtti', ...warnings];

before(async () => {
    await ok('node', [path.join(root, 'tools', 'unreal_package.mjs'), path.join(work, 'release')]);
    // As UnrealBuildTool does: what lies under the module, with the folders of Playtrace.Build.cs to include from.
    coreObjects = await compile('core', 'cc', ['-std=c99', ...warnings, '-DPT_VERSION="0.1.0"', ...include(path.join(core, 'include'), core)],
        under(path.join(moduleDir, 'Private', 'Core'), /\.c$/));
    portableObjects = await compile('portable', 'c++', [...cpp, ...include(path.join(moduleDir, 'Private'), path.join(core, 'include'))],
        under(path.join(moduleDir, 'Private', 'Portable'), /\.cpp$/));
    for (const [standin, names] of Object.entries(headers)) {
        for (const name of names) {
            write(path.join(work, 'engine', name), `#pragma once\n#include "${standin}"\n`);
        }
    }
    generate(path.join(work, 'generated'));
});

// The stand-ins differ by version in the analytics interface alone, so what does not see it is compiled once.
const seesAnalytics = /Playtrace(Provider|Module)\.cpp|plugin\.cpp|standin\.cpp/;
let commonObjects;

async function buildPlugin(minor) {
    const flags = [...cpp, `-DENGINE_MINOR_VERSION=${minor}`, '-DPT_VERSION="0.1.0"', ...include(path.join(moduleDir, 'Public'),
        path.join(moduleDir, 'Private'), path.join(core, 'include'), core, path.join(work, 'generated'),
        path.join(work, 'engine'), standins)];
    const all = [...under(path.join(moduleDir, 'Private'), /\.cpp$/).filter((file) => !file.includes('/Portable/')),
        path.join(root, 'tests', 'unreal', 'plugin.cpp'), path.join(standins, 'standin.cpp')];
    commonObjects ??= await compile('plugin', 'c++', flags, all.filter((file) => !seesAnalytics.test(file)));
    const objects = await compile(`plugin-${minor}`, 'c++', flags, all.filter((file) => seesAnalytics.test(file)));
    const program = path.join(work, `plugin-${minor}.run`);
    await ok('c++', [...objects, ...commonObjects, ...portableObjects, ...coreObjects, '-lcurl', '-lz', '-pthread', '-o', program]);
    return program;
}

async function play(program, mode, url, saved, env = {}) {
    const { stdout, stderr } = await run(program, [mode, url], { env: environment({ STANDIN_SAVED: saved, ...env }), timeout: 120000 })
        .catch((error) => assert.fail(`${mode}: ${error.stdout}${error.stderr}`));
    assert.equal(stdout, 'ok\n', stderr);
    assert.doesNotMatch(stderr, mode === 'busy' ? /lost/ : /Error:/); // the plugin's own log
    assert.ok(mode !== 'busy' || /not started: (BUSY|KEY|the setting)/.test(stderr), stderr);
}

async function rows(server) {
    await server.checkpoint();
    return sql(server.dataDir, 'select event_name, attributes, user_id, session_id, build_id, platform, mechanic_version from events '
        + "where event_name not like 'playtrace%' order by received_at, session_id, seq");
}

const attributesOf = (all, name) => all.filter((row) => row.event_name === name).map((row) => JSON.parse(row.attributes ?? 'null'));

test('the engine-independent part, against the real collector', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, path.join(dir, 'data'));
    const program = path.join(work, 'portable.run');
    // The default table of the platform gives files and threads; the transport is the plugin's.
    const platform = await compile('posix', 'cc', ['-std=c99', '-D_GNU_SOURCE', '-DPT_VERSION="0.1.0"', ...include(path.join(root, 'client'),
        path.join(root, 'client/include'), path.join(root, 'src'))],
    under(path.join(root, 'client', 'platform'), /\.c$/).filter((file) => path.dirname(file).endsWith('/platform')
        && !fs.existsSync(path.join(core, 'platform', path.basename(file))))); // what the release has too
    const test = await compile('portable-test', 'c++', [...cpp, ...include(path.join(moduleDir, 'Private'), path.join(core, 'include'))],
        [path.join(root, 'tests', 'unreal', 'portable.cpp')]);
    await ok('c++', [...test, ...portableObjects, ...coreObjects.filter((file) => !file.includes('none_default')), ...platform,
        '-lcurl', '-lcrypto', '-lz', '-pthread', '-o', program]);
    const said = (await ok(program, [server.url, dir], { env: environment(), timeout: 60000 })).trim().split('\n');
    assert.equal(said.at(-1), 'ok');
    const all = await rows(server);
    assert.deepEqual(attributesOf(all, 'session_start')[0], { cold: true, engine_session: '{engine-id}', mode: 'arena', map: 3 });
    assert.deepEqual(attributesOf(all, 'Item_Purchase'), [{ ItemId: 'sword', PerItemCost: 5, mode: 'shop', map: 3 }]);
    assert.deepEqual(attributesOf(all, 'large'), [{ text: 'y'.repeat(4000), mode: 'arena', map: 3 }]);
    assert.deepEqual(attributesOf(all, 'without_session'), [{ x: 0.5 }]);
    assert.deepEqual(attributesOf(all, 'step').map((one) => one.i).sort((a, b) => a - b), Array.from({ length: 500 }, (_, i) => i));
    assert.equal(attributesOf(all, 'session_end').length, 1);
    assert.equal(attributesOf(all, 'threaded').length, Number(/^threaded (\d+)$/m.exec(said.join('\n'))[1]));
    await server.stop();
});

for (const minor of [3, 6]) {
    test(`the plugin over stand-ins of Unreal 5.${minor}: a game's life`, async (t) => {
        const dir = freshDir(t);
        const program = await buildPlugin(minor);
        const flag = (variants, defaultVariant) => ({ state: 'ENABLED', variants, defaultVariant });
        write(path.join(dir, 'data', 'flags.json'), JSON.stringify({ flags: { speed: flag({ slow: 1, fast: 3 }, 'fast'),
            greeting: flag({ a: 'grüß' }, 'a'), shop: flag({ a: { items: [1, 2] } }, 'a'), open: flag({ on: true, off: false }, 'on') } }));
        const server = await Server.forTest(t, path.join(dir, 'data'));
        await play(program, 'game', server.url, path.join(dir, 'Saved'));
        const all = await rows(server);
        assert.deepEqual(all.map((row) => row.event_name).sort(), ['plain', 'typed', 'session_start', 'session_end', 'Provider.Plain',
            'Provider.Typed', 'Item_Purchase', 'by_the_install', ...(minor < 6 ? [] : ['Provider.Now'])].sort());
        assert.deepEqual(attributesOf(all, 'typed'), [{ text: 'grüß 🎮', level: 7, long: -5000000000, ratio: 0.5, won: true, list: [1, 2] }]);
        assert.deepEqual(attributesOf(all, 'Provider.Plain'), [{ mode: 'arena', map: 3 }]);
        assert.deepEqual(attributesOf(all, 'Provider.Typed'), [{ level: 7, won: true, mode: 'shop', map: 3 }]);
        assert.deepEqual(attributesOf(all, 'Item_Purchase'), [{ ItemId: 'sword', Currency: 'gold', PerItemCost: 5, ItemQuantity: 2, mode: 'arena', map: 3 }]);
        assert.deepEqual(attributesOf(all, 'session_start').map(({ cold, mode }) => [cold, mode]), [[true, undefined]]);
        const users = Object.fromEntries(all.map((row) => [row.event_name, row.user_id]));
        assert.equal(users.plain, users.typed);
        assert.equal(users['Provider.Plain'], users.Item_Purchase);
        assert.equal(new Set([users.plain, users['Provider.Plain'], users.by_the_install]).size, 3);
        assert.deepEqual([...new Set(all.map((row) => `${row.build_id} ${row.platform} ${row.mechanic_version}`))], ['3.2.1 pc m1']);

        await play(program, 'editor', server.url, path.join(dir, 'Saved'), { STANDIN_EDITOR: '1' });
        await play(program, 'pump', server.url, path.join(dir, 'Pumped'), { STANDIN_ONE_THREAD: '1' });
        await server.stop();
        if (minor > 3) {
            return; // what follows does not ask the engine's interface for anything new
        }

        // Two instances of a game: the second says so, and harms nothing.
        const held = path.join(dir, 'Held');
        const first = spawn(program, ['hold', server.url], { env: environment({ STANDIN_SAVED: held }), stdio: ['pipe', 'pipe', 'inherit'] });
        await new Promise((resolve) => first.stdout.once('data', resolve));
        await play(program, 'busy', server.url, held);
        first.stdin.end();
        assert.equal(await new Promise((resolve) => first.on('close', resolve)), 0);

        // A sealed queue: the directory tells nothing, another key opens nothing and harms nothing.
        const sealed = path.join(dir, 'Sealed');
        const key = { STANDIN_KEY: 'c0ffee00'.repeat(8) };
        await play(program, 'offline', 'http://127.0.0.1:9', sealed, key);
        const kept = under(path.join(sealed, 'Playtrace'), /^queue-/);
        assert.ok(kept.length > 0 && kept.every((file) => fs.statSync(file).size > 0 && !fs.readFileSync(file).includes('offline')));
        await play(program, 'busy', server.url, sealed, { STANDIN_KEY: 'c0ffee01'.repeat(8) });
        await play(program, 'busy', server.url, sealed, { STANDIN_KEY: 'no key' });

        // Nobody answers; at the next start somebody does.
        await play(program, 'offline', server.url, path.join(dir, 'Offline'));
        const later = await Server.forTest(t, path.join(dir, 'data'));
        await play(program, 'game', later.url, path.join(dir, 'Fresh'));
        assert.equal(attributesOf(await rows(later), 'offline').length, 0);
        await play(program, 'pump', later.url, sealed, key);
        assert.equal(attributesOf(await rows(later), 'offline').length, 50);
        await play(program, 'pump', later.url, path.join(dir, 'Offline'));
        await play(program, 'killed', later.url, path.join(dir, 'Killed'), { STANDIN_ONE_THREAD: '1' });
        await play(program, 'pump', later.url, path.join(dir, 'Killed'), { STANDIN_ONE_THREAD: '1' });
        const after = await rows(later);
        assert.equal(attributesOf(after, 'before_the_background').length, 1);
        assert.deepEqual(attributesOf(after, 'offline').map((one) => one.i).sort((a, b) => a - b), Array.from({ length: 100 }, (_, i) => i >> 1));
        assert.equal(attributesOf(after, 'pumped').length, 80);
        await later.stop();
    });
}

test('the release is whole', async () => {
    const zip = path.join(work, 'release', 'Playtrace-0.1.0.zip');
    const listed = await ok('python3', ['-c', 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; print("\\n".join(z.namelist()))', zip]);
    const there = under(plugin, /./).map((file) => path.relative(path.dirname(plugin), file));
    assert.deepEqual(listed.trim().split('\n').sort(), there.sort());
    const described = JSON.parse(fs.readFileSync(path.join(plugin, 'Playtrace.uplugin'), 'utf8'));
    const version = /^project\(\w+ VERSION (\S+)/m.exec(fs.readFileSync(path.join(root, 'CMakeLists.txt'), 'utf8'))[1];
    assert.equal(described.VersionName, version);
    const rules = fs.readFileSync(path.join(moduleDir, 'Playtrace.Build.cs'), 'utf8');
    assert.ok(rules.includes(`PT_VERSION=\\"${version}\\"`));
    // Nothing of the engine is included by the part that says it needs no engine, and nothing of the core is left out.
    for (const file of under(path.join(moduleDir, 'Private', 'Portable'), /\.(h|cpp)$/)) {
        for (const [, name] of fs.readFileSync(file, 'utf8').matchAll(/#include "([^"]+)"/g)) {
            assert.match(name, /^(Portable\/|playtrace\.hp?p?p?$)/, file);
        }
    }
    for (const source of under(core, /\.c$/)) {
        const name = `pt_${path.relative(core, source).replaceAll('/', '_')}`;
        assert.ok(fs.existsSync(path.join(moduleDir, 'Private', 'Core', name)), name);
    }
});
