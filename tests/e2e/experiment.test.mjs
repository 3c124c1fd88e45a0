// experiment.test.mjs - a plan from its file to its verdict, and what it refuses
//
// Players are sent over HTTP with times of the past; who converts is fixed by his number, so that every
// count is known. The plan that was started, its journal and its looks are then edited by hand.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import {
    analyze, at, cookieCats, exposure, planText, players, readout, send, storeCookieCats, write,
} from './support/experiment.mjs';
import { Server, cli, cliOk, event, freshDir } from './support/server.mjs';

test('every mistake of a plan is named with its line', async (t) => {
    const dir = freshDir(t);
    const file = write(dir, planText().replace('alternative:', 'alternativ:').replace('{a: 1, b: 1}', '{a: 0, b: .nan}')
        .replace('[0.5, 1]', '[0.5, 0.4, 1]') + 'alpha: 1.5\n');
    const { code, stderr } = await cli(['experiment', 'plan', file]);
    assert.equal(code, 1);
    for (const said of [/plan\.yaml:4: the plan has no field "alternativ"; did you mean "alternative"\?/,
        /plan\.yaml:5: the weight of "a" is 0; it must be above 0/, /plan\.yaml:5: "b" is "\.nan", not a finite number/,
        /plan\.yaml:19: look 2 at 0\.4 is not after the one before/, /plan\.yaml:20: "alpha" is 1\.5; it must be .* below 1/,
        /5 mistakes in the plan/]) {
        assert.match(stderr, said);
    }
});

test('plan: 0.35 to 0.37 needs 9,041 players an arm; looks, days and boundaries', async (t) => {
    const dir = freshDir(t);
    const fixed = write(dir, planText({ analysis: '{type: fixed}', effect: 'absolute: 0.02' }).replace('0.3}', '0.35}'));
    const said = JSON.parse((await cliOk(['experiment', 'plan', fixed, '--format', 'json'], { cwd: dir })).stdout);
    assert.deepEqual(said.units, [9041, 9041]);
    assert.equal(said.days, null);
    const looks = write(dir, planText());
    const design = JSON.parse((await cliOk(['experiment', 'plan', looks, '--format', 'json'], { cwd: dir })).stdout);
    // Lan-DeMets, O'Brien-Fleming type, two looks: the published bounds.
    assert.ok(Math.abs(design.looks[0].z - 2.9626) < 1e-3, JSON.stringify(design.looks));
    assert.ok(Math.abs(design.looks[1].z - 1.9686) < 1e-3, JSON.stringify(design.looks));
    assert.ok(Math.abs(design.looks[0].stop_null + design.looks[1].stop_null - 0.05) < 1e-9);
    assert.ok(Math.abs(design.looks[0].stop_effect + design.looks[1].stop_effect - 0.8) < 1e-9);
});

test('the whole path: start, looks, a verdict; edits of plan and journal are refused', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const file = write(dir, planText());
    await cliOk(['experiment', 'start', file, '--data', dir]);
    const again = await cli(['experiment', 'start', file, '--data', dir]);
    assert.match(again.stderr, /started already/);

    await send(server, players('shop', 0, 20, 0, { a: 3, b: 5 }));
    await send(server, [exposure('shop', 'both', 'a', 0), exposure('shop', 'both', 'b', 0),
        exposure('shop', 'third', 'c', 0), exposure('shop', 'nobody', undefined, 0)]);
    const early = await analyze(dir, 'shop');
    assert.equal(early.code, 1);
    assert.match(early.stderr, /plan knows no look here: the information is 0\.\d+ .*--spend-unplanned/);
    const options = await analyze(dir, 'shop', '--metric', 'retention:1');
    assert.match(options.stderr, /has a plan/);
    const paid = await readout(dir, 'shop', '--spend-unplanned');
    assert.equal(paid.look.planned, false);
    assert.ok(paid.look.alpha_spent > 0 && paid.look.alpha_spent < 0.05);
    assert.equal(paid.users_in_several_variants, 1);
    assert.equal(paid.users_in_other_variants, 1);
    assert.equal(paid.exposures_without_variant, 1);
    assert.deepEqual(paid.metrics[0].users, [20, 20]);
    assert.deepEqual(paid.metrics[0].value, [0.3, 0.5]);
    assert.equal(paid.verdict, 'continue');
    const repeated = await readout(dir, 'shop');
    assert.equal(repeated.recorded_before, true, 'the same data again are the same look');
    assert.equal(repeated.looks.length, 1);

    await send(server, players('shop', 20, 200, 0, { a: 3, b: 6 }));
    const last = await readout(dir, 'shop');
    assert.equal(last.verdict, 'stop_for_effect', last.reason);
    assert.equal(last.looks.length, 2);
    // By hand: 66 and 130 of 220; pooled z.
    const [p, q, n] = [66 / 220, 130 / 220, 220];
    const pooled = (p + q) / 2;
    const z = (q - p) / Math.sqrt(pooled * (1 - pooled) * 2 / n);
    assert.ok(Math.abs(last.metrics[0].z - z) < 1e-12, `${last.metrics[0].z} is not ${z}`);
    assert.deepEqual(last.metrics[0].value, [p, q]);
    const spent = last.metrics.find((one) => one.metric === 'spent');
    const counted = last.metrics.find((one) => one.metric === 'purchases');
    const price = last.metrics.find((one) => one.metric === 'price');
    const sums = [3, 6].map((share, arm) => {
        let sum = 0;
        for (let i = 0; i < 220; i++) {
            sum += i % 10 < (arm === 1 && i < 20 ? 5 : share) ? 100 + (i % 7) : 0;
        }
        return sum;
    });
    assert.deepEqual(spent.value.map((one) => Math.round(one * 220)), sums);
    assert.deepEqual(counted.value, [p, q]);
    assert.ok(Math.abs(price.value[0] - sums[0] / 66) < 1e-9 && Math.abs(price.value[1] - sums[1] / 130) < 1e-9);
    const stayed = last.metrics.find((one) => one.metric === 'stayed');
    assert.match(stayed.note, /same value/, 'nobody came back: a clear answer');
    const after = await readout(dir, 'shop');
    assert.equal(after.recorded_before, true);

    // The page: whole, nothing from elsewhere, and no new look.
    const [html, json] = [path.join(dir, 'r.html'), path.join(dir, 'r.json')];
    await cliOk(['experiment', 'report', 'shop', '--html', html, '--json', json, '--data', dir]);
    const page = fs.readFileSync(html, 'utf8');
    assert.ok(page.startsWith('<!doctype html>') && page.endsWith('</html>\n'));
    assert.doesNotMatch(page, /<script|<i>sells|https?:|src=|nan|inf\b/);
    assert.match(page, /&lt;i&gt;sells/);
    assert.equal(page.match(/<svg viewBox="0 0 760/g).length, 3, 'boundaries, difference, exposures');
    assert.ok(page.includes(last.plan_sha256));
    const written = JSON.parse(fs.readFileSync(json, 'utf8'));
    // Threads add up in any order: the last digits may differ.
    const rounded = (all) => JSON.parse(JSON.stringify(all, (_, one) => typeof one === 'number' ? +one.toPrecision(9) : one));
    assert.deepEqual(rounded(written.metrics), rounded(last.metrics));
    assert.equal(written.looks.length, 2);

    // Edits. The plan's own file, then the journal, then both put back.
    const kept = path.join(dir, 'experiments', 'shop', 'plan.yaml');
    const original = fs.readFileSync(kept, 'utf8');
    fs.writeFileSync(kept, original + 'alpha: 0.1\n');
    const edited = await analyze(dir, 'shop');
    assert.equal(edited.code, 1);
    assert.match(edited.stderr, /not the plan that was started: alpha was 0\.05 and is 0\.1/);
    fs.writeFileSync(kept, original + '# a remark changes no plan\n');
    assert.equal((await analyze(dir, 'shop')).code, 0);
    const journal = path.join(dir, 'experiments', 'journal');
    const lines = fs.readFileSync(journal, 'utf8');
    for (const [damage, said] of [
        [lines.replace('"alpha":0.05', '"alpha":0.10'), /journal: line 1 was changed/],
        [lines.split('\n').slice(0, -2).join('\n') + '\n', /lines were taken out or written anew/],
        [lines.split('\n').filter((_, i) => i !== 1).join('\n'), /line 2 does not follow the line before it/],
        ['', /lines were taken out/],
    ]) {
        fs.writeFileSync(journal, damage);
        const refused = await analyze(dir, 'shop');
        assert.equal(refused.code, 1);
        assert.match(refused.stderr, said);
    }
    fs.writeFileSync(journal, lines + 'half a line');
    assert.equal((await analyze(dir, 'shop')).code, 0, 'a torn last line was never acknowledged');
    await server.stop();
});

test('futility: a look far below the bound ends a binding plan', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const analysis = '{type: group_sequential, looks: [0.5, 1], futility: {spending: pocock, binding: true}}';
    const file = write(dir, planText({ name: 'dull', alternative: 'larger', analysis }));
    const design = JSON.parse((await cliOk(['experiment', 'plan', file, '--format', 'json', '--data', dir])).stdout);
    await cliOk(['experiment', 'start', file, '--data', dir]);
    await send(server, players('dull', 0, 50, 0, { a: 5, b: 3 }));
    const said = await readout(dir, 'dull');
    assert.equal(said.verdict, 'stop_for_futility', said.reason);
    assert.ok(said.look.information > 0.5 && said.look.information < 1);
    // At a little more information than planned, so a little beyond the planned bounds, towards each other.
    assert.ok(said.look.z_bound < design.looks[0].z && said.look.z_bound > design.looks[1].z, JSON.stringify(said.look));
    assert.ok(said.look.z_futility > design.looks[0].z_futility && said.look.z_futility < said.look.z_bound);
    await send(server, players('dull', 50, 50, 0, { a: 3, b: 9 }));
    assert.match((await analyze(dir, 'dull')).stderr, /ended at look 1 with stop_for_futility/);
    await server.stop();
});

test('late starts are refused or said; a broken ratio blocks the verdict and names the segment', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const web = players('ratio', 0, 300, 0, { a: 3, b: 6 }, { over: { platform: 'web' } });
    const lost = players('ratio', 1000, 300, 0, { a: 3, b: 6 }, { over: { platform: 'ios' } })
        .filter((one) => !/-b-1[12]/.test(one.user_id));
    await send(server, [...web, ...lost]);
    const file = write(dir, planText({ name: 'ratio', analysis: '{type: fixed}' }));
    const refused = await cli(['experiment', 'start', file, '--data', dir]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /exposures of ratio are in the table already/);
    await cliOk(['experiment', 'start', file, '--data', dir, '--late']);
    const said = await readout(dir, 'ratio');
    assert.equal(said.late_exposures, 1000);
    assert.equal(said.verdict, 'invalid');
    assert.match(said.reason, /the platform "ios" breaks it: 300 and 100/);
    const page = await cliOk(['experiment', 'analyze', 'ratio', '--data', dir]);
    assert.match(page.stdout, /STARTED LATE: 1000 exposures/);
    await server.stop();
});

test('nobody, one player, all or none converted: an answer, never a crash', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    for (const [name, type] of [['none', 'always_valid'], ['bayes', 'bayesian'], ['fix', 'fixed']]) {
        await cliOk(['experiment', 'start', write(dir, planText({ name, analysis: `{type: ${type}}` })), '--data', dir]);
    }
    for (const name of ['none', 'bayes']) {
        const empty = await readout(dir, name);
        assert.equal(empty.verdict, 'continue');
        assert.match(empty.reason, /no unit's window has passed/);
        assert.deepEqual(empty.looks, [], 'nothing was seen, so nothing is recorded');
    }
    const early = (await analyze(dir, 'fix')).stderr;
    assert.match(early, /plan knows no look here/);
    assert.doesNotMatch(early, /nan|sample ratio/, 'of nobody there is no ratio');
    await send(server, [exposure('none', 'one', 'a', 0), exposure('bayes', 'two', 'b', 0),
        event({ event_name: 'purchase', user_id: 'one', occurred_at: at(0, 9), session_id: 'o' })]);
    assert.match((await readout(dir, 'none')).reason, /fewer than two units/);
    await send(server, players('none', 0, 100, 0, { a: 10, b: 10 }));
    const all = await readout(dir, 'none');
    assert.match(all.reason, /same value/);
    assert.equal(all.metrics[0].p_value, null);
    await send(server, players('bayes', 0, 100, 0, { a: 0, b: 0 }));
    assert.match((await readout(dir, 'bayes')).reason, /same value/);
    await send(server, players('bayes', 100, 100, 1, { a: 1, b: 6 }));
    const bayes = await readout(dir, 'bayes');
    assert.equal(bayes.verdict, 'stop_for_effect', bayes.reason);
    assert.ok(bayes.prob_treatment_higher > 0.999);
    await send(server, players('none', 100, 150, 1, { a: 1, b: 8 }));
    const always = await readout(dir, 'none');
    assert.equal(always.verdict, 'stop_for_effect', always.reason);
    assert.ok(always.metrics[0].interval[0] > 0, 'the confidence sequence leaves 0 out');
    for (const one of always.metrics.filter(({ role, note }) => role === 'secondary' && !note)) {
        assert.equal(one.shown, one.interval[0] > 0 || one.interval[1] < 0, `${one.metric}: interval and p agree`);
    }
    await server.stop();
});

test('simulate: alpha and power hold within Monte-Carlo error, peeking at a fixed test does not', async (t) => {
    const dir = freshDir(t);
    const of = async (analysis, alternative) => JSON.parse((await cliOk(['experiment', 'simulate',
        write(dir, planText({ analysis, alternative })), '--runs', '20000', '--seed', '7', '--format', 'json'],
    { cwd: dir })).stdout);
    const looks = 'looks: [0.2, 0.4, 0.6, 0.8, 1]';
    for (const [analysis, side] of [['{type: fixed}'], [`{type: group_sequential, ${looks}, spending: pocock}`],
        [`{type: group_sequential, ${looks}}`],
        [`{type: group_sequential, ${looks}, futility: {spending: hwang_shih_decani, parameter: -2, binding: true}}`, 'smaller']]) {
        const said = await of(analysis, side);
        assert.ok(Math.abs(said.null.stop_for_effect - 0.05) < 4 * said.null.stop_for_effect_error, JSON.stringify(said));
        assert.ok(Math.abs(said.effect.stop_for_effect - 0.8) < 4 * said.effect.stop_for_effect_error, JSON.stringify(said));
        assert.ok(said.looks === 1 || said.naive_error_rate > 0.1);
    }
    const always = await of('{type: always_valid}');
    assert.ok(always.null.stop_for_effect < 0.05 && always.effect.stop_for_effect > 0.8, JSON.stringify(always));
});

test('Cookie Cats through a plan: the published readout', async (t) => {
    if (!fs.existsSync(cookieCats)) {
        t.skip('the data set is not here');
        return;
    }
    const dir = freshDir(t);
    await storeCookieCats(t, dir);
    const said = await readout(dir, 'gate');
    assert.deepEqual(said.variants.map((one) => one.users), [44700, 45489]);
    const figures = Object.fromEntries(said.metrics.map((one) => [one.metric, one]));
    const close = (actual, expected, tolerance) => assert.ok(Math.abs(actual - expected) <= tolerance, `${actual}, not ${expected}`);
    close(100 * figures.retention_1.value[0], 44.82, 0.005);
    close(100 * figures.retention_1.value[1], 44.23, 0.005);
    close(100 * figures.retention_7.value[0], 19.02, 0.005);
    close(100 * figures.retention_7.value[1], 18.20, 0.005);
    close(figures.retention_7.p_value, 0.0016, 5e-5);
    close(figures.retention_1.p_value, 0.0744, 5e-5);
    close(said.sample_ratio.chi2, 6.9024, 5e-5);
    close(said.sample_ratio.p_value, 0.0086, 5e-5);
    assert.equal(said.verdict, 'stop_for_effect');
    assert.match(said.reason, /0\.182.* against 0\.190/);
});
