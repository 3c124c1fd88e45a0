// sdk_hostile.test.mjs - the SDK against a server, or a way to it, that does everything wrong
//
// Method: a real client (support/sdk_driver.c) tracks events through a proxy before the real collector.
// The proxy takes its manners from a shuffled deck, so that each is met several times and between honest
// answers; when the deck is used up it is honest. Then every event is in the table exactly once, and the
// client's books balance. The seed is printed; PT_SEED repeats a run.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';

import { answerOf, answerOfOurs, assertBalanced, assertTable, json, listen, play, startProxy } from './support/sdk.mjs';
import { Server, cliOk, freshDir, sleep } from './support/server.mjs';

const secret = 'a secret of this studio';
const eventCount = 10000;
const dripMs = 20;

// ---- the way to the server ----------------------------------------------------

const receipt = (accepted) => JSON.stringify({ accepted, rejected: [] });
const page = '<!doctype html><title>Sign in</title><p>Welcome to the hotel {"accepted":100,"rejected":[]}';

async function drip(socket, text) {
    for (const c of text) {
        if (socket.destroyed || !socket.writable) {
            return;
        }
        socket.write(c);
        await sleep(dripMs);
    }
    socket.end();
}

// Each is given { socket, count, forward, portal }; what it does not answer stays unanswered. Those that
// forward first are the answers that get lost: the server has the batch, and the client may not know.
const manners = {
    error500: ({ socket, count }) => socket.write(answerOf(500, 'Oops', receipt(count), json)),
    error502: ({ socket }) => socket.end(answerOf(502, 'Bad Gateway', page)),
    unavailable: ({ socket }) => socket.write(answerOf(503, 'Unavailable', '', { 'Retry-After': 'soon' })),
    tooMany: ({ socket }) => socket.write(answerOf(429, 'Too Many', '{"code":"rate"}', { 'Retry-After': '1' })),
    past: ({ socket }) => socket.write(answerOf(429, 'Too Many', '', {
        'Retry-After': new Date(Date.now() - 1e9).toUTCString(), Date: new Date().toUTCString() })),
    hang: () => {},
    html200: ({ socket }) => socket.write(answerOf(200, 'OK', page, { 'Content-Type': 'text/html' })),
    html202: ({ socket }) => socket.write(answerOf(202, 'Accepted', page, { 'Content-Type': 'text/html' })),
    receipt200: ({ socket, count }) => socket.write(answerOf(200, 'OK', receipt(count), json)),
    fewer: ({ socket, count }) => socket.write(answerOf(202, 'Accepted', receipt(count - 1), json)),
    more: ({ socket, count }) => socket.write(answerOf(202, 'Accepted', receipt(count + 100), json)),
    negative: ({ socket, count }) => socket.write(answerOf(202, 'Accepted',
        `{"accepted":-1,"accepted":${count},"rejected":[]}`, json)),
    empty: ({ socket }) => socket.write(answerOf(202, 'Accepted', '', json)),
    noContent: ({ socket }) => socket.write('HTTP/1.1 204 No Content\r\n\r\n'),
    notHttp: ({ socket }) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
    resetBefore: ({ socket }) => socket.resetAndDestroy(),
    resetAfter: async ({ socket, forward }) => {
        await forward();
        socket.resetAndDestroy();
    },
    closedMidHead: async ({ socket, forward }) => {
        await forward();
        socket.end('HTTP/1.1 202 Accep');
    },
    half: async ({ socket, forward }) => {
        const { text } = await forward();
        socket.end(answerOf(202, 'Accepted', text.slice(0, text.length / 2),
            { 'Content-Length': text.length }));
    },
    cutShort: async ({ socket, forward }) => { // a whole answer, as far as HTTP can tell
        const { text } = await forward();
        socket.end(answerOf(202, 'Accepted', text.slice(0, -1)));
    },
    resetMidAnswer: async ({ socket, forward }) => {
        const { text } = await forward();
        socket.write(answerOf(202, 'Accepted', text.slice(0, 5), { 'Content-Length': text.length }));
        await sleep(5);
        socket.resetAndDestroy();
    },
    packedGarbage: async ({ socket, forward }) => {
        const { text } = await forward();
        socket.write(answerOf(202, 'Accepted', text, { 'Content-Encoding': 'gzip' }));
    },
    slowDrip: async ({ socket, forward }) => {
        const { text } = await forward();
        await drip(socket, answerOf(202, 'Accepted', text));
    },
    endless: async ({ socket, forward }) => {
        await forward();
        socket.write('HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n');
        while (!socket.destroyed && socket.writable) {
            socket.write(`1000\r\n${' '.repeat(4096)}\r\n`);
            await sleep(1);
        }
    },
    // A second answer is to nothing: it may settle no batch, whether it comes before or after the next request.
    twice: async ({ socket, forward }) => {
        const answer = answerOfOurs(await forward());
        socket.write(answer + answer);
    },
    twiceLater: async ({ socket, forward }) => {
        const answer = answerOfOurs(await forward());
        socket.write(answer);
        await sleep(2);
        socket.write(answer);
    },
    cannotRead: ({ socket, count, honest }) => count > 25
        ? socket.write(answerOf(400, 'Bad Request', '{"code":"invalid_body","detail":"?"}', json)) : honest(),
    proxyLimit: ({ socket, count, honest }) => count > 10
        ? socket.write(answerOf(413, 'Too Large', page)) : honest(),
    noGzip: ({ socket, packed, honest }) => packed
        ? socket.write(answerOf(415, 'Unsupported', page)) : honest(),
    redirect: ({ socket, portal }) => socket.write(answerOf(302, 'Found', page, { Location: portal })),
    redirect307: ({ socket, portal }) => socket.write(answerOf(307, 'Moved', '', { Location: portal })),
    denied: ({ socket }) => socket.write(answerOf(403, 'Forbidden', page)),
    earlyHints: async ({ socket, forward }) => {
        const { text } = await forward();
        socket.write(`HTTP/1.1 103 Early Hints\r\nRetry-After: 99\r\n\r\n${answerOf(202, 'Accepted', text, json)}`);
    },
};

// A deck of every manner `times` times, and as many honest answers as half of them, shuffled.
function shuffledDeck(seed, times) {
    const names = Object.keys(manners);
    const deck = names.flatMap((name) => Array(times).fill(name));
    deck.push(...Array(Math.ceil(deck.length / 2)).fill(undefined));
    let state = crypto.createHash('sha256').update(String(seed)).digest();
    for (let i = deck.length - 1; i > 0; i--) {
        state = crypto.createHash('sha256').update(state).digest();
        const j = state.readUInt32LE(0) % (i + 1);
        [deck[i], deck[j]] = [deck[j], deck[i]];
    }
    return deck;
}

async function survive(t, manner, seed) {
    const dir = freshDir(t);
    const server = await Server.forTest(t, path.join(dir, 'data'), {
        env: { PLAYTRACE_COLLECT_SIGNING_SECRETS: secret, PLAYTRACE_COLLECT_SIGNATURE_REQUIRED: '1' },
    });
    const captured = [];
    const portal = await listen(t, (socket) => {
        captured.push(1);
        socket.destroy();
    });
    const deck = shuffledDeck(seed, 3);
    const used = {};
    const { url, seen } = await startProxy(t, server, async (batch) => {
        const name = deck.shift();
        used[name] = (used[name] ?? 0) + 1;
        await (name ? manners[name]({ ...batch, portal }) : batch.honest());
    });
    const { code, stats } = await play(t, { url, dir: path.join(dir, 'queue'), events: eventCount, manner, secret });
    t.diagnostic(`seed ${seed}: ${seen.requests} requests, ${stats.retries} retries, ` +
        `${Math.round(seen.bytes / 1024)} of ${Math.round(seen.plainBytes / 1024)} KiB sent`);
    assert.equal(code, 0, JSON.stringify(stats));
    assertBalanced(stats);
    assert.equal(deck.length, 0, 'every manner was met');
    for (const name of Object.keys(manners)) {
        assert.ok(used[name] >= 3, name);
    }
    assert.equal(captured.length, 0, 'no redirect was followed');
    await assertTable(server, eventCount);
    await server.stop();
    await cliOk(['audit', '--data', server.dataDir]);
}

const firstSeed = Number(process.env.PT_SEED ?? Date.now() % 1e6);
test('10,000 events outlive a hostile server: the worker', (t) => survive(t, 'worker', firstSeed));
test('10,000 events outlive a hostile server: an asynchronous transport', (t) => survive(t, 'async', firstSeed + 1));
