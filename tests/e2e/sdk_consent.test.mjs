// sdk_consent.test.mjs - what the SDK does with consent, read from the disk and from the network
//
// Method: a real client (support/sdk_shell.c, with its worker, flags and libcurl) talks to the real
// collector through a proxy that writes down every connection and every byte. The queue directory is
// read whole after each step. Without a network the proxy does not listen; kill -9 strikes each file
// call of a withdrawal in turn.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import { test } from 'node:test';
import zlib from 'node:zlib';

import { Server, environment, freshDir, metric, patience, program, sleep, sql, until } from './support/server.mjs';
import { traceProcess, tracedEnv } from './support/strace.mjs';

const shell = process.env.SDK_SHELL ?? path.join(path.dirname(program), 'tests', 'sdk_shell');
const user = 'player-zinnia-4711';

// ---- the network, written down ------------------------------------------------

class Recorder {
    static async start(t, upstreamPort) {
        const recorder = new Recorder();
        recorder.upstreamPort = upstreamPort;
        recorder.connections = 0;
        recorder.bytes = 0;
        recorder.requests = []; // { path, events }
        recorder.sockets = new Set();
        recorder.server = net.createServer((socket) => recorder.take(socket));
        await new Promise((resolve) => recorder.server.listen(0, '127.0.0.1', resolve));
        recorder.port = recorder.server.address().port;
        t.after(() => recorder.unplug());
        return recorder;
    }

    take(socket) {
        const upstream = net.connect(this.upstreamPort, '127.0.0.1');
        let held = Buffer.alloc(0);
        this.connections++;
        this.sockets.add(socket).add(upstream);
        for (const one of [socket, upstream]) {
            one.on('error', () => {});
            one.on('close', () => this.sockets.delete(one));
        }
        socket.on('data', (chunk) => {
            this.bytes += chunk.length;
            held = this.read(Buffer.concat([held, chunk]));
            upstream.write(chunk);
        });
        upstream.on('data', (chunk) => socket.write(chunk));
        socket.on('close', () => upstream.destroy());
        upstream.on('close', () => socket.destroy());
    }

    // Whole requests leave `held`.
    read(held) {
        for (;;) {
            const end = held.indexOf('\r\n\r\n');
            if (end < 0) {
                return held;
            }
            const head = held.subarray(0, end).toString();
            const size = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
            if (held.length < end + 4 + size) {
                return held;
            }
            let body = held.subarray(end + 4, end + 4 + size);
            if (/content-encoding: *gzip/i.test(head)) {
                body = zlib.gunzipSync(body);
            }
            const target = head.split(' ')[1];
            this.requests.push({ path: target, events: target === '/v1/events' ? JSON.parse(body).events : [] });
            held = held.subarray(end + 4 + size);
        }
    }

    events(name) {
        return this.requests.flatMap((request) => request.events).filter((e) => !name || e.event_name === name);
    }

    // No network: what is open ends, what comes is refused.
    async unplug() {
        const closed = new Promise((resolve) => this.server.close(resolve));
        for (const socket of this.sockets) {
            socket.destroy();
        }
        await closed;
    }

    async plugIn() {
        await new Promise((resolve) => this.server.listen(this.port, '127.0.0.1', resolve));
    }
}

// ---- the game -------------------------------------------------------------------

class Game {
    constructor(t, recorder, dir, env = {}) {
        this.child = spawn(shell, [`http://127.0.0.1:${recorder.port}`, dir, user],
            { stdio: ['pipe', 'pipe', 'inherit'], env: environment(env) });
        this.child.stdin.on('error', () => {});
        this.lines = readline.createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
        this.exited = new Promise((resolve) => this.child.on('close', (code, signal) => resolve({ code, signal })));
        t.after(() => this.child.kill('SIGKILL'));
    }

    // The answer, or undefined where the game died of it.
    async ask(command) {
        this.child.stdin.write(`${command}\n`);
        const { value } = await this.lines.next();
        return value && JSON.parse(value);
    }

    async tell(command, status = 'OK') {
        assert.equal((await this.ask(command))?.status, status, command);
    }

    // Nothing is queued any more.
    async drained() {
        const end = Date.now() + 20000 * patience;
        while ((await this.ask('stats')).queued > 0) {
            assert.ok(Date.now() < end, 'the queue does not empty');
            await sleep(5);
        }
    }

    async quit() {
        this.child.stdin.end();
        assert.deepEqual(await this.exited, { code: 0, signal: null });
    }
}

async function setUp(t) {
    const server = await Server.forTest(t, path.join(freshDir(t), 'data'));
    const recorder = await Recorder.start(t, Number(new URL(server.url).port));
    return { server, recorder, dir: path.join(freshDir(t), 'queue') };
}

// ---- the disk, read whole -------------------------------------------------------

function filesOf(dir) {
    return fs.existsSync(dir)
        ? fs.readdirSync(dir).map((name) => [name, fs.readFileSync(path.join(dir, name))])
        : [];
}

function holds(dir, text) {
    return filesOf(dir).some(([, bytes]) => bytes.includes(text));
}

// An id stands in `state` as 16 bytes, elsewhere as text.
function holdsId(dir, id) {
    return holds(dir, id) || holds(dir, Buffer.from(id.replaceAll('-', ''), 'hex'));
}

function assertNothingButTheDecision(dir, ids) {
    const files = filesOf(dir);
    assert.deepEqual(files.map(([name]) => name).sort(), ['lock', 'state'], 'files');
    assert.equal(files.find(([name]) => name === 'lock')[1].length, 0);
    for (const text of [user, 'level_end', 'playtrace', 'analytics', 'event']) {
        assert.ok(!holds(dir, text), `${text} is on disk`);
    }
    for (const id of ids) {
        assert.ok(!holdsId(dir, id), `the id ${id} is on disk`);
    }
}

const idsOf = (e) => [e.install_id, e.session_id, e.event_id];

// ---- the tests ------------------------------------------------------------------

test('nothing is stored and nobody is asked before consent', async (t) => {
    const { recorder, dir } = await setUp(t);
    const game = new Game(t, recorder, dir, tracedEnv);
    const trace = await traceProcess(t, game.child.pid, path.join(freshDir(t), 'trace'),
        'trace=socket,connect,sendto,sendmsg,bind');
    for (let round = 0; round < 3; round++) {
        await game.tell('open none');
        for (let i = 0; i < 20; i++) {
            await game.tell('track level_end {"level":7}', 'NO_CONSENT');
        }
        await game.tell('track experiment_exposure {"variant":"b"}', 'NO_CONSENT');
        await game.tell('pause');
        await game.tell('resume');
        await game.tell('flush 50', 'NO_CONSENT');
        await sleep(150); // three flush intervals, and a poll of flags
        await game.tell('close 50');
        for (const [name, bytes] of filesOf(dir)) {
            assert.equal(name, 'lock');
            assert.equal(bytes.length, 0);
        }
    }
    await game.quit();
    assert.equal(recorder.connections, 0);
    const calls = (await trace?.lines())?.filter((line) => !/(exited|killed|resumed|---)/.test(line));
    assert.deepEqual(calls ?? [], [], 'no socket was made: neither a connection nor a name looked up');
});

test('withdrawn: the disk holds the decision, the network saw one consent event and then nothing', async (t) => {
    const { server, recorder, dir } = await setUp(t);
    const game = new Game(t, recorder, dir);
    await game.tell('open none');
    await game.tell('purposes 3 2026-11');
    for (let i = 0; i < 50; i++) {
        await game.tell(`track level_end {"level":${i}}`);
    }
    await game.tell('flush 10000');
    assert.equal(recorder.events('level_end').length, 50);
    assert.equal(recorder.events('playtrace_consent').length, 0, 'giving consent sends no event of its own');
    const ids = idsOf(recorder.events('level_end')[0]);
    assert.ok(holdsId(dir, ids[0]), 'the install id is kept while there is consent');
    for (let i = 0; i < 50; i++) {
        await game.tell(`track level_end {"level":${i}}`); // on their way, in the ring or on disk
    }
    await game.tell('purposes 0 2026-12');
    await game.tell('track level_end {}', 'NO_CONSENT');
    await game.drained();
    const told = recorder.events('playtrace_consent');
    assert.equal(told.length, 1);
    assert.equal(told[0].install_id, ids[0]);
    assert.equal(told[0].user_id, user);
    const { decided_at: decidedAt, ...rest } = told[0].attributes;
    assert.deepEqual(rest, { state: 'withdrawn', purposes: [], policy_version: '2026-12' });
    assert.ok(Math.abs(Date.parse(decidedAt) - Date.now()) < 600000);
    assertNothingButTheDecision(dir, [...ids, ...idsOf(told[0])]);

    // Nothing after it: not by time, not over restarts, whatever the game's own option says.
    await until('the connections end', () => recorder.sockets.size === 0);
    const before = { requests: recorder.requests.length, connections: recorder.connections };
    for (let round = 0; round < 3; round++) {
        await sleep(150);
        await game.tell('track level_end {}', 'NO_CONSENT');
        await game.tell('close 200');
        await game.tell('open given');
        assert.equal((await game.ask('record')).consent, 2);
        assertNothingButTheDecision(dir, ids);
    }
    assert.deepEqual({ requests: recorder.requests.length, connections: recorder.connections }, before);
    const record = await game.ask('record');
    assert.deepEqual([record.purposes, record.policy], [0, '2026-12']);
    assert.equal(record.decided_us, Date.parse(decidedAt) * 1000 + record.decided_us % 1000);
    await game.quit();

    const metrics = (await server.request('GET', '/metrics')).text;
    assert.equal(metric(metrics, 'playtrace_client_consents_total', 'state="withdrawn"'), 1);
    assert.ok(metric(metrics, 'playtrace_client_self_tests_total', 'ok="true"') >= 1);
    await server.checkpoint();
    const rows = await sql(server.dataDir, `select event_name, count(*)::int as n, count(distinct user_id)::int as users
        from events where event_name in ('level_end', 'playtrace_consent') group by 1 order by 1`);
    assert.equal(rows.length, 2);
    assert.ok(rows[0].n >= 50 && rows[1].n === 1 && rows[1].users === 1);
});

test('without a network the one event waits, over restarts, and is sent when there is one', async (t) => {
    const { recorder, dir } = await setUp(t);
    const game = new Game(t, recorder, dir);
    await recorder.unplug();
    await game.tell('open given');
    await game.tell('track level_end {"level":1}');
    await game.tell('sync');
    assert.ok(holds(dir, 'level_end'));
    await game.tell('consent withdrawn');
    for (let round = 0; round < 3; round++) {
        assert.ok(!holds(dir, 'level_end'), 'what was queued is gone at once');
        assert.deepEqual(filesOf(dir).map(([name]) => name).sort(), ['consent', 'lock', 'state']);
        assert.ok(holds(dir, user), 'the event that waits carries the ids that it is about');
        await game.tell('close 20', 'QUEUED');
        await game.tell('open given');
    }
    assert.equal(recorder.requests.length, 0);
    await recorder.plugIn();
    await game.drained();
    assert.deepEqual(recorder.events().map((e) => e.event_name), ['playtrace_consent']);
    assertNothingButTheDecision(dir, idsOf(recorder.events()[0]));
    await game.quit();
    assert.equal(recorder.events().length, 1);
});

test('one purpose taken back empties its part alone', async (t) => {
    const { recorder, dir } = await setUp(t);
    const game = new Game(t, recorder, dir);
    await recorder.unplug();
    await game.tell('open given');
    await game.tell('track level_end {"level":1}');
    await game.tell('track experiment_exposure {"experiment":"e","variant":"b"}');
    await game.tell('sync');
    await game.tell('purposes 1');
    assert.ok(!holds(dir, 'experiment_exposure') && holds(dir, 'level_end'));
    await game.tell('track experiment_exposure {}', 'NO_CONSENT');
    await recorder.plugIn();
    await game.tell('flush 10000');
    const names = recorder.events().map((e) => e.event_name).filter((name) => name !== 'playtrace_self_test');
    assert.deepEqual(names, ['playtrace_consent', 'level_end']);
    assert.deepEqual(recorder.events('playtrace_consent')[0].attributes.purposes, ['analytics']);
    const asked = recorder.requests.filter((request) => request.path.startsWith('/ofrep')).length;
    await sleep(300);
    assert.equal(recorder.requests.filter((request) => request.path.startsWith('/ofrep')).length, asked,
        'no flag is asked for without the purpose');
    await game.quit();
});

test('killed at each file call of a withdrawal, the next open finishes it', async (t) => {
    const { recorder, dir: base } = await setUp(t);
    let finished = 0;
    let stood = 0;
    for (let call = 1; ; call++) {
        const dir = `${base}-${call}`;
        let game = new Game(t, recorder, dir);
        assert.ok(call < 60);
        await recorder.unplug();
        recorder.requests.length = 0;
        await game.tell('open given');
        for (let i = 0; i < 5; i++) {
            await game.tell(`track level_end {"level":${i}}`);
        }
        await game.tell('sync');
        await game.tell(`kill ${call}`);
        const answer = await game.ask('consent withdrawn');
        if (answer) {
            await game.ask('kill 0');
            await game.ask('close 0');
            await game.quit();
        } else {
            assert.equal((await game.exited).signal, 'SIGKILL');
        }
        await recorder.plugIn();
        game = new Game(t, recorder, dir);
        await game.tell('open given');
        await game.drained();
        if ((await game.ask('record')).consent === 2) {
            finished++;
            assert.deepEqual(recorder.events().map((e) => e.event_name), ['playtrace_consent']);
            assertNothingButTheDecision(dir, idsOf(recorder.events()[0]));
        } else {
            stood++; // killed before the decision was kept: the old one holds, whole
            assert.equal(recorder.events('level_end').length, 5);
            assert.equal(recorder.events('playtrace_consent').length, 0);
        }
        await game.quit();
        if (answer) {
            break;
        }
    }
    t.diagnostic(`${finished} finished, ${stood} stood`);
    assert.ok(finished >= 4 && stood >= 1);
});

test('the wall clock jumps a day between an event and its request: the event keeps its time', async (t) => {
    const { server, recorder, dir } = await setUp(t);
    const game = new Game(t, recorder, dir);
    await recorder.unplug();
    await game.tell('open given');
    for (const [name, jump] of [['behind', -86400], ['ahead', 86400], ['right', 0]]) {
        await game.tell(`jump ${jump}`);
        await game.tell(`track clock_${name}`);
    }
    await game.tell('sync');
    await recorder.plugIn();
    const began = Date.now();
    await game.tell('flush 10000');
    await game.quit();
    await server.checkpoint();
    const rows = await sql(server.dataDir, `select event_name, epoch_us(event_time)::bigint as t,
        coalesce(clock_skew_us, 0)::bigint as skew from events where event_name like 'clock_%' order by 1`);
    assert.deepEqual(rows.map((row) => row.event_name), ['clock_ahead', 'clock_behind', 'clock_right']);
    for (const row of rows) {
        const wanted = { clock_ahead: 86400, clock_behind: -86400, clock_right: 0 }[row.event_name];
        assert.ok(Math.abs(Number(row.t) / 1000 - began) < 600000, `${row.event_name} at ${row.t}`);
        assert.ok(Math.abs(Number(row.skew) / 1e6 - wanted) < 600, `${row.event_name}: skew ${row.skew}`);
    }
});
