// spark_shell.mjs - one Spark for a test: SQL in, rows out (SparkShell.java)
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';

import { root } from '../e2e/support/server.mjs';

const here = path.join(root, 'tests', 'interop', 'spark');
export const classpathFile = path.join(root, '.spark', 'classpath');

// What Spark reaches into on Java 17; the list is Spark's own (JavaModuleOptions).
const opened = ['lang', 'lang.invoke', 'lang.reflect', 'io', 'net', 'nio', 'util', 'util.concurrent',
    'util.concurrent.atomic'].map((name) => `java.${name}`)
    .concat('sun.nio.ch', 'sun.nio.cs', 'sun.security.action', 'sun.util.calendar');

export class Spark {
    // Tables of data directory WAREHOUSE/NAME are pt.NAME.lake.events.
    static async start(t, warehouse) {
        const spark = new Spark();
        spark.child = spawn('java', [
            ...opened.map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
            '-Xmx768m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1',
            `-Dlog4j2.configurationFile=${path.join(here, 'log4j2.properties')}`,
            '-cp', fs.readFileSync(classpathFile, 'utf8').trim(),
            'org.codehaus.janino.SimpleCompiler', path.join(here, 'SparkShell.java'), 'SparkShell', warehouse,
        ], { stdio: ['pipe', 'pipe', 'pipe'], cwd: warehouse });
        spark.stderr = '';
        spark.child.stderr.on('data', (chunk) => (spark.stderr += chunk));
        spark.lines = readline.createInterface({ input: spark.child.stdout })[Symbol.asyncIterator]();
        spark.exited = new Promise((resolve) => spark.child.on('close', resolve));
        t.after(() => spark.stop());
        await spark.answer();
        return spark;
    }

    async answer() {
        const { value, done } = await this.lines.next();
        assert.ok(!done, `Spark ended:\n${this.stderr}`);
        if (value.startsWith('ok ')) {
            return JSON.parse(value.slice(3));
        }
        throw new Error(value.replace(/^error /, ''));
    }

    // The rows of one statement, as objects; throws what Spark says.
    ask(statement) {
        this.child.stdin.write(`${statement.replaceAll('\n', ' ')}\n`);
        return this.answer();
    }

    async stop() {
        this.child.stdin.end();
        await this.exited;
    }
}
