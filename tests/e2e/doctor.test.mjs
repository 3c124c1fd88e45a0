// doctor.test.mjs - `playtrace doctor` finds what is wrong with an installation and says what to do
//
// Method: a sound directory, made by a server that ran on it, is broken in one place at a time; exactly that
// place must be named, with advice. The clock is put wrong from the outside: by a checkpoint from the
// future, and by a server whose Date is another day's.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { before, test } from 'node:test';

import { Server, cli, environment, event, events, freshDir, program, root } from './support/server.mjs';

// What the doctor says: its exit code and its checks by verdict.
async function examine(args, options) {
    const result = await cli(['doctor', '--format', 'json', ...args], options);
    assert.ok(result.code === 0 || result.code === 1, result.stderr);
    const report = JSON.parse(result.stdout);
    const of = (verdict) => report.checks.filter((check) => check.verdict === verdict);
    assert.equal(report.failed, of('fail').length);
    assert.equal(report.warnings, of('warn').length);
    assert.equal(report.sound, report.failed === 0);
    assert.equal(result.code, report.sound ? 0 : 1);
    for (const check of [...of('fail'), ...of('warn')]) {
        assert.ok(check.advice, `what to do about: ${check.detail}`);
    }
    return { fails: of('fail'), warns: of('warn'), oks: of('ok'), text: result.stdout };
}

// One failure, in this check, that says all of `patterns`.
function assertFails({ fails, text }, check, ...patterns) {
    assert.equal(fails.length, 1, text);
    assert.equal(fails[0].check, check, text);
    for (const pattern of patterns) {
        assert.match(`${fails[0].detail} → ${fails[0].advice}`, pattern);
    }
}

// A directory that a server has used and left, made once and copied.
let used;
before(async () => {
    used = fs.mkdtempSync(path.join(fs.realpathSync(process.env.TMPDIR ?? '/tmp'), 'playtrace-e2e-'));
    process.on('exit', () => fs.rmSync(used, { recursive: true, force: true }));
    const server = await Server.start(used);
    try {
        assert.equal((await server.send([...events(20), { event_name: 'broken' }])).status, 202);
        await server.settle(20);
        assert.equal((await server.send([event()])).status, 202);
        await server.stop();
    } finally {
        await server.kill();
    }
});

function soundDir(t) {
    const dir = path.join(freshDir(t), 'data');
    fs.cpSync(used, dir, { recursive: true, preserveTimestamps: true, mode: fs.constants.COPYFILE_FICLONE });
    return dir;
}

function newest(dir, prefix) {
    const names = fs.readdirSync(dir).filter((name) => name.startsWith(prefix)).sort();
    assert.ok(names.length > 0);
    return path.join(dir, names.at(-1));
}

test('a sound installation is sound, and looking changes nothing', async (t) => {
    const dir = soundDir(t);
    const list = () => fs.readdirSync(dir, { recursive: true }).sort();
    const was = list();
    const { fails, warns, oks } = await examine(['--data', dir]);
    assert.deepEqual([...fails, ...warns], []);
    for (const check of ['settings', 'data', 'disk', 'lock', 'keys', 'state', 'table', 'log', 'dead letters', 'flags',
        'registry', 'descriptors', 'clock']) {
        assert.ok(oks.some((one) => one.check === check), check);
    }
    assert.deepEqual(list(), was);

    const table = await cli(['doctor', '--data', dir]);
    assert.equal(table.code, 0);
    assert.match(table.stdout, /^ok {4}table .*21 rows/m);
    assert.match(table.stdout, /^sound: \d+ checks, 0 failed, 0 warnings$/m);
});

test('before the first start it is sound, and stays empty', async (t) => {
    const dir = path.join(freshDir(t), 'deep', 'er');
    const { fails } = await examine(['--data', dir]);
    assert.deepEqual(fails, []);
    assert.ok(!fs.existsSync(dir));
    fs.mkdirSync(dir, { recursive: true });
    assert.deepEqual((await examine(['--data', dir])).fails, []);
    assert.deepEqual(fs.readdirSync(dir), []);
});

test('a wrong configuration: file, line, what would be right; the rest is still checked', async (t) => {
    const dir = soundDir(t);
    const file = path.join(path.dirname(dir), 'playtrace.yaml');
    const cases = [
        ['stream:\n  checkpoint_msec: 100\n', /playtrace\.yaml:2.*checkpoint_msec.*checkpoint_ms/],
        ['server:\n  threads: 2\n  drain_ms: soon\n', /playtrace\.yaml:3.*drain_ms.*soon/],
        ['server:\n  threads: 900\n', /playtrace\.yaml:2.*900.*64/],
        ['srever:\n  threads: 2\n', /playtrace\.yaml:1.*srever.*server/],
        ['collect:\n  signature_required: 1\n', /signature_required.*signing_secrets/],
    ];
    for (const [text, pattern] of cases) {
        fs.writeFileSync(file, text);
        const report = await examine(['--data', dir, '--config', file]);
        assertFails(report, 'settings', pattern);
        assert.ok(report.oks.some((one) => one.check === 'table'));
    }
    assertFails(await examine(['--data', dir, '--config', path.join(dir, 'no-such.yaml')]), 'settings', /no-such\.yaml/);
    assertFails(await examine(['--data', dir], { env: { PLAYTRACE_SERVER_THREADS: 'lots' } }), 'settings', /lots/);
    assertFails(await examine(['--data', dir], { env: { PLAYTRACE_SERVER_THREDS: '2' } }), 'settings',
        /PLAYTRACE_SERVER_THREADS/);
});

test('listening to the world without a key fails, in the clear warns', async (t) => {
    const dir = soundDir(t);
    const open = await examine(['--data', dir], { env: { PLAYTRACE_SERVER_LISTEN: '0.0.0.0:8080' } });
    assertFails(open, 'settings', /0\.0\.0\.0:8080.*no key.*keys create/);
    const keyed = await examine(['--data', dir],
        { env: { PLAYTRACE_SERVER_LISTEN: '0.0.0.0:8080', PLAYTRACE_COLLECT_KEYS: 'k' } });
    assert.deepEqual(keyed.fails, []);
    assert.match(keyed.warns[0].advice, /tls_certificate/);
});

function openssl(dir, ...args) {
    const ran = spawnSync('openssl', args, { cwd: dir });
    assert.equal(ran.status, 0, `openssl ${args.join(' ')}: ${ran.stderr}`);
}

test('certificate: unreadable, not PEM, of another key, expired, soon to expire', async (t) => {
    const dir = soundDir(t);
    const at = path.dirname(dir);
    const env = (certificate, key) => ({ env: {
        PLAYTRACE_SERVER_TLS_CERTIFICATE: certificate && path.join(at, certificate),
        PLAYTRACE_SERVER_TLS_KEY: key && path.join(at, key),
    } });
    for (const name of ['one', 'two']) {
        openssl(at, 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost',
            '-days', name === 'one' ? '90' : '3', '-keyout', `${name}.key`, '-out', `${name}.pem`);
        fs.chmodSync(path.join(at, `${name}.key`), 0o600);
    }
    const good = await examine(['--data', dir], env('one.pem', 'one.key'));
    assert.deepEqual([...good.fails, ...good.warns], []);
    assert.match(good.text, /belong together, valid until/);

    assertFails(await examine(['--data', dir], env('absent.pem', 'one.key')), 'certificate', /absent\.pem/);
    assertFails(await examine(['--data', dir], env('one.pem', 'absent.key')), 'certificate', /absent\.key/);
    assertFails(await examine(['--data', dir], env('one.pem', 'two.key')), 'certificate', /two\.key|one\.pem/, /belong/);
    fs.writeFileSync(path.join(at, 'no.pem'), 'this is no certificate\n');
    assertFails(await examine(['--data', dir], env('no.pem', 'one.key')), 'certificate', /no\.pem.*PEM/);
    assertFails(await examine(['--data', dir], env('one.pem', '')), 'certificate', /tls_certificate.*without.*tls_key/);

    const soon = await examine(['--data', dir], env('two.pem', 'two.key'));
    assert.deepEqual(soon.fails, []);
    assert.match(soon.warns[0].detail, /valid until/);
    fs.chmodSync(path.join(at, 'one.key'), 0o644);
    assert.match((await examine(['--data', dir], env('one.pem', 'one.key'))).warns[0].advice, /chmod/);
    fs.chmodSync(path.join(at, 'one.key'), 0o600);

    fs.mkdirSync(path.join(at, 'ca'));
    fs.writeFileSync(path.join(at, 'ca', 'index'), '');
    fs.writeFileSync(path.join(at, 'ca', 'serial'), '01\n');
    fs.writeFileSync(path.join(at, 'ca', 'cnf'), ['[ca]', 'default_ca=d', '[d]', 'database=ca/index', 'serial=ca/serial',
        'new_certs_dir=ca', 'default_md=sha256', 'policy=p', '[p]', 'commonName=supplied', ''].join('\n'));
    openssl(at, 'req', '-new', '-key', 'one.key', '-subj', '/CN=localhost', '-out', 'one.csr');
    openssl(at, 'ca', '-batch', '-config', 'ca/cnf', '-selfsign', '-keyfile', 'one.key', '-in', 'one.csr', '-out', 'old.pem',
        '-startdate', '20200101000000Z', '-enddate', '20200201000000Z', '-notext');
    assertFails(await examine(['--data', dir], env('old.pem', 'one.key')), 'certificate', /old\.pem expired \d+ days ago/);

    if (process.getuid() === 0) {
        // Root reads everything: the examination of an unreadable key is another user's.
        t.diagnostic('run as root: mode 0000 is examined as user nobody');
    }
    fs.chmodSync(path.join(at, 'one.key'), 0o000);
    const nobody = 65534;
    const asOther = process.getuid() === 0
        ? ['setpriv', ['--reuid', String(nobody), '--regid', String(nobody), '--clear-groups', program]]
        : [program, []];
    if (process.getuid() === 0) {
        fs.chmodSync(at, 0o755);
        if (spawnSync('setpriv', [...asOther[1], '--version']).status !== 0) {
            t.diagnostic('no other user may run the program here: not examined');
            return;
        }
    }
    const ran = spawnSync(asOther[0], [...asOther[1], 'doctor', '--format', 'json', '--data', path.join(at, 'new')],
        { env: environment(env('one.pem', 'one.key').env), encoding: 'utf8' });
    assert.equal(ran.status, 1, ran.stderr);
    const check = JSON.parse(ran.stdout).checks.find((one) => one.check === 'certificate');
    assert.equal(check.verdict, 'fail');
    assert.match(check.detail, /one\.key.*[Pp]ermission denied/);
    assert.match(check.advice, /readable by the server's user/);
});

test('a clock far off: files from the future', async (t) => {
    const dir = soundDir(t);
    const state = path.join(dir, 'state');
    const seconds = Date.now() / 1000;
    fs.utimesSync(newest(state, 'checkpoint-'), seconds + 86400 * 400, seconds + 86400 * 400);
    assertFails(await examine(['--data', dir]), 'clock', /checkpoint is \d+ days ahead/, /chrony/);
    fs.utimesSync(newest(state, 'checkpoint-'), seconds + 30, seconds + 30);
    const little = await examine(['--data', dir]);
    assert.deepEqual(little.fails, []);
    assert.equal(little.warns[0].check, 'clock');
});

// A server that answers as Playtrace's does, with `over` changed.
async function pretend(t, { date, ready = 200, version } = {}) {
    const server = http.createServer((request, response) => {
        if (date) {
            response.setHeader('Date', date.toUTCString());
        }
        if (request.url === '/readyz') {
            response.statusCode = ready;
            response.end(ready === 200 ? '{"status":"ready"}'
                : '{"code":"not_ready","detail":"there is no space to keep events"}');
        } else {
            response.end(JSON.stringify({ status: 'alive', version }));
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    return `http://127.0.0.1:${server.address().port}`;
}

test('a running server: ready or not, its version, its clock beside ours', async (t) => {
    const dir = freshDir(t);
    const server = await Server.forTest(t, dir);
    const well = await examine(['--data', dir, '--url', server.url]);
    assert.deepEqual([...well.fails, ...well.warns], []);
    assert.ok(well.text.includes(String(server.child.pid)), 'the lock names it');
    assert.match(well.text, /takes events/);
    const { stdout } = await cli(['--version']);
    const version = stdout.trim().split(' ')[1];
    assert.ok(well.text.includes(`version ${version}`));
    await server.stop();

    assertFails(await examine(['--data', dir, '--url', server.url]), 'server', /does not answer/);
    const days = (count) => new Date(Date.now() + count * 86400000);
    assertFails(await examine(['--data', dir, '--url', await pretend(t, { date: days(3), version })]), 'clock',
        /\d days behind the server/);
    assertFails(await examine(['--data', dir, '--url', await pretend(t, { date: days(-3), version })]), 'clock',
        /\d days ahead of the server/);
    assertFails(await examine(['--data', dir, '--url', await pretend(t, { ready: 503, version })]), 'server',
        /takes no events.*no space/);
    const other = await examine(['--data', dir, '--url', await pretend(t, { version: '9.9.9' })]);
    assert.deepEqual(other.fails, []);
    assert.match(other.warns[0].detail, /9\.9\.9/);
    assert.equal((await cli(['doctor', '--url', 'localhost'], { cwd: dir })).code, 2);
});

test('keys: missing, damaged, readable by others', async (t) => {
    const dir = soundDir(t);
    const key = path.join(dir, 'keys', 'pseudonym.key');
    fs.chmodSync(key, 0o644);
    assertFails(await examine(['--data', dir]), 'keys', /0644/, /chmod 600/);
    fs.chmodSync(key, 0o600);
    const text = fs.readFileSync(key);
    fs.writeFileSync(key, 'short\n');
    assertFails(await examine(['--data', dir]), 'keys', /not a key/, /backup/);
    fs.rmSync(key);
    assertFails(await examine(['--data', dir]), 'keys', /missing/, /backup/);
    fs.writeFileSync(key, text, { mode: 0o600 });
    fs.writeFileSync(path.join(dir, 'keys', 'api_keys.json'), '{broken', { mode: 0o600 });
    assertFails(await examine(['--data', dir]), 'keys', /api_keys\.json/);
});

test('stores that were damaged or do not belong together', async (t) => {
    const cut = (file) => fs.truncateSync(file, 100);
    const cases = [
        ['table', /^1 of \d+ data files are missing or cut/, (dir) => {
            const data = path.join(dir, 'lake', 'events', 'data');
            const file = fs.readdirSync(data, { recursive: true }).find((name) => name.endsWith('.parquet'));
            cut(path.join(data, file));
        }],
        ['state', /checkpoint|state/, (dir) => {
            for (const name of fs.readdirSync(path.join(dir, 'state'))) {
                if (name.startsWith('checkpoint-')) {
                    cut(path.join(dir, 'state', name));
                }
            }
        }],
        ['state', /the table stands at checkpoint \d+, the state only at 0/, (dir) =>
            fs.rmSync(path.join(dir, 'state'), { recursive: true })],
        ['log', /log/, (dir) => fs.rmSync(path.join(dir, 'log'), { recursive: true })],
    ];
    for (const [check, pattern, damage] of cases) {
        const dir = soundDir(t);
        damage(dir);
        const { fails, text } = await examine(['--data', dir]);
        assert.ok(fails.some((one) => one.check === check && pattern.test(one.detail)), `${check}: ${text}`);
    }
});

test('flags and location database', async (t) => {
    const dir = soundDir(t);
    fs.writeFileSync(path.join(dir, 'flags.json'), '{"flags":{"a":{"state":"MAYBE"}}}');
    assertFails(await examine(['--data', dir]), 'flags', /flags\.json/, /flags lint/);
    fs.rmSync(path.join(dir, 'flags.json'));
    assertFails(await examine(['--data', dir], { env: { PLAYTRACE_FLAG_FILE: '/no/such/flags.json' } }), 'flags',
        /no\/such\/flags\.json/);

    const absent = await examine(['--data', dir], { env: { PLAYTRACE_COLLECT_LOCATION_DATABASE: '/no/such.mmdb' } });
    assert.deepEqual(absent.fails, []);
    assert.equal(absent.warns[0].check, 'location');
    const broken = path.join(path.dirname(dir), 'broken.mmdb');
    fs.writeFileSync(broken, 'not a database');
    assertFails(await examine(['--data', dir], { env: { PLAYTRACE_COLLECT_LOCATION_DATABASE: broken } }), 'location',
        /broken\.mmdb/);
    const real = path.resolve(root, '../shared/conformance/maxmind-db/test-data/GeoIP2-City-Test.mmdb');
    if (fs.existsSync(real)) {
        const there = await examine(['--data', dir], { env: { PLAYTRACE_COLLECT_LOCATION_DATABASE: real } });
        assert.deepEqual([...there.fails, ...there.warns], []);
    }
});

test('too few descriptors for the connections are a warning', async (t) => {
    const dir = soundDir(t);
    const ran = spawnSync('sh', ['-c', 'ulimit -n 300 && exec "$0" doctor --format json --data "$1"', program, dir],
        { encoding: 'utf8', env: environment() });
    assert.equal(ran.status, 0, ran.stderr);
    const [warn] = JSON.parse(ran.stdout).checks.filter((one) => one.verdict === 'warn');
    assert.equal(warn.check, 'descriptors');
    assert.match(`${warn.detail} ${warn.advice}`, /300.*10128.*LimitNOFILE/);
});

test('a data directory on a full disk', async (t) => {
    const mount = freshDir(t);
    if (process.getuid() !== 0 || spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', mount]).status !== 0) {
        t.skip('a small file system cannot be mounted here');
        return;
    }
    try {
        const dir = path.join(mount, 'data');
        fs.mkdirSync(dir);
        const little = await examine(['--data', dir]);
        assertFails(little, 'disk', /less than log\.free_bytes_min/, /507/);
        const fill = fs.openSync(path.join(mount, 'fill'), 'w');
        try {
            for (;;) {
                fs.writeSync(fill, Buffer.alloc(65536, 1));
            }
        } catch (error) {
            assert.equal(error.code, 'ENOSPC');
        } finally {
            fs.closeSync(fill);
        }
        const full = await examine(['--data', dir], { env: { PLAYTRACE_LOG_FREE_BYTES_MIN: '0' } });
        assertFails(full, 'data', /the disk is full.*[Nn]o space/, /make room/, /507/);
        assert.deepEqual(fs.readdirSync(dir), [], 'the trial file is gone');
        fs.rmSync(path.join(mount, 'fill'));
        const again = await examine(['--data', dir], { env: { PLAYTRACE_LOG_FREE_BYTES_MIN: '0' } });
        assert.deepEqual(again.fails, []);
    } finally {
        spawnSync('umount', [mount]);
    }
});
