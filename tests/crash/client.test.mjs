// client.test.mjs - the game is killed: what playtrace_sync() confirmed is in the table, once
//
// Method: client_player.c runs the real client against the real collector and prints the ids that the
// sync point confirmed. It is killed (1) at each of its calls that change a file or send something, in
// turn, before it, half way, and after it; (2) by SIGKILL at random moments, many lives in one queue
// directory, so that each life begins with what the last one left. Every other directory is sealed by a
// key. Then one life delivers the rest, and the table is asked: each confirmed event is there, and no
// event twice.
//
// PT_KILLS=n kills at random moments (500); PT_SEED=n repeats the moments of a run that failed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, environment, freshDir, patience, program, sql, until } from '../e2e/support/server.mjs';
import { makeRandom, seed } from './random.mjs';

const player = process.env.PT_PLAYER ?? path.join(path.dirname(program), 'tests', 'client_player');
const kills = Number(process.env.PT_KILLS ?? 500);
const lanes = 4; // queue directories that are worked on side by side
const sweepEvents = 40;

// One life of the game: { ids, delivered, signal }. `killAfterMs` counts from its start, or, where
// `isKilledPlaying`, from the first sync point.
function live(server, dir, events, { env = {}, paceUs = 0, killAfterMs, isKilledPlaying, isSealed, end } = {}) {
    return new Promise((resolve, reject) => {
        const child = spawn(player, [server.url, dir, String(events), String(paceUs)],
            { env: environment({ ...env, ...(isSealed ? { SEALED: '1' } : {}) }), stdio: ['ignore', 'pipe', 'pipe'] });
        const startTimer = () => setTimeout(() => child.kill('SIGKILL'), killAfterMs);
        let timer = killAfterMs !== undefined && !isKilledPlaying ? startTimer() : undefined;
        let stdout = '';
        let stderr = '';
        child.stdout.on('data', (chunk) => {
            stdout += chunk;
            if (isKilledPlaying) {
                timer ??= startTimer();
            }
        });
        child.stderr.on('data', (chunk) => (stderr += chunk));
        end?.addEventListener('abort', () => child.kill('SIGKILL'));
        child.on('error', reject);
        child.on('close', (code, signal) => {
            clearTimeout(timer);
            if (code !== 0 && signal !== 'SIGKILL') {
                reject(new Error(`the game ended with ${code ?? signal}: ${stderr}`));
                return;
            }
            resolve({
                ids: [...stdout.matchAll(/^synced (\S{36})$/gm)].map((line) => line[1]),
                delivered: /^delivered (\d+)$/m.exec(stdout)?.[1],
                signal,
            });
        });
    });
}

// The last life, which nobody kills.
async function deliver(server, dir, isSealed) {
    const { delivered } = await live(server, dir, 0, { isSealed });
    assert.ok(delivered, 'all is delivered in the end');
    assert.deepEqual(fs.readdirSync(dir).filter((name) => name.endsWith('.log')), [], 'the queue is empty');
}

async function checkTable(t, server, confirmed) {
    const rows = await server.settle(confirmed.length);
    const found = await sql(server.dataDir, 'select event_id::varchar as id, count(*) as n from events group by 1');
    const there = new Set(found.map((row) => row.id));
    const lost = confirmed.filter((id) => !there.has(id));
    const twice = found.filter((row) => Number(row.n) !== 1).map((row) => row.id);

    const metrics = (await server.get('/metrics')).text;
    const repeats = /^playtrace_stream_duplicates_total\S* (\d+)/m.exec(metrics)?.[1];
    t.diagnostic(`${confirmed.length} confirmed, ${rows} rows, ${repeats ?? '?'} came again and were dropped`);
    assert.deepEqual(lost.slice(0, 5), [], `${lost.length} confirmed events are lost`);
    assert.deepEqual(twice.slice(0, 5), [], `${twice.length} events are there twice`);
}

// Run `one` for each of `items`, `lanes` at a time.
async function sideBySide(items, one) {
    const left = [...items];
    await Promise.all(Array.from({ length: lanes }, async (_, lane) => {
        for (let item = left.shift(); item !== undefined; item = left.shift()) {
            await one(item, lane);
        }
    }));
}

// Queue directories stand in memory where that can be: a kill of the process takes nothing of it.
function queueRoot(t) {
    if (!fs.existsSync('/dev/shm')) {
        return freshDir(t);
    }
    const dir = fs.mkdtempSync('/dev/shm/playtrace-client-');
    t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
    return dir;
}

test('killed at each call that changes something, in turn', { timeout: 600000 * patience }, async (t) => {
    const root = queueRoot(t);
    const server = await Server.forTest(t, path.join(freshDir(t), 'data'));
    const { delivered } = await live(server, path.join(root, 'whole'), sweepEvents);
    const confirmed = [];
    let killed = 0;
    let calls = Number(delivered);

    assert.ok(calls > 30, `a run worth killing: ${calls} calls`);
    calls += 10; // threads take other turns in other runs
    const places = Array.from({ length: calls * 3 }, (_, i) => ({ at: Math.floor(i / 3) + 1, how: i % 3 }));
    await sideBySide(places, async ({ at, how }) => {
        const dir = path.join(root, `${at}-${how}`);
        const isSealed = at % 2 === 1;
        const env = { KILL_AT: String(at), KILL_HOW: String(how) };
        const life = await live(server, dir, sweepEvents, { env, isSealed });

        killed += life.signal === 'SIGKILL' ? 1 : 0;
        confirmed.push(...life.ids);
        await deliver(server, dir, isSealed);
        fs.rmSync(dir, { recursive: true });
    });
    t.diagnostic(`${killed} kills at ${calls} calls`);
    assert.ok(killed > (calls - 10) * 2, `${killed} kills`);
    assert.ok(confirmed.length > killed, 'the sync point confirmed something');
    await checkTable(t, server, confirmed);
    await server.stop();
});

test('of two games on one queue the second is told so', { timeout: 120000 * patience }, async (t) => {
    const dir = path.join(queueRoot(t), 'queue');
    const server = await Server.forTest(t, path.join(freshDir(t), 'data'));
    const playing = new AbortController();
    const first = live(server, dir, 100000, { paceUs: 1000, end: playing.signal });
    await until('the first game', () => fs.existsSync(path.join(dir, 'state')));
    await assert.rejects(live(server, dir, 10), /open: BUSY/);
    await until('a sync point', () => fs.readdirSync(dir).some((name) => name.endsWith('.log')));
    playing.abort();
    const { ids } = await first;
    await deliver(server, dir);
    await checkTable(t, server, ids);
    await server.stop();
});

test(`killed at ${kills} random moments`, { timeout: (60000 + kills * 1000) * patience }, async (t) => {
    console.log(`seed ${seed} (PT_SEED=${seed} replays it)`);
    const root = queueRoot(t);
    const server = await Server.forTest(t, path.join(freshDir(t), 'data'),
        { env: { PLAYTRACE_STREAM_CHECKPOINT_MS: '200' } });
    const random = makeRandom(seed);
    const confirmed = [];
    let killed = 0;
    let lives = 0;

    await sideBySide(Array.from({ length: lanes }, (_, lane) => lane), async (lane) => {
        const dir = path.join(root, `lane-${lane}`);
        while (killed < kills) {
            lives++;
            // Two in three while it plays; the others while it starts and recovers.
            const isKilledPlaying = random() < 0.67;
            const killAfterMs = random() * (isKilledPlaying ? 120 : 20) * patience;
            const life = await live(server, dir, 100000,
                { paceUs: 1000, killAfterMs, isKilledPlaying, isSealed: lane % 2 === 1 });
            killed += life.signal === 'SIGKILL' ? 1 : 0;
            confirmed.push(...life.ids);
        }
        await deliver(server, dir, lane % 2 === 1);
    });
    t.diagnostic(`${killed} kills in ${lives} lives`);
    assert.ok(confirmed.length > kills, 'the sync point confirmed something');
    await checkTable(t, server, confirmed);
    await server.stop();
});
