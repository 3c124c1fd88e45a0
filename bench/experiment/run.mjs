// run.mjs - what flags, designs, simulations and readouts cost, each figure beside a yardstick of the same run
//
//     node bench/experiment/run.mjs [stats] [flags] [trials] [analyze]     (default: all)
//
// ROUNDS (5) and PLAYERS (1,000,000) set how long it takes. Prints one table and leaves every value in
// build/bench/experiment.json and experiment.csv, and the plot of the trials in build/bench/error_rates.svg.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bin, finish, printHeader, program, report, root, rounds, run, runSections, timed, work } from '../support/measure.mjs';
import { errorRatesPlot, errorRatesTable } from './plot.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const playtrace = path.join(root, 'build', 'playtrace');
const players = Number(process.env.PLAYERS ?? 1e6);
const extra = {};
const looksPlan = `
experiment: looks
hypothesis: more players buy
variants: {a: 1, b: 1}
minimum_effect: {absolute: 0.03, baseline: 0.2}
metrics: {primary: {name: bought, type: conversion, event: purchase, window: 1d}}
analysis: {type: group_sequential, looks: [0.2, 0.4, 0.6, 0.8, 1]}
`;

const lines = (text) => text.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));

// What prints its lines and then fails a promise of its own (exit 1) is still measured: the table tells.
const linesOf = (name, ...args) => run(program(name), args.map(String)).catch((error) => error.message).then(lines);

async function stats() {
    extra.stats = await linesOf('bench_stats', 15);
    const of = (subject) => extra.stats.find((line) => line.subject.startsWith(subject));
    for (const [subject, goal] of [['20 looks, two-sided, O\'Brien', 1], ['20 looks, two-sided, Pocock', 1], ['20 looks and', null],
        ['20 looks, beta', null], ['20 looks, inference', null]]) {
        report('stats', of(subject).subject, 'CPU ms', [[of(subject).cpu_ms, 5]], '5 ms', goal, true);
    }
}

async function flags() {
    const file = path.join(work, 'flags.json');
    const script = path.join(here, 'flags.mjs');
    const pairs = { ready: [], parsed: [] };
    extra.flags = [];

    await run('node', [script, 'write', file]);
    for (let round = 0; round < rounds; round++) {
        const ours = () => linesOf('bench_flags', file, 1);
        const theirs = async () => lines(await run('node', [script, 'run', file, '1']));
        const first = round % 2 ? await theirs() : await ours();
        const second = round % 2 ? await ours() : await theirs();
        const [[mine], [stick]] = round % 2 ? [second, first] : [first, second];
        if (JSON.stringify(mine.variants) !== JSON.stringify(stick.variants)) {
            throw new Error(`not the same variants: ${JSON.stringify([mine, stick])}`);
        }
        extra.flags.push({ mine, stick });
        for (const kind of Object.keys(pairs)) {
            pairs[kind].push([mine[kind], stick].map((one) => one.evaluations / one.cpu_seconds));
        }
    }
    report('flags', 'one flag, 3 conditions and fractional', 'evals/CPU s', pairs.ready, 'json-logic-js', 1, false);
    report('flags', '  its context parsed each time', 'evals/CPU s', pairs.parsed, 'json-logic-js, objects ready', null, false);
}

async function trials() {
    extra.trials = await linesOf('bench_trials', 10000);
    const costs = extra.trials.filter((line) => line.effect === 0 && /5 looks/.test(line.title) && line.rule !== 'naive_5');
    const slowest = costs.reduce((one, two) => (two.cpu_seconds > one.cpu_seconds ? two : one));
    report('trials', `10,000 A/A experiments, ${slowest.title}`, 'CPU s', [[slowest.cpu_seconds, 10]], '10 s', 1, true);
    const plan = path.join(work, 'looks.yaml');
    fs.writeFileSync(plan, looksPlan);
    const simulated = await timed(playtrace, ['experiment', 'simulate', plan, '--runs', '10000', '--seed', '1']);
    report('trials', '  `experiment simulate`, 10,000 A/A and 10,000 A/B', 'CPU s', [[simulated.cpu, 10]], '10 s', 1, true);
    fs.writeFileSync(path.join(bin, 'error_rates.svg'), errorRatesPlot(extra.trials));
    console.log(errorRatesTable(extra.trials));
}

async function analyze() {
    const dir = path.join(work, 'analyze');
    const table = path.join(dir, 'lake', 'events');
    const sql = fs.readFileSync(path.join(here, 'bare.sql'), 'utf8');
    const ours = () => timed(playtrace, ['experiment', 'analyze', 'bench', '--data', dir]);
    const theirs = () => timed(playtrace, ['query', '--sql', sql, '--data', dir]);
    const result = [];

    fs.mkdirSync(table, { recursive: true });
    const [made] = await linesOf('bench_table', table, players);
    await run(playtrace, ['experiment', 'start', path.join(here, 'plan.yaml'), '--data', dir, '--late']);
    await ours(); // records the look, and warms the page cache
    await theirs();
    for (let round = 0; round < rounds; round++) {
        const first = round % 2 ? await theirs() : await ours();
        const second = round % 2 ? await ours() : await theirs();
        result.push(round % 2 ? { ours: second, bare: first } : { ours: first, bare: second });
    }
    const name = `analyze, 10 metrics, ${(made.events / 1e6).toFixed(1)} M events`;
    report('analyze', name, 'CPU s', result.map((one) => [one.ours.cpu, one.bare.cpu]), 'DuckDB, bare aggregation', 2, true);
    report('analyze', '  the same', 's', result.map((one) => [one.ours.wall, one.bare.wall]), 'DuckDB, bare aggregation', 2, true);
    extra.analyze = { ...made, rounds: result.map(({ ours: a, bare: b }) => ({ ours: [a.cpu, a.wall], bare: [b.cpu, b.wall] })) };
    fs.rmSync(dir, { recursive: true });
}

fs.mkdirSync(work, { recursive: true });
printHeader();
await runSections({ stats, flags, trials, analyze }, process.argv.slice(2));
finish('experiment', { extra });
