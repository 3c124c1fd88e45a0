// trust.test.mjs - keys, signatures, limits and places, as a studio on the open internet meets them
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, event, freshDir, root, sleep, sql } from './support/server.mjs';

const cityDatabase = path.resolve(
    root,
    '../shared/conformance/maxmind-db/test-data/GeoIP2-City-Test.mmdb',
);

function bodyOf(...list) {
    return JSON.stringify({ events: list });
}

async function createKey(dir, name, scope) {
    const args = ['keys', 'create', '--data', dir, '--name', name];
    const { stdout, stderr } = await cliOk(scope ? [...args, '--scope', scope] : args);
    return { key: stdout.trim(), id: /^key (\w+)/m.exec(stderr)[1] };
}

function post(server, body, headers = {}) {
    return server.request('POST', '/v1/events', {
        body,
        headers: { 'Content-Type': 'application/json', ...headers },
    });
}

// What a status becomes within the second that a server takes to see a changed file.
async function eventually(status, ask) {
    for (let tries = 0; ; tries++) {
        const answer = await ask();
        if (answer.status === status || tries === 100) {
            assert.equal(answer.status, status, answer.text);
            return answer;
        }
        await sleep(50);
    }
}

test('keys are made, scoped, rotated and revoked while the server runs, and never stored', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    assert.equal((await post(server, bodyOf(event()))).status, 202);

    const first = await createKey(dir, 'ios build');
    const withKey = (key) => post(server, bodyOf(event()), { Authorization: `Bearer ${key}` });
    await eventually(401, () => post(server, bodyOf(event())));
    assert.equal((await withKey(first.key)).status, 202);
    assert.equal((await withKey(`${first.key}0`)).status, 401);

    const second = await createKey(dir, 'ios build, next');
    await eventually(202, () => withKey(second.key));
    assert.equal((await withKey(first.key)).status, 202);
    await cliOk(['keys', 'revoke', first.id, '--data', dir]);
    await eventually(401, () => withKey(first.key));
    assert.equal((await withKey(second.key)).status, 202);

    const admin = await createKey(dir, 'operator', 'admin');
    const checkpoint = (headers) => server.request('POST', '/api/v1/checkpoint', { headers });
    await eventually(401, () => checkpoint({}));
    assert.equal((await checkpoint({ Authorization: `Bearer ${second.key}` })).status, 403);
    assert.equal((await checkpoint({ Authorization: `Bearer ${admin.key}` })).status, 200);

    const file = path.join(dir, 'keys', 'api_keys.json');
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.ok(!fs.readFileSync(file, 'utf8').includes(second.key.slice(3, 20)));
    const list = await cliOk(['keys', 'list', '--data', dir]);
    assert.match(list.stdout, /ios build, next/);
    assert.ok(!list.stdout.includes(first.id));
    await server.stop();
});

test('keys says what is wrong with its arguments', async (t) => {
    const dir = freshDir(t);
    for (const [args, says] of [
        [['keys'], /say what to do/],
        [['keys', 'create'], /--name/],
        [['keys', 'create', '--name', 'x', '--scope', 'events,all'], /"all"/],
        [['keys', 'create', '--name', 'x', '--expires-days', '0'], /--expires-days/],
    ]) {
        const { code, stderr, stdout } = await cli([...args, '--data', dir]);
        assert.equal(code, 2, stderr);
        assert.match(stderr, says);
        assert.equal(stdout, '');
    }
    const { code, stderr } = await cli(['keys', 'revoke', 'nobody', '--data', dir]);
    assert.equal(code, 1);
    assert.match(stderr, /"nobody"/);
});

test('a required signature binds the body and its time', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, {
        env: {
            PLAYTRACE_COLLECT_SIGNING_SECRETS: 'old secret,new secret',
            PLAYTRACE_COLLECT_SIGNATURE_REQUIRED: '1',
        },
    });
    const signed = (body, secret, time = Math.floor(Date.now() / 1000)) => {
        const digest = crypto.createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
        return { 'X-Playtrace-Signature': `t=${time},v1=${digest}` };
    };
    const body = bodyOf(event());
    assert.equal((await post(server, body)).json.code, 'bad_signature');
    assert.equal((await post(server, body, signed(body, 'no secret'))).status, 403);
    assert.equal((await post(server, `${body} `, signed(body, 'new secret'))).status, 403);
    assert.equal((await post(server, body, signed(body, 'new secret', 1700000000))).status, 403);
    assert.equal((await post(server, body, signed(body, 'new secret'))).status, 202);
    assert.equal((await post(server, body, signed(body, 'old secret'))).status, 202);
    await server.stop();

    const refused = await cli(['serve', '--data', dir, '--listen', '127.0.0.1:0'], {
        env: { PLAYTRACE_COLLECT_SIGNATURE_REQUIRED: '1' },
    });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /signing_secrets/);
});

test('limits an address and a key answer 429 with Retry-After, and take nothing', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, {
        env: {
            PLAYTRACE_COLLECT_RATE_ADDRESS_REQUESTS: '1', // ten at once
            PLAYTRACE_COLLECT_TRUSTED_PROXIES: '127.0.0.1',
            PLAYTRACE_COLLECT_KEYS: 'k1,k2',
            PLAYTRACE_COLLECT_RATE_KEY_EVENTS: '2', // twenty at once
        },
    });
    const as = (key, address) => ({ Authorization: `Bearer ${key}`, 'X-Forwarded-For': address });
    let taken = 0;
    let refused;
    for (let i = 0; i < 40 && !refused; i++) {
        const answer = await post(server, bodyOf(event()), as('k1', '203.0.113.1'));
        if (answer.status === 429) {
            refused = answer;
        } else {
            assert.equal(answer.status, 202, answer.text);
            taken++;
        }
    }
    assert.ok(refused, 'the address was never limited');
    assert.ok(Number(refused.headers['retry-after']) >= 1);
    assert.equal((await post(server, bodyOf(event()), as('k1', '203.0.113.2'))).status, 202);

    const many = (n) => bodyOf(...Array.from({ length: n }, () => event()));
    assert.equal((await post(server, many(20), as('k2', '203.0.113.3'))).status, 202);
    const over = await post(server, many(20), as('k2', '203.0.113.4'));
    assert.equal(over.status, 429);
    assert.match(over.json.detail, /key/);
    await server.request('POST', '/api/v1/checkpoint');
    const [row] = await sql(dir, 'select count(*) as n from events');
    assert.equal(Number(row.n), taken + 1 + 20);
    await server.stop();
});

test('a sender has a country, a region and a city, and no address anywhere', async (t) => {
    if (!fs.existsSync(cityDatabase)) {
        t.skip('the MaxMind test database is not there');
        return;
    }
    const dir = freshDir(t);
    const database = path.join(freshDir(t), 'city.mmdb');
    const server = await Server.forTest(t, dir, {
        env: {
            PLAYTRACE_COLLECT_KEYS: 'k',
            PLAYTRACE_COLLECT_LOCATION_DATABASE: database,
            PLAYTRACE_COLLECT_TRUSTED_PROXIES: '127.0.0.0/8',
        },
    });
    const send = (address, list) =>
        post(server, bodyOf(...list), {
            Authorization: 'Bearer k',
            'X-Forwarded-For': `8.8.8.8, ${address}`,
        });
    assert.equal((await send('89.160.20.112', [event({ event_name: 'before' })])).status, 202);
    fs.copyFileSync(cityDatabase, database);
    await sleep(2500);
    const bad = event({ event_name: 'bad', platform: 'toaster' });
    const answer = await send('89.160.20.112', [event({ event_name: 'after' }), bad]);
    assert.equal(answer.json.accepted, 1, answer.text);
    assert.equal((await send('127.0.0.1', [event({ event_name: 'local' })])).status, 202);
    await server.stop();
    const rows = await sql(dir, 'select event_name, country, region, city from events order by 1');
    assert.deepEqual(rows, [
        { event_name: 'after', country: 'SE', region: 'Östergötland County', city: 'Linköping' },
        { event_name: 'before', country: null, region: null, city: null },
        { event_name: 'local', country: null, region: null, city: null },
    ]);
    const files = fs.readdirSync(dir, { recursive: true, withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile())) {
        const bytes = fs.readFileSync(path.join(file.parentPath ?? file.path, file.name));
        assert.ok(!bytes.includes('89.160.20.112'), file.name);
    }
    assert.ok(!server.stderr.includes('89.160.20.112'));
});

test('attributes over a limit go to the dead letters with their reason', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, {
        env: { PLAYTRACE_COLLECT_ATTRIBUTE_KEYS_MAX: '5' },
    });
    const wide = Array.from({ length: 8 }, (_, i) => event({ attributes: { [`player_${i}`]: 1 } }));
    const answer = await post(server, bodyOf(...wide));
    assert.equal(answer.status, 202, answer.text);
    assert.equal(answer.json.accepted, 5);
    assert.deepEqual(answer.json.rejected.map((r) => [r.index, r.code, r.pointer]), [
        [5, 'too_many_keys', '/attributes/player_5'],
        [6, 'too_many_keys', '/attributes/player_6'],
        [7, 'too_many_keys', '/attributes/player_7'],
    ]);
    await server.stop();
    const { stdout } = await cliOk(['audit', '--data', dir]);
    assert.match(stdout, /^balanced/m);
});
