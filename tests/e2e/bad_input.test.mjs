// bad_input.test.mjs - clocks, ages and files that nobody hopes for: each has its documented answer
//
// docs/bad-input.md is the table of answers; each test here holds the program to one row of it. (Edges of the
// dedup window and a state of a newer version need a clock and a checksum of their own: tests/crash.)
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, countRows, event, events, freshDir, patience, sql } from './support/server.mjs';

const dayMs = 86400e3;
const iso = (ms) => new Date(ms).toISOString();

function post(server, body) {
    return server.request('POST', '/v1/events', {
        body: JSON.stringify(body),
        headers: { 'Content-Type': 'application/json' },
    });
}

async function settledDir(t, batches = 3) {
    const dir = path.join(freshDir(t), 'data');
    const server = await Server.forTest(t, dir);
    for (let i = 0; i < batches; i++) {
        assert.equal((await server.send(events(10))).status, 202);
        await server.checkpoint();
    }
    await server.stop();
    return dir;
}

const metadataDir = (dir) => path.join(dir, 'lake', 'events', 'metadata');

function newestVersion(dir) {
    return Math.max(...fs.readdirSync(metadataDir(dir)).map((name) => Number(/^v(\d+)\./.exec(name)?.[1] ?? 0)));
}

function dataFiles(dir) {
    const data = path.join(dir, 'lake', 'events', 'data');
    return fs.readdirSync(data, { recursive: true })
        .filter((name) => name.endsWith('.parquet'))
        .map((name) => path.join(data, name))
        .sort();
}

// What the engine says when it cannot go on must reach whoever asks it for a checkpoint.
async function assertKeepsEvents(t, dir, why) {
    const server = await Server.forTest(t, dir);
    assert.equal((await server.send(events(5))).status, 202, 'the collector goes on');
    const answer = await server.request('POST', '/api/v1/checkpoint');
    assert.equal(answer.status, 503);
    assert.match(answer.json.detail, why);
    await server.kill();
}

async function assertBalanced(dir, rows) {
    const server = await Server.start(dir);
    await server.checkpoint();
    await server.stop();
    await cliOk(['audit', '--data', dir]);
    assert.deepEqual(await countRows(dir), { rows, ids: rows });
}

test('device clocks in 1970 and 2100: corrected where the device says when it sent, and kept', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const began = Date.now();
    for (const year of ['1970', '2100']) {
        const sent = {
            sent_at: `${year}-01-01T00:00:05Z`,
            events: [event({ event_name: `sent_${year}`, occurred_at: `${year}-01-01T00:00:00Z` })],
        };
        assert.equal((await post(server, sent)).json.accepted, 1);
    }
    const unsent = { events: [
        event({ event_name: 'old', occurred_at: '1970-01-01T00:00:00Z' }),
        event({ event_name: 'ahead', occurred_at: '2100-01-01T00:00:00Z' }),
    ] };
    assert.equal((await post(server, unsent)).json.accepted, 2);
    assert.equal((await server.send(events(5))).status, 202);
    assert.equal(await server.settle(9), 9);
    const live = (await server.get('/api/v1/live')).json;
    await server.stop();

    const rows = Object.fromEntries((await sql(dir, `select event_name, epoch_ms(event_time) as at,
        epoch_ms(occurred_at) as claimed, clock_skew_us as skew, is_late from events where event_name <> 'level_end'`))
        .map((row) => [row.event_name, row]));
    for (const [year, claimed] of [['1970', 0], ['2100', Date.UTC(2100, 0)]]) {
        const row = rows[`sent_${year}`];
        assert.equal(Number(row.claimed), claimed, 'what the device said is kept');
        assert.ok(Math.abs(Number(row.at) - (began - 5000)) < 30000, `${row.at}: 5 s before it was sent`);
        assert.ok(Math.abs(Number(row.skew) / 1e3 - (claimed - began)) < 60000, `skew ${row.skew}`);
        assert.equal(row.is_late, false);
    }
    assert.equal(Number(rows.old.at), 0, 'old, from a clock that is right: an import of old data is that');
    assert.equal(rows.old.is_late, true);
    assert.ok(Math.abs(Number(rows.ahead.at) - began) < 30000, 'nothing happened after it arrived');
    assert.ok(Math.abs(Date.parse(live.watermark) - (began - 120000)) < 60000,
        `no clock moves the watermark: ${live.watermark}`);
    await cliOk(['audit', '--data', dir]);
});

test('a clock that was set between the event and its request: the other clock dates it, also when replayed', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const began = Date.now();
    const day = 86400000;
    const at = (ms) => new Date(began + ms).toISOString();
    const claim = { boot: 3, mono_us: 5_000_000 };
    const sent = { sent_at: at(0), sent_mono_us: 3_605_000_000, boot: 3, events: [
        event({ ...claim, event_name: 'behind', occurred_at: at(-day - 3600000) }),
        event({ ...claim, event_name: 'ahead', occurred_at: at(day - 3600000) }),
        event({ ...claim, event_name: 'right', occurred_at: at(-3600000) }),
        event({ ...claim, event_name: 'other_start', boot: 2, occurred_at: at(-day - 3600000) }),
        event({ ...claim, event_name: 'absurd', mono_us: 3_605_000_001, occurred_at: at(-day - 3600000) }),
        event({ ...claim, event_name: 'repaired', occurred_at: at(-day - 3600000), unknown: 1 }),
    ] };
    const answer = await post(server, sent);
    assert.equal(answer.json.accepted, 5);
    assert.deepEqual(answer.json.rejected.map((one) => one.code), ['unknown_field']);
    const bad = await post(server, { sent_at: at(0), sent_mono_us: 1.5, events: [] });
    assert.deepEqual([bad.status, bad.json.code], [400, 'invalid_body']);
    assert.match(bad.json.detail, /sent_mono_us/);
    const patch = path.join(freshDir(t), 'patch.json');
    fs.writeFileSync(patch, JSON.stringify([{ op: 'remove', path: '/unknown' }]));
    await cliOk(['dlq', 'replay', '--data', dir, '--url', server.url, '--patch', patch, '--code', 'unknown_field']);
    assert.equal(await server.settle(6), 6);
    await server.stop();
    const rows = Object.fromEntries((await sql(dir, `select event_name, epoch_ms(event_time) as at,
        coalesce(clock_skew_us, 0) as skew from events`)).map((row) => [row.event_name, row]));
    for (const [name, skew] of [['behind', -day], ['ahead', day], ['right', 0], ['repaired', -day]]) {
        assert.ok(Math.abs(Number(rows[name].at) - (began - 3600000)) < 60000, `${name}: ${rows[name].at}`);
        assert.ok(Math.abs(Number(rows[name].skew) / 1e3 - skew) < 60000, `${name}: skew ${rows[name].skew}`);
    }
    for (const name of ['other_start', 'absurd']) { // as without the other clock
        assert.ok(Math.abs(Number(rows[name].at) - (began - day - 3600000)) < 60000, name);
    }
    await cliOk(['audit', '--data', dir]);
});

test('events 40 days old are stored in their day, marked late, and known when they come again', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const at = Date.now() - 40 * dayMs;
    const old = events(20, () => ({ occurred_at: iso(at) }));
    assert.equal((await server.send([...events(5), ...old])).json.accepted, 25);
    await server.checkpoint();
    assert.equal((await server.send(old)).json.accepted, 20);
    assert.equal(await server.settle(25), 25);
    await server.stop();
    const [row] = await sql(dir, 'select count(*) filter (is_late) as late, ' +
        `count(*) filter (event_time::date = date '${iso(at).slice(0, 10)}') as there from events`);
    assert.deepEqual([Number(row.late), Number(row.there)], [20, 20]);
    assert.ok(fs.existsSync(path.join(dir, 'lake', 'events', 'data', `event_time_day=${iso(at).slice(0, 10)}`)));
    await cliOk(['audit', '--data', dir]);
});

test('a table without rows, a partition without files, a checkpoint without events', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.checkpoint();
    assert.deepEqual(await countRows(dir), { rows: 0, ids: 0 });
    await cliOk(['audit', '--data', dir]);
    assert.equal((await server.send(events(10))).status, 202);
    await server.checkpoint();
    await server.checkpoint(); // nothing new: nothing happens
    fs.mkdirSync(path.join(dir, 'lake', 'events', 'data', 'event_time_day=2020-01-01'));
    assert.equal((await server.send(events(10))).status, 202);
    assert.equal(await server.settle(20), 20);
    await server.stop();
    await assertBalanced(dir, 20);
});

test('a data file is missing: named by query and audit, the rest goes on, put back all is well', async (t) => {
    const dir = await settledDir(t);
    const [file] = dataFiles(dir);
    fs.renameSync(file, `${file}.away`);
    const query = await cli(['query', '--data', dir, '--sql', 'select count(*) from events']);
    assert.equal(query.code, 1);
    assert.ok(query.stderr.includes(`${file}, a data file of the table, is missing`), query.stderr);
    assert.match(query.stderr, /backup.*playtrace audit/);
    const audit = await cli(['audit', '--data', dir]);
    assert.equal(audit.code, 1);
    assert.ok(audit.stdout.includes(`${file}: it is missing, with 10 rows`), audit.stdout);

    const server = await Server.forTest(t, dir);
    assert.equal((await server.send(events(10))).status, 202);
    assert.equal((await server.checkpoint()).stored, 40, 'what is new is stored all the same');
    await server.stop();
    fs.renameSync(`${file}.away`, file);
    await assertBalanced(dir, 40);
});

test('a manifest is cut short: named, nothing is deleted, what is new is not lost, put back all is well', async (t) => {
    const dir = await settledDir(t);
    const name = fs.readdirSync(metadataDir(dir)).find((entry) => /^manifest-.*\.avro$/.test(entry));
    const file = path.join(metadataDir(dir), name);
    const whole = fs.readFileSync(file);
    for (const size of [whole.length - 1, 300, 0]) {
        fs.truncateSync(file, size);
        const query = await cli(['query', '--data', dir, '--sql', 'select count(*) from events']);
        assert.equal(query.code, 1, `${size} of ${whole.length} bytes`);
        assert.ok(query.stderr.includes(name), query.stderr);
        assert.equal((await cli(['audit', '--data', dir])).code, 1);
        fs.writeFileSync(file, whole);
    }
    fs.truncateSync(file, 300);
    const before = dataFiles(dir);
    const expire = await cli(['lake', 'expire', '--data', dir, '--keep', '1', '--orphans-older-than', '1h']);
    assert.equal(expire.code, 1);
    assert.ok(expire.stderr.includes(name), expire.stderr);
    assert.deepEqual(dataFiles(dir), before, 'who cannot read what is named deletes nothing');
    const server = await Server.forTest(t, dir);
    assert.equal((await server.send(events(5))).status, 202);
    const answer = await server.request('POST', '/api/v1/checkpoint');
    assert.ok(answer.status === 200 || answer.json.detail.includes(name), answer.text);
    await server.kill();
    fs.writeFileSync(file, whole);
    await assertBalanced(dir, 35);
});

test('an id run of a newer version: said with both versions, nothing is stored meanwhile', async (t) => {
    const dir = await settledDir(t);
    const ids = path.join(dir, 'state', 'ids');
    const file = path.join(ids, fs.readdirSync(ids).find((entry) => entry.endsWith('.ids')));
    const whole = fs.readFileSync(file);
    assert.match(whole.subarray(0, 8).toString('latin1'), /^PTIDRUN\d$/);
    fs.writeFileSync(file, Buffer.concat([whole.subarray(0, 7), Buffer.from('9'), whole.subarray(8)]));
    await assertKeepsEvents(t, dir, /\.ids has format 9, this version of playtrace knows \d: use the version that wrote it/);
    fs.writeFileSync(file, whole);
    await assertBalanced(dir, 35);
});

test('a table of a newer format of Iceberg is not touched', async (t) => {
    const dir = await settledDir(t);
    const file = path.join(metadataDir(dir), `v${newestVersion(dir)}.metadata.json`);
    const whole = fs.readFileSync(file, 'utf8');
    assert.match(whole, /"format-version":2/);
    fs.writeFileSync(file, whole.replace('"format-version":2', '"format-version":3'));
    await assert.rejects(Server.start(dir), /format version 3, this program reads and writes 2/);
    assert.equal(newestVersion(dir), Number(/v(\d+)/.exec(path.basename(file))[1]));
    fs.writeFileSync(file, whole);
    await assertBalanced(dir, 30);
});

test('lake expire beside a server that commits: no file of a commit that is under way goes', async (t) => {
    const dir = freshDir(t);
    // Expiry that loses twenty races in a row gives up, so a slowed-down one gets more time for each.
    const interval = String(patience > 1 ? 1000 : 10);
    const server = await Server.forTest(t, dir, { env: { PLAYTRACE_STREAM_CHECKPOINT_MS: interval } });
    for (const age of ['0h', '59m', '3599s']) {
        const refused = await cli(['lake', 'expire', '--data', dir, '--orphans-older-than', age]);
        assert.equal(refused.code, 2, age);
        assert.match(refused.stderr, /at least 1h, because a commit that is under way has files/);
    }
    let sent = 0;
    let isOver = false;
    const sending = (async () => {
        while (!isOver && server.exit === undefined) {
            assert.equal((await server.send(events(20))).status, 202);
            sent += 20;
        }
    })();
    try {
        for (let i = 0; i < 10; i++) {
            await cliOk(['lake', 'expire', '--data', dir, '--keep', '2', '--orphans-older-than', '1h']);
        }
    } finally {
        isOver = true;
    }
    await sending;
    await server.checkpoint();
    await server.stop();
    await assertBalanced(dir, sent);
});

test("another program's snapshot on the table: built upon, and its number is our last", async (t) => {
    const dir = await settledDir(t);
    const server = await Server.forTest(t, dir);
    const version = newestVersion(dir);
    // 64-bit ids stay text while JavaScript holds them.
    const quote = (text) => text.replace(/("(?:current-|parent-)?snapshot-id":)(-?\d+)/g, '$1"$2"');
    const unquote = (text) => text.replace(/("(?:current-|parent-)?snapshot-id":)"(-?\d+)"/g, '$1$2');
    const file = (number) => path.join(metadataDir(dir), `v${number}.metadata.json`);
    const table = JSON.parse(quote(fs.readFileSync(file(version), 'utf8')));
    const last = table.snapshots.at(-1);
    const now = Date.now();
    const theirs = {
        ...last,
        'snapshot-id': '777',
        'parent-snapshot-id': last['snapshot-id'],
        'sequence-number': last['sequence-number'] + 1,
        'timestamp-ms': now,
        summary: { operation: 'append', 'total-records': last.summary['total-records'], 'engine-name': 'other' },
    };
    table.snapshots.push(theirs);
    table['current-snapshot-id'] = '777';
    table['last-sequence-number'] = theirs['sequence-number'];
    table['last-updated-ms'] = now;
    table['snapshot-log'].push({ 'timestamp-ms': now, 'snapshot-id': '777' });
    if (table.refs?.main) {
        table.refs.main['snapshot-id'] = '777';
    }
    fs.writeFileSync(file(version + 1), unquote(JSON.stringify(table)), { flag: 'wx' });

    // While it runs, and after a restart.
    assert.equal((await server.send(events(10))).status, 202);
    assert.equal((await server.checkpoint()).stored, 40);
    await server.stop();
    const kept = JSON.parse(quote(fs.readFileSync(file(newestVersion(dir)), 'utf8')));
    assert.ok(kept.snapshots.some((snapshot) => snapshot.summary['engine-name'] === 'other'), 'theirs is still there');
    assert.equal(kept.snapshots.at(-1)['parent-snapshot-id'], '777');
    await assertBalanced(dir, 40);
});
