// spark.test.mjs - Apache Spark reads what we write, and writes what we read
//
// Spark (in .spark, see tools/setup.sh test) has Iceberg's own Java library, which is what most other readers
// are built on. The table is held against it as it was written, evolved, written to by Spark itself, written
// on, compacted and expired: counts, bounds, sums and a digest over every value of every row must be those of
// `playtrace query`, filtered scans must find the same rows, and snapshots must give what they gave.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, freshDir, sql } from '../e2e/support/server.mjs';
import { batch } from './lake_rows.mjs';
import { Spark, classpathFile } from './spark_shell.mjs';

const times = ['event_time', 'occurred_at', 'received_at'];
const longs = ['seq', 'boot', 'clock_skew_us'];
const texts = ['event_name', 'user_id', 'session_id', 'install_id', 'build_id', 'platform', 'mechanic_version',
    'country', 'region', 'city'];
const columns = ['event_id', 'event_name', 'event_time', 'occurred_at', 'received_at', 'user_id', 'session_id',
    'seq', 'install_id', 'boot', 'build_id', 'platform', 'mechanic_version', 'attributes', 'clock_skew_us',
    'is_late', 'country', 'region', 'city'];

// The same question in both dialects; every answer is text.
function comparison(from, { micros, text, number }) {
    const parts = ['count(*) AS row_count'];
    const add = (expression, name) => parts.push(`${expression} AS ${name}`);
    for (const column of columns) {
        add(`count(${column})`, `${column}_count`);
    }
    for (const column of times) {
        add(micros(`min(${column})`), `${column}_min`);
        add(micros(`max(${column})`), `${column}_max`);
    }
    for (const column of longs) {
        add(`sum(${column})`, `${column}_sum`);
    }
    for (const column of ['event_id', ...texts]) {
        add(`min(${column})`, `${column}_min`);
        add(`max(${column})`, `${column}_max`);
        add(`count(DISTINCT ${column})`, `${column}_distinct`);
    }
    add('count(CASE WHEN is_late THEN 1 END)', 'late');
    const values = columns.map((column) => {
        const value = times.includes(column) ? text(micros(column)) : text(column);
        return `coalesce(${value}, '-')`;
    });
    add(`sum(${number(`substr(md5(concat_ws('|', ${values.join(', ')})), 1, 8)`)})`, 'digest');
    const named = parts.map((part) => {
        const at = part.lastIndexOf(' AS ');
        return `${text(part.slice(0, at))}${part.slice(at)}`;
    });
    return `SELECT ${named.join(', ')} FROM ${from}`;
}

const ourDialect = {
    micros: (value) => `epoch_us(${value})`,
    text: (value) => `CAST(${value} AS VARCHAR)`,
    number: (hex) => `('0x' || ${hex})::BIGINT`,
};
const sparkDialect = {
    micros: (value) => `unix_micros(${value})`,
    text: (value) => `CAST(${value} AS STRING)`,
    number: (hex) => `CAST(conv(${hex}, 16, 10) AS BIGINT)`,
};

const filters = ["event_name = 'purchase'", 'seq >= 300', 'seq IS NULL', 'is_late', "platform = 'ios' AND seq < 50",
    "event_time >= TIMESTAMP '2026-01-01 00:00:00+00:00'", 'install_id IS NOT NULL', "user_id = 'nobody'"];

class Pair {
    constructor(spark, dir, name) {
        Object.assign(this, { spark, dir, table: `pt.\`${name}\`.lake.events` });
    }

    async check(what) {
        const [ours] = await sql(this.dir, comparison('events', ourDialect));
        const [theirs] = await this.spark.ask(comparison(this.table, sparkDialect));
        assert.deepEqual(theirs, Object.fromEntries(Object.entries(ours).filter(([, value]) => value !== null)), what);
        const counts = filters.map((filter, i) => `count(CASE WHEN ${filter} THEN 1 END) AS f${i}`).join(', ');
        const [expected] = await sql(this.dir, `SELECT ${counts} FROM events`);
        const scans = filters.map((filter, i) => `SELECT ${i} AS f, count(*) AS n FROM ${this.table} WHERE ${filter}`);
        for (const { f, n } of await this.spark.ask(scans.join(' UNION ALL '))) {
            assert.equal(n, expected[`f${f}`], `${what}: ${filters[f]}`);
        }
        await this.checkMetadata(what);
        assert.match((await cliOk(['lake', 'verify', '--rows', '--data', this.dir])).stdout, /whole$/m, what);
        return Number(ours.row_count);
    }

    // Spark's metadata tables read every manifest with Iceberg's own library.
    async checkMetadata(what) {
        const ours = JSON.parse((await cliOk(['lake', 'snapshots', '--format', 'json', '--data', this.dir])).stdout);
        const theirs = await this.spark.ask('SELECT CAST(snapshot_id AS STRING) AS id, operation, ' +
            `summary['total-records'] AS records FROM ${this.table}.snapshots ORDER BY committed_at`);
        assert.deepEqual(theirs.map(({ id, operation, records }) => [id, operation, Number(records)]),
            ours.map(({ snapshot_id: id, operation, records }) => [id, operation, records]), what);
        const current = ours.find((snapshot) => snapshot.current);
        const [files] = await this.spark.ask('SELECT count(*) AS files, sum(record_count) AS records, ' +
            `sum(file_size_in_bytes) AS bytes FROM ${this.table}.files`);
        assert.deepEqual(files, { files: current.files, records: current.records, bytes: current.bytes }, what);
        const [manifests] = await this.spark.ask('SELECT sum(added_data_files_count + existing_data_files_count) ' +
            `AS files FROM ${this.table}.manifests`);
        assert.equal(manifests.files, current.files, what);
        for (const snapshot of ours.slice(-4)) {
            const [then] = await this.spark.ask(
                `SELECT count(*) AS n FROM ${this.table} VERSION AS OF ${snapshot.snapshot_id}`);
            const result = await cliOk(['query', '--data', this.dir, '--format', 'json', '--snapshot',
                snapshot.snapshot_id, '--sql', 'SELECT count(*) AS n FROM events']);
            assert.equal(then.n, snapshot.records, what);
            assert.deepEqual(JSON.parse(result.stdout), [{ n: snapshot.records }], what);
        }
        return ours;
    }
}

async function send(t, dir, rounds, rowsBefore) {
    const server = await Server.forTest(t, dir);
    let rows = rowsBefore;
    for (const round of rounds) {
        assert.equal((await server.send(batch(round))).status, 202);
        rows += 400;
        assert.equal(await server.settle(rows), rows);
    }
    await server.stop();
}

test('Spark and Playtrace read and write one table', async (t) => {
    assert.ok(fs.existsSync(classpathFile), 'there is no .spark: run tools/setup.sh test');
    const warehouse = freshDir(t);
    const dir = path.join(warehouse, 'game');
    const at = ['--data', dir];
    fs.mkdirSync(dir);
    const [spark] = await Promise.all([Spark.start(t, warehouse), send(t, dir, [0, 1, 2], 0)]);
    const pair = new Pair(spark, dir, 'game');
    const { table } = pair;

    assert.equal(await pair.check('written'), 1200);

    await cliOk(['lake', 'add-column', 'score', 'double', ...at]);
    assert.deepEqual(await spark.ask(`SELECT count(score) AS n FROM ${table}`), [{ n: 0 }]);
    assert.equal(await pair.check('evolved'), 1200);

    const names = [...columns.slice(1), 'score'].join(', ');
    await spark.ask(`INSERT INTO ${table} (event_id, ${names}) ` +
        `SELECT uuid(), ${columns.slice(1).join(', ')}, seq * 0.5D FROM ${table} WHERE seq IS NOT NULL LIMIT 100`);
    await spark.ask(`DELETE FROM ${table} WHERE event_name = 'purchase' AND seq < 200`);
    const afterSpark = await pair.check('written by Spark');
    const [score] = await sql(dir, 'SELECT count(score) AS n, sum(score) AS total FROM events');
    assert.deepEqual(await spark.ask(`SELECT count(score) AS n, sum(score) AS total FROM ${table}`), [score]);
    assert.ok(score.n > 50, 'Spark wrote the new column');

    await spark.ask(`ALTER TABLE ${table} CREATE TAG release`);
    await send(t, dir, [3, 4], afterSpark);
    assert.equal(await pair.check('written on'), afterSpark + 800);

    if (/^  compact/m.test((await cliOk(['lake', '--help'])).stdout)) {
        await cliOk(['lake', 'compact', ...at]);
        assert.equal(await pair.check('compacted'), afterSpark + 800);
    }

    const before = await pair.checkMetadata('before expiry');
    const expired = await cliOk(['lake', 'expire', '--keep', '1', ...at]);
    assert.match(expired.stdout, new RegExp(`^${before.length - 2} snapshots`), expired.stdout);
    assert.equal(await pair.check('expired'), afterSpark + 800);
    await assert.rejects(spark.ask(`SELECT * FROM ${table} VERSION AS OF ${before[0].snapshot_id}`), /snapshot/i);
    assert.deepEqual(await spark.ask(`SELECT count(*) AS n FROM ${table} VERSION AS OF 'release'`),
        [{ n: afterSpark }]);

    await spark.ask(`ALTER TABLE ${table} ADD PARTITION FIELD event_name`);
    const refused = await cli(['lake', 'add-column', 'more', 'int', ...at]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /partition spec was changed by another program/);
    assert.equal((await sql(dir, 'SELECT count(*) AS n FROM events'))[0].n, afterSpark + 800);
    await spark.ask(`ALTER TABLE ${table} DROP PARTITION FIELD event_name`);
    await send(t, dir, [5], afterSpark + 800);

    await spark.ask(`ALTER TABLE ${table} SET TBLPROPERTIES ('write.delete.mode' = 'merge-on-read')`);
    await spark.ask(`DELETE FROM ${table} WHERE event_name = 'level_end' AND seq < 20`);
    const unread = await cli(['query', '--sql', 'SELECT count(*) FROM events', ...at]);
    assert.equal(unread.code, 1);
    assert.match(unread.stderr, /row-level deletes by another program/);
});
