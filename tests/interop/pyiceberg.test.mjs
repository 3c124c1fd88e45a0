// pyiceberg.test.mjs - a reader that shares no code with ours sees the same rows
//
// The table is made by `serve` over several checkpoints: duplicates, late events, absent fields, many days.
// PyIceberg (in .venv, see tools/setup.sh test) reads it; counts, sums, bounds of every column and a digest
// over every value must be those of `playtrace query --sql`, and what it skips by our statistics must be
// what a full scan would leave out.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { Server, cliOk, freshDir, root, sql } from '../e2e/support/server.mjs';
import { batch } from './lake_rows.mjs';

const python = path.join(root, '.venv', 'bin', 'python');
const script = path.join(root, 'tests', 'interop', 'pyiceberg_check.py');
const run = promisify(execFile);

async function runScript(...args) {
    try {
        return (await run(python, [script, ...args], { maxBuffer: 64 << 20 })).stdout;
    } catch (error) {
        assert.fail(`pyiceberg_check.py ${args.join(' ')}: ${error.stderr}${error.stdout}`);
    }
    return undefined;
}

test('PyIceberg reads the same rows as playtrace query', async (t) => {
    if (!fs.existsSync(python)) {
        t.skip('there is no .venv: run tools/setup.sh test');
        return;
    }
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const first = batch(0);
    let rows = 0;
    for (let round = 0; round < 5; round++) {
        const sent = round === 0 ? first : batch(round);
        assert.equal((await server.send([...sent, ...first.slice(0, 50)])).status, 202);
        rows += sent.length;
        assert.equal(await server.settle(rows), rows);
    }
    await server.stop();

    const theirs = JSON.parse(await runScript('--data', dir));
    const [ours] = await sql(dir, (await runScript('--sql')).trim());
    assert.equal(theirs.table.rows, rows);
    assert.deepEqual(theirs.failed, []);
    for (const [name, value] of Object.entries(theirs.table)) {
        assert.equal(String(ours[name]), String(value), name);
    }
    assert.ok(theirs.filters > 20 && theirs.filters_that_skip_files > 0,
        `${theirs.filters} filters, of which ${theirs.filters_that_skip_files} skipped files`);
    t.diagnostic(`${rows} rows; ${theirs.filters} filtered scans, ${theirs.filters_that_skip_files} skipped files`);
});

test('what a simulated game played, row for row: PyIceberg against its books, and against DuckDB', async (t) => {
    if (!fs.existsSync(python)) {
        t.skip('there is no .venv: run tools/setup.sh test');
        return;
    }
    const dir = freshDir(t);
    const data = path.join(dir, 'data');
    const truth = path.join(dir, 'truth');
    const server = await Server.forTest(t, data, { env: { PLAYTRACE_STREAM_CHECKPOINT_MS: '200' } });
    await cliOk(['simulate', '--url', server.url, '--players', '200', '--seed', '11', '--truth', truth, '--checkpoint']);
    await server.stop();
    await cliOk(['simulate', 'verify', '--truth', truth, '--data', data]);

    const books = path.join(truth, 'events.csv');
    const said = JSON.parse(await runScript('--data', data, '--truth', books));
    assert.equal(said.wrong, 0, said.first.join('\n'));
    const theirs = (await runScript('--data', data, '--rows')).trimEnd().split('\n').map((line) => JSON.parse(line));
    const ours = (await sql(data, (await runScript('--rows-sql')).trim())).map((row) => row.line);
    assert.equal(ours.length, said.rows);
    for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
        assert.equal(theirs[i], ours[i]);
    }
    t.diagnostic(`${said.rows} rows, each equal in the books, in PyIceberg and in DuckDB`);

    // Books that say something else must be noticed, each line by itself.
    const lines = fs.readFileSync(books, 'utf8').trimEnd().split('\n');
    lines[5] = lines[5].replace(/^([^,]*),[a-z_]+,/, '$1,other,');
    fs.writeFileSync(books, `${[...lines.slice(0, 20), ...lines.slice(21)].join('\n')}\n`);
    await assert.rejects(runScript('--data', data, '--truth', books), /"wrong": 2.*event_name is .*nobody played it/s);
});
