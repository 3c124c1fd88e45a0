// import.test.mjs - real players' data, through the mapping files, HTTP and the collector's checks
//
// The data stand beside the repository (../shared/data) and are not part of it; without them these tests
// are skipped. The figures of Cookie Cats are those of its own columns, see the data's SOURCE.md.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, countRows, event, freshDir, patience, root, sharedData, sql }
    from './support/server.mjs';

const maps = path.join(root, 'tests', 'e2e', 'maps');
const cookieCats = path.join(sharedData, 'cookie_cats', 'cookie_cats.csv');
const waves = path.join(sharedData, 'waves', 'waves_events.tsv');

function missing(t, file) {
    if (fs.existsSync(file)) {
        return false;
    }
    t.skip(`the data set is not here: ${path.relative(root, file)}`);
    return true;
}

function close(actual, expected, tolerance, what) {
    assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual}, not ${expected}`);
}

async function importFile(server, file, map) {
    const result = await cliOk(
        ['import', file, '--map', path.join(maps, map), '--url', server.url, '--format', 'json'],
        { timeoutMs: 600000 * patience },
    );
    const [said] = JSON.parse(result.stdout);
    assert.equal(said.sent, said.accepted + said.rejected);
    assert.equal(said.unreadable, 0);
    return said;
}

test('Cookie Cats: 90,189 real players, and the figures of the published A/B test', async (t) => {
    if (missing(t, cookieCats)) {
        return;
    }
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const expected = { gate_30: [44700, 20034, 8502, 2344795], gate_40: [45489, 20119, 8279, 2333530] };
    const eventCount = 3 * 90189 + 20034 + 20119 + 8502 + 8279;
    const said = await importFile(server, cookieCats, 'cookie_cats.yaml');
    assert.equal(said.rows, 90189, JSON.stringify(said));
    assert.equal(said.accepted, eventCount, JSON.stringify(said));
    assert.equal(await server.settle(eventCount), eventCount);
    await server.stop();
    assert.deepEqual(await countRows(dir), { rows: eventCount, ids: eventCount });

    const arms = await sql(dir, `
        with players as (
            select user_id,
                   max(attributes->>'variant') filter (event_name = 'experiment_exposure') as variant,
                   min(event_time) filter (event_name = 'session_start') as first_seen,
                   sum((attributes->>'rounds')::bigint) filter (event_name = 'rounds_played') as rounds
            from events group by user_id),
        returns as (
            select distinct e.user_id, date_diff('day', p.first_seen, e.event_time) as day
            from events e join players p using (user_id) where e.event_name = 'session_start')
        select variant, count(distinct p.user_id) as players, count(*) filter (day = 1) as day_1,
               count(*) filter (day = 7) as day_7, sum(rounds) filter (day = 0) as rounds
        from players p join returns r using (user_id) group by variant order by variant`);
    assert.deepEqual(
        Object.fromEntries(arms.map((arm) =>
            [arm.variant, [arm.players, arm.day_1, arm.day_7, arm.rounds].map(Number)])),
        expected,
    );
    await checkRetention(dir);
    await checkReadout(dir);
    await cliOk(['audit', '--data', dir]);
});

// One cohort of all; day 7 has fully passed only when one looks back from later.
async function checkRetention(dir) {
    const ask = async (...args) => {
        const { stdout } = await cliOk(['query', 'retention', '--data', dir, '--format', 'json', ...args]);
        return JSON.parse(stdout).filter((row) => row.cohort_day === 'all')
            .map((row) => [row.day, row.cohort_size, row.retained].map(Number));
    };
    assert.deepEqual(await ask('--as-of', '2026-01-10'), [[1, 90189, 40153], [7, 90189, 16781]]);
    assert.deepEqual(await ask(), [[1, 90189, 40153]], 'a day 7 that has not passed is left out');
}

async function checkReadout(dir) {
    const args = ['experiment', 'analyze', 'gate', '--data', dir, '--control', 'gate_30',
        '--metric', 'retention:1,retention:7'];
    const readout = JSON.parse((await cliOk([...args, '--format', 'json'])).stdout);
    assert.deepEqual(readout.variants.map((one) => [one.variant, one.users]), [['gate_30', 44700], ['gate_40', 45489]]);
    close(readout.sample_ratio.chi2, 6.9024, 5e-5, 'chi-square of the sample ratio');
    close(readout.sample_ratio.p_value, 0.0086, 5e-5, 'p of the sample ratio');
    assert.equal(readout.sample_ratio.mismatch, true);
    const expected = { 'retention:1': [44.82, 44.23, 0.0744], 'retention:7': [19.02, 18.20, 0.0016] };
    for (const metric of readout.metrics) {
        const [control, treatment, p] = expected[metric.metric];
        close(100 * metric.control.rate, control, 0.005, `${metric.metric} of gate_30`);
        close(100 * metric.treatment.rate, treatment, 0.005, `${metric.metric} of gate_40`);
        close(metric.p_value, p, 5e-5, `p of ${metric.metric}`);
    }
    assert.equal(readout.metrics.length, 2);
    assert.match(readout.decision, /sample ratio mismatch/, 'no winner is named over broken groups');
    const page = (await cliOk(args)).stdout;
    for (const figure of ['44.82 %', '44.23 %', '19.02 %', '18.20 %', 'p = 0.0744', 'p = 0.0016',
        'chi-square 6.90', 'p = 0.0086']) {
        assert.ok(page.includes(figure), `${figure} is not in\n${page}`);
    }
}

test('importing the same file again gives no second row', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const file = path.join(dir, 'players.csv');
    fs.writeFileSync(file, 'userid,version,sum_gamerounds,retention_1,retention_7\r\n' +
        '1,gate_30,3,FALSE,FALSE\r\n2,gate_40,38,TRUE,FALSE\r\n3,gate_40,165,TRUE,TRUE\r\n');
    await importFile(server, file, 'cookie_cats.yaml');
    assert.equal(await server.settle(12), 12);
    await importFile(server, file, 'cookie_cats.yaml');
    await server.checkpoint();
    assert.deepEqual(await countRows(dir), { rows: 12, ids: 12 });
    await server.stop();
    await cliOk(['audit', '--data', dir]);
});

test('WAVES: every one of 5,902 real events is in the table, or refused with a reason', async (t) => {
    if (missing(t, waves)) {
        return;
    }
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const said = await importFile(server, waves, 'waves.yaml');
    assert.equal(said.rows, 5902, JSON.stringify(said));
    const letters = (await cliOk(['dlq', 'list', '--data', dir])).stdout.split('\n').filter((line) => line);
    await server.settle(5902 - letters.length);
    await server.stop();
    const { rows, ids } = await countRows(dir);
    assert.equal(rows, ids);
    assert.equal(rows + letters.length, 5902);
    for (const letter of letters) {
        assert.ok(JSON.parse(letter).code);
    }
    const [facts] = await sql(dir, `select count(distinct session_id) as sessions,
        count(distinct user_id) as players, min(occurred_at)::varchar as first, max(occurred_at)::varchar as last,
        count(*) filter (event_name ilike 'custom%1') as custom_1,
        count(*) filter (attributes ilike '%remote_addr%') as addresses from events`);
    assert.equal(Number(facts.sessions), 17);
    assert.match(facts.first, /^2023-02-05/);
    assert.match(facts.last, /^2023-02-26/);
    assert.equal(Number(facts.custom_1), 1959);
    assert.equal(Number(facts.addresses), 0, 'no address of a player is kept');
    await cliOk(['audit', '--data', dir]);
});

test('NDJSON is imported without a mapping; a line that is no event is refused, its neighbours land', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const file = path.join(dir, 'events.ndjson');
    const lines = [event(), event(), event({ event_name: undefined }), event()].map((one) => JSON.stringify(one));
    fs.writeFileSync(file, `${lines.join('\n')}\n`);
    const result = await cli(['import', file, '--url', server.url, '--format', 'json']);
    const [said] = JSON.parse(result.stdout);
    assert.deepEqual([said.rows, said.accepted, said.rejected], [4, 3, 1], result.stdout);
    assert.equal(await server.settle(3), 3);
    await server.stop();
    await cliOk(['audit', '--data', dir]);
});

test('import says what is wrong with its arguments', async (t) => {
    const dir = freshDir(t);
    const csv = path.join(dir, 'x.csv');
    fs.writeFileSync(csv, 'a,b\n1,2\n');
    for (const [args, code, message] of [
        [[csv, '--url', 'http://127.0.0.1:1'], 1, /--map/],
        [[path.join(dir, 'nowhere.csv'), '--map', path.join(maps, 'waves.yaml')], 1, /nowhere\.csv/],
        [[csv, '--map', path.join(dir, 'no-map.yaml')], 1, /no-map\.yaml/],
    ]) {
        const result = await cli(['import', ...args]);
        assert.equal(result.code, code, result.stderr);
        assert.match(result.stderr, message);
    }
});
