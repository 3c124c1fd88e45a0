// sdk_web.test.mjs - the client's core in a real Chromium: events outlive the page, the network and the server
//
// tests/portable/web_page.c is compiled to WebAssembly with client/platform/web and opened from an origin of its own,
// so every request passes CORS. The page tracks numbered events; it is reloaded, left, and loses its server on the
// way; at the end the table must hold each number once.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { Chromium, findChromium } from './support/chromium.mjs';
import { Server, freshDir, patience, root, sql, until } from './support/server.mjs';

const files = {
    '/': ['text/html', () => '<!doctype html><link rel="icon" href="data:,"><title>game</title><script src="sdk_web.js"></script>'],
    '/elsewhere': ['text/html', () => '<!doctype html><link rel="icon" href="data:,"><title>elsewhere</title>'],
    '/sdk_web.js': ['text/javascript', () => fs.readFileSync(path.join(root, 'build/wasm/sdk_web.js'))],
    '/sdk_web.wasm': ['application/wasm', () => fs.readFileSync(path.join(root, 'build/wasm/sdk_web.wasm'))],
};
let browser = null;
let origin = null;
let host = null;

before(async () => {
    assert.ok(findChromium(), 'no Chromium is here: run tools/setup.sh test');
    const built = spawnSync(path.join(root, 'tools/build.sh'), ['wasm', 'sdk_web'], { encoding: 'utf8' });
    assert.equal(built.status, 0, `${built.stdout}${built.stderr}`);
    host = http.createServer((request, response) => {
        const [type, content] = files[request.url] ?? ['text/plain', () => ''];
        response.writeHead(request.url in files ? 200 : 404, { 'Content-Type': type, 'Cache-Control': 'no-store' });
        response.end(content());
    });
    await new Promise((resolve) => host.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${host.address().port}`;
    browser = await Chromium.start({ timeoutMs: 60000 * patience });
});
after(async () => {
    await browser?.close();
    host?.close();
    host?.closeAllConnections();
});

// One tab with the game in it.
class Game {
    constructor(page, dir, options) {
        Object.assign(this, { page, dir, url: options.url, secret: options.secret ?? '' });
    }

    // `before`: JavaScript that runs in the page before anything of the game.
    static async start(dir, options) {
        const game = new Game(await browser.open('about:blank'), dir, options);
        if (options.before) {
            await game.page.send('Page.addScriptToEvaluateOnNewDocument', { source: options.before });
        }
        await game.visit();
        return game;
    }

    call(name, type, ...args) {
        const types = args.map((arg) => (typeof arg === 'string' ? 'string' : 'number'));
        return this.page.evaluate(`Module.ccall('page_${name}', ${JSON.stringify(type)}, ${JSON.stringify(types)}, ${JSON.stringify(args)})`);
    }

    async go(url) {
        const loaded = this.page.once('Page.loadEventFired');
        await this.page.send('Page.navigate', { url });
        await loaded;
    }

    // The page, loaded anew, and its storage.
    async visit() {
        await this.go(`${origin}/`);
        await until('the program is compiled', () => this.page.evaluate('typeof Module !== "undefined" && Module.calledRun === true'));
        await this.call('load', null, this.dir);
        return until('the files are loaded', async () => {
            const { state } = await this.report();
            return state > 1 && state;
        });
    }

    open({ hasExtras = 0 } = {}) {
        return this.call('open', 'number', this.dir, this.url, this.secret, hasExtras);
    }

    async track(first, count, name = 'tick') {
        assert.equal(await this.call('track', 'number', name, first, count), count);
    }

    pump() {
        return this.call('pump', 'number');
    }

    async report() {
        return JSON.parse(await this.call('report', 'string', this.dir));
    }

    // Frame by frame, until nothing is queued.
    deliver() {
        return until('everything is delivered', async () => (await this.pump()) === 0);
    }

    stored() {
        return until('everything is in IndexedDB', async () => (await this.report()).stored === 1);
    }
}

// Which numbers are in the table, and how often.
async function numbers(data, name = 'tick') {
    const rows = await sql(data, `select (attributes ->> 'n')::int as n, count(*) as times, min(attributes ->> 'text') as text
        from events where event_name = '${name}' group by 1 order by 1`);
    assert.ok(rows.every((row) => Number(row.times) === 1), JSON.stringify(rows.filter((row) => Number(row.times) !== 1)));
    assert.ok(rows.every((row) => row.text === 'é'));
    return rows.map((row) => Number(row.n));
}

const range = (count) => Array.from({ length: count }, (_, n) => n);
const start = (t, data, { args = [], env = {} } = {}) =>
    Server.forTest(t, data, { args, env: { PLAYTRACE_SERVER_CORS_ORIGINS: origin, ...env } });

test('events outlive a reload, a page that is left, and a server that is down', async (t) => {
    const data = freshDir(t);
    let server = await start(t, data);
    const port = new URL(server.url).port;
    const game = await Game.start('save-a', { url: server.url });

    assert.equal(await game.open(), 0);
    await game.track(0, 50);
    await game.deliver();
    assert.ok((await game.report()).delivered >= 50);

    // The server goes. What is tracked now is tried in vain, and kept.
    await server.stop();
    await game.track(50, 60);
    await until('it was tried', async () => (await game.pump(), (await game.report()).attempts >= 3));
    await game.stored();
    assert.equal(await game.visit(), 3);
    assert.equal(await game.open(), 0);
    assert.ok((await game.report()).recovered >= 60);
    assert.equal((await game.report()).damaged, 0);

    // Nobody pumps after this track(): leaving the page saves it.
    await game.track(110, 40);
    await game.go(`${origin}/elsewhere`);
    assert.equal(await game.visit(), 3);
    assert.equal(await game.open(), 0);
    assert.ok((await game.report()).recovered >= 100);

    server = await start(t, data, { args: ['--listen', `127.0.0.1:${port}`] });
    await game.track(150, 350);
    await game.deliver();
    await game.stored();
    assert.equal(await game.call('close', 'number'), 0);
    await server.settle(500);
    assert.deepEqual(await numbers(data), range(500));
    await server.stop();
    await game.page.close();
});

test('a page that is left sends what it has, and the server drops what comes twice', async (t) => {
    const data = freshDir(t);
    const server = await start(t, data);
    const game = await Game.start('save-b', { url: server.url });

    assert.equal(await game.open(), 0);
    await game.track(0, 100); // a full batch is due at once
    await game.go(`${origin}/elsewhere`);
    const rows = await until('they arrive without the page', async () => {
        await server.checkpoint();
        const found = await numbers(data);
        return found.length > 0 && found;
    });
    assert.deepEqual(rows, range(100));
    await game.visit(); // no receipt was seen: they are still queued, and sent again
    assert.equal(await game.open(), 0);
    assert.ok((await game.report()).recovered >= 100);
    await game.track(100, 5);
    await game.deliver();
    await server.settle(105);
    assert.deepEqual(await numbers(data), range(105));
    await server.stop();
    await game.page.close();
});

test('a tab that dies loses nothing that was stored', async (t) => {
    const data = freshDir(t);
    const server = await start(t, data);
    const first = await Game.start('save-g', { url: server.url });

    assert.equal(await first.open(), 0);
    await first.track(0, 30);
    await first.page.evaluate('Module.ccall("page_pump", "number", [], [])'); // not yet due: written, not sent
    await first.stored();
    await first.page.send('Inspector.enable');
    const crashed = first.page.once('Inspector.targetCrashed');
    first.page.send('Page.crash').catch(() => {}); // never answered
    await crashed;
    const second = await Game.start('save-g', { url: server.url });
    assert.equal(await second.open(), 0);
    await second.deliver();
    await server.settle(30);
    assert.deepEqual(await numbers(data), range(30));
    await server.stop();
    await second.page.close();
});

// A network between the page and the server that answers in its own ways, each `times` times, then lets all through.
async function hostile(t, target, ways) {
    const left = [...ways];
    const seen = [];
    const proxy = http.createServer((request, response) => {
        const cors = { 'Access-Control-Allow-Origin': origin };
        const forward = () => {
            const onward = http.request(new URL(request.url, target), { method: request.method, headers: request.headers },
                (answer) => {
                    response.writeHead(answer.statusCode, answer.headers);
                    answer.pipe(response);
                });
            onward.on('error', () => response.destroy());
            request.pipe(onward);
        };
        const way = request.method === 'POST' ? left.shift() : undefined;
        if (!way) {
            forward();
            return;
        }
        seen.push(way);
        request.resume();
        request.on('end', () => {
            switch (way) {
            case 'error': response.writeHead(500, { ...cors, 'Content-Type': 'application/json' }).end('{"accepted":100,"rejected":[]}'); break;
            case 'portal': response.writeHead(200, { ...cors, 'Content-Type': 'text/html' }).end('<html>please log in</html>'); break;
            case 'redirect': response.writeHead(302, { ...cors, Location: `${origin}/elsewhere` }).end(); break;
            case 'limit': response.writeHead(429, { ...cors, 'Retry-After': '1' }).end('{"code":"rate","detail":"slow"}'); break;
            case 'foreign': response.writeHead(202).end('{"accepted":100,"rejected":[]}'); break; // CORS hides it
            case 'half': response.writeHead(202, { ...cors, 'Content-Length': 100 }); response.write('{"accepted":'); setTimeout(() => response.destroy(), 20); break;
            case 'flood': response.writeHead(200, cors); response.write('x'.repeat(1 << 20)); break; // and never ends
            case 'reset': request.socket.destroy(); break;
            default: break; // hangs
            }
        });
    });
    await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    t.after(() => {
        proxy.close();
        proxy.closeAllConnections();
    });
    return { url: `http://127.0.0.1:${proxy.address().port}`, seen, left };
}

test('a hostile network loses nothing and doubles nothing', async (t) => {
    const data = freshDir(t);
    const server = await start(t, data);
    const ways = ['error', 'portal', 'redirect', 'limit', 'foreign', 'half', 'flood', 'reset', 'hang', 'reset', 'half'];
    const network = await hostile(t, server.url, ways);
    const game = await Game.start('save-h', { url: network.url });

    assert.equal(await game.open(), 0);
    for (let i = 0; i < 10; i++) {
        await game.track(i * 30, 30);
        await game.pump();
    }
    await game.deliver();
    assert.deepEqual(network.seen, ways);
    const report = await game.report();
    assert.equal(report.refused, 0);
    assert.equal(report.damaged, 0);
    await server.settle(300);
    assert.deepEqual(await numbers(data), range(300));
    await server.stop();
    await game.page.close();
});

test('a browser that keeps nothing, and one that has no room for a while', async (t) => {
    const data = freshDir(t);
    const server = await start(t, data);
    const bare = await Game.start('save-i', { url: server.url,
        before: 'Object.defineProperty(window, "indexedDB", { get() { throw new DOMException("no", "SecurityError"); } })' });

    assert.equal((await bare.report()).state, 4); // PLAYTRACE_WEB_UNSTORED
    assert.equal(await bare.open(), 0);
    await bare.track(0, 120);
    await bare.deliver();
    assert.equal((await bare.report()).stored, 0);
    await bare.page.close();

    const full = await Game.start('save-j', { url: server.url, before: `{
        const put = IDBObjectStore.prototype.put;
        window.putsRefused = 0;
        window.isFull = true;
        IDBObjectStore.prototype.put = function (...args) {
            if (window.isFull) {
                window.putsRefused++;
                throw new DOMException('no room', 'QuotaExceededError');
            }
            return put.apply(this, args);
        };
    }` });
    assert.equal(await full.open(), 0);
    await full.track(120, 30);
    await full.pump();
    await until('a save was refused', () => full.page.evaluate('window.putsRefused > 0'));
    assert.equal((await full.report()).stored, 0);
    await full.page.evaluate('window.isFull = false');
    await full.stored();
    await full.deliver();
    await server.settle(150);
    assert.deepEqual(await numbers(data), range(150));
    await server.stop();
    await full.page.close();
});

test('flags come by fetch(), and from IndexedDB where there is no server', async (t) => {
    const data = freshDir(t);
    fs.writeFileSync(path.join(data, 'flags.json'), JSON.stringify({ flags: {
        greeting: { state: 'ENABLED', variants: { a: 'welcome', b: 'hi' }, defaultVariant: 'a' },
    } }));
    const server = await start(t, data);
    const game = await Game.start('save-f', { url: server.url });

    assert.equal(await game.open({ hasExtras: 1 }), 0);
    assert.equal(await game.call('flag', 'number', 'greeting'), 0);
    await until('the flag has its value', async () => (await game.pump(), (await game.call('flag', 'number', 'greeting')) === 7));
    await game.track(0, 10);
    await game.deliver();
    await game.stored();
    await server.settle(11);
    assert.deepEqual(await numbers(data), range(10));
    const [{ n }] = await sql(data, "select count(*) as n from events where event_name = 'playtrace_self_test' and (attributes ->> 'ok') = 'true'");
    assert.equal(Number(n), 1);
    await server.stop();

    assert.equal(await game.visit(), 3);
    assert.equal(await game.open({ hasExtras: 1 }), 0);
    assert.equal(await game.call('flag', 'number', 'greeting'), 7); // before any request
    await game.page.close();
});

test('the example for the web is built as it says, and says hello', async (t) => {
    const data = freshDir(t);
    const server = await start(t, data);
    const out = freshDir(t);
    const sources = (dir) => fs.readdirSync(path.join(root, dir)).filter((name) => name.endsWith('.c')).map((name) => path.join(dir, name));
    const built = spawnSync('emcc', ['-O2', '-Wall', '-Wextra', '-Werror', 'examples/hello_web.c', ...sources('client/core'), ...sources('src/wire'),
        'client/platform/sha256.c', 'client/platform/aes_gcm.c', 'client/platform/web/web.c', '-Iclient/include', '-Iclient', '-Isrc',
        '--js-library', 'client/platform/web/playtrace.jslib', '-o', path.join(out, 'hello.js')],
    { cwd: root, encoding: 'utf8', env: { ...process.env, NODE_PATH: '/usr/share/nodejs' } }); // Debian's acorn, whichever Node this is
    assert.equal(built.status, 0, built.stderr);
    Object.assign(files, {
        '/hello': ['text/html', () => `<!doctype html><link rel="icon" href="data:,"><script>var Module = { arguments: ['${server.url}'] };</script>
            <script src="hello.js"></script>`],
        '/hello.js': ['text/javascript', () => fs.readFileSync(path.join(out, 'hello.js'))],
        '/hello.wasm': ['application/wasm', () => fs.readFileSync(path.join(out, 'hello.wasm'))],
    });
    const page = await browser.open(`${origin}/hello`);
    await server.settle(2); // and the self-test
    const rows = await sql(data, "select event_name, attributes ->> 'from' as source from events where event_name = 'hello'");
    assert.deepEqual(rows, [{ event_name: 'hello', source: 'web' }]);
    assert.deepEqual(page.complaints, []);
    await server.stop();
    await page.close();
});

test('a second tab is told that the queue is taken', async (t) => {
    const data = freshDir(t);
    const server = await start(t, data);
    const first = await Game.start('save-c', { url: server.url });
    const second = await Game.start('save-c', { url: server.url });

    assert.equal((await second.report()).state, 2);
    assert.equal(await first.open(), 0);
    assert.equal(await second.open(), 5); // PLAYTRACE_BUSY
    await first.page.close();
    assert.equal(await second.visit(), 3);
    assert.equal(await second.open(), 0);
    await second.page.close();
    await server.stop();
});

test('withdrawn consent empties the browser', async (t) => {
    const data = freshDir(t);
    const server = await start(t, data);
    const game = await Game.start('save-d', { url: server.url });
    const kept = () => game.page.evaluate(`new Promise((resolve, reject) => {
        const opening = indexedDB.open('playtrace:save-d');
        opening.onerror = () => reject(opening.error);
        opening.onsuccess = () => {
            const keys = opening.result.transaction(['files']).objectStore('files').getAllKeys();
            keys.onsuccess = () => { opening.result.close(); resolve(keys.result); };
        };
    })`);

    assert.equal(await game.open(), 0);
    await game.track(0, 20);
    await game.call('pump', 'number');
    await game.stored();
    assert.ok((await kept()).some((name) => name.endsWith('.log')));
    assert.equal(await game.call('consent', 'number', 2), 0);
    await game.deliver();
    await game.stored();
    assert.deepEqual((await kept()).filter((name) => name.endsWith('.log')), []);
    await server.stop();
    await game.page.close();
});

test('batches are signed, as the server demands it', async (t) => {
    const data = freshDir(t);
    const secret = 'a secret of thirty-two characters';
    const server = await start(t, data, {
        env: { PLAYTRACE_COLLECT_SIGNING_SECRETS: secret, PLAYTRACE_COLLECT_SIGNATURE_REQUIRED: '1' },
    });
    const game = await Game.start('save-e', { url: server.url, secret });

    assert.equal(await game.open(), 0);
    await game.track(0, 130);
    await game.deliver();
    assert.equal((await game.report()).refused, 0);
    await server.settle(130);
    assert.deepEqual(await numbers(data), range(130));
    // What a signature's clock, the back-off and the check for mixed-up answers read, another origin may read too.
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const seen = await game.page.evaluate(`fetch('${server.url}/v1/events', { method: 'POST', body: '{}',
        headers: { 'Content-Type': 'application/json', traceparent: '${traceparent}' } })
        .then(({ headers }) => ({ date: headers.get('Date'), trace: headers.get('traceresponse') }))`);
    assert.ok(Math.abs(Date.parse(seen.date) - Date.now()) < 600000, seen.date);
    assert.match(seen.trace, /^00-0af7651916cd43dd8448eb211c80319c-/);
    await server.stop();
    await game.page.close();
});
