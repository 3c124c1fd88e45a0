// path.mjs - what an event costs on the whole path, from the socket to the committed table
//
// Sends N events (EVENTS, 400,000) in batches to `serve` over a few connections, commits, and gives the
// server's CPU seconds for a million events and the bytes an event takes in the log and in the table. Machines are shared
// and change their speed, so each figure stands beside a yardstick of the same run: the CPU seconds in which
// this Node parses the same bodies with JSON.parse. Only the ratio of the two is worth comparing.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { Server, countRows, event } from '../tests/e2e/support/server.mjs';

const total = Number(process.env.EVENTS ?? 400000);
const batchEvents = 500;
const connections = 4;
const names = ['session_start', 'level_start', 'level_end', 'purchase', 'ad_shown'];

function makeBodies() {
    const bodies = [];
    for (let sent = 0; sent < total; sent += batchEvents) {
        const events = Array.from({ length: Math.min(batchEvents, total - sent) }, (_, i) => event({
            event_name: names[i % names.length],
            user_id: `player-${(sent + i) % 20000}`,
            session_id: `session-${(sent + i) % 20000}-${sent}`,
            seq: i,
            attributes: { level: i % 60, stars: i % 4, seconds: (i * 7919) % 997 / 10, world: 'forest' },
        }));
        bodies.push(JSON.stringify({ sent_at: new Date().toISOString(), events }));
    }
    return bodies;
}

// User and system CPU seconds that the process has used.
function cpuSeconds(pid) {
    const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
}

function bytesUnder(dir) {
    return fs.readdirSync(dir, { withFileTypes: true }).reduce((sum, entry) => {
        const full = path.join(dir, entry.name);
        return sum + (entry.isDirectory() ? bytesUnder(full) : fs.statSync(full).size);
    }, 0);
}

const bodies = makeBodies();
const bodyBytes = bodies.reduce((sum, body) => sum + body.length, 0);

const before = process.cpuUsage();
for (const body of bodies) {
    JSON.parse(body);
}
const parse = process.cpuUsage(before);
const yardstick = (parse.user + parse.system) / total; // µs an event = s a million

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'playtrace-bench-'));
try {
    const server = await Server.start(dir);
    const began = Date.now();
    const cpuAtStart = cpuSeconds(server.child.pid);
    let next = 0;
    await Promise.all(Array.from({ length: connections }, async () => {
        while (next < bodies.length) {
            const answer = await server.request('POST', '/v1/events', {
                body: bodies[next++],
                headers: { 'Content-Type': 'application/json' },
            });
            if (answer.status !== 202) {
                throw new Error(`${answer.status} ${answer.text}`);
            }
        }
    }));
    const acknowledged = (Date.now() - began) / 1000;
    await server.checkpoint();
    const seconds = (Date.now() - began) / 1000;
    const cpu = (cpuSeconds(server.child.pid) - cpuAtStart) * 1e6 / total;
    await server.stop();
    const { rows } = await countRows(dir);
    if (rows !== total) {
        throw new Error(`${rows} rows for ${total} events`);
    }
    const line = (name, value) => console.log(`${name.padEnd(44)} ${value}`);
    line('events', total);
    line('bytes an event, as sent', (bodyBytes / total).toFixed(1));
    line('bytes an event, in the table', (bytesUnder(path.join(dir, 'lake')) / total).toFixed(1));
    line('acknowledged after', `${acknowledged.toFixed(1)} s (${Math.round(total / acknowledged)} a second)`);
    line('in the table after', `${seconds.toFixed(1)} s`);
    line('server CPU seconds for a million events', cpu.toFixed(2));
    line('yardstick: JSON.parse of the same bodies', yardstick.toFixed(2));
    line('ratio', (cpu / yardstick).toFixed(2));
} finally {
    fs.rmSync(dir, { recursive: true, force: true });
}
