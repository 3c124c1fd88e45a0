// confluent.test.mjs - Confluent's own client registers, looks up and checks schemas through /registry
//
// confluent_check.py (in .venv, see tools/setup.sh test) runs against a server that is started for it. What it
// registered must be there after a restart, and after kill -9.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { Server, freshDir, root } from '../e2e/support/server.mjs';

const python = path.join(root, '.venv', 'bin', 'python');
const script = path.join(root, 'tests', 'interop', 'confluent_check.py');
const run = promisify(execFile);

async function everything(url) {
    const get = async (route) => (await fetch(`${url}/registry${route}`)).json();
    const subjects = await get('/subjects?deleted=true');
    return Promise.all(subjects.map(async (subject) => {
        const versions = await get(`/subjects/${encodeURIComponent(subject)}/versions?deleted=true`);
        return Promise.all(versions.map((version) =>
            get(`/subjects/${encodeURIComponent(subject)}/versions/${version}?deleted=true`)));
    }));
}

test("Confluent's client registers, looks up and checks compatibility", async (t) => {
    if (!fs.existsSync(python)) {
        t.skip('there is no .venv: run tools/setup.sh test');
        return;
    }
    const dir = freshDir(t);
    let server = await Server.forTest(t, dir);
    let said;
    try {
        said = JSON.parse((await run(python, [script, `${server.url}/registry`])).stdout);
    } catch (error) {
        assert.fail(`confluent_check.py: ${error.stdout}${error.stderr}`);
    }
    assert.deepEqual(said.failed, []);
    assert.ok(said.checks > 40, `${said.checks} checks`);

    const before = await everything(server.url);
    assert.ok(before.flat().length >= 4);
    server.child.kill('SIGKILL');
    await server.exited;
    server = await Server.forTest(t, dir);
    assert.deepEqual(await everything(server.url), before);
    await server.stop();
    t.diagnostic(`${said.checks} checks by confluent-kafka; ${before.flat().length} versions after kill -9`);
});
