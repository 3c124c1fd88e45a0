// lake.test.mjs - playtrace lake: snapshots, the past, expiry, columns, checks, beside a running server
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, countRows, event, freshDir, sql } from './support/server.mjs';

const events = (count) => Array.from({ length: count }, () => event());

async function lake(dir, ...args) {
    return (await cliOk(['lake', ...args, '--data', dir])).stdout;
}

async function snapshots(dir) {
    return JSON.parse(await lake(dir, 'snapshots', '--format', 'json'));
}

async function countAt(dir, ...where) {
    const result = await cliOk(['query', '--data', dir, '--format', 'json', '--sql',
        'SELECT count(*) AS n FROM events', ...where]);
    return JSON.parse(result.stdout)[0].n;
}

test('the past is asked by snapshot and by time, and expires beside a running server', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    for (let rows = 10; rows <= 30; rows += 10) {
        await server.send(events(10));
        assert.equal(await server.settle(rows), rows);
    }
    const listed = await snapshots(dir);
    assert.deepEqual(listed.map(({ records, added_records: added, operation, current }) =>
        [records, added, operation, current]),
    [[10, 10, 'append', false], [20, 10, 'append', false], [30, 10, 'append', true]]);
    assert.deepEqual(listed.map(({ checkpoint }) => checkpoint), [1, 2, 3]);
    for (const { snapshot_id: id, time, records } of listed) {
        assert.equal(await countAt(dir, '--snapshot', id), records);
        assert.equal(await countAt(dir, '--as-of-time', time), records);
    }

    assert.match(await lake(dir, 'expire', '--keep', '1', '--dry-run'), /^2 snapshots would expire/);
    assert.equal((await snapshots(dir)).length, 3);
    assert.match(await lake(dir, 'expire', '--keep', '1'), /^2 snapshots expired/);
    const gone = await cli(['query', '--data', dir, '--snapshot', listed[0].snapshot_id, '--sql', 'SELECT 1']);
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /has no snapshot \d+: it has expired, or never was/);
    const before = await cli(['query', '--data', dir, '--as-of-time', listed[0].time, '--sql', 'SELECT 1']);
    assert.match(before.stderr, /snapshots go back to .* only/);

    // The server did not know of it, and goes on.
    await server.send(events(10));
    assert.equal(await server.settle(40), 40);
    assert.deepEqual((await snapshots(dir)).map(({ records }) => records), [30, 40]);
    assert.match(await lake(dir, 'verify', '--rows'), /^2 snapshots, 4 manifests, 4 data files, 40 rows read: whole$/m);
});

test('a column is added beside a running server, and nothing is rewritten', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.send(events(5));
    assert.equal(await server.settle(5), 5);
    const data = () => fs.readdirSync(path.join(dir, 'lake/events/data'), { recursive: true }).sort();
    const files = data();
    assert.match(await lake(dir, 'add-column', 'score', 'double'), /^column score \(double\) added$/m);
    assert.deepEqual(data(), files);
    await server.send(events(5));
    assert.equal(await server.settle(10), 10);
    assert.deepEqual(await sql(dir, 'SELECT count(*) AS n, count(score) AS scores, typeof(any_value(score)) AS type ' +
        'FROM events'), [{ n: 10, scores: 0, type: 'DOUBLE' }]);
    const again = await cli(['lake', 'add-column', 'SCORE', 'int', '--data', dir]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /the table has a column score already/);
});

test('verify names what is missing or damaged, and what to do', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.send(events(20));
    assert.equal(await server.settle(20), 20);
    await server.stop();
    assert.match(await lake(dir, 'verify'), /whole$/m);
    const table = path.join(dir, 'lake/events');
    const find = (where, pattern) => path.join(table, where,
        fs.readdirSync(path.join(table, where), { recursive: true }).find((name) => pattern.test(name)));
    const hurt = async (file, change, said) => {
        const whole = fs.readFileSync(file);
        change(file, whole);
        const result = await cli(['lake', 'verify', '--data', dir]);
        fs.writeFileSync(file, whole);
        assert.equal(result.code, 1, file);
        assert.ok(result.stdout.includes(file), result.stdout);
        assert.match(result.stdout, said);
        assert.match(await lake(dir, 'verify'), /whole$/m);
    };
    await hurt(find('data', /\.parquet$/), (file) => fs.unlinkSync(file), /missing, with 20 rows\n +put it back from a backup/);
    await hurt(find('data', /\.parquet$/), (file, whole) => fs.writeFileSync(file, whole.subarray(9)), /its manifest says/);
    await hurt(find('metadata', /^manifest-.*avro$/), (file, whole) => fs.writeFileSync(file, whole.subarray(0, -20)),
        /its manifest list says/);
    await hurt(find('metadata', /^manifest-.*avro$/), (file) => fs.unlinkSync(file), /No such file/);
    await hurt(find('metadata', /^v2.metadata.json$/), (file, whole) => fs.writeFileSync(file, whole.subarray(0, -20)),
        /the version before it is whole/);
});

test('mistakes are told', async (t) => {
    const dir = freshDir(t);
    const says = async (args, code, message) => {
        const result = await cli(args);
        assert.equal(result.code, code, args.join(' '));
        assert.match(result.stderr, message);
    };
    await says(['lake'], 2, /a verb is missing/);
    await says(['lake', 'explode'], 2, /explode: no such verb/);
    await says(['lake', 'verify', '--data', path.join(dir, 'nowhere')], 1, /No such file or directory/);
    await says(['lake', 'expire', '--older-than', '7', '--data', dir], 2, /a number with a unit/);
    await says(['lake', 'expire', '--keep', '0', '--data', dir], 2, /whole number from 1/);
    await says(['lake', 'expire', '--data', dir], 1, /No such file or directory/);
    assert.deepEqual(fs.readdirSync(dir), [], 'no table is made by asking');
    await says(['lake', 'add-column', 'x', '--data', dir], 2, /a name and a type are needed/);
    await says(['query', '--sql', 'SELECT 1', '--snapshot', '1', '--as-of-time', '2026-01-01T00:00:00Z', '--data', dir], 2,
        /exclude each other/);
    await says(['query', '--sql', 'SELECT 1', '--as-of-time', 'yesterday', '--data', dir], 2, /such as 2026-11-01T12/);
    await says(['query', '--sql', 'SELECT 1', '--snapshot', '7', '--data', dir], 1, /no table|has no snapshot|No such file/);
});
