// tls.test.mjs - the open front door: TLS, HTTP/2, pages of other origins, admin routes apart
//
// The certificates are made by the openssl command (Debian's ca-certificates brings it). Node's own
// http2 and https clients speak to the real program.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';

import { Server, cli, countRows, events, freshDir, patience, sleep } from './support/server.mjs';

// A key and a certificate for this machine, which vouches for itself, with that name.
function makePair(dir, name) {
    const key = path.join(dir, `${name}.key`);
    const certificate = path.join(dir, `${name}.pem`);
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
        '-keyout', key, '-out', certificate, '-days', '2', '-subj', `/CN=${name}`,
        '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'], { stdio: 'ignore' });
    return { key, certificate };
}

function settings({ key, certificate }) {
    return { PLAYTRACE_SERVER_TLS_CERTIFICATE: certificate, PLAYTRACE_SERVER_TLS_KEY: key };
}

function connect(server, ca) {
    return http2.connect(server.url, { ca: fs.readFileSync(ca) });
}

function ask(session, headers, body) {
    return new Promise((resolve, reject) => {
        const stream = session.request({ ':method': body ? 'POST' : 'GET', ...headers });
        let answer;
        let text = '';
        stream.setEncoding('utf8');
        stream.on('response', (found) => (answer = found));
        stream.on('data', (chunk) => (text += chunk));
        stream.on('end', () => resolve({ status: answer[':status'], headers: answer, text }));
        stream.on('error', reject);
        stream.end(body);
    });
}

function batch(count) {
    return JSON.stringify({ sent_at: new Date().toISOString(), events: events(count) });
}

const json = { ':path': '/v1/events', 'content-type': 'application/json' };

function handshake(server, options) {
    const { hostname, port } = new URL(server.url);
    return new Promise((resolve, reject) => {
        const socket = tls.connect({ host: hostname, port, rejectUnauthorized: false, ...options }, () => {
            const found = {
                protocol: socket.getProtocol(),
                alpn: socket.alpnProtocol,
                name: socket.getPeerCertificate().subject.CN,
            };
            socket.destroy();
            resolve(found);
        });
        socket.on('error', reject);
    });
}

test('events sent over HTTP/2 and TLS are in the table, with many requests at a time', async (t) => {
    const pair = makePair(freshDir(t), 'front');
    const server = await Server.forTest(t, freshDir(t), { env: settings(pair) });
    assert.match(server.url, /^https:/);
    const session = connect(server, pair.certificate);
    t.after(() => session.destroy());
    const answers = await Promise.all(Array.from({ length: 60 }, () => ask(session, json, batch(5))));
    for (const answer of answers) {
        assert.equal(answer.status, 202, answer.text);
    }
    assert.equal((await ask(session, { ':path': '/healthz' })).status, 200);
    assert.equal((await ask(session, { ':path': '/no' })).status, 404);
    assert.equal((await ask(session, json, 'x'.repeat(6 << 20)).catch((error) => error)).status, 413);

    const over11 = await new Promise((resolve, reject) => {
        https.get(`${server.url}/healthz`, { ca: fs.readFileSync(pair.certificate) }, resolve).on('error', reject);
    });
    assert.equal(over11.statusCode, 200);
    assert.equal(over11.httpVersion, '1.1');
    over11.resume();

    // A stop says GOAWAY and commits what was accepted.
    const gone = new Promise((resolve) => session.on('goaway', resolve));
    session.on('error', () => {});
    await server.stop();
    assert.equal(await gone, http2.constants.NGHTTP2_NO_ERROR);
    assert.deepEqual(await countRows(server.dataDir), { rows: 300, ids: 300 });
});

test('TLS 1.2 and 1.3 with a protocol that both know; nothing older', async (t) => {
    const server = await Server.forTest(t, freshDir(t), { env: settings(makePair(freshDir(t), 'front')) });
    const newest = await handshake(server, { ALPNProtocols: ['h2', 'http/1.1'] });
    assert.deepEqual(newest, { protocol: 'TLSv1.3', alpn: 'h2', name: 'front' });
    const plain = await handshake(server, { ALPNProtocols: ['http/1.1'], maxVersion: 'TLSv1.2' });
    assert.deepEqual(plain, { protocol: 'TLSv1.2', alpn: 'http/1.1', name: 'front' });
    await assert.rejects(
        handshake(server, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' }),
        /protocol version/i,
    );
    await assert.rejects(handshake(server, { ALPNProtocols: ['gopher'] }), /no application protocol/i);
    await server.stop();
});

test('a new certificate is taken while it runs; a broken one is told once and left', async (t) => {
    const dir = freshDir(t);
    const pair = makePair(dir, 'first');
    const server = await Server.forTest(t, freshDir(t), { env: settings(pair) });
    const shows = async (name) => {
        for (let tries = 0; tries < 100 * patience; tries++) {
            if ((await handshake(server, {})).name === name) {
                return true;
            }
            await sleep(100);
        }
        return false;
    };
    assert.ok(await shows('first'));
    const second = makePair(dir, 'second');
    fs.renameSync(second.certificate, pair.certificate);
    fs.renameSync(second.key, pair.key);
    assert.ok(await shows('second'));
    fs.writeFileSync(pair.key, 'not a key');
    for (let tries = 0; tries < 100 * patience && !/new certificate is not used/.test(server.stderr); tries++) {
        await sleep(100);
    }
    await sleep(2500);
    assert.equal(server.stderr.match(/new certificate is not used/g).length, 1, server.stderr);
    assert.match(server.stderr, /first\.key: holds no private key/);
    assert.ok(await shows('second'));
    await server.stop();
});

test('wrong TLS settings stop the start and say what is wrong', async (t) => {
    const dir = freshDir(t);
    const pair = makePair(dir, 'one');
    const other = makePair(dir, 'other');
    const cases = [
        [{ PLAYTRACE_SERVER_TLS_CERTIFICATE: pair.certificate }, /tls_certificate is set without server\.tls_key/],
        [{ PLAYTRACE_SERVER_TLS_KEY: pair.key }, /tls_key is set without server\.tls_certificate/],
        [settings({ ...pair, key: other.key }), /other\.key: the key does not match the certificate in .*one\.pem/],
        [settings({ ...pair, certificate: '/nowhere.pem' }), /\/nowhere\.pem/],
        [{ PLAYTRACE_SERVER_CORS_ORIGINS: 'game.example' }, /'game\.example' is not an origin/],
        [{ PLAYTRACE_SERVER_ADMIN_LISTEN: 'here' }, /server\.admin_listen: listen on 'here'/],
    ];
    for (const [env, expected] of cases) {
        const result = await cli(['serve', '--data', freshDir(t), '--listen', '127.0.0.1:0'], { env });
        assert.notEqual(result.code, 0);
        assert.match(result.stderr, expected);
    }
});

test('a page of a named origin may send events, another may not', async (t) => {
    const origin = 'https://game.example';
    const server = await Server.forTest(t, freshDir(t), { env: { PLAYTRACE_SERVER_CORS_ORIGINS: origin } });
    const preflight = (from) =>
        server.request('OPTIONS', '/v1/events', {
            headers: {
                Origin: from,
                'Access-Control-Request-Method': 'POST',
                'Access-Control-Request-Headers': 'authorization,content-type,content-encoding',
            },
        });
    const allowed = await preflight(origin);
    assert.equal(allowed.status, 204);
    assert.equal(allowed.headers['access-control-allow-origin'], origin);
    assert.match(allowed.headers['access-control-allow-methods'], /\bPOST\b/);
    assert.match(allowed.headers['access-control-allow-headers'], /Authorization.*Content-Encoding/);
    assert.equal(allowed.headers.vary, 'Origin');
    const sent = await server.send(events(1), { Origin: origin });
    assert.equal(sent.status, 202);
    assert.equal(sent.headers['access-control-allow-origin'], origin);
    const refused = await preflight('https://elsewhere.example');
    assert.equal(refused.status, 403);
    assert.equal(refused.headers['access-control-allow-origin'], undefined);
    const metrics = await server.get('/metrics', { Origin: origin });
    assert.equal(metrics.headers['access-control-allow-origin'], undefined, 'an admin route');
    await server.stop();
});

test('beyond the loopback address the admin routes have an address of their own', async (t) => {
    const server = await Server.forTest(t, freshDir(t), {
        args: ['--listen', '0.0.0.0:0'],
        env: { PLAYTRACE_COLLECT_KEYS: 'k', PLAYTRACE_SERVER_ADMIN_LISTEN: '127.0.0.1:0' },
    });
    const admin = /^admin on (http:\/\/127\.0\.0\.1:\d+)$/m.exec(server.stdout);
    assert.ok(admin, server.stdout);
    const port = new URL(server.url).port;
    const publicUrl = `http://127.0.0.1:${port}`;
    assert.equal((await fetch(`${publicUrl}/healthz`)).status, 200);
    assert.equal((await fetch(`${publicUrl}/metrics`)).status, 404);
    assert.equal((await fetch(`${publicUrl}/api/v1/checkpoint`, { method: 'POST' })).status, 404);
    assert.equal((await fetch(`${admin[1]}/metrics`)).status, 200);
    assert.equal((await fetch(`${admin[1]}/api/v1/checkpoint`, { method: 'POST' })).status, 200);
    await server.stop();
});
