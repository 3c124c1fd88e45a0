// damage.test.mjs - damaged and full disks: said, never skipped, and survived where that can be
//
// Method: let the program write, stop it, damage one thing by hand (docs/formats says where it is), and
// look at what `serve` and `audit` say.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import {
    Server, cli, cliOk, countRows, environment, event, events, freshDir, patience, program, root, sleep,
} from './support/server.mjs';

const segmentHeaderBytes = 4096;
const batchHeaderBytes = 104;

// A log's newest segment that holds a batch, and where its batches are (docs/formats/log.md).
function readLog(dir, room = 'log') {
    const logDir = path.join(dir, room);
    const names = fs.readdirSync(logDir).sort();
    for (const name of names.reverse()) {
        const file = path.join(logDir, name);
        const bytes = fs.readFileSync(file);
        if (bytes.subarray(0, 8).toString('latin1') !== 'PTLOGSEG') {
            continue;
        }
        const batches = [];
        let at = segmentHeaderBytes;
        const segmentId = bytes.subarray(32, 40);
        while (at + batchHeaderBytes < bytes.length &&
            bytes.subarray(at, at + 4).toString('latin1') === 'PTB1' &&
            bytes.subarray(at + 40, at + 48).equals(segmentId)) {
            const count = bytes.readUInt32LE(at + 4);
            const size = batchHeaderBytes + 4 * count + bytes.readUInt32LE(at + 8);
            const end = at + Math.ceil(size / 8) * 8;
            batches.push({ at, count, end, recordsAt: at + batchHeaderBytes + 4 * count });
            at = end;
        }
        if (batches.length > 0) {
            return { file, batches, end: at };
        }
    }
    throw new Error(`no segment with a batch in ${logDir}`);
}

function flipByte(file, at) {
    const fd = fs.openSync(file, 'r+');
    const byte = Buffer.alloc(1);
    fs.readSync(fd, byte, 0, 1, at);
    byte[0] ^= 0x40;
    fs.writeSync(fd, byte, 0, 1, at);
    fs.closeSync(fd);
}

function writeAt(file, at, bytes) {
    const fd = fs.openSync(file, 'r+');
    fs.writeSync(fd, bytes, 0, bytes.length, at);
    fs.closeSync(fd);
}

async function settledDir(t, batches = 3) {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    for (let i = 0; i < batches; i++) {
        assert.equal((await server.send([...events(20), event({ occurred_at: 'never' })])).status, 202);
    }
    assert.equal(await server.settle(20 * batches), 20 * batches);
    await server.stop();
    await cliOk(['audit', '--data', dir]);
    return dir;
}

test('a corrupt byte below the checkpoint is reported with its file, and never skipped', async (t) => {
    const dir = await settledDir(t);
    const log = readLog(dir);
    flipByte(log.file, log.batches.find((batch) => batch.count > 0).recordsAt + 5);

    const audit = await cli(['audit', '--data', dir]);
    assert.equal(audit.code, 1, audit.stdout);
    const said = audit.stdout + audit.stderr;
    assert.ok(said.includes(path.basename(log.file)), said);

    const serve = await cli(['serve', '--data', dir, '--listen', '127.0.0.1:0'], { timeoutMs: 15000 * patience });
    assert.equal(serve.code, 1, `it must not serve over a log that is damaged: ${serve.stderr}`);
    assert.ok(serve.stderr.includes(path.basename(log.file)), serve.stderr);
});

test('a torn write at the tail is cut, and nothing before it is touched', async (t) => {
    const dir = await settledDir(t);
    const log = readLog(dir);
    const last = log.batches.at(-1);
    const bytes = fs.readFileSync(log.file);
    // A batch whose header came to the disk, and whose records did not.
    const torn = Buffer.from(bytes.subarray(last.at, last.end));
    torn.fill(0, Math.min(torn.length - 1, batchHeaderBytes + 8));
    writeAt(log.file, log.end, torn);

    const server = await Server.forTest(t, dir);
    assert.equal((await server.send(events(7))).status, 202);
    assert.equal(await server.settle(67), 67);
    await server.stop();
    assert.deepEqual(await countRows(dir), { rows: 67, ids: 67 });
    await cliOk(['audit', '--data', dir]);
});

// Every file under `dir` whose path holds `part`.
function filesHolding(dir, part) {
    return fs.readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
        const full = path.join(dir, entry.name);
        return entry.isDirectory() ? filesHolding(full, part) : full.includes(part) ? [full] : [];
    });
}

const python = path.join(root, '.venv', 'bin', 'python');
const damager = path.join(root, 'tests', 'e2e', 'support', 'damage.py');

function damage(...args) {
    return execFileSync(fs.existsSync(python) ? python : 'python3', [damager, ...args]).toString().trim();
}

// A directory with several log segments, duplicates and dead letters, all of it in the table.
async function richDir(t) {
    const dir = freshDir(t);
    const env = { PLAYTRACE_LOG_SEGMENT_BYTES: String(1 << 20) };
    const server = await Server.forTest(t, dir, { env });
    const sent = [];
    for (let i = 0; i < 12; i++) {
        const batch = events(100, () => ({ attributes: { text: 'x'.repeat(2500) } }));
        sent.push(...batch);
        assert.equal((await server.send([...batch, event({ occurred_at: 'never' }), ...batch.slice(0, 5)])).status, 202);
        await server.checkpoint();
    }
    assert.equal(await server.settle(1200), 1200);
    await server.stop();
    await cliOk(['audit', '--data', dir]);
    return { dir, sent };
}

test('audit notices each planted fault, names it, and balances again when it is mended', async (t) => {
    const { dir, sent } = await richDir(t);
    const dlqBatch = () => {
        const { file, batches } = readLog(dir, 'dlq');
        return { file, at: batches.find((batch) => batch.count > 0).recordsAt + 3 };
    };
    const newest = (part) => filesHolding(dir, part).sort().at(-1);
    const segments = filesHolding(dir, path.join('log', 'segment-')).sort();
    assert.ok(segments.length >= 3, segments.join());
    const hasArrow = fs.existsSync(python);
    // What the table's current snapshot names: the others are history.
    const metadataDir = path.join(dir, 'lake', 'events', 'metadata');
    const versions = fs.readdirSync(metadataDir).map((name) => Number(/^v(\d+)\.metadata\.json$/.exec(name)?.[1] ?? 0));
    const metadata = JSON.parse(fs.readFileSync(path.join(metadataDir, `v${Math.max(...versions)}.metadata.json`)));
    const current = metadata.snapshots.find((one) => one['snapshot-id'] === metadata['current-snapshot-id']) ??
        metadata.snapshots.at(-1); // the id is beyond a double's digits
    const list = new URL(current['manifest-list']).pathname;
    const manifest = list.replace('snap-', 'manifest-');
    const ids = new Set(sent.map((one) => one.event_id));
    // What is damaged, the files, how, and what must be said beside the file's name.
    const faults = [
        ['a data file is gone', [newest('.parquet')], (file) => fs.rmSync(file), /(missing|gone|not there)[^]*in the log, but no row: [0-9a-f-]{36} \(offset \d+\)/],
        ['a data file is cut', [newest('.parquet')], (file) => fs.truncateSync(file, fs.statSync(file).size - 9), /bytes/],
        ['a data file is emptied', [newest('.parquet')], (file) => fs.truncateSync(file, 0), /0 bytes/],
        ['a byte of a data file is changed', [newest('.parquet')], (file) => flipByte(file, fs.statSync(file).size >> 1), /not those that were written/],
        ['a byte in a log segment is changed', [segments[1]], (file) => flipByte(file, 300000), /is damaged/],
        ['a log segment is gone', [segments[1]], (file) => fs.rmSync(file), /segment-0{19}1\.log is missing/],
        ['two log segments are exchanged', segments.slice(0, 2), (a, b) => {
            fs.renameSync(a, `${a}.x`);
            fs.renameSync(b, a);
            fs.renameSync(`${a}.x`, b);
        }, /the header is that of segment/],
        ['an id run is damaged', [newest('.ids')], (file) => flipByte(file, fs.statSync(file).size - 3), /id run/],
        ['an id run is gone', [newest('.ids')], (file) => fs.rmSync(file), /which checkpoint \d+ names, is missing/],
        ['a checkpoint is damaged', [newest('checkpoint-')], (file) => flipByte(file, 20), /is not whole/],
        ['a dead letter is damaged', [dlqBatch().file], (file) => flipByte(file, dlqBatch().at), /damaged/],
        ['the dead letters are gone', [dlqBatch().file], (file) => fs.rmSync(file), /the log counts 12/],
        ['a manifest is damaged', [manifest], (file) => flipByte(file, fs.statSync(file).size >> 1), /./],
        ['a manifest list is damaged', [list], (file) => flipByte(file, fs.statSync(file).size >> 1), /./],
        ['a manifest is cut', [manifest], (file) => fs.truncateSync(file, fs.statSync(file).size >> 1), /Avro/],
        ['a manifest is gone', [manifest], (file) => fs.rmSync(file), /./],
        ['a checkpoint counts a row more', [newest('checkpoint-')], (file) => damage('edit', file, '"stored":1200,', '"stored":1201,'), /the checkpoint 1201/],
        ['a checkpoint counts a duplicate less', [newest('checkpoint-')], (file) => damage('edit', file, '"duplicates":60,', '"duplicates":59,'), /checkpoint counts 59/],
        ['a checkpoint has read less', [newest('checkpoint-')], (file) => damage('edit', file, '"log_offset":1260,', '"log_offset":1259,'), /accepted = stored/],
        ['a checkpoint counts late rows', [newest('checkpoint-')], (file) => damage('edit', file, '"late":0,', '"late":7,'), /the checkpoint says 7/],
        ['a minute of the ledger is edited', [newest('checkpoint-')], (file) => {
            // [minute, received, dead_lettered, accepted, stored, duplicate, late]
            const text = fs.readFileSync(file, 'utf8');
            const [whole, minute, received, dead, accepted, stored, duplicate] =
                /\[(2\d{7}),(\d+),(\d+),(\d+),(\d+),(\d+),\d+\]/.exec(text.slice(text.indexOf('"ledger"')));
            damage('edit', file, whole.replace('[', '\\['),
                `[${minute},${received},${dead},${accepted},${stored - 1},${Number(duplicate) + 1},0]`);
        }, /minute \d{4}-\d\d-\d\dT\d\d:\d\dZ: the ledger has \d+ accepted/],
    ];
    if (hasArrow) {
        const named = (pattern) => (said, id) => {
            assert.ok(ids.has(id), id);
            assert.match(said, new RegExp(`${pattern} ${id}`));
        };
        faults.push(
            ['a row is gone', [newest('.parquet')], (file) => damage('drop-row', file), named('in the log, but no row:')],
            ['a row is doubled', [newest('.parquet')], (file) => damage('double-row', file), named('more than one row:')],
            ['a value is changed', [newest('.parquet')], (file) => damage('change-value', file), /not those that were written/],
        );
    } else {
        t.diagnostic('there is no .venv: rows were not taken out of Parquet files');
    }
    const kept = freshDir(t);
    for (const [what, files, breakIt, expected] of faults) {
        await t.test(what, async () => {
            files.forEach((file, at) => {
                assert.ok(file, 'the file to damage is there');
                fs.copyFileSync(file, path.join(kept, String(at)));
            });
            const told = breakIt(...files);
            const audit = await cli(['audit', '--data', dir]);
            const said = audit.stdout + audit.stderr;
            files.forEach((file, at) => fs.copyFileSync(path.join(kept, String(at)), file));
            assert.equal(audit.code, 1, said);
            // What a sound checksum hides is found by counting, and the count is named.
            if (!/counts|has read|minute/.test(what)) {
                assert.ok(files.some((file) => said.includes(path.basename(file)) || said.includes(path.dirname(file))), said);
            }
            if (expected instanceof RegExp) {
                assert.match(said, expected);
            } else {
                expected(said, told);
            }
            await cliOk(['audit', '--data', dir]);
        });
    }
});

test('a table one commit behind its checkpoint balances, and not without the files of that commit', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const metadata = path.join(dir, 'lake', 'events', 'metadata');
    await server.send(events(20));
    await server.checkpoint();
    fs.cpSync(metadata, `${metadata}.before`, { recursive: true });
    await server.send(events(30));
    await server.checkpoint();
    await server.kill();
    // As a crash between the two leaves it: the checkpoint is there, the commit of its files is not.
    fs.rmSync(metadata, { recursive: true });
    fs.renameSync(`${metadata}.before`, metadata);
    assert.deepEqual(await countRows(dir), { rows: 20, ids: 20 });

    const audit = await cliOk(['audit', '--data', dir]);
    assert.match(audit.stdout, /and the table agree, with 1 files \(30 rows\) that the next start commits/);
    assert.match(audit.stdout, /50 rows; the snapshot says 50, the checkpoint 50/);
    const place = path.join(freshDir(t), 'b');
    const restored = path.join(path.dirname(place), 'r');
    await cliOk(['backup', place, '--data', dir]);
    await cliOk(['restore', place, '--data', restored]);
    await cliOk(['audit', '--data', restored]);

    const newest = filesHolding(dir, '.parquet').find((name) => /ckpt-0*2\./.test(name));
    fs.renameSync(newest, `${newest}.away`);
    const without = await cli(['audit', '--data', dir]);
    assert.equal(without.code, 1);
    assert.ok(without.stdout.includes(`${newest}, which checkpoint 2 adds to the table, is missing`), without.stdout);
    assert.match(without.stdout, /in the log, but no row:/);
    fs.renameSync(`${newest}.away`, newest);

    for (const place of [dir, restored]) {
        await (await Server.forTest(t, place)).stop();
        assert.deepEqual(await countRows(place), { rows: 50, ids: 50 });
        await cliOk(['audit', '--data', place]);
    }
});

test('audit says how far back it could recount', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, {
        env: {
            PLAYTRACE_LOG_SEGMENT_BYTES: String(1 << 20),
            PLAYTRACE_LOG_RETENTION_BYTES: '0',
        },
    });
    for (let i = 0; i < 12; i++) {
        const batch = events(100, () => ({ attributes: { text: 'x'.repeat(2500) } }));
        assert.equal((await server.send(batch)).status, 202);
        await server.checkpoint();
    }
    await server.stop();
    const audit = await cliOk(['audit', '--data', dir]);
    assert.match(audit.stdout, /recounted from the log: offsets [1-9]\d* to 1200/);
    assert.match(audit.stdout, /before that, from rows and the checkpoint's sums alone/);
    assert.match(audit.stdout, /every row received since the log begins is an event of the log/);
    const json = JSON.parse((await cliOk(['audit', '--data', dir, '--format', 'json'])).stdout);
    assert.ok(json.balanced && json.log_start > 0 && json.log_start_at && json.stored === 1200, JSON.stringify(json));
});

// The most memory that the command had resident, in MiB; it must succeed.
async function peakOf(args) {
    const child = spawn(program, args, { env: environment(), stdio: 'ignore' });
    const exited = new Promise((resolve) => child.on('close', resolve));
    let peak = 0;
    let isOver = false;
    exited.then(() => (isOver = true));
    while (!isOver) {
        try {
            const status = fs.readFileSync(`/proc/${child.pid}/status`, 'utf8');
            peak = Math.max(peak, Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1024);
        } catch {
            // it has just ended
        }
        await sleep(5);
    }
    assert.equal(await exited, 0, args.join(' '));
    return peak;
}

// AUDIT_PLAYERS=16500,82500 is 1 million and 5 million events.
test('audit needs no more memory for more events', async (t) => {
    if (patience > 1) {
        t.skip('a sanitizer has a memory of its own');
        return;
    }
    const players = (process.env.AUDIT_PLAYERS ?? '600,3000').split(',');
    const peaks = [];
    for (const count of players) {
        const dir = freshDir(t);
        const server = await Server.forTest(t, dir);
        await cliOk(['simulate', '--url', server.url, '--players', count, '--seed', '7', '--checkpoint'], { timeoutMs: 3600e3 });
        await server.stop();
        peaks.push(await peakOf(['audit', '--data', dir]));
        t.diagnostic(`${count} players: ${(await countRows(dir)).rows} rows, ${Math.round(peaks.at(-1))} MiB`);
    }
    assert.ok(peaks.every((peak) => peak < 400), peaks.join(', '));
    assert.ok(peaks[1] < peaks[0] + 150, peaks.join(', '));
});

test('a full disk is 507, and the service recovers when there is space again', async (t) => {
    if (process.getuid() !== 0) {
        t.skip('only root may mount a small file system');
        return;
    }
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'playtrace-e2e-'));
    try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', dir], { stdio: 'pipe' });
    } catch (error) {
        fs.rmdirSync(dir);
        t.skip(`no small file system can be mounted here: ${String(error.stderr).trim()}`);
        return;
    }
    t.after(() => {
        execFileSync('umount', ['-l', dir]);
        fs.rmdirSync(dir);
    });
    const server = await Server.forTest(t, path.join(dir, 'data'), {
        env: {
            PLAYTRACE_LOG_SEGMENT_BYTES: String(1 << 20),
            PLAYTRACE_LOG_FREE_BYTES_MIN: String(8 << 20),
            PLAYTRACE_STREAM_CHECKPOINT_MS: '200',
        },
    });
    const acked = new Set();
    const send = async () => {
        const batch = events(200);
        const answer = await server.send(batch);
        if (answer.status === 202) {
            batch.forEach((one) => acked.add(one.event_id));
        }
        return answer;
    };
    assert.equal((await send()).status, 202);

    const ballast = path.join(dir, 'ballast');
    const fd = fs.openSync(ballast, 'w');
    const block = Buffer.alloc(256 << 10, 0xa5);
    try {
        for (;;) {
            fs.writeSync(fd, block);
        }
    } catch (error) {
        assert.equal(error.code, 'ENOSPC');
    }
    fs.closeSync(fd);

    let answer = { status: 202 };
    for (let i = 0; i < 100 && answer.status === 202; i++) {
        answer = await send();
    }
    assert.equal(answer.status, 507, answer.text);
    assert.ok(answer.json.code && answer.json.detail, answer.text);
    assert.equal((await server.get('/healthz')).status, 200, 'it lives');
    assert.equal((await server.get('/readyz')).status, 503, 'and says that it takes no events');
    await sleep(500);

    fs.rmSync(ballast);
    const until = Date.now() + 15000 * patience;
    do {
        await sleep(100);
        answer = await send();
    } while (answer.status !== 202 && Date.now() < until);
    assert.equal(answer.status, 202, answer.text);
    assert.equal((await server.get('/readyz')).status, 200);
    assert.equal(await server.settle(acked.size), acked.size);
    await server.stop();
    assert.deepEqual(await countRows(path.join(dir, 'data')), { rows: acked.size, ids: acked.size });
    await cliOk(['audit', '--data', path.join(dir, 'data')]);
});

test('an empty or foreign directory is told apart from a damaged one', async (t) => {
    const dir = freshDir(t);
    const empty = await cli(['audit', '--data', path.join(dir, 'nowhere')]);
    assert.notEqual(empty.code, 0);
    assert.match(empty.stderr, /^playtrace: /);
});
