// schema_registry.test.mjs - the registry as games' CI uses it: schema check, register, codegen; and kill -9
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cli, cliOk, freshDir } from './support/server.mjs';

const first = { type: 'object', properties: { price: { type: 'integer' } }, required: ['price'] };
const wider = { type: 'object', properties: { price: { type: 'number' } }, required: ['price'] };
const broken = { type: 'object', properties: { price: { type: 'string' } } };

function files(t) {
    const dir = freshDir(t);
    return Object.fromEntries(Object.entries({ first, wider, broken }).map(([name, schema]) => {
        const file = path.join(dir, `${name}.json`);
        fs.writeFileSync(file, JSON.stringify(schema));
        return [name, file];
    }));
}

test('schema check says whether one version may follow another, and why not', async (t) => {
    const { first, wider, broken } = files(t);
    const check = async (...args) => {
        const { code, stdout } = await cli(['schema', 'check', ...args]);
        return { code, ...JSON.parse(stdout) };
    };
    assert.deepEqual(await check('--mode', 'BACKWARD', first, wider),
        { code: 0, compatible: true, reasons: [] });
    const forward = await check('--mode=FORWARD', first, wider);
    assert.equal(forward.code, 1);
    assert.deepEqual(forward.reasons.map(({ kind, old, new: newer }) => [kind, old, newer]),
        [['TYPE_NARROWED', '#/properties/price', '#/properties/price']]);
    assert.equal((await check('--mode', 'FULL_TRANSITIVE', first, wider)).compatible, false);
    assert.equal((await check('--mode', 'NONE', first, broken)).compatible, true);
    assert.equal((await check(first, broken)).reasons[0].kind, 'TYPE_CHANGED');
    assert.equal((await cli(['schema', 'check', '--mode', 'UP', first, wider])).code, 2);
    assert.equal((await cli(['schema', 'check', first])).code, 2);
    assert.equal((await cli(['schema', 'check', first, '/no/such/file'])).code, 1);
});

test('schema register puts versions into a running server', async (t) => {
    const { first, wider, broken } = files(t);
    const server = await Server.forTest(t, freshDir(t));
    const register = (subject, file) => cli(['schema', 'register', '--url', server.url, subject, file]);

    const one = JSON.parse((await register('größe/1', first)).stdout);
    assert.deepEqual([one.subject, one.version, one.id, one.schemaVer], ['größe/1', 1, 1, '1-0-0']);
    assert.equal(JSON.parse((await register('größe/1', first)).stdout).version, 1);
    assert.equal(JSON.parse((await register('größe/1', wider)).stdout).schemaVer, '1-0-1');
    const refused = await register('größe/1', broken);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /409.*incompatible with version 2.*TYPE_CHANGED/);
    const answer = await fetch(`${server.url}/registry/subjects/gr%C3%B6%C3%9Fe%2F1/versions`, {
        method: 'POST', body: JSON.stringify({ schemaType: 'JSON', schema: fs.readFileSync(broken, 'utf8') }),
    });
    assert.equal(answer.status, 409);
    assert.equal(answer.headers.get('content-type'), 'application/vnd.schemaregistry.v1+json');
    assert.deepEqual((await answer.json()).reasons.map(({ kind, new: place }) => [kind, place]),
        [['TYPE_CHANGED', '#/properties/price']]);
    await server.stop();
    const gone = await register('größe/1', first);
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /does not answer/);
});

test('schema codegen writes source, or says what is wrong', async (t) => {
    const { first } = files(t);
    for (const [lang, what] of [['c', 'playtrace_track_first'], ['cpp', 'struct FirstEvent'],
        ['csharp', 'public static class FirstEvent']]) {
        assert.ok((await cliOk(['schema', 'codegen', '--lang', lang, first])).stdout.includes(what));
    }
    assert.ok((await cliOk(['schema', 'codegen', '--lang', 'c', '--name', 'shop.buy', first])).stdout
        .includes('playtrace_track_shop_buy'));
    assert.equal((await cli(['schema', 'codegen', '--lang', 'cobol', first])).code, 2);
    assert.equal((await cli(['schema', 'codegen', '--lang', 'c', '--name', '1', first])).code, 1);
});

test('kill -9 while versions are registered loses none that was acknowledged', async (t) => {
    const dir = freshDir(t);
    const acked = new Map();
    for (let round = 0; round < 5; round++) {
        const server = await Server.forTest(t, dir);
        let isOver = false;
        const client = async (name) => {
            for (let n = 0; !isOver; n++) {
                const schema = JSON.stringify({ title: `${name} ${round} ${n}`, ...wider });
                try {
                    const answer = await fetch(`${server.url}/registry/subjects/${name}/versions`, {
                        method: 'POST', body: JSON.stringify({ schemaType: 'JSON', schema }),
                    });
                    if (answer.status === 200) {
                        const { id, version } = await answer.json();
                        acked.set(`${name}/versions/${version}`, { id, schema });
                    } else {
                        assert.equal(answer.status, 503);
                    }
                } catch {
                    return; // killed
                }
            }
        };
        const clients = ['a', 'b', 'c'].map(client);
        await new Promise((resolve) => setTimeout(resolve, 100 + 60 * round));
        server.child.kill('SIGKILL');
        await server.exited;
        isOver = true;
        await Promise.all(clients);
    }
    const server = await Server.forTest(t, dir);
    for (const [place, { id, schema }] of acked) {
        const found = await (await fetch(`${server.url}/registry/subjects/${place}`)).json();
        assert.deepEqual([found.id, JSON.parse(found.schema)], [id, JSON.parse(schema)], place);
    }
    assert.ok(acked.size > 10);
    t.diagnostic(`${acked.size} versions acknowledged over 5 kills`);
    await server.stop();
});
