// backup.test.mjs - a backup taken at any moment becomes a server that has lost nothing
//
// Method: `serve` under load with checkpoints every few tens of milliseconds and small log segments, so that
// backups fall into commits and recycling; then what a 202 had acknowledged before `backup` began must be in
// the restored table, once. Crashes are kill -9 of the command itself. Damage is done by hand.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import {
    Server, cli, cliOk, countRows, environment, event, events, freshDir, patience, program, root, sleep, sql,
} from './support/server.mjs';

const busy = {
    PLAYTRACE_STREAM_CHECKPOINT_MS: '40',
    PLAYTRACE_LOG_SEGMENT_BYTES: String(1 << 20),
    PLAYTRACE_LOG_RETENTION_BYTES: String(4 << 20),
    PLAYTRACE_OBSERVE_LOG_LEVEL: 'error',
};

// Every file below `dir` and its content's digest, to show that nobody touched it.
function fingerprint(dir) {
    return execFileSync('sh', ['-c', `cd "$1" && find . -type f | LC_ALL=C sort | xargs -d '\\n' sha256sum`, 'sh', dir])
        .toString();
}

// Senders that keep `server` busy until `stop()`; `acked` holds the ids that a 202 acknowledged.
function keepSending(server, senders = 3) {
    const acked = new Set();
    let isDone = false;
    const running = Array.from({ length: senders }, async () => {
        while (!isDone && server.exit === undefined) {
            const batch = events(40);
            const answer = await server.send([...batch, event({ occurred_at: 'never' })]).catch(() => undefined);
            if (answer?.status === 202) {
                batch.forEach((one) => acked.add(one.event_id));
            }
        }
    });
    return {
        acked,
        async stop() {
            isDone = true;
            await Promise.all(running);
        },
    };
}

async function storedIds(dir) {
    const rows = await sql(dir, 'select event_id::varchar as id, count(*) as n from events group by all');
    return new Map(rows.map((row) => [row.id, Number(row.n)]));
}

// Serve the restored directory once, so that what was in the log only is stored, and hold it to `acked`.
async function assertHolds(t, dir, acked) {
    await cliOk(['audit', '--data', dir]);
    const server = await Server.forTest(t, dir);
    await server.checkpoint();
    await server.stop();
    const stored = await storedIds(dir);
    assert.deepEqual([...acked].filter((id) => !stored.has(id)).slice(0, 5), [], 'acknowledged and not restored');
    assert.deepEqual([...stored].filter(([, n]) => n !== 1).slice(0, 5), [], 'restored twice');
    await cliOk(['audit', '--data', dir]);
}

async function settledDir(t, rows = 60) {
    const dir = path.join(freshDir(t), 'data');
    const server = await Server.forTest(t, dir);
    for (let at = 0; at < rows; at += 20) {
        assert.equal((await server.send([...events(20), event({ occurred_at: 'never' })])).status, 202);
        assert.equal(await server.settle(at + 20), at + 20);
    }
    await server.stop();
    return dir;
}

test('backups under load, and a server killed under them: all that was acknowledged is restored, once', async (t) => {
    const work = freshDir(t);
    const data = path.join(work, 'data');
    const server = await Server.forTest(t, data, { env: busy });
    const load = keepSending(server);
    const taken = [];
    for (let round = 0; round < 5; round++) {
        await sleep(150 * patience);
        const acked = new Set(load.acked);
        const place = path.join(work, `backup-${round}`);
        await cliOk(['backup', place, '--data', data]);
        taken.push({ place, acked });
    }
    assert.ok(taken[0].acked.size > 0);
    const last = new Set(load.acked);
    await server.kill();
    await load.stop();
    await cliOk(['backup', path.join(work, 'backup-dead'), '--data', data]);
    taken.push({ place: path.join(work, 'backup-dead'), acked: last });
    fs.rmSync(data, { recursive: true });
    for (const { place, acked } of taken) {
        const before = fingerprint(place);
        const restored = path.join(work, `restored-${path.basename(place)}`);
        await cliOk(['restore', place, '--data', restored]);
        await assertHolds(t, restored, acked);
        assert.equal(fingerprint(place), before, 'a restored server leaves the backup as it was');
    }
});

test('a backup of a stopped server is that moment: rows, dead letters, keys, schemas', async (t) => {
    const data = await settledDir(t);
    const work = path.dirname(data);
    const before = fingerprint(data);
    const said = await cliOk(['backup', path.join(work, 'b'), '--data', data]);
    assert.match(said.stdout, /60 rows in the table/);
    assert.match(said.stdout, /dead letters 3\n/);
    assert.equal(fingerprint(data), before, 'the source is left as it was');
    const restored = path.join(work, 'r');
    await cliOk(['restore', path.join(work, 'b'), '--data', restored]);
    await cliOk(['audit', '--data', restored]);
    assert.deepEqual(await countRows(restored), { rows: 60, ids: 60 });
    assert.equal(fs.statSync(path.join(restored, 'keys', 'pseudonym.key')).mode & 0o777, 0o600);
    assert.equal(fs.statSync(path.join(work, 'b', 'keys', 'pseudonym.key')).mode & 0o777, 0o600);

    // The same player gets the same pseudonym, and a twin of a restored event is known.
    const server = await Server.forTest(t, restored);
    assert.equal((await server.send([event({ user_id: 'player-1' })])).status, 202);
    assert.equal(await server.settle(61), 61);
    await server.stop();
    const [row] = await sql(restored, `select count(distinct user_id) as n from events`);
    assert.equal(Number(row.n), 20);
    const letters = await cliOk(['dlq', 'list', '--data', restored, '--format', 'json']);
    assert.equal(JSON.parse(letters.stdout).length ?? 3, 3);
});

test('a twin of an event that is only in the backup\'s id runs is a duplicate', async (t) => {
    const work = freshDir(t);
    const first = await Server.forTest(t, path.join(work, 'data'));
    const batch = events(10);
    assert.equal((await first.send(batch)).status, 202);
    await first.checkpoint();
    await first.stop();
    await cliOk(['backup', path.join(work, 'b'), '--data', path.join(work, 'data')]);
    await cliOk(['restore', path.join(work, 'b'), '--data', path.join(work, 'r')]);
    const second = await Server.forTest(t, path.join(work, 'r'));
    assert.equal((await second.send(batch)).json.accepted, 10);
    const { stored, duplicates } = await second.checkpoint();
    assert.deepEqual({ stored, duplicates }, { stored: 10, duplicates: 10 });
    await second.stop();
});

test('what is in the way is named, and nothing is overwritten', async (t) => {
    const data = await settledDir(t, 20);
    const work = path.dirname(data);
    const used = path.join(work, 'used');
    fs.mkdirSync(used);
    fs.writeFileSync(path.join(used, 'mine'), 'x');
    const refuse = async (args, pattern, code = 1) => {
        const result = await cli(args);
        assert.equal(result.code, code, result.stdout);
        assert.match(result.stderr, pattern);
        assert.match(result.stderr, /^playtrace: /m);
    };
    await refuse(['backup', used, '--data', data], /used is not empty/);
    await refuse(['backup', path.join(data, 'b'), '--data', data], /lies in the data directory/);
    await refuse(['backup', path.join(work, 'b'), '--data', path.join(work, 'nowhere')], /no data directory/);
    await refuse(['backup', path.join(work, 'b'), '--data', used], /neither a log nor a table/);
    await refuse(['backup'], /name the directory/, 2);
    await refuse(['restore'], /name the backup/, 2);
    await refuse(['restore', used, '--data', path.join(work, 'r')], /holds no BACKUP.json/);
    await cliOk(['backup', path.join(work, 'b'), '--data', data]);
    await refuse(['restore', path.join(work, 'b'), '--data', used], /used is not empty/);
    await refuse(['restore', path.join(work, 'b'), '--data', data], /data is not empty/);
    assert.deepEqual(fs.readdirSync(used), ['mine']);
    assert.ok(!fs.existsSync(path.join(work, 'r')));
    // An empty directory is taken, and another's directory under the working name is not.
    fs.mkdirSync(path.join(work, 'empty'));
    await cliOk(['restore', path.join(work, 'b'), '--data', path.join(work, 'empty')]);
    fs.mkdirSync(path.join(work, 'r2.partial'));
    fs.writeFileSync(path.join(work, 'r2.partial', 'mine'), 'x');
    await refuse(['restore', path.join(work, 'b'), '--data', path.join(work, 'r2')], /r2\.partial is in the way/);
    assert.ok(fs.existsSync(path.join(work, 'r2.partial', 'mine')));
});

test('each damage to a backup is named, and none is restored', async (t) => {
    const data = await settledDir(t, 40);
    const work = path.dirname(data);
    const b = path.join(work, 'b');
    await cliOk(['backup', b, '--data', data, '--copy']);
    const files = fs.readdirSync(b, { recursive: true }).filter((name) => fs.statSync(path.join(b, name)).isFile());
    const find = (part) => files.find((name) => name.includes(part));
    const flip = (file) => {
        const bytes = fs.readFileSync(file);
        bytes[bytes.length >> 1] ^= 1;
        fs.writeFileSync(file, bytes);
    };
    const faults = [
        ['a changed byte in a data file', find('.parquet'), flip],
        ['a missing data file', find('.parquet'), (file) => fs.rmSync(file)],
        ['a cut manifest', find('manifest-'), (file) => fs.truncateSync(file, 99)],
        ['a changed byte in the log', find('log/segment-'), flip],
        ['an emptied checkpoint', find('checkpoint-'), (file) => fs.truncateSync(file, 0)],
        ['a changed key', find('pseudonym.key'), flip],
        ['a changed byte in the list of files', find('BACKUP.json'), flip],
    ];
    for (const [what, name, breakIt] of faults) {
        await t.test(what, async () => {
            assert.ok(name, 'the file to damage is there');
            const file = path.join(b, name);
            const kept = fs.readFileSync(file);
            breakIt(file);
            const result = await cli(['restore', b, '--data', path.join(work, 'r')]);
            fs.writeFileSync(file, kept);
            assert.equal(result.code, 1, result.stdout);
            assert.ok(result.stderr.includes(name), result.stderr);
            assert.deepEqual(fs.readdirSync(work).filter((one) => one.startsWith('r')), [], 'nothing is left');
        });
    }
    await cliOk(['restore', b, '--data', path.join(work, 'r')]);
});

test('a data directory that is not whole is not backed up as if it were', async (t) => {
    const data = await settledDir(t, 40);
    const work = path.dirname(data);
    const file = fs.readdirSync(path.join(data, 'lake'), { recursive: true }).find((name) => name.endsWith('.parquet'));
    fs.rmSync(path.join(data, 'lake', file));
    const result = await cli(['backup', path.join(work, 'b'), '--data', data]);
    assert.equal(result.code, 1);
    assert.ok(result.stderr.includes(path.basename(file)), result.stderr);
    assert.match(result.stderr, /not whole/);
    assert.deepEqual(fs.readdirSync(work), ['data']);
});

// Start the command, kill it after a time, and say whether it came to its end.
async function killed(args, afterMs) {
    const child = spawn(program, args, { env: environment(), stdio: 'ignore' });
    const exited = new Promise((resolve) => child.on('close', (code) => resolve(code)));
    await sleep(afterMs);
    child.kill('SIGKILL');
    return (await exited) === 0;
}

test('kill -9 of backup and restore leaves nothing that could be taken for whole', async (t) => {
    const work = freshDir(t);
    const data = path.join(work, 'data');
    const server = await Server.forTest(t, data, { env: busy });
    const load = keepSending(server);
    await sleep(400 * patience);
    let kills = 0;
    for (let round = 0; round < 12; round++) {
        const place = path.join(work, 'b');
        if (!(await killed(['backup', place, '--data', data, '--copy'], round * 3 * patience))) {
            kills++;
        }
        if (fs.existsSync(place)) {
            assert.ok(fs.existsSync(path.join(place, 'BACKUP.json')), 'in place means whole');
            await cliOk(['restore', place, '--data', path.join(work, 'check')]);
            fs.rmSync(path.join(work, 'check'), { recursive: true });
            fs.rmSync(place, { recursive: true });
        }
    }
    const acked = new Set(load.acked);
    const place = path.join(work, 'b');
    const again = await cliOk(['backup', place, '--data', data]);
    t.diagnostic(`${kills} of 12 backups were killed; ${again.stderr.trim()}`);
    assert.ok(kills > 0);
    await load.stop();
    await server.stop();
    const before = fingerprint(place);
    const target = path.join(work, 'r');
    let restoreKills = 0;
    for (let round = 0; round < 12; round++) {
        if (!(await killed(['restore', place, '--data', target, '--copy'], round * 3 * patience))) {
            restoreKills++;
        }
        if (fs.existsSync(target)) {
            await cliOk(['audit', '--data', target]);
            fs.rmSync(target, { recursive: true });
        }
    }
    assert.ok(restoreKills > 0);
    await cliOk(['restore', place, '--data', target]);
    assert.deepEqual(fs.readdirSync(work).sort(), ['b', 'data', 'r'], 'what a crash left is gone');
    assert.equal(fingerprint(place), before);
    await cliOk(['audit', '--data', data]);
    await assertHolds(t, target, acked);
});

test('from one file system to another', async (t) => {
    const shm = '/dev/shm';
    if (!fs.existsSync(shm) || fs.statSync(shm).dev === fs.statSync(root).dev) {
        t.skip('there is no second file system to write to');
        return;
    }
    const data = await settledDir(t, 40);
    const work = path.dirname(data);
    const far = fs.mkdtempSync(path.join(shm, 'playtrace-e2e-'));
    t.after(() => fs.rmSync(far, { recursive: true, force: true }));
    if (fs.statSync(far).dev === fs.statSync(work).dev) {
        t.skip('the temporary directory is on the same file system');
        return;
    }
    const said = await cliOk(['backup', path.join(far, 'b'), '--data', data]);
    assert.match(said.stdout, / 0 linked/);
    await cliOk(['restore', path.join(far, 'b'), '--data', path.join(work, 'r')]);
    await cliOk(['audit', '--data', path.join(work, 'r')]);
    assert.deepEqual(await countRows(path.join(work, 'r')), { rows: 40, ids: 40 });
});

test('a restored table says its new place, for readers other than ours', async (t) => {
    const data = await settledDir(t, 40);
    const work = path.dirname(data);
    await cliOk(['backup', path.join(work, 'b'), '--data', data]);
    const restored = path.join(work, 'elsewhere');
    await cliOk(['restore', path.join(work, 'b'), '--data', restored]);
    fs.rmSync(data, { recursive: true });
    fs.rmSync(path.join(work, 'b'), { recursive: true });
    const metadata = path.join(restored, 'lake', 'events', 'metadata');
    for (const name of fs.readdirSync(metadata)) {
        const text = fs.readFileSync(path.join(metadata, name), 'latin1');
        assert.ok(!text.includes(`${data}/`), `${name} names the old place`);
    }
    const python = path.join(root, '.venv', 'bin', 'python');
    if (!fs.existsSync(python)) {
        t.diagnostic('there is no .venv: PyIceberg was not asked');
        return;
    }
    const newest = fs.readdirSync(metadata).filter((name) => /^v\d+\.metadata\.json$/.test(name)).at(-1);
    const count = execFileSync(python, ['-c', [
        'import sys',
        'from pyiceberg.table import StaticTable',
        'rows = StaticTable.from_metadata(sys.argv[1]).scan().to_arrow()',
        'print(rows.num_rows, len(set(rows["event_id"].to_pylist())))',
    ].join('\n'), path.join(metadata, newest)]).toString().trim();
    assert.equal(count, '40 40');
    // And the table grows in its new place.
    const server = await Server.forTest(t, restored);
    assert.equal((await server.send(events(5))).status, 202);
    assert.equal(await server.settle(45), 45);
    await server.stop();
    await cliOk(['audit', '--data', restored]);
});
