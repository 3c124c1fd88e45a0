// sdk_wire.test.mjs - what the SDK sends is signed, packed and traced, as the real collector checks it
//
// Method: a real client (support/sdk_driver.c) and the collector, a proxy between that looks, or tampers.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';

import { assertBalanced, assertTable, play, startProxy } from './support/sdk.mjs';
import { Server, countRows, freshDir } from './support/server.mjs';

const secret = 'a secret of this studio';
const signing = { PLAYTRACE_COLLECT_SIGNING_SECRETS: `old,${secret}`, PLAYTRACE_COLLECT_SIGNATURE_REQUIRED: '1' };

async function prepare(t, deal) {
    const dir = freshDir(t);
    const server = await Server.forTest(t, path.join(dir, 'data'), { env: signing });
    const { url, seen } = await startProxy(t, server, deal);
    return { server, seen, game: { url, dir: path.join(dir, 'queue'), secret } };
}

test('batches are signed, packed and traced, and the collector takes them', async (t) => {
    const traces = [];
    const { server, seen, game } = await prepare(t, async ({ headers, body, packed, forward, honest }) => {
        const [, time, digest] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers['x-playtrace-signature']);
        assert.equal(digest, crypto.createHmac('sha256', secret).update(`${time}.`).update(body).digest('hex'));
        assert.ok(packed);
        assert.match(headers.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
        traces.push(headers.traceparent);
        if (traces.length === 1) { // a repeat is harmless, and shows what comes back
            const answer = await forward();
            assert.equal(answer.status, 202);
            assert.equal(answer.headers.traceresponse, headers.traceparent);
        }
        await honest();
    });
    const { code, stats } = await play(t, { ...game, events: 2000 });
    assert.equal(code, 0, JSON.stringify(stats));
    assertBalanced(stats);
    assert.equal(stats.retries, 0);
    assert.equal(new Set(traces).size, traces.length);
    assert.ok(seen.bytes * 4 < seen.plainBytes, `${seen.bytes} of ${seen.plainBytes} bytes`);
    await assertTable(server, 2000);
    await server.stop();
});

test('a body that was tampered with is refused, and comes again whole', async (t) => {
    const codes = [];
    let left = 5;
    const { server, game } = await prepare(t, async ({ body, forward, socket, honest }) => {
        if (left-- > 0) {
            const other = Buffer.from(body);
            other[other.length - 9] ^= 1;
            const answer = await forward(other);
            codes.push(`${answer.status} ${answer.json.code}`);
            socket.resetAndDestroy();
        } else {
            await honest();
        }
    });
    const { code, stats } = await play(t, { ...game, events: 500 });
    assert.equal(code, 0, JSON.stringify(stats));
    assert.deepEqual(codes, Array(5).fill('403 bad_signature'));
    assert.ok(stats.retries >= 1); // libcurl repeats some by itself
    assertBalanced(stats);
    await assertTable(server, 500);
    await server.stop();
});

test('a wrong secret delivers nothing and loses nothing; the right one delivers it', async (t) => {
    const { server, game } = await prepare(t, ({ honest }) => honest());
    const wrong = await play(t, { ...game, secret: 'no secret', events: 300, limit_s: 1 });
    assert.equal(wrong.code, 1);
    assert.equal(wrong.stats.delivered, 0);
    assert.equal(wrong.stats.queued, wrong.stats.tracked);
    assert.ok(wrong.stats.send_attempts > 1);
    await server.checkpoint();
    assert.equal((await countRows(server.dataDir)).rows, 0);
    const right = await play(t, { ...game, events: 0 });
    assert.equal(right.code, 0, JSON.stringify(right.stats));
    assert.equal(right.stats.recovered, wrong.stats.tracked);
    assertBalanced(right.stats);
    await assertTable(server, 300);
    await server.stop();
});

for (const [name, seconds] of [['a year behind', -31536000], ['an hour ahead', 3600]]) {
    test(`a device whose clock is ${name} signs by the server's`, async (t) => {
        const { server, seen, game } = await prepare(t, ({ honest }) => honest());
        const { code, stats } = await play(t, { ...game, events: 500, clock_s: seconds });
        assert.equal(code, 0, JSON.stringify(stats));
        assertBalanced(stats);
        assert.equal(stats.retries, 1, 'the first refusal tells it the time');
        assert.ok(seen.requests >= stats.send_attempts);
        await assertTable(server, 500);
        await server.stop();
    });
}
