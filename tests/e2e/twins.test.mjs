// twins.test.mjs - an event that comes twice, on every way there is, is in the table once
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cliOk, countRows, event, events, freshDir, sleep, sql } from './support/server.mjs';

const often = { PLAYTRACE_STREAM_CHECKPOINT_MS: '50' };

async function assertOnce(dir, count) {
    assert.deepEqual(await countRows(dir), { rows: count, ids: count });
    await cliOk(['audit', '--data', dir]);
}

async function sendOk(server, batch) {
    const answer = await server.send(batch);
    assert.equal(answer.status, 202, answer.text);
    assert.equal(answer.json.accepted, batch.length, answer.text);
}

test('a batch that is sent again and again, over checkpoints, stops and kills', async (t) => {
    const dir = freshDir(t);
    const batch = events(200);
    for (const end of ['stop', 'kill', 'stop', 'kill']) {
        const server = await Server.forTest(t, dir, { env: often });
        await sendOk(server, batch);
        await sendOk(server, [...batch.slice(50), ...batch.slice(0, 100)]);
        if (end === 'stop') {
            await server.checkpoint();
        }
        await sendOk(server, batch);
        await server[end]();
    }
    const server = await Server.forTest(t, dir);
    assert.equal(await server.settle(200), 200);
    await server.stop();
    await assertOnce(dir, 200);
});

test('the same events from many senders at one moment', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, { env: often });
    const batches = Array.from({ length: 20 }, () => events(30));
    await Promise.all(Array.from({ length: 6 }, async (_, sender) => {
        for (let i = 0; i < batches.length; i++) {
            await sendOk(server, batches[(i * 7 + sender * 3) % batches.length]);
        }
    }));
    assert.equal(await server.settle(600), 600);
    const { stored, duplicates } = await server.checkpoint();
    assert.deepEqual({ stored, duplicates }, { stored: 600, duplicates: 5 * 600 });
    await server.stop();
    await assertOnce(dir, 600);
});

test('a late twin: its first was in time, or late as well', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, { env: often });
    const hoursAgo = (hours) => new Date(Date.now() - hours * 3600e3).toISOString();
    const inTime = events(10);
    const late = events(10, () => ({ occurred_at: hoursAgo(20) }));
    await sendOk(server, inTime);
    await sendOk(server, late);
    await server.checkpoint();
    // The twin says another time of itself: the first that came is the row.
    await sendOk(server, inTime.map((one) => ({ ...one, occurred_at: hoursAgo(23) })));
    await sendOk(server, late.map((one) => ({ ...one, occurred_at: new Date().toISOString() })));
    assert.equal(await server.settle(20), 20);
    await server.stop();
    await assertOnce(dir, 20);
    const [row] = await sql(dir, 'select count(*) filter (is_late) as late, ' +
        "count(*) filter (event_time < now()::timestamp - interval 21 hours) as moved from events");
    assert.deepEqual([Number(row.late), Number(row.moved)], [10, 0]);
});

test('a dead letter that the device mended itself, and one that both mended', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, { env: often });
    const mended = events(20);
    const misnamed = mended.map(({ user_id: userId, ...rest }) => ({ ...rest, userId }));
    const refused = await server.send(misnamed);
    assert.equal(refused.json.rejected.length, 20);
    await sendOk(server, mended.slice(0, 10)); // a new version of the game sends them, mended
    const patch = path.join(dir, 'patch.json');
    fs.writeFileSync(patch, JSON.stringify([{ op: 'move', from: '/userId', path: '/user_id' }]));
    for (let round = 0; round < 2; round++) {
        await cliOk(['dlq', 'replay', '--data', dir, '--url', server.url, '--patch', patch]);
    }
    await sendOk(server, mended); // and again after the replay
    assert.equal(await server.settle(20), 20);
    await server.stop();
    await assertOnce(dir, 20);
});

test('a file that is imported twice, once while the server is killed, and sent as well', async (t) => {
    const dir = freshDir(t);
    const batch = events(3000);
    const file = path.join(dir, 'events.ndjson');
    fs.writeFileSync(file, batch.map((one) => `${JSON.stringify(one)}\n`).join(''));
    let server = await Server.forTest(t, path.join(dir, 'data'), { env: often });
    await sendOk(server, batch.slice(1000, 1500));
    const { host } = new URL(server.url);
    const importing = cliOk(['import', file, '--url', server.url]);
    await sleep(30);
    await server.kill();
    server = await Server.forTest(t, path.join(dir, 'data'), { env: often, args: ['--listen', host] });
    await importing; // it tries again until somebody answers
    for (let round = 0; round < 2; round++) {
        await cliOk(['import', file, '--url', server.url]);
    }
    await sendOk(server, batch.slice(0, 500));
    assert.equal(await server.settle(3000), 3000);
    await server.stop();
    await assertOnce(path.join(dir, 'data'), 3000);
});

test('a restored backup knows its events: what the games send again is a twin there too', async (t) => {
    const dir = freshDir(t);
    const data = path.join(dir, 'data');
    const server = await Server.forTest(t, data, { env: { PLAYTRACE_STREAM_CHECKPOINT_MS: '3600000' } });
    const first = events(100);
    const second = events(100);
    await sendOk(server, first);
    await server.checkpoint();
    await sendOk(server, second); // in the log, in no checkpoint
    await cliOk(['backup', path.join(dir, 'backup'), '--data', data]);
    await server.kill();
    await cliOk(['restore', path.join(dir, 'backup'), '--data', path.join(dir, 'restored')]);
    const heir = await Server.forTest(t, path.join(dir, 'restored'));
    await sendOk(heir, [...first, ...second, ...events(10)]);
    assert.equal(await heir.settle(210), 210);
    await heir.stop();
    await assertOnce(path.join(dir, 'restored'), 210);
});

test('the id of an event decides, in either case of its letters and whatever else it says', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, { env: often });
    const one = event();
    const v4 = event({ event_id: '9b2d8c1e-6d0f-4a53-8c1b-0c9f3a1e77d2' });
    await sendOk(server, [one, v4]);
    await server.checkpoint();
    await sendOk(server, [one, v4].map((each) =>
        ({ ...each, event_id: each.event_id.toUpperCase(), event_name: 'other', user_id: 'somebody else' })));
    assert.equal(await server.settle(2), 2);
    await server.stop();
    await assertOnce(dir, 2);
});
