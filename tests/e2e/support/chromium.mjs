// chromium.mjs - a real Chromium, headless, told what to do over its debugging pipe
//
// Descriptors 3 and 4 carry the Chrome DevTools Protocol, one JSON object and a NUL a message: no port, no
// library. The browser's profile is a fresh directory that goes with it. Nothing it asks for leaves this machine.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const names = ['chromium', 'chromium-headless-shell', 'chromium-browser', 'google-chrome'];

export function findChromium() {
    return (process.env.PATH ?? '').split(':').flatMap((dir) => names.map((name) => path.join(dir, name)))
        .find((file) => fs.existsSync(file));
}

export class Chromium {
    static async start({ timeoutMs = 60000 } = {}) {
        const browser = new Chromium();
        browser.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pt-chromium-'));
        browser.timeoutMs = timeoutMs;
        browser.waiting = new Map(); // id: { resolve, reject }
        browser.pages = new Map(); // sessionId: Page
        browser.lastId = 0;
        browser.errors = '';
        browser.child = spawn(findChromium(), ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
            '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
            '--disable-default-apps', '--disable-extensions', '--hide-scrollbars', `--user-data-dir=${browser.dir}`,
            '--remote-debugging-pipe', 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] });
        browser.child.stderr.on('data', (chunk) => (browser.errors += chunk));
        browser.child.stdio[3].on('error', () => {}); // the browser is gone: `close` tells
        browser.gone = new Promise((resolve) => browser.child.on('close', resolve));
        browser.gone.then(() => browser.waiting.forEach(({ reject }) => reject(new Error(`Chromium ended: ${browser.errors.slice(-2000)}`))));
        let text = '';
        browser.child.stdio[4].setEncoding('utf8');
        browser.child.stdio[4].on('data', (chunk) => {
            text += chunk;
            const messages = text.split('\0');
            text = messages.pop();
            messages.forEach((message) => browser.take(JSON.parse(message)));
        });
        return browser;
    }

    take(message) {
        if (message.id) {
            const { resolve, reject } = this.waiting.get(message.id);
            this.waiting.delete(message.id);
            if (message.error) {
                reject(new Error(message.error.message));
            } else {
                resolve(message.result);
            }
        } else {
            this.pages.get(message.sessionId)?.take(message);
        }
    }

    send(method, params = {}, sessionId = undefined) {
        const id = ++this.lastId;
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => reject(new Error(`Chromium does not answer ${method}: ${this.errors.slice(-2000)}`)), this.timeoutMs);
            const end = (then) => (value) => { clearTimeout(timer); then(value); };
            this.waiting.set(id, { resolve: end(resolve), reject: end(reject) });
            this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
        });
    }

    // A page of `width` x `height` CSS pixels at `url`, once it is loaded.
    async open(url, { width = 1280, height = 900, isPhone = false, isDark = false } = {}) {
        const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
        const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
        const page = new Page(this, sessionId, targetId);
        this.pages.set(sessionId, page);
        for (const domain of ['Page', 'Runtime', 'Log', 'Network']) {
            await page.send(`${domain}.enable`);
        }
        await page.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: isPhone });
        await page.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: isDark ? 'dark' : 'light' }] });
        const loaded = page.once('Page.loadEventFired');
        await page.send('Page.navigate', { url });
        await loaded;
        return page;
    }

    async close() {
        this.child.kill('SIGTERM');
        const killer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
        await this.gone;
        clearTimeout(killer);
        fs.rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
    }
}

class Page {
    constructor(browser, sessionId, targetId) {
        Object.assign(this, { browser, sessionId, targetId, complaints: [], requests: [], listeners: [] });
    }

    take({ method, params }) {
        if (method === 'Runtime.exceptionThrown') {
            this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
        } else if (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(params.type)) {
            this.complaints.push(params.args.map((one) => one.value ?? one.description).join(' '));
        } else if (method === 'Log.entryAdded' && ['error', 'warning'].includes(params.entry.level)) {
            this.complaints.push(`${params.entry.text} ${params.entry.url ?? ''}`);
        } else if (method === 'Network.requestWillBeSent') {
            this.requests.push(params.request.url);
        }
        this.listeners = this.listeners.filter((one) => {
            if (one.method === method) {
                one.resolve(params);
            }
            return one.method !== method;
        });
    }

    once(method) {
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => reject(new Error(`no ${method} within ${this.browser.timeoutMs} ms`)), this.browser.timeoutMs);
            this.listeners.push({ method, resolve: (params) => { clearTimeout(timer); resolve(params); } });
        });
    }

    send(method, params = {}) {
        return this.browser.send(method, params, this.sessionId);
    }

    // The value of a JavaScript expression in the page.
    async evaluate(expression) {
        const { result, exceptionDetails } = await this.send('Runtime.evaluate',
            { expression, returnByValue: true, awaitPromise: true });
        if (exceptionDetails) {
            throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        }
        return result.value;
    }

    async screenshot(file) {
        const { cssContentSize: size } = await this.send('Page.getLayoutMetrics');
        const { data } = await this.send('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true,
            clip: { x: 0, y: 0, width: size.width, height: Math.min(size.height, 8000), scale: 1 } });
        fs.writeFileSync(file, Buffer.from(data, 'base64'));
    }

    async close() {
        this.browser.pages.delete(this.sessionId);
        await this.browser.send('Target.closeTarget', { targetId: this.targetId });
    }
}
