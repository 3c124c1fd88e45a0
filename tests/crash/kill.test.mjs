// kill.test.mjs - kill -9 at random moments: what was acknowledged is in the table, once
//
// Method: several senders keep batches under way; they retry the events of a batch that got no answer, as
// the SDK does, and now and then send again what was acknowledged long ago. Each round starts `serve` on
// the same directory and kills it: under load, while it starts, while it stops, while the table is
// compacted or old snapshots expire, while a backup is taken; and kills those that do it. The server
// compacts and expires by itself all the while. Checkpoints come every few tens of
// milliseconds, so that kills fall into commits too. After every 200 rounds each event_id that a 202
// acknowledged must be in the table exactly once, nothing else may be, and the audit must balance;
// so must some of the backups, restored, with all that was acknowledged before they began.
//
// ROUNDS=n (100), PT_SEED=n repeats the random choices of a run that failed (docs/testing.md).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import {
    Server, cli, cliOk, environment, events, freshDir, patience, program, sleep, sql,
} from '../e2e/support/server.mjs';
import { makeRandom, seed } from './random.mjs';

const rounds = Number(process.env.ROUNDS ?? 100);
const chapterRounds = 200;
const senderCount = 4;
const rememberedMax = 100;
const env = {
    PLAYTRACE_STREAM_CHECKPOINT_MS: '30',
    PLAYTRACE_LOG_SEGMENT_BYTES: String(4 << 20),
    PLAYTRACE_LOG_RETENTION_BYTES: String(16 << 20),
    PLAYTRACE_LAKE_COMPACT_INTERVAL_MS: '100',
    PLAYTRACE_LAKE_COMPACT_FILES_MIN_TODAY: '4',
    PLAYTRACE_LAKE_SNAPSHOTS_KEPT: '5',
    PLAYTRACE_OBSERVE_LOG_LEVEL: 'error',
};

// A process of ours that may be killed; `ended` gives { code, signal, stderr }.
function launch(args) {
    const child = spawn(program, args, { env: environment(env), stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += chunk));
    const ended = new Promise((resolve, reject) => {
        child.on('error', reject);
        child.on('close', (code, signal) => resolve({ code, signal, stderr }));
    });
    return { child, ended };
}

class Chapter {
    constructor(t, number) {
        this.t = t;
        this.dir = path.join(freshDir(t), 'data');
        this.random = makeRandom(seed + number * 7919);
        this.acked = new Set();
        this.unanswered = [];
        this.remembered = [];
        this.backups = [];
        this.requests = 0;
        this.kinds = {};
    }

    nextBatch(sender, random) {
        const choice = random();
        if (this.unanswered.length > 0 && choice < 0.5) {
            return this.unanswered.pop();
        }
        if (this.remembered.length > 0 && choice > 0.9) {
            return this.remembered[Math.floor(random() * this.remembered.length)];
        }
        return events(1 + Math.floor(random() * 30), () => ({ session_id: `sender-${sender}` }));
    }

    async sendUntilGone(server, sender, random) {
        while (server.exit === undefined) {
            const batch = this.nextBatch(sender, random);
            let answer;
            try {
                answer = await server.send(batch);
            } catch {
                this.unanswered.push(batch);
                return;
            }
            this.requests++;
            if (answer.status === 202) {
                assert.equal(answer.json.accepted, batch.length, answer.text);
                batch.forEach((one) => this.acked.add(one.event_id));
                if (random() < 0.05) {
                    this.remembered[Math.floor(random() * rememberedMax) % (this.remembered.length + 1)] = batch;
                }
            } else {
                assert.ok([429, 503].includes(answer.status), `${answer.status} ${answer.text}`);
                this.unanswered.push(batch);
                await sleep(5);
            }
        }
    }

    // Start, send for a while; `end` ends the server.
    async underLoad(end) {
        const server = await Server.start(this.dir, { env });
        const senders = Array.from({ length: senderCount }, (_, sender) =>
            this.sendUntilGone(server, sender, makeRandom(Math.floor(this.random() * 2 ** 31))));
        await sleep(this.random() ** 2 * 300 * patience);
        await end(server);
        await server.kill();
        await Promise.all(senders);
    }

    load() {
        return this.underLoad(async () => {});
    }

    stop() {
        return this.underLoad(async (server) => {
            server.child.kill('SIGTERM');
            await Promise.race([server.exited, sleep(this.random() * 60 * patience)]);
        });
    }

    async start() {
        const { child, ended } = launch(['serve', '--data', this.dir, '--listen', '127.0.0.1:0']);
        await sleep(this.random() * 80 * patience);
        child.kill('SIGKILL');
        const { signal, stderr } = await ended;
        assert.equal(signal, 'SIGKILL', `it ended by itself: ${stderr}`);
    }

    // Another process works on the table; it is killed, or the server is, or both go on.
    beside(args) {
        return this.underLoad(async (server) => {
            const { child, ended } = launch([...args, '--data', this.dir]);
            const choice = this.random();
            await Promise.race([ended, choice < 0.7 ? sleep(this.random() * 100 * patience) : ended]);
            if (choice < 0.35) {
                child.kill('SIGKILL');
            } else if (choice < 0.7) {
                await server.kill();
            }
            const { code, signal, stderr } = await ended;
            assert.ok(code === 0 || signal === 'SIGKILL' || !/corrupt|damaged|missing|gone/i.test(stderr),
                `${args.join(' ')}: ${stderr}`);
        });
    }

    expire() {
        return this.beside(['lake', 'expire', '--keep', '3']);
    }

    compact() {
        return this.beside(['lake', 'compact']);
    }

    // A third of the backups is killed, and a third of the servers meanwhile.
    backup() {
        return this.underLoad(async (server) => {
            const place = path.join(path.dirname(this.dir), `backup-${this.backups.length}`);
            const before = [...this.acked];
            const { child, ended } = launch(['backup', place, '--data', this.dir]);
            const choice = this.random();
            await Promise.race([ended, choice < 2 / 3 ? sleep(this.random() * 60 * patience) : ended]);
            if (choice < 1 / 3) {
                child.kill('SIGKILL');
            } else if (choice < 2 / 3) {
                await server.kill();
            }
            const { code, stderr } = await ended;
            assert.ok(code === 0 || choice < 2 / 3, `backup: ${stderr}`);
            if (code === 0) {
                fs.accessSync(path.join(place, 'BACKUP.json'));
                this.backups.push({ place, before });
            } else {
                assert.equal(fs.existsSync(place), false, 'a backup is there whole or not at all');
            }
        });
    }

    // Kills fall into the restore too; in the end it is whole, and holds what was acknowledged.
    async restore() {
        const { place, before } = this.backups[Math.floor(this.random() * this.backups.length)];
        const to = path.join(path.dirname(this.dir), 'restored');
        for (let kills = Math.floor(this.random() * 3); kills > 0 && !fs.existsSync(to); kills--) {
            const { child, ended } = launch(['restore', place, '--data', to]);
            await Promise.race([ended, sleep(this.random() * 60 * patience)]);
            child.kill('SIGKILL');
            await ended;
        }
        if (!fs.existsSync(to)) {
            await cliOk(['restore', place, '--data', to]);
        }
        const server = await Server.start(to, { env });
        await server.checkpoint();
        await server.stop();
        const stored = await storedIn(to);
        const lost = before.filter((id) => !stored.has(id));
        assert.deepEqual(lost.slice(0, 5), [], `${lost.length} of ${before.length} are not in the backup`);
        assertOnce(stored);
        await assertBalances(to);
        fs.rmSync(to, { recursive: true });
    }

    // The kinds of a round with their weights; before there is a backup, none is restored.
    choose() {
        const weights = { load: 36, start: 14, stop: 14, backup: 14, expire: 10, compact: 10, restore: 2 };
        let at = this.random() * Object.values(weights).reduce((sum, weight) => sum + weight);
        const [kind] = Object.entries(weights).find(([, weight]) => (at -= weight) < 0);
        return kind === 'restore' && this.backups.length === 0 ? 'load' : kind;
    }

    async play(count) {
        for (let round = 0; round < count; round++) {
            const kind = this.choose();
            this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
            await this[kind]();
        }
    }

    async check() {
        const server = await Server.start(this.dir, { env });
        this.t.after(() => server.kill());
        for (const batch of this.unanswered.splice(0)) {
            const answer = await server.send(batch);
            assert.equal(answer.status, 202, answer.text);
            batch.forEach((one) => this.acked.add(one.event_id));
        }
        await server.settle(this.acked.size);
        await server.stop();
        const stored = await storedIn(this.dir);
        const lost = [...this.acked].filter((id) => !stored.has(id));
        const twice = [...stored].filter(([, n]) => n !== 1);
        this.t.diagnostic(`${this.requests} answers, ${this.acked.size} events acknowledged, ${lost.length} lost, ` +
            `${twice.length} stored more than once; ${JSON.stringify(this.kinds)}`);
        assert.deepEqual(lost.slice(0, 5), [], `${lost.length} acknowledged events are not in the table`);
        assertOnce(stored);
        assert.equal(stored.size, this.acked.size, 'every stored event was acknowledged in the end');
        await assertBalances(this.dir);
        return { lost: lost.length, twice: twice.length };
    }
}

async function storedIn(dir) {
    const rows = await sql(dir, 'select event_id::varchar as id, count(*) as n from events group by all');
    return new Map(rows.map((row) => [row.id, Number(row.n)]));
}

function assertOnce(stored) {
    const twice = [...stored].filter(([, n]) => n !== 1);
    assert.deepEqual(twice.slice(0, 5), [], `${twice.length} events are in the table more than once`);
}

async function assertBalances(dir) {
    const audit = await cli(['audit', '--data', dir]);
    assert.equal(audit.code, 0, audit.stdout + audit.stderr);
}

for (let number = 0; number * chapterRounds < rounds; number++) {
    const count = Math.min(chapterRounds, rounds - number * chapterRounds);
    test(`${count} rounds of kill -9, seed ${seed}${number ? `, chapter ${number}` : ''}`,
        { timeout: (120000 + count * 5000) * patience }, async (t) => {
            const chapter = new Chapter(t, number);
            await chapter.play(count);
            await chapter.check();
        });
}
