// exposures.test.mjs - what other flag systems' own SDKs say of an evaluation counts as an exposure
//
// Promise: OpenFeature's OpenTelemetry hook, LaunchDarkly's server SDK (hook and analytics events) and Unleash's
// front-end SDK are taken at their word: what they emit goes to /v1/events unchanged but for the raw ids, and
// `analyze` counts the variants that they gave. All of them run without their services.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import zlib from 'node:zlib';

import { Server, cliOk, event, freshDir, root, sleep } from '../e2e/support/server.mjs';

const require = createRequire(path.join(root, 'tests/interop/openfeature/package.json'));
const players = Array.from({ length: 60 }, (_, i) => `player-${i}`);

const planText = (exposures) => `
experiment: shop
hypothesis: it sells more
variants: {control: 1, clear: 1}
minimum_effect: {absolute: 0.2, baseline: 0.3}
metrics: {primary: {name: bought, type: conversion, event: purchase, window: 1d}}
analysis: {type: always_valid}
exposures: ${exposures}
`;

async function start(t, exposures) {
    const dir = freshDir(t);
    const plan = path.join(dir, 'plan.yaml');
    const server = await Server.forTest(t, dir);
    fs.writeFileSync(plan, planText(exposures));
    await cliOk(['experiment', 'start', plan, '--data', dir]);
    return server;
}

// Send `said`, [[user, event name, attributes], …]; the readout.
async function readout(server, said) {
    const answer = await server.send(said.map(([user, name, attributes]) =>
        event({ event_name: name, user_id: user, session_id: 's', attributes })));
    assert.deepEqual([answer.status, answer.json.rejected], [202, []], answer.text);
    await server.settle(said.length);
    const look = JSON.parse((await cliOk(['experiment', 'analyze', 'shop', '--data', server.dataDir, '--format', 'json'])).stdout);
    await server.stop();
    return { users: look.variants.map((one) => one.users), ...look.exposures };
}

const count = (given, wanted) => given.filter((one) => one === wanted).length;

test('OpenFeature\'s OpenTelemetry hook, over our own OFREP', async (t) => {
    const { OpenFeature } = require('@openfeature/server-sdk');
    const { OFREPProvider } = require('@openfeature/ofrep-provider');
    const { EventHook } = require('@openfeature/open-telemetry-hooks');
    const { logs } = require('@opentelemetry/api-logs');
    const { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } = require('@opentelemetry/sdk-logs');

    const server = await start(t, '{source: opentelemetry, flag: shop-layout, variants: {control: old, clear: new}}');
    const flag = { state: 'ENABLED', variants: { old: 1, new: 2 }, defaultVariant: 'old' };
    fs.writeFileSync(path.join(server.dataDir, 'flags.json'), JSON.stringify({ flags: {
        'shop-layout': { ...flag, targeting: { fractional: [['old', 50], ['new', 50]] } }, other: flag } }));
    const exporter = new InMemoryLogRecordExporter();
    logs.setGlobalLoggerProvider(new LoggerProvider({ processors: [new SimpleLogRecordProcessor(exporter)] }));
    await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: server.url }));
    OpenFeature.addHooks(new EventHook());
    const client = OpenFeature.getClient();

    while ((await client.getNumberDetails('shop-layout', 0, { targetingKey: 'early' })).errorCode) {
        await sleep(50); // until the new file is read
    }
    exporter.reset();
    const given = [];
    for (const targetingKey of players) {
        given.push((await client.getNumberDetails('shop-layout', 0, { targetingKey })).variant);
        await client.getNumberValue('other', 0, { targetingKey });
    }
    await client.getStringValue('shop-layout', '', { targetingKey: 'player-1' }); // of another type: an error
    await client.getNumberValue('missing', 0, { targetingKey: 'player-1' });
    const said = exporter.getFinishedLogRecords().filter((record) => record.eventName === 'feature_flag.evaluation')
        .map(({ eventName, attributes: { 'feature_flag.context.id': user, ...attributes } }) => [user, eventName, attributes]);
    assert.equal(said.length, 2 * players.length + 2);
    await OpenFeature.close();

    const look = await readout(server, said);
    assert.ok(count(given, 'old') > 0 && count(given, 'new') > 0);
    assert.deepEqual(look.users, [count(given, 'old'), count(given, 'new')]);
    assert.equal(look.matched, players.length);
    assert.deepEqual(look.not_understood, [{ why: 'the evaluation failed', events: 1 }]);
});

// A flag of an experiment, as LaunchDarkly's service would send it.
const launchDarklyFlag = (key, over = {}) => ({
    key, version: 5, on: true, variations: ['old', 'new'], offVariation: 0, salt: 's', targets: [{ variation: 1, values: ['tester'] }],
    rules: [], prerequisites: [], trackEvents: true,
    fallthrough: { rollout: { kind: 'experiment', seed: 7, variations: [{ variation: 0, weight: 50000 }, { variation: 1, weight: 50000 }] } },
    ...over,
});

test('LaunchDarkly\'s server SDK: a hook, and its analytics events', async (t) => {
    const { init, integrations } = require('@launchdarkly/node-server-sdk');
    const sent = [];
    const sink = http.createServer((request, response) => {
        const chunks = [];
        request.on('data', (chunk) => chunks.push(chunk));
        request.on('end', () => {
            const body = Buffer.concat(chunks);
            const text = request.headers['content-encoding'] === 'gzip' ? zlib.gunzipSync(body) : body;
            if (request.url.endsWith('/bulk')) {
                sent.push(...JSON.parse(text));
            }
            response.writeHead(202).end();
        });
    });
    await new Promise((resolve) => sink.listen(0, '127.0.0.1', resolve));
    t.after(() => sink.close());

    const source = new integrations.TestData();
    await source.usePreconfiguredFlag(launchDarklyFlag('shop-layout'));
    await source.usePreconfiguredFlag(launchDarklyFlag('other'));
    const hooked = [];
    const hook = {
        getMetadata: () => ({ name: 'exposures' }),
        afterEvaluation: ({ flagKey, context }, data, detail) => {
            hooked.push([context.key, 'feature', { flagKey, ...detail }]);
            return data;
        },
    };
    const client = init('sdk-key', { updateProcessor: source.getFactory(), eventsUri: `http://127.0.0.1:${sink.address().port}`,
        diagnosticOptOut: true, hooks: [hook], logger: { debug() {}, info() {}, warn() {}, error() {} } });
    await client.waitForInitialization({ timeout: 10 });
    const given = [];
    for (const key of players) {
        given.push(await client.variation('shop-layout', { kind: 'user', key }, 'fallback'));
        await client.variation('other', { kind: 'user', key }, 'fallback');
    }
    await client.variation('shop-layout', { kind: 'user', key: 'tester' }, 'fallback');
    await client.variation('missing', { kind: 'user', key: 'player-1' }, 'fallback');
    await source.usePreconfiguredFlag(launchDarklyFlag('shop-layout', { on: false, version: 6 }));
    await client.variation('shop-layout', { kind: 'user', key: 'late' }, 'fallback');
    await client.flush();
    client.close();
    const wanted = { users: [count(given, 'old'), count(given, 'new')], matched: players.length };
    assert.ok(wanted.users[0] > 0 && wanted.users[1] > 0);

    const first = await readout(await start(t, '{source: launchdarkly, flag: shop-layout, variants: {control: old, clear: new}}'), hooked);
    assert.deepEqual({ users: first.users, matched: first.matched }, wanted);
    assert.deepEqual(first.not_understood, [{ why: 'the flag was off', events: 1 }, { why: 'the user was targeted by name', events: 1 }]);

    // The events hold their evaluation's reason where an experiment assigned; by index this time.
    const events = sent.filter((one) => one.kind === 'feature').map(({ context, contextKeys, user, userKey, ...attributes }) =>
        [context?.key ?? contextKeys?.user ?? user?.key ?? userKey, 'feature', attributes]);
    assert.equal(events.filter(([, , one]) => one.key === 'shop-layout').length, players.length + 2);
    const second = await readout(await start(t, '{source: launchdarkly, flag: shop-layout, variants: {control: 0, clear: 1}}'),
        events.filter(([user]) => user.startsWith('player')));
    assert.deepEqual({ users: second.users, matched: second.matched }, wanted);
    assert.deepEqual(second.not_understood, []);
});

test('Unleash\'s impression data', async (t) => {
    const { UnleashClient } = require('unleash-proxy-client');
    const said = [];
    for (const [i, userId] of players.entries()) {
        const toggles = i < 50 ? [{ name: 'shop-layout', enabled: true, impressionData: true,
            variant: { name: ['old', 'new'][i % 2], enabled: true, feature_enabled: true } }] : [];
        const client = new UnleashClient({ url: 'http://127.0.0.1:9/proxy', clientKey: 'k', appName: 'game', disableRefresh: true, disableMetrics: true,
            impressionDataAll: true, context: { userId }, storageProvider: { save: async () => {}, get: async () => undefined },
            fetch: async () => ({ ok: true, status: 200, headers: new Map(), json: async () => ({ toggles }) }) });
        client.on('impression', ({ context: { userId: user, ...context }, ...attributes }) => {
            said.push([user, 'impression', { ...attributes, context }]);
        });
        await client.start();
        client.isEnabled('shop-layout');
        client.getVariant('shop-layout');
        client.getVariant('other');
        client.stop();
    }
    assert.equal(said.length, 3 * players.length);
    const look = await readout(await start(t, '{source: unleash, flag: shop-layout, variants: {control: old, clear: new}}'), said);
    assert.deepEqual(look.users, [25, 25]);
    assert.equal(look.matched, 50);
    // Ten players have the flag not at all.
    assert.deepEqual(look.not_understood, [
        { why: 'eventType is not getVariant, whose variants the plan has', events: 60 },
        { why: 'the flag was disabled', events: 10 }]);
    const enabled = await readout(await start(t, '{source: unleash, flag: shop-layout, variants: {control: "false", clear: "true"}}'), said);
    assert.deepEqual(enabled.users, [10, 50]);
});
