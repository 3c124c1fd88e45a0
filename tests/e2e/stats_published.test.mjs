// stats_published.test.mjs - what other people's experiment packages state, through `playtrace stats`
//
// Promise: the cases of ../shared/conformance/experiment-stats (numbers out of the unit tests of
// gbstats, confidence, gsDesign, rpact) come out as upstream states them. Method: each case is put
// into our functions' terms; where upstream is coarse, its notes say so and the bound is theirs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { ask, shared } from './support/golden.mjs';

const dir = path.join(shared, 'conformance/experiment-stats');
const skip = fs.existsSync(dir) ? false : `${dir} is not there`;
const cases = (name) => JSON.parse(fs.readFileSync(path.join(dir, `${name}.json`), 'utf8'));

async function one(fn, inputs) {
    const [answer] = await ask([{ fn, inputs }]);
    assert.equal(answer.error, undefined, `${fn}: ${answer.error}`);
    return answer.result;
}

const number = (x) => (x === 'inf' ? Infinity : x === '-inf' ? -Infinity : x);

// The largest miss of `got` against `want`, as a share of what the case allows.
function miss(item, got, want, tolerance = item) {
    if (Array.isArray(want)) {
        assert.equal(got.length, want.length, `${item.id}: length`);
        return Math.max(0, ...want.map((y, i) => miss(item, got[i], y, tolerance)));
    }
    const [x, y] = [number(got), number(want)];
    if (!Number.isFinite(y)) {
        return x === y ? 0 : Infinity;
    }
    const allowed = Math.max(tolerance.abs_tolerance ?? 0, (tolerance.rel_tolerance ?? 0) * Math.abs(y));
    return Number.isFinite(x) ? Math.abs(x - y) / allowed : Infinity;
}

function check(t, item, got, tolerance) {
    const shares = Object.entries(item.expected)
        .filter(([field]) => got[field] !== undefined)
        .map(([field, want]) => [field, miss(item, got[field], want, tolerance)]);
    const bad = shares.filter(([, share]) => !(share <= 1));

    assert.deepEqual(Object.keys(item.expected).filter((field) => got[field] === undefined), [],
        `${item.id}: every expected field has an answer`);
    assert.deepEqual(bad, [], `${item.id}: ${JSON.stringify(got)}`);
    return Math.max(0, ...shares.map(([, share]) => share));
}

async function each(t, list, answer) {
    let worst = 0;
    for (const item of list) {
        worst = Math.max(worst, check(t, item, await answer(item), undefined));
    }
    t.diagnostic(`${list.length} cases, worst error ${worst.toPrecision(2)} of what upstream allows`);
}

// ---- two samples --------------------------------------------------------------

// An arm as size, mean, variance, whatever it was given by.
function sampleOf(arm) {
    const mean = arm.sum / arm.n;
    switch (arm.kind) {
    case 'proportion':
        return { n: arm.n, mean, var: mean * (1 - mean) };
    case 'mean':
        return { n: arm.n, mean, var: (arm.sum_squares - arm.sum ** 2 / arm.n) / (arm.n - 1) };
    default: {
        // A quantile: upstream's variance is (n - 1) times the squared half-width over z.
        const half = (arm.quantile_upper - arm.quantile_lower) / 2 / 1.959963984540054;
        return { n: arm.n, mean: arm.quantile_hat, var: (arm.n - 1) * half ** 2 };
    }
    }
}

async function differenceOf(item, alternative, level) {
    const [a, b] = [sampleOf(item.a), sampleOf(item.b)];
    const inputs = { n_a: a.n, mean_a: a.mean, var_a: a.var, n_b: b.n, mean_b: b.mean, var_b: b.var,
        alternative, level };
    return item.difference === 'relative' ? one('relative_test', inputs) : one('t_test', inputs);
}

const alternatives = { two_sided: 'two-sided', greater: 'larger', lesser: 'smaller' };

async function twoSample(item) {
    const alpha = item.config?.alpha ?? 0.05;
    const [, family, side] = /^(welch_t|confidence_sequence|bayes_normal|chi_squared)_?(.*)$/.exec(item.method);
    const relative = item.difference === 'relative';
    const r = await differenceOf(item, alternatives[side] ?? 'two-sided', 1 - alpha);
    const estimate = relative ? r.uplift : r.diff;

    if (family === 'welch_t') {
        return { estimate, stddev: r.se, p_value: r.p_value, ci: [r.ci_low, r.ci_high] };
    }
    if (family === 'confidence_sequence') {
        // "lesser" is "greater" of the mirrored difference.
        const sign = side === 'lesser' ? -1 : 1;
        const cs = await one('asymptotic_cs_estimate', { estimate: sign * estimate, se: r.se,
            n: item.a.n + item.b.n, alpha, sided: side === 'two_sided' ? 2 : 1,
            target_n: item.config?.sequential_tuning_parameter ?? 5000 });
        const ci = [cs.ci_low, cs.ci_high];
        if (item.config?.alpha_of_p !== undefined) {
            // The half-width at another alpha with the same rho2, by the published formula.
            const grown = (item.a.n + item.b.n) * cs.rho2 + 1;
            const log = Math.log1p(Math.sqrt(grown) / (2 * item.config.alpha_of_p));
            return { end_at_p: estimate - r.se * Math.sqrt(2 * grown / (grown - 1) * log) };
        }
        return { estimate, stddev: r.se, p_value: cs.p_value,
            ci: sign > 0 ? ci : ['-inf', -cs.ci_low] };
    }
    if (family === 'bayes_normal') {
        // A normal prior is on the relative lift; for an absolute difference in units of control's mean.
        const base = relative ? 1 : sampleOf(item.a).mean;
        const prior = item.config.prior === 'flat' ? {}
            : { prior_mean: item.config.prior.mean * base, prior_var: item.config.prior.variance * base ** 2 };
        const post = await one('normal_posterior', { ...prior, n: 1, mean: estimate, var: r.se ** 2,
            level: 1 - alpha });
        return { estimate: post.post_mean, stddev: Math.sqrt(post.post_var), ci: [post.ci_low, post.ci_high],
            chance_to_win: post.prob_gt_zero, risk: [post.expected_loss_zero, post.expected_loss_own] };
    }
    // Chi-squared: the interval is Wald's, over control's rate where relative (baseline taken as fixed).
    const chi2 = await one('chi2_independence', { successes: [item.a.sum, item.b.sum], totals: [item.a.n, item.b.n] });
    const { diff, wald } = await one('prop_diff_ci', { x_a: item.a.sum, n_a: item.a.n, x_b: item.b.sum,
        n_b: item.b.n, level: 1 - alpha });
    const base = relative ? item.a.sum / item.a.n : 1;
    return { estimate: diff / base, ci: wald.map((x) => x / base), p_value: chi2.p_value };
}

// Only what a case states is compared.
const only = (item, all) => Object.fromEntries(Object.keys(item.expected).map((key) => [key, all[key]]));

test('two samples, as gbstats and confidence state them', { skip }, async (t) => {
    const list = cases('two-sample');
    assert.equal(list.length, 21);
    await each(t, list, async (item) => {
        const got = only(item, await twoSample(item));
        if (item.id === 'gb-seq-greater-absolute') {
            // Upstream's search for p stops with the interval's end 1.6e-5 from 0, which is 1.2e-4 of p away.
            assert.ok(Math.abs(got.p_value - item.expected.p_value) < 2e-4, `${got.p_value}`);
            const at = await twoSample({ ...item, config: { ...item.config, alpha_of_p: got.p_value } });
            assert.ok(Math.abs(at.end_at_p) < 1e-12, `the interval at our p ends at 0, not ${at.end_at_p}`);
            delete item.expected.p_value;
            delete got.p_value;
        }
        return got;
    });
});

// ---- power, sizes and the rest -----------------------------------------------

const transposed = (rows) => rows[0].map((_, i) => rows.map((row) => row[i]));

// Size, means and covariances of [m, d, m0, d0] from unit data.
function moments({ m_post, d_post, m_pre, d_pre }) {
    const units = transposed([m_post, d_post, m_pre, d_pre]);
    const n = units.length;
    const means = transposed(units).map((column) => column.reduce((s, x) => s + x, 0) / n);
    const covs = means.map((_, i) => means.map((__, k) =>
        units.reduce((s, unit) => s + (unit[i] - means[i]) * (unit[k] - means[k]), 0) / (n - 1)));
    return { n, means, covs };
}

const negated = (arm) => ({ ...arm, m_post: arm.m_post.map((x) => -x), m_pre: arm.m_pre.map((x) => -x) });

async function ratioCuped({ theta, a, b }) {
    const [ma, mb] = [moments(a), moments(b)];
    const r = await one('ratio_cuped', { n_a: ma.n, means_a: ma.means, covs_a: ma.covs,
        n_b: mb.n, means_b: mb.means, covs_b: mb.covs, theta });
    return { lift: r.uplift, standard_error: r.uplift_se };
}

async function size(input) {
    const shares = input.allocation ?? Array(input.arms).fill(1);
    const common = { shares, comparisons: input.comparisons ?? 'control_vs_all', correction: 'none', alpha: input.alpha ?? 0.05, power: input.power ?? 0.85 };
    // Upstream gives both arms the baseline's variance, for proportions too.
    const variance = input.kind === 'mean' ? input.variance : input.baseline * (1 - input.baseline);
    const r = await one('sample_size_mean_arms', { ...common, diff: input.mde_absolute, var_a: variance });
    return { n_total: r.n_total };
}

// By what factor the data must grow until a confidence sequence leaves 0 out with the target power,
// if the effect is the target: how much more users, as a share of those there are.
async function scaling(input) {
    const [a, b] = [sampleOf(input.a), sampleOf(input.b)];
    const { se } = await one('relative_test', { n_a: a.n, mean_a: a.mean, var_a: a.var, n_b: b.n,
        mean_b: b.mean, var_b: b.var });
    const powerAt = async (factor) => {
        const scaled = se / Math.sqrt(1 + factor);
        const { half_width } = await one('asymptotic_cs_estimate', { estimate: 0, se: scaled,
            n: (a.n + b.n) * (1 + factor), alpha: input.alpha, target_n: input.sequential_tuning_parameter });
        const [up, down] = await ask([input.target_mde - half_width, -input.target_mde - half_width]
            .map((x) => ({ fn: 'norm_dist', inputs: { x: x / scaled } })));
        return up.result.cdf + down.result.cdf;
    };
    // Upstream halves from 64 and stops within 1e-5 of the power; so does this.
    let [low, high] = [0, 64];
    for (let factor = 64; ;) {
        const off = await powerAt(factor) - input.target_power;
        if (Math.abs(off) < 1e-5) {
            return { scaling_factor: factor };
        }
        [low, high] = off > 0 ? [low, factor] : [factor, high];
        factor = (low + high) / 2;
    }
}

async function bonferroni({ control, arms }) {
    const alpha = 0.05 / arms.length;
    const p = [];
    const intervals = [];
    for (const arm of arms) {
        const chi2 = await one('chi2_independence', { successes: [control.successes, arm.successes],
            totals: [control.n, arm.n] });
        // The difference is control minus arm: control stands where treatment does.
        const { wald } = await one('prop_diff_ci', { x_a: arm.successes, n_a: arm.n, x_b: control.successes,
            n_b: control.n, level: 1 - alpha });
        p.push(chi2.p_value);
        intervals.push(wald);
    }
    const { adjusted, interval_alpha } = await one('p_adjust', { p, method: 'bonferroni' });
    assert.deepEqual(interval_alpha, arms.map(() => alpha));
    return { p_value: p, adjusted_p_value: adjusted, adjusted_ci_lower: intervals.map(([low]) => low),
        adjusted_ci_upper: intervals.map(([, high]) => high) };
}

async function cupedTheta({ arm_a, arm_b }) {
    const arm = ({ pre, post }, suffix) => {
        const n = pre.length;
        const [mx, my] = [pre, post].map((list) => list.reduce((s, x) => s + x, 0) / n);
        const sum = (f) => pre.reduce((s, _, i) => s + f(pre[i] - mx, post[i] - my), 0) / (n - 1);
        return { [`n_${suffix}`]: n, [`mean_y_${suffix}`]: my, [`mean_x_${suffix}`]: mx,
            [`var_y_${suffix}`]: sum((x, y) => y * y), [`var_x_${suffix}`]: sum((x) => x * x),
            [`cov_${suffix}`]: sum((x, y) => x * y) };
    };
    return one('cuped', { ...arm(arm_a, 'a'), ...arm(arm_b, 'b'), theta_method: 'total' });
}

async function adjustedAlpha({ alpha, users, planned }) {
    const information = Math.max(planned, ...users);
    const { nominal_p_one_sided } = await one('gs_bounds', { spending: { name: 'kim_demets', param: 2 }, alpha,
        sided: 2, t: users.map((n) => n / information) });
    return { adjusted_alpha: nominal_p_one_sided.map((p) => 2 * p) };
}

async function powerSizeOther({ id, input }) {
    if (id === 'sp-bonferroni-5') {
        return bonferroni(input);
    }
    if (id === 'sp-power-continuous') {
        return one('power_mean', { diff: input.mde_absolute, var_a: input.baseline_variance, n_a: input.n1,
            n_b: input.n2, alpha: input.alpha });
    }
    if (id.startsWith('sp-size-')) {
        return size(input);
    }
    if (id === 'gb-scaling-sequential') {
        return scaling(input);
    }
    if (id === 'gb-cuped-theta') {
        return cupedTheta(input);
    }
    if (id.startsWith('gb-lift-')) {
        const r = await one('relative_test', { n_a: 10, mean_a: input.mean_a, var_a: 1, n_b: 10,
            mean_b: input.mean_b, var_b: 1 });
        return { lift: r.uplift };
    }
    if (id.startsWith('gb-risk-')) {
        const r = await one('normal_posterior', { n: 1, mean: input.mean, var: input.stddev ** 2 });
        return { risk: [r.expected_loss_zero, r.expected_loss_own] };
    }
    if (id.startsWith('gb-ratio-cuped-')) {
        const straight = await ratioCuped(input);
        const mirrored = await ratioCuped({ ...input, a: negated(input.a), b: negated(input.b) });
        assert.ok(Math.abs(straight.lift + mirrored.lift) < 1e-12, 'negated values turn the lift round');
        assert.ok(Math.abs(straight.standard_error - mirrored.standard_error) < 1e-12);
        return straight;
    }
    assert.equal(id, 'sp-adjusted-alpha');
    return adjustedAlpha(input);
}

test('power, sizes, corrections, CUPED, lift and risk', { skip }, async (t) => {
    const list = cases('power-size-other');
    assert.equal(list.length, 18);
    await each(t, list, async (item) => only(item, await powerSizeOther(item)));
});

// ---- group-sequential designs --------------------------------------------------

function spendingOf({ spending, gamma, rho, alpha_spent, beta_spent }) {
    switch (spending) {
    case 'HSD':
        return { name: 'hwang_shih_decani', param: gamma };
    case 'power':
        return { name: 'kim_demets', param: rho };
    case 'LanDeMetsOBrienFleming':
        return { name: 'lan_demets_obf' };
    case 'LanDeMetsPocock':
        return { name: 'lan_demets_pocock' };
    default:
        return { name: 'user', cumulative: alpha_spent ?? beta_spent };
    }
}

const sums = (list) => list.map((_, k) => list.slice(0, k + 1).reduce((s, x) => s + x, 0));

// "symmetric" is alpha on each side, so twice as much in our two-sided terms; 2 is both together.
const sidesOf = (item) => (item.sided === 1 ? { sided: 1, alpha: item.alpha }
    : { sided: 2, alpha: item.sided === 2 ? item.alpha : 2 * item.alpha });

async function upperOf(item, { sided, alpha }) {
    const { efficacy, futility, information: t } = item;
    switch (efficacy.shape) {
    case undefined:
        return (await one('gs_bounds', { t, sided, alpha, spending: spendingOf(efficacy) })).z;
    case 'HaybittlePeto': {
        const { final_z } = await one('gs_haybittle_peto', { t, sided, alpha, interim_z: efficacy.interim });
        return [...t.slice(1).map(() => efficacy.interim), final_z];
    }
    default: {
        const delta = efficacy.shape === 'OBrienFleming' ? 0 : efficacy.delta;
        const fixed = futility?.fixed ? { z_lower: futility.fixed } : {};
        return (await one('gs_classical', { type: 'wang_tsiatis', t, sided, alpha, delta, ...fixed })).z;
    }
    }
}

async function design(item) {
    const sides = sidesOf(item);
    const { information: t, futility, beta } = item;
    if (futility && !futility.fixed) {
        const r = await one('gs_futility', { t, alpha: item.alpha, beta, binding: futility.binding,
            alpha_spending: spendingOf(item.efficacy), beta_spending: spendingOf(futility) });
        return { upper: r.z_efficacy, lower: r.z_futility, alpha_spent: r.alpha_cumulative,
            beta_spent: r.beta_cumulative, power: sums(r.exit_efficacy_h1),
            information_inflation: t.map((x) => x * r.inflation_factor) };
    }
    const upper = await upperOf(item, sides);
    const lower = sides.sided === 2 ? upper.map((z) => -z) : upper.map(() => '-inf');
    const obeyed = futility?.fixed ? [...futility.fixed, upper.at(-1)] : lower;
    const h0 = await one('gs_exit_probabilities', { t, z_lower: obeyed, z_upper: upper, drift: 0 });
    const spent = sums(h0.exit_upper).map((p) => p * sides.sided);
    let more = {};
    if (beta !== undefined) {
        const { drift, inflation_factor } = await one('gs_drift_for_power', { t, z_upper: upper,
            ...sides, power: 1 - beta });
        const h1 = await one('gs_power', { t, z_upper: upper, sided: sides.sided, drift });
        more = { power: sums(h1.exit_upper), information_inflation: t.map((x) => x * inflation_factor) };
    }
    return { upper, lower, alpha_spent: spent, ...more };
}

test('group-sequential designs of gsDesign and rpact', { skip }, async (t) => {
    const list = cases('group-sequential');
    assert.equal(list.length, 19);
    await each(t, list, async (item) => only(item, await design(item)));
});

test('196 looks, some a four-thousandth of the information apart', { skip }, async (t) => {
    const [item] = cases('group-sequential-many-looks');
    const { z } = await one('gs_bounds', { t: item.information, alpha: item.alpha, sided: item.sided,
        spending: { name: 'kim_demets', param: item.efficacy.rho } });
    const fine = miss(item, z, item.expected.upper_recomputed, { abs_tolerance: item.abs_tolerance_recomputed });
    const coarse = miss(item, z, item.expected.upper);
    t.diagnostic(`worst error ${fine.toPrecision(2)} of 1e-5 against the recomputed bounds, `
        + `${coarse.toPrecision(2)} of ${item.abs_tolerance} against upstream`);
    assert.ok(fine <= 1);
    assert.ok(coarse <= 1);
});
