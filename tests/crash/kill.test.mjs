// kill.test.mjs - kill -9 at random moments during load: what was acknowledged is in the table, once
//
// Method: several senders keep batches under way, half of them retrying the events of a batch that got no
// answer, as the SDK does. Each round starts `serve` on the same directory, lets it run for a random
// time, and kills it; the checkpoints come every few tens of milliseconds, so that kills fall into
// commits too, and some rounds kill within the recovery itself. In the end every event_id that a 202
// acknowledged must be in the table exactly once, and the audit must balance.
//
// ROUNDS=n (200), PT_SEED=n replays the random choices of a run that failed.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Server, cli, events, freshDir, patience, sleep, sql } from '../e2e/support/server.mjs';

const rounds = Number(process.env.ROUNDS ?? 200);
const seed = Number(process.env.PT_SEED ?? Date.now() % 2 ** 31);
const senderCount = 4;

// Mulberry32: small, and the same everywhere.
function makeRandom(state) {
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
        mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
}

test(`${rounds} rounds of kill -9, seed ${seed}`, { timeout: (60000 + rounds * 5000) * patience }, async (t) => {
    const dir = freshDir(t);
    const killRandom = makeRandom(seed);
    const acked = new Map(); // event_id -> how often
    const unanswered = [];
    const env = {
        PLAYTRACE_STREAM_CHECKPOINT_MS: '30',
        PLAYTRACE_LOG_SEGMENT_BYTES: String(4 << 20),
        PLAYTRACE_LOG_RETENTION_BYTES: String(16 << 20),
        PLAYTRACE_OBSERVE_LOG_LEVEL: 'error',
    };
    let requests = 0;

    async function sendUntilGone(server, sender, random) {
        while (server.exit === undefined) {
            const batch = unanswered.length > 0 && random() < 0.5
                ? unanswered.pop()
                : events(1 + Math.floor(random() * 30), () => ({ session_id: `sender-${sender}` }));
            let answer;
            try {
                answer = await server.send(batch);
            } catch {
                unanswered.push(batch);
                return;
            }
            requests++;
            if (answer.status === 202) {
                assert.equal(answer.json.accepted, batch.length, answer.text);
                batch.forEach((one) => acked.set(one.event_id, (acked.get(one.event_id) ?? 0) + 1));
            } else {
                assert.ok([429, 503].includes(answer.status), `${answer.status} ${answer.text}`);
                unanswered.push(batch);
                await sleep(5);
            }
        }
    }

    for (let round = 0; round < rounds; round++) {
        const server = await Server.start(dir, { env });
        const senders = Array.from({ length: senderCount }, (_, sender) =>
            sendUntilGone(server, sender, makeRandom(seed + round * senderCount + sender + 1)));
        await sleep(killRandom() ** 2 * 300 * patience);
        await server.kill();
        await Promise.all(senders);
    }

    const server = await Server.start(dir, { env });
    t.after(() => server.kill());
    for (const batch of unanswered.splice(0)) {
        const answer = await server.send(batch);
        assert.equal(answer.status, 202, answer.text);
        batch.forEach((one) => acked.set(one.event_id, 1));
    }
    await server.settle(acked.size);
    await server.stop();

    const rows = await sql(dir, 'select event_id::varchar as id, count(*) as n from events group by all');
    const stored = new Map(rows.map((row) => [row.id, Number(row.n)]));
    const lost = [...acked.keys()].filter((id) => !stored.has(id));
    const twice = [...stored].filter(([, n]) => n !== 1);
    const audit = await cli(['audit', '--data', dir]);
    t.diagnostic(`seed ${seed}: ${rounds} kills, ${requests} answers, ${acked.size} events acknowledged, ` +
        `${lost.length} lost, ${twice.length} stored more than once`);
    assert.deepEqual(lost.slice(0, 5), [], `${lost.length} acknowledged events are not in the table`);
    assert.deepEqual(twice.slice(0, 5), [], `${twice.length} events are in the table more than once`);
    assert.equal(stored.size, acked.size, 'every stored event was acknowledged in the end');
    assert.equal(audit.code, 0, audit.stdout + audit.stderr);
});
