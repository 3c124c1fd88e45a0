// collect.test.mjs - POST /v1/events: what is taken, what is refused, and that one never harms the other
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import zlib from 'node:zlib';

import { Server, cliOk, event, events, freshDir, metric, sql, uuid7 } from './support/server.mjs';

async function deadLetters(dir) {
    const { stdout } = await cliOk(['dlq', 'list', '--data', dir]);
    return stdout.split('\n').filter((line) => line).map((line) => JSON.parse(line));
}

// Every byte under `dir`, file by file.
function* filesUnder(dir) {
    for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
        const full = path.join(dir, entry.name);
        if (entry.isDirectory()) {
            yield* filesUnder(full);
        } else if (entry.isFile()) {
            yield full;
        }
    }
}

test('a batch is accepted, and its events are in the table as they were sent', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const one = event({
        event_name: 'purchase',
        seq: 7,
        install_id: 'install-1',
        mechanic_version: 'm2',
        attributes: { sku: 'gems_100', amount: 4.99, nested: { 'ключ': ['日本', null, true] } },
    });
    const bare = event({ platform: undefined, build_id: undefined, attributes: undefined });
    const answer = await server.send([one, bare]);
    assert.equal(answer.status, 202, answer.text);
    assert.deepEqual(answer.json, { accepted: 2, rejected: [] });
    assert.equal(await server.settle(2), 2);
    await server.stop();

    const rows = await sql(dir, `select event_id::varchar as event_id, event_name, session_id, seq, build_id,
        platform, mechanic_version, attributes, user_id, install_id, is_late,
        epoch_us(occurred_at) as occurred_us, epoch_us(event_time) - epoch_us(received_at) as behind_us
        from events order by event_name desc`);
    const [row, second] = rows;
    assert.equal(row.event_id, one.event_id);
    assert.equal(row.event_name, 'purchase');
    assert.equal(row.session_id, one.session_id);
    assert.equal(Number(row.seq), 7);
    assert.equal(row.build_id, '1.4.2');
    assert.equal(row.platform, 'android');
    assert.equal(row.mechanic_version, 'm2');
    assert.deepEqual(JSON.parse(row.attributes), one.attributes);
    assert.equal(Number(row.occurred_us), Date.parse(one.occurred_at) * 1000);
    assert.ok(Math.abs(Number(row.behind_us)) < 5e6, `event_time is off by ${row.behind_us} us`);
    assert.equal(row.is_late, false);
    assert.notEqual(row.user_id, one.user_id);
    assert.notEqual(row.install_id, one.install_id);
    assert.equal(second.event_id, bare.event_id);
    assert.equal(second.user_id, row.user_id, 'one player, one pseudonym');
    for (const column of ['seq', 'platform', 'build_id', 'attributes', 'install_id']) {
        assert.equal(second[column], null, column);
    }
});

test('NDJSON and gzip are read', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const lines = events(5).map((one) => JSON.stringify(one)).join('\n');
    const ndjson = await server.request('POST', '/v1/events', {
        body: `${lines}\n`,
        headers: { 'Content-Type': 'application/x-ndjson' },
    });
    assert.equal(ndjson.status, 202, ndjson.text);
    assert.equal(ndjson.json.accepted, 5);

    const zipped = await server.request('POST', '/v1/events', {
        body: zlib.gzipSync(JSON.stringify({ sent_at: new Date().toISOString(), events: events(7) })),
        headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
    });
    assert.equal(zipped.status, 202, zipped.text);
    assert.equal(zipped.json.accepted, 7);

    const both = await server.request('POST', '/v1/events', {
        body: zlib.gzipSync(events(2).map((one) => JSON.stringify(one)).join('\n')),
        headers: { 'Content-Type': 'application/x-ndjson', 'Content-Encoding': 'gzip' },
    });
    assert.equal(both.json.accepted, 2, both.text);
    assert.equal(await server.settle(14), 14);
    await server.stop();
});

test('a malformed body is 400 with the offset, and nothing of it is taken', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const good = JSON.stringify({ events: [event()] });
    const bodies = [
        `${good.slice(0, -1)},,}`,
        good.slice(0, good.length - 20),
        '',
        'null',
        '[]',
        '{"events":{}}',
        '{"events":[1,2',
        '{"events":[{"event_id":"\ud800"}]}x',
        '\u0000',
    ];
    for (const body of bodies) {
        const answer = await server.request('POST', '/v1/events', {
            body,
            headers: { 'Content-Type': 'application/json' },
        });
        assert.equal(answer.status, 400, `${JSON.stringify(body)}: ${answer.text}`);
        assert.ok(answer.json?.code && answer.json?.detail, answer.text);
    }
    const brokenBody = `{"events":[${JSON.stringify(event())}],"sent_at":nope}`;
    const broken = await server.request('POST', '/v1/events', {
        body: brokenBody,
        headers: { 'Content-Type': 'application/json' },
    });
    assert.equal(broken.status, 400);
    assert.match(broken.json.detail, new RegExp(`byte ${brokenBody.indexOf('nope')}\\b`));

    const notGzip = await server.request('POST', '/v1/events', {
        body: 'certainly not gzip',
        headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
    });
    assert.equal(notGzip.status, 400, notGzip.text);
    const torn = zlib.gzipSync(good);
    const halfGzip = await server.request('POST', '/v1/events', {
        body: torn.subarray(0, torn.length - 10),
        headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
    });
    assert.equal(halfGzip.status, 400, halfGzip.text);

    assert.equal((await server.send([event()])).status, 202, 'the next request is served');
    assert.equal(await server.settle(1), 1);
    await server.stop();
    assert.deepEqual(await deadLetters(dir), []);
});

test('a bad event among good ones has its receipt and its dead letter; the good ones land', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const faults = [
        ['event_id', { event_id: 'not-a-uuid' }],
        ['event_name', { event_name: undefined }],
        ['occurred_at', { occurred_at: 'yesterday' }],
        ['user_id', { user_id: undefined }],
        ['session_id', { session_id: 17 }],
        ['platform', { platform: 'toaster' }],
        ['attributes', { attributes: [1, 2] }],
        ['event_name', { event_name: '' }],
        ['occurred_at', { occurred_at: '2024-02-30T00:00:00Z' }],
    ];
    const batch = [event()];
    for (const [, over] of faults) {
        batch.push(event(over), event());
    }
    batch.push('no object at all');

    const answer = await server.send(batch);
    assert.equal(answer.status, 202, answer.text);
    assert.equal(answer.json.accepted, faults.length + 1);
    assert.equal(answer.json.rejected.length, faults.length + 1);
    answer.json.rejected.forEach((receipt, at) => {
        const fault = faults[at];
        assert.equal(receipt.index, fault ? 1 + 2 * at : batch.length - 1);
        assert.match(receipt.code, /^[a-z_]+$/);
        assert.ok(receipt.detail.length > 0);
        assert.equal(receipt.pointer, fault ? `/${fault[0]}` : '');
        assert.equal(receipt.event_id, !fault || fault[0] === 'event_id' ? null : batch[receipt.index].event_id);
    });
    const rejected = answer.json.rejected;
    await server.kill(); // the dead letters were durable before the answer

    const again = await Server.forTest(t, dir);
    assert.equal(await again.settle(faults.length + 1), faults.length + 1);
    const letters = await deadLetters(dir);
    assert.deepEqual(
        letters.map((letter) => [letter.index, letter.code, letter.pointer, letter.detail]),
        rejected.map((receipt) => [receipt.index, receipt.code, receipt.pointer, receipt.detail]),
    );
    assert.equal(letters[2].event.occurred_at, 'yesterday', 'the letter holds what was sent');
    await again.stop();
    await cliOk(['audit', '--data', dir]);
});

test('no raw user id reaches a file or a log line', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const secret = 'raw-user-4711-do-not-keep';
    const answer = await server.send([
        event({ user_id: secret, install_id: `${secret}-install` }),
        event({ user_id: secret, occurred_at: 'never' }),
        event({ user_id: [secret] }),
        { user_id: secret },
        secret,
    ]);
    assert.equal(answer.json.accepted, 1, answer.text);
    await server.settle(1);
    await server.stop();
    for (const file of filesUnder(dir)) {
        assert.ok(!fs.readFileSync(file).includes(secret), `${file} holds the raw user id`);
    }
    assert.ok(!server.stderr.includes(secret), 'a log line holds the raw user id');
    const rows = await sql(dir, 'select * from events');
    assert.ok(!JSON.stringify(rows).includes(secret));
});

test('with keys configured, only a known key may send', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, { env: { PLAYTRACE_COLLECT_KEYS: 'key-one,key-two' } });
    for (const headers of [{}, { Authorization: 'Bearer key-three' }, { Authorization: 'Bearer key-on' },
        { Authorization: 'Basic key-one' }, { Authorization: 'Bearer ' }]) {
        const answer = await server.send([event()], headers);
        assert.equal(answer.status, 401, JSON.stringify(headers));
        assert.ok(answer.json.code && answer.json.detail);
    }
    for (const key of ['key-one', 'key-two']) {
        assert.equal((await server.send([event()], { Authorization: `Bearer ${key}` })).status, 202);
    }
    await server.stop();
});

test('too large is 413, also behind gzip; an unknown encoding is 415', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, {
        env: {
            PLAYTRACE_SERVER_BODY_BYTES_MAX: '16384',
            PLAYTRACE_COLLECT_DECOMPRESSED_BYTES_MAX: '32768',
            PLAYTRACE_COLLECT_BATCH_EVENTS_MAX: '20',
        },
    });
    const large = await server.send([event({ attributes: { text: 'x'.repeat(20000) } })]);
    assert.equal(large.status, 413, large.text);
    const bomb = await server.request('POST', '/v1/events', {
        body: zlib.gzipSync(JSON.stringify({ events: [event({ attributes: { text: 'x'.repeat(4000000) } })] })),
        headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'gzip' },
    });
    assert.equal(bomb.status, 413, bomb.text);
    const many = await server.send(events(21));
    assert.equal(many.status, 413, many.text);
    const encoding = await server.request('POST', '/v1/events', {
        body: JSON.stringify({ events: [event()] }),
        headers: { 'Content-Type': 'application/json', 'Content-Encoding': 'br' },
    });
    assert.equal(encoding.status, 415, encoding.text);
    for (const answer of [large, bomb, many, encoding]) {
        assert.ok(answer.json.code && answer.json.detail, answer.text);
    }
    assert.equal((await server.send(events(20))).status, 202, 'up to the limit');
    assert.equal(await server.settle(20), 20);
    await server.stop();
});

test('a wrong device clock is corrected, and the correction is kept', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const ahead = 3 * 3600e3;
    const now = Date.now();
    const answer = await server.request('POST', '/v1/events', {
        body: JSON.stringify({
            sent_at: new Date(now + ahead).toISOString(),
            events: [event({ occurred_at: new Date(now + ahead - 60e3).toISOString() })],
        }),
        headers: { 'Content-Type': 'application/json' },
    });
    assert.equal(answer.json.accepted, 1, answer.text);
    await server.settle(1);
    await server.stop();
    const [row] = await sql(dir, `select epoch_ms(received_at) - epoch_ms(event_time) as age_ms,
        clock_skew_us from events`);
    assert.ok(Math.abs(Number(row.age_ms) - 60e3) < 5e3, `a minute old, not ${row.age_ms} ms`);
    assert.ok(Math.abs(Number(row.clock_skew_us) - ahead * 1e3) < 5e6, String(row.clock_skew_us));
});

test('many senders at once: each has its own receipts, and the sums hold', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const answers = await Promise.all(Array.from({ length: 40 }, (_, sender) => {
        const batch = events(25, () => ({ user_id: `sender-${sender}` }));
        batch[sender % 25] = event({ event_id: 'broken' });
        return server.send(batch);
    }));
    answers.forEach((answer, sender) => {
        assert.equal(answer.status, 202, answer.text);
        assert.equal(answer.json.accepted, 24);
        assert.deepEqual(answer.json.rejected.map((receipt) => receipt.index), [sender % 25]);
    });
    assert.equal(await server.settle(960), 960);
    assert.equal((await deadLetters(dir)).length, 40);
    const text = (await server.get('/metrics')).text;
    assert.equal(metric(text, 'playtrace_collect_events_total', 'verdict="accepted"'), 960);
    assert.equal(metric(text, 'playtrace_collect_events_total', 'verdict="dead"'), 40);
    await server.stop();
    await cliOk(['audit', '--data', dir]);
});

test('an event_id of either case is one event', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const id = uuid7();
    const answer = await server.send([event({ event_id: id }), event({ event_id: id.toUpperCase() })]);
    assert.equal(answer.status, 202);
    await server.settle(1);
    await server.stop();
    const [row] = await sql(dir, 'select count(*) as n from events');
    assert.equal(Number(row.n), 1);
});
