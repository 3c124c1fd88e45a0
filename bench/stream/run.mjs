// run.mjs - what the way from the log to the table costs, each figure beside a yardstick of the same run
//
//     node bench/stream/run.mjs [table] [compact] [path] [recovery] [memory] [dedup] [growth]     (default: all)
//
// ROUNDS (5) and GROWTH_EVENTS (100,000,000) set how long it takes. Prints one table and leaves every value
// in build/bench/stream.json and stream.csv, and the plot of growth in build/bench/growth.svg.
import fs from 'node:fs';
import path from 'node:path';
import { bin, cpuSeconds, finish, printHeader, program, report, residentBytes, root, rounds, run, runSections,
    skip, sleep, start, stop, work } from '../support/measure.mjs';
import { growthPlot } from './plot.mjs';

const playtrace = path.join(root, 'build', 'playtrace');
const million = 1e6;
const growthEvents = Number(process.env.GROWTH_EVENTS ?? 100 * million);
const extra = {};

function freshDir(name) {
    const dir = path.join(work, name);
    fs.rmSync(dir, { recursive: true, force: true });
    fs.mkdirSync(dir, { recursive: true });
    return dir;
}

const lines = (text) => text.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
const pairs = (rows, ours, theirs) => rows.map((row) => [row[ours], row[theirs]]);

// ---- in process --------------------------------------------------------------

async function table() {
    const dir = freshDir('table');
    const result = lines(await run(program('bench_engine'), ['table', dir, String(million), String(rounds)]));
    report('table', 'log to table, dedup and snapshots with it', 'CPU ns/event', pairs(result, 'cpu_ns', 'copy_cpu_ns'),
        'DuckDB COPY, same rows', 1.4, true);
    report('table', 'Parquet, a file a checkpoint', 'bytes/event', pairs(result, 'bytes', 'copy_bytes'),
        'DuckDB COPY, one file', 1.05, true);
    extra.table = result;
    fs.rmSync(dir, { recursive: true });
}

async function compact() {
    extra.compact = [];
    for (const [players, goal] of [[20000, 0.95], [200000, null]]) {
        const dir = freshDir('compact');
        const result = lines(await run(program('bench_engine'), ['compact', dir, String(million), String(players)]));
        const perPlayer = million / players;
        report('compact', `Parquet, compacted, ${perPlayer} events a player`, 'bytes/event',
            pairs(result, 'compacted_bytes', 'copy_bytes'), 'DuckDB COPY, one file', goal, true);
        report('compact', '  CPU of compacting', 'CPU ns/event', pairs(result, 'cpu_ns', 'copy_cpu_ns'),
            'DuckDB COPY, same rows', null, true);
        extra.compact.push(...result);
        fs.rmSync(dir, { recursive: true });
    }
}

async function dedup() {
    const dir = freshDir('dedup');
    const result = lines(await run(program('bench_dedup'), [dir, String(growthEvents), String(rounds)]));
    extra.dedup = result;
    for (const kind of ['v7', 'v4']) {
        const turns = result.filter((line) => line.ids === kind && line.round);
        const state = result.filter((line) => line.ids === kind && line.state_ids).at(-1);
        const name = `${growthEvents / million} M ids of version ${kind.slice(1)}`;
        if (turns[0].yardstick_cpu_ns > 0) {
            report('dedup', `a new id, persisted, beside ${name}`, 'CPU ns/id',
                pairs(turns, 'large_cpu_ns', 'yardstick_cpu_ns'), 'sorted SST file', 1, true);
        } else {
            skip('dedup', 'the yardstick needs librocksdb (tools/setup.sh bench)');
        }
        report('dedup', '  the same beside 1 % as many', 'CPU ns/id', pairs(turns, 'large_cpu_ns', 'small_cpu_ns'),
            'a small state', 1.5, true);
        report('dedup', '  resident', 'MB', [[state.resident_mib * 1.048576, 1500]], '1.5 GB', 1, true);
        report('dedup', '  on disk', 'bytes/id', [[state.disk_bytes_an_id, 20]], '20 bytes', 1, true);
    }
    fs.rmSync(dir, { recursive: true });
}

// ---- the server --------------------------------------------------------------

function serve(dir, settings = {}) {
    return start(playtrace, ['serve', '--data', dir, '--listen', '127.0.0.1:0'], undefined,
        { ...process.env, PLAYTRACE_OBSERVE_LOG_LEVEL: 'warn', ...settings });
}

async function kill(server) {
    server.kill('SIGKILL');
    await server.gone;
}

async function checkpoint(server) {
    const answer = await fetch(`http://127.0.0.1:${server.port}/api/v1/checkpoint`, { method: 'POST' });
    const body = await answer.json();
    if (answer.status !== 200) {
        throw new Error(`checkpoint: ${JSON.stringify(body)}`);
    }
    return body;
}

async function metric(server, name) {
    const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)[1]);
}

async function send(server, events, seed) {
    return lines(await run(program('bench_send'), [server.port, events, seed].map(String)))[0];
}

async function wholePath() {
    const events = 400000;
    const dir = freshDir('path');
    const server = await serve(dir);
    const result = [];
    let stored = 0;

    for (let round = -1; round < rounds; round++) { // the first warms up
        const before = cpuSeconds(server.pid);
        const sent = await send(server, events, round + 2);
        const { stored: now } = await checkpoint(server);
        const cpu = (cpuSeconds(server.pid) - before) / sent.events * 1e9;
        if (now - stored !== sent.events) {
            throw new Error(`${now - stored} of ${sent.events} events are in the table`);
        }
        stored = now;
        if (round >= 0) {
            result.push({ ...sent, cpu_ns: cpu });
        }
    }
    report('path', 'HTTP (100 events a body) to table, durable', 'CPU ns/event', pairs(result, 'cpu_ns', 'parse_ns'),
        'simdjson parse', 16, true);
    extra.path = result;
    await stop(server);
    fs.rmSync(dir, { recursive: true });
}

// Until the table has `stored` events more than at the start; [events, seconds, CPU seconds] from `skipped` on.
async function follow(server, from, to) {
    let stored = 0;
    let first = null;

    while (stored < to) {
        await sleep(100);
        stored = await metric(server, 'playtrace_stream_stored_total');
        if (!first && stored >= from) {
            first = { stored, wall: performance.now(), cpu: cpuSeconds(server.pid) };
        }
    }
    return {
        events: stored - first.stored,
        seconds: (performance.now() - first.wall) / 1e3,
        cpu: cpuSeconds(server.pid) - first.cpu,
    };
}

async function firstReceipt(server) {
    const body = JSON.stringify({ events: [{ event_id: crypto.randomUUID(), event_name: 'ping', user_id: 'u', session_id: 's',
        occurred_at: new Date().toISOString() }] });
    const answer = await fetch(`http://127.0.0.1:${server.port}/v1/events`,
        { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    if (answer.status !== 202) {
        throw new Error(`the server answers ${answer.status}`);
    }
}

// A log that nobody has read; the engine reads 3 M of it in peace, then the server is killed with 10 M unread.
async function recovery() {
    const peace = 3 * million;
    const unread = 10 * million;
    const dir = freshDir('recovery');
    let server = await serve(dir); // makes the keys
    await stop(server);
    await run(program('bench_engine'), ['fill', dir, String(peace + unread)]);
    server = await serve(dir);
    const normal = await follow(server, 0.5 * million, peace);
    await kill(server);
    const started = performance.now();
    server = await serve(dir);
    await firstReceipt(server);
    const accepting = (performance.now() - started) / 1e3;
    const caught = await follow(server, 1, unread - million);
    await stop(server);
    const rate = (part) => part.events / part.seconds;
    report('recovery', 'kill -9, 10 M unread: until events are accepted', 's', [[accepting, 2]], '2 s', 1, true);
    report('recovery', '  catching up', 'events/s', [[rate(caught), rate(normal)]], 'before the kill', 0.8, false);
    report('recovery', '  CPU of catching up', 'CPU ns/event', [[caught.cpu / caught.events * 1e9,
        normal.cpu / normal.events * 1e9]], 'before the kill', null, true);
    extra.recovery = { accepting, normal, caught };
    fs.rmSync(dir, { recursive: true });
}

async function memory() {
    const dir = freshDir('memory');
    const server = await serve(dir);
    await sleep(3000);
    const atStart = residentBytes(server.pid) / 1e6;
    await send(server, 2 * million, 3);
    await checkpoint(server);
    const peak = Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${server.pid}/status`, 'utf8'))[1]) * 1024 / 1e6;
    await sleep(15000);
    const atRest = residentBytes(server.pid) / 1e6;
    await stop(server);
    report('memory', 'resident after the start', 'MB', [[atStart, 150]], '150 MB', 1, true);
    report('memory', 'resident at rest after 2 M events', 'MB', [[atRest, 150]], '150 MB', 1, true);
    report('memory', 'the most while 2 M events came at full speed', 'MB', [[peak, atStart]], 'after the start', null, true);
    fs.rmSync(dir, { recursive: true });
}

// ---- growth ------------------------------------------------------------------

async function growth() {
    const dir = freshDir('growth');
    const result = lines(await run(program('bench_engine'), ['growth', dir, String(growthEvents)]));
    extra.growth = result;
    console.log('   events     CPU ns/event   resident MB   state bytes/event   table bytes/event');
    for (const row of result) {
        console.log(`   ${(row.events / million).toFixed(0).padStart(4)} M ${row.cpu_ns.toFixed(0).padStart(16)} `
            + `${(row.resident_bytes / 1e6).toFixed(0).padStart(13)} ${(row.state_bytes / row.events).toFixed(1).padStart(19)} `
            + `${(row.lake_bytes / row.events).toFixed(1).padStart(19)}`);
    }
    report('growth', `CPU of an event, at ${growthEvents / million} M events`, 'CPU ns/event',
        [[result.at(-1).cpu_ns, result[0].cpu_ns]], 'at 1 M', null, true);
    fs.writeFileSync(path.join(bin, 'growth.svg'), growthPlot(result));
    fs.rmSync(dir, { recursive: true });
}

fs.mkdirSync(work, { recursive: true });
printHeader();
await runSections({ table, compact, path: wholePath, recovery, memory, dedup, growth }, process.argv.slice(2));
finish('stream', { extra });
