// report.test.mjs - an experiment's report, opened in a real Chromium: whole, quiet, and readable on every screen
//
// Each page is opened from the file, wide, on a phone's width and in the dark. It must ask for nothing, complain of
// nothing, show its verdict, intervals and plots, run off no edge, and let no label of a chart touch another.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';

import { Chromium, findChromium } from './support/chromium.mjs';
import { at, cookieCats, send, storeCookieCats, write } from './support/experiment.mjs';
import { Server, cliOk, event, freshDir, patience } from './support/server.mjs';

const screens = {
    wide: { width: 1200, height: 900 },
    phone: { width: 390, height: 844, isPhone: true },
    dark: { width: 1200, height: 900, isDark: true },
};
let browser = null;

before(async () => {
    assert.ok(findChromium(), 'no Chromium is here: run tools/setup.sh test');
    browser = await Chromium.start({ timeoutMs: 60000 * patience });
});
after(() => browser?.close());

// What a reader would notice, as the page itself measures it.
const look = `(() => {
    const seen = (node) => { const box = node.getBoundingClientRect(); return box.width > 0 && box.height > 0; };
    const colour = (node, name) => getComputedStyle(node)[name].match(/[\\d.]+/g).slice(0, 3).map(Number);
    const light = (rgb) => rgb.map((one) => one / 255).map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
        .reduce((sum, one, i) => sum + one * [0.2126, 0.7152, 0.0722][i], 0);
    const contrast = (one, two) => (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    const card = light(colour(document.querySelector('section'), 'backgroundColor'));
    const charts = [...document.querySelectorAll('svg[viewBox^="0 0 760"]')];
    const touching = [];
    let smallest = Infinity;
    for (const chart of charts) {
        const edge = chart.getBoundingClientRect();
        const labels = [...chart.querySelectorAll('text')].map((node) => ({ text: node.textContent, box: node.getBoundingClientRect(), node }));
        labels.forEach(({ text, box, node }, i) => {
            smallest = Math.min(smallest, parseFloat(getComputedStyle(node).fontSize) * edge.width / 760);
            if (box.left < edge.left - 1 || box.right > edge.right + 1 || box.top < edge.top - 1 || box.bottom > edge.bottom + 1) {
                touching.push(text + ' | the edge');
            }
            for (const other of labels.slice(i + 1)) {
                if (box.left < other.box.right && other.box.left < box.right && box.top + 2 < other.box.bottom && other.box.top + 2 < box.bottom) {
                    touching.push(text + ' | ' + other.text);
                }
            }
        });
    }
    return {
        title: document.title,
        verdict: seen(document.querySelector('.verdict > b')) && document.querySelector('.verdict > b').textContent,
        words: document.querySelector('.verdict').innerText,
        text: document.body.innerText,
        charts: charts.filter(seen).length,
        marks: charts.map((chart) => [...chart.querySelectorAll('circle,rect,path,line.span')].filter(seen).length),
        bars: [...document.querySelectorAll('svg.bar')].filter(seen).length,
        overflow: document.documentElement.scrollWidth - innerWidth,
        outside: [...document.querySelectorAll('section *')].filter((node) => {
            const [box, card] = [node.getBoundingClientRect(), node.closest('section').getBoundingClientRect()];
            return box.width > 0 && (box.right > card.right || box.left < card.left);
        }).map((node) => node.tagName + ' ' + node.textContent),
        // Short words that a narrow cell cut in two.
        cut: [...document.querySelectorAll('td,th')].flatMap((cell) => {
            const nodes = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
            const found = [];
            while (nodes.nextNode()) {
                for (const { 0: word, index } of nodes.currentNode.data.matchAll(/\\S+/g)) {
                    const range = document.createRange();
                    range.setStart(nodes.currentNode, index);
                    range.setEnd(nodes.currentNode, index + word.length);
                    if (word.length <= 12 && new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) {
                        found.push(word);
                    }
                }
            }
            return found;
        }),
        // A column so narrow that words are cut up.
        narrowest: Math.min(...[...document.querySelectorAll('.metrics td:first-child')].map((node) => node.getBoundingClientRect().width)),
        touching, smallest, card,
        contrasts: ['body', '.sub', '.key', 'th', 'td small'].map((name) => document.querySelector(name)).filter(Boolean)
            .map((node) => contrast(light(colour(node, 'color')), card)),
    };
})()`;

// Opens the report of `name` on every screen; what the wide one shows.
async function read(dir, name) {
    const file = path.join(dir, `${name}.html`);
    await cliOk(['experiment', 'report', name, '--html', file, '--data', dir]);
    const all = {};
    for (const [screen, size] of Object.entries(screens)) {
        const page = await browser.open(pathToFileURL(file).href, size);
        const said = await page.evaluate(look);
        const where = `${name}, ${screen}`;
        assert.deepEqual(page.complaints, [], where);
        assert.deepEqual(page.requests, [pathToFileURL(file).href], `${where}: it asks for nothing but itself`);
        assert.ok(said.overflow <= 0, `${where}: runs ${said.overflow} px off the edge`);
        assert.deepEqual(said.cut, [], `${where}: words are cut in two`);
        assert.deepEqual(said.outside, [], `${where}: runs out of its card`);
        assert.ok(said.narrowest >= 120, `${where}: the metrics' names have ${said.narrowest} px`);
        assert.deepEqual(said.touching, [], `${where}: labels touch`);
        assert.ok(said.smallest >= 9, `${where}: letters of ${said.smallest} px`);
        assert.ok(said.contrasts.every((one) => one >= 4.5), `${where}: contrasts ${said.contrasts}`);
        assert.equal(said.card < 0.2, screen === 'dark', where);
        assert.doesNotMatch(said.text, /nan\b|\binf\b|undefined|null/i, where);
        assert.ok(said.marks.every((one) => one > 0), `${where}: an empty plot, ${said.marks}`);
        if (process.env.PT_SCREENSHOTS) {
            await page.screenshot(path.join(process.env.PT_SCREENSHOTS, `${name}-${screen}.png`));
        }
        all[screen] = said;
        await page.close();
    }
    assert.equal(all.phone.verdict, all.wide.verdict);
    return all.wide;
}

// ---- experiments with every verdict -------------------------------------------

const planText = ({ name, variants, alternative = 'two-sided', analysis, effect = 0.2 }) => `
experiment: ${name}
hypothesis: A clearer shop & a <b>bigger</b> button sell more
alternative: ${alternative}
variants: {${variants.map((one) => `${one}: 1`).join(', ')}}
minimum_effect: {absolute: ${effect}, baseline: 0.3}
metrics:
  primary: {name: bought, type: conversion, event: purchase, window: 1d}
  secondary:
    - {name: spent, type: mean, event: purchase, field: price, window: 1d, winsorise: 0.99}
    - name: price
      type: ratio
      window: 1d
      numerator: {event: purchase, field: price}
      denominator: {event: purchase}
  guardrails:
    - {name: stayed, type: retention, day: 1, margin: 0.02}
analysis: ${analysis}
`;

// Of each ten players of a variant `share` buy, and three come back; they arrive over `days`.
function players(name, variants, shares, from, count, days) {
    const all = [];
    variants.forEach((variant, arm) => {
        for (let i = from; i < from + (count[arm] ?? count); i++) {
            const user = `${name}-${variant}-${i}`;
            const one = (event_name, seconds, attributes) => event({ event_name, user_id: user, session_id: `${user}-s`,
                occurred_at: at(i % days, seconds), attributes });
            all.push(one('experiment_exposure', 0, { experiment: name, variant }));
            if (i * 7 % 10 < shares[arm]) {
                all.push(one('purchase', 60, { price: 100 + i % 7 }));
            }
            if (i % 3 === 0) {
                all.push(one('session_start', 86400 + i % 1000));
            }
        }
    });
    return all;
}

test('each verdict on each screen: said in words, drawn, and nothing runs off or touches', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const [a, b, c] = ['control', 'a_rather_long_name_of_a_treatment', 'c'];
    const looks = '{type: group_sequential, looks: [0.25, 0.5, 0.75, 1]';
    const cases = [
        { name: 'effect', variants: [a, b], shares: [3, 7], count: 50, analysis: `${looks}}`,
            verdict: /^Stop: an effect is shown: ship a_rather/, words: /bought is higher with .*corrected for that/s },
        { name: 'worse', variants: [a, b], shares: [7, 2], count: 50, analysis: `${looks}}`,
            verdict: /keep control$/, words: /bought is lower with .*Give control to everybody/s },
        { name: 'going', variants: [a, b], shares: [4, 5], count: 40, analysis: `${looks}}`,
            verdict: /^Continue$/, words: /Nothing is decided yet.*next look is due at \d+/s },
        { name: 'futile', variants: [a, b], shares: [5, 3], count: 60, alternative: 'larger',
            analysis: `${looks}, futility: {spending: pocock, binding: true}}`,
            verdict: /^Stop: futility/, words: /Keep control/ },
        { name: 'smaller', variants: [a, b], shares: [6, 2], count: 60, alternative: 'smaller',
            analysis: `${looks}}`, verdict: /ship a_rather/, words: /lower with/ },
        { name: 'nothing', variants: [a, b], shares: [4, 4], count: 200, analysis: '{type: fixed}',
            verdict: /^Inconclusive/, words: /not among what is still possible.*Keep control/s },
        { name: 'always', variants: [a, b], shares: [2, 8], count: 100, analysis: '{type: always_valid}',
            verdict: /ship a_rather/, words: /at most 5/ },
        { name: 'bayes', variants: [a, b], shares: [3, 7], count: 100, analysis: '{type: bayesian}',
            verdict: /ship a_rather/, words: /rests on the plan's prior/ },
        { name: 'broken', variants: [a, b], shares: [3, 7], count: [400, 200], analysis: '{type: fixed}',
            verdict: /^Invalid/, words: /Do not decide by it/ },
        { name: 'three', variants: [a, b, c], shares: [3, 3, 8], count: 150, analysis: '{type: fixed}',
            verdict: /ship c$/, words: /higher with c than with control/ },
    ];
    for (const one of cases) {
        await cliOk(['experiment', 'start', write(dir, planText(one)), '--data', dir]);
    }
    await send(server, cases.flatMap((one) => players(one.name, one.variants, one.shares, 0, one.count, 20)));
    await server.stop();
    for (const one of cases) {
        await cliOk(['experiment', 'analyze', one.name, '--data', dir]);
        const said = await read(dir, one.name);
        assert.match(said.verdict, one.verdict, one.name);
        assert.match(said.words, one.words, one.name);
        assert.equal(said.title, one.name);
        assert.match(said.text, /A clearer shop & a <b>bigger<\/b> button/, 'names and words are text, not markup');
        assert.equal(said.charts, 3, `${one.name}: boundaries, difference, exposures`);
        assert.ok(said.bars >= 3, `${one.name}: ${said.bars} intervals`);
    }
});

test('Cookie Cats: the published readout as a page', async (t) => {
    if (!fs.existsSync(cookieCats)) {
        t.skip('the data set is not here');
        return;
    }
    const dir = freshDir(t);
    await storeCookieCats(t, dir);
    await cliOk(['experiment', 'analyze', 'gate', '--data', dir]);
    const said = await read(dir, 'gate');
    const text = said.text.replaceAll('\u00a0', ' ').replaceAll('\u2212', '-');
    assert.equal(said.verdict, 'Stop: an effect is shown: keep gate_30');
    for (const figure of ['19.02 %', '18.20 %', '-0.82 pp', '-1.33 pp to -0.31 pp', '0.0016', '44.82 %', '44.23 %', '-0.59 pp',
        '44,700', '45,489', 'p = 0.0086', '51.031', '50.935']) {
        assert.ok(text.includes(figure), `${figure} is not on the page`);
    }
    assert.equal(said.charts, 3);
    assert.equal(said.bars, 3);
});
