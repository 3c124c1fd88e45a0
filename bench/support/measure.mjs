// measure.mjs - what the benchmarks of bench/ share: processes and their CPU, medians, the table of figures
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const bin = path.join(root, 'build', 'bench');
export const work = path.join(bin, 'work');
export const shared = process.env.BENCH_SHARED ?? path.resolve(root, '..', 'shared', 'bench');
export const rounds = Number(process.env.ROUNDS ?? 5);

export const rows = [];
export const skipped = [];
export const running = new Set();

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;
export const program = (name) => path.join(bin, name);

export function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
}

// `pairs` are [figure, yardstick] of each round. atMost: the goal is a ceiling, else a floor.
export function report(section, name, unit, pairs, yardstick, goal, atMost) {
    const ratio = median(pairs.map(([figure, stick]) => figure / stick));
    rows.push({
        section, name, unit, yardstick, goal, atMost, ratio, pairs,
        figure: median(pairs.map((pair) => pair[0])),
        yardstickFigure: median(pairs.map((pair) => pair[1])),
        isMet: goal === null || (atMost ? ratio <= goal : ratio >= goal),
    });
    printRow(rows.at(-1));
}

export function skip(section, why) {
    skipped.push(`${section}: ${why}`);
    console.log(`-- ${section}: left out: ${why}`);
}

const short = (value) => (value >= 1000 ? value.toFixed(0) : value.toPrecision(3));

function printRow(row) {
    const sign = row.atMost ? '<=' : '>=';
    const goal = row.goal === null ? '-' : `${sign} ${row.goal}`;
    const verdict = row.goal === null ? '' : row.isMet ? 'pass' : 'SHORT';
    console.log(`${row.name.padEnd(52)} ${short(row.figure).padStart(8)} ${short(row.yardstickFigure).padStart(8)} `
        + `${row.unit.padEnd(14)} ${row.ratio.toFixed(2).padStart(6)} ${goal.padStart(8)}  ${verdict}`);
}

// ---- processes ---------------------------------------------------------------

// Runs to its end; the text that it printed.
export function run(command, args, options = {}) {
    return new Promise((resolve, reject) => {
        const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
        let text = '';
        let errors = '';
        running.add(child);
        child.stdout.on('data', (chunk) => (text += chunk));
        child.stderr.on('data', (chunk) => (errors += chunk));
        child.on('error', reject);
        child.on('close', (code) => {
            running.delete(child);
            if (code === 0) {
                resolve(text);
            } else {
                reject(new Error(`${path.basename(command)} ${args.join(' ')}: exit ${code}: ${errors}${text}`));
            }
        });
    });
}

// As run(), with the seconds that passed and those of CPU, of all its threads, to the millisecond.
export async function timed(command, args) {
    const file = path.join(work, 'timed');
    const text = await run('bash', ['-c', 'TIMEFORMAT="%R %U %S"; { time "$@" 2>&3; } 3>&2 2>"$0"', file, command, ...args]);
    const [wall, user, system] = fs.readFileSync(file, 'utf8').trim().split(' ').map(Number);
    return { text, wall, cpu: user + system };
}

// A server that listens on `port`, or on the one that its first line names.
export async function start(command, args, port, env = process.env) {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
    running.add(child);
    child.gone = new Promise((resolve) => child.on('close', resolve));
    child.gone.then(() => running.delete(child));
    child.port = port ?? await new Promise((resolve, reject) => {
        let text = '';
        child.stdout.on('data', (chunk) => {
            text += chunk;
            const found = /listening on \S*:(\d+)/.exec(text);
            if (found) {
                resolve(Number(found[1]));
            }
        });
        child.on('close', () => reject(new Error(`${path.basename(command)} did not start`)));
    });
    for (let i = 0; !await canConnect(child.port); i++) {
        if (i === 600 || child.exitCode !== null) {
            throw new Error(`${path.basename(command)} does not listen`);
        }
        await sleep(100);
    }
    return child;
}

function canConnect(port) {
    return new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('connect', () => { socket.destroy(); resolve(true); });
        socket.on('error', () => resolve(false));
    });
}

export async function stop(child) {
    child.kill('SIGTERM');
    await child.gone;
}

process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export function freePort() {
    return new Promise((resolve) => {
        const server = net.createServer();
        server.listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

// The process and its children.
function family(pid) {
    const children = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return [pid, ...(children ? children.split(' ').flatMap((child) => family(Number(child))) : [])];
}

// CPU seconds of all threads, to the nanosecond.
export function cpuSeconds(pid) {
    let ns = 0;
    for (const member of family(pid)) {
        for (const task of fs.readdirSync(`/proc/${member}/task`)) {
            ns += Number(fs.readFileSync(`/proc/${member}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
        }
    }
    return ns / 1e9;
}

export function residentBytes(pid) {
    return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

export function printHeader() {
    console.log(`${'figure'.padEnd(52)} ${'ours'.padStart(8)} ${'yardst.'.padStart(8)} ${'unit'.padEnd(14)} `
        + `${'ratio'.padStart(6)} ${'goal'.padStart(8)}`);
}

// Everything that was reported, as build/bench/NAME.json and NAME.csv; `extra` goes into the JSON.
export function finish(name, extra = {}) {
    const stem = path.join(bin, name);
    fs.writeFileSync(`${stem}.json`, `${JSON.stringify({ rounds, ...extra, rows, skipped }, null, 1)}\n`);
    fs.writeFileSync(`${stem}.csv`, ['section,name,unit,figure,yardstick,yardstick_figure,ratio,goal,is_met',
        ...rows.map((row) => [row.section, `"${row.name.trim()}"`, row.unit, row.figure, `"${row.yardstick}"`,
            row.yardstickFigure, row.ratio, row.goal ?? '', row.isMet].join(','))].join('\n') + '\n');
    running.forEach((child) => child.kill('SIGKILL')); // a section that broke off left its server
    fs.rmSync(work, { recursive: true, force: true });
    const missed = rows.filter((row) => !row.isMet);
    console.log(`${rows.length} figures, ${missed.length} short of their goal, ${skipped.length} sections left out; `
        + `all values in build/bench/${name}.json`);
}

// Runs those of `sections` that are named (all, where none is). One that fails makes the exit code 1.
export async function runSections(sections, wanted) {
    for (const name of wanted) {
        if (!sections[name]) {
            console.error(`run.mjs: no section ${name} (there are ${Object.keys(sections).join(', ')})`);
            process.exit(2);
        }
    }
    for (const name of wanted.length ? wanted : Object.keys(sections)) {
        try {
            await sections[name]();
        } catch (error) {
            skip(name, error.message); // the others are still measured
            process.exitCode = 1;
        }
    }
}
