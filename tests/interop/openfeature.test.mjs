// openfeature.test.mjs - the real OpenFeature JavaScript SDKs evaluate our flags through their OFREP providers
//
// Promise: a game or its backend uses the SDK that it would use with any flag system: the server SDK asks
// flag by flag, the web SDK takes all flags once, works from them, is told 304 while nothing changed, and
// sees a changed file at its next poll; or, where it listens to our stream as a browser does, without any poll,
// over a kill -9 of the server too.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cliOk, freshDir, metric, root, sleep, until } from '../e2e/support/server.mjs';

const require = createRequire(path.join(root, 'tests/interop/openfeature/package.json'));

function definitions(shop) {
    return {
        $evaluators: { veteran: { '>=': [{ var: 'level' }, 20] } },
        flags: {
            'new-shop': { state: 'ENABLED', variants: { on: true, off: false }, defaultVariant: shop },
            gate: {
                state: 'ENABLED',
                variants: { gate_30: 30, gate_40: 40 },
                defaultVariant: 'gate_30',
                targeting: { if: [{ $ref: 'veteran' }, 'gate_40', null] },
                metadata: { owner: 'design' },
            },
            title: {
                state: 'ENABLED',
                variants: { a: 'Quest', b: 'Journey' },
                defaultVariant: 'a',
                targeting: { fractional: [['a', 50], ['b', 50]] },
            },
            layout: { state: 'ENABLED', variants: { wide: { columns: 3 } }, defaultVariant: 'wide' },
            retired: { state: 'DISABLED', variants: { on: true }, defaultVariant: 'on' },
        },
    };
}

// What goes to the server passes here, and is counted.
async function startProxy(t, target) {
    const seen = [];
    const proxy = http.createServer((request, response) => {
        const headers = { ...request.headers, host: new URL(target).host };
        const onward = http.request(target + request.url, { method: request.method, headers }, (answer) => {
            seen.push({ url: request.url, status: answer.statusCode, tag: request.headers['if-none-match'] });
            response.writeHead(answer.statusCode, answer.headers);
            answer.pipe(response);
        });
        onward.on('error', () => response.destroy()); // the server has stopped, the SDK polls on
        request.pipe(onward);
    });
    await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    t.after(() => proxy.close());
    return { url: `http://127.0.0.1:${proxy.address().port}`, seen };
}

test('the server SDK evaluates flag by flag', async (t) => {
    const { OpenFeature } = require('@openfeature/server-sdk');
    const { OFREPProvider } = require('@openfeature/ofrep-provider');
    const dir = freshDir(t);
    fs.writeFileSync(path.join(dir, 'flags.json'), JSON.stringify(definitions('off')));
    const server = await Server.forTest(t, dir);

    await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: server.url }));
    const client = OpenFeature.getClient();
    const veteran = { targetingKey: 'player-1', level: 33 };

    const gate = await client.getNumberDetails('gate', 1, veteran);
    assert.deepEqual([gate.value, gate.variant, gate.reason], [40, 'gate_40', 'TARGETING_MATCH']);
    assert.equal(gate.flagMetadata.owner, 'design');
    assert.equal(await client.getNumberValue('gate', 1, { targetingKey: 'player-1', level: 3 }), 30);
    assert.equal(await client.getBooleanValue('new-shop', true, veteran), false);
    assert.ok(['Quest', 'Journey'].includes(await client.getStringValue('title', '', veteran)));
    assert.deepEqual(await client.getObjectValue('layout', {}, veteran), { columns: 3 });

    const missing = await client.getBooleanDetails('no-such-flag', true, veteran);
    assert.deepEqual([missing.value, missing.errorCode], [true, 'FLAG_NOT_FOUND']);
    const wrong = await client.getStringDetails('new-shop', 'mine', veteran);
    assert.deepEqual([wrong.value, wrong.errorCode], ['mine', 'TYPE_MISMATCH']);
    const nobody = await client.getStringDetails('title', 'mine', {});
    assert.deepEqual([nobody.value, nobody.errorCode], ['mine', 'TARGETING_KEY_MISSING']);
    await OpenFeature.close();
    await server.stop();
});

test('the web SDK takes all flags, is told 304 while they stay, and sees a change', async (t) => {
    const { OpenFeature, ProviderEvents } = require('@openfeature/web-sdk');
    const { OFREPWebProvider } = require('@openfeature/ofrep-web-provider');
    const dir = freshDir(t);
    const file = path.join(dir, 'flags.json');
    fs.writeFileSync(file, JSON.stringify(definitions('off')));
    const server = await Server.forTest(t, dir);
    const proxy = await startProxy(t, server.url);

    await OpenFeature.setContext({ targetingKey: 'player-1', level: 33 });
    await OpenFeature.setProviderAndWait(new OFREPWebProvider({ baseUrl: proxy.url, pollInterval: 200, changeDetection: 'polling' }));
    const client = OpenFeature.getClient();
    let changes = 0;
    client.addHandler(ProviderEvents.ConfigurationChanged, () => changes++);

    assert.equal(client.getBooleanValue('new-shop', true), false);
    const gate = client.getNumberDetails('gate', 1);
    assert.deepEqual([gate.value, gate.variant, gate.reason], [40, 'gate_40', 'TARGETING_MATCH']);
    assert.deepEqual(client.getObjectValue('layout', {}), { columns: 3 });
    assert.equal(client.getBooleanDetails('no-such-flag', true).errorCode, 'FLAG_NOT_FOUND');

    await until('a 304', () => proxy.seen.some((one) => one.status === 304 && one.tag));
    assert.equal(changes, 0);
    assert.equal(proxy.seen[0].status, 200);
    assert.ok(proxy.seen.every((one) => one.url === '/ofrep/v1/evaluate/flags'), JSON.stringify(proxy.seen));

    fs.writeFileSync(file, JSON.stringify(definitions('on')));
    await until('the change', () => changes > 0);
    assert.equal(client.getBooleanValue('new-shop', false), true);

    // Another player: the context is evaluated anew.
    await OpenFeature.setContext({ targetingKey: 'player-2', level: 3 });
    assert.equal(client.getNumberValue('gate', 1), 30);
    await OpenFeature.close();
    await server.stop();
});

test('the web SDK hears of a change over the stream, without polling', async (t) => {
    const { OpenFeature, ProviderEvents } = require('@openfeature/web-sdk');
    const { OFREPWebProvider } = require('@openfeature/ofrep-web-provider');
    const dir = freshDir(t);
    const file = path.join(dir, 'flags.json');
    const replace = (shop) => {
        fs.writeFileSync(`${file}.new`, JSON.stringify(definitions(shop)));
        fs.renameSync(`${file}.new`, file);
    };
    replace('off');
    const { stdout } = await cliOk(['keys', 'create', '--data', dir, '--scope', 'flags', '--name', 'web']);
    let server = await Server.forTest(t, dir);
    const { url } = server;

    globalThis.EventSource = require('eventsource').EventSource; // a browser's, as a package
    t.after(() => delete globalThis.EventSource);
    await OpenFeature.setContext({ targetingKey: 'player-1', level: 33 });
    await OpenFeature.setProviderAndWait(new OFREPWebProvider({
        baseUrl: url,
        pollInterval: 0, // none
        headers: [['Authorization', `Bearer ${stdout.trim()}`]], // the stream gets a ticket instead
    }));
    const client = OpenFeature.getClient();
    let changes = 0;
    client.addHandler(ProviderEvents.ConfigurationChanged, () => changes++);
    const metrics = async (name) => metric((await server.get('/metrics')).text, name);
    const listens = async () => {
        while (await metrics('playtrace_http_feeds') !== 1) {
            await sleep(50);
        }
    };

    assert.equal(client.getBooleanValue('new-shop', true), false);
    await listens();
    const asked = await metrics('playtrace_flag_evaluations_total');
    replace('on');
    await until('the change', () => changes > 0);
    assert.equal(client.getBooleanValue('new-shop', false), true);
    assert.equal(changes, 1);
    // One bulk answer more, and it was asked for because we said so.
    assert.equal(await metrics('playtrace_flag_evaluations_total'), asked + 5);
    assert.equal(await metrics('playtrace_flag_change_events_total'), 1);

    await server.kill();
    replace('off'); // while nobody could be told
    server = await Server.forTest(t, dir, { args: ['--listen', new URL(url).host] });
    assert.equal(server.url, url);
    await until('the change that was missed', () => client.getBooleanValue('new-shop', true) === false);
    await listens();
    replace('on');
    await until('the next change', () => client.getBooleanValue('new-shop', false) === true);
    await OpenFeature.close();
    await server.stop();
});
