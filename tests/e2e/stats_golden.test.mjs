// stats_golden.test.mjs - every reference value of ../shared/golden/stats, through the real program
//
// Promise: `playtrace stats` gives every record within its tolerance. Method: all records of a file on
// one standard input; each expected field compared, counts and the worst error a function
// printed. The Cookie Cats records start from the rows of the published table.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { ask, goldenDir, records, Score, shared } from './support/golden.mjs';

const topics = { power: 261, two_sample: 518, special: 1090, group_sequential: 368, always_valid: 85,
    multiple_testing: 126, bayes: 124 };
const skip = fs.existsSync(goldenDir) ? false : `${goldenDir} is not there`;

for (const [topic, count] of Object.entries(topics)) {
    test(`reference values: ${topic}`, { skip }, async (t) => {
        const all = records(topic);
        const answers = await ask(all);
        const score = new Score();

        assert.equal(answers.length, all.length);
        all.forEach((record, i) => {
            assert.equal(answers[i].fn, record.fn);
            score.add(record, answers[i]);
        });
        score.table().forEach((line) => t.diagnostic(line));
        assert.deepEqual(score.misses, []);
        assert.equal(score.count, count);
    });
}

// ---- Cookie Cats: from the rows -----------------------------------------------

const table = path.join(shared, 'data/cookie_cats/cookie_cats.csv');

function readArms() {
    const [head, ...lines] = fs.readFileSync(table, 'utf8').trim().split(/\r?\n/);
    const columns = head.split(',').map((name) => name.replaceAll('"', ''));
    const arms = { gate_30: [], gate_40: [] };
    for (const line of lines) {
        const cells = line.split(',').map((cell) => cell.replaceAll('"', ''));
        const row = Object.fromEntries(columns.map((name, i) => [name, cells[i]]));
        arms[row.version].push({
            rounds: Number(row.sum_gamerounds),
            retention_1: /^true$/i.test(row.retention_1),
            retention_7: /^true$/i.test(row.retention_7),
        });
    }
    return arms;
}

const successes = (rows, metric) => rows.filter((row) => row[metric]).length;

function sample(values) {
    const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
    const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
    return { n: values.length, mean, var: squares / (values.length - 1) };
}

// Which functions a record asks for, and its expected fields out of their results.
function plan(record, arms) {
    const { metric, rows, level, alternative, pooled, prior_a, prior_b, tau2, theta0, alpha, yates } =
        record.inputs;
    const [a, b] = ['gate_30', 'gate_40'].map((gate) =>
        arms[gate].filter((row) => !rows?.includes('<= 3000') || row.rounds <= 3000));
    const counts = { x_a: successes(a, metric), n_a: a.length, x_b: successes(b, metric), n_b: b.length };
    const [sa, sb] = [a, b].map((of) => sample(of.map((row) => row.rounds)));
    const means = { n_a: sa.n, mean_a: sa.mean, var_a: sa.var, n_b: sb.n, mean_b: sb.mean, var_b: sb.var };
    const one = (fn, inputs, more = {}) => ({ calls: [{ fn, inputs }], result: ([r]) => ({ ...more, ...r }) });
    switch (record.fn.replace('cookie_cats_', '')) {
    case 'counts':
        return { calls: [], result: () => ({ ...counts, rate_a: counts.x_a / counts.n_a,
            rate_b: counts.x_b / counts.n_b }) };
    case 'srm':
        return one('srm_test', { observed: [a.length, b.length], weights: [1, 1] });
    case 'prop_ztest':
        return one('prop_ztest', { ...counts, pooled, alternative });
    case 'prop_diff_ci':
        return one('prop_diff_ci', { ...counts, level });
    case 'uplift':
        return one('uplift_prop', { ...counts, level });
    case 'chi2':
        return one('chi2_independence', { successes: [counts.x_a, counts.x_b],
            totals: [counts.n_a, counts.n_b], yates });
    case 'beta_binomial':
        return one('beta_binomial', { ...counts, prior_a, prior_b, level });
    case 'msprt':
        return one('msprt_prop', { ...counts, tau2, theta0, alpha });
    case 'welch':
        return one('t_test', { ...means, equal_var: false, alternative: 'two-sided', level }, means);
    case 'mann_whitney':
        return { calls: [{ fn: 'mann_whitney', inputs: { a: a.map((row) => row.rounds),
            b: b.map((row) => row.rounds), alternative } }],
        result: ([r]) => ({ ...r, p_value: record.inputs.continuity ? r.p_corrected : r.p_uncorrected }) };
    case 'p_adjust': {
        const z = (name) => ({ fn: 'prop_ztest', inputs: { x_a: successes(a, name), n_a: a.length,
            x_b: successes(b, name), n_b: b.length, pooled: true, alternative: 'two-sided' } });
        return { calls: [z('retention_1'), z('retention_7'), { fn: 't_test', inputs: means }],
            result: async (results) => {
                const p = results.map((r) => r.p_value);
                const methods = ['holm', 'bh', 'bonferroni'];
                const adjusted = await ask(methods.map((method) => ({ fn: 'p_adjust', inputs: { p, method } })));
                return { p_value: p,
                    ...Object.fromEntries(methods.map((method, i) => [method, adjusted[i].result.adjusted])) };
            } };
    }
    default:
        throw new Error(`no plan for ${record.fn}`);
    }
}

test('reference values: cookie_cats, from the rows of the table',
    { skip: skip || (fs.existsSync(table) ? false : `${table} is not there`) }, async (t) => {
        const arms = readArms();
        const score = new Score();

        for (const record of records('cookie_cats')) {
            const { calls, result } = plan(record, arms);
            const answers = calls.length > 0 ? await ask(calls) : [];
            const error = answers.find((one) => one.error)?.error;
            score.add(record, error ? { error } : { result: await result(answers.map((one) => one.result)) });
        }
        score.table().forEach((line) => t.diagnostic(line));
        assert.deepEqual(score.misses, []);
        assert.equal(score.count, 20);
    });
