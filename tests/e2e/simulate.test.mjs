// simulate.test.mjs - a synthetic game through the real client, compared with its own books row by row
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, freshDir, patience, root, sleep, sql } from './support/server.mjs';

function withFlags(dir) {
    const data = path.join(dir, 'data');
    fs.mkdirSync(data);
    fs.copyFileSync(path.join(root, 'tools', 'demo', 'flags.json'), path.join(data, 'flags.json'));
    return data;
}

const play = (server, truth, players, ...more) =>
    ['simulate', '--url', server.url, '--players', String(players), '--seed', '7', '--truth', truth,
        '--checkpoint', ...more];

test('what was played is in the table, to the row', async (t) => {
    const dir = freshDir(t);
    const data = withFlags(dir);
    const truth = path.join(dir, 'truth');
    const server = await Server.forTest(t, data);
    const said = await cliOk(play(server, truth, 300));
    assert.match(said.stdout, /^simulate: \d+ events of 300 players on 14 days/);
    await server.stop();
    const checks = (await cliOk(['simulate', 'verify', '--truth', truth, '--data', data])).stdout;
    assert.match(checks, /^ok       exposed players and converters by variant: 2 /m);
    assert.doesNotMatch(checks, /DIFFERS/);
    await cliOk(['audit', '--data', data]);

    // A truth that says something else must be noticed, each in its own line.
    const events = path.join(truth, 'events.csv');
    const lines = fs.readFileSync(events, 'utf8').trimEnd().split('\n');
    const one = lines.findIndex((line) => line.includes(',level_start,'));
    lines[one] = lines[one].replace(',level_start,', ',level_end,');
    fs.writeFileSync(events, `${lines.slice(0, -1).join('\n')}\n`);
    const books = path.join(truth, 'truth.json');
    fs.writeFileSync(books, fs.readFileSync(books, 'utf8').replace(/"cents":(\d+)/, (_, n) => `"cents":${Number(n) + 1}`));
    const wrong = await cli(['simulate', 'verify', '--truth', truth, '--data', data]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stdout, /^DIFFERS: rows: 1 of/m);
    assert.match(wrong.stdout, /^DIFFERS: no event is invented: 1 of/m);
    assert.match(wrong.stdout, /^DIFFERS: name, session and seq: 1 of/m);
    assert.match(wrong.stdout, /^DIFFERS: purchases and revenue by day, in cents: 1 of/m);
    assert.match(wrong.stdout, /^DIFFERS: `query revenue` says the same, in rows: 1 of/m);
    assert.match(wrong.stdout, /^ok       retention by cohort and day/m);
});

test('devices keep their queues as files, and the server is killed while they play', async (t) => {
    const dir = freshDir(t);
    const data = withFlags(dir);
    const truth = path.join(dir, 'truth');
    let server = await Server.forTest(t, data);
    const { host } = new URL(server.url);
    // No --checkpoint: the server may be away when the game ends.
    const args = play(server, truth, 1500, '--queue-dir', path.join(dir, 'queues'), '--workers', '4');
    const playing = cliOk(args.filter((arg) => arg !== '--checkpoint'), { timeoutMs: 300000 * patience });
    let isOver = false;
    playing.then(() => (isOver = true), () => (isOver = true));
    let kills = 0;
    for (; kills < 3; kills++) {
        await sleep(500); // the game asks for its flags first
        if (isOver) {
            break;
        }
        await server.kill();
        server = await Server.forTest(t, data, { args: ['--listen', host] });
    }
    await playing;
    assert.ok(kills > 0, 'the game was over before the first kill');
    t.diagnostic(`${kills} kills`);
    await server.checkpoint();
    await server.stop();
    await cliOk(['simulate', 'verify', '--truth', truth, '--data', data]);
    await cliOk(['audit', '--data', data]);
});

test('without a flag nobody is exposed; without a server it ends at once and says why', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const truth = path.join(dir, 'truth');
    const said = await cliOk(play(server, truth, 30, '--days', '3'));
    assert.match(said.stderr, /the flag shop_layout could not be had/);
    await server.stop();
    await cliOk(['simulate', 'verify', '--truth', truth, '--data', dir]);
    const [row] = await sql(dir, "select count(*) as n from events where event_name = 'experiment_exposure'");
    assert.equal(Number(row.n), 0);

    const alone = await cli(play(server, truth, 30));
    assert.equal(alone.code, 1);
    assert.match(alone.stderr, /does not answer; is `playtrace serve` running there\?/);
});
