// flags.test.mjs - a flag's way back to the client: OFREP's single-flag route and the CLI agree, and clients
// that listen to the stream of changes hear of each
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, freshDir, metric, sleep, until } from './support/server.mjs';

const definitions = {
    flags: {
        'gate-level': {
            state: 'ENABLED',
            variants: { gate_30: 30, gate_40: 40 },
            defaultVariant: 'gate_30',
            targeting: { fractional: [['gate_30', 50], ['gate_40', 50]] },
        },
        'new-shop': {
            state: 'ENABLED',
            variants: { on: true, off: false },
            defaultVariant: 'off',
        },
    },
};

function ask(server, key, context) {
    return server.request('POST', `/ofrep/v1/evaluate/flags/${key}`, {
        body: JSON.stringify({ context }),
        headers: { 'Content-Type': 'application/json' },
    });
}

test('a fractional rule gives each player one variant, the same over OFREP and the CLI', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'flags.json');
    fs.writeFileSync(file, JSON.stringify(definitions));
    const server = await Server.forTest(t, dir);

    const fixed = await ask(server, 'new-shop', { targetingKey: 'player-1' });
    assert.equal(fixed.status, 200, fixed.text);
    assert.equal(fixed.json.key, 'new-shop');
    assert.equal(fixed.json.value, false);
    assert.equal(fixed.json.variant, 'off');
    assert.match(fixed.json.reason, /^(STATIC|DEFAULT)$/);

    const counts = { gate_30: 0, gate_40: 0 };
    for (let player = 0; player < 400; player++) {
        const answer = await ask(server, 'gate-level', { targetingKey: `player-${player}` });
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.json.value, answer.json.variant === 'gate_30' ? 30 : 40);
        counts[answer.json.variant]++;
        if (player < 10) {
            const again = await ask(server, 'gate-level', { targetingKey: `player-${player}` });
            assert.equal(again.json.variant, answer.json.variant);
            const { stdout } = await cliOk(['flags', 'eval', '--flags', file, '--context',
                JSON.stringify({ targetingKey: `player-${player}` }), 'gate-level']);
            assert.equal(JSON.parse(stdout).variant, answer.json.variant);
        }
    }
    assert.ok(Math.abs(counts.gate_30 - 200) < 60, JSON.stringify(counts));

    const unknown = await ask(server, 'no-such-flag', { targetingKey: 'player-1' });
    assert.equal(unknown.status, 404, unknown.text);
    assert.equal(unknown.json.errorCode, 'FLAG_NOT_FOUND');
    assert.equal(unknown.json.key, 'no-such-flag');
    const malformed = await server.request('POST', '/ofrep/v1/evaluate/flags/gate-level', { body: '{"context":' });
    assert.equal(malformed.status, 400, malformed.text);
    assert.ok(malformed.json.errorCode, malformed.text);
    await server.stop();
});

test('without a flag file every flag is unknown, and the rest is served', async (t) => {
    const server = await Server.forTest(t, freshDir(t));
    const answer = await ask(server, 'gate-level', { targetingKey: 'player-1' });
    assert.equal(answer.status, 404, answer.text);
    assert.equal((await server.get('/readyz')).status, 200);
    await server.stop();
});

// ---- changes are told ----

function shop(variant) {
    return JSON.stringify({ flags: { ...definitions.flags, 'new-shop': { ...definitions.flags['new-shop'], defaultVariant: variant } } });
}

// As a careful writer does: the file is never half there.
function replace(file, text) {
    fs.writeFileSync(`${file}.new`, text);
    fs.renameSync(`${file}.new`, file);
}

// What the bulk answer offers.
async function offered(server, headers = {}) {
    const answer = await server.request('POST', '/ofrep/v1/evaluate/flags', {
        body: JSON.stringify({ context: { targetingKey: 'player-1' } }),
        headers,
    });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.json.eventStreams.map(({ type, inactivityDelaySec }) => [type, inactivityDelaySec]), [['sse', 120]]);
    return answer.json.eventStreams[0];
}

// A client of server-sent events: what came, parsed no further than it needs.
class Listener {
    static open(t, url, headers = {}) {
        const listener = new Listener();
        listener.text = '';
        listener.ended = new Promise((resolve) => {
            listener.opened = new Promise((opened, failed) => {
                listener.request = http.get(url, { headers, agent: false }, (response) => {
                    listener.response = response;
                    response.on('data', (chunk) => (listener.text += chunk));
                    response.on('end', resolve);
                    response.on('error', resolve);
                    opened(response);
                });
                listener.request.on('error', (error) => {
                    failed(error);
                    resolve();
                });
            });
        });
        t.after(() => listener.request.destroy());
        return listener.opened.then(() => listener);
    }

    get events() {
        return this.text.split('\n\n').filter((block) => /^data: /m.test(block)).map((block) => ({
            id: /^id: (.*)$/m.exec(block)[1],
            event: /^event: (.*)$/m.exec(block)[1],
            data: JSON.parse(/^data: (.*)$/m.exec(block)[1]),
        }));
    }

    get lastId() {
        return /[^]*^id: (.*)$/m.exec(this.text)[1];
    }
}

test('a changed file is told to every listener, and what is told is then answered', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'flags.json');
    fs.writeFileSync(file, shop('off'));
    const server = await Server.forTest(t, dir, { env: { PLAYTRACE_SERVER_CORS_ORIGINS: 'https://game.example' } });
    const url = new URL((await offered(server)).endpoint.requestUri, server.url);
    const listeners = [await Listener.open(t, url), await Listener.open(t, url, { Origin: 'https://game.example' })];

    assert.equal(listeners[0].response.headers['content-type'], 'text/event-stream');
    assert.equal(listeners[1].response.headers['access-control-allow-origin'], 'https://game.example');
    await until('the greeting', () => listeners.every((one) => one.text.includes('\n\n')));
    assert.deepEqual(listeners.flatMap((one) => one.events), []);
    assert.equal(metric((await server.get('/metrics')).text, 'playtrace_http_feeds'), 2);

    const changed = Date.now();
    replace(file, shop('on'));
    await until('the change', () => listeners.every((one) => one.events.length > 0));
    t.diagnostic(`told after ${Date.now() - changed} ms`);
    for (const one of listeners) {
        const [{ id, event, data }] = one.events;
        assert.equal(event, 'message');
        assert.equal(data.type, 'refetchEvaluation');
        assert.equal(data.etag, id);
        assert.ok(Number.isInteger(data.lastModified));
    }
    const answer = await ask(server, 'new-shop', { targetingKey: 'player-1' });
    assert.equal(answer.json.variant, 'on');

    // A broken file, and the same once more, are no change.
    replace(file, '{"flags":');
    await until('the complaint', () => server.stderr.includes('flags not reloaded'));
    replace(file, shop('on'));
    await until('the second reload', () => server.stderr.split('flags reloaded').length === 3);
    replace(file, shop('off'));
    await until('the second change', () => listeners.every((one) => one.events.length > 1));
    assert.deepEqual(listeners.map((one) => one.events.length), [2, 2]);
    listeners[0].request.destroy();
    for (let feeds; feeds !== 1;) {
        feeds = metric((await server.get('/metrics')).text, 'playtrace_http_feeds');
        await sleep(20);
    }
    await server.stop();
    await listeners[1].ended;
});

test('after kill -9 a listener that comes back is told what it missed, and nothing else', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'flags.json');
    fs.writeFileSync(file, shop('off'));
    const server = await Server.forTest(t, dir);
    const target = (await offered(server)).endpoint.requestUri;
    const before = await Listener.open(t, new URL(target, server.url));
    await until('the greeting', () => before.text.includes('\n\n'));
    replace(file, shop('on'));
    await until('the change', () => before.events.length > 0);
    await server.kill();
    await before.ended;

    const again = await Server.forTest(t, dir);
    const back = await Listener.open(t, new URL(target, again.url), { 'Last-Event-ID': before.lastId });
    await until('the greeting', () => back.text.includes('\n\n'));
    assert.deepEqual(back.events, []);
    await again.kill();

    replace(file, shop('off')); // while nobody was there
    const last = await Server.forTest(t, dir);
    const late = await Listener.open(t, new URL(target, last.url), { 'Last-Event-ID': back.lastId });
    await until('the event', () => late.events.length > 0);
    assert.notEqual(late.lastId, back.lastId);
    await last.stop();
});

test('a stop does not wait for listeners, and a setting says who may listen', async (t) => {
    const dir = freshDir(t);
    fs.writeFileSync(path.join(dir, 'flags.json'), shop('off'));
    // SIGTERM would wait ten minutes for an open request; the harness kills after some 20 s.
    const server = await Server.forTest(t, dir, {
        env: { PLAYTRACE_SERVER_DRAIN_MS: '600000', PLAYTRACE_SERVER_FEEDS_MAX: '1', PLAYTRACE_FLAG_EVENTS: 'https://play.example/flags/' },
    });
    const { url } = await offered(server);
    assert.match(url, /^https:\/\/play\.example\/flags\/ofrep\/v1\/events\?since=[0-9a-f]{16}$/);
    const listener = await Listener.open(t, new URL('/ofrep/v1/events', server.url));
    await until('the event', () => listener.events.length > 0); // it did not say what it knows
    const second = await server.get('/ofrep/v1/events');
    assert.equal(second.status, 503, second.text);
    assert.equal(second.headers['retry-after'], '1');
    await server.stop();
    await listener.ended;

    const quiet = await Server.forTest(t, dir, { env: { PLAYTRACE_FLAG_EVENTS: 'off' } });
    const bulk = await quiet.request('POST', '/ofrep/v1/evaluate/flags', { body: '{"context":{}}' });
    assert.equal(bulk.json.eventStreams, undefined);
    assert.equal((await quiet.get('/ofrep/v1/events')).status, 404);
    await quiet.stop();
    const wrong = await cli(['serve', '--data', dir, '--listen', '127.0.0.1:0'], { env: { PLAYTRACE_FLAG_EVENTS: 'maybe' } });
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr, /flag\.events is "maybe"; it may be on, off, or the address/);
});

test('where keys are asked for, the address that is offered opens the stream', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'flags.json');
    fs.writeFileSync(file, shop('off'));
    const { stdout } = await cliOk(['keys', 'create', '--data', dir, '--scope', 'flags', '--name', 'web']);
    const key = stdout.trim();
    const server = await Server.forTest(t, dir);
    const target = (await offered(server, { Authorization: `Bearer ${key}` })).endpoint.requestUri;
    assert.ok(!target.includes(key));
    const listener = await Listener.open(t, new URL(target, server.url));
    assert.equal(listener.response.statusCode, 200);
    await until('the greeting', () => listener.text.includes('\n\n'));
    replace(file, shop('on'));
    await until('the change', () => listener.events.length > 0);
    assert.equal((await server.get(target.replace(/ticket=./, 'ticket='))).status, 401);
    assert.equal((await server.get('/ofrep/v1/events')).status, 401);
    await server.stop();
});
