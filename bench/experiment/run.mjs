// run.mjs - the programs of bench/experiment, one after the other
//
//     node bench/experiment/run.mjs [bench_stats] […]      (default: all)
//
// Each prints what it measures beside its yardstick, and fails where a promised figure is not met.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const programs = path.resolve(here, '../../build/bench');
const wanted = process.argv.slice(2);
let failed = 0;

for (const file of fs.readdirSync(here).filter((name) => /^bench_.*\.c$/.test(name)).sort()) {
    const name = path.basename(file, '.c');
    if (wanted.length > 0 && !wanted.includes(name)) {
        continue;
    }
    console.log(`-- ${name}`);
    const { status } = spawnSync(path.join(programs, name), { stdio: 'inherit' });
    failed += status === 0 ? 0 : 1;
}
process.exit(failed === 0 ? 0 : 1);
