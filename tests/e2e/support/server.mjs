// server.mjs - the real program under test: `playtrace serve` on a directory of its own, and the CLI
//
// PLAYTRACE_BIN names another build's program (the sanitizer builds run the same tests). What a
// sanitizer reports on standard error fails the test that stops the server or ran the command.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const program = process.env.PLAYTRACE_BIN ?? path.join(root, 'build', 'playtrace');
// A sanitizer costs a factor of 5 to 15; waiting longer costs nothing where all is well.
export const patience = /[at]san/.test(program) ? 10 : 1;
export const sharedData = path.resolve(root, '..', 'shared', 'data');

const readyMs = 20000 * patience;
const stopMs = 20000 * patience;

export function sleep(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
}

// Wait for what is going to be true, and give it; a machine that is slow only waits longer.
export async function until(what, ask) {
    for (let tries = 0; tries < 600 * patience; tries++) {
        const answer = await ask();
        if (answer) {
            return answer;
        }
        await sleep(50);
    }
    assert.fail(`${what} did not come`);
}

// Every PLAYTRACE_ name is a setting to the program, so that only those a test asks for may reach it.
export function environment(extra = {}) {
    const env = { ...process.env, ...extra };
    for (const name of Object.keys(env)) {
        if (name.startsWith('PLAYTRACE_') && !(name in extra)) {
            delete env[name];
        }
    }
    return env;
}

function assertNoSanitizerReport(text) {
    const report = /(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:)[^]*/.exec(text);
    assert.ok(!report, report?.[0]);
}

// A fresh directory, gone when the test `t` ends.
export function freshDir(t) {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'playtrace-e2e-'));
    t.after(() => {
        try {
            fs.rmSync(dir, { recursive: true, force: true });
        } catch {
            // A server of a test that failed still writes there; the hook that kills it comes after this one.
            process.once('exit', () => fs.rmSync(dir, { recursive: true, force: true }));
        }
    });
    return dir;
}

// Run the program to its end: { code, signal, stdout, stderr }.
export function cli(args, { env, input, cwd, timeoutMs = 120000 * patience } = {}) {
    return new Promise((resolve, reject) => {
        const child = spawn(program, args, {
            cwd,
            env: environment(env),
            stdio: ['pipe', 'pipe', 'pipe'],
        });
        const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
        let stdout = '';
        let stderr = '';
        child.stdout.setEncoding('utf8'); // a letter of two bytes may come in two parts
        child.stderr.setEncoding('utf8');
        child.stdout.on('data', (chunk) => (stdout += chunk));
        child.stderr.on('data', (chunk) => (stderr += chunk));
        child.stdin.on('error', () => {}); // it may end without reading
        child.stdin.end(input ?? '');
        child.on('error', reject);
        child.on('close', (code, signal) => {
            clearTimeout(timer);
            try {
                assertNoSanitizerReport(stderr);
                resolve({ code, signal, stdout, stderr });
            } catch (error) {
                reject(error);
            }
        });
    });
}

export async function cliOk(args, options) {
    const result = await cli(args, options);
    assert.equal(result.code, 0, `playtrace ${args.join(' ')}: ${result.stderr}${result.stdout}`);
    return result;
}

// The rows of a query, as objects.
export async function sql(dataDir, text) {
    const result = await cliOk(['query', '--data', dataDir, '--format', 'json', '--sql', text]);
    return JSON.parse(result.stdout);
}

export async function countRows(dataDir) {
    const [row] = await sql(dataDir, 'select count(*) as n, count(distinct event_id) as ids from events');
    return { rows: Number(row.n), ids: Number(row.ids) };
}

export class Server {
    // Starts `serve` on `dataDir` (undefined: an argument says where else) and waits for its "listening on".
    // `args` and `env` are added.
    static async start(dataDir, { args = [], env = {}, cwd } = {}) {
        const server = new Server();
        server.dataDir = dataDir;
        server.stderr = '';
        server.stdout = '';
        server.child = spawn(
            program,
            ['serve', ...(dataDir ? ['--data', dataDir] : []), '--listen', '127.0.0.1:0', ...args],
            { cwd, env: environment(env), stdio: ['ignore', 'pipe', 'pipe'] },
        );
        server.exited = new Promise((resolve) => {
            server.child.on('close', (code, signal) => {
                server.exit = { code, signal };
                resolve(server.exit);
            });
        });
        server.child.stderr.on('data', (chunk) => (server.stderr += chunk));
        await server.becomeReady();
        server.agent = new http.Agent({ keepAlive: true });
        return server;
    }

    becomeReady() {
        let timer;
        return new Promise((resolve, reject) => {
            timer = setTimeout(() => {
                this.child.kill('SIGKILL');
                reject(new Error(`serve was not ready in ${readyMs} ms:\n${this.stderr}`));
            }, readyMs);
            this.child.on('error', reject);
            this.exited.then(({ code, signal }) =>
                reject(new Error(`serve ended (${code ?? signal}) before it was ready:\n${this.stderr}`)));
            this.child.stdout.on('data', (chunk) => {
                this.stdout += chunk;
                this.url ??= /^listening on (https?:\/\/\S+)$/m.exec(this.stdout)?.[1];
                if (this.url) {
                    resolve();
                }
            });
        }).finally(() => clearTimeout(timer));
    }

    // Start, and stop when the test ends, however it ends.
    static async forTest(t, dataDir, options) {
        const server = await Server.start(dataDir, options);
        t.after(() => server.kill());
        return server;
    }

    // SIGTERM: it must end by itself with 0.
    async stop() {
        if (this.exit === undefined) {
            this.child.kill('SIGTERM');
            const timer = setTimeout(() => this.child.kill('SIGKILL'), stopMs);
            await this.exited;
            clearTimeout(timer);
        }
        this.agent.destroy();
        assertNoSanitizerReport(this.stderr);
        assert.deepEqual(this.exit, { code: 0, signal: null }, `SIGTERM: ${this.stderr}`);
    }

    // kill -9, at once.
    async kill() {
        if (this.exit === undefined) {
            this.child.kill('SIGKILL');
            await this.exited;
        }
        this.agent.destroy();
        assertNoSanitizerReport(this.stderr);
    }

    // One request; { status, headers, text, json }. `body` is a string or a Buffer.
    request(method, route, { body, headers = {} } = {}) {
        const bytes = body === undefined ? undefined : Buffer.from(body);
        const target = new URL(route, this.url);
        return new Promise((resolve, reject) => {
            const request = http.request(target, {
                method,
                agent: this.agent,
                headers: bytes ? { 'Content-Length': bytes.length, ...headers } : headers,
            });
            request.on('error', reject);
            request.on('response', (response) => {
                const chunks = [];
                response.on('error', reject);
                response.on('data', (chunk) => chunks.push(chunk));
                response.on('end', () => {
                    const text = Buffer.concat(chunks).toString();
                    let json;
                    try {
                        json = JSON.parse(text);
                    } catch {
                        json = undefined;
                    }
                    resolve({ status: response.statusCode, headers: response.headers, text, json });
                });
            });
            request.end(bytes);
        });
    }

    get(route, headers) {
        return this.request('GET', route, { headers });
    }

    // A batch of events as the SDK sends it.
    send(events, headers = {}) {
        return this.request('POST', '/v1/events', {
            body: JSON.stringify({ sent_at: new Date().toISOString(), events }),
            headers: { 'Content-Type': 'application/json', ...headers },
        });
    }

    async checkpoint() {
        const answer = await this.request('POST', '/api/v1/checkpoint');
        assert.equal(answer.status, 200, answer.text);
        return answer.json;
    }

    // Everything accepted so far is in the table: checkpoint, and ask until nothing is in flight.
    async settle(expectedRows) {
        const until = Date.now() + 15000 * patience;
        for (;;) {
            await this.checkpoint();
            const { rows } = await countRows(this.dataDir);
            if (rows >= expectedRows || Date.now() > until) {
                return rows;
            }
            await sleep(50);
        }
    }
}

// A UUID of version 7, as the SDK makes them.
export function uuid7(ms = Date.now()) {
    const bytes = crypto.randomBytes(16);
    bytes.writeUIntBE(ms, 0, 6);
    bytes[6] = 0x70 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    const hex = bytes.toString('hex');
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

// A sound event; `over` replaces fields, and undefined removes one.
export function event(over = {}) {
    return {
        event_id: uuid7(),
        event_name: 'level_end',
        occurred_at: new Date().toISOString(),
        user_id: 'player-1',
        session_id: 'session-1',
        platform: 'android',
        build_id: '1.4.2',
        attributes: { level: 3, stars: 2 },
        ...over,
    };
}

export function events(count, over = () => ({})) {
    return Array.from({ length: count }, (_, index) => event({ user_id: `player-${index}`, ...over(index) }));
}

// The value of a Prometheus metric, summed over those of its labels that hold `label`; undefined where
// there is none.
export function metric(text, name, label = '') {
    let sum;
    for (const line of text.split('\n')) {
        const found = /^([a-zA-Z_:][\w:]*)(\{[^}]*\})? (\S+)$/.exec(line);
        if (found && found[1] === name && (found[2] ?? '').includes(label)) {
            sum = (sum ?? 0) + Number(found[3]);
        }
    }
    return sum;
}
