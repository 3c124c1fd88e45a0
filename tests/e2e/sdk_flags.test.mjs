// sdk_flags.test.mjs - flags in the game: the real client against the real server
//
// Promise: a getter never waits and never fails; values come from the cache first, then from the network, then
// with each change; an experiment's exposure is in the table once a session, and analyses understand it.
// Method: flags_game.c does what a test tells it, line by line. Its polls are an hour apart, so that a change
// that comes, came over the stream.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import readline from 'node:readline';
import { test } from 'node:test';

import { Server, cliOk, environment, freshDir, metric, patience, program, sleep, sql } from './support/server.mjs';

const gameProgram = process.env.PT_FLAGS_GAME ?? path.join(path.dirname(program), 'tests', 'flags_game');

class Game {
    constructor(t) {
        this.child = spawn(gameProgram, [], { env: environment(), stdio: ['pipe', 'pipe', 'pipe'] });
        this.stderr = '';
        this.child.stderr.on('data', (chunk) => (this.stderr += chunk));
        this.ended = new Promise((resolve) => this.child.on('close', (code, signal) => resolve({ code, signal })));
        this.waiting = [];
        readline.createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()?.(JSON.parse(line)));
        t.after(async () => {
            this.child.stdin.end();
            assert.deepEqual(await this.ended, { code: 0, signal: null }, this.stderr);
            assert.equal(this.stderr, '');
        });
    }

    tell(line) {
        return new Promise((resolve, reject) => {
            this.waiting.push(resolve);
            this.ended.then(() => reject(new Error(`the game has ended: ${this.stderr}`)));
            this.child.stdin.write(`${line}\n`);
        });
    }

    async status(line) {
        return (await this.tell(line)).status;
    }

    async value(line) {
        return (await this.tell(line)).value;
    }

    // Ask until it is so.
    async becomes(line, wanted) {
        const until = Date.now() + 20000 * patience;
        for (;;) {
            const value = await this.value(line);
            if (value === wanted || Date.now() > until) {
                assert.equal(value, wanted, line);
                return;
            }
            await sleep(20);
        }
    }
}

function writeFlags(dir, flags) {
    fs.writeFileSync(path.join(dir, 'flags.json'), JSON.stringify({ flags }));
}

const onOff = { state: 'ENABLED', variants: { on: true, off: false }, defaultVariant: 'off' };

// An address where nobody listens.
async function deadAddress() {
    const server = http.createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    return `http://127.0.0.1:${port}`;
}

async function listeners(server) {
    return metric((await server.get('/metrics')).text, 'playtrace_http_feeds');
}

async function awaitListener(server, wanted = 1) {
    const until = Date.now() + 20000 * patience;
    while ((await listeners(server)) !== wanted) {
        assert.ok(Date.now() < until, `${wanted} listeners`);
        await sleep(20);
    }
}

test('offline the defaults, then the values, and at the next start without a server the cache', async (t) => {
    const dir = freshDir(t);
    const queue = path.join(freshDir(t), 'queue');
    writeFlags(dir, {
        shop: { ...onOff, defaultVariant: 'on', targeting: { if: [{ '==': [{ var: 'level' }, 7] }, 'off', null] } },
        lives: { state: 'ENABLED', variants: { few: 3, many: 5.5 }, defaultVariant: 'few' },
        title: { state: 'ENABLED', variants: { a: 'Über "uns"\n', b: '' }, defaultVariant: 'a' },
        shelf: { state: 'ENABLED', variants: { a: { items: ['x', 1] }, b: {} }, defaultVariant: 'a' },
        dead: { ...onOff, state: 'DISABLED' },
    });
    const nowhere = await deadAddress();
    const game = new Game(t);
    assert.equal(await game.status(`open ${nowhere} ${queue} ann`), 'OK');
    assert.equal(await game.value('bool shop 0'), false);
    assert.equal(await game.value('string title Ours'), 'Ours');
    assert.equal((await game.tell('details shop')).error, 'PROVIDER_NOT_READY');
    assert.equal(await game.status('refresh 300'), 'QUEUED');
    await game.status('close 0');

    // The address is part of whose cache it is: the server must come back at the same one.
    const { port } = new URL(nowhere);
    const server = await Server.forTest(t, dir, { args: ['--listen', `127.0.0.1:${port}`] });
    assert.equal(await game.status(`open ${server.url} ${queue} ann`), 'OK');
    assert.equal(await game.status('refresh 20000'), 'OK');
    assert.equal(await game.value('bool shop 0'), true);
    assert.equal(await game.value('int lives 1'), 3);
    assert.equal(await game.value('double lives 1'), 3);
    assert.deepEqual(await game.tell('string title -'), { value: 'Über "uns"\n', bytes: 12 });
    assert.deepEqual(JSON.parse(await game.value('json shelf -')), { items: ['x', 1] });
    assert.equal(await game.value('bool dead 1'), true);
    assert.deepEqual(await game.tell('details shop'), { variant: 'on', reason: 'UNKNOWN', error: '', is_default: false });
    assert.deepEqual(await game.tell('details dead'), { variant: '', reason: 'DISABLED', error: '', is_default: true });
    assert.deepEqual(await game.tell('details none'),
        { variant: '', reason: 'ERROR', error: 'FLAG_NOT_FOUND', is_default: true });
    // Targeting by the game's context.
    const generation = await game.value('generation');
    assert.equal(await game.status('context {"level":7}'), 'OK');
    assert.equal(await game.status('refresh 20000'), 'OK');
    assert.equal(await game.value('bool shop 1'), false);
    assert.ok((await game.value('generation')) > generation);
    assert.equal(await game.status('context {}'), 'OK');
    assert.equal(await game.status('refresh 20000'), 'OK');
    await game.status('close 0');
    await server.stop();

    // The same player and context: its values, at once. Another player: defaults.
    assert.equal(await game.status(`open ${server.url} ${queue} ann`), 'OK');
    assert.equal(await game.value('bool shop 0'), true);
    assert.equal((await game.tell('details shop')).reason, 'CACHED');
    assert.equal(await game.status('refresh 300'), 'QUEUED');
    assert.equal(await game.value('int lives 1'), 3);
    assert.equal(await game.status('user bob'), 'OK');
    assert.equal(await game.value('bool shop 0'), false);
    assert.equal(await game.status('user ann'), 'OK');
    await game.becomes('bool shop 0', true);
    // Without consent there are no flags, and no file of them.
    assert.equal(await game.status('consent withdrawn'), 'OK');
    assert.equal(await game.value('bool shop 0'), false);
    assert.ok(!fs.existsSync(path.join(queue, 'flags')));
    assert.equal(await game.status('refresh 100'), 'NO_CONSENT');
});

test('a change arrives over the stream; without one by polling; a lost server is found again', async (t) => {
    const dir = freshDir(t);
    writeFlags(dir, { shop: onOff });
    const server = await Server.forTest(t, dir);
    const { port } = new URL(server.url);
    const [listening, polling] = [new Game(t), new Game(t)];
    await listening.status(`open ${server.url} ${freshDir(t)} ann`);
    await polling.status(`poll ${server.url} ${freshDir(t)} bob`);
    for (const game of [listening, polling]) {
        assert.equal(await game.status('refresh 20000'), 'OK');
        assert.equal(await game.value('bool shop 1'), false);
    }
    await awaitListener(server);
    const requests = (await listening.tell('stats')).flag_requests;
    await cliOk(['flags', 'set', 'shop', '--default', 'on', '--data', dir]);
    await listening.becomes('bool shop 0', true);
    await polling.becomes('bool shop 0', true);
    const { flag_requests: after } = await listening.tell('stats');
    assert.equal(after, requests + 1);
    // The kill switch: no value, so the game's own default.
    await cliOk(['flags', 'set', 'shop', '--state', 'off', '--data', dir]);
    await listening.becomes('bool shop 0', false);
    assert.equal(await listening.value('bool shop 1'), true);

    // Changed while the server is away: told as soon as it is back.
    await server.stop();
    await cliOk(['flags', 'set', 'shop', '--state', 'on', '--data', dir]);
    assert.equal(await listening.value('bool shop 0'), false);
    const again = await Server.forTest(t, dir, { args: ['--listen', `127.0.0.1:${port}`] });
    await listening.becomes('bool shop 0', true);
    await polling.becomes('bool shop 0', true);
    // Without consent nobody listens any more, with it again.
    await awaitListener(again);
    assert.equal(await listening.status('consent withdrawn'), 'OK');
    await awaitListener(again, 0);
    assert.equal(await listening.status('consent given'), 'OK');
    await awaitListener(again);
    await listening.becomes('bool shop 0', true);
    await again.stop();
});

test('with a key: flags and stream need it, and a wrong one gives the defaults', async (t) => {
    const dir = freshDir(t);
    writeFlags(dir, { shop: { ...onOff, defaultVariant: 'on' } });
    const key = 'k'.repeat(32);
    const server = await Server.forTest(t, dir, { env: { PLAYTRACE_COLLECT_KEYS: key } });
    const [good, bad] = [new Game(t), new Game(t)];
    await good.status(`open ${server.url} ${freshDir(t)} ann ${key}`);
    await bad.status(`open ${server.url} ${freshDir(t)} ann ${'x'.repeat(32)}`);
    assert.equal(await good.status('refresh 20000'), 'OK');
    assert.equal(await good.value('bool shop 0'), true);
    assert.equal(await bad.status('refresh 5000'), 'QUEUED');
    assert.equal(await bad.value('bool shop 0'), false);
    await cliOk(['flags', 'set', 'shop', '--default', 'off', '--data', dir]);
    await good.becomes('bool shop 1', false);
});

test('an exposure is in the table once a session, and an analysis understands it', async (t) => {
    const dir = freshDir(t);
    writeFlags(dir, {
        shop: { state: 'ENABLED', variants: { control: 'A', treatment: 'B' }, defaultVariant: 'control',
            targeting: { if: [{ var: 'tester' }, 'treatment', null] },
            metadata: { experiment: 'shop', version: 1, 'epoch.1': '0-9999 control=1 treatment=1' } },
        held: { ...onOff, metadata: { experiment: 'held', 'requires.plain': 'on', 'epoch.1': '0-9999 on=1' } },
        plain: onOff,
    });
    const server = await Server.forTest(t, dir);
    const seen = { control: 0, treatment: 0 };
    const players = 12;
    const game = new Game(t);
    for (let i = 0; i < players; i++) {
        const queue = path.join(freshDir(t), 'queue');
        for (let run = 0; run < 2; run++) { // the second run is another session, from the cache
            assert.equal(await game.status(`open ${server.url} ${queue} player-${i}`), 'OK');
            assert.equal(await game.status('refresh 20000'), 'OK');
            const value = await game.value('string shop -');
            for (let call = 0; call < 20; call++) {
                assert.equal(await game.value('string shop -'), value);
                await game.value('bool held 0');
                await game.value('bool plain 0');
                await game.value('bool shop 0'); // of another type
                await game.tell('details shop');
            }
            seen[{ A: 'control', B: 'treatment' }[value]] += run === 0 ? 1 : 0;
            assert.equal(await game.status('close 20000'), 'OK');
        }
    }
    // A tester is given a variant by hand: that is no exposure.
    assert.equal(await game.status(`open ${server.url} ${path.join(freshDir(t), 'queue')} tester`), 'OK');
    assert.equal(await game.status('context {"tester":true}'), 'OK');
    assert.equal(await game.status('refresh 20000'), 'OK');
    assert.equal(await game.value('string shop -'), 'B');
    assert.equal(await game.status('close 20000'), 'OK');
    await server.settle(2 * players);

    const rows = await sql(dir, `select user_id, session_id, attributes from events
        where event_name = 'experiment_exposure'`);
    assert.equal(rows.length, 2 * players);
    assert.equal(new Set(rows.map((row) => row.session_id)).size, 2 * players);
    assert.equal(new Set(rows.map((row) => row.user_id)).size, players);
    for (const row of rows) {
        const attributes = JSON.parse(row.attributes);
        assert.deepEqual({ ...attributes, variant: '' },
            { experiment: 'shop', variant: '', flag_key: 'shop', flag_version: 1, epoch: 1 });
    }
    const report = JSON.parse((await cliOk(['experiment', 'analyze', 'shop', '--data', dir, '--format', 'json'])).stdout);
    assert.deepEqual(report.exposures, { source: 'playtrace', matched: 2 * players, not_understood: [] });
    assert.equal(report.variants.reduce((sum, one) => sum + one.users, 0), players);
    for (const one of report.variants) {
        assert.equal(one.users, seen[one.variant ?? one.name], JSON.stringify(report.variants));
    }
    await server.stop();
    await cliOk(['audit', '--data', dir]);
});
