// flags.mjs - the flag and the players of bench_flags, and json-logic-js on the same
//
//     node bench/experiment/flags.mjs write FILE        {"flags":…,"key":…,"contexts":[…]}
//     node bench/experiment/flags.mjs run FILE SECONDS  one JSON object: evaluations, CPU seconds, variants
//
// Three conditions, then a fractional split by flag and player. json-logic-js has no `fractional`: it gets the
// shortest that gives flagd's buckets, MurmurHash3 over the bytes of the key, in plain JavaScript. What flagd's
// JavaScript provider does beside it (looking the flag up, $flagd.timestamp, checking the variant) is left out.
import fs from 'node:fs';
import process from 'node:process';

const [verb, file, seconds] = process.argv.slice(2);
const players = 1000;
const targeting = {
    if: [
        { and: [
            { in: [{ var: 'platform' }, ['ios', 'android']] },
            { '>=': [{ var: 'level' }, 10] },
            { '==': [{ var: 'country' }, 'DE'] },
        ] },
        { fractional: [{ cat: [{ var: '$flagd.flagKey' }, { var: 'targetingKey' }] }, ['clear', 40], ['bold', 40], ['plain', 20]] },
        'plain',
    ],
};

// Every player meets the three conditions, so that every evaluation goes all the way.
function context(i) {
    return { targetingKey: `player-${i}`, platform: i % 2 ? 'ios' : 'android', level: 10 + i % 50, country: 'DE',
        build: '2.1.0', language: 'de' };
}

function murmur3(bytes) {
    const blocks = bytes.length & ~3;
    let h = 0;
    let k = 0;
    for (let i = 0; i < blocks; i += 4) {
        k = bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24;
        k = Math.imul(k, 0xcc9e2d51);
        k = Math.imul(k << 15 | k >>> 17, 0x1b873593);
        h ^= k;
        h = Math.imul(h << 13 | h >>> 19, 5) + 0xe6546b64 | 0;
    }
    k = 0;
    for (let i = bytes.length - 1; i >= blocks; i--) {
        k = k << 8 | bytes[i];
    }
    k = Math.imul(k, 0xcc9e2d51);
    h ^= Math.imul(k << 15 | k >>> 17, 0x1b873593) ^ bytes.length;
    h = Math.imul(h ^ h >>> 16, 0x85ebca6b);
    h = Math.imul(h ^ h >>> 13, 0xc2b2ae35);
    return (h ^ h >>> 16) >>> 0;
}

// Bytes of the key without a fresh array each time.
const scratch = new Uint8Array(1024);
const encoder = new TextEncoder();

function fractional(key, ...buckets) {
    const { written } = encoder.encodeInto(key, scratch);
    let total = 0;
    for (const bucket of buckets) {
        total += bucket[1];
    }
    // hash * total / 2^32, below 2^53.
    const place = Math.floor(murmur3(scratch.subarray(0, written)) * total / 2 ** 32);
    let sum = 0;
    for (const [variant, weight] of buckets) {
        sum += weight;
        if (place < sum) {
            return variant;
        }
    }
    return null;
}

async function run() {
    const { default: jsonLogic } = await import('json-logic-js');
    const { flags, key, contexts } = JSON.parse(fs.readFileSync(file));
    const rule = flags.flags[key].targeting;
    const variants = { clear: 0, bold: 0, plain: 0 };
    let evaluations = 0;

    jsonLogic.add_operation('fractional', fractional);
    for (const one of contexts) {
        one.$flagd = { flagKey: key };
        variants[jsonLogic.apply(rule, one)]++;
    }
    for (let i = 0; i < 20; i++) { // until the compiler has seen it
        contexts.forEach((one) => jsonLogic.apply(rule, one));
    }
    const start = process.cpuUsage();
    let used = 0;
    while (used < Number(seconds) * 1e6) {
        contexts.forEach((one) => jsonLogic.apply(rule, one));
        evaluations += contexts.length;
        const now = process.cpuUsage(start);
        used = now.user + now.system;
    }
    console.log(JSON.stringify({ evaluations, cpu_seconds: used / 1e6, variants }));
}

if (verb === 'write' && file) {
    const flag = { state: 'ENABLED', variants: { clear: 'clear', bold: 'bold', plain: 'plain' }, defaultVariant: 'plain', targeting };
    fs.writeFileSync(file, JSON.stringify({ key: 'shop-layout', flags: { flags: { 'shop-layout': flag } },
        contexts: Array.from({ length: players }, (_, i) => context(i)) }));
} else if (verb === 'run' && Number(seconds) > 0) {
    await run();
} else {
    console.error('usage: flags.mjs write FILE | run FILE SECONDS');
    process.exit(2);
}
