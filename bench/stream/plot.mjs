// plot.mjs - growth as an SVG: four small charts over one logarithmic axis of events

const width = 760;
const height = 520;
const colour = '#2563a8';

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

// 1, 2 or 5 times a power of ten, not below `value`.
function roundUp(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return power * [1, 2, 5, 10].find((step) => step * power >= value);
}

function chart(points, title, left, top, w, h) {
    const xs = points.map(([x]) => Math.log10(x));
    const most = roundUp(Math.max(...points.map(([, y]) => y)) || 1);
    const x = (value) => left + (Math.log10(value) - xs[0]) / ((xs.at(-1) - xs[0]) || 1) * w;
    const y = (value) => top + h - value / most * h;
    const parts = [`<text x="${left}" y="${top - 12}" font-weight="bold">${escape(title)}</text>`];
    for (let i = 0; i <= 4; i++) {
        const value = most * i / 4;
        parts.push(`<line x1="${left}" x2="${left + w}" y1="${y(value)}" y2="${y(value)}" stroke="#ddd"/>`,
            `<text x="${left - 6}" y="${y(value) + 4}" text-anchor="end">${Number(value.toPrecision(3))}</text>`);
    }
    for (const [events, value] of points) {
        parts.push(`<circle cx="${x(events).toFixed(1)}" cy="${y(value).toFixed(1)}" r="3" fill="${colour}"/>`,
            `<text x="${x(events).toFixed(1)}" y="${top + h + 16}" text-anchor="middle">${events / 1e6} M</text>`);
    }
    const line = points.map(([events, value]) => `${x(events).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
    parts.push(`<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    return parts.join('\n');
}

// `rows` as bench_engine growth prints them.
export function growthPlot(rows) {
    const series = [
        ['CPU ns an event, since the point before', (row) => row.cpu_ns],
        ['resident MB', (row) => row.resident_bytes / 1e6],
        ['bytes on disk an event: ids and state', (row) => row.state_bytes / row.events],
        ['bytes on disk an event: table', (row) => row.lake_bytes / row.events],
    ];
    const charts = series.map(([title, value], i) => chart(rows.map((row) => [row.events, value(row)]), title,
        60 + (i % 2) * 380, 50 + Math.floor(i / 2) * 250, 290, 170));
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" `
        + `font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n${charts.join('\n')}\n</svg>\n`;
}
