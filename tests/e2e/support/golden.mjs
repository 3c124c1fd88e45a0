// golden.mjs - the shared reference values, held against what `playtrace stats` answers
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { cli } from './server.mjs';

export const shared = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../../shared');
export const goldenDir = path.join(shared, 'golden/stats');

export const records = (topic) =>
    JSON.parse(fs.readFileSync(path.join(goldenDir, `${topic}.json`), 'utf8')).records;

// The answers to `calls` ({fn, inputs}), in order.
export async function ask(calls) {
    const input = calls.map(({ fn, inputs }) => `${JSON.stringify({ fn, inputs })}\n`).join('');
    const { code, stdout, stderr } = await cli(['stats'], { input, timeoutMs: 600000 });
    if (code !== 0) {
        throw new Error(`playtrace stats: exit ${code}: ${stderr}`);
    }
    return stdout.trim().split('\n').map((line) => JSON.parse(line));
}

// 'inf' and '-inf' are numbers, null is NaN; everything else as it is.
const number = (value) =>
    value === null ? NaN : value === 'inf' ? Infinity : value === '-inf' ? -Infinity : value;

// How far `got` is from `want`, as a share of what is allowed; Infinity where it cannot be compared.
function share(got, want, tolerance) {
    if (typeof want === 'boolean') {
        return got === want ? 0 : Infinity;
    }
    if (Array.isArray(want)) {
        if (!Array.isArray(got) || got.length !== want.length) {
            return Infinity;
        }
        return want.reduce((worst, one, i) => Math.max(worst, share(got[i], one, tolerance)), 0);
    }
    if (got === undefined) {
        return Infinity;
    }
    const [x, y] = [number(got), number(want)];
    if (Number.isNaN(y) || !Number.isFinite(y)) {
        return Object.is(x, y) ? 0 : Infinity;
    }
    const off = Math.abs(x - y);
    const allowed = Math.max(tolerance.abs ?? 0, (tolerance.rel ?? 0) * Math.abs(y));
    return off === 0 ? 0 : off <= allowed ? off / allowed : Number.isFinite(off) ? Math.max(off / allowed, 1.0000001) : Infinity;
}

// The misses of one record's expected fields, and its largest error as a share of the tolerance.
export function compare(record, result) {
    const misses = [];
    let worst = 0;
    for (const [field, want] of Object.entries(record.expected)) {
        const got = result?.[field];
        const off = share(got, want, record.tolerance.fields?.[field] ?? record.tolerance);
        worst = Math.max(worst, off);
        if (!(off <= 1)) {
            misses.push(`${record.id}: ${field}: ${JSON.stringify(got)}, want ${JSON.stringify(want)} `
                + `(${off.toPrecision(3)} of what is allowed)`);
        }
    }
    return { misses, worst };
}

// Counts and the worst error a function, in a table; the misses of all.
export class Score {
    constructor() {
        this.functions = new Map();
        this.misses = [];
    }

    add(record, answer) {
        const entry = this.functions.get(record.fn) ?? { count: 0, worst: 0 };
        const { misses, worst } = answer.error
            ? { misses: [`${record.id}: ${answer.error}`], worst: Infinity }
            : compare(record, answer.result);
        entry.count++;
        entry.worst = Math.max(entry.worst, worst);
        this.functions.set(record.fn, entry);
        this.misses.push(...misses);
    }

    get count() {
        return [...this.functions.values()].reduce((sum, { count }) => sum + count, 0);
    }

    table() {
        return [...this.functions].map(([fn, { count, worst }]) =>
            `${fn.padEnd(28)} ${String(count).padStart(4)} records, worst error ${worst.toPrecision(2)} of tolerance`);
    }
}
