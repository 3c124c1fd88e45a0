// sdk.mjs - a real client of the SDK (sdk_driver.c), and a proxy between it and the collector
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import zlib from 'node:zlib';

import { environment, patience, program, sql } from './server.mjs';

// SDK_DRIVER names another build's.
const driver = process.env.SDK_DRIVER ?? path.join(path.dirname(program), 'tests', 'sdk_driver');

export const answerOf = (status, reason, body = '', headers = {}) => {
    const lines = Object.entries({ 'Content-Length': Buffer.byteLength(body), ...headers });
    return `HTTP/1.1 ${status} ${reason}\r\n${lines.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n${body}`;
};
export const json = { 'Content-Type': 'application/json' };

// The collector's own answer, as the proxy hands it on.
export const answerOfOurs = ({ status, text, headers }) => answerOf(status, 'Answer', text,
    { ...json, Date: headers.date, traceresponse: headers.traceresponse });

// One request after the other from the bytes of a connection.
export function onRequests(socket, take) {
    let held = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
        held = Buffer.concat([held, chunk]);
        for (;;) {
            const end = held.indexOf('\r\n\r\n');
            if (end < 0) {
                return;
            }
            const [line, ...rest] = held.subarray(0, end).toString('latin1').split('\r\n');
            const headers = Object.fromEntries(rest.map((text) => {
                const at = text.indexOf(':');
                return [text.slice(0, at).toLowerCase(), text.slice(at + 1).trim()];
            }));
            const bytes = Number(headers['content-length'] ?? 0);
            if (held.length < end + 4 + bytes) {
                return;
            }
            const body = held.subarray(end + 4, end + 4 + bytes);
            held = held.subarray(end + 4 + bytes);
            take({ line, headers, body: Buffer.from(body) });
        }
    });
}

export function listen(t, onConnection) {
    const sockets = new Set();
    const listener = net.createServer((socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        socket.setNoDelay(true);
        onConnection(socket);
    });
    t.after(() => {
        listener.close();
        sockets.forEach((socket) => socket.destroy());
    });
    return new Promise((resolve) => {
        listener.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${listener.address().port}`));
    });
}

// A proxy before `server`. Each batch of events is handed to `deal` with what it may do: { socket, count,
// packed, headers, body, forward, honest }; what `deal` leaves alone stays unanswered. All else is passed on.
export async function startProxy(t, server, deal) {
    const seen = { requests: 0, bytes: 0, plainBytes: 0 };
    const url = await listen(t, (socket) => onRequests(socket, async ({ line, headers, body }) => {
        const [method, route] = line.split(' ');
        const kept = Object.entries(headers).filter(([name]) => !['host', 'content-length'].includes(name));
        const forward = (over = body) => server.request(method, route,
            { body: method === 'POST' ? over : undefined, headers: Object.fromEntries(kept) });
        const honest = async (over) => socket.write(answerOfOurs(await forward(over)));
        if (route !== '/v1/events') {
            await honest();
            return;
        }
        const packed = headers['content-encoding'] === 'gzip';
        const plain = packed ? zlib.gunzipSync(body) : body;
        seen.requests++;
        seen.bytes += body.length;
        seen.plainBytes += plain.length;
        await deal({ socket, count: JSON.parse(plain).events.length, packed, headers, body, forward, honest });
    }));
    return { url, seen };
}

// A game (sdk_driver.c) with arguments as { name: value }: its exit code and the client's statistics.
export function play(t, args) {
    const limits = { limit_s: 50 * patience, request_ms: 400 * patience };
    const child = spawn(driver, Object.entries({ ...limits, ...args }).map(([name, value]) => `${name}=${value}`),
        { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += chunk));
    child.stderr.on('data', (chunk) => (stderr += chunk));
    t.after(() => child.kill('SIGKILL'));
    return new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('close', (code) => {
            if (stderr) {
                reject(new Error(stderr));
            } else {
                resolve({ code, stats: JSON.parse(stdout) });
            }
        });
    });
}

// Everything was delivered, and nothing lost on the way.
export function assertBalanced(stats) {
    assert.equal(stats.queued, 0);
    assert.equal(stats.tracked + stats.recovered, stats.delivered);
    for (const name of ['refused', 'unreadable', 'dropped_budget', 'withdrawn', 'io_failures']) {
        assert.equal(stats[name], 0, name);
    }
}

// Every n from 0 to count - 1, each once.
export async function assertTable(server, count) {
    await server.settle(count);
    const [row] = await sql(server.dataDir, `
        select count(*) as rows, count(distinct event_id) as ids,
               count(distinct cast(attributes->>'n' as integer)) as numbers,
               max(cast(attributes->>'n' as integer)) as last
        from events where event_name = 'tick'`);
    assert.deepEqual(Object.values(row).map(Number), [count, count, count, count - 1]);
}
