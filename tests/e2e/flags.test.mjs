// flags.test.mjs - a flag's way back to the client: OFREP's single-flag route and the CLI agree
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { Server, cliOk, freshDir } from './support/server.mjs';

const definitions = {
    flags: {
        'gate-level': {
            state: 'ENABLED',
            variants: { gate_30: 30, gate_40: 40 },
            defaultVariant: 'gate_30',
            targeting: { fractional: [['gate_30', 50], ['gate_40', 50]] },
        },
        'new-shop': {
            state: 'ENABLED',
            variants: { on: true, off: false },
            defaultVariant: 'off',
        },
    },
};

function ask(server, key, context) {
    return server.request('POST', `/ofrep/v1/evaluate/flags/${key}`, {
        body: JSON.stringify({ context }),
        headers: { 'Content-Type': 'application/json' },
    });
}

test('a fractional rule gives each player one variant, the same over OFREP and the CLI', async (t) => {
    const dir = freshDir(t);
    const file = path.join(dir, 'flags.json');
    fs.writeFileSync(file, JSON.stringify(definitions));
    const server = await Server.forTest(t, dir);

    const fixed = await ask(server, 'new-shop', { targetingKey: 'player-1' });
    assert.equal(fixed.status, 200, fixed.text);
    assert.equal(fixed.json.key, 'new-shop');
    assert.equal(fixed.json.value, false);
    assert.equal(fixed.json.variant, 'off');
    assert.match(fixed.json.reason, /^(STATIC|DEFAULT)$/);

    const counts = { gate_30: 0, gate_40: 0 };
    for (let player = 0; player < 400; player++) {
        const answer = await ask(server, 'gate-level', { targetingKey: `player-${player}` });
        assert.equal(answer.status, 200, answer.text);
        assert.equal(answer.json.value, answer.json.variant === 'gate_30' ? 30 : 40);
        counts[answer.json.variant]++;
        if (player < 10) {
            const again = await ask(server, 'gate-level', { targetingKey: `player-${player}` });
            assert.equal(again.json.variant, answer.json.variant);
            const { stdout } = await cliOk(['flags', 'eval', '--flags', file, '--context',
                JSON.stringify({ targetingKey: `player-${player}` }), 'gate-level']);
            assert.equal(JSON.parse(stdout).variant, answer.json.variant);
        }
    }
    assert.ok(Math.abs(counts.gate_30 - 200) < 60, JSON.stringify(counts));

    const unknown = await ask(server, 'no-such-flag', { targetingKey: 'player-1' });
    assert.equal(unknown.status, 404, unknown.text);
    assert.equal(unknown.json.errorCode, 'FLAG_NOT_FOUND');
    assert.equal(unknown.json.key, 'no-such-flag');
    const malformed = await server.request('POST', '/ofrep/v1/evaluate/flags/gate-level', { body: '{"context":' });
    assert.equal(malformed.status, 400, malformed.text);
    assert.ok(malformed.json.errorCode, malformed.text);
    await server.stop();
});

test('without a flag file every flag is unknown, and the rest is served', async (t) => {
    const server = await Server.forTest(t, freshDir(t));
    const answer = await ask(server, 'gate-level', { targetingKey: 'player-1' });
    assert.equal(answer.status, 404, answer.text);
    assert.equal((await server.get('/readyz')).status, 200);
    await server.stop();
});
