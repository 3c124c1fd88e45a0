// stats.test.mjs - playtrace stats: what is said about lines that make no sense, and what stays undefined
//
// Promise: each line gets one answer, in order; a bad one names its line, the input and what is wrong, and
// the others go on; no input crashes or hangs it. Method: tables of lines; every function fed with the
// wrong type, the wrong number and nothing for each of its inputs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

import { ask, goldenDir, records } from './support/golden.mjs';
import { cli, cliOk } from './support/server.mjs';

const prop = (more) => JSON.stringify({ fn: 'prop_ztest', inputs: { x_a: 1, n_a: 10, x_b: 2, n_b: 10, ...more } });
const bounds = (more) => JSON.stringify({ fn: 'gs_bounds',
    inputs: { spending: { name: 'lan_demets_obf' }, alpha: 0.05, sided: 2, t: [0.5, 1], ...more } });
const size = (more) => JSON.stringify({ fn: 'sample_size_prop_arcsine',
    inputs: { p0: 0.35, p1: 0.37, alpha: 0.05, power: 0.8, ...more } });

const bad = [
    ['not json', /not JSON at byte 0/],
    ['[1]', /a line is an object/],
    ['{"inputs":{}}', /"fn" is missing/],
    ['{"fn":"prop_ztets","inputs":{}}', /did you mean "prop_ztest"\?/],
    ['{"fn":"astrology","inputs":{}}', /no function "astrology".*--list/],
    ['{"fn":"prop_ztest"}', /"inputs" is missing/],
    ['{"fn":"prop_ztest","inputs":[]}', /"inputs" is missing/],
    [prop({ poled: true }), /"poled" is no input of prop_ztest; did you mean "pooled"\?/],
    [prop({ pooled: 1 }), /pooled: a JSON integer is not true or false/],
    [prop({ x_a: '1' }), /x_a: a JSON string is not a whole number/],
    [prop({ x_a: null }), /x_a: a JSON null is not a whole number/],
    [prop({ x_a: 11 }), /x_a: 11 is more than n_a, which is 10/],
    [prop({ x_a: 0.5 }), /x_a: 0.5 is not a whole number/],
    [prop({ x_a: -1 }), /x_a: -1 is not a whole number/],
    [prop({ n_b: 2 ** 53 + 2 }), /n_b: 9007199254740994 is beyond 2\^53/],
    [prop({ alternative: 'both' }), /alternative: "both" is not "two-sided", "larger" or "smaller"/],
    ['{"fn":"t_test","inputs":{"n_a":10,"mean_a":1e999}}', /a number is out of range/],
    ['{"fn":"t_test","inputs":{"n_a":2,"mean_a":1,"var_a":-1,"n_b":2,"mean_b":1,"var_b":1}}', /var_a: -1 is below 0/],
    [size({ ratio: 0 }), /ratio: 0 is not above 0/],
    [size({ alpha: 0 }), /alpha: 0 is not above 0 and below 1/],
    [size({ power: 1 }), /power: 1 is not above 0 and below 1/],
    [size({ p0: 1.2 }), /p0: 1.2 is not from 0 to 1/],
    ['{"fn":"srm_test","inputs":{"observed":[1,2],"weights":[1,0]}}', /weights\[1\]: 0 is not above 0/],
    ['{"fn":"srm_test","inputs":{"observed":[1,2.5],"weights":[1,1]}}', /observed\[1\]: 2.5/],
    ['{"fn":"srm_test","inputs":{"observed":[1,2,3],"weights":[1,1]}}', /2 of them for 3 arms/],
    [bounds({ t: [0.5, 0.4] }), /t\[1\]: 0.4 comes after 0.5/],
    [bounds({ t: [0.5, 'x'] }), /t\[1\]: a JSON string is not a number/],
    [bounds({ t: [] }), /t: 0 elements; 1 to 1000 are wanted/],
    [bounds({ sided: 3 }), /sided: 3 is not a whole number from 1 to 2/],
    [bounds({ spending: 'obf' }), /spending: it is an object/],
    [bounds({ spending: { name: 'obf' } }), /spending: "obf" is not lan_demets_obf/],
    [bounds({ spending: { name: 'kim_demets' } }), /spending: param is missing/],
    [bounds({ spending: { name: 'lan_demets_obf', gamma: 1 } }), /"gamma" is no member/],
    [bounds({ spending: { name: 'user', cumulative: [0.02] } }), /1 values for 2 looks/],
    [bounds({ spending: { name: 'user', cumulative: [0.04, 0.02] } }), /must not fall/],
    ['{"fn":"gs_power","inputs":{"t":[0.5,1],"z_upper":[2],"sided":2,"drift":1}}', /1 bounds for 2 looks/],
    ['{"fn":"p_adjust","inputs":{"p":[0.1,1.1],"method":"holm"}}', /p\[1\]: 1.1 is not from 0 to 1/],
    ['{"fn":"beta_best_of","inputs":{"arms":[[1,1],[0,1]]}}', /arms\[1\]: \[0, 1\]/],
    ['{"fn":"beta_best_of","inputs":{"arms":[[1,1],[1]]}}', /arms\[1\] is not an array of 2 numbers/],
    ['{"fn":"mann_whitney","inputs":{"a":[],"b":[1]}}', /a: 0 elements/],
    ['{"fn":"hurdle_revenue","inputs":{"arms":[[9,0,0,0],[9,3,1,1]]}}', /arm 0: at least 2 payers/],
    ['{"fn":"srm_sequential","inputs":{"weights":[1,1],"looks":[[5,5],[4,6]]}}', /less than at the look before/],
];

test('a bad line says its number and what is wrong, and the others go on', async () => {
    const good = '{"id":"mine","fn":"norm_quantile","inputs":{"p":0.975}}';
    const input = bad.map(([line]) => `${line}\n\n${good}\n`).join(''); // blank lines count
    const { stdout } = await cliOk(['stats'], { input });
    const answers = stdout.trim().split('\n').map((line) => JSON.parse(line));

    assert.equal(answers.length, 2 * bad.length);
    bad.forEach(([line, says], i) => {
        assert.match(answers[2 * i].error ?? 'no error', says, line);
        assert.equal(answers[2 * i].line, 3 * i + 1, line);
        assert.equal(answers[2 * i].result, undefined);
        assert.deepEqual(answers[2 * i + 1],
            { id: 'mine', fn: 'norm_quantile', result: { x: 1.959963984540054 } });
    });
});

test('states of an experiment leave things undefined and are no mistakes', async () => {
    const t = { n_a: 1, mean_a: 3, var_a: 0, n_b: 1, mean_b: 2, var_b: 0 };
    const answers = await ask([
        { fn: 'prop_ztest', inputs: { x_a: 0, n_a: 0, x_b: 0, n_b: 0 } },
        { fn: 'prop_ztest', inputs: { x_a: 0, n_a: 9, x_b: 0, n_b: 8 } },
        { fn: 'prop_ztest', inputs: { x_a: 9, n_a: 9, x_b: 8, n_b: 8 } },
        { fn: 't_test', inputs: t },
        { fn: 't_test', inputs: { ...t, n_a: 5, n_b: 5 } },
        { fn: 'srm_test', inputs: { observed: [0, 0], weights: [1, 1] } },
        { fn: 'prop_diff_ci', inputs: { x_a: 0, n_a: 1, x_b: 1, n_b: 1 } },
        { fn: 'beta_binomial', inputs: { x_a: 0, n_a: 0, x_b: 0, n_b: 0 } },
        { fn: 'msprt_prop', inputs: { x_a: 0, n_a: 5, x_b: 0, n_b: 5, tau2: 1 } },
    ]);
    assert.deepEqual(answers.map((one) => one.error), answers.map(() => undefined));
    const [none, zero, all, single, flat, empty, tiny, prior, still] = answers.map((one) => one.result);
    assert.deepEqual([none.z, none.p_value, zero.p_value, all.p_value, single.p_value, flat.p_value],
        [null, null, null, null, null, null]);
    assert.equal(zero.diff, 0);
    assert.equal(flat.diff, -1);
    assert.equal(empty.p_value, null);
    assert.ok(tiny.newcombe[0] < 1 && tiny.newcombe[1] > 0.9);
    assert.ok(Math.abs(prior.prob_b_gt_a - 0.5) < 1e-12);
    assert.equal(still.p_value, null);
});

// What --list says a function takes.
async function functions() {
    const { stdout } = await cliOk(['stats', '--list']);
    return stdout.trim().split('\n').map((line) => JSON.parse(line));
}

test('--list names every function of the reference files, and all of their inputs',
    { skip: fs.existsSync(goldenDir) ? false : `${goldenDir} is not there` }, async () => {
        const known = new Map((await functions()).map(({ fn, inputs }) => [fn, inputs]));
        for (const topic of ['power', 'two_sample', 'special', 'group_sequential', 'always_valid',
            'multiple_testing', 'bayes']) {
            for (const { fn, inputs } of records(topic)) {
                assert.ok(known.has(fn), fn);
                assert.deepEqual(Object.keys(inputs).filter((name) => !(name in known.get(fn))), [], fn);
            }
        }
    });

test('every function answers whatever its inputs are', async () => {
    const values = [null, true, '', 'inf', {}, [], [[]], [null], [1, 2], [[1, 2], [3, 4]], [0, 0], [-1, 5],
        -1, 0, 0.5, 1, 2, 1e-300, 1e300, -1e300, 2 ** 53, 1e18];
    const calls = [];
    for (const { fn, inputs } of await functions()) {
        const names = Object.keys(inputs);
        calls.push({ fn, inputs: {} });
        for (const value of values) {
            calls.push({ fn, inputs: Object.fromEntries(names.map((name) => [name, value])) });
        }
        // One odd value among plausible ones.
        const plausible = Object.fromEntries(names.map((name) => [name,
            /^(alpha|power|beta|level|p|q|p0|p1|low|high|t)$/.test(name) ? 0.4
                : /^(x_|sum_)/.test(name) ? 3 : /array of arrays/.test(inputs[name]) ? [[3, 5], [4, 6]]
                    : /array/.test(inputs[name]) ? [0.5, 1] : /number/.test(inputs[name]) ? 9 : undefined]));
        for (const name of names) {
            for (const value of [-1, 0, 1e300, 1e-300, [], 'x']) {
                calls.push({ fn, inputs: { ...plausible, [name]: value } });
            }
        }
    }
    const answers = await ask(calls);
    assert.equal(answers.length, calls.length);
    answers.forEach((answer, i) => {
        assert.equal(answer.fn, calls[i].fn);
        assert.ok((answer.result === undefined) !== (answer.error === undefined), JSON.stringify(answer));
        assert.ok(answer.error === undefined || (answer.error.length > 5 && answer.line === i + 1));
    });
});

test('a wrong command line is a usage error', async () => {
    const { code, stderr } = await cli(['stats', 'file.ndjson'], { input: '' });
    assert.equal(code, 2);
    assert.match(stderr, /file\.ndjson/);
});
