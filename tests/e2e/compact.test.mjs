// compact.test.mjs - the table is compacted while events come in, and each event stays in it once
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, countRows, events, freshDir, metric, sleep, sql } from './support/server.mjs';

const busy = {
    PLAYTRACE_STREAM_CHECKPOINT_MS: '100',
    PLAYTRACE_LAKE_COMPACT_INTERVAL_MS: '100',
    PLAYTRACE_LAKE_COMPACT_FILES_MIN: '2',
    PLAYTRACE_LAKE_COMPACT_FILES_MIN_TODAY: '4',
};
const quiet = { PLAYTRACE_STREAM_CHECKPOINT_MS: '3600000', PLAYTRACE_LAKE_COMPACT: 'off' };

async function compactions(server) {
    return metric((await server.get('/metrics')).text, 'playtrace_lake_compacted_total');
}

function filesUnder(dir, ending) {
    return fs.readdirSync(dir, { recursive: true }).filter((name) => name.endsWith(ending));
}

const noon = `${new Date(Date.now() - 86400e3).toISOString().slice(0, 10)}T12:00:00Z`; // yesterday's
const atNoon = (over = {}) => () => ({ occurred_at: noon, ...over });

// Three files of yesterday, 10 rows each, and nothing compacts them by itself.
async function threeFiles(t, dir) {
    const server = await Server.forTest(t, dir, { env: quiet });
    for (let i = 0; i < 3; i++) {
        await server.send(events(10, atNoon()));
        await server.checkpoint();
    }
    return server;
}

test('events come in while the table is compacted, and each is a row once', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, { env: busy });
    const yesterday = new Date(Date.now() - 86400e3).toISOString();
    const sent = new Map();
    let previous = [];
    for (let round = 0; round < 400 && (round < 40 || (await compactions(server)) < 5); round++) {
        const batch = events(20, (i) => (i % 4 === 0 ? { occurred_at: yesterday } : {}));
        assert.equal((await server.send([...batch, ...previous])).status, 202);
        for (const one of batch) {
            sent.set(one.event_id, one);
        }
        previous = batch.slice(0, 5); // each of them twice
        if (round % 10 === 5) {
            // Another process beside the server's own thread: one of the two goes first, both are right.
            const result = await cli(['lake', 'compact', '--data', dir]);
            assert.ok(result.code === 0 || /is being compacted already/.test(result.stderr), result.stderr);
        }
        await sleep(20);
    }
    assert.ok((await compactions(server)) >= 5, 'the server has compacted under load');
    assert.equal(await server.settle(sent.size), sent.size);
    assert.equal(metric((await server.get('/metrics')).text, 'playtrace_lake_compact_failing'), 0);
    await server.stop();
    assert.deepEqual(await countRows(dir), { rows: sent.size, ids: sent.size });
    const rows = await sql(dir, 'select event_id, event_name, attributes from events');
    for (const row of rows) {
        assert.equal(row.event_name, sent.get(row.event_id).event_name);
    }
    await cliOk(['audit', '--data', dir]);

    const again = await Server.forTest(t, dir, { env: busy });
    assert.equal((await again.send(previous)).status, 202);
    assert.equal((await again.send(events(5))).status, 202);
    assert.equal(await again.settle(sent.size + 5), sent.size + 5);
    await again.stop();
    assert.deepEqual(await countRows(dir), { rows: sent.size + 5, ids: sent.size + 5 });
});

test('lake compact makes one file of many, with the server and without it', async (t) => {
    const dir = freshDir(t);
    const server = await threeFiles(t, dir);
    const planned = await cliOk(['lake', 'compact', '--data', dir, '--dry-run', '--format', 'json']);
    assert.equal(JSON.parse(planned.stdout).files_replaced, 3);
    assert.equal(filesUnder(path.join(dir, 'lake'), '.parquet').length, 3, 'a dry run makes nothing');

    const done = JSON.parse((await cliOk(['lake', 'compact', '--data', dir, '--format', 'json'])).stdout);
    assert.deepEqual([done.files_made, done.files_replaced, done.rows, done.conflicts], [1, 3, 30, 0]);
    assert.equal(done.compacted[0].day, noon.slice(0, 10));
    await server.send(events(10, atNoon())); // the engine goes on upon what the other process made
    await server.checkpoint();
    assert.deepEqual(await countRows(dir), { rows: 40, ids: 40 });
    await server.stop();

    assert.match((await cliOk(['lake', 'compact', '--data', dir, '--day', '2020-02-29'])).stdout, /nothing to compact/);
    assert.match((await cliOk(['lake', 'compact', '--data', dir, '--day', noon.slice(0, 10)])).stdout, /2 files, 40 rows/);
    const [{ sorted }] = await sql(dir,
        'select list((event_name, user_id)) = list_sort(list((event_name, user_id))) as sorted from events');
    assert.equal(sorted, true);
    await cliOk(['audit', '--data', dir]);
});

test('kill -9 while compacting: the rows are there, and what was half made goes', async (t) => {
    const dir = freshDir(t);
    let rows = 0;
    for (let round = 0; round < 4; round++) {
        const server = await Server.forTest(t, dir, { env: busy });
        for (let i = 0; i < 15; i++) {
            assert.equal((await server.send(events(10))).status, 202);
            rows += 10;
            await sleep(10 * round);
        }
        await server.kill();
    }
    const server = await Server.forTest(t, dir, { env: quiet });
    assert.equal(await server.settle(rows), rows);
    await server.stop();
    assert.deepEqual(await countRows(dir), { rows, ids: rows });
    await cliOk(['audit', '--data', dir]);
    const data = filesUnder(path.join(dir, 'lake'), '.parquet');
    for (const index of filesUnder(path.join(dir, 'lake'), '.users')) {
        assert.ok(data.includes(index.replace(/users$/, 'parquet')), `${index} is an index of nothing`);
    }
});

test('lake location names the table and the files of a user', async (t) => {
    const dir = freshDir(t);
    const server = await threeFiles(t, dir);
    await server.send(events(1, atNoon({ user_id: 'somebody-else' })));
    await server.checkpoint();
    await server.stop();
    const [{ user }] = await sql(dir, 'select user_id as user from events group by 1 having count(*) = 1');
    const found = JSON.parse((await cliOk(['lake', 'location', '--data', dir, '--user', user, '--format', 'json'])).stdout);
    assert.equal(found.location, `file://${path.join(dir, 'lake', 'events')}`);
    assert.ok(fs.existsSync(found.metadata));
    assert.deepEqual([found.rows, found.files, found.files_of_user.length], [31, 4, 1]);
    const text = await cliOk(['lake', 'location', '--data', dir]);
    assert.match(text.stdout, /^location {2}file:\/\/.*\nmetadata {2}.*v\d+\.metadata\.json$/m);
});

test('nonsense is answered with a reason', async (t) => {
    const dir = freshDir(t);
    for (const [args, code, reason] of [
        [['compact', '--data', dir], 1, /has no table: nothing was ever stored there/],
        [['compact', '--data', dir, '--day', '2026-02-30'], 2, /--day 2026-02-30: it is a date/],
        [['compact', '--data', dir, '--day', ''], 2, /it is a date/],
        [['compact', '--data', dir, '--format', 'xml'], 2, /may be table or json/],
        [['compact', '--data', dir, 'today'], 2, /one argument too many/],
        [['location', '--data', dir], 1, /has no table/],
        [['location', '--data', dir, '--user', 'ABC'], 2, /32 digits of 0-9 and a-f/],
    ]) {
        const result = await cli(['lake', ...args]);
        assert.equal(result.code, code, args.join(' '));
        assert.match(result.stderr, reason);
        assert.equal(result.stdout, '');
    }
    const refused = await cli(['serve', '--data', dir, '--listen', '127.0.0.1:0'], {
        env: { PLAYTRACE_LAKE_COMPACT: 'sometimes' },
    });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /lake\.compact is "sometimes"; it may be on or off/);
});
