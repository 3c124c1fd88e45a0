// load.test.mjs - everything at once: senders, commits, compaction, expiry, and readers of all that can be read
//
// Short checkpoints and a compactor that looks ten times a second, so that threads meet where they can; the
// sanitizer builds run it too, and TSan is clean on the engine under load. Before and after, the sums hold.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import {
    Server, cliOk, countRows, event, events, freshDir, metric, patience, sleep, sql,
} from './support/server.mjs';

const env = {
    PLAYTRACE_STREAM_CHECKPOINT_MS: '50',
    PLAYTRACE_LOG_SEGMENT_BYTES: String(2 << 20),
    PLAYTRACE_LOG_RETENTION_BYTES: String(64 << 20),
    PLAYTRACE_LAKE_COMPACT_INTERVAL_MS: '100',
    PLAYTRACE_LAKE_COMPACT_FILES_MIN: '2',
    PLAYTRACE_LAKE_COMPACT_FILES_MIN_TODAY: '4',
    PLAYTRACE_LAKE_SNAPSHOTS_KEPT: '8',
};
const loadMs = 4000 * Math.sqrt(patience);

test('load, with compaction, expiry, a backup and the live routes', async (t) => {
    const dir = freshDir(t);
    const data = path.join(dir, 'data');
    const server = await Server.forTest(t, data, { env });
    const until = Date.now() + loadMs;
    const names = ['session_start', 'level_end', 'purchase'];
    const acked = new Set();
    let dead = 0;
    let twins = 0;

    async function sender(number) {
        let last = [];
        for (let seq = 0; Date.now() < until;) {
            const fresh = events(20, (i) => ({
                event_name: names[i % 3],
                session_id: `session-${number}`,
                seq: seq++,
                occurred_at: new Date(Date.now() - (i % 10 === 0 ? 86400e3 * (1 + number) : 0)).toISOString(),
            }));
            const answer = await server.send([...fresh, ...last.slice(0, 5), event({ event_name: '' })]);
            if (answer.status === 202) {
                fresh.forEach((one) => acked.add(one.event_id));
                twins += last.slice(0, 5).length;
                dead += 1;
                last = fresh;
            } else {
                assert.ok([429, 503].includes(answer.status), answer.text);
                await sleep(10);
            }
        }
    }

    async function reader(route) {
        let reads = 0;
        while (Date.now() < until) {
            const answer = await server.get(route);
            assert.equal(answer.status, 200, `${route}: ${answer.text}`);
            reads++;
            await sleep(5);
        }
        return reads;
    }

    async function counter() {
        let rows = 0;
        while (Date.now() < until) {
            const now = await countRows(data);
            assert.equal(now.rows, now.ids, 'each row once, also while files are replaced');
            assert.ok(now.rows >= rows, 'no reader sees half a commit');
            rows = now.rows;
        }
    }

    await Promise.all([
        ...[0, 1, 2, 3].map(sender),
        ...['/api/v1/live', '/api/v1/ledger', '/api/v1/quality', '/metrics', '/readyz'].map(reader),
        counter(),
        cliOk(['backup', path.join(dir, 'backup'), '--data', data]),
        (async () => {
            while (Date.now() < until) {
                await server.checkpoint();
                await sleep(20);
            }
        })(),
    ]);
    // A slow machine may not have come to it yet. Expiry gives up where it loses a race twenty times in a
    // row, so there are pauses between the commits that are longer than it takes.
    const worked = async () => {
        const { text } = await server.get('/metrics');
        return ['playtrace_lake_compacted_files_total', 'playtrace_lake_expired_snapshots_total']
            .every((name) => metric(text, name) > 0);
    };
    const pauseMs = patience > 1 ? 4000 : 50;
    for (const end = Date.now() + 30000 * patience; !(await worked()); await sleep(pauseMs)) {
        assert.ok(Date.now() < end, 'nothing was compacted, or nothing expired');
        const more = events(3);
        assert.equal((await server.send(more)).status, 202);
        more.forEach((one) => acked.add(one.event_id));
        await server.checkpoint();
    }
    assert.equal(await server.settle(acked.size), acked.size);
    const { stored, duplicates } = await server.checkpoint();
    assert.deepEqual({ stored, duplicates }, { stored: acked.size, duplicates: twins });
    const { total } = (await server.get('/api/v1/ledger')).json;
    assert.deepEqual([total.stored, total.duplicate, total.dead_lettered, total.in_flight, total.balanced],
        [acked.size, twins, dead, 0, true]);
    const { text } = await server.get('/metrics');
    for (const failing of ['playtrace_lake_compact_failing', 'playtrace_lake_expiry_failing', 'playtrace_stream_stopped']) {
        assert.equal(metric(text, failing), 0, failing);
    }
    assert.equal(metric(text, 'playtrace_collect_events_total', 'verdict="accepted"'), acked.size + twins);
    await server.stop();

    assert.deepEqual(await countRows(data), { rows: acked.size, ids: acked.size });
    await cliOk(['audit', '--data', data]);
    await cliOk(['lake', 'verify', '--data', data]);
    await cliOk(['restore', path.join(dir, 'backup'), '--data', path.join(dir, 'restored')]);
    await cliOk(['audit', '--data', path.join(dir, 'restored')]);
    const [row] = await sql(data, 'select count(distinct event_time::date) as days from events');
    assert.equal(Number(row.days), 5);
    t.diagnostic(`${acked.size} events, ${twins} twins, ${dead} refused`);
});
