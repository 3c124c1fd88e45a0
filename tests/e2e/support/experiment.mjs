// experiment.mjs - what the tests of planned experiments share: a plan's text, players of the past, the real ones
// of Cookie Cats, readouts
//
// Who converts is fixed by a player's number, so that every count is known.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';

import { Server, cli, cliOk, event, patience, root, sharedData } from './server.mjs';

const day0 = Date.parse('2026-01-01T12:00:00Z');
export const at = (day, seconds = 0) => new Date(day0 + day * 86400000 + seconds * 1000).toISOString();

export const planText = ({ name = 'shop', alternative = 'two-sided', analysis, extra = '', effect = 'absolute: 0.2' } = {}) => `
experiment: ${name}
hypothesis: A clearer shop <i>sells</i> more
alternative: ${alternative}
variants: {a: 1, b: 1}
minimum_effect: {${effect}, baseline: 0.3}
metrics:
  primary: {name: bought, type: conversion, event: purchase, window: 1d}
  secondary:
    - {name: spent, type: mean, event: purchase, field: price, window: 1d, winsorise: 0.99}
    - {name: purchases, type: count, event: purchase, window: 1d}
    - name: price
      type: ratio
      window: 1d
      numerator: {event: purchase, field: price}
      denominator: {event: purchase}
  guardrails:
    - {name: stayed, type: retention, day: 1}
analysis: ${analysis ?? '{type: group_sequential, looks: [0.5, 1], spending: obrien_fleming}'}
${extra}`;

export function write(dir, text, name = 'plan.yaml') {
    const file = path.join(dir, name);
    fs.writeFileSync(file, text);
    return file;
}

export const exposure = (experiment, user, variant, day, more = {}) => event({
    event_name: 'experiment_exposure', user_id: user, occurred_at: at(day), session_id: `${user}-s`,
    attributes: { experiment, variant, ...more.attributes }, ...more.over });

// `count` players of each variant on `day`; of each ten, `share[variant]` buy.
export function players(experiment, from, count, day, share, more = {}) {
    const all = [];
    for (const variant of ['a', 'b']) {
        for (let i = from; i < from + count; i++) {
            const user = `${experiment}-${variant}-${i}`;
            all.push(exposure(experiment, user, variant, day, more));
            if (i % 10 < share[variant]) {
                all.push(event({ event_name: 'purchase', user_id: user, occurred_at: at(day, 60),
                    session_id: `${user}-s`, attributes: { price: 100 + (i % 7) } }));
            }
        }
    }
    return all;
}

export async function send(server, all) {
    for (let i = 0; i < all.length; i += 400) {
        const answer = await server.send(all.slice(i, i + 400));
        assert.equal(answer.status, 202, answer.text);
        assert.deepEqual(answer.json.rejected, [], answer.text);
    }
    server.sent = (server.sent ?? 0) + all.length;
    await server.settle(server.sent);
}

export const analyze = (dir, name, ...more) => cli(['experiment', 'analyze', name, '--data', dir, '--format', 'json', ...more]);
export async function readout(dir, name, ...more) {
    return JSON.parse((await cliOk(['experiment', 'analyze', name, '--data', dir, '--format', 'json', ...more])).stdout);
}

export const cookieCats = path.join(sharedData, 'cookie_cats', 'cookie_cats.csv');

// The published test of Cookie Cats as experiment `gate` in `dir`: planned, imported and stored, the server stopped.
export async function storeCookieCats(t, dir) {
    const server = await Server.forTest(t, dir);
    const plan = write(dir, `
experiment: gate
hypothesis: A gate at level 40 instead of 30 keeps more players
variants: {gate_30: 1, gate_40: 1}
minimum_effect: {absolute: 0.01, baseline: 0.19}
metrics:
  primary: {name: retention_7, type: retention, day: 7}
  secondary:
    - {name: retention_1, type: retention, day: 1}
    - {name: game_rounds, type: mean, event: rounds_played, field: rounds, window: 14d, winsorise: 0.999}
analysis: {type: fixed}
sample_ratio_alpha: 0.001
`);
    await cliOk(['experiment', 'start', plan, '--data', dir]);
    await cliOk(['import', cookieCats, '--map', path.join(root, 'tests/e2e/maps/cookie_cats.yaml'), '--url', server.url],
        { timeoutMs: 600000 * patience });
    await server.settle(3 * 90189 + 20034 + 20119 + 8502 + 8279);
    await server.stop();
}
