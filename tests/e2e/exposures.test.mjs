// exposures.test.mjs - who saw which variant: from flag evaluations over OFREP, and from other flag systems
//
// Promise: with flag.exposures on, an evaluation that belongs to an experiment is one event a unit, whatever
// is asked how often and whatever is killed; it takes the way of any other event, so that the audit balances.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, event, freshDir, metric, patience, sleep, sql } from './support/server.mjs';

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

    const report = JSON.parse((await cliOk(['experiment', 'analyze', 'shop', '--data', dir, '--format', 'json'])).stdout);
    assert.equal(report.variants.reduce((sum, one) => sum + one.users, 0), 20);
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
        if (life < 3) {
            await server.kill();
            continue;
        }
        await exposuresAre(server, players);
        await server.checkpoint();
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
