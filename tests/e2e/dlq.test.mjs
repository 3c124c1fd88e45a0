// dlq.test.mjs - refused events: found, understood, repaired, sent again, and never twice in the table
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, countRows, event, freshDir, metric, sleep, sql, uuid7 } from './support/server.mjs';

const moveUser = [{ op: 'move', from: '/userId', path: '/user_id' }];

function patchFile(dir, patch) {
    const file = path.join(dir, `patch-${uuid7()}.json`);
    fs.writeFileSync(file, typeof patch === 'string' ? patch : JSON.stringify(patch));
    return file;
}

// An event whose player's id came under another name.
function misnamed(user, over = {}) {
    const { user_id: ignored, ...rest } = event(over);
    return { ...rest, userId: user };
}

async function letters(dir, ...args) {
    const { stdout } = await cliOk(['dlq', 'list', '--data', dir, ...args]);
    return stdout.split('\n').filter((line) => line).map((line) => JSON.parse(line));
}

function replay(server, dir, ...args) {
    return cli(['dlq', 'replay', '--data', dir, '--url', server.url, ...args]);
}

async function replayed(server, dir, ...args) {
    const result = await replay(server, dir, '--format', 'json', ...args);
    assert.notEqual(result.stdout, '', result.stderr);
    return { code: result.code, stderr: result.stderr, ...JSON.parse(result.stdout) };
}

async function assertBalanced(dir) {
    const audit = await cli(['audit', '--data', dir]);
    assert.equal(audit.code, 0, audit.stdout + audit.stderr);
}

test('list filters, formats and sums up; show explains one', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.send([
        event({ session_id: undefined, event_name: 'level_end' }),
        misnamed('player-1', { event_name: 'purchase' }),
        event({ platform: 'amiga\u0000', event_name: 'level_end' }),
        event({ event_name: 'boss\u009b31m' }),
        17,
        event({ session_id: undefined, event_name: 'purchase' }),
    ]);

    const all = await letters(dir);
    assert.deepEqual(all.map((one) => one.offset), [0, 1, 2, 3, 4, 5]);
    assert.ok(all.every((one) => one.received_at && one.sent_at && one.code && one.detail), JSON.stringify(all));
    assert.deepEqual((await letters(dir, '--code', 'missing_field')).map((one) => one.offset), [0, 5]);
    assert.deepEqual((await letters(dir, '--event-name', 'level_end')).map((one) => one.offset), [0, 2]);
    assert.deepEqual((await letters(dir, '--event-name', 'level_end', '--from', '1')).map((one) => one.offset), [2]);
    assert.deepEqual((await letters(dir, '--code', 'missing_field', '--limit', '1')).map((one) => one.offset), [0]);
    assert.equal((await letters(dir, '--since', '5m')).length, 6);
    assert.equal((await letters(dir, '--until', '5m')).length, 0);
    assert.equal((await letters(dir, '--since', '2020-01-01', '--until', '2020-01-02T00:00:00+01:00')).length, 0);

    const array = JSON.parse((await cliOk(['dlq', 'list', '--data', dir, '--format', 'json'])).stdout);
    assert.deepEqual(array, all);
    const none = await cliOk(['dlq', 'list', '--data', dir, '--format', 'json', '--code', 'x']);
    assert.deepEqual(JSON.parse(none.stdout), []);
    const { stdout: table } = await cliOk(['dlq', 'list', '--data', dir, '--format', 'table']);
    assert.equal(table.trimEnd().split('\n').length, 7);
    assert.match(table, /invalid_name +\/event_name +boss\?31m/);
    assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(table), 'a control character in the table');

    const { stdout: summary } = await cliOk(['dlq', 'list', '--data', dir, '--summary']);
    assert.match(summary, /^ +2 +missing_field +\/session_id /m);
    assert.match(summary, /^ +6 +in all/m);
    const groups = JSON.parse((await cliOk(['dlq', 'list', '--data', dir, '--summary', '--format', 'json'])).stdout);
    assert.equal(groups.length, 5);
    assert.equal(groups[0].count, 2);
    assert.equal(groups[0].newest_offset, 5);

    const { stdout: shown } = await cliOk(['dlq', 'show', '1', '--data', dir]);
    assert.match(shown, /^dead letter 1\n/);
    assert.match(shown, /unknown_field/);
    assert.match(shown, /what to do/);
    assert.match(shown, /"userId": "[0-9a-f]{32}"/);
    assert.match(shown, /dlq replay --from 1 --limit 1/);
    const json = JSON.parse((await cliOk(['dlq', 'show', '4', '--data', dir, '--format', 'json'])).stdout);
    assert.equal(json.code, 'wrong_type');
    await server.stop();
});

test('a repaired event is in the table as it would have been, once, however often it is replayed', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const bad = Array.from({ length: 30 }, (_, index) =>
        misnamed(`player-${index}`, { event_name: 'purchase', attributes: { amount: index } }));
    await server.send([...bad, event({ user_id: 'player-7', event_name: 'session_start' })]);
    await server.send([bad[0]]); // the device tries again: a second dead letter with the same id
    await server.send([event({ session_id: undefined })]);
    assert.equal(await server.settle(1), 1);
    const before = await letters(dir);
    assert.equal(before.length, 32);
    const patch = patchFile(dir, moveUser);

    // A dry run tells, and sends nothing.
    const dry = await replay(server, dir, '--patch', patch, '--code', 'unknown_field', '--dry-run');
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /^dead letter 0: would be accepted\n {2}- \/userId {2}"([0-9a-f]{32})"\n {2}\+ \/user_id {2}"\1"$/m);
    assert.match(dry.stdout, /^dead letter 30: its event_id is that of a dead letter before it$/m);
    assert.match(dry.stdout, /^would be accepted +30$/m);
    assert.equal(await server.settle(1), 1);

    const first = await replayed(server, dir, '--patch', patch, '--code', 'unknown_field');
    assert.equal(first.code, 0, first.stderr);
    assert.deepEqual(
        [first.selected, first.repaired, first.in_table, first.repeated, first.accepted, first.refused],
        [31, 31, 0, 1, 30, 0]);
    assert.equal(await server.settle(31), 31);

    const rows = await sql(dir, `select user_id, event_name, epoch_us(received_at) as received_us,
        cast(attributes->>'amount' as int) as amount, epoch_us(event_time) as event_us, is_late,
        epoch_us(occurred_at) as occurred_us from events where event_name = 'purchase' order by amount`);
    for (const [index, row] of rows.entries()) {
        assert.equal(Number(row.amount), index);
        assert.equal(Number(row.event_us), Number(row.occurred_us));
        const micros = before[index].received_at.replace(/^.*\.(\d{6})Z$/, '$1');
        assert.equal(Number(row.received_us), Math.floor(Date.parse(before[index].received_at) / 1000) * 1e6 + Number(micros));
    }
    const [player] = await sql(dir, "select user_id from events where event_name = 'session_start'");
    assert.equal(rows[7].user_id, player.user_id, 'one player, one pseudonym');

    // Again, and after a restart: nothing is sent twice, and no dead letter begets another.
    for (const restarts of [false, true]) {
        if (restarts) {
            await server.stop();
        }
        const now = restarts ? await Server.forTest(t, dir) : server;
        const again = await replayed(now, dir, '--patch', patch);
        assert.equal(again.code, 1, 'one letter has no userId');
        assert.match(again.stderr, /dead letter 31: the patch does not apply: operation 0 \(move \/user_id\): \/userId is not there/);
        assert.deepEqual([again.selected, again.not_repaired, again.in_table, again.accepted], [32, 1, 31, 0]);
        assert.equal(await now.settle(31), 31);
        if (restarts) {
            await now.stop();
        }
    }
    assert.deepEqual(await letters(dir), before);
    assert.deepEqual(await countRows(dir), { rows: 31, ids: 31 });
    await assertBalanced(dir);
});

test('what is still refused is told, stays a dead letter, and the ledger balances', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.send([
        event({ session_id: undefined }),
        event({ session_id: undefined, user_id: undefined }),
        event({ session_id: undefined, attributes: { odd: 1, 'a/b': [1, 2] } }),
    ]);
    const merge = patchFile(dir, { session_id: 'unknown', attributes: { odd: null } });
    const dry = await replay(server, dir, '--patch', merge, '--dry-run');
    assert.equal(dry.code, 1);
    assert.match(dry.stdout, /^dead letter 0: would be accepted$/m);
    assert.match(dry.stdout, /^dead letter 1: would still be refused: missing_field \/user_id: user_id is missing$/m);
    assert.match(dry.stdout, /^ {2}- \/attributes\/odd {2}1$/m);
    assert.match(dry.stdout, /^would be refused +1$/m);

    const done = await replayed(server, dir, '--patch', merge);
    assert.equal(done.code, 1);
    assert.deepEqual([done.selected, done.repaired, done.accepted, done.refused], [3, 3, 2, 1]);
    assert.match(done.stderr, /dead letter 1: still refused: missing_field \/user_id/);
    assert.equal(await server.settle(2), 2);
    const [row] = await sql(dir, "select session_id, attributes from events where attributes like '%a/b%'");
    assert.equal(row.session_id, 'unknown');
    assert.deepEqual(JSON.parse(row.attributes), { 'a/b': [1, 2] });
    assert.equal((await letters(dir)).length, 3);
    await server.stop();
    await assertBalanced(dir);

    // A name in place of a pseudonym is no repair.
    const named = patchFile(dir, { session_id: 'unknown', user_id: 'alice' });
    const again = await Server.forTest(t, dir);
    const refused = await replayed(again, dir, '--patch', named, '--from', '1', '--limit', '1');
    assert.equal(refused.refused, 1);
    assert.match(refused.stderr, /invalid_pseudonym/);
    await again.stop();
});

test('replays at one moment do not both send', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    for (let i = 0; i < 8; i++) {
        await server.send(Array.from({ length: 500 }, (_, index) => misnamed(`player-${index}`)));
    }
    const patch = patchFile(dir, moveUser);
    const results = await Promise.all([1, 2, 3].map(() => replay(server, dir, '--patch', patch)));
    const losers = results.filter((one) => one.code !== 0);
    assert.ok(losers.every((one) => /another replay of these dead letters is running/.test(one.stderr)),
        JSON.stringify(losers));
    assert.ok(losers.length < 3);
    assert.equal(await server.settle(4000), 4000);
    await server.stop();
    assert.deepEqual(await countRows(dir), { rows: 4000, ids: 4000 });
    await assertBalanced(dir);
});

test('a server that is killed during a replay: the next replay sends what is missing', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    for (let i = 0; i < 10; i++) {
        await server.send(Array.from({ length: 500 }, (_, index) => misnamed(`player-${index}`)));
    }
    const patch = patchFile(dir, moveUser);
    const port = new URL(server.url).port;
    const running = replay(server, dir, '--patch', patch);
    await sleep(150);
    await server.kill();
    const again = await Server.forTest(t, dir, { args: ['--listen', `127.0.0.1:${port}`] });
    await running; // it may have gone on with the second server
    const last = await replayed(again, dir, '--patch', patch);
    assert.equal(last.code, 0, last.stderr);
    assert.equal(last.in_table + last.accepted, 5000);
    assert.equal(await again.settle(5000), 5000);
    await again.stop();
    assert.deepEqual(await countRows(dir), { rows: 5000, ids: 5000 });
    await assertBalanced(dir);
});

test('nonsense is told from what went wrong', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.send([misnamed('player-1')]);
    const usage = [
        [['dlq'], /a verb is missing/],
        [['dlq', 'lsit'], /lsit: no such verb/],
        [['dlq', 'list', '--format', 'xml'], /table, json or ndjson/],
        [['dlq', 'list', '--since', 'yesterday'], /--since: "yesterday"/],
        [['dlq', 'list', '--limit', '-1'], /--limit/],
        [['dlq', 'list', '--patch', 'x'], /no such option/],
        [['dlq', 'show'], /which one/],
        [['dlq', 'show', 'first'], /whole number/],
        [['dlq', 'replay', '--patch', path.join(dir, 'none.json')], /none\.json/],
        [['dlq', 'replay', '--patch', patchFile(dir, '[{"op":')], /byte/],
        [['dlq', 'replay', '--patch', patchFile(dir, '"user_id"')], /array of operations/],
        [['dlq', 'replay', '--patch', patchFile(dir, [{ op: 'rename', path: '/a' }])], /operation 0: "op" must be/],
        [['dlq', 'replay', '--patch', patchFile(dir, [...moveUser, { op: 'add', path: 'a', value: 1 }])], /operation 1: path/],
        [['dlq', 'replay', '--format', 'ndjson'], /table or json/],
    ];
    for (const [args, says] of usage) {
        const result = await cli([...args, ...(args.length > 1 && args[1] !== 'lsit' ? ['--data', dir] : [])]);
        assert.equal(result.code, 2, `${args.join(' ')}: ${result.stderr}`);
        assert.match(result.stderr, says, args.join(' '));
        assert.equal(result.stdout, '', args.join(' '));
    }
    const failed = [
        [['show', '1'], /there is no dead letter 1 yet/],
        [['show', '99'], /there is no dead letter 99 yet/],
        [['list', '--from', '99'], /there is no dead letter 99 yet/],
        [['replay', '--url', 'http://127.0.0.1:1'], /127\.0\.0\.1:1 does not answer; is `playtrace serve` running there/],
        [['replay', '--url', `${server.url}/elsewhere`], /has no \/api\/v1\/checkpoint/],
    ];
    for (const [args, says] of failed) {
        const result = await cli(['dlq', ...args, '--data', dir]);
        assert.equal(result.code, 1, `${args.join(' ')}: ${result.stderr}`);
        assert.match(result.stderr, says, args.join(' '));
    }
    const nowhere = await cli(['dlq', 'list', '--data', path.join(dir, 'nowhere')]);
    assert.equal(nowhere.code, 1);
    await server.stop();
});

test('retention releases the oldest, the rest stays readable, and the ledger balances', async (t) => {
    const dir = freshDir(t);
    const env = { PLAYTRACE_LOG_SEGMENT_BYTES: '1048576', PLAYTRACE_DLQ_RETENTION_BYTES: '1048576' };
    const server = await Server.forTest(t, dir, { env });
    const filler = 'x'.repeat(2000);
    const released = async () =>
        metric((await server.get('/metrics')).text, 'playtrace_dead_letters_released') ?? 0;
    let sent = 0;
    // 8 MB of dead letters; retention looks once a second, and what is due goes with the next one.
    for (let i = 0; i < 40; i++) {
        const answer = await server.send(Array.from({ length: 100 }, () =>
            event({ session_id: undefined, attributes: { a: filler } })));
        assert.equal(answer.status, 202, answer.text);
        sent += 100;
        if (i % 10 === 9) {
            const before = await released();
            for (let wait = 0; wait < 100 && (await released()) === before; wait++) {
                await sleep(100);
            }
        }
    }
    await server.send([event({ session_id: undefined }), event()]);
    sent += 1;
    const there = await letters(dir);
    const first = there[0].offset;
    assert.ok(first > 0, 'something was released');
    assert.ok(there.length * 2000 < 4 * 1048576, `${there.length} are there`);
    assert.deepEqual(there.map((one) => one.offset), there.map((_, index) => first + index));
    assert.equal(there.at(-1).offset, sent - 1);

    for (const args of [['show', '0'], ['list', '--from', '0'], ['replay', '--from', '0', '--dry-run']]) {
        const gone = await cli(['dlq', ...args, '--data', dir]);
        assert.equal(gone.code, 1, args.join(' '));
        assert.match(gone.stderr, new RegExp(`dead letter 0 is gone: retention .* the oldest one there is ${first}`));
    }
    assert.equal((await replayed(server, dir, '--patch', patchFile(dir, { session_id: 's' }), '--limit', '50')).accepted, 50);
    assert.equal(await server.settle(51), 51);
    await server.stop();
    await assertBalanced(dir);
    const again = await Server.forTest(t, dir, { env });
    assert.equal((await letters(dir))[0].offset, first);
    await again.send([event({ session_id: undefined })]);
    await again.stop();
    await assertBalanced(dir);
});

test('a repaired event is held to its schema, in a dry run too', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const schema = {
        type: 'object',
        properties: { amount: { type: 'number', minimum: 0 } },
        required: ['amount'],
    };
    const registered = await server.request('POST', '/registry/subjects/purchase/versions', {
        body: JSON.stringify({ schemaType: 'JSON', schema: JSON.stringify(schema) }),
        headers: { 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
    });
    assert.equal(registered.status, 200, registered.text);
    const sent = await server.send([
        event({ event_name: 'purchase', attributes: { amount: '4.99' } }),
        event({ event_name: 'purchase', schema_version: '1-0-9', attributes: { amount: 1 } }),
    ]);
    assert.equal(sent.json.accepted, 0, sent.text);
    const [violation] = await letters(dir);
    assert.equal(violation.code, 'schema_violation');
    assert.equal(violation.schema_version, 1);
    assert.match((await cliOk(['dlq', 'show', '0', '--data', dir])).stdout, /schema_violation at .* by version 1 of its schema/);

    const negative = patchFile(dir, { attributes: { amount: -1 } });
    const refused = await replay(server, dir, '--limit', '1', '--patch', negative, '--dry-run');
    assert.equal(refused.code, 1);
    assert.match(refused.stdout, /would still be refused: schema_violation/);
    assert.equal((await replayed(server, dir, '--limit', '1', '--patch', negative)).refused, 1);

    const good = patchFile(dir, { attributes: { amount: 4.99 }, schema_version: null });
    const dry = await replay(server, dir, '--patch', good, '--dry-run');
    assert.equal(dry.code, 0, dry.stdout);
    assert.match(dry.stdout, /- \/schema_version {2}"1-0-9"/);
    assert.equal((await replayed(server, dir, '--patch', good)).accepted, 2);
    assert.equal(await server.settle(2), 2);
    await server.stop();
    await assertBalanced(dir);
});

test('the route is for administrators, and takes dead letters only', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.send([misnamed('player-1')]);
    const [letter] = await letters(dir);
    const post = (body, headers = {}) => server.request('POST', '/api/v1/replay', {
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { 'Content-Type': 'application/json', ...headers },
    });
    assert.equal((await post({ events: [letter] })).json.rejected[0].code, 'unknown_field');
    assert.equal((await post({ events: [event()] })).status, 400);
    assert.equal((await post('{"events":[')).status, 400);
    assert.equal((await post({ events: [letter] }, { 'Content-Type': 'text/plain' })).status, 415);
    assert.equal((await post({ events: [letter] }, { 'X-Forwarded-For': '203.0.113.9' })).status, 403);
    const { userId, ...rest } = letter.event;
    const repaired = { ...letter, event: { ...rest, user_id: userId } };
    assert.deepEqual((await post({ events: [repaired] })).json, { accepted: 1, rejected: [] });
    assert.equal(await server.settle(1), 1);
    assert.equal((await letters(dir)).length, 1, 'a replay writes no dead letter');

    // With an admin key made, no other key will do.
    const make = async (scope) => {
        const { stdout } = await cliOk(['keys', 'create', '--data', dir, '--name', scope, '--scope', scope]);
        return /\bpt_\w+|[A-Za-z0-9_-]{30,}/.exec(stdout)[0];
    };
    const admin = await make('admin');
    const sender = await make('events');
    for (let i = 0; i < 50 && (await post({ events: [letter] })).status !== 401; i++) {
        await sleep(100);
    }
    assert.equal((await post({ events: [letter] })).status, 401);
    assert.equal((await post({ events: [letter] }, { Authorization: `Bearer ${sender}` })).status, 403);
    const refused = await replay(server, dir, '--api-key', sender);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /refuses the request \(403\); give an admin key/);
    const taken = await replayed(server, dir, '--api-key', admin, '--patch', patchFile(dir, moveUser));
    assert.equal(taken.code, 0, taken.stderr);
    assert.equal(taken.in_table, 1);
    await server.stop();
    await assertBalanced(dir);
});

test('a server that answers nonsense is found out', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.send([misnamed('player-1')]);
    const answers = [
        ['nothing', /no receipt/],
        ['{"accepted":7,"rejected":[]}', /1 events were sent, but 7 accepted/],
        ['{"accepted":0,"rejected":[{"index":9}]}', /no receipt/],
        ['{"accepted":1,"rejected":7}', /no receipt/],
    ];
    let answer = '';
    const liar = http.createServer((request, response) => {
        request.resume();
        request.on('end', () => {
            response.writeHead(request.url.includes('checkpoint') ? 200 : 202);
            response.end(answer);
        });
    });
    await new Promise((resolve) => liar.listen(0, '127.0.0.1', resolve));
    t.after(() => liar.close());
    for (const [text, says] of answers) {
        answer = text;
        const result = await cli(['dlq', 'replay', '--data', dir, '--url', `http://127.0.0.1:${liar.address().port}`]);
        assert.equal(result.code, 1, text);
        assert.match(result.stderr, says);
    }
    await server.stop();
});
