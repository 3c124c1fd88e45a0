// ephemeral.test.mjs - `serve --ephemeral`: a game's CI asks which events it sent; nothing reaches the disk
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, event, events, freshDir, metric } from './support/server.mjs';
import { traceProcess, tracedEnv } from './support/strace.mjs';

const start = (t, { cwd = freshDir(t), args = [], env = {} } = {}) =>
    Server.forTest(t, undefined, { cwd, args: ['--ephemeral', ...args], env });

async function received(server, query = '') {
    const answer = await server.get(`/api/v1/received${query}`);
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.headers['content-type'], /^application\/json/);
    return answer.json;
}

test('what a game sent can be asked for, as it was sent', async (t) => {
    const server = await start(t);
    const sent = [event({ seq: 0, install_id: 'device-1', mechanic_version: '2' }), event({ event_name: 'purchase' })];
    const answer = await server.send([...sent, { event_name: 'broken', user_id: 'alice' }]);
    assert.equal(answer.status, 202);
    assert.equal(answer.json.accepted, 2);
    assert.equal(answer.json.rejected.length, 1, 'the same receipts as the real one');

    const good = await received(server, '?status=good');
    assert.equal(good.total, 2);
    assert.equal(good.dropped, 0);
    for (const [index, one] of sent.entries()) {
        const { event_time, received_at, clock_skew_us, ...rest } = good.events[index];
        assert.deepEqual(rest, one);
        assert.ok(Math.abs(Date.parse(event_time) - Date.parse(one.occurred_at)) < 1, event_time);
        assert.ok(Math.abs(Date.parse(received_at) - Date.now()) < 60000);
        assert.equal(clock_skew_us, 0);
    }

    const bad = await received(server, '?status=bad');
    assert.equal(bad.total, 1);
    const { event: raw, received_at, ...receipt } = bad.events[0];
    assert.deepEqual(raw, { event_name: 'broken', user_id: 'alice' });
    assert.deepEqual(receipt, answer.json.rejected[0]);

    assert.equal((await received(server, '?status=good&event_name=purchase')).total, 1);
    assert.equal((await received(server, '?event_name=level_end&limit=0')).total, 1);
    assert.deepEqual((await received(server, '?limit=1')).events[0].event_name, 'purchase');

    assert.equal((await server.request('DELETE', '/api/v1/received')).status, 204);
    assert.deepEqual(await received(server), { total: 0, dropped: 0, events: [] });
    assert.deepEqual((await received(server, '?status=bad')).events, []);
    await server.stop();
});

test('it takes what the real one takes, and refuses what the real one refuses', async (t) => {
    const server = await start(t);
    const lines = events(3).map((one) => JSON.stringify(one)).join('\n');
    const ndjson = await server.request('POST', '/v1/events',
        { body: lines, headers: { 'Content-Type': 'application/x-ndjson' } });
    assert.equal(ndjson.status, 202);
    assert.equal((await received(server)).total, 3);
    const broken = await server.request('POST', '/v1/events', { body: `${lines}\n{"event_id":` ,
        headers: { 'Content-Type': 'application/x-ndjson' } });
    assert.equal(broken.status, 400);
    assert.equal((await received(server)).total, 3, 'nothing of a refused body is kept');
    for (const query of ['?status=ugly', '?limit=x', '?nonsense', '?event_name=%zz']) {
        assert.equal((await server.get(`/api/v1/received${query}`)).status, 400, query);
    }
    assert.equal((await server.request('POST', '/api/v1/received')).status, 405);

    assert.deepEqual((await server.get('/readyz')).json, { status: 'ready' });
    assert.equal((await server.get('/healthz')).status, 200);
    const metrics = (await server.get('/metrics')).text;
    assert.equal(metric(metrics, 'playtrace_collect_events_total', 'verdict="accepted"'), 3);
    assert.equal(metric(metrics, 'playtrace_received_events'), 3);
    await server.stop();
});

test("a game's own schemas hold its events here too", async (t) => {
    const server = await start(t);
    const schema = JSON.stringify({ type: 'object', required: ['level'], properties: { level: { type: 'integer' } } });
    const registered = await server.request('POST', '/registry/subjects/level_end/versions', {
        body: JSON.stringify({ schemaType: 'JSON', schema }), headers: { 'Content-Type': 'application/json' } });
    assert.equal(registered.status, 200, registered.text);
    await server.send([event({ attributes: { level: 3 } }), event({ attributes: { level: 'three' } })]);
    assert.equal((await received(server)).total, 1);
    const { events: [bad] } = await received(server, '?status=bad');
    assert.equal(bad.code, 'schema_violation');
    assert.equal(bad.pointer, '/attributes/level');
    assert.deepEqual(bad.event.attributes, { level: 'three' });
    await server.stop();
});

test('memory is bounded: the oldest events make room and are counted', async (t) => {
    const server = await start(t, { env: { PLAYTRACE_COLLECT_RECEIVED_EVENTS_MAX: '10' } });
    const sent = events(25);
    for (let at = 0; at < 25; at += 5) {
        assert.equal((await server.send(sent.slice(at, at + 5))).status, 202);
    }
    const { total, dropped, events: kept } = await received(server);
    assert.deepEqual({ total, dropped }, { total: 10, dropped: 15 });
    assert.deepEqual(kept.map((one) => one.event_id), sent.slice(15).map((one) => one.event_id));
    await server.stop();
});

test('flags of a named file are served, and --data beside it is a mistake', async (t) => {
    const dir = freshDir(t);
    const flags = path.join(dir, 'flags.json');
    const config = path.join(dir, 'playtrace.yaml');
    fs.writeFileSync(flags, JSON.stringify({ flags: { jump: {
        state: 'ENABLED', variants: { high: 2, low: 1 }, defaultVariant: 'high' } } }));
    fs.writeFileSync(config, `flag:\n  file: ${flags}\n`);
    const server = await start(t, { args: ['--config', config] });
    const answer = await server.request('POST', '/ofrep/v1/evaluate/flags/jump', {
        body: JSON.stringify({ context: { targetingKey: 'p' } }),
        headers: { 'Content-Type': 'application/json' } });
    assert.equal(answer.json.value, 2, answer.text);
    await server.stop();

    const both = await cli(['serve', '--ephemeral', '--data', dir], { cwd: dir });
    assert.equal(both.code, 2);
    assert.match(both.stderr, /--ephemeral.*--data/);
});

test('the real server does not show what it received', async (t) => {
    const server = await Server.forTest(t, freshDir(t));
    assert.equal((await server.get('/api/v1/received')).status, 404);
    assert.equal((await server.request('DELETE', '/api/v1/received')).status, 404);
    await server.stop();
});

test('with a key, only who has it sees and deletes', async (t) => {
    const server = await start(t, { env: { PLAYTRACE_COLLECT_KEYS: 'ci-key' } });
    const key = { Authorization: 'Bearer ci-key' };
    assert.equal((await server.send([event()], key)).status, 202);
    assert.equal((await server.get('/api/v1/received')).status, 401);
    assert.equal((await server.request('DELETE', '/api/v1/received')).status, 401);
    const answer = await server.get('/api/v1/received', key);
    assert.equal(answer.json.total, 1);
    assert.equal((await server.request('DELETE', '/api/v1/received', { headers: key })).status, 204);
    await server.stop();
});

// Every file opened for writing or made, by the kernel's own account.
function writesOf(lines) {
    return lines.filter((line) =>
        (/\bopen(at)?\(.*O_(WRONLY|RDWR|CREAT)/.test(line) ||
            /\b(mkdir(at)?|rename(at2?)?|link(at)?|symlink(at)?|creat|mknod(at)?)\(/.test(line)) &&
        / = \d+/.test(line) && !/"\/dev\/(null|tty|urandom)"/.test(line));
}

test('no file is written, and no id is logged', async (t) => {
    const dir = freshDir(t);
    const server = await start(t, { cwd: dir, env: { TMPDIR: dir, HOME: dir, ...tracedEnv } });
    const trace = await traceProcess(t, server.child.pid, path.join(freshDir(t), 'trace'),
        'trace=%file,write,pwrite64,fdatasync,fsync');
    await server.send(events(200, () => ({ user_id: 'alice@example.com', install_id: 'device-secret' })));
    await server.send([{ user_id: 'alice@example.com', note: 'device-secret' }]);
    await server.send(events(1, () => ({ attributes: { deep: [[[[[[[[[[1]]]]]]]]]] } })));
    assert.equal((await received(server)).total, 200);
    await server.request('DELETE', '/api/v1/received');
    await server.stop();
    const lines = trace ? await trace.lines() : [];
    assert.deepEqual(writesOf(lines), []);
    assert.ok(!lines.some((line) => /f(data)?sync\(/.test(line)), 'nothing to sync');
    assert.deepEqual(fs.readdirSync(dir), [], 'the directory it ran in is empty');
    assert.ok(!/alice|device-secret/.test(server.stderr + server.stdout), server.stderr);
});
