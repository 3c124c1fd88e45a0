// experiment_arms.test.mjs - several treatments, covariates, revenue, epochs with ratios of their own
//
// The expected figures are worked out here from the same players, by the textbook's formulas.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { analyze, at, exposure, readout, send, write } from './support/experiment.mjs';
import { Server, cli, cliOk, event, freshDir } from './support/server.mjs';

const near = (actual, expected, tolerance = 1e-9) =>
    assert.ok(Math.abs(actual - expected) <= tolerance * (1 + Math.abs(expected)), `${actual}, not ${expected}`);
const sum = (all) => all.reduce((a, b) => a + b, 0);
const mean = (all) => sum(all) / all.length;
const variance = (all) => sum(all.map((x) => (x - mean(all)) ** 2)) / (all.length - 1);
const of = (said, metric, treatment) => said.metrics.find((one) => one.metric === metric && one.treatment === treatment);

const plan = ({ name, variants = '{a: 1, b: 1}', primary = '{name: bought, type: conversion, event: purchase, window: 1d}',
    analysis = '{type: fixed}', alternative = 'two-sided', effect = '{absolute: 0.2, baseline: 0.3}', extra = '' }) => `
experiment: ${name}
hypothesis: It sells more
alternative: ${alternative}
variants: ${variants}
minimum_effect: ${effect}
metrics:
  primary: ${primary}
analysis: ${analysis}
${extra}`;

const purchase = (user, day, seconds, price) => event({ event_name: 'purchase', user_id: user, occurred_at: at(day, seconds),
    session_id: `${user}-s`, attributes: { price } });

// `sizes` players of each variant, of ten `share` buy.
function group(experiment, sizes, share, day = 0, from = 0, more = {}) {
    const all = [];
    for (const [variant, size] of Object.entries(sizes)) {
        for (let i = from; i < from + size; i++) {
            const user = `${experiment}-${variant}-${i}`;
            all.push(exposure(experiment, user, variant, day, more));
            if (i % 10 < share[variant]) {
                all.push(purchase(user, day, 60, 100 + i % 7));
            }
        }
    }
    return all;
}

test('three treatments, one look: Holm over the treatments, the best that is shown is shipped', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const file = write(dir, plan({ name: 'many', variants: '{a: 2, b: 1, c: 1, d: 1}' }));
    const design = JSON.parse((await cliOk(['experiment', 'plan', file, '--format', 'json', '--data', dir])).stdout);
    assert.equal(design.units.length, 4);
    near(design.alpha_each, 0.05 / 3);
    assert.ok(Math.abs(design.units[0] - 2 * design.units[1]) <= 1 && design.units[1] === design.units[3]);
    await cliOk(['experiment', 'start', file, '--data', dir]);
    // 3, 5, 6 and 4 of ten: b and c differ from a, d does not after the correction.
    await send(server, group('many', { a: 400, b: 200, c: 200, d: 200 }, { a: 3, b: 5, c: 6, d: 4 }));
    const said = await readout(dir, 'many');
    assert.equal(said.verdict, 'stop_for_effect', said.reason);
    assert.equal(said.ship, 'c');
    assert.deepEqual(said.variants.map((one) => one.users), [400, 200, 200, 200]);
    const p = {};
    for (const [variant, share] of [['b', 0.5], ['c', 0.6], ['d', 0.4]]) {
        const one = of(said, 'bought', variant);
        const pooled = (0.3 * 400 + share * 200) / 600;
        near(one.z, (share - 0.3) / Math.sqrt(pooled * (1 - pooled) * (1 / 400 + 1 / 200)));
        p[variant] = one.p_value;
    }
    assert.ok(p.c < p.b && p.b < p.d && p.d < 0.05, 'd alone would be shown without the others');
    near(of(said, 'bought', 'c').p_adjusted, 3 * p.c);
    near(of(said, 'bought', 'b').p_adjusted, 2 * p.b);
    near(of(said, 'bought', 'd').p_adjusted, p.d);
    assert.equal(of(said, 'bought', 'd').shown, p.d <= 0.05);
    assert.equal(said.look.treatments.length, 3);
    const again = await readout(dir, 'many');
    assert.equal(again.recorded_before, true);
    const html = path.join(dir, 'many.html');
    await cliOk(['experiment', 'report', 'many', '--html', html, '--data', dir]);
    const page = fs.readFileSync(html, 'utf8');
    assert.match(page, /: ship c/);
    assert.doesNotMatch(page, /<script|https?:|src=|\bnan\b|\binf\b/);
    await server.stop();
});

test('less is better: the treatment with the least is shipped, under a test and a posterior', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    for (const [name, more, alternative] of [['less', 'better: smaller', 'two-sided'], ['down', '', 'smaller'], ['post', 'better: smaller', 'two-sided']]) {
        await cliOk(['experiment', 'start', write(dir, plan({ name, alternative, variants: '{a: 1, b: 1, c: 1}', extra: more,
            analysis: name === 'post' ? '{type: bayesian}' : '{type: fixed}' })), '--data', dir]);
        await send(server, group(name, { a: 200, b: 200, c: 200 }, { a: 5, b: 8, c: 2 }));
        const said = await readout(dir, name);
        assert.equal(said.verdict, 'stop_for_effect', said.reason);
        assert.equal(said.ship, 'c');
        assert.equal(of(said, 'bought', 'b').shown, name === 'less', 'b differs, for the worse');
        if (name === 'post') {
            assert.ok(said.variants[2].prob_best > 0.999 && of(said, 'bought', 'c').prob_higher < 0.001);
        }
    }
    await server.stop();
});

test('treatments under looks: one that is worse ends alone, the first that is better ends all', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const file = write(dir, plan({ name: 'looks', variants: '{a: 1, b: 1, c: 1}',
        analysis: '{type: group_sequential, looks: [0.4, 0.7, 1], spending: pocock}' }));
    const design = JSON.parse((await cliOk(['experiment', 'plan', file, '--format', 'json', '--data', dir])).stdout);
    await cliOk(['experiment', 'start', file, '--data', dir]);
    const n = Math.ceil(design.units[0] * 0.45 / 10) * 10;
    await send(server, group('looks', { a: n, b: n, c: n }, { a: 5, b: 1, c: 5 }));
    const first = await readout(dir, 'looks');
    assert.equal(first.verdict, 'continue', first.reason);
    assert.equal(first.ship, null);
    assert.deepEqual(first.look.treatments.map((one) => one.verdict), ['stop_for_effect', 'continue']);
    assert.ok(first.look.treatments[1].alpha_spent > 0 && first.look.treatments[1].alpha_spent < 0.025);
    const more = Math.ceil(design.units[0] * 0.35 / 10) * 10;
    await send(server, group('looks', { a: more, b: more, c: more }, { a: 2, b: 9, c: 9 }, 0, n));
    const second = await readout(dir, 'looks');
    assert.equal(second.verdict, 'stop_for_effect', second.reason);
    assert.equal(second.ship, 'c', 'what ended as worse is not looked at again');
    assert.equal(second.look.treatments[0].z, first.look.treatments[0].z);
    assert.ok(second.metrics[1].stagewise_p_value < 0.025);
    const third = await readout(dir, 'looks');
    assert.equal(third.recorded_before, true);
    assert.equal((await readout(dir, 'looks', '--as-of', at(3))).recorded_before, true);
    await server.stop();
});

test('a covariate from before the exposure takes variance away, and nothing else', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const primary = '{name: spent, type: mean, event: purchase, field: price, window: 1d, cuped: {days: 7, correlation: 0.8}}';
    const file = write(dir, plan({ name: 'cuped', primary, effect: '{absolute: 4, baseline: 50, sd: 20}',
        extra: 'stopping: {max_days: 1}' }));
    const plain = write(dir, plan({ name: 'plain', primary: primary.replace(/, cuped.*/, '}'),
        effect: '{absolute: 4, baseline: 50, sd: 20}' }), 'plain.yaml');
    const units = async (one) => JSON.parse((await cliOk(['experiment', 'plan', one, '--format', 'json', '--data', dir])).stdout).units[0];
    near(await units(file) / await units(plain), 1 - 0.8 ** 2, 0.01);
    await cliOk(['experiment', 'start', file, '--data', dir]);
    const all = [];
    const arms = { a: [], b: [] };
    for (const variant of ['a', 'b']) {
        for (let i = 0; i < 60; i++) {
            const user = `cuped-${variant}-${i}`;
            const before = i % 4 === 0 ? 0 : 10 + (i * 7) % 23; // some have no history
            const after = 20 + before + (i * 5) % 11 + (variant === 'b' ? 3 : 0);
            all.push(exposure('cuped', user, variant, 2), purchase(user, 2, 50, after));
            if (before > 0) {
                all.push(purchase(user, 2, -3600, before));
            }
            all.push(purchase(user, -6, 0, 500)); // more than seven days before: not counted
            arms[variant].push({ x: before, y: after });
        }
    }
    await send(server, all);
    const said = await readout(dir, 'cuped');
    const [a, b] = ['a', 'b'].map((variant) => ({ x: arms[variant].map((one) => one.x), y: arms[variant].map((one) => one.y) }));
    const sxy = (arm) => sum(arm.x.map((x, i) => (x - mean(arm.x)) * (arm.y[i] - mean(arm.y))));
    const sxx = (arm) => sum(arm.x.map((x) => (x - mean(arm.x)) ** 2));
    const theta = (sxy(a) + sxy(b)) / (sxx(a) + sxx(b));
    const adjusted = [a, b].map((arm) => arm.y.map((y, i) => y - theta * arm.x[i]));
    const se = Math.sqrt(variance(adjusted[0]) / 60 + variance(adjusted[1]) / 60);
    const raw = Math.sqrt(variance(a.y) / 60 + variance(b.y) / 60);
    const one = of(said, 'spent', 'b');
    near(one.difference, mean(adjusted[1]) - mean(adjusted[0]));
    near(one.se, se);
    near(one.variance_reduction, 1 - (se / raw) ** 2);
    assert.ok(one.variance_reduction > 0.5);
    const text = (await cliOk(['experiment', 'analyze', 'cuped', '--data', dir])).stdout;
    assert.match(text, /the covariate takes \d+\.\d % of the variance away/);
    await server.stop();
});

test('revenue under a bayesian plan: who pays and how much, as playtrace stats has it; counts as rates', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await cliOk(['experiment', 'start', write(dir, plan({ name: 'money', variants: '{a: 1, b: 1, c: 1}',
        primary: '{name: revenue, type: revenue, event: purchase, field: price, window: 1d}',
        effect: '{relative: 0.2, baseline: 30, sd: 50}', analysis: '{type: bayesian}' })), '--data', dir]);
    await cliOk(['experiment', 'start', write(dir, plan({ name: 'rates',
        primary: '{name: purchases, type: count, event: purchase, window: 1d, model: poisson}',
        effect: '{relative: 0.2, baseline: 0.3, sd: 0.5}', analysis: '{type: bayesian}' })), '--data', dir]);
    await send(server, [...group('money', { a: 300, b: 300, c: 300 }, { a: 3, b: 4, c: 5 }),
        ...group('rates', { a: 200, b: 200 }, { a: 3, b: 5 })]);
    const said = await readout(dir, 'money');
    const amounts = (share) => [...Array(300).keys()].filter((i) => i % 10 < share).map((i) => 100 + i % 7);
    const arms = [3, 4, 5].map((share) => ({ users: 300, payers: amounts(share).length, amount_mean: mean(amounts(share)),
        amount_var: variance(amounts(share)) }));
    assert.deepEqual(of(said, 'revenue', 'c').payers, [90, 150]);
    near(of(said, 'revenue', 'c').amount[1], arms[2].amount_mean);
    const best = said.variants.map((one) => one.prob_best);
    near(sum(best), 1, 1e-9);
    assert.ok(best[2] > 0.95 && best[2] > best[1] && best[1] > best[0], JSON.stringify(best));
    assert.equal(said.verdict, 'stop_for_effect', said.reason);
    assert.equal(said.ship, 'c');
    assert.ok(of(said, 'revenue', 'c').prob_higher > 0.9999 && of(said, 'revenue', 'c').interval[0] > 0);
    const input = JSON.stringify({ fn: 'hurdle_revenue', inputs: { prior_a: 1, prior_b: 1, level: 0.95,
        arms: arms.map((one) => [one.users, one.payers, one.amount_mean, one.amount_var]) } });
    const answer = JSON.parse((await cli(['stats'], { input: `${input}\n` })).stdout).result;
    answer.prob_best.forEach((one, i) => near(best[i], one, 1e-9));
    answer.expected_loss.forEach((one, i) => near(said.variants[i].expected_loss, one, 1e-6));
    const rates = await readout(dir, 'rates');
    // Gamma(1 + 60, 200 + 1/0.4) and Gamma(1 + 100, ...): P(b > a) by the normal of their difference, whose
    // z is 40 / sqrt(61 + 101).
    near(rates.prob_treatment_higher, 0.99916, 1e-4);
    await server.stop();
});

test('a ratio that changes with the epoch: each is checked against its own, and no paradox', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const epochs = 'epochs: {1: {a: 9, b: 1}, 2: {a: 1, b: 1}}';
    await cliOk(['experiment', 'start', write(dir, plan({ name: 'ramp', extra: `${epochs}\nstopping: {max_days: 1}` })), '--data', dir]);
    await cliOk(['experiment', 'start', write(dir, plan({ name: 'flat', extra: 'stopping: {max_days: 1}' })), '--data', dir]);
    await cliOk(['experiment', 'start', write(dir, plan({ name: 'bent', extra: `${epochs}\nstopping: {max_days: 1}` })), '--data', dir]);
    // In epoch 1 (9:1) six of ten buy with a and seven with b, in epoch 2 (1:1) one and two: b is
    // better in both, and worse when the epochs are thrown together.
    const shares = [{ a: 6, b: 7 }, { a: 1, b: 2 }];
    const both = (name, second) => [
        ...group(name, { a: 900, b: 100 }, shares[0], 0, 0, { attributes: { epoch: '1' } }),
        ...group(name, second, shares[1], 1, 10000, { attributes: { epoch: '2' } })];
    await send(server, [...both('ramp', { a: 500, b: 500 }), ...both('flat', { a: 500, b: 500 }), ...both('bent', { a: 700, b: 500 })]);
    const said = await readout(dir, 'ramp');
    assert.equal(said.sample_ratio.mismatch, false, JSON.stringify(said.sample_ratio));
    assert.deepEqual(said.sample_ratio.epochs.map((one) => one.weights), [[9, 1], [1, 1]]);
    const weights = [900 * 100 / 1000, 500 * 500 / 1000];
    const expected = (weights[0] * (0.7 - 0.6) + weights[1] * (0.2 - 0.1)) / sum(weights);
    const part = (p, q, n, m) => { const pooled = (p * n + q * m) / (n + m); return pooled * (1 - pooled) * (1 / n + 1 / m); };
    const nulled = Math.sqrt(weights[0] ** 2 * part(0.6, 0.7, 900, 100) + weights[1] ** 2 * part(0.1, 0.2, 500, 500)) / sum(weights);
    const one = of(said, 'bought', 'b');
    near(one.difference, expected);
    near(one.z, expected / nulled);
    assert.equal(said.verdict, 'stop_for_effect', said.reason);
    assert.equal(said.ship, 'b');
    const thrown = await readout(dir, 'flat');
    assert.equal(thrown.verdict, 'invalid', 'without the epochs the ratio does not fit');
    assert.ok(of(thrown, 'bought', 'b')?.difference < 0 || !thrown.metrics, 'and b would look worse');
    const bent = await readout(dir, 'bent');
    assert.equal(bent.verdict, 'invalid');
    assert.match(bent.reason, /do not fit the planned ratios of the epochs .*; the (epoch "2"|day "2026-01-02") breaks it: 700 and 500/);
    await server.stop();
});

test('an amendment: the ratio of an epoch to come, recorded before its first exposure', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await cliOk(['experiment', 'start', write(dir, plan({ name: 'ramp', variants: '{a: 9, b: 1}', analysis: '{type: always_valid}', effect: '{absolute: 0.02, baseline: 0.3}' })), '--data', dir]);
    const amend = (...more) => cli(['experiment', 'amend', 'ramp', '--data', dir, ...more]);
    assert.match((await amend('--epoch', '2', '--ratio', '1')).stderr, /"1" is not 2 weights from 0 on/);
    assert.match((await amend('--epoch', '2', '--ratio', '0:1')).stderr, /control's above 0/);
    assert.equal((await amend('--epoch', '2')).code, 2);
    assert.match((await cli(['experiment', 'amend', 'nobody', '--epoch', '1', '--ratio', '1:1', '--data', dir])).stderr, /was not started/);
    await send(server, group('ramp', { a: 900, b: 100 }, { a: 6, b: 7 }, 0, 0, { attributes: { epoch: '1' } }));
    const before = await readout(dir, 'ramp');
    assert.equal(before.sample_ratio.mismatch, false);
    assert.match((await amend('--epoch', '1', '--ratio', '1:1')).stderr, /1000 exposures of epoch 1 are in the table already/);
    await server.stop();
});

test('an amended epoch is held to its own ratio, and the hash of the plan stays', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    await cliOk(['experiment', 'start', write(dir, plan({ name: 'ramp', variants: '{a: 9, b: 1}', analysis: '{type: always_valid}', effect: '{absolute: 0.02, baseline: 0.3}' })), '--data', dir]);
    await send(server, group('ramp', { a: 900, b: 100 }, { a: 6, b: 6 }, 0, 0, { attributes: { epoch: '1' } }));
    const first = await readout(dir, 'ramp');
    await cliOk(['experiment', 'amend', 'ramp', '--epoch', '2', '--ratio', '1:1', '--data', dir]);
    assert.match((await cli(['experiment', 'amend', 'ramp', '--epoch', '2', '--ratio', '9:1', '--data', dir])).stderr, /the ratio of epoch "2" is known/);
    const again = await readout(dir, 'ramp');
    assert.equal(again.recorded_before, true, 'what was looked at before is the same look');
    await send(server, group('ramp', { a: 500, b: 500 }, { a: 1, b: 2 }, 1, 10000, { attributes: { epoch: '2' } }));
    const second = await readout(dir, 'ramp');
    assert.equal(second.sample_ratio.mismatch, false, JSON.stringify(second.sample_ratio));
    assert.equal(second.plan_sha256, first.plan_sha256);
    assert.deepEqual(second.amendments.map(({ epoch, weights, late_exposures }) => ({ epoch, weights, late_exposures })),
        [{ epoch: '2', weights: [1, 1], late_exposures: 0 }]);
    const weights = [900 * 100 / 1000, 500 * 500 / 1000];
    near(of(second, 'bought', 'b').difference, weights[1] * 0.1 / sum(weights));
    assert.match((await cliOk(['experiment', 'analyze', 'ramp', '--data', dir])).stdout, /amended 20.*: epoch 2 has 1:1/);
    await server.stop();
});

test('a treatment that is no longer given out is not waited for', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const file = write(dir, plan({ name: 'drop', variants: '{a: 1, b: 1, c: 1}', effect: '{absolute: 0.1, baseline: 0.3}',
        analysis: '{type: group_sequential, looks: [0.4, 1]}' }));
    const [n] = JSON.parse((await cliOk(['experiment', 'plan', file, '--format', 'json', '--data', dir])).stdout).units;
    await cliOk(['experiment', 'start', file, '--data', dir]);
    const first = Math.ceil(n * 0.041) * 10;
    await send(server, group('drop', { a: first, b: first, c: first }, { a: 3, b: 3, c: 3 }));
    assert.equal((await readout(dir, 'drop')).verdict, 'continue');
    assert.match((await analyze(dir, 'drop', '--as-of', at(1, 7200))).stdout, /"recorded_before":true/);
    await cliOk(['experiment', 'amend', 'drop', '--epoch', '2', '--ratio', '1:1:0', '--data', dir]);
    const more = Math.ceil(n * 0.065) * 10;
    await send(server, group('drop', { a: more, b: more }, { a: 3, b: 5 }, 0, 100000, { attributes: { epoch: '2' } }));
    const last = await readout(dir, 'drop');
    assert.equal(last.sample_ratio.mismatch, false, JSON.stringify(last.sample_ratio));
    assert.deepEqual(last.look.treatments.map((one) => one.verdict), ['stop_for_effect', 'inconclusive'], last.reason);
    assert.equal(last.ship, 'b');
    await server.stop();
});

test('what several treatments, covariates, models and epochs may not say', async (t) => {
    const dir = freshDir(t);
    const refused = async (text, said) => {
        const { code, stderr } = await cli(['experiment', 'plan', write(dir, text)]);
        assert.equal(code, 1, text);
        assert.match(stderr, said);
    };
    const nine = [...'abcdefghij'].map((one) => `${one}: 1`).join(', ');
    await refused(plan({ name: 'x', variants: `{${nine}}` }), /plan\.yaml:5: there are 10 variants; a plan compares control with 1 to 8 others/);
    await refused(plan({ name: 'x', variants: '{a: 1, b: 0}' }), /plan\.yaml:5: the weight of "b" is 0; it must be above 0/);
    await refused(plan({ name: 'x', extra: 'epochs: {1: {a: 1}}' }), /plan\.yaml:\d+: epoch "1" names no weight of "b"/);
    await refused(plan({ name: 'x', extra: 'epochs: {1: {a: 0, b: 1}}' }), /epoch "1" has no control/);
    await refused(plan({ name: 'x', extra: 'epochs: {1: {a: 1, b: -1}}' }), /the weight of "b" is -1; it must be 0 or more/);
    await refused(plan({ name: 'x', extra: 'epochs: {1: {a: 1, b: 1, z: 1}}' }), /epoch "1" has no variant "z"/);
    await refused(plan({ name: 'x', extra: 'epochs: [1]' }), /"epochs" is a list; it must be a map/);
    await refused(plan({ name: 'x', analysis: '{type: group_sequential, looks: [1]}', variants: '{a: 1, b: 1, c: 1}',
        extra: 'treatment_correction: holm' }), /the bounds of group_sequential need bonferroni or none/);
    await refused(plan({ name: 'x', analysis: '{type: bayesian}', extra: 'treatment_correction: holm' }), /does not belong to bayesian/);
    await refused(plan({ name: 'x', alternative: 'larger', extra: 'better: smaller' }), /"better" belongs to a two-sided plan/);
    await refused(plan({ name: 'x', variants: '{a: 1, b: 1, c: 1}', alternative: 'smaller', analysis: '{type: bayesian}',
        primary: '{name: m, type: count, event: e, model: poisson}' }), /the poisson model finds the least of two variants alone, not of 3/);
    const primary = (more) => `{name: m, ${more}}`;
    await refused(plan({ name: 'x', primary: primary('type: retention, day: 1, cuped: 7d') }), /"cuped" of a retention must name its quantity/);
    await refused(plan({ name: 'x', primary: primary('type: count, event: e, cuped: {field: f, days: 7}') }), /has a "field" but no "event"/);
    await refused(plan({ name: 'x', primary: primary('type: count, event: e, cuped: {days: 7, correlation: 1}') }), /"correlation" is 1/);
    await refused(plan({ name: 'x', primary: primary('type: count, event: e, cuped: 0d') }), /"cuped" is "0d"/);
    await refused(plan({ name: 'x', primary: primary('type: count, event: e, model: hurdle') }), /"model" hurdle belongs to a mean or revenue/);
    await refused(plan({ name: 'x', primary: primary('type: count, event: e, model: poisson') }), /"model" belongs to a bayesian plan/);
    await refused(plan({ name: 'x', primary: primary('type: revenue, event: e, field: f, cuped: 7d'), analysis: '{type: bayesian}' }),
        /hurdle model knows neither/);
});

test('simulate: several treatments keep the familywise error at alpha, and the power of one', async (t) => {
    const dir = freshDir(t);
    for (const analysis of ['{type: fixed}', '{type: group_sequential, looks: [0.4, 0.7, 1]}', '{type: always_valid}']) {
        const said = JSON.parse((await cliOk(['experiment', 'simulate', write(dir, plan({ name: 'x', analysis,
            variants: '{a: 2, b: 1, c: 1, d: 1}' })), '--runs', '20000', '--seed', '5', '--format', 'json'], { cwd: dir })).stdout);
        assert.ok(said.null.stop_for_effect < 0.05 + 3 * said.null.stop_for_effect_error, JSON.stringify(said));
        assert.ok(said.first_treatment_shown > 0.78, JSON.stringify(said));
        assert.ok(said.naive_error_rate > 0.1, 'each treatment on its own would be called too often');
    }
});

test('numbers that are none, too large, out of order: said in words, and they spoil nothing beside them', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const secondary = `  secondary:
    - {name: spent, type: mean, event: purchase, field: price, window: 1d}
    - {name: nothing, type: ratio, window: 1d, numerator: {event: purchase}, denominator: {event: never}}
    - {name: never, type: count, event: never, window: 1d}
`;
    const text = plan({ name: 'odd', analysis: '{type: always_valid}' }).replace('analysis:', `${secondary}analysis:`);
    await cliOk(['experiment', 'start', write(dir, text), '--data', dir]);
    const odd = ['NaN', 'Infinity', '-Infinity', 1e308, -1e200, 'many', null, true, [1], { a: 1 }];
    const all = group('odd', { a: 100, b: 100 }, { a: 3, b: 5 });
    odd.forEach((price, i) => all.push(purchase(`odd-a-${i}`, 0, 90 + i, price)));
    await send(server, all);
    const said = await readout(dir, 'odd');
    const spent = of(said, 'spent', 'b');
    // Of `true` and the like DuckDB's cast makes a number or none; what is no number adds nothing.
    assert.ok(spent.value[0] > 30 && spent.value[0] < 31, `${spent.value}`);
    assert.ok(Number.isFinite(spent.z));
    assert.match(of(said, 'nothing', 'b').note, /nothing to divide by/);
    assert.match(of(said, 'never', 'b').note, /every unit has the same value/);
    assert.equal(of(said, 'nothing', 'b').p_value, null);
    await send(server, group('odd', { a: 50, b: 50 }, { a: 3, b: 3 }, 0, 1000));
    assert.equal((await readout(dir, 'odd')).looks.length, 2);
    assert.equal((await readout(dir, 'odd', '--as-of', at(1, 100))).recorded_before, true);
    for (const [change, saying] of [
        [['absolute: 0.2', 'absolute: 1e-12'], /would need .* units; sizes are exact up to 2\^53/],
        [['absolute: 0.2', 'absolute: 1e400'], /"absolute" is "1e400", not a finite number/],
        [['baseline: 0.3', 'baseline: .inf'], /"baseline" is "\.inf", not a finite number/],
        [['absolute: 0.2', 'absolute: 0.8'], /which is no share between 0 and 1/],
        [['{a: 1, b: 1}', '{a: 1e308, b: 1e308}'], /no sample size reaches/],
    ]) {
        const { code, stderr } = await cli(['experiment', 'plan', write(dir, plan({ name: 'x' }).replace(...change), 'x.yaml')]);
        assert.equal(code, 1, `${change}: ${stderr}`);
        assert.match(stderr, saying);
    }
    await server.stop();
});

test('the start is an event, too: who writes file, lock and journal anew is found out by the table', async (t) => {
    const [dir, other] = [freshDir(t), freshDir(t)];
    const server = await Server.forTest(t, dir);
    const file = write(dir, plan({ name: 'kept', analysis: '{type: bayesian}' }));
    const nobody = await cli(['experiment', 'start', file, '--data', dir, '--url', 'http://127.0.0.1:1']);
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /kept is started and recorded, but its event is not in the log: .*The same command sends it again/);
    const begun = await readout(dir, 'kept');
    assert.equal(begun.started_event_plan_sha256, undefined);
    assert.match((await cliOk(['experiment', 'start', file, '--data', dir, '--url', server.url])).stdout, /its event experiment_started is in the log/);
    await cliOk(['experiment', 'start', file, '--data', dir, '--url', server.url]);
    await server.settle(1);
    const said = await readout(dir, 'kept');
    assert.equal(said.started_event_plan_sha256, said.plan_sha256);
    const rows = JSON.parse((await cliOk(['query', '--sql', "SELECT event_id::VARCHAR AS id FROM events WHERE event_name = 'experiment_started'",
        '--format', 'json', '--data', dir])).stdout);
    assert.deepEqual(rows.map((one) => one.id), [said.started_event_id], 'sent twice, stored once');
    // A whole new folder, sound in itself, with a milder plan.
    const second = await Server.forTest(t, other);
    const milder = write(other, plan({ name: 'kept', analysis: '{type: bayesian, probability: 0.7}' }));
    await cliOk(['experiment', 'start', milder, '--data', other, '--url', second.url]);
    const swap = () => {
        fs.rmSync(path.join(dir, 'experiments'), { recursive: true });
        fs.cpSync(path.join(other, 'experiments'), path.join(dir, 'experiments'), { recursive: true });
    };
    swap();
    const refused = await analyze(dir, 'kept');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /the table's experiment_started of kept, received .*, names the plan [0-9a-f]{64}, the journal [0-9a-f]{64}: the plan was changed after the start/);
    // And one that says that no event was sent: it is shown, since anybody could send such an event.
    fs.rmSync(path.join(other, 'experiments'), { recursive: true });
    await cliOk(['experiment', 'start', milder, '--data', other]);
    swap();
    assert.match((await cliOk(['experiment', 'analyze', 'kept', '--data', dir])).stdout, /ANOTHER PLAN in the table's experiment_started/);
    await server.stop();
    await second.stop();
});
