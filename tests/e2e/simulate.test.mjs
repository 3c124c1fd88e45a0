// simulate.test.mjs - the real client library against the real server, held to the simulation's own books
//
// Offline spells, lost answers, wrong clocks, duplicates and malformed events are all on; the table must hold
// what the bots did, row for row, also where the server was killed in the middle of it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, freshDir, patience, sleep } from './support/server.mjs';

const timeoutMs = 300000 * patience;

function simulateArgs(url, dir, players) {
    return ['simulate', '--url', url, '--players', String(players), '--days', '4', '--seed', '7',
        '--truth', path.join(dir, 'truth')];
}

async function checkBooks(dir, data) {
    const verify = await cli(['simulate', 'verify', '--truth', path.join(dir, 'truth'), '--data', data]);
    assert.equal(verify.code, 0, verify.stdout + verify.stderr);
    assert.ok(!/^(?!ok)\w+ {2,}/m.test(verify.stdout), verify.stdout);
    await cliOk(['audit', '--data', data]);
}

test('a simulated game lands in the table as its own books say', async (t) => {
    const dir = freshDir(t);
    const data = path.join(dir, 'data');
    const server = await Server.forTest(t, data);
    await cliOk([...simulateArgs(server.url, dir, 250), '--checkpoint'], { timeoutMs });
    await server.stop();
    await checkBooks(dir, data);
    assert.ok(fs.readdirSync(path.join(dir, 'truth')).length > 0);
});

test('the server dies and comes back under the bots, and nothing is lost or doubled', async (t) => {
    const dir = freshDir(t);
    const data = path.join(dir, 'data');
    let server = await Server.forTest(t, data);
    const address = new URL(server.url).host;
    const game = cli(simulateArgs(server.url, dir, 2000), { timeoutMs });
    let isOver = false;
    game.finally(() => (isOver = true));
    let kills = 0;
    for (; kills < 3; kills++) {
        await sleep(500); // the game asks for its flags first
        if (isOver) {
            break;
        }
        await server.kill();
        server = await Server.forTest(t, data, { args: ['--listen', address] });
    }
    const { code, stderr, stdout } = await game;
    assert.equal(code, 0, stderr + stdout);
    assert.ok(kills > 0, 'the game was over before the first kill');
    t.diagnostic(`${kills} kills`);
    await server.checkpoint();
    await server.stop();
    await checkBooks(dir, data);
});
