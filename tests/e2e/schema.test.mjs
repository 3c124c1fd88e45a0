// schema.test.mjs - playtrace schema validate: a verdict a line, remote documents, wrong schemas
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { cli, freshDir } from './support/server.mjs';

const lines = (text) => text.trim().split('\n').map((line) => JSON.parse(line));

test('each line gets its verdict, in order, whatever stands in it', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'schema.json');
    fs.writeFileSync(file, JSON.stringify({
        type: 'object', required: ['id'], properties: { id: { format: 'uuid' }, n: { maximum: 3 } },
    }));
    const input = '{"id":"x"}\n{"n":4}\nnot json\n\n"text"\n{"id":"","n":3}';
    const loose = await cli(['schema', 'validate', '--schema', file], { input });
    assert.equal(loose.code, 0, loose.stderr);
    const verdicts = lines(loose.stdout);
    assert.deepEqual(verdicts.map((v) => v.valid), [true, false, false, false, true]);
    assert.deepEqual(verdicts[1].errors.map((e) => [e.instance, e.schema, e.keyword]),
        [['/n', '/properties/n/maximum', 'maximum'], ['', '/required', 'required']]);
    assert.match(verdicts[2].errors[0].detail, /byte 0/);
    const strict = await cli(['schema', 'validate', '--schema', file, '--format-assertion'], { input });
    assert.deepEqual(lines(strict.stdout).map((v) => v.valid), [false, false, false, false, false]);
});

test('remote documents come from their directories and from nowhere else', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'schema.json');
    fs.mkdirSync(path.join(dir, 'types'));
    fs.writeFileSync(path.join(dir, 'types', 'id.json'), '{"type":"string"}');
    fs.writeFileSync(path.join(dir, 'secret.json'), '{"type":"string"}');
    const check = (ref, remotes) => {
        fs.writeFileSync(file, JSON.stringify({ items: { $ref: ref } }));
        return cli(['schema', 'validate', '--schema', file, ...remotes], { input: '["a"]\n[1]\n' });
    };
    const remotes = ['--remotes', 'http://other.example=/nowhere',
        `--remotes=http://games.example/types/=${dir}/types`];
    const found = await check('http://games.example/types/id.json', remotes);
    assert.deepEqual(lines(found.stdout).map((v) => v.valid), [true, false]);
    assert.equal(lines(found.stdout)[1].errors[0].schema, 'http://games.example/types/id.json#/type');
    for (const ref of ['http://games.example/types/none.json', 'http://games.example/typesid.json',
        'http://games.example/types/..\\secret.json', 'http://games.example/types/x/%2e%2e/../../secret.json']) {
        const refused = await check(ref, remotes);
        assert.equal(refused.code, 1, ref);
        assert.match(refused.stderr, /#\/items\/\$ref: .*leads nowhere/);
        assert.equal(refused.stdout, '');
    }
});

test('a wrong schema is said with its place; a wrong command line is a usage error', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'schema.json');
    fs.writeFileSync(file, '{"properties":{"a":{"pattern":"("}}}');
    const wrong = await cli(['schema', 'validate', '--schema', file], { input: '1\n' });
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /#\/properties\/a\/pattern: /);
    assert.equal(wrong.stdout, '');
    const absent = await cli(['schema', 'validate', '--schema', path.join(dir, 'none')], { input: '' });
    assert.equal(absent.code, 1);
    for (const args of [[], ['validate'], ['dance'], ['validate', '--schema', file, '--draft', '5'],
        ['validate', '--schema', file, '--remotes', 'nonsense']]) {
        assert.equal((await cli(['schema', ...args], { input: '' })).code, 2, args.join(' '));
    }
    fs.writeFileSync(file, '{"items":[{"type":"null"}]}');
    const old = await cli(['schema', 'validate', '--schema', file, '--draft', '7'], { input: '[1]\n' });
    assert.deepEqual(lines(old.stdout).map((v) => v.valid), [false]);
});
