// run.mjs - what the SDK costs a game, beside a list in a JSON file and SQLite, in the same run
//
//     node bench/client/run.mjs [track] [queue] [memory] [wire] [flags] [size]     (default: all)
//
// ROUNDS (5) sets how long it takes. Prints one table and leaves every value in build/bench/client.json
// and client.csv.
import fs from 'node:fs';
import path from 'node:path';
import { finish, median, printHeader, program, report, root, rounds, run, runSections, work } from '../support/measure.mjs';

const extra = { track: [], queue: [], memory: [], wire: [], flags: [] };

// The program's section, run after run: each one's lines by section and way.
async function roundsOf(section) {
    const list = [];

    for (let round = 0; round < rounds; round++) {
        const text = await run(program('bench_sdk'), [section, path.join(work, section)]);
        list.push(Object.fromEntries(text.trim().split('\n').map((line) => JSON.parse(line))
            .map((line) => [line.way ? `${line.section} ${line.way}` : line.section, line])));
    }
    extra[section] = list;
    return list;
}

const pairs = (list, figure, stick) => list.map((round) => [figure(round), stick(round)]);

async function track() {
    const list = await roundsOf('track');
    const ours = (of) => (round) => round['track playtrace'][of];
    report('track', 'track(), 6 attributes, median', 'us CPU', pairs(list, ours('p50_us'), () => 1), '1 us', 1, true);
    report('track', 'track(), 6 attributes, p99', 'us CPU', pairs(list, ours('p99_us'), () => 5), '5 us', 1, true);
    report('track', '  allocations in 40,000 calls, and one', 'calls', pairs(list, (round) => ours('allocations')(round) + 1, () => 1),
        'none', 1, true);
    for (const way of ['list', 'sqlite']) {
        report('track', `  median beside ${way}`, 'us CPU', pairs(list, ours('p50_us'), (round) => round[`track ${way}`].p50_us), way, null, true);
    }
}

async function queue() {
    const list = await roundsOf('queue');
    const tenths = (way) => (round) => round[`queue ${way}`].tenths_us;
    for (const way of ['playtrace', 'list', 'sqlite']) {
        report('queue', `append offline, last tenth beside first: ${way}`, 'us CPU/event',
            pairs(list, (round) => tenths(way)(round).at(-1), (round) => tenths(way)(round)[0]), 'its first tenth',
            way === 'playtrace' ? 1.2 : null, true);
    }
    for (const way of ['list', 'sqlite']) {
        report('queue', `  append beside ${way}, median tenth`, 'us CPU/event',
            pairs(list, (round) => median(tenths('playtrace')(round)), (round) => median(tenths(way)(round))), way, null, true);
    }
    report('queue', 'open with recovery of 100,000 events', 'ms CPU',
        pairs(list, (round) => round['open playtrace'].cpu_ms, () => 100), '100 ms', 1, true);
}

async function memory() {
    const list = await roundsOf('memory');
    const mib = (of) => (round) => round.memory[of] / 1024;
    report('memory', 'resident, queue empty', 'MiB', pairs(list, mib('opened_kb'), () => 2), '2 MiB', 1, true);
    report('memory', 'the same after a request, private', 'MiB', pairs(list, mib('request_private_kb'), () => 2), '2 MiB', 1, true);
    report('memory', '  with pages of libcurl and OpenSSL, shared', 'MiB', pairs(list, mib('request_kb'), () => 2), '2 MiB', null, true);
}

async function wire() {
    const list = await roundsOf('wire');
    for (const events of [100, 10]) {
        const of = (name) => (round) => round[`wire ${events}`][name];
        report('wire', `bytes an event, batches of ${events}, gzip beside plain`, 'bytes',
            pairs(list, of('packed_bytes'), of('plain_bytes')), 'plain', null, true);
        report('wire', '  beside zstd, level 1', 'bytes', pairs(list, of('packed_bytes'), of('zstd_bytes')), 'zstd', null, true);
        report('wire', '  packing, CPU beside zstd', 'us CPU/event', pairs(list, of('pack_us'), of('zstd_us')), 'zstd', null, true);
        report('wire', '  signing, CPU beside packing', 'us CPU/event', pairs(list, of('sign_us'), of('pack_us')), 'packing', null, true);
    }
}

async function flags() {
    const list = await roundsOf('flags');
    for (const way of ['bool', 'int', 'double', 'string', 'absent']) {
        const of = (name) => (round) => round[`flags ${way}`][name];
        report('flags', `a getter of 100 flags: ${way}, median`, 'us CPU', pairs(list, of('p50_us'), () => 1), '1 us', 1, true);
        report('flags', '  allocations in 200,000 calls, and one', 'calls', pairs(list, (round) => of('allocations')(round) + 1, () => 1),
            'none', 1, true);
    }
    report('flags', 'resident, with 100 flags', 'MiB', pairs(list, (round) => round['flags resident'].bytes / 2 ** 20, () => 2), '2 MiB', 1, true);
}

// The core alone, as a game links it: one object, symbols and debugging stripped.
async function size() {
    const dir = path.join(work, 'core');
    const sources = ['client/core', 'src/wire'].flatMap((folder) => fs.readdirSync(path.join(root, folder))
        .filter((file) => file.endsWith('.c')).map((file) => path.join(root, folder, file)));

    fs.mkdirSync(dir, { recursive: true });
    await run('gcc', ['-std=c99', '-O2', '-ffunction-sections', '-Isrc', '-Iclient', '-Iclient/include', '-DPT_VERSION="0"',
        '-r', '-nostdlib', '-o', path.join(dir, 'core.o'), ...sources], { cwd: root });
    await run('strip', ['--strip-unneeded', path.join(dir, 'core.o')]);
    const [text, data] = (await run('size', [path.join(dir, 'core.o')])).trim().split('\n').at(-1).trim().split(/\s+/).map(Number);
    report('size', 'the core\'s code and data, stripped', 'KB', [[(text + data) / 1000, 120]], '120 KB', 1, true);
}

fs.mkdirSync(work, { recursive: true });
printHeader();
await runSections({ track, queue, memory, wire, flags, size }, process.argv.slice(2));
finish('client', extra);
