// test.mjs [STEP...] - everything that holds Playtrace to its promises, one step after the other
//
// Without arguments all steps run, in the order of the table at the end. Each step prints a heading and
// what failed in it; its whole output is kept in build/test-logs/. The end sums up what ran:
// test functions of the unit programs, tests of node:test, and one for each build that is a check of
// its own. A program that dies, a build that breaks and a report of a sanitizer each count as a failure.
// What failed is told a second time after the sum, with the end of its output, so that a log of which
// only the end was kept still says what and why.
//
// ROUNDS=n sets the rounds of kill -9 (100), PT_SEED=n replays a seed that a failure printed. The step
// `sweep` runs only when it is named (`make test-crash`): it takes the fault sweeps to every place.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const logDir = path.join(root, 'build', 'test-logs');
const stepMinutesMax = process.argv.includes('sweep') ? 600 : 25;
const jobs = String(os.cpus().length);
const totals = { passed: 0, failed: 0, skipped: 0 };
const failures = []; // { step, name, lines }
const failureLinesMax = 40;

const sanitizerEnv = {
    ASAN_OPTIONS: 'detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1',
    LSAN_OPTIONS: `suppressions=${path.join(root, 'tests/support/lsan.supp')}:print_suppressions=0`,
    UBSAN_OPTIONS: 'print_stacktrace=1',
    TSAN_OPTIONS: `suppressions=${path.join(root, 'tests/support/tsan.supp')}:second_deadlock_stack=1`,
};

function run(name, command, args, { env = {}, show = false } = {}) {
    return new Promise((resolve) => {
        const log = fs.createWriteStream(path.join(logDir, `${name}.log`));
        const child = spawn(command, args, {
            cwd: root,
            env: { ...process.env, ...sanitizerEnv, ...env },
            stdio: ['ignore', 'pipe', 'pipe'],
            timeout: stepMinutesMax * 60000, // what hangs fails its step, and not the whole run
        });
        let text = '';
        const take = (chunk) => {
            text += chunk;
            log.write(chunk);
            if (show) {
                process.stdout.write(chunk);
            }
        };
        child.stdout.on('data', take);
        child.stderr.on('data', take);
        child.on('error', (error) => take(`${command}: ${error.message}\n`));
        child.on('close', (code) => {
            log.end();
            resolve({ isOk: code === 0, text });
        });
    });
}

function count(counts) {
    for (const key of Object.keys(totals)) {
        totals[key] += counts[key];
    }
    return counts.failed === 0;
}

function say(counts) {
    console.log(`   ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
}

// Kept for the end. Of long output the end is shown; what a failed check printed stands there, except
// where a program said more afterwards, so lines that speak of a failure are kept in front of it.
function remember(step, name, lines) {
    const text = lines.filter((line) => line.trim() !== '');
    const tail = text.slice(-failureLinesMax);
    const said = text
        .slice(0, -failureLinesMax)
        .filter((line) => /FAILED|error:|Error:|Sanitizer|Failure!|PT_CHECK/.test(line))
        .slice(-failureLinesMax);
    failures.push({ step, name, lines: [...said, ...tail] });
}

// ---- builds -----------------------------------------------------------------

async function build(preset) {
    const result = await run(`build-${preset}`, 'tools/build.sh', [preset]);
    if (!result.isOk) {
        console.log(result.text);
        console.log(`   the ${preset} build is broken`);
        remember('build', preset, result.text.split('\n'));
    }
    return result.isOk;
}

async function buildAsCheck(preset) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    counts[(await build(preset)) ? 'passed' : 'failed'] = 1;
    say(counts);
    return count(counts);
}

// ---- unit programs, by CTest ---------------------------------------------------

// What one program said: its cmocka functions, or the program itself where it is a script.
function countProgram(lines, isOk) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const line of lines) {
        if (/^\[==========\].* test\(s\) run\.$/.test(line)) {
            break; // what follows repeats the failures
        }
        if (line.startsWith('[       OK ]')) {
            counts.passed++;
        } else if (line.startsWith('[  FAILED  ]')) {
            counts.failed++;
        } else if (line.startsWith('[  SKIPPED ]')) {
            counts.skipped++;
        }
    }
    if (!isOk && counts.failed === 0) {
        counts.failed = 1;
    } else if (isOk && counts.passed + counts.skipped === 0) {
        counts.passed = 1;
    }
    return counts;
}

async function unit(preset) {
    if (!(await build(preset))) {
        totals.failed++;
        return false;
    }
    const dir = preset === 'release' ? 'build' : `build/${preset}`;
    const result = await run(`unit-${preset}`, 'ctest', ['--test-dir', dir, '-V', '-j', jobs]);
    const output = new Map();
    const sum = { passed: 0, failed: 0, skipped: 0 };
    let programs = 0;

    for (const line of result.text.split('\n')) {
        const said = /^(\d+): (.*)$/.exec(line);
        const ended = /^ *\d+\/\d+ Test +#(\d+): (\S+) \.+ *(\S+)/.exec(line);
        if (said) {
            output.set(said[1], [...(output.get(said[1]) ?? []), said[2]]);
        } else if (ended) {
            const [, number, name, verdict] = ended;
            const lines = output.get(number) ?? [];
            const isOk = verdict === 'Passed';
            const counts = countProgram(lines, isOk);
            programs++;
            for (const key of Object.keys(sum)) {
                sum[key] += counts[key];
            }
            for (const skip of lines.filter((text) => /^skipped: |: skipped$/.test(text))) {
                console.log(`   ${name}: ${skip}`);
            }
            if (!isOk) {
                remember(`unit-${preset}`, `${name} (${verdict})`, lines);
                console.log(`   ${name}: failed\n${lines.map((text) => `      ${text}`).join('\n')}`);
            }
        }
    }
    if (programs === 0) {
        console.log(result.text);
        remember(`unit-${preset}`, 'ctest', result.text.split('\n'));
        sum.failed++;
    }
    console.log(`   ${programs} programs of ${dir}`);
    say(sum);
    return count(sum);
}

// The sweeps by themselves: in a full one each takes longer than CTest lets a program run. Of N processes
// (as many as processors) each tries every Nth place, and the seed says where it begins.
async function sweeps() {
    if (!(await build('release'))) {
        totals.failed++;
        return false;
    }
    const sum = { passed: 0, failed: 0, skipped: 0 };
    const every = process.env.PT_SWEEP ?? 'full';
    const shares = every === 'full' ? os.cpus().length : 1;
    const seed = Number(process.env.PT_SEED ?? Date.now() % 1000000000);
    const tasks = ['test_sweep', 'test_syscalls'].flatMap((name) => Array.from({ length: shares }, (_, at) => ({
        name,
        label: shares > 1 ? `${name}-${at + 1}-of-${shares}` : name,
        env: { PT_SWEEP: shares > 1 ? String(shares) : every, PT_SEED: String(seed + at) },
    })));
    tasks.push({ name: 'test_log_crash', label: 'test_log_crash', env: {} }); // always whole
    const next = async () => {
        for (let task = tasks.shift(); task; task = tasks.shift()) {
            const result = await run(task.label, path.join(root, 'build', 'tests', task.name), [], {
                // What a power cut leaves is worked out, not tried on a disk, so memory will do.
                env: { ...task.env, ...(fs.existsSync('/dev/shm') ? { TMPDIR: '/dev/shm' } : {}) },
            });
            const lines = result.text.split('\n');
            const counts = countProgram(lines, result.isOk);
            console.log(`   ${task.label} (${Object.entries(task.env).map((one) => one.join('=')).join(' ')})`);
            console.log(lines.filter((line) => /^\[ +(OK|FAILED) |^seed/.test(line)).map((line) => `     ${line}`).join('\n'));
            for (const key of Object.keys(sum)) {
                sum[key] += counts[key];
            }
            if (!result.isOk) {
                remember('sweep', task.label, lines);
            }
        }
    };
    await Promise.all(Array.from({ length: os.cpus().length }, next));
    say(sum);
    return count(sum);
}

// ---- node:test ----------------------------------------------------------------

const programOf = (preset) =>
    preset === 'release' ? {} : { PLAYTRACE_BIN: path.join(root, 'build', preset, 'playtrace') };

// Build what is tested first: a step may be the only one, and an earlier step's build may have failed.
async function nodeTests(name, directory, preset = 'release') {
    if (!(await build(preset))) {
        totals.failed++;
        return false;
    }
    const dir = path.join(root, directory);
    const files = fs.existsSync(dir)
        ? fs.readdirSync(dir).filter((file) => file.endsWith('.test.mjs')).sort()
        : [];
    const tap = path.join(logDir, `${name}.tap`);
    const result = await run(
        name,
        process.execPath,
        [
            '--test',
            '--test-reporter=spec', '--test-reporter-destination=stdout',
            '--test-reporter=tap', `--test-reporter-destination=${tap}`,
            ...files.map((file) => path.join(directory, file)),
        ],
        { env: programOf(preset), show: true },
    );
    const text = fs.existsSync(tap) ? fs.readFileSync(tap, 'utf8') : '';
    const number = (word) => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
    const counts = {
        passed: number('pass'),
        failed: number('fail') + number('cancelled'),
        skipped: number('skipped') + number('todo'),
    };
    if (!result.isOk && counts.failed === 0) {
        counts.failed = 1;
    }
    rememberTap(name, text, counts.failed > 0 ? result.text : '');
    return count(counts);
}

// Each `not ok` that is no parent of another, with the block of facts that TAP puts behind it.
function rememberTap(step, tap, said) {
    const lines = tap.split('\n');
    const before = failures.length;

    for (let i = 0; i < lines.length; i++) {
        const failed = /^( *)not ok \d+ - (.*)$/.exec(lines[i]);
        if (!failed || / # (SKIP|TODO)/i.test(lines[i])) {
            continue;
        }
        const facts = [];
        for (i++; i < lines.length && !/^ *\.\.\.$/.test(lines[i]); i++) {
            facts.push(lines[i].slice(failed[1].length));
        }
        if (!facts.some((line) => /failureType: 'subtestsFailed'/.test(line))) {
            remember(step, failed[2], facts);
        }
    }
    if (said !== '' && failures.length === before) {
        remember(step, 'the test runner', said.split('\n'));
    }
}

// ---- the steps ----------------------------------------------------------------

const steps = [
    ['unit', 'Unit tests, fault sweeps, conformance, layering (release build)', () => unit('release')],
    ['e2e', 'End to end: the real program over real sockets', () => nodeTests('e2e', 'tests/e2e')],
    ['interop', "Other people's readers", () => nodeTests('interop', 'tests/interop')],
    ['crash', 'kill -9 at random moments', () => nodeTests('crash', 'tests/crash')],
    ['asan', 'Unit tests under ASan and UBSan', () => unit('asan')],
    ['asan-e2e', 'End to end under ASan and UBSan',
        () => nodeTests('asan-e2e', 'tests/e2e', 'asan')],
    ['tsan', 'Unit tests under TSan', () => unit('tsan')],
    ['tsan-e2e', 'End to end under TSan',
        () => nodeTests('tsan-e2e', 'tests/e2e', 'tsan')],
    ['clang', "clang builds it, with the conventions' warnings as errors",
        () => buildAsCheck('clang')],
    ['m32', "The client for 32 bits under ASan and UBSan, its unit tests too", () => unit('m32')],
    ['wasm', "The client's core as WebAssembly, run by Node", () => unit('wasm')],
    ['windows', "The client's core for Windows: linked by mingw, and read as MSVC would", () => unit('windows')],
    ['sweep', 'Every call fails, and the power goes at every call', sweeps, { isOnlyAsked: true }],
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !steps.some((step) => step[0] === name));
if (unknown.length > 0) {
    console.error(`test: unknown step ${unknown.join(', ')}; there are: ${steps.map((step) => step[0]).join(', ')}`);
    process.exit(2);
}

fs.mkdirSync(logDir, { recursive: true });
const began = Date.now();
const broken = [];
for (const [name, title, action, { isOnlyAsked = false } = {}] of steps) {
    if (wanted.length > 0 ? !wanted.includes(name) : isOnlyAsked) {
        continue;
    }
    const start = Date.now();
    console.log(`\n== ${title}`);
    if (!(await action())) {
        broken.push(name);
    }
    console.log(`   ${((Date.now() - start) / 1000).toFixed(0)} s`);
}
console.log(`\n${((Date.now() - began) / 1000).toFixed(0)} s; logs in build/test-logs/`);
if (broken.length > 0) {
    console.log(`failed steps: ${broken.join(', ')}`);
}
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
for (const { step, name, lines } of failures) {
    console.log(`\n-- failed: ${step}: ${name}`);
    console.log(lines.map((line) => `   ${line}`).join('\n'));
}
if (failures.length > 0) {
    console.log(`\nfailed: ${failures.map(({ step, name }) => `${step}: ${name}`).join('; ')}`);
}
process.exit(totals.failed === 0 && broken.length === 0 ? 0 : 1);
