// foreign.test.mjs - another program writes to the table while `serve` does
//
// PyIceberg, whose metadata, manifests (compressed) and Parquet files (pyarrow's) are its own, appends,
// deletes, tags and changes the schema on the same directory. Rows of both must all be there once, the
// checkpoint number must survive, and what cannot go on must be refused with a reason and go on afterwards.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { Server, cli, cliOk, countRows, freshDir, root, sleep, sql } from '../e2e/support/server.mjs';
import { batch } from './lake_rows.mjs';

const python = path.join(root, '.venv', 'bin', 'python');
const script = path.join(root, 'tests', 'interop', 'pyiceberg_write.py');
const run = promisify(execFile);

async function write(dir, ...args) {
    try {
        await run(python, [script, dir, ...args]);
    } catch (error) {
        assert.fail(`pyiceberg_write.py ${args.join(' ')}: ${error.stderr}`);
    }
}

async function snapshots(dir) {
    const result = await cliOk(['lake', 'snapshots', '--format', 'json', '--data', dir]);
    return JSON.parse(result.stdout);
}

async function isWhole(dir) {
    assert.match((await cliOk(['lake', 'verify', '--rows', '--data', dir])).stdout, /whole$/m);
}

test('PyIceberg and serve write to one table', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.send(batch(0));
    assert.equal(await server.settle(400), 400);

    await write(dir, 'append', '25');
    assert.deepEqual(await countRows(dir), { rows: 425, ids: 425 });
    const [, foreign] = await snapshots(dir);
    assert.equal(foreign.checkpoint, 1, 'the number of the nearest ancestor');
    await write(dir, 'tag', 'before');

    // The server still believes its own snapshot to be current: it finds out, and commits on top.
    await server.send(batch(1));
    assert.equal(await server.settle(825), 825);
    assert.equal((await snapshots(dir)).at(-1).checkpoint, 2);
    await isWhole(dir);

    // PyIceberg's turn to be late. What it makes of that is its business; ours must be there.
    const go = path.join(dir, 'go');
    const late = spawn(python, [script, dir, 'append-from', go], { stdio: ['ignore', 'pipe', 'ignore'] });
    const lateEnded = new Promise((resolve) => late.on('close', resolve));
    await readline.createInterface({ input: late.stdout })[Symbol.asyncIterator]().next();
    await server.send(batch(2));
    assert.equal(await server.settle(1225), 1225);
    fs.writeFileSync(go, '');
    const added = (await lateEnded) === 0 ? 10 : 0;
    assert.deepEqual(await countRows(dir), { rows: 1225 + added, ids: 1225 + added });

    const [{ n: purchases }] = await sql(dir, "SELECT count(*) AS n FROM events WHERE event_name = 'purchase'");
    await write(dir, 'delete', 'purchase');
    await write(dir, 'add-column', 'score');
    await server.send(batch(3));
    let rows = 1225 + added - purchases + 400;
    assert.equal(await server.settle(rows), rows);
    assert.deepEqual(await sql(dir, 'SELECT count(score) AS n FROM events'), [{ n: 0 }]);
    await server.stop();
    await isWhole(dir);

    // All but the current one go; the tag keeps its own.
    await cliOk(['lake', 'expire', '--keep', '1', '--data', dir]);
    assert.deepEqual((await snapshots(dir)).map(({ records }) => records), [425, rows]);
    await isWhole(dir);
    const again = await Server.forTest(t, dir);
    await again.send(batch(4));
    rows += 400;
    assert.equal(await again.settle(rows), rows);
    await again.stop();
    assert.equal((await cli(['query', '--data', dir, '--snapshot', foreign.snapshot_id, '--sql', 'SELECT 1'])).code, 0);
});

test('the checkpoint number survives the expiry of the snapshot that carries it', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.send(batch(0));
    assert.equal(await server.settle(400), 400);
    await server.stop();
    await write(dir, 'append', '5');
    await cliOk(['lake', 'expire', '--keep', '1', '--data', dir]);
    assert.deepEqual((await snapshots(dir)).map(({ checkpoint }) => checkpoint), [1]);
    const again = await Server.forTest(t, dir);
    await again.send(batch(1));
    assert.equal(await again.settle(805), 805);
    assert.deepEqual(await countRows(dir), { rows: 805, ids: 805 });
});

const refusals = [
    { what: 'a renamed column', actions: [['rename-column', 'platform', 'plat']],
        message: /column platform \(field 12\) is called plat now: rename it back/,
        back: [['rename-column', 'plat', 'platform']], isRead: false },
    { what: 'another partition spec', actions: [['add-partition-field', 'event_name']],
        message: /partition spec was changed by another program/, isRead: true },
];

for (const { what, actions, message, back, isRead } of refusals) {
    test(`${what} is refused with the reason, and nothing is lost`, async (t) => {
        const dir = freshDir(t);
        const server = await Server.forTest(t, dir);
        await server.send(batch(0));
        assert.equal(await server.settle(400), 400);
        for (const action of actions) {
            await write(dir, ...action);
        }
        assert.equal((await server.send(batch(1))).status, 202);
        await server.request('POST', '/api/v1/checkpoint');
        for (let tries = 0; !message.test(server.stderr) && tries < 200; tries++) {
            await sleep(50);
        }
        assert.match(server.stderr, message);
        await server.stop().catch(() => {}); // its last commit fails, and it says so
        const result = await cli(['query', '--data', dir, '--sql', 'SELECT count(*) AS n FROM events']);
        assert.equal(result.code, isRead ? 0 : 1, result.stderr);
        if (!isRead) {
            assert.match(result.stderr, message);
        }
        const verdict = await cli(['lake', 'verify', '--data', dir]);
        assert.equal(verdict.code, 1);
        assert.match(verdict.stdout, message);
        for (const action of back ?? []) {
            await write(dir, ...action);
        }
        if (back) {
            const again = await Server.forTest(t, dir);
            assert.equal(await again.settle(800), 800);
            await isWhole(dir);
        }
    });
}
