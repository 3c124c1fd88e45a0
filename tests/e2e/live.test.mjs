// live.test.mjs - live windows, lost events and the ledger equal SQL over the table, also after kill -9
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Server, cliOk, event, events, freshDir, metric, patience, sleep, sql } from './support/server.mjs';

const fast = { PLAYTRACE_STREAM_CHECKPOINT_MS: '30' };
const minute = 60e3;

async function get(server, route) {
    const answer = await server.get(route);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
}

// What the engine has read; a request is acknowledged a moment before that.
async function ledgerOf(server, accepted) {
    const until = Date.now() + 15000 * patience;
    for (;;) {
        const ledger = await get(server, '/api/v1/ledger');
        if (ledger.total.accepted >= accepted || Date.now() > until) {
            return ledger;
        }
        await sleep(20);
    }
}

function assertBalanced(ledger) {
    for (const entry of [ledger.total, ...ledger.minutes]) {
        assert.equal(entry.received, entry.accepted + entry.dead_lettered, JSON.stringify(entry));
        assert.equal(entry.accepted, entry.stored + entry.duplicate + entry.in_flight, JSON.stringify(entry));
        assert.equal(entry.balanced, true);
    }
    for (const member of ['received', 'accepted', 'dead_lettered', 'stored', 'duplicate', 'late']) {
        const sum = ledger.minutes.reduce((total, entry) => total + entry[member], 0);
        assert.equal(sum, ledger.total[member], `the minutes' ${member}`);
    }
}

const groupsSql = `
    select strftime(date_trunc('minute', event_time at time zone 'UTC'), '%Y-%m-%dT%H:%M:%S.000000Z') as minute,
        event_name, platform, build_id, attributes ->> 'experiment' as experiment,
        attributes ->> 'variant' as variant, count(*)::int as events
    from events group by all`;
const windowsSql = `
    select strftime(date_trunc('minute', event_time at time zone 'UTC'), '%Y-%m-%dT%H:%M:%S.000000Z') as minute,
        count(*)::int as events, count(*) filter (is_late)::int as late, count(distinct user_id)::int as players
    from events group by all order by minute`;

const sorted = (rows) => rows.map((row) => JSON.stringify(row)).sort();

async function assertLiveIsTheTable(server, dir) {
    const live = await get(server, '/api/v1/live?minutes=60&limit=1000&by=event_name,platform,build_id,variant');
    const table = await sql(dir, groupsSql);
    const groups = live.windows.flatMap((window) => window.groups.map((group) => ({ minute: window.minute, ...group })));
    assert.deepEqual(sorted(groups), sorted(table));
    const windows = await sql(dir, windowsSql);
    assert.equal(live.windows.length, windows.length);
    for (const [at, window] of live.windows.entries()) {
        const { minute: start, events: count, late } = window;
        assert.deepEqual({ start, count, late },
            { start: windows[at].minute, count: windows[at].events, late: windows[at].late });
        const allowed = 1 + 5 * live.players_standard_error * windows[at].players;
        assert.ok(Math.abs(window.players - windows[at].players) <= allowed, `${window.players} players`);
        assert.equal(window.final, Date.parse(start) + minute <= Date.parse(live.watermark), start);
    }
    assert.equal(live.too_old + live.ahead, 0);
    return live;
}

// Some 20 minutes of players, of whom some are late; every seventh event is sent twice.
function traffic(round, count) {
    const list = events(count, (index) => {
        const exposed = index % 5 === 0;
        return {
            event_name: exposed ? 'experiment_exposure' : ['level_end', 'purchase', 'session_start'][index % 3],
            platform: [undefined, 'ios', 'android', 'web'][index % 4],
            build_id: index % 6 ? `1.${index % 3}` : undefined,
            user_id: `player-${round}-${index % 40}`,
            session_id: `session-${round}`,
            occurred_at: new Date(Date.now() - (index % 20) * minute).toISOString(),
            attributes: exposed ? { experiment: 'shop', variant: index % 2 ? 'a' : 'b' } : { n: index },
        };
    });
    return [...list, ...list.filter((_, index) => index % 7 === 0)];
}

test('after kill -9 the live windows and the ledger equal the table', async (t) => {
    const dir = freshDir(t);
    let accepted = 0;
    let server = await Server.forTest(t, dir, { env: fast });
    for (let round = 0; round < 6; round++) {
        for (let batch = 0; batch < 5; batch++) {
            const answer = await server.send([...traffic(round * 5 + batch, 60), { event_id: 'none' }]);
            assert.equal(answer.status, 202, answer.text);
            accepted += answer.json.accepted;
            await sleep(batch * 9 * round);
        }
        await server.kill();
        server = await Server.forTest(t, dir, { env: fast });
        assert.equal((await ledgerOf(server, accepted)).total.accepted, accepted);
        await server.checkpoint();
        await assertLiveIsTheTable(server, dir);
        const ledger = await get(server, '/api/v1/ledger');
        assertBalanced(ledger);
        assert.equal(ledger.total.in_flight, 0);
        assert.equal(ledger.total.dead_lettered, 5 * (round + 1));
    }
    const [{ n }] = await sql(dir, 'select count(*)::int as n from events');
    const ledger = await get(server, '/api/v1/ledger');
    assert.equal(ledger.total.stored, n);
    assert.equal(ledger.total.stored + ledger.total.duplicate, accepted);
    const metrics = (await server.get('/metrics')).text;
    assert.equal(metric(metrics, 'playtrace_ledger_stored_total'), n);
    assert.equal(metric(metrics, 'playtrace_ledger_in_flight'), 0);
    const quality = await get(server, '/api/v1/quality');
    assert.equal(quality.total.events, n);
    assert.equal(quality.total.duplicates, ledger.total.duplicate);
    await server.stop();
    await cliOk(['audit', '--data', dir]);
});

test('late rows correct windows that were final', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, { env: fast });
    const now = Date.now();
    const past = new Date(now - 5 * minute).toISOString();
    await server.send(events(3, () => ({ occurred_at: past })));
    await server.send(events(2, () => ({ occurred_at: new Date(now).toISOString() })));
    await server.settle(5);
    let live = await assertLiveIsTheTable(server, dir);
    assert.deepEqual(live.windows.map((w) => [w.events, w.final, w.corrections]), [[3, true, 0], [2, false, 0]]);
    await server.send(events(4, () => ({ occurred_at: past })));
    await server.settle(9);
    live = await assertLiveIsTheTable(server, dir);
    assert.deepEqual(live.windows.map((w) => [w.events, w.late, w.corrections]), [[7, 4, 4], [2, 0, 0]]);
    await server.stop();
});

test('no clock of a device moves the watermark, or makes windows without end', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir, { env: fast });
    const now = new Date().toISOString();
    const post = (sentAt, list) => server.request('POST', '/v1/events', {
        body: JSON.stringify({ sent_at: sentAt, events: list }),
        headers: { 'Content-Type': 'application/json' },
    });
    const clocks = [
        [now, '1970-01-01T00:00:05Z'],
        [undefined, '1970-01-01T00:00:05Z'],
        ['1970-01-01T00:00:09Z', '1970-01-01T00:00:05Z'], // the device believes that it is 1970
        [undefined, '2100-01-01T00:00:00Z'],
        ['2100-01-01T00:00:04Z', '2100-01-01T00:00:00Z'],
        [now, '2100-01-01T00:00:00Z'],
        [now, new Date(Date.now() - 40 * 86400e3).toISOString()],
    ];
    assert.equal((await server.send([event()])).status, 202);
    for (const [sentAt, occurredAt] of clocks) {
        assert.equal((await post(sentAt, [event({ occurred_at: occurredAt })])).status, 202);
    }
    assert.equal((await server.send([event({ event_name: 'after' })])).json.accepted, 1);
    await server.settle(clocks.length + 2);
    const live = await get(server, '/api/v1/live?minutes=60');
    assert.equal(live.too_old, 3);
    assert.equal(live.ahead, 0);
    assert.ok(live.windows.length <= 3, JSON.stringify(live.windows));
    assert.ok(Date.parse(live.watermark) <= Date.now());
    assert.ok(Date.parse(live.watermark) > Date.parse(now) - 3 * minute);
    const [row] = await sql(dir, `select count(*)::int as n, count(*) filter (is_late)::int as late,
        count(*) filter (is_late and event_name = 'after')::int as after_late,
        max(event_time) <= now() as none_ahead from events`);
    assert.deepEqual(row, { n: clocks.length + 2, late: 3, after_late: 0, none_ahead: true });
    await server.stop();
});

test('lost, doubled and reordered numbers are told by build and platform', async (t) => {
    const dir = freshDir(t);
    let server = await Server.forTest(t, dir, { env: fast });
    const number = (seq, over) => event({ seq, install_id: 'i', boot: 1, session_id: 'a', build_id: '1.0', ...over });
    const first = [0, 1, 4, 5].map((seq) => number(seq));
    await server.send(first);
    await server.send(first.slice(1, 3)); // a retry
    await server.send([number(0, { session_id: 'b', build_id: '2.0', platform: 'ios' })]);
    await server.settle(5);
    await server.kill();
    server = await Server.forTest(t, dir, { env: fast });
    await server.send([number(3), number(6), number(6)]);
    await server.settle(8);
    const quality = await get(server, '/api/v1/quality');
    assert.deepEqual(quality.rows, [
        { platform: 'android', build_id: '1.0', events: 7, numbered: 7, missing: 1, missing_before_first: 0,
          reordered: 1, repeated: 1, duplicates: 2, loss_ppm: 125000, duplicates_ppm: 222222 },
        { platform: 'ios', build_id: '2.0', events: 1, numbered: 1, missing: 0, missing_before_first: 0,
          reordered: 0, repeated: 0, duplicates: 0, loss_ppm: 0, duplicates_ppm: 0 },
    ]);
    assert.equal(quality.sessions.open, 2);
    const metrics = (await server.get('/metrics')).text;
    assert.equal(metric(metrics, 'playtrace_quality_missing', 'platform="android",build="1.0"'), 1);
    await server.stop();
});

test('dead letters alone are in the ledger, and stay there', async (t) => {
    const dir = freshDir(t);
    let server = await Server.forTest(t, dir, { env: fast });
    await server.send([event({ event_id: 'x' }), event({ event_id: 'y' })]);
    const until = Date.now() + 15000 * patience;
    for (const restarts of [false, true, true]) {
        if (restarts) {
            await server.kill();
            server = await Server.forTest(t, dir, { env: fast });
        }
        let ledger;
        do {
            ledger = await get(server, '/api/v1/ledger');
        } while (ledger.total.dead_lettered < 2 && Date.now() < until);
        assert.equal(ledger.total.dead_lettered, 2);
        assertBalanced(ledger);
    }
    await server.send([event(), event({ event_id: 'z' })]);
    await server.settle(1);
    const ledger = await get(server, '/api/v1/ledger');
    assert.deepEqual([ledger.total.received, ledger.total.dead_lettered, ledger.total.stored], [4, 3, 1]);
    assertBalanced(ledger);
    await server.stop();
});

test('an empty table has an answer, and nonsense is told what would do', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.checkpoint();
    const live = await get(server, '/api/v1/live');
    assert.deepEqual([live.watermark, live.players, live.windows], [null, 0, []]);
    assert.deepEqual((await get(server, '/api/v1/quality')).rows, []);
    const ledger = await get(server, '/api/v1/ledger');
    assert.deepEqual([ledger.total.received, ledger.total.balanced, ledger.minutes], [0, true, []]);

    const nonsense = [
        ['live?minutes=0', /^minutes: a number from 1 to 60/],
        ['live?minutes=61', /^minutes: /],
        ['live?minutes=1e3', /^minutes: /],
        ['live?minutes', /^minutes: /],
        ['live?limit=0', /^limit: a number from 1 to 1000/],
        ['live?by=event_name,nonsense', /^by: one or more of event_name, platform, build_id, variant/],
        ['live?by=platform,platform', /^by: /],
        ['live?by=', /^by: /],
        ['live?by=event_name%2', /^by: a percent sign that is no escape/],
        ['live?limit=%zz', /^limit: a percent sign that is no escape/],
        ['ledger?from=2026-01-01T00%3', /^from: a percent sign that is no escape/],
        ['live?days=1', /^days: no such parameter; there are minutes, by, limit/],
        ['quality?minutes=1', /^minutes: no such parameter/],
        ['ledger?from=today', /^from: a time such as /],
        ['ledger?from=2026-13-01T00:00:00Z', /^from: /],
        ['ledger?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', /^from: not before to/],
        ['ledger?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z', /1440 minutes/],
        ['ledger?since=1', /^since: no such parameter; there are from, to/],
    ];
    for (const [query, detail] of nonsense) {
        const answer = await server.get(`/api/v1/${query}`);
        assert.equal(answer.status, 400, query);
        assert.equal(answer.json.code, 'invalid_parameter', query);
        assert.match(answer.json.detail, detail, query);
    }
    const encoded = new URLSearchParams({ from: '2026-01-01T00:00:00+01:00', to: '2026-01-01T01:00:00+01:00' });
    assert.equal((await get(server, `/api/v1/ledger?${encoded}`)).from, '2025-12-31T23:00:00.000000Z');
    assert.equal((await server.request('POST', '/api/v1/live')).status, 405);
    await server.stop();
});

test('with keys these are for the admin alone', async (t) => {
    const dir = freshDir(t);
    const made = await cliOk(['keys', 'create', '--data', dir, '--scope', 'admin', '--name', 'tools']);
    const key = /\S{20,}/.exec(made.stdout)?.[0];
    const server = await Server.forTest(t, dir);
    for (const route of ['live', 'quality', 'ledger']) {
        assert.equal((await server.get(`/api/v1/${route}`)).status, 401);
        assert.equal((await server.get(`/api/v1/${route}`, { Authorization: `Bearer ${key}` })).status, 200);
    }
    await server.stop();
});
