// flags_set.test.mjs - flags are changed by command line and API, checked, accounted for, in force without a restart
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, environment, freshDir, patience, program, sleep } from './support/server.mjs';

const shop = { state: 'ENABLED', variants: { on: true, off: false }, defaultVariant: 'off' };

function write(dir, flags, metadata) {
    fs.writeFileSync(path.join(dir, 'flags.json'), JSON.stringify({ metadata, flags }));
}

const readFlags = (dir) => JSON.parse(fs.readFileSync(path.join(dir, 'flags.json'), 'utf8'));

async function set(dir, ...args) {
    const { stdout } = await cliOk(['flags', 'set', '--data', dir, ...args]);
    return JSON.parse(stdout);
}

async function refused(dir, args, pattern) {
    const before = fs.readFileSync(path.join(dir, 'flags.json'), 'utf8');
    const result = await cli(['flags', 'set', '--data', dir, ...args]);
    assert.equal(result.code, 1, result.stdout);
    assert.match(result.stderr, pattern);
    assert.equal(fs.readFileSync(path.join(dir, 'flags.json'), 'utf8'), before);
}

async function history(dir, ...args) {
    const { stdout } = await cliOk(['flags', 'history', '--data', dir, '--format', 'json', ...args]);
    return JSON.parse(stdout);
}

async function evaluate(dir, key, context) {
    const { stdout } = await cliOk(['flags', 'eval', '--data', dir, '--context', JSON.stringify(context), key]);
    return JSON.parse(stdout);
}

function ask(server, key, unit) {
    return server.request('POST', `/ofrep/v1/evaluate/flags/${key}`, {
        body: JSON.stringify({ context: { targetingKey: unit } }),
        headers: { 'Content-Type': 'application/json' },
    });
}

function call(server, method, route, body, headers = {}) {
    return server.request(method, `/api/v1/flags${route}`, {
        body: body === undefined ? undefined : JSON.stringify(body),
        headers: body === undefined ? headers : { 'Content-Type': 'application/json', ...headers },
    });
}

test('a rollout is widened, and who was in stays as he was', async (t) => {
    const dir = freshDir(t);
    write(dir, { shop });
    const lines = () => Array.from({ length: 400 }, (_, i) =>
        JSON.stringify({ key: 'shop', context: { targetingKey: `u${i}` } })).join('\n');
    const all = async () => {
        const { stdout } = await cliOk(['flags', 'eval', '--data', dir], { input: lines() });
        return stdout.trim().split('\n').map((line) => JSON.parse(line));
    };

    assert.equal((await set(dir, 'shop', '--rollout', '20', '--weights', 'on=1,off=1', '--by', 'ann')).version, 1);
    const first = await all();
    assert.equal((await set(dir, 'shop', '--rollout', '70%')).version, 2);
    const second = await all();
    let newcomers = 0;
    for (let i = 0; i < first.length; i++) {
        assert.equal(second[i].metadata.version, 2);
        if (first[i].reason === 'SPLIT') {
            assert.equal(first[i].metadata.epoch, 1);
            assert.equal(second[i].metadata.epoch, 1);
            assert.equal(second[i].variant, first[i].variant);
        } else {
            assert.deepEqual(first[i].metadata, { version: 1, gate: 'rollout' });
            newcomers += second[i].metadata.epoch === 2;
        }
    }
    assert.ok(newcomers > 100, `${newcomers} came with the second epoch`);
    await refused(dir, ['shop', '--rollout', '50'], /70\.00 % of the units are assigned/);
    await refused(dir, ['shop', '--rollout', '80', '--weights', 'blue=1'], /no variant "blue"/);
    await refused(dir, ['nobody', '--state', 'off'], /no flag "nobody"/);
});

test('a running server takes a change at once: the kill switch', async (t) => {
    const dir = freshDir(t);
    write(dir, { shop: { ...shop, defaultVariant: 'on' } });
    const server = await Server.forTest(t, dir);
    assert.equal((await ask(server, 'shop', 'u')).json.value, true);
    await set(dir, 'shop', '--state', 'off', '--why', 'it crashes');
    const until = Date.now() + 20000 * patience;
    let answer;
    do {
        answer = (await ask(server, 'shop', 'u')).json;
        assert.ok(Date.now() < until, 'the server never took the change');
        await sleep(50);
    } while (answer.reason !== 'DISABLED');
    assert.equal(answer.value, undefined);
    const { json } = await call(server, 'GET', '/history?key=shop');
    assert.equal(json.changes.at(-1).why, 'it crashes');
});

test('a definition comes from a file or standard input, and mistakes are refused with their place', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'gate.json');
    fs.writeFileSync(file, JSON.stringify({ ...shop, metadata: { 'requires.shop': 'on' } }));
    await cliOk(['flags', 'set', '--data', dir, 'shop', '--definition', '-'], { input: JSON.stringify(shop) });
    await set(dir, 'gate', '--definition', file);
    assert.deepEqual(Object.keys(readFlags(dir).flags), ['shop', 'gate']);
    assert.deepEqual((await evaluate(dir, 'gate', { targetingKey: 'u' })).metadata,
        { version: 1, gate: 'prerequisite', prerequisite: 'shop' });
    await refused(dir, ['shop', 'requires.gate=on'], /circle: gate -> shop -> gate/);
    await refused(dir, ['shop', '--delete'], /\/flags\/gate\/metadata\/requires\.shop: there is no flag "shop"/);
    await refused(dir, ['shop', '--default', 'blue'], /\/flags\/shop\/defaultVariant/);
    await set(dir, '--global', 'holdout.all=100');
    assert.deepEqual((await evaluate(dir, 'shop', { targetingKey: 'u' })).metadata,
        { version: 1, gate: 'holdout', holdout: 'all' });
    await set(dir, '--global', 'holdout.all=');
    assert.equal(readFlags(dir).metadata, undefined);
    for (const [args, pattern] of [
        [[], /which flag/],
        [['shop'], /nothing to change/],
        [['shop', '--state', 'maybe'], /not on or off/],
        [['shop', 'nonsense'], /no NAME=VALUE/],
        [['shop', '--weights', 'on=1'], /go with --rollout/],
        [['shop', '--rollout', 'much'], /no percentage/],
        [['--undo', 'last'], /whole number/],
        [['shop', '--undo'], /--undo takes the number of a change, .*not "shop": `playtrace flags history`/],
        [['--undo', '0'], /number of a change/],
        [['--undo', '99999999999999999999'], /number of a change/],
        [['shop', '--definition', path.join(dir, 'none')], /cannot be opened/],
    ]) {
        const result = await cli(['flags', 'set', '--data', dir, ...args]);
        assert.equal(result.code, 2, args.join(' '));
        assert.match(result.stderr, pattern);
    }
});

test('history tells who, what and why, edits by hand and tampering; undo goes back', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'flags.json');
    write(dir, { shop });
    await set(dir, 'shop', '--state', 'off', '--by', 'ann', '--why', 'sale is over');
    let table = (await cliOk(['flags', 'history', '--data', dir])).stdout;
    assert.match(table, /ann\s+set  \(sale is over\)\n\s+\/flags\/shop: state "ENABLED" -> "DISABLED"/);

    write(dir, { shop: { ...shop, defaultVariant: 'on' } });
    assert.equal((await history(dir)).standing, 'edited_outside');
    table = (await cliOk(['flags', 'history', '--data', dir])).stdout;
    assert.match(table, /edited outside since:\n\s+\/flags\/shop: state "DISABLED" -> "ENABLED"; defaultVariant "off" -> "on"/);
    const { seq } = await set(dir, 'shop', '--default', 'off', '--by', 'bob');
    assert.equal(seq, 4); // 3 is the edit by hand
    const { changes, standing } = await history(dir, 'shop');
    assert.equal(standing, 'recorded');
    assert.deepEqual(changes.map(({ kind, by }) => [kind, by]),
        [['found', null], ['set', 'ann'], ['outside', null], ['set', 'bob']]);

    await refused(dir, ['--undo', '2'], /change 2 cannot be taken back: \/flags\/shop was changed since/);
    await set(dir, '--undo');
    assert.equal(readFlags(dir).flags.shop.defaultVariant, 'on');
    await set(dir, '--undo', '3');
    assert.equal(readFlags(dir).flags.shop.state, 'DISABLED');

    const chain = fs.readFileSync(`${file}.history`, 'utf8');
    fs.writeFileSync(`${file}.history`, chain.replace('sale is over', 'all is well!'));
    for (const verb of [['history'], ['set', 'shop', '--state', 'on']]) {
        const result = await cli(['flags', ...verb, '--data', dir]);
        assert.equal(result.code, 1);
        assert.match(result.stderr, /line 2 was changed: its checksum is [0-9a-f]{64}, its text has [0-9a-f]{64}$/m);
    }
    const doctor = await cli(['doctor', '--data', dir]);
    assert.match(doctor.stdout, /flags history.*line 2 was changed/);
    await set(dir, 'shop', '--state', 'on', '--new-history');
    assert.equal(readFlags(dir).flags.shop.state, 'ENABLED');
    assert.match(fs.readFileSync(`${file}.history.broken-1`, 'utf8'), /all is well!/);
    assert.equal((await history(dir)).standing, 'recorded');
});

test('the history of a directory that is not there is none, not an empty one', async (t) => {
    const dir = path.join(freshDir(t), 'nowhere');
    for (const where of [['--data', dir], ['--flags', path.join(dir, 'flags.json')]]) {
        const result = await cli(['flags', 'history', ...where]);
        assert.deepEqual([result.code, result.stdout], [1, '']);
        assert.match(result.stderr, /there is no directory .*nowhere$/m);
    }
});

test('a tampered history over the API: named by line, and what helps', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'flags.json.history');
    write(dir, { shop });
    await set(dir, 'shop', '--state', 'off', '--why', 'sale is over');
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('sale is over', 'all is well!'));
    const server = await Server.forTest(t, dir);
    for (const answer of [await call(server, 'PATCH', '/shop', { state: 'on' }), await call(server, 'GET', '/history')]) {
        assert.deepEqual([answer.status, answer.json.code], [409, 'history_tampered']);
        assert.match(answer.json.detail, /--new-history puts it aside.*line 2 was changed: .* has [0-9a-f]{64}$/);
    }
});

test('the doctor tells an edit by hand from a flag that speaks of one', async (t) => {
    const dir = freshDir(t);
    const doctor = async () => (await cli(['doctor', '--data', dir])).stdout.match(/.*flags history.*/)?.[0] ?? '';
    write(dir, { shop: { ...shop, metadata: { standing: 'edited_by_ann' } } });
    assert.equal(await doctor(), ''); // there is none
    await set(dir, 'shop', '--state', 'off');
    assert.match(await doctor(), /every change is accounted for/);
    write(dir, { shop });
    assert.match(await doctor(), /was edited by other means/);
});

test('two people over the API do not overwrite each other', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    let answer = await call(server, 'PUT', '/shop', shop);
    assert.equal(answer.status, 428);
    answer = await call(server, 'PUT', '/shop?why=first%20one&by=ann', shop, { 'If-None-Match': '*' });
    assert.equal(answer.status, 200, answer.text);
    const seen = answer.headers.etag;
    assert.equal((await call(server, 'GET', '/shop')).headers.etag, seen);
    assert.equal((await ask(server, 'shop', 'u')).json.metadata.version, 1); // in force when it is answered

    answer = await call(server, 'PATCH', '/shop', { rollout: 100, weights: 'on=1', why: 'go' }, { 'If-Match': seen });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual((await ask(server, 'shop', 'u')).json,
        { key: 'shop', reason: 'SPLIT', variant: 'on', value: true, metadata: { version: 2, epoch: 1 } });
    answer = await call(server, 'PUT', '/shop', { ...shop, defaultVariant: 'on' }, { 'If-Match': seen });
    assert.equal(answer.status, 412, answer.text);
    answer = await call(server, 'DELETE', '/shop', undefined, { 'If-Match': seen });
    assert.equal(answer.status, 412, answer.text);
    answer = await call(server, 'PUT', '/shop', shop, { 'If-Match': '*' });
    assert.equal(answer.status, 400, answer.text); // its epochs would be gone
    assert.match(answer.json.detail, /10000 of 10000 buckets/);
    answer = await call(server, 'PUT', '/shop', { ...shop, state: 'ON' }, { 'If-Match': '*' });
    assert.equal(answer.status, 400);
    assert.match(answer.json.detail, /\/flags\/shop\/state/);

    answer = await call(server, 'PATCH', '/shop', { state: 'off' });
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await ask(server, 'shop', 'u')).json.reason, 'DISABLED');
    answer = await call(server, 'POST', '/undo', { why: 'too early' });
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await ask(server, 'shop', 'u')).json.reason, 'SPLIT');
    answer = await call(server, 'PATCH', '', { metadata: { 'holdout.h': 100 } });
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await ask(server, 'shop', 'u')).json.metadata.holdout, 'h');
    answer = await call(server, 'DELETE', '/shop', undefined, { 'If-Match': (await call(server, 'GET', '/shop')).headers.etag });
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await call(server, 'GET', '/shop')).status, 404);
    assert.equal((await ask(server, 'shop', 'u')).status, 404);

    const { json } = await call(server, 'GET', '/history');
    assert.equal(json.standing, 'recorded');
    assert.deepEqual(json.changes.map(({ kind, by, why }) => [kind, by, why]), [
        ['set', 'ann (api)', 'first one'], ['set', 'api', 'go'], ['set', 'api', null],
        ['undo', 'api', 'too early'], ['set', 'api', null], ['delete', 'api', null],
    ]);
    assert.deepEqual((await call(server, 'GET', '')).json.flags, []);
    for (const [method, route, body] of [
        ['PATCH', '/shop', []], ['PATCH', '/shop', {}], ['PATCH', '/shop', { nonsense: 1 }],
        ['PATCH', '/shop', { weights: 'on=1' }], ['PATCH', '', { state: 'off' }],
        ['PATCH', '/shop', { metadata: 5 }], ['POST', '/undo', { seq: -1 }], ['POST', '/undo', { key: 'x' }],
        ['GET', '/%zz'],
    ]) {
        answer = await call(server, method, route, body);
        assert.equal(answer.status, 400, `${method} ${route} ${JSON.stringify(body)}: ${answer.text}`);
    }
});

test('the API wants an admin key where there is one, and records its name', async (t) => {
    const dir = freshDir(t);
    const make = async (name, scope) =>
        (await cliOk(['keys', 'create', '--data', dir, '--name', name, '--scope', scope])).stdout.trim().split('\n').at(-1);
    const admin = await make('release desk', 'admin');
    const game = await make('game', 'flags');
    const server = await Server.forTest(t, dir);
    const headers = { 'If-None-Match': '*' };
    for (const [method, route] of [['GET', ''], ['GET', '/history'], ['PUT', '/shop'], ['DELETE', '/shop'], ['POST', '/undo']]) {
        assert.equal((await call(server, method, route, undefined, headers)).status, 401, `${method} ${route}`);
        assert.equal((await call(server, method, route, undefined,
            { ...headers, Authorization: `Bearer ${game}` })).status, 403, `${method} ${route}`);
    }
    const answer = await call(server, 'PUT', '/shop', shop, { ...headers, Authorization: `Bearer ${admin}` });
    assert.equal(answer.status, 200, answer.text);
    assert.equal((await history(dir)).changes[0].by, 'release desk');
});

test('backup and restore bring the flags and their history', async (t) => {
    const work = freshDir(t);
    const [data, kept, restored] = ['data', 'backup', 'restored'].map((name) => path.join(work, name));
    const server = await Server.forTest(t, data);
    await call(server, 'PUT', '/shop', shop, { 'If-None-Match': '*' });
    await call(server, 'PATCH', '/shop', { rollout: 10 });
    await server.stop();
    await cliOk(['backup', kept, '--data', data]);
    await cliOk(['restore', kept, '--data', restored]);
    const before = await history(data);
    const after = await history(restored);
    assert.equal(after.standing, 'recorded');
    assert.deepEqual(after.head, before.head);
    assert.deepEqual(readFlags(restored), readFlags(data));
    assert.equal((await set(restored, 'shop', '--state', 'off')).version, 3);
});

test('kill -9 during changes leaves file and history in agreement', async (t) => {
    const dir = freshDir(t);
    write(dir, { shop });
    let acked = 0;
    for (let i = 0; i < 30; i++) {
        const child = spawn(program, ['flags', 'set', '--data', dir, 'shop', `n=${i}`],
            { env: environment(), stdio: ['ignore', 'pipe', 'ignore'] });
        let said = '';
        child.stdout.on('data', (chunk) => (said += chunk));
        const ended = new Promise((resolve) => child.on('close', resolve));
        await sleep((i % 15) * 2);
        child.kill('SIGKILL');
        await ended;
        const { standing } = await history(dir);
        assert.match(standing, /^(recorded|unrecorded|not_in_effect)$/);
        if (said.endsWith('\n')) {
            acked++;
            assert.equal(readFlags(dir).flags.shop.metadata.n, i);
        }
    }
    await set(dir, 'shop', '--state', 'off');
    const { standing, changes } = await history(dir);
    assert.equal(standing, 'recorded');
    const done = changes.filter(({ kind }) => kind === 'set').length - changes.filter(({ kind }) => kind === 'void').length;
    assert.equal(readFlags(dir).flags.shop.metadata.version > acked, true);
    assert.ok(done > acked);
});
