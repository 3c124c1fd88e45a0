// plot.mjs - how often each way of looking calls a difference where there is none: a plot and a table

const width = 760;
const height = 660;
const percent = (value, digits = 1) => `${(100 * value).toFixed(digits)} %`;
const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

// Readable on a white page and on a dark one: the reader's browser says which it is.
const style = `text{fill:#3a4652;font:12px system-ui,sans-serif}.title{font-weight:600;font-size:14px;fill:#1c2733}
.halo{paint-order:stroke;stroke:#fff;stroke-width:4px}.paper{fill:#fff}.grid{stroke:#e2e7ec}.alpha{stroke:#c0392b;stroke-dasharray:5 4}
text.alphatext{fill:#c0392b}.range,.line{fill:none;stroke-width:2}.good,.one{color:#0072b2}.two{color:#00795a}.three{color:#7b52ab}.bad{color:#c2500a}
.range,.line{stroke:currentColor}circle,text.label{fill:currentColor}
@media (prefers-color-scheme:dark){text{fill:#b9c4cf}.title{fill:#eef2f6}.halo{stroke:#14191f}.paper{fill:#14191f}.grid{stroke:#2b333c}
.alpha{stroke:#ff7b6b}text.alphatext{fill:#ff7b6b}.good,.one{color:#56b4e9}.two{color:#3fc79f}.three{color:#b79aea}.bad{color:#f0913a}}`;

const isBad = (row) => /naive|bayesian/.test(row.rule);

// Each rule's rate with its 99 % interval, over one axis to 50 %.
function rates(rows, left, top, w) {
    const step = 26;
    const most = 0.5;
    const x = (value) => left + value / most * w;
    const bottom = top + rows.length * step;
    const parts = [`<text class="title" x="16" y="${top - 32}">Share of 10,000 experiments without a difference that were called, with its 99 % interval</text>`];
    for (let i = 0; i <= 5; i++) {
        parts.push(`<line class="grid" x1="${x(i / 10)}" x2="${x(i / 10)}" y1="${top - 8}" y2="${bottom}"/>`,
            `<text x="${x(i / 10)}" y="${bottom + 16}" text-anchor="middle">${i * 10} %</text>`);
    }
    parts.push(`<line class="alpha" x1="${x(0.05)}" x2="${x(0.05)}" y1="${top - 8}" y2="${bottom}"/>`,
        `<text class="alphatext" x="${x(0.05)}" y="${top - 13}" text-anchor="middle">alpha 5 %</text>`);
    rows.forEach((row, i) => {
        const y = top + 10 + i * step;
        const kind = isBad(row) ? 'bad' : 'good';
        parts.push(`<text x="${left - 12}" y="${y + 4}" text-anchor="end">${escape(row.title)}</text>`,
            `<line class="range ${kind}" x1="${x(row.low).toFixed(1)}" x2="${x(row.high).toFixed(1)}" y1="${y}" y2="${y}"/>`,
            `<circle class="${kind}" cx="${x(row.rate).toFixed(1)}" cy="${y}" r="3.5"/>`,
            `<text class="halo" x="${(x(row.high) + 9).toFixed(1)}" y="${y + 4}">${percent(row.rate, 2)}</text>`);
    });
    return parts.join('\n');
}

// Share of the trials called up to each day.
function byDay(rows, left, top, w, h, days) {
    const most = 0.3;
    const x = (day) => left + day / days * w;
    const y = (value) => top + h - value / most * h;
    const parts = [`<text class="title" x="16" y="${top - 22}">Share of the same experiments called up to each day</text>`];
    for (let i = 0; i <= 3; i++) {
        parts.push(`<line class="grid" x1="${left}" x2="${left + w}" y1="${y(i / 10)}" y2="${y(i / 10)}"/>`,
            `<text x="${left - 8}" y="${y(i / 10) + 4}" text-anchor="end">${i * 10} %</text>`);
    }
    for (let day = 0; day <= days; day += 7) {
        parts.push(`<text x="${x(day)}" y="${top + h + 18}" text-anchor="middle">${day}</text>`);
    }
    parts.push(`<text x="${x(28)}" y="${top + h + 34}" text-anchor="middle">day (28: the planned end)</text>`,
        `<line class="alpha" x1="${left}" x2="${left + w}" y1="${y(0.05)}" y2="${y(0.05)}"/>`);
    const ends = [];
    for (const [rule, label, kind] of [['naive', 'p < 0.05, every day', 'bad'], ['pocock', 'Pocock type, 5 looks', 'two'],
        ['obrien_fleming', 'O\'Brien-Fleming type, 5 looks', 'one'], ['always_valid', 'always valid, every day', 'three']]) {
        const row = rows.find((one) => one.rule === rule);
        const share = (day) => (day === 0 ? 0 : row.called_by_day[day - 1] / row.trials);
        const points = Array.from({ length: days + 1 }, (_, day) => `${x(day).toFixed(1)},${y(share(day)).toFixed(1)}`);
        parts.push(`<polyline class="line ${kind}" points="${points.join(' ')}"/>`);
        ends.push({ at: y(share(days)) + 4, kind, label });
    }
    // Labels stand at the ends of their lines, the upper ones pushed up where they would touch.
    ends.sort((one, two) => two.at - one.at).forEach((end, i) => {
        end.at = i > 0 ? Math.min(end.at, ends[i - 1].at - 15) : end.at;
        parts.push(`<text class="label ${end.kind}" x="${x(days) + 8}" y="${end.at.toFixed(1)}">${escape(end.label)}</text>`);
    });
    return parts.join('\n');
}

// `rows` as bench_trials prints them.
export function errorRatesPlot(rows) {
    const none = rows.filter((row) => row.effect === 0);
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" `
        + `aria-label="Type I error of each design">\n<style>${style}</style>\n<rect class="paper" width="100%" height="100%"/>\n`
        + `${rates(none, 270, 56, 420)}\n${byDay(none, 60, 410, 500, 190, 31)}\n</svg>\n`;
}

export function errorRatesTable(rows) {
    const of = (rule, hasEffect) => rows.find((row) => row.rule === rule && (row.effect > 0) === hasEffect);
    const names = rows.filter((row) => row.effect === 0).map((row) => row.rule);
    return ['| design | called without an effect | 99 % interval | seed | called with the planned effect | 99 % interval | seed | largest size | mean size, no effect | with |',
        '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
        ...names.map((name) => {
            const [none, some] = [of(name, false), of(name, true)];
            return `| ${none.title} | ${percent(none.rate, 2)} | ${percent(none.low, 2)} to ${percent(none.high, 2)} | ${none.seed} `
                + `| ${percent(some.rate)} | ${percent(some.low)} to ${percent(some.high)} | ${some.seed} | ${none.planned_players} `
                + `| ${Math.round(none.mean_players)} | ${Math.round(some.mean_players)} |`;
        })].join('\n');
}
