// serve.test.mjs - the process: it comes up, says so, keeps others out, and ends as it is told
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Server, cli, countRows, event, events, freshDir, metric } from './support/server.mjs';

test('health, readiness and metrics answer, and other paths and methods are refused', async (t) => {
    const server = await Server.forTest(t, freshDir(t));

    assert.equal((await server.get('/healthz')).status, 200);
    assert.equal((await server.get('/readyz')).status, 200);

    const before = await server.get('/metrics');
    assert.equal(before.status, 200);
    assert.match(before.headers['content-type'], /^text\/plain/);
    assert.equal((await server.send(events(3))).status, 202);
    const after = (await server.get('/metrics')).text;
    assert.equal(metric(after, 'playtrace_collect_events_total', 'verdict="accepted"'), 3);
    assert.equal(metric(after, 'playtrace_collect_events_total'), 3, 'and none refused');
    for (const line of after.trim().split('\n')) {
        assert.match(line, /^(# (HELP|TYPE) |[a-zA-Z_:][\w:]*(\{.*\})? -?[\d.e+-]+$)/, line);
    }

    const missing = await server.get('/no/such/page');
    assert.equal(missing.status, 404);
    assert.ok(missing.json.code && missing.json.detail, missing.text);
    const wrong = await server.request('DELETE', '/v1/events');
    assert.equal(wrong.status, 405);
    assert.match(wrong.headers.allow, /POST/);
    await server.stop();
});

test('without a key it refuses to listen beyond the loopback address', async (t) => {
    const refused = await cli(['serve', '--data', freshDir(t), '--listen', '0.0.0.0:0']);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /^playtrace: .*key/im);
    assert.equal(refused.stdout, '');
});

test('with a key it may listen beyond the loopback address', async (t) => {
    const server = await Server.forTest(t, freshDir(t), {
        args: ['--listen', '0.0.0.0:0'],
        env: { PLAYTRACE_COLLECT_KEYS: 'studio-key', PLAYTRACE_SERVER_ADMIN_LISTEN: '127.0.0.1:0' },
    });
    server.url = server.url.replace('0.0.0.0', '127.0.0.1');
    assert.equal((await server.get('/readyz')).status, 200);
    assert.equal((await server.send([event()])).status, 401);
    await server.stop();
});

test('a second serve on one directory is refused with the pid of the first', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const second = await cli(['serve', '--data', dir, '--listen', '127.0.0.1:0']);
    assert.equal(second.code, 1);
    assert.match(second.stderr, new RegExp(`\\b${server.child.pid}\\b`));
    assert.equal((await server.send([event()])).status, 202, 'the first is not disturbed');
    await server.stop();

    const third = await Server.forTest(t, dir);
    assert.equal((await third.get('/readyz')).status, 200, 'the lock went with the first');
    await third.stop();
});

test('a port that is taken is an error that names the address', async (t) => {
    const server = await Server.forTest(t, freshDir(t));
    const address = new URL(server.url).host;
    const second = await cli(['serve', '--data', freshDir(t), '--listen', address]);
    assert.equal(second.code, 1);
    assert.ok(second.stderr.includes(address), second.stderr);
    await server.stop();
});

test('SIGTERM ends it cleanly, and a restart has every event', async (t) => {
    const dir = freshDir(t);
    const first = await Server.forTest(t, dir);
    assert.equal((await first.send(events(50))).status, 202);
    await first.stop(); // asserts exit code 0

    const second = await Server.forTest(t, dir);
    assert.equal((await second.send(events(25))).status, 202);
    assert.equal(await second.settle(75), 75);
    await second.stop();
    assert.deepEqual(await countRows(dir), { rows: 75, ids: 75 });
    const audit = await cli(['audit', '--data', dir]);
    assert.equal(audit.code, 0, audit.stdout + audit.stderr);
});

test('SIGTERM waits for a request that is under way', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const answers = Array.from({ length: 20 }, () => server.send(events(20)));
    await Promise.race(answers);
    server.child.kill('SIGTERM');
    const ended = await Promise.allSettled(answers);
    await server.stop();
    const accepted = ended.filter((one) => one.status === 'fulfilled' && one.value.status === 202).length;
    assert.ok(accepted >= 1);

    const again = await Server.forTest(t, dir);
    assert.ok((await again.settle(accepted * 20)) >= accepted * 20);
    await again.stop();
});

test('kill -9 loses nothing that was acknowledged', async (t) => {
    const dir = freshDir(t);
    const first = await Server.forTest(t, dir);
    const sent = events(40);
    assert.equal((await first.send(sent)).status, 202);
    await first.kill();

    const second = await Server.forTest(t, dir);
    assert.equal((await second.send(sent.slice(0, 10))).status, 202, 'and a retry after it');
    assert.equal(await second.settle(40), 40);
    await second.stop();
    assert.deepEqual(await countRows(dir), { rows: 40, ids: 40 });
    const audit = await cli(['audit', '--data', dir]);
    assert.equal(audit.code, 0, audit.stdout + audit.stderr);
});

test('an address that is none is told as such', async (t) => {
    const { code, stderr } = await cli(['serve', '--data', freshDir(t), '--listen', 'nonsense']);
    assert.equal(code, 1);
    assert.match(stderr, /^playtrace: serve: "nonsense" is not an address and a port/m);
});
