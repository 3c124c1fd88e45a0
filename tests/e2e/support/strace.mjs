// strace.mjs - a trace of a running process's system calls
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';

import { sleep } from './server.mjs';

// What a process that will be traced needs in its environment: LeakSanitizer traces at the end, and two cannot.
export const tracedEnv = { ASAN_OPTIONS: 'detect_leaks=0' };

// Attach to `pid` and write what `expression` (strace -e) selects to `file`, until the process ends or
// stop(). Undefined, after saying why by `t`, where strace is absent or may not attach.
export async function traceProcess(t, pid, file, expression) {
    if (spawnSync('strace', ['-V']).error) {
        t.diagnostic('there is no strace here');
        return undefined;
    }
    const child = spawn('strace', ['-f', '-y', '-s', '16', '-o', file, '-e', expression, '-p', String(pid)],
        { stdio: ['ignore', 'ignore', 'pipe'] });
    const ended = new Promise((resolve) => child.on('close', resolve));
    let said = '';
    child.stderr.on('data', (chunk) => (said += chunk));
    const until = Date.now() + 10000;
    while (!/attached/.test(said) && child.exitCode === null && Date.now() < until) {
        await sleep(20);
    }
    if (!/attached/.test(said)) {
        child.kill();
        t.diagnostic(`strace may not attach here: ${said.trim()}`);
        return undefined;
    }
    t.after(() => child.kill());
    return {
        // The trace's lines, once the process or the tracing has ended.
        async lines() {
            await ended;
            return fs.readFileSync(file, 'utf8').split('\n').filter((line) => line !== '');
        },
        stop() {
            child.kill('SIGINT');
        },
    };
}

// Lines become calls in the order of the trace: { thread, name, args, result, began, ended }, the last two
// being line numbers. A call that another thread's line cuts in two is put together again.
export function callsOf(lines) {
    const calls = [];
    const open = new Map();
    lines.forEach((line, index) => {
        const begun = /^(\d+) +(\w+)\((.*?)(?: <unfinished \.\.\.>|\) += (.*))$/.exec(line);
        const resumed = /^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (.*)$/.exec(line);
        if (begun) {
            const [, thread, name, args, result] = begun;
            const call = { thread, name, args, result, began: index, ended: result === undefined ? undefined : index };
            calls.push(call);
            if (result === undefined) {
                open.set(thread, call);
            }
        } else if (resumed && open.get(resumed[1])?.name === resumed[2]) {
            const call = open.get(resumed[1]);
            call.args += resumed[3];
            call.result = resumed[4];
            call.ended = index;
            open.delete(resumed[1]);
        }
    });
    return calls;
}
