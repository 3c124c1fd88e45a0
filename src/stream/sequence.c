/*
 * sequence.c - what was lost, doubled or reordered on the way, by build and platform
 *
 * The table of sessions keeps its entries in the order of their keys (linear probing where an
 * entry gives way to a smaller key), so that a checkpoint writes the differences of neighbours,
 * some 23 bits at 100,000 sessions, without sorting.
 */
#include "stream/sequence.h"

#include "base/crypto.h"

#include <assert.h>
#include <string.h>

#define KEY_BITS 40
#define BITS_MIN 10
#define ROW_SLOTS 1024u
#define JUMP_MAX 1000000
#define SEEN_BITS 64

static_assert(PT_SEQUENCE_ROWS_MAX * 2 < ROW_SLOTS, "the table of rows stays half empty");

/*
 * Slots behind the last home, so that no entry wraps around and the order holds to the end. At
 * three quarters full a run of more than a hundred is rare; what finds no place is evicted.
 */
#define SPARE_SLOTS 256u

static size_t slot_count(unsigned bits)
{
    return ((size_t)1 << bits) + SPARE_SLOTS;
}

enum pt_code pt_sequence_init(struct pt_sequence *sequence, uint32_t sessions_max,
                              uint32_t idle_minutes, struct pt_error *err)
{
    *sequence = (struct pt_sequence){
        .sessions_max = sessions_max,
        .idle_minutes = idle_minutes,
        .bits = BITS_MIN,
        .row_count = 1,
    };
    sequence->sessions = pt_alloc_zero(slot_count(BITS_MIN) * sizeof(*sequence->sessions));
    sequence->rows = pt_alloc_zero(PT_SEQUENCE_ROWS_MAX * sizeof(*sequence->rows));
    sequence->row_slots = pt_alloc_zero(ROW_SLOTS * sizeof(*sequence->row_slots));
    if (!sequence->sessions || !sequence->rows || !sequence->row_slots) {
        return pt_fail(err, PT_NO_MEMORY, "count sequence numbers");
    }
    return PT_OK;
}

void pt_sequence_release(struct pt_sequence *sequence)
{
    pt_free(sequence->sessions);
    pt_free(sequence->rows);
    pt_free(sequence->row_slots);
    *sequence = (struct pt_sequence){0};
}

uint64_t pt_parts_per_million(uint64_t part, uint64_t of)
{
    double all = (double)part + (double)of;

    return all > 0 ? (uint64_t)(1e6 * (double)part / all + 0.5) : 0;
}

/* ---- rows ---- */

static uint64_t row_hash(enum pt_platform platform, uint64_t build_hash)
{
    uint64_t hash = build_hash + (uint64_t)platform * UINT64_C(0x9e3779b97f4a7c15);

    return hash ? hash : 1;
}

static uint16_t *row_slot(const struct pt_sequence *sequence, uint64_t hash)
{
    size_t at = (hash ^ hash >> 32) & (ROW_SLOTS - 1);

    while (sequence->row_slots[at] && sequence->rows[sequence->row_slots[at]].hash != hash) {
        at = (at + 1) & (ROW_SLOTS - 1);
    }
    return &sequence->row_slots[at];
}

void pt_sequence_row_add(struct pt_sequence_row *into, const struct pt_sequence_row *row)
{
    into->events += row->events;
    into->numbered += row->numbered;
    into->duplicates += row->duplicates;
    into->missing += row->missing;
    into->missing_head += row->missing_head;
    into->reordered += row->reordered;
    into->repeated += row->repeated;
}

/* The row that was silent longest joins row 0; its place is given. */
static struct pt_sequence_row *make_room(struct pt_sequence *sequence)
{
    uint32_t oldest = 1;

    for (uint32_t i = 2; i < sequence->row_count; i++) {
        if (sequence->rows[i].minute < sequence->rows[oldest].minute) {
            oldest = i;
        }
    }
    pt_sequence_row_add(&sequence->rows[0], &sequence->rows[oldest]);
    sequence->rows[oldest] = (struct pt_sequence_row){0};
    memset(sequence->row_slots, 0, ROW_SLOTS * sizeof(*sequence->row_slots));
    for (uint32_t i = 1; i < sequence->row_count; i++) {
        if (i != oldest) {
            *row_slot(sequence, sequence->rows[i].hash) = (uint16_t)i;
        }
    }
    return &sequence->rows[oldest];
}

static struct pt_sequence_row *find_row(struct pt_sequence *sequence, enum pt_platform platform,
                                        struct pt_text build, uint64_t build_hash)
{
    uint64_t hash = row_hash(platform, build_hash);
    struct pt_sequence_row *row = sequence->last;
    uint16_t *slot = NULL;

    if (row && row->hash == hash) {
        return row;
    }
    slot = row_slot(sequence, hash);
    if (*slot) {
        row = &sequence->rows[*slot];
    } else if (build.size > PT_SEQUENCE_BUILD_BYTES_MAX) {
        return &sequence->rows[0];
    } else {
        row = sequence->row_count < PT_SEQUENCE_ROWS_MAX ? &sequence->rows[sequence->row_count++]
                                                         : make_room(sequence);
        *row = (struct pt_sequence_row){
            .hash = hash,
            .platform = platform,
            .build_bytes = (uint8_t)build.size,
        };
        if (build.size) {
            memcpy(row->build, build.data, build.size);
        }
        *row_slot(sequence, hash) = (uint16_t)(row - sequence->rows);
    }
    sequence->last = row;
    return row;
}

/* ---- the table of sessions ---- */

static size_t home_of(const struct pt_sequence *sequence, uint64_t key)
{
    return (size_t)(key >> (KEY_BITS - sequence->bits));
}

/* The place of `key`, or where it would go; the end of the table where even that is full. */
static size_t place_of(const struct pt_sequence *sequence, uint64_t key)
{
    size_t at = home_of(sequence, key);
    size_t end = slot_count(sequence->bits);

    while (at < end && sequence->sessions[at].key && sequence->sessions[at].key < key) {
        at++;
    }
    return at;
}

/* A new entry at its place; those with greater keys move on by one. False: there is no place. */
static bool insert(struct pt_sequence *sequence, size_t at, const struct pt_session *session)
{
    size_t end = slot_count(sequence->bits);
    size_t gap = at;

    while (gap < end && sequence->sessions[gap].key) {
        gap++;
    }
    if (gap == end) {
        return false;
    }
    memmove(&sequence->sessions[at + 1], &sequence->sessions[at],
            (gap - at) * sizeof(*sequence->sessions));
    sequence->sessions[at] = *session;
    sequence->count++;
    return true;
}

/* A session of the future is from a clock that was wrong: as old as can be. */
static uint32_t age_of(const struct pt_session *session, uint32_t minute)
{
    if (session->minute > minute + 1) {
        return UINT32_MAX;
    }
    return minute > session->minute ? minute - session->minute : 0;
}

/* A table of 1 << bits with the sessions that were silent for less than `ages` minutes. */
static bool rebuild(struct pt_sequence *sequence, unsigned bits, uint32_t minute, uint32_t ages)
{
    struct pt_session *old = sequence->sessions;
    size_t old_end = slot_count(sequence->bits);
    struct pt_session *sessions = pt_alloc_zero(slot_count(bits) * sizeof(*sessions));

    if (!sessions) {
        return false;
    }
    sequence->sessions = sessions;
    sequence->bits = bits;
    sequence->count = 0;
    sequence->last_session = 0;
    sequence->newest = 0;
    for (size_t i = 0; i < old_end; i++) {
        if (old[i].key && age_of(&old[i], minute) < ages) {
            sequence->newest = old[i].minute > sequence->newest ? old[i].minute : sequence->newest;
            /* In order, so that it goes behind all there are. */
            if (!insert(sequence, place_of(sequence, old[i].key), &old[i])) {
                sequence->evicted++;
            }
        }
    }
    pt_free(old);
    return true;
}

/*
 * Close what is idle; where that leaves the table nearly full and it may not grow, the longest
 * silent sessions as well. What stays fills less than half of the new table.
 */
static void make_space(struct pt_sequence *sequence, uint32_t minute)
{
    uint32_t silent[PT_SEQUENCE_IDLE_MINUTES_MAX + 1] = {0}; /* sessions by age */
    uint32_t limit = sequence->sessions_max - sequence->sessions_max / 8;
    uint32_t keep = 0;
    uint32_t ages = 0; /* those below it stay */
    unsigned bits = BITS_MIN;

    for (size_t i = 0; i < slot_count(sequence->bits); i++) {
        const struct pt_session *session = &sequence->sessions[i];

        if (session->key) {
            uint32_t age = age_of(session, minute);

            sequence->closed += age > sequence->idle_minutes;
            silent[age < PT_SEQUENCE_IDLE_MINUTES_MAX ? age : PT_SEQUENCE_IDLE_MINUTES_MAX]++;
        }
    }
    while (ages <= sequence->idle_minutes && keep + silent[ages] <= limit) {
        keep += silent[ages++];
    }
    for (uint32_t age = ages; age <= sequence->idle_minutes; age++) {
        sequence->evicted += silent[age];
    }
    while (((size_t)1 << bits) * 9 / 20 < keep) {
        bits++;
    }
    if (!rebuild(sequence, bits, minute, ages)) {
        sequence->evicted += sequence->count;
        memset(sequence->sessions, 0, slot_count(sequence->bits) * sizeof(*sequence->sessions));
        sequence->count = 0;
    }
}

void pt_sequence_tidy(struct pt_sequence *sequence, int64_t minute)
{
    int64_t since = minute - sequence->tidied;

    if (minute > 0 && (since < 0 || since > sequence->idle_minutes / 4)) {
        sequence->tidied = minute;
        make_space(sequence, (uint32_t)minute);
    }
}

static bool is_full(const struct pt_sequence *sequence)
{
    return sequence->count >= sequence->sessions_max ||
           sequence->count >= ((size_t)1 << sequence->bits) * 3 / 4;
}

/* ---- events ---- */

uint64_t pt_sequence_key(const struct pt_sequence *sequence, const struct pt_event *event)
{
    uint64_t who = 0;
    uint64_t key = 0;

    memcpy(&who, event->has_install ? event->install : event->user, sizeof(who));
    key = pt_bytes_mix(pt_checksum64(event->session_id.data, event->session_id.size),
                       who + (uint64_t)event->boot) >>
          (64 - KEY_BITS);
    __builtin_prefetch(&sequence->sessions[home_of(sequence, key)]);
    return key ? key : 1;
}

static uint16_t at_most_u16(uint32_t value)
{
    return value < UINT16_MAX ? (uint16_t)value : UINT16_MAX;
}

static void begin_session(struct pt_sequence *sequence, struct pt_sequence_row *row, size_t at,
                          uint64_t key, uint32_t seq, uint32_t minute)
{
    struct pt_session session = {
        .key = key,
        .seen = 1,
        .next = seq + 1,
        .first = seq,
        .missing_head = seq <= JUMP_MAX ? at_most_u16(seq) : 0,
        .minute = minute,
    };

    row->missing_head += seq <= JUMP_MAX ? seq : 0;
    sequence->jumps += seq > JUMP_MAX;
    if (is_full(sequence)) {
        make_space(sequence, minute);
        at = place_of(sequence, key);
    }
    if (insert(sequence, at, &session)) {
        sequence->last_session = at;
    } else {
        sequence->evicted++;
    }
}

/* A number below the greatest: fills a gap, or was there already. */
static void take_back(struct pt_sequence_row *row, struct pt_session *session, uint32_t seq)
{
    uint32_t back = session->next - 1 - seq;
    uint64_t bit = back < SEEN_BITS ? UINT64_C(1) << back : 0;
    bool was_seen = (session->seen & bit) != 0;

    session->seen |= bit;
    if (!was_seen && seq < session->first && session->missing_head) {
        session->missing_head--;
        row->missing_head--;
        row->reordered++;
    } else if (!was_seen && seq >= session->first && session->missing) {
        session->missing--;
        row->missing--;
        row->reordered++;
    } else {
        row->repeated++;
    }
}

static void number_session(struct pt_sequence *sequence, struct pt_sequence_row *row,
                           struct pt_session *session, uint32_t seq)
{
    if (seq < session->next) {
        take_back(row, session, seq);
    } else if (seq - session->next > JUMP_MAX) {
        sequence->jumps++;
        session->next = seq + 1;
        session->first = seq;
        session->seen = 1;
        session->missing = 0;
        session->missing_head = 0;
    } else {
        uint32_t gap = seq - session->next;

        session->seen = gap + 1 < SEEN_BITS ? session->seen << (gap + 1) | 1 : 1;
        session->next = seq + 1;
        session->missing = at_most_u16(session->missing + gap);
        row->missing += gap;
    }
}

void pt_sequence_add(struct pt_sequence *sequence, const struct pt_event *event, uint64_t key,
                     uint64_t build_hash, bool is_new, int64_t minute)
{
    struct pt_sequence_row *row = find_row(sequence, event->platform, event->build_id, build_hash);
    uint32_t now = minute < 0 ? 0 : (uint32_t)minute;
    struct pt_session *session = NULL;
    size_t at = 0;

    row->minute = minute;
    sequence->newest = now > sequence->newest ? now : sequence->newest;
    if (!is_new) {
        row->duplicates++;
        return;
    }
    row->events++;
    if (event->seq < 0) {
        return;
    }
    row->numbered++;
    if (event->seq >= UINT32_MAX) {
        sequence->jumps++;
        return;
    }
    at = sequence->last_session;
    if (sequence->sessions[at].key != key) {
        at = place_of(sequence, key);
        if (at == slot_count(sequence->bits) || sequence->sessions[at].key != key) {
            begin_session(sequence, row, at, key, (uint32_t)event->seq, now);
            return;
        }
        sequence->last_session = at;
    }
    session = &sequence->sessions[at];
    session->minute = now;
    number_session(sequence, row, session, (uint32_t)event->seq);
}

/* ---- state ---- */

/* Numbered without a gap from 0: what most sessions are. */
static bool is_plain(const struct pt_session *session)
{
    return session->first == 0 && session->missing == 0 && session->missing_head == 0;
}

static uint64_t plain_seen(uint32_t next)
{
    return next < SEEN_BITS ? (UINT64_C(1) << next) - 1 : UINT64_MAX;
}

static void encode_rows(const struct pt_sequence *sequence, struct pt_buf *out)
{
    pt_bytes_put(out, sequence->row_count);
    for (uint32_t i = 0; i < sequence->row_count; i++) {
        const struct pt_sequence_row *row = &sequence->rows[i];

        pt_bytes_put(out, (uint64_t)row->platform);
        pt_bytes_put_text(out, pt_span_of(row->build, row->build_bytes));
        pt_bytes_put_signed(out, row->minute);
        pt_bytes_put(out, row->events);
        pt_bytes_put(out, row->numbered);
        pt_bytes_put(out, row->duplicates);
        pt_bytes_put_signed(out, row->missing);
        pt_bytes_put_signed(out, row->missing_head);
        pt_bytes_put(out, row->reordered);
        pt_bytes_put(out, row->repeated);
    }
}

/* A column after another: bytes of one kind side by side compress better. The table is walked once.
 */
static void encode_sessions(const struct pt_sequence *sequence, struct pt_buf *out)
{
    const struct pt_session *end = sequence->sessions + slot_count(sequence->bits);
    struct pt_buf columns[3]; /* next number, minutes silent, what has gaps */
    uint64_t before = 0;

    for (int i = 0; i < 3; i++) {
        pt_buf_init(&columns[i], SIZE_MAX / 2);
    }
    for (const struct pt_session *s = sequence->sessions; s < end; s++) {
        bool has_gaps = s->key && !is_plain(s);

        if (s->key) {
            pt_bytes_put(out, s->key - before);
            pt_bytes_put(&columns[0], (uint64_t)s->next << 1 | has_gaps);
            pt_bytes_put(&columns[1], sequence->newest - s->minute);
            before = s->key;
        }
        if (has_gaps) {
            pt_bytes_put(&columns[2], s->first);
            pt_bytes_put(&columns[2], s->missing);
            pt_bytes_put(&columns[2], s->missing_head);
            pt_bytes_put(&columns[2], s->seen);
        }
    }
    for (int i = 0; i < 3; i++) {
        pt_buf_append(out, columns[i].data, columns[i].size);
        out->has_failed = out->has_failed || columns[i].has_failed;
        pt_buf_release(&columns[i]);
    }
}

void pt_sequence_encode(const struct pt_sequence *sequence, struct pt_buf *out)
{
    encode_rows(sequence, out);
    pt_bytes_put(out, sequence->closed);
    pt_bytes_put(out, sequence->evicted);
    pt_bytes_put(out, sequence->jumps);
    pt_bytes_put(out, sequence->count);
    pt_bytes_put(out, sequence->newest);
    encode_sessions(sequence, out);
}

static void decode_rows(struct pt_sequence *sequence, struct pt_bytes *in)
{
    uint64_t count = pt_bytes_get(in);

    in->is_bad = in->is_bad || count < 1 || count > PT_SEQUENCE_ROWS_MAX;
    for (uint64_t i = 0; i < count && !in->is_bad; i++) {
        struct pt_sequence_row *row = &sequence->rows[i];
        uint64_t platform = pt_bytes_get(in);
        struct pt_span build = pt_bytes_get_text(in);

        if (platform > PT_PLATFORM_WEB || build.size > PT_SEQUENCE_BUILD_BYTES_MAX) {
            in->is_bad = true;
            return;
        }
        row->platform = (enum pt_platform)platform;
        row->build_bytes = (uint8_t)build.size;
        if (build.size) {
            memcpy(row->build, build.data, build.size);
        }
        row->minute = pt_bytes_get_signed(in);
        row->events = pt_bytes_get(in);
        row->numbered = pt_bytes_get(in);
        row->duplicates = pt_bytes_get(in);
        row->missing = pt_bytes_get_signed(in);
        row->missing_head = pt_bytes_get_signed(in);
        row->reordered = pt_bytes_get(in);
        row->repeated = pt_bytes_get(in);
        if (i > 0) {
            row->hash = row_hash(row->platform, pt_checksum64(build.data, build.size));
            *row_slot(sequence, row->hash) = (uint16_t)i;
        }
    }
    sequence->row_count = in->is_bad ? 1 : (uint32_t)count;
}

/* The columns of `count` sessions, into an array in the order of the keys. */
static void decode_sessions(struct pt_session *sessions, uint64_t count, uint64_t newest,
                            struct pt_bytes *in)
{
    uint64_t key = 0;

    for (uint64_t i = 0; i < count && !in->is_bad; i++) {
        uint64_t step = pt_bytes_get(in);

        in->is_bad = in->is_bad || step == 0 || step >> KEY_BITS || (key + step) >> KEY_BITS;
        key += step;
        sessions[i].key = key;
    }
    for (uint64_t i = 0; i < count && !in->is_bad; i++) {
        uint64_t next = pt_bytes_get(in);

        in->is_bad = in->is_bad || next >> 33;
        sessions[i].next = (uint32_t)(next >> 1);
        sessions[i].first = next & 1; /* a mark until the last column */
    }
    for (uint64_t i = 0; i < count && !in->is_bad; i++) {
        uint64_t age = pt_bytes_get(in);

        in->is_bad = in->is_bad || age > newest;
        sessions[i].minute = (uint32_t)(newest - age);
    }
    for (uint64_t i = 0; i < count && !in->is_bad; i++) {
        if (sessions[i].first) {
            sessions[i].first = (uint32_t)pt_bytes_get(in);
            sessions[i].missing = (uint16_t)pt_bytes_get(in);
            sessions[i].missing_head = (uint16_t)pt_bytes_get(in);
            sessions[i].seen = pt_bytes_get(in);
        } else {
            sessions[i].seen = plain_seen(sessions[i].next);
        }
    }
}

enum pt_code pt_sequence_decode(struct pt_sequence *sequence, struct pt_bytes *in,
                                struct pt_error *err)
{
    struct pt_session *sessions = NULL;
    uint64_t count = 0;
    uint64_t newest = 0;

    decode_rows(sequence, in);
    sequence->closed = pt_bytes_get(in);
    sequence->evicted = pt_bytes_get(in);
    sequence->jumps = pt_bytes_get(in);
    count = pt_bytes_get(in);
    newest = pt_bytes_get(in);
    /* A session takes 3 bytes at least. */
    if (in->is_bad || newest > UINT32_MAX || count > (size_t)(in->end - in->at)) {
        return pt_fail(err, PT_CORRUPT, "the sequence numbers are cut short or hold nonsense");
    }
    sessions = pt_alloc_zero((size_t)(count ? count : 1) * sizeof(*sessions));
    if (!sessions) {
        return pt_fail(err, PT_NO_MEMORY, "read %llu sessions", (unsigned long long)count);
    }
    sequence->newest = (uint32_t)newest;
    decode_sessions(sessions, count, newest, in);
    for (uint64_t i = 0; i < count && !in->is_bad; i++) {
        size_t at = 0;

        if (is_full(sequence)) {
            make_space(sequence, (uint32_t)newest);
        }
        at = place_of(sequence, sessions[i].key);
        if (!insert(sequence, at, &sessions[i])) {
            sequence->evicted++;
        }
    }
    pt_free(sessions);
    if (in->is_bad) {
        return pt_fail(err, PT_CORRUPT, "the sequence numbers are cut short or hold nonsense");
    }
    return PT_OK;
}
