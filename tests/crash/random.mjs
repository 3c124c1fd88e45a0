// random.mjs - random choices that a run can repeat: PT_SEED=n
export const seed = Number(process.env.PT_SEED ?? Date.now() % 2 ** 31);

// Mulberry32: small, and the same everywhere.
export function makeRandom(state) {
    return () => {
        state = (state + 0x6d2b79f5) | 0;
        let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
        mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
}
