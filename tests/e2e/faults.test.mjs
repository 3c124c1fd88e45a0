// faults.test.mjs - bad clients, bad bytes, and the order of sync and answer
//
// Method: one server at a time takes what no sane client sends. Every answer is a documented one, nothing
// is taken half, memory stays within its bounds, well-behaved clients notice nothing, and the books
// balance at the end. kill -9 under load is tests/crash's; a disk that fails, tests/unit/collect/test_commit.c's.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';

import { Server, cli, event, events, freshDir, patience, sleep, sql } from './support/server.mjs';
import { callsOf, traceProcess, tracedEnv } from './support/strace.mjs';

const MB = 1 << 20;
const idleScript = path.join(path.dirname(fileURLToPath(import.meta.url)), 'support', 'idle.mjs');

// Resident bytes of the server: what is its own (Rss), now.
function resident(server) {
    const status = fs.readFileSync(`/proc/${server.child.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)[1]) * 1024;
}

async function assertWell(server) {
    const began = Date.now();
    assert.equal((await server.send([event()])).status, 202);
    assert.ok(Date.now() - began < 2000 * patience, 'an honest client is answered in time');
}

async function assertBalanced(server) {
    await server.stop();
    const audit = await cli(['audit', '--data', server.dataDir]);
    assert.equal(audit.code, 0, audit.stdout + audit.stderr);
}

const post = (server, body, headers = {}) => server.request('POST', '/v1/events',
    { body, headers: { 'Content-Type': 'application/json', ...headers } });

function assertRefused(answer, status, what) {
    assert.equal(answer.status, status, `${what}: ${answer.text}`);
    assert.ok(answer.json?.code && answer.json?.detail, `${what}: ${answer.text}`);
}

// ---- slow clients -------------------------------------------------------------

// Sends `head`, then a byte of `rest` every 100 ms until the server has had enough: its answer and the time.
function dribble(server, head, rest) {
    const { hostname, port } = new URL(server.url);
    return new Promise((resolve) => {
        const began = Date.now();
        let text = '';
        let at = 0;
        const socket = net.connect({ host: hostname, port: Number(port) }, () => socket.write(head));
        const timer = setInterval(() => socket.writable && socket.write(rest[at++ % rest.length]), 100);
        socket.on('data', (chunk) => (text += chunk));
        socket.on('error', () => {});
        socket.on('close', () => {
            clearInterval(timer);
            resolve({ text, ms: Date.now() - began });
        });
    });
}

test('clients that dribble header or body are cut off in time and harm nobody', async (t) => {
    const server = await Server.forTest(t, freshDir(t));
    const slow = [
        ...Array.from({ length: 40 }, () => dribble(server, 'POST /v1/events HTTP/1.1\r\nHost: a\r\nX-Slow: ', 'z')),
        ...Array.from({ length: 40 }, () => dribble(server,
            'POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{"events":[', ' ')),
    ];
    let isOver = false;
    const all = Promise.all(slow).finally(() => (isOver = true));
    let honest = 0;
    while (!isOver) {
        await assertWell(server);
        honest++;
        await sleep(200);
    }
    const answers = await all;
    for (const [index, { text, ms }] of answers.entries()) {
        assert.match(text, /^HTTP\/1\.1 408 /, `client ${index}`);
        const limit = index < 40 ? 10000 : 30000; // README of src/http
        assert.ok(ms > limit * 0.9 && ms < limit + 10000 * patience, `client ${index} held out for ${ms} ms`);
    }
    t.diagnostic(`80 slow clients, ${honest} honest requests beside them`);
    await assertBalanced(server);
});

test('10,000 idle connections take at most 100 MB, and one more is answered', async (t) => {
    const limits = fs.readFileSync('/proc/self/limits', 'utf8');
    const hard = Number(/^Max open files +\S+ +(\d+)/m.exec(limits)?.[1] ?? Infinity);
    const count = Math.min(10000, hard - 500);
    if (count < 100) {
        t.skip(`only ${hard} descriptors are allowed here`);
        return;
    }
    const server = await Server.forTest(t, freshDir(t), { env: { PLAYTRACE_SERVER_CONNECTIONS_MAX: '12000' } });
    await server.send(events(100));
    const base = resident(server);
    const child = spawn('sh', ['-c', 'ulimit -n $(ulimit -Hn) && exec "$@"', 'sh', process.execPath, idleScript, server.url,
        String(count)], { stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => child.kill());
    let said = '';
    child.stdout.on('data', (chunk) => (said += chunk));
    const ended = new Promise((resolve) => child.on('close', resolve));
    const until = Date.now() + 60000 * patience;
    while (!/open \d+/.test(said) && Date.now() < until && child.exitCode === null) {
        await sleep(50);
    }
    assert.equal(said, `open ${count}\n`);
    const grown = resident(server) - base;
    t.diagnostic(`${count} connections: ${(grown / MB).toFixed(1)} MB over ${(base / MB).toFixed(1)} MB`);
    if (patience === 1) { // a sanitizer's shadow is not ours
        assert.ok(grown <= 100 * MB, `${grown} bytes`);
    }
    for (let i = 0; i < 20; i++) {
        await assertWell(server);
    }
    child.stdin.end();
    await ended;
    assert.match(said, new RegExp(`alive ${count}`), 'and none of them was dropped');
    await assertBalanced(server);
});

// ---- compressed bodies -----------------------------------------------------------

// A zstd frame (RFC 8878) of `blocks` blocks of 128 KiB, each one byte repeated: 4 bytes for 131072.
function zstdBomb(blocks) {
    const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38]); // window of 128 KiB, no content size
    const body = Buffer.alloc(blocks * 4);
    for (let i = 0; i < blocks; i++) {
        body.writeUIntLE((131072 << 3) | (1 << 1) | (i === blocks - 1 ? 1 : 0), i * 4, 3);
        body[i * 4 + 3] = 0x20;
    }
    return Buffer.concat([head, body]);
}

// A zstd frame of one raw block.
function zstdRaw(content) {
    const head = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38, 0, 0, 0]);
    head.writeUIntLE((content.length << 3) | 1, 6, 3);
    return Buffer.concat([head, content]);
}

test('compressed bodies: cut, damaged, and bombs of 1 GB', async (t) => {
    const server = await Server.forTest(t, freshDir(t));
    const plain = Buffer.from(JSON.stringify({ events: events(50) }));
    const gzip = zlib.gzipSync(plain);
    const zstd = zstdRaw(plain);
    assert.equal((await post(server, gzip, { 'Content-Encoding': 'gzip' })).json.accepted, 50);
    assert.equal((await post(server, zstd, { 'Content-Encoding': 'zstd' })).json.accepted, 50); // the same ones
    const damaged = Buffer.from(gzip);
    damaged[gzip.length - 6] ^= 1; // its checksum
    const cases = [
        ['gzip', gzip.subarray(0, gzip.length >> 1)], ['gzip', gzip.subarray(0, gzip.length - 1)],
        ['gzip', gzip.subarray(0, 5)], ['gzip', damaged], ['gzip', Buffer.concat([gzip, Buffer.from('rest')])],
        ['gzip', plain], ['gzip', zstd],
        ['zstd', zstd.subarray(0, zstd.length >> 1)], ['zstd', zstd.subarray(0, zstd.length - 1)],
        ['zstd', zstd.subarray(0, 3)], ['zstd', Buffer.concat([zstd, Buffer.from('rest')])],
        ['zstd', plain], ['zstd', gzip],
    ];
    for (const [index, [encoding, body]] of cases.entries()) {
        assertRefused(await post(server, body, { 'Content-Encoding': encoding }), 400, `case ${index}`);
    }
    for (const encoding of ['br', 'deflate', 'compress', 'gzip, gzip', 'zstd,gzip', 'utf-8']) {
        assertRefused(await post(server, gzip, { 'Content-Encoding': encoding }), 415, encoding);
    }

    const member = zlib.gzipSync(Buffer.alloc(64 * MB, 0x20));
    const bombs = [
        ['gzip', Buffer.concat(Array.from({ length: 16 }, () => member))],
        ['zstd', zstdBomb(8192)],
    ];
    for (const [encoding, bomb] of bombs) {
        t.diagnostic(`${encoding}: ${bomb.length} bytes for 1 GB`);
        const base = resident(server);
        const began = Date.now();
        const answers = await Promise.all(Array.from({ length: 20 }, () =>
            post(server, bomb, { 'Content-Encoding': encoding })));
        answers.forEach((answer) => assertRefused(answer, 413, encoding));
        assert.ok(Date.now() - began < 10000 * patience, 'bombs are given up early');
        if (patience === 1) {
            assert.ok(resident(server) - base < 128 * MB, `${resident(server) - base} bytes more`);
        }
        await assertWell(server);
    }
    assert.equal(await server.settle(52), 52);
    await assertBalanced(server);
});

// ---- bytes that are no events -----------------------------------------------------

const body = (over) => JSON.stringify({ events: [event()] }).replace('"events"', over ?? '"events"');

// A sound event whose attributes are this text.
const withAttributes = (text) => `{"events":[${JSON.stringify(event({ attributes: '@' })).replace('"@"', text)}]}`;

test('bytes that are no JSON, or hardly: refused whole, quickly, and with the place', async (t) => {
    const server = await Server.forTest(t, freshDir(t));
    const deep = 1000000;
    const refused = [
        ['a million arrays', '['.repeat(deep)],
        ['a million arrays, closed', '['.repeat(deep) + ']'.repeat(deep)],
        ['a million objects', '{"a":'.repeat(deep)],
        ['attributes a million deep', withAttributes(`{"a":${'['.repeat(deep)}${']'.repeat(deep)}}`)],
        ['an integer beyond 64 bits', withAttributes('{"a":123456789012345678901234567890}')],
        ['a number beyond double', withAttributes('{"a":1e999}')],
        ['a number below double', withAttributes('{"a":-1e999}')],
        ['a number of a million digits', withAttributes(`{"a":${'9'.repeat(deep)}}`)],
        ['no number', withAttributes('{"a":NaN}')],
        ['a leading zero', withAttributes('{"a":01}')],
        ['invalid UTF-8', Buffer.concat([Buffer.from('{"events":["'), Buffer.from([0xff, 0xfe]), Buffer.from('"]}')])],
        ['overlong UTF-8', Buffer.concat([Buffer.from('{"events":["'), Buffer.from([0xc0, 0xaf]), Buffer.from('"]}')])],
        ['UTF-8 of a surrogate', Buffer.concat([Buffer.from('{"events":["'), Buffer.from([0xed, 0xa0, 0x80]),
            Buffer.from('"]}')])],
        ['cut UTF-8', Buffer.concat([Buffer.from('{"events":["'), Buffer.from([0xe2, 0x82]), Buffer.from('"]}')])],
        ['half a surrogate pair', withAttributes('{"a":"\\ud800"}')],
        ['UTF-16', Buffer.from(body(), 'utf16le')],
        ['a bare NUL', `${body()}\0`],
        ['a control character in a text', withAttributes('{"a":"\u0001"}')],
        ['two documents', body() + body()],
        ['a comma too many', '{"events":[],}'],
        ['a comment', '{"events":[]/* none */}'],
        ['nothing', ''],
        ['blanks', '   '],
    ];
    for (const [what, bytes] of refused) {
        const began = Date.now();
        const answer = await post(server, bytes);
        assertRefused(answer, 400, what);
        assert.match(answer.json.detail, /byte \d+/, what);
        assert.ok(Date.now() - began < 1000 * patience, `${what}: ${Date.now() - began} ms`);
        const lines = await post(server, Buffer.concat([Buffer.from(`${JSON.stringify(event())}\n`), Buffer.from(bytes)]),
            { 'Content-Type': 'application/x-ndjson' });
        if (['nothing', 'blanks'].includes(what)) {
            assert.equal(lines.json.accepted, 1, what);
        } else {
            assertRefused(lines, 400, `${what}, as a line`);
            assert.match(lines.json.detail, /line 2/, what);
        }
    }
    assertRefused(await post(server, body(), { 'Content-Type': 'text/xml' }), 415, 'text/xml');
    await assertBalanced(server);
});

test('duplicate keys: the last one counts everywhere, or the event is refused', async (t) => {
    const server = await Server.forTest(t, freshDir(t));
    const sound = event();
    const doubled = JSON.stringify(sound).replace('"event_name":"level_end"', '"event_name":"first","event_name":"second"');
    assert.ok(doubled.includes('second'));
    const answer = await post(server, `{"events":[{"no":1}],"events":[${doubled}]}`);
    assert.equal(answer.status, 202, answer.text);
    assert.equal(answer.json.accepted, 1, `one list of events, the last: ${answer.text}`);
    const bad = await post(server, `{"events":[${JSON.stringify(event()).replace('"user_id"', '"user_id":17,"user_id"')}]}`);
    assert.equal(bad.status, 202);
    const attributes = await post(server, withAttributes('{"a":1,"a":2}'));
    assert.equal(attributes.status, 202);
    const accepted = answer.json.accepted + bad.json.accepted + attributes.json.accepted;
    assert.equal(await server.settle(accepted), accepted);
    const [row] = await sql(server.dataDir, `select event_name from events where event_id = '${sound.event_id}'`);
    assert.equal(row.event_name, 'second');
    await assertBalanced(server);
});

test('numbers at the edge of double are taken, and small ones become 0', async (t) => {
    const server = await Server.forTest(t, freshDir(t));
    for (const text of ['1.7976931348623157e308', '-1.7976931348623157e308', '5e-324', '1e-999', '-0', '-0.0',
        '18446744073709551615', '-9223372036854775808', '0.1', `0.${'1'.repeat(5000)}`]) {
        const answer = await post(server, withAttributes(`{"a":${text}}`));
        assert.equal(answer.status, 202, `${text}: ${answer.text}`);
        assert.equal(answer.json.accepted, 1, `${text}: ${answer.text}`);
    }
    assert.equal(await server.settle(10), 10);
    await assertBalanced(server);
});

// ---- sync before answer ---------------------------------------------------------

test("a sync of the log completes between each request and its 202, by the kernel's account", async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, path.join(dir, 'data'), { env: tracedEnv });
    const trace = await traceProcess(t, server.child.pid, path.join(dir, 'trace'),
        'trace=fdatasync,fsync,recvfrom,read,sendto,write,writev,sendmsg');
    if (!trace) {
        t.skip('no trace of system calls can be had here');
        return;
    }
    for (let i = 0; i < 10; i++) {
        assert.equal((await server.send([event(), { event_name: 'bad' }])).status, 202);
    }
    await Promise.all(Array.from({ length: 20 }, async () => {
        for (let i = 0; i < 5; i++) {
            assert.equal((await server.send(events(3))).status, 202);
        }
    }));
    await server.stop();

    const calls = callsOf(await trace.lines());
    const syncs = calls.filter((call) => /^f(data)?sync$/.test(call.name) && call.result === '0' &&
        /\/data\/log\//.test(call.args));
    const fdOf = (call) => call.args.split(/[<,]/)[0];
    const asked = new Map(); // by descriptor: the line at which the newest request had been read
    let answers = 0;
    for (const call of calls) {
        if (/^(recvfrom|read)$/.test(call.name) && call.args.includes('POST /v1/events')) {
            asked.set(fdOf(call), call.ended);
        } else if (/^(sendto|write|writev|sendmsg)$/.test(call.name) && call.args.includes('HTTP/1.1 202')) {
            const since = asked.get(fdOf(call));
            answers++;
            assert.ok(since !== undefined, `a 202 without a request: ${call.args}`);
            assert.ok(syncs.some((sync) => sync.began > since && sync.ended < call.began),
                `no sync between request (line ${since}) and 202 (line ${call.began})`);
        }
    }
    assert.equal(answers, 110);
    t.diagnostic(`${answers} answers, ${syncs.length} syncs of the log`);
    assert.ok(syncs.length <= answers, 'and a group needs only one');
    await assertBalanced(server);
});
