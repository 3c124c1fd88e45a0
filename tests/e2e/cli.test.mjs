// cli.test.mjs - the command line: nonsense is answered with a message and 2, help and version with 0
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, events, freshDir } from './support/server.mjs';

const nonsense = [
    ['frobnicate'],
    ['serve', '--no-such-option'],
    ['serve', '--listen'],
    ['serve', 'surplus'],
    ['serve', '--ephemeral', '--data', 'x'],
    ['doctor', '--format', 'xml'],
    ['doctor', '--url', 'localhost'],
    ['query'],
    ['query', 'no_such_metric', '--data', 'x'],
    ['query', '--format', 'xml', '--sql', 'select 1'],
    ['query', 'retention', '--sql', 'select 1'],
    ['audit', '--data'],
    ['import'],
    ['simulate', '--players', 'many'],
    ['simulate', '--players', '-5'],
    ['experiment'],
    ['experiment', 'dance'],
    ['flags'],
    ['dlq', 'burn'],
];

test('nonsense is a usage error: exit code 2, one message, nothing on standard output', async (t) => {
    const dir = freshDir(t);
    for (const args of nonsense) {
        await t.test(`playtrace ${args.join(' ')}`, async () => {
            const result = await cli(args, { cwd: dir });
            assert.equal(result.code, 2, result.stderr);
            assert.match(result.stderr, /^playtrace: .+/m);
            assert.equal(result.stdout, '');
        });
    }
    const bare = await cli([]);
    assert.equal(bare.code, 2);
    assert.match(bare.stderr, /usage: playtrace COMMAND/);
    assert.deepEqual(fs.readdirSync(dir), [], 'and nothing was created');
});

test('help and version', async () => {
    const { stdout } = await cliOk(['--help']);
    for (const name of ['serve', 'simulate', 'import', 'query', 'experiment', 'flags', 'dlq', 'audit', 'doctor']) {
        assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
        const help = await cliOk([name, '--help']);
        assert.match(help.stdout, new RegExp(`playtrace ${name}`), name);
    }
    assert.match((await cliOk(['--version'])).stdout, /^playtrace \d+\.\d+\.\d+\n$/);
});

test('a wrong setting names the place and what would be right', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'playtrace.yaml');
    fs.writeFileSync(file, 'server:\n  threads: 2\nstream:\n  checkpoint_msec: 100\n');
    const config = await cli(['serve', '--data', path.join(dir, 'data'), '--config', file]);
    assert.notEqual(config.code, 0);
    assert.match(config.stderr, /playtrace\.yaml:4.*checkpoint_msec.*checkpoint_ms/);
    const environment = await cli(['serve', '--data', path.join(dir, 'data')],
        { env: { PLAYTRACE_SERVER_THREADS: 'lots' } });
    assert.notEqual(environment.code, 0);
    assert.match(environment.stderr, /PLAYTRACE_SERVER_THREADS|server\.threads/);
    assert.match(environment.stderr, /lots/);
});

test('query prints a table, JSON and CSV, and says what is wrong with SQL', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await server.send(events(4, (i) => ({ event_name: i === 0 ? 'purchase' : 'level_end' })));
    await server.settle(4);
    const text = 'select event_name, count(*) as n from events group by all order by all';
    const json = await cliOk(['query', '--data', dir, '--format', 'json', '--sql', text]);
    assert.deepEqual(JSON.parse(json.stdout), [{ event_name: 'level_end', n: 3 }, { event_name: 'purchase', n: 1 }]);
    const csv = await cliOk(['query', '--data', dir, '--format', 'csv', '--sql', text]);
    assert.deepEqual(csv.stdout.trim().split(/\r?\n/), ['event_name,n', 'level_end,3', 'purchase,1']);
    const table = await cliOk(['query', '--data', dir, '--sql', text]);
    assert.match(table.stdout, /event_name/);
    assert.match(table.stdout, /purchase/);
    const none = await cliOk(['query', '--data', dir, '--format', 'json', '--sql', 'select 1 as x where false']);
    assert.deepEqual(JSON.parse(none.stdout), []);

    const wrong = await cli(['query', '--data', dir, '--sql', 'selct nothing']);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /^playtrace: .*selct/m);
    const write = await cli(['query', '--data', dir, '--sql', 'delete from events']);
    assert.equal(write.code, 1, 'the table is read only');
    await server.stop();
});

test('a table without events has its columns, and no rows', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const { stdout } = await cliOk(['query', '--data', dir, '--format', 'json', '--sql',
        'select count(*) as n, count(distinct user_id) as players from events']);
    assert.deepEqual(JSON.parse(stdout), [{ n: 0, players: 0 }]);
    for (const name of ['retention', 'funnel', 'revenue', 'sessions']) {
        await cliOk(['query', name, '--data', dir, '--format', 'json']);
    }
    await server.stop();
    await cliOk(['audit', '--data', dir]);
});
