// run.mjs - the front door's speed and memory, each figure beside a yardstick of the same run
//
//     node bench/collect/run.mjs [inprocess] [http] [durable] [latency] [memory] [h2]      (default: all)
//
// ROUNDS (5) and SECONDS (2) set how long it takes. Within a round the measured program and its yardstick take turns, and
// which of them begins alternates, because shared machines change their speed: only the median of the
// rounds' ratios is worth comparing. Prints one table; build/bench/collect.json and collect.csv keep it with
// every single value. What a section needs and this machine lacks (wrk, nginx, h2load, the ideal node's
// source in ../shared/bench) is said, and the section left out.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { cpuSeconds, finish, freePort, has, median, printHeader, program, report, residentBytes, rounds, run, running,
    runSections, shared, skip, start, stop, work } from '../support/measure.mjs';

const seconds = Number(process.env.SECONDS ?? 2);
const connections = 64;
const sizes = [{ events: 5, players: 1, text: '2.2 KB' }, { events: 100, players: 20, text: '45 KB' }];

async function metrics(port) {
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const value = (name) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)[1]);
    return {
        events: value('playtrace_collect_events_total\\{verdict="accepted"\\}'),
        refused: value('playtrace_collect_events_total\\{verdict="dead"\\}'),
        groups: value('playtrace_collect_groups_total'),
    };
}

// ---- load --------------------------------------------------------------------

const bodyCount = 16;

// wrk with bodies that take turns: many players, many ids.
async function prepareBodies() {
    for (const size of sizes) {
        for (const form of ['envelope', 'array']) {
            const dir = path.join(work, `${form}-${size.events}`);
            fs.mkdirSync(dir, { recursive: true });
            await run(program('bench_load'), ['bodies', dir, size.events, size.players, bodyCount, form].map(String));
            fs.writeFileSync(path.join(dir, 'load.lua'), `
local requests, at = {}, 0
init = function()
  for i = 1, ${bodyCount} do
    local file = io.open("${dir}/body-" .. i .. ".json", "rb")
    requests[i] = wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, file:read("*a"))
    file:close()
  end
end
request = function() at = at % ${bodyCount} + 1 return requests[at] end
done = function(s, latency)
  io.write(string.format('{"requests":%d,"us":%d,"failed":%d,"p50":%d,"p99":%d}\\n', s.requests, s.duration,
    s.errors.status + s.errors.connect + s.errors.read + s.errors.write + s.errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
`);
        }
    }
}

async function wrk(url, size, form, time) {
    const text = await run('wrk', ['-t1', `-c${connections}`, `-d${time}s`, '-s',
        path.join(work, `${form}-${size.events}`, 'load.lua'), url]);
    const result = JSON.parse(/^\{.*\}$/m.exec(text)[0]);
    if (result.failed > 0) {
        throw new Error(`${result.failed} requests to ${url} failed`);
    }
    return result;
}

// Requests a second, and CPU seconds for a million, of the server.
async function throughput(server, pathname, size, form) {
    const url = `http://127.0.0.1:${server.port}${pathname}`;
    await wrk(url, size, form, 1);
    const before = cpuSeconds(server.pid);
    const result = await wrk(url, size, form, seconds);
    return {
        rate: result.requests / result.us * 1e6,
        cpu: (cpuSeconds(server.pid) - before) / result.requests * 1e6,
    };
}

function startDoor(name, threads, tls = []) {
    const dir = path.join(work, name);
    fs.mkdirSync(dir, { recursive: true });
    return start(program('bench_front_door'), [dir, String(threads), ...tls]);
}

// The rounds of two servers in turn: [ours, theirs] of each.
async function compare(measureOurs, measureTheirs) {
    const results = [];
    for (let round = 0; round < rounds; round++) {
        if (round % 2) {
            const theirs = await measureTheirs();
            results.push([await measureOurs(), theirs]);
        } else {
            const ours = await measureOurs();
            results.push([ours, await measureTheirs()]);
        }
    }
    return results;
}

const pick = (results, key, scale = 1) => results.map((pair) => pair.map((value) => value[key] * scale));

// ---- sections ----------------------------------------------------------------

async function inprocess() {
    const text = await run(program('bench_collect'), [path.join(work, 'inprocess')]);
    let size = '';
    for (const line of text.split('\n')) {
        const [key, ratio, ns] = line.split(' ');
        if (key === '#body') {
            size = `, ${ratio} a body`;
        } else if (line.startsWith('#')) {
            const names = { whole: 'parse to append', validation: 'validation, base and event schema' };
            const goals = { ', 100 a body': { whole: 5, validation: 2 } };
            const known = names[key.slice(1)];
            if (known) {
                report('in process', `${known}${size}`, 'CPU ns/event', [[Number(ns), Number(ns) / Number(ratio)]],
                    'simdjson parse', goals[size]?.[key.slice(1)] ?? null, true);
            }
        } else if (line) {
            console.log(`   ${line}`);
        }
    }
}

function nginxConf(dir, threads, port) {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((name) => `${name}_temp_path ${dir}/${name};`).join(' ');
    return `daemon off; worker_processes ${threads}; pid ${dir}/nginx.pid; error_log ${dir}/error.log crit;
events { worker_connections 2048; }
http {
  access_log off; keepalive_requests 1000000000; client_body_buffer_size 256k; client_max_body_size 8m;
  ${temporary}
  server { listen 127.0.0.1:${port} reuseport backlog=1024; location / { return 202 ""; } }
}
`;
}

async function startNginx(threads) {
    const dir = path.join(work, `nginx-${threads}`);
    const port = await freePort();
    fs.mkdirSync(dir, { recursive: true });
    fs.writeFileSync(path.join(dir, 'nginx.conf'), nginxConf(dir, threads, port));
    return start('nginx', ['-p', dir, '-c', path.join(dir, 'nginx.conf'), '-e', path.join(dir, 'error.log')], port);
}

async function http() {
    if (!has('wrk') || !has('nginx')) {
        return skip('http', 'wrk and nginx are needed (tools/setup.sh bench)');
    }
    for (const threads of [1, 2]) {
        const ours = await startDoor('http', threads);
        const theirs = await startNginx(threads);
        for (const size of sizes) {
            const results = await compare(() => throughput(ours, '/echo', size, 'envelope'),
                () => throughput(theirs, '/', size, 'envelope'));
            report('http', `request answered after a group commit, ${size.text}, ${threads} thr`, 'CPU us/request',
                pick(results, 'cpu'), 'nginx return 202', size.events === 5 ? 1.4 : 1.3, true);
        }
        await stop(ours);
        await stop(theirs);
    }
}

async function buildIdealNode() {
    const source = path.join(shared, 'http', 'srv_pipe.cc');
    if (!fs.existsSync(source)) {
        return null;
    }
    const node = program('srv_pipe');
    await run('g++', ['-std=c++17', '-O3', '-march=native', source, '-o', node, '-lsimdjson', '-lxxhash', '-lpthread']);
    return node;
}

let peakRequests = 0; // of 100-event bodies, what `durable` has measured

async function durable() {
    if (!has('wrk')) {
        return skip('durable', 'wrk is needed (tools/setup.sh bench)');
    }
    const node = await buildIdealNode();
    if (!node) {
        return skip('durable', 'the ideal node (srv_pipe) is not in ../shared/bench');
    }
    for (const threads of [1, 2]) {
        const ours = await startDoor('durable', threads);
        const port = await freePort();
        const theirs = await start(node, [String(port), String(threads), path.join(work, 'ideal.log')], port);
        for (const size of [...sizes].reverse()) {
            const results = await compare(() => throughput(ours, '/v1/events', size, 'envelope'),
                () => throughput(theirs, '/', size, 'array'));
            const isBig = size.events === 100;
            report('durable', `durable events, ${size.events} a body, ${threads} thr`, 'events/s',
                pick(results, 'rate', size.events), 'ideal node', isBig ? 0.75 : 0.7, false);
            report('durable', `  CPU, ${size.events} a body, ${threads} thr`, 'CPU us/event',
                pick(results, 'cpu', 1 / size.events), 'ideal node', isBig ? 1.4 : 1.5, true);
            if (isBig) {
                peakRequests = Math.max(peakRequests, median(results.map((pair) => pair[0].rate)));
            }
        }
        const counts = await metrics(ours.port);
        if (counts.refused > 0) {
            throw new Error(`${counts.refused} events were refused`);
        }
        await stop(ours);
        await stop(theirs);
    }
}

async function latency() {
    const size = sizes[1];
    const server = await startDoor('latency', 2);
    const pairs = [];
    const medians = [];
    let rate = peakRequests / 2;
    let groupBytes = 0;
    if (has('wrk')) {
        rate = Math.max(rate, (await throughput(server, '/v1/events', size, 'envelope')).rate / 2);
    }
    rate = rate || 1000;
    for (let round = 0; round < rounds; round++) {
        const before = await metrics(server.port);
        const load = JSON.parse(await run(program('bench_load'), ['rate', server.port, '/v1/events', size.events,
            size.players, 256, rate.toFixed(0), seconds + 3].map(String)));
        const after = await metrics(server.port);
        // A record of these events has 340 bytes and its size; a batch begins with 104.
        groupBytes = Math.round((after.events - before.events) / (after.groups - before.groups) * 344 + 104);
        groupBytes = Math.min(Math.ceil(groupBytes / 8) * 8, 4 << 20);
        const disk = JSON.parse(await run(program('bench_disk'), [path.join(work, 'disk'), String(groupBytes), '3']));
        pairs.push([load.p99_us, disk.p99_us]);
        medians.push([load.p50_us, disk.p50_us]);
    }
    await stop(server);
    console.log(`   ${rate.toFixed(0)} requests of ${size.events} events a second; groups of ${groupBytes} bytes`);
    report('latency', 'answer p99 at half of the peak rate', 'us', pairs, 'disk p99, same group', 4, true);
    report('latency', '  p50', 'us', medians, 'disk p50, same group', null, true);
}

async function memory() {
    const mib = 1 << 20;
    const idle = 10000;
    let server = await startDoor('memory', 2);
    const holder = spawn(program('bench_load'), ['idle', String(server.port), String(idle)],
        { stdio: ['pipe', 'pipe', 'inherit'] });
    running.add(holder);
    const opened = await new Promise((resolve) => {
        holder.stdout.on('data', () => resolve(true));
        holder.on('close', () => resolve(false));
    });
    if (opened) {
        report('memory', `resident with ${idle} idle connections`, 'MB',
            [[residentBytes(server.pid) / 1e6, 100]], '100 MB', 1, true);
    } else {
        skip('memory', `${idle} connections could not be opened (ulimit -n)`);
    }
    holder.stdin.end();
    running.delete(holder);
    await stop(server);

    if (!has('wrk')) {
        return skip('memory', 'wrk is needed (tools/setup.sh bench)');
    }
    server = await startDoor('memory', 2);
    const url = `http://127.0.0.1:${server.port}/v1/events`;
    let atStart = 0;
    for (let events = 0; events < 10e6;) {
        await wrk(url, sizes[1], 'envelope', 1);
        events = (await metrics(server.port)).events;
        if (events >= 2e6) {
            atStart ||= residentBytes(server.pid);
        }
    }
    report('memory', 'resident after 10 M events', 'MiB', [[residentBytes(server.pid) / mib, atStart / mib]],
        'after 2 M', 1.1, true);
    await stop(server);
}

function makeCertificate() {
    const files = [path.join(work, 'cert.pem'), path.join(work, 'key.pem')];
    spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
        '-subj', '/CN=localhost', '-out', files[0], '-keyout', files[1]]);
    return files;
}

async function h2load(server, size, isHttp2) {
    const args = [...(isHttp2 ? ['-c16', '-m16'] : ['--h1', `-c${connections}`]), '-t1', `-D${seconds}`,
        '--warm-up-time=1', '-d', path.join(work, `envelope-${size.events}`, 'body-1.json'),
        '-H', 'content-type: application/json', `https://127.0.0.1:${server.port}/v1/events`];
    const before = cpuSeconds(server.pid);
    const countBefore = await events(server);
    const text = await run('h2load', args);
    const count = (await events(server) - countBefore) / size.events;
    const failed = Number(/(\d+) failed/.exec(text)?.[1] ?? 0);
    if (failed > 0) {
        throw new Error(`${failed} requests over TLS failed`);
    }
    return { rate: Number(/finished in.*?([\d.]+) req\/s/.exec(text)?.[1] ?? 0),
        cpu: (cpuSeconds(server.pid) - before) / count * 1e6 };
}

// The counter through curl, which does not mind our certificate.
async function events(server) {
    const text = await run('curl', ['-sk', `https://127.0.0.1:${server.port}/metrics`]);
    return Number(/verdict="accepted"\} (\d+)/.exec(text)[1]);
}

async function h2() {
    if (!has('h2load') || !has('curl') || !has('openssl')) {
        return skip('h2', 'h2load, curl and openssl are needed (tools/setup.sh bench)');
    }
    const server = await startDoor('h2', 2, makeCertificate());
    for (const size of sizes) {
        const results = await compare(() => h2load(server, size, true), () => h2load(server, size, false));
        report('h2', `HTTP/2 over TLS, durable, ${size.events} a body`, 'CPU us/request', pick(results, 'cpu'),
            'HTTP/1.1 over TLS', null, true);
        report('h2', '  requests a second', '1/s', pick(results, 'rate'), 'HTTP/1.1 over TLS', null, false);
    }
    await stop(server);
}

// ------------------------------------------------------------------------------

const sections = { inprocess, http, durable, latency, memory, h2 };
fs.mkdirSync(work, { recursive: true });
printHeader();
await prepareBodies();
await runSections(sections, process.argv.slice(2));
finish('collect', { seconds });
