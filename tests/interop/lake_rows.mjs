// lake_rows.mjs - events that fill every column, for the tests with other people's readers
import { event } from '../e2e/support/server.mjs';

// 400 events over many days, absent fields and late ones among them; another batch for each round.
export function batch(round) {
    const day = (ago) => new Date(Date.now() - ago * 86400e3).toISOString();
    return Array.from({ length: 400 }, (_, i) => event({
        event_name: ['session_start', 'level_end', 'purchase'][i % 3],
        user_id: `player-${(round * 37 + i) % 150}`,
        session_id: `session-${round}-${i % 20}`,
        occurred_at: i % 10 === 0 ? day(1 + (i % 25)) : new Date().toISOString(),
        seq: i % 4 === 0 ? undefined : i,
        boot: i % 5 === 0 ? round : undefined,
        install_id: i % 2 === 0 ? `install-${i}` : undefined,
        platform: [undefined, 'ios', 'android', 'pc', 'console', 'web'][i % 6],
        build_id: i % 7 === 0 ? undefined : `1.${i % 3}`,
        mechanic_version: i % 9 === 0 ? 'm2' : undefined,
        attributes: i % 8 === 0 ? undefined : { level: i, word: 'größe 日本 🎮', nested: { list: [i, null, 1.5] } },
    }));
}
