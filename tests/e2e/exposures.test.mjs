// exposures.test.mjs - who saw which variant: from flag evaluations over OFREP, and from other flag systems
//
// Promise: with flag.exposures on, an evaluation that belongs to an experiment is one event a unit, whatever
// is asked how often and whatever is killed; it takes the way of any other event, so that the audit balances.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { at, send } from './support/experiment.mjs';
import { Server, cli, cliOk, event, freshDir, metric, patience, root, sleep, sql } from './support/server.mjs';

const half = { fractional: [['a', 50], ['b', 50]] };
const flag = (over = {}) => ({
    state: 'ENABLED', variants: { a: 'A', b: 'B' }, defaultVariant: 'a', targeting: half,
    metadata: { experiment: 'shop', version: 7, epoch: 2 }, ...over,
});

function writeFlags(dir, flags) {
    fs.writeFileSync(path.join(dir, 'flags.json'), JSON.stringify({ flags }));
}

const evaluate = (server, key, context) => server.request('POST', `/ofrep/v1/evaluate/flags/${key}`, {
    body: JSON.stringify({ context }), headers: { 'Content-Type': 'application/json' } });
const evaluateAll = (server, context) => server.request('POST', '/ofrep/v1/evaluate/flags', {
    body: JSON.stringify({ context }), headers: { 'Content-Type': 'application/json' } });

async function exposuresAre(server, wanted, verdict = 'logged') {
    const until = Date.now() + 20000 * patience;
    for (;;) {
        const { text } = await server.get('/metrics');
        const found = metric(text, 'playtrace_exposures_total', `verdict="${verdict}"`);
        if (found === wanted || Date.now() > until) {
            assert.equal(found, wanted);
            return;
        }
        await sleep(20);
    }
}

const rowsOf = (dir) => sql(dir, `select user_id, session_id, platform, build_id, event_id::varchar as id,
    attributes from events where event_name = 'experiment_exposure' order by event_time, id`);

test('evaluating a flag of an experiment is one exposure a unit', async (t) => {
    const dir = freshDir(t);
    writeFlags(dir, {
        shop: flag(),
        sale: flag({ metadata: { experiment: 'sale' } }),
        plain: flag({ metadata: { owner: 'design' } }),
        fixed: flag({ targeting: undefined }),
        foreigner: flag({ targeting: { if: [{ '==': [{ var: 'country' }, 'DE'] }, half, null] } }),
        off: flag({ state: 'DISABLED' }),
    });
    const server = await Server.forTest(t, dir, { env: { PLAYTRACE_FLAG_EXPOSURES: 'single' } });
    const served = {};
    for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 20; i++) {
            const answer = await evaluate(server, 'shop', { targetingKey: `player-${i}` });
            assert.equal(answer.status, 200);
            served[answer.json.variant] = (served[answer.json.variant] ?? 0) + 1;
        }
    }
    assert.ok(served.a > 0 && served.b > 0);
    // No exposure: no experiment, no chance, no targeting key, no such flag, all flags at once.
    for (const key of ['plain', 'fixed', 'foreigner', 'off', 'missing']) {
        await evaluate(server, key, { targetingKey: 'player-1', country: 'FR' });
    }
    assert.equal((await evaluate(server, 'shop', {})).status, 400);
    assert.equal((await evaluateAll(server, { targetingKey: 'player-77' })).status, 200);
    await evaluate(server, 'sale', { targetingKey: 'player-1', session_id: 's-9', build_id: '1.2', platform: 'ios' });
    await evaluate(server, 'sale', { targetingKey: 'player-2', session_id: 9, build_id: 'x'.repeat(65), platform: 'fridge' });
    await exposuresAre(server, 22);
    await exposuresAre(server, 40, 'repeated');
    // The id in the event is that of the game's own events.
    assert.equal((await server.send([event({ user_id: 'player-0', event_name: 'purchase' })])).status, 202);
    await server.settle(23);

    const rows = await rowsOf(dir);
    assert.equal(rows.length, 22);
    const shop = rows.filter((row) => JSON.parse(row.attributes).experiment === 'shop');
    assert.equal(new Set(shop.map((row) => row.user_id)).size, 20);
    assert.equal(shop.filter((row) => JSON.parse(row.attributes).variant === 'a').length * 3, served.a);
    assert.deepEqual({ ...JSON.parse(shop[0].attributes), variant: '' },
        { experiment: 'shop', variant: '', flag_key: 'shop', flag_version: 7, epoch: 2 });
    assert.ok(rows.every((row) => /^[0-9a-f]{32}$/.test(row.user_id)), 'pseudonyms');
    assert.ok(rows.every((row) => row.id[14] === '8'), 'ids are hashes');
    const [first, second] = rows.filter((row) => JSON.parse(row.attributes).experiment === 'sale');
    assert.deepEqual([first.session_id, first.platform, first.build_id], ['s-9', 'ios', '1.2']);
    assert.deepEqual([second.session_id, second.platform, second.build_id], ['ofrep', null, null]);
    const [joined] = await sql(dir, `select count(*) as n from events p join events e using (user_id)
        where p.event_name = 'purchase' and e.event_name = 'experiment_exposure'`);
    assert.equal(Number(joined.n), 1);

    // The game's session and the one that a context named; 21 exposures are no sessions.
    const [day] = JSON.parse((await cliOk(['query', 'sessions', '--data', dir, '--format', 'json'])).stdout);
    assert.equal(Number(day.sessions), 2);

    const report = JSON.parse((await cliOk(['experiment', 'analyze', 'shop', '--data', dir, '--format', 'json'])).stdout);
    assert.equal(report.variants.reduce((sum, one) => sum + one.users, 0), 20);
    assert.deepEqual(report.exposures, { source: 'playtrace', matched: 20, not_understood: [] });
    await server.stop();
    await cliOk(['audit', '--data', dir]);
});

test('all flags at once are exposures only where the setting says so', async (t) => {
    const dir = freshDir(t);
    writeFlags(dir, { shop: flag(), sale: flag({ metadata: { experiment: 'sale' } }), plain: flag({ metadata: {} }) });
    const server = await Server.forTest(t, dir, { env: { PLAYTRACE_FLAG_EXPOSURES: 'all' } });
    for (let i = 0; i < 3; i++) {
        await evaluateAll(server, { targetingKey: 'player-1' });
    }
    await evaluate(server, 'shop', { targetingKey: 'player-1' });
    await exposuresAre(server, 2);
    await exposuresAre(server, 5, 'repeated');
    await server.stop();

    const off = await Server.forTest(t, dir);
    await evaluate(off, 'shop', { targetingKey: 'player-9' });
    assert.equal(metric((await off.get('/metrics')).text, 'playtrace_exposures_total'), undefined);
    await off.stop();

    // A game's own tests see them too.
    const ephemeral = await Server.forTest(t, undefined, { args: ['--ephemeral'], env: {
        PLAYTRACE_FLAG_EXPOSURES: 'single', PLAYTRACE_FLAG_FILE: path.join(dir, 'flags.json') } });
    await evaluate(ephemeral, 'shop', { targetingKey: 'player-9' });
    await exposuresAre(ephemeral, 1);
    const kept = (await ephemeral.get('/api/v1/received?event_name=experiment_exposure')).json;
    assert.deepEqual(kept.events.map((one) => [one.user_id, one.attributes.experiment]), [['player-9', 'shop']]);
    await ephemeral.stop();

    const wrong = await cli(['serve', '--data', dir, '--listen', '127.0.0.1:0'], { env: { PLAYTRACE_FLAG_EXPOSURES: 'yes' } });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /flag\.exposures is "yes"; it may be off, single or all/);
});

test('kill -9 between evaluations: every unit once, and the audit balances', async (t) => {
    const dir = freshDir(t);
    const players = 60;
    writeFlags(dir, { shop: flag() });
    for (let life = 0; life < 4; life++) {
        const server = await Server.forTest(t, dir, { env: { PLAYTRACE_FLAG_EXPOSURES: 'single' } });
        // In the last life all come again, whom an earlier one lost is logged now.
        for (let i = 0; i < (life === 3 ? players : 20 * (life + 1)); i++) {
            await evaluate(server, 'shop', { targetingKey: `player-${i}` });
        }
        if (life === 1) {
            await exposuresAre(server, 40); // so that the next lives' events are twins
        }
        if (life < 3) {
            await server.kill();
            continue;
        }
        await exposuresAre(server, players);
        assert.ok((await server.checkpoint()).duplicates >= 40);
        await server.stop();
    }
    const [row] = await sql(dir, 'select count(*) as n, count(distinct user_id) as users from events');
    assert.deepEqual([Number(row.n), Number(row.users)], [players, players]);
    await cliOk(['audit', '--data', dir]);
});

test('a variant or an epoch that changed is a new exposure; a refused one is a dead letter, once', async (t) => {
    const dir = freshDir(t);
    const write = (turn, over) => writeFlags(dir, { shop: flag(over), turn: {
        state: 'ENABLED', variants: { now: turn }, defaultVariant: 'now' } });
    write(0, { targeting: { if: [true, 'a'] } });
    const server = await Server.forTest(t, dir, { env: { PLAYTRACE_FLAG_EXPOSURES: 'single' } });
    const ask = () => evaluate(server, 'shop', { targetingKey: 'player-1' });
    await ask();
    for (const [turn, next] of [
        { targeting: { if: [true, 'b'] } },
        { targeting: { if: [true, 'b'] }, metadata: { experiment: 'shop', epoch: 3 } },
        { targeting: { if: [true, 'b'] }, metadata: { experiment: 'shop', epoch: 'june "1"\n' } },
    ].entries()) {
        write(turn + 1, next);
        const until = Date.now() + 20000 * patience;
        while ((await evaluate(server, 'turn', {})).json.value !== turn + 1 && Date.now() < until) {
            await sleep(50);
        }
        await ask();
        await ask();
    }
    await exposuresAre(server, 4);
    for (let i = 0; i < 3; i++) {
        await evaluate(server, 'shop', { targetingKey: 'x'.repeat(300) });
    }
    await exposuresAre(server, 1, 'dead');
    await server.stop();
    const letters = await cliOk(['dlq', 'list', '--data', dir, '--format', 'json']);
    assert.doesNotMatch(letters.stdout, /xxxxxxxxxx/);
    await cliOk(['audit', '--data', dir]);
});

// ---- other flag systems ----

const seen = (user, name, attributes, seconds = 0) => event({ event_name: name, user_id: user,
    session_id: `${user}-s`, occurred_at: at(0, seconds), attributes });

const planText = (name, exposures) => `
experiment: ${name}
hypothesis: it sells more
variants: {control: 1, clear: 1}
minimum_effect: {absolute: 0.2, baseline: 0.3}
metrics: {primary: {name: bought, type: conversion, event: purchase, window: 1d}}
analysis: {type: always_valid}
${exposures}
`;

// What each source sends for `user` in the arm 0 or 1, and what of it is no exposure, with the reason.
const systems = {
    opentelemetry: {
        exposures: 'exposures: {source: opentelemetry, flag: shop, set: game, variants: {control: off, clear: on}}',
        event: 'feature_flag.evaluation',
        attributes: (arm, i) => ({ 'feature_flag.key': 'shop', 'feature_flag.set.id': 'game', 'feature_flag.version': '7',
            'feature_flag.provider.name': 'p', ...(i % 3 === 0
                ? { 'feature_flag.result.variant': ['off', 'on'][arm], 'feature_flag.result.reason': 'split' }
                : i % 3 === 1 ? { 'feature_flag.variant': ['off', 'on'][arm], 'feature_flag.evaluation.reason': 'targeting_match' }
                    : { 'feature_flag.result.value': ['off', 'on'][arm] }) }),
        ignored: [{ 'feature_flag.key': 'other', 'feature_flag.set.id': 'game', 'feature_flag.result.variant': 'on' },
            { 'feature_flag.key': 'shop', 'feature_flag.set.id': 'web', 'feature_flag.result.variant': 'on' }, {}],
        refused: [
            [{ 'error.type': 'flag_not_found' }, 'the evaluation failed'],
            [{ 'feature_flag.result.reason': 'ERROR', 'feature_flag.result.value': 'off' }, 'the evaluation failed'],
            [{ 'feature_flag.result.reason': 'disabled', 'feature_flag.result.variant': 'off' }, 'the flag was disabled'],
            [{ 'feature_flag.result.reason': 'static', 'feature_flag.result.variant': 'on' }, 'no rule assigned the variant (reason static)'],
            [{ 'feature_flag.result.variant': 'clear' }, 'the plan has no variant "clear"'],
            [{ 'feature_flag.result.reason': 'split' }, 'no variant'],
        ],
        base: { 'feature_flag.key': 'shop', 'feature_flag.set.id': 'game' },
    },
    launchdarkly: {
        exposures: 'exposures: {source: launchdarkly, flag: shop, variants: {control: 0, clear: "yes"}}',
        event: 'feature',
        attributes: (arm, i) => [
            // data export; the same in its envelope; a hook or an inspector
            { kind: 'feature', key: 'shop', creationDate: 1669610559830, version: 3, default: null,
                value: ['no', 'yes'][arm], variation: arm, reason: { kind: 'FALLTHROUGH', inExperiment: true } },
            { project: 'p', environment: 'e', version: 1, event: { kind: 'feature', key: 'shop', version: 3,
                value: [null, 1][arm], variation: arm, variationName: ['no', 'yes'][arm], reason: { kind: 'RULE_MATCH' } } },
            { flagKey: 'shop', detail: { value: ['no', 'yes'][arm], variationIndex: arm, reason: { kind: 'FALLTHROUGH' } } },
        ][i % 3],
        ignored: [{ kind: 'index', key: 'shop', value: 'yes' }, { kind: 'feature', key: 'other', value: 'yes' }],
        refused: [
            [{ value: 'yes', reason: { kind: 'OFF' } }, 'the flag was off'],
            [{ value: 'yes', reason: { kind: 'ERROR' } }, 'the evaluation failed'],
            [{ value: 'yes', reason: { kind: 'TARGET_MATCH' } }, 'the user was targeted by name'],
            [{ value: 'yes', reason: { kind: 'PREREQUISITE_FAILED' } }, 'a prerequisite was not met'],
            [{ value: 'yes', reason: { kind: 'FALLTHROUGH', inExperiment: false } }, 'outside of the experiment (inExperiment is false)'],
            [{ value: 'yes', prereqOf: 'big' }, 'evaluated for another flag (prereqOf)'],
            [{ value: 'maybe', variation: 5 }, 'the plan has no variant "maybe"'],
            [{ value: null, variation: null }, 'no variant'],
        ],
        base: { kind: 'feature', key: 'shop' },
    },
    unleash: {
        exposures: 'exposures: {source: unleash, flag: shop, event: flag_impression, variants: {control: old}}',
        event: 'flag_impression',
        attributes: (arm, i) => ({ eventType: 'getVariant', eventId: 'b', featureName: 'shop', enabled: true,
            context: { appName: 'g', environment: 'default' }, impressionData: true,
            variant: i % 2 ? ['old', 'clear'][arm] : { name: ['old', 'clear'][arm], enabled: true } }),
        ignored: [{ eventType: 'getVariant', featureName: 'other', variant: 'old' }],
        refused: [
            [{ eventType: 'isEnabled', enabled: true }, 'eventType is not getVariant, whose variants the plan has'],
            [{ eventType: 'getVariant', enabled: false, variant: 'disabled' }, 'the flag was disabled'],
            [{ eventType: 'getVariant', enabled: true, variant: 'control' }, 'the plan has no variant "control"'],
            [{ eventType: 'getVariant', enabled: true }, 'no variant'],
        ],
        base: { featureName: 'shop' },
    },
    playtrace: {
        exposures: 'exposures: {source: playtrace, variants: {control: A, clear: B}}',
        event: 'experiment_exposure',
        attributes: (arm) => ({ experiment: 'playtrace', variant: ['A', 'B'][arm], epoch: 1 }),
        ignored: [{ experiment: 'other', variant: 'A' }],
        refused: [[{ variant: 'clear' }, 'the plan has no variant "clear"'], [{}, 'no variant']],
        base: { experiment: 'playtrace' },
    },
};

for (const [name, system] of Object.entries(systems)) {
    test(`exposures of ${name}, as a plan maps them`, async (t) => {
        const dir = freshDir(t);
        const server = await Server.forTest(t, dir);
        const plan = path.join(dir, 'plan.yaml');
        fs.writeFileSync(plan, planText(name, system.exposures));
        await cliOk(['experiment', 'start', plan, '--data', dir]);

        const all = [];
        for (const arm of [0, 1]) {
            for (let i = 0; i < 60; i++) {
                const user = `${arm}-${i}`;
                all.push(seen(user, system.event, system.attributes(arm, i)));
                all.push(seen(user, system.event, system.attributes(arm, i + 1), 60)); // again, in another form
                if (i % 10 < 3 + 3 * arm) {
                    all.push(seen(user, 'purchase', {}, 120));
                }
            }
        }
        all.push(seen('both', system.event, system.attributes(0, 0)), seen('both', system.event, system.attributes(1, 0), 5));
        system.refused.forEach(([attributes], i) => {
            all.push(seen(`refused-${i}`, system.event, { ...system.base, ...attributes }));
        });
        system.ignored.forEach((attributes, i) => all.push(seen(`ignored-${i}`, system.event, attributes)));
        await send(server, all);

        const look = JSON.parse((await cliOk(['experiment', 'analyze', name, '--data', dir, '--format', 'json'])).stdout);
        assert.deepEqual(look.variants.map((one) => [one.variant, one.users]), [['control', 60], ['clear', 60]]);
        assert.equal(look.users_in_several_variants, 1);
        assert.equal(look.users_in_other_variants, 1);
        assert.equal(look.exposures.matched, 2 * 120 + 2);
        const wanted = {};
        for (const [, why] of system.refused) {
            wanted[why] = (wanted[why] ?? 0) + 1;
        }
        assert.deepEqual(Object.fromEntries(look.exposures.not_understood.map((one) => [one.why, one.events])), wanted);
        const bought = look.metrics.find((one) => one.metric === 'bought') ?? look.metrics[0];
        assert.match(JSON.stringify(bought), /0\.3\b/);
        assert.match(JSON.stringify(bought), /0\.6\b/);

        const text = (await cliOk(['experiment', 'analyze', name, '--data', dir])).stdout;
        assert.match(text, /exposures: 242 events/);
        assert.match(text, /not understood: 1 events: no variant/);
        // There are exposures in the table now, which a plan made later must know.
        if (name !== 'playtrace') {
            fs.writeFileSync(plan, planText('later', system.exposures));
            const late = await cli(['experiment', 'start', plan, '--data', dir]);
            assert.equal(late.code, 1);
            assert.match(late.stderr, /243 exposures of later are in the table already/);
        }
        await server.stop();
    });
}

test('ad hoc, another system\'s flag is named on the command line', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const all = [];
    for (let i = 0; i < 80; i++) {
        all.push(seen(`p${i}`, 'impression', { eventType: 'getVariant', featureName: 'shop', enabled: true, variant: i % 2 ? 'old' : 'new' }));
        all.push(seen(`p${i}`, 'purchase', {}, 60));
    }
    all.push(seen('x', 'impression', { eventType: 'isEnabled', featureName: 'shop', enabled: true }));
    await send(server, all);
    const args = ['experiment', 'analyze', 'any', '--data', dir, '--metric', 'conversion:purchase:1d', '--format', 'json'];
    const report = JSON.parse((await cliOk([...args, '--exposures', 'unleash:shop', '--control', 'old'])).stdout);
    assert.deepEqual(report.variants.map((one) => [one.variant, one.users]), [['new', 40], ['old', 40]]);
    assert.equal(report.exposures.matched, 80);
    assert.equal(report.exposures.not_understood.length, 1);
    for (const wrong of ['unleash', 'unleash:', 'playtrace:x', 'split:x', ':x']) {
        const refused = await cli([...args, '--exposures', wrong]);
        assert.equal(refused.code, 2, refused.stderr);
        assert.match(refused.stderr, /is not a source and a flag's key/);
    }
    const none = await cli([...args, '--exposures', 'opentelemetry:shop']);
    assert.notEqual(none.code, 0);
    assert.match(none.stderr, /no exposure of this experiment is in the table/);
    assert.match(none.stderr, /exposures: 0 events of opentelemetry's flag shop \(looked for in events named 'feature_flag.evaluation', 'feature_flag'\)/);
    // A plan whose look is refused tells a mapping that fits nothing.
    const plan = path.join(dir, 'plan.yaml');
    fs.writeFileSync(plan, planText('wrong', 'exposures: {source: unleash, flag: shop}').replace('always_valid', 'fixed'));
    await cliOk(['experiment', 'start', plan, '--data', dir, '--late']);
    const refused = await cli(['experiment', 'analyze', 'wrong', '--data', dir]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /exposures: 0 events of unleash's flag shop/);
    assert.match(refused.stderr, /not understood: 40 events: the plan has no variant "new"/);
    await server.stop();
});

test('a file of LaunchDarkly\'s warehouse export becomes exposures', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const file = path.join(dir, 'evaluation_events.csv');
    const rows = ['event_id,flag_key,context_key,context_kind,variation_id,variation_value,reason_kind,experiment_iteration_id,received_time'];
    for (let i = 0; i < 40; i++) {
        rows.push(`e${i},shop-layout,p${i},user,v,"""${i % 2 ? 'clear' : 'control'}""",FALLTHROUGH,it-1,2026-01-01 12:00:00.000`);
    }
    rows.push('x1,shop-layout,p50,user,v,"""clear""",TARGET_MATCH,,2026-01-01 12:00:00.000');
    rows.push('x2,other,p51,user,v,true,FALLTHROUGH,it-2,2026-01-01 12:00:00.000');
    rows.push('x3,shop-layout,studio,organisation,v,"""clear""",FALLTHROUGH,it-1,2026-01-01 12:00:00.000');
    fs.writeFileSync(file, `${rows.join('\n')}\n`);
    await cliOk(['import', file, '--map', path.join(root, 'tests/e2e/maps/launchdarkly.yaml'), '--url', server.url]);
    await server.settle(40);
    const report = JSON.parse((await cliOk(['experiment', 'analyze', 'shop', '--data', dir, '--format', 'json'])).stdout);
    assert.deepEqual(report.variants.map((one) => [one.variant, one.users]), [['clear', 20], ['control', 20]]);
    assert.deepEqual(report.exposures, { source: 'playtrace', matched: 40, not_understood: [] });
    await server.stop();
});

test('a game that logs its exposures through the client SDK, beside those of its evaluations', async (t) => {
    const dir = freshDir(t);
    const data = path.join(dir, 'data');
    const flags = JSON.parse(fs.readFileSync(path.join(root, 'tools', 'demo', 'flags.json'), 'utf8'));
    flags.flags.shop_layout.metadata = { ...flags.flags.shop_layout.metadata, experiment: 'shop_layout' };
    fs.mkdirSync(data);
    fs.writeFileSync(path.join(data, 'flags.json'), JSON.stringify(flags));
    const server = await Server.forTest(t, data, { env: { PLAYTRACE_FLAG_EXPOSURES: 'single' } });
    await cliOk(['simulate', '--url', server.url, '--players', '200', '--seed', '7', '--days', '5', '--checkpoint']);
    await server.checkpoint();
    await server.stop();
    await cliOk(['audit', '--data', data]);

    // Both ways have every player once, with the same variant and the same pseudonym.
    const [row] = await sql(data, `with e as (select user_id, attributes ->> 'variant' as variant,
            attributes ->> 'flag_key' is null as is_game from events where event_name = 'experiment_exposure')
        select count(*) as n, count(distinct user_id) as users, count(*) filter (is_game) as game,
            count(distinct (user_id, variant)) as pairs from e`);
    assert.ok(Number(row.users) > 50, JSON.stringify(row));
    assert.deepEqual([Number(row.n), Number(row.game), Number(row.pairs)],
        [2 * Number(row.users), Number(row.users), Number(row.users)]);
    const report = JSON.parse((await cliOk(['experiment', 'analyze', 'shop_layout', '--data', data, '--format', 'json'])).stdout);
    assert.equal(report.variants.reduce((sum, one) => sum + one.users, 0), Number(row.users));
    assert.deepEqual(report.exposures, { source: 'playtrace', matched: Number(row.n), not_understood: [] });
});
