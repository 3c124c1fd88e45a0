// exactly_once.test.mjs - sent twice, late, restarted, killed: each event is in the table once
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Server, cliOk, countRows, event, events, freshDir, sleep, sql } from './support/server.mjs';

test('duplicates are stored once: in a batch, across batches, checkpoints and restarts', async (t) => {
    const dir = freshDir(t);
    const first = await Server.forTest(t, dir);
    const sent = events(30);
    const answer = await first.send([...sent, ...sent]);
    assert.equal(answer.json.accepted, 60, 'a duplicate is acknowledged, so that a retry ends');
    assert.equal((await first.send(sent)).json.accepted, 30);
    assert.equal(await first.settle(30), 30);
    assert.equal((await first.send(sent)).json.accepted, 30);
    await first.checkpoint();
    await first.stop();

    const second = await Server.forTest(t, dir);
    assert.equal((await second.send(sent)).json.accepted, 30);
    assert.equal((await second.send(events(5))).json.accepted, 5);
    assert.equal(await second.settle(35), 35);
    const { stored, duplicates } = await second.checkpoint();
    assert.deepEqual({ stored, duplicates }, { stored: 35, duplicates: 120 }, 'the ledger since the beginning');
    await second.stop();
    assert.deepEqual(await countRows(dir), { rows: 35, ids: 35 });
    await cliOk(['audit', '--data', dir]);
});

test('an event behind the watermark is stored and marked late', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const hourAgo = () => new Date(Date.now() - 3600e3).toISOString();
    assert.equal((await server.send(events(10))).json.accepted, 10);
    assert.equal(await server.settle(10), 10);
    assert.equal((await server.send([event({ event_name: 'was_offline', occurred_at: hourAgo() })])).status, 202);
    assert.equal(await server.settle(11), 11);
    await server.stop();
    const rows = await sql(dir, 'select event_name, count(*) as n from events where is_late group by all');
    assert.deepEqual(rows.map((row) => [row.event_name, Number(row.n)]), [['was_offline', 1]]);

    const again = await Server.forTest(t, dir);
    assert.equal((await again.send([event({ event_name: 'late_again', occurred_at: hourAgo() })])).status, 202);
    assert.equal(await again.settle(12), 12);
    await again.stop();
    const late = await sql(dir, 'select event_name from events where is_late order by 1');
    assert.deepEqual(late.map((row) => row.event_name), ['late_again', 'was_offline'],
        'the watermark outlives a restart');
});

test('POST /api/v1/checkpoint commits at once', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, { env: { PLAYTRACE_STREAM_CHECKPOINT_MS: '3600000' } });
    for (let round = 1; round <= 3; round++) {
        assert.equal((await server.send(events(10))).status, 202);
        await server.checkpoint();
        assert.deepEqual(await countRows(dir), { rows: 10 * round, ids: 10 * round });
    }
    await server.stop();
});

test('a checkpoint comes by itself when its time is up', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, { env: { PLAYTRACE_STREAM_CHECKPOINT_MS: '300' } });
    assert.equal((await server.send(events(10))).status, 202);
    let rows = 0;
    for (let i = 0; i < 200 && rows === 0; i++) {
        await sleep(100);
        rows = (await countRows(dir)).rows;
    }
    assert.equal(rows, 10);
    await server.stop();
});

test('a reader sees whole snapshots while the writer goes on', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, { env: { PLAYTRACE_STREAM_CHECKPOINT_MS: '100' } });
    let sent = 0;
    let isDone = false;
    const writer = (async () => {
        while (!isDone && server.exit === undefined) {
            assert.equal((await server.send(events(50))).status, 202);
            sent += 50;
        }
    })();
    let last = 0;
    for (let i = 0; i < 8; i++) {
        const { rows, ids } = await countRows(dir);
        assert.equal(rows, ids);
        assert.ok(rows >= last, 'the table only grows');
        last = rows;
    }
    isDone = true;
    await writer;
    assert.equal(await server.settle(sent), sent);
    await server.stop();
});

test('events of many days land in the partition of their day', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const day = (ago) => new Date(Date.now() - ago * 86400e3).toISOString();
    const batch = Array.from({ length: 30 }, (_, i) => event({ occurred_at: day(i) }));
    assert.equal((await server.send(batch)).json.accepted, 30);
    assert.equal(await server.settle(30), 30);
    await server.stop();
    const [row] = await sql(dir, 'select count(distinct event_time::date) as days from events');
    assert.equal(Number(row.days), 30);
});
