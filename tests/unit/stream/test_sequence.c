/*
 * test_sequence.c - what is missing, repeated or out of order is counted as it was
 *
 * Method: sessions are sent with known numbers left out, doubled and swapped, beside each other and
 * in any order; the counts must be those. Then many more sessions than are kept, and state that is
 * written, read, cut and turned.
 */
#include "check.h"
#include "stream/sequence.h"

#include "base/crypto.h"
#include "base/rng.h"

#include <stdio.h>
#include <string.h>

#define NOW INT64_C(29000000)
#define SESSIONS_MAX 4096
#define IDLE 30

static struct pt_text text_of(const char *text)
{
    return (struct pt_text){.data = text, .size = (uint32_t)strlen(text)};
}

static void init(struct pt_sequence *sequence)
{
    struct pt_error err = {0};

    PT_CHECK_OK(pt_sequence_init(sequence, SESSIONS_MAX, IDLE, &err), err);
}

static void post_as(struct pt_sequence *sequence, const char *build, uint64_t player, int64_t seq,
                    bool is_new, int64_t minute)
{
    struct pt_event event = {
        .build_id = text_of(build),
        .platform = PT_PLATFORM_ANDROID,
        .session_id = text_of("session"),
        .seq = seq,
        .boot = PT_EVENT_NO_NUMBER,
    };

    memcpy(event.user, &player, sizeof(player));
    pt_sequence_add(sequence, &event, pt_sequence_key(sequence, &event),
                    pt_checksum64(build, strlen(build)), is_new, minute);
}

static void post(struct pt_sequence *sequence, uint64_t player, int64_t seq)
{
    post_as(sequence, "1", player, seq, true, NOW);
}

static void gaps_repeats_and_order_are_counted(void **state)
{
    static const struct {
        int64_t seqs[12]; /* up to -1 */
        int64_t missing, missing_head;
        uint64_t reordered, repeated;
    } cases[] = {
        {{0, 1, 2, 3, -1}, 0, 0, 0, 0},       {{0, 1, 3, -1}, 1, 0, 0, 0},
        {{0, 1, 5, -1}, 3, 0, 0, 0},          {{0, 3, 1, 2, -1}, 0, 0, 2, 0},
        {{0, 1, 1, 2, 0, -1}, 0, 0, 0, 2},    {{2, 3, -1}, 0, 2, 0, 0},
        {{2, 3, 0, -1}, 0, 1, 1, 0},          {{2, 3, 0, 1, 1, -1}, 0, 0, 2, 1},
        {{5, 4, 3, 2, 1, 0, -1}, 0, 0, 5, 0}, {{0, 200, 100, 300, -1}, 297, 0, 1, 0},
        {{0, 100, 10, -1}, 98, 0, 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pt_sequence sequence;
        const struct pt_sequence_row *row = NULL;
        uint64_t count = 0;

        init(&sequence);
        for (const int64_t *seq = cases[i].seqs; *seq >= 0; seq++, count++) {
            post(&sequence, 1, *seq);
        }
        row = &sequence.rows[1];
        assert_int_equal(row->events, count);
        assert_int_equal(row->numbered, count);
        assert_int_equal(row->missing, cases[i].missing);
        assert_int_equal(row->missing_head, cases[i].missing_head);
        assert_int_equal(row->reordered, cases[i].reordered);
        assert_int_equal(row->repeated, cases[i].repeated);
        pt_sequence_release(&sequence);
    }
}

static void events_without_a_number_and_duplicates_are_told_apart(void **state)
{
    struct pt_sequence sequence;

    (void)state;
    init(&sequence);
    post(&sequence, 1, 0);
    post(&sequence, 1, PT_EVENT_NO_NUMBER);
    post_as(&sequence, "1", 1, 0, false, NOW);
    post_as(&sequence, "2", 1, 9, false, NOW);
    assert_int_equal(sequence.rows[1].events, 2);
    assert_int_equal(sequence.rows[1].numbered, 1);
    assert_int_equal(sequence.rows[1].duplicates, 1);
    assert_int_equal(sequence.rows[1].repeated, 0);
    assert_int_equal(sequence.rows[2].duplicates, 1);
    assert_int_equal(sequence.count, 1);
    assert_int_equal(pt_parts_per_million(0, 0), 0);
    assert_int_equal(pt_parts_per_million(1, 3), 250000);
    pt_sequence_release(&sequence);
}

/* A number that no game reaches is no loss of millions. */
static void absurd_numbers_do_not_spoil_the_counts(void **state)
{
    struct pt_sequence sequence;

    (void)state;
    init(&sequence);
    post(&sequence, 1, 0);
    post(&sequence, 1, 4000000000);
    post(&sequence, 1, 4000000002);
    post(&sequence, 1, INT64_MAX);
    post(&sequence, 2, 4000000000);
    post(&sequence, 1, 4000000001);
    assert_int_equal(sequence.rows[1].missing, 0);
    assert_int_equal(sequence.rows[1].missing_head, 0);
    assert_int_equal(sequence.rows[1].reordered, 1);
    assert_int_equal(sequence.jumps, 3);
    pt_sequence_release(&sequence);
}

/* Known numbers are lost, all the rest comes in any order: exactly those are missing. */
static void random_loss_is_found_exactly(void **state)
{
    enum { PLAYERS = 300, SEQS = 60 };
    struct pt_sequence sequence;
    struct pt_rng rng;
    int64_t lost = 0;
    uint64_t at[PLAYERS] = {0};

    (void)state;
    pt_rng_seed(&rng, 5);
    init(&sequence);
    for (uint64_t done = 0; done < PLAYERS;) {
        uint64_t player = pt_rng_next(&rng) % PLAYERS;

        if (at[player] >= SEQS) {
            continue;
        }
        if (at[player] > 0 && at[player] + 2 < SEQS && pt_rng_next(&rng) % 4 == 0) {
            /* Two swapped, or one lost. */
            if (pt_rng_next(&rng) % 2) {
                post(&sequence, player, (int64_t)at[player] + 1);
                post(&sequence, player, (int64_t)at[player]);
            } else {
                lost++;
                post(&sequence, player, (int64_t)at[player] + 1);
            }
            at[player] += 2;
        } else {
            post(&sequence, player, (int64_t)at[player]++);
        }
        done += at[player] >= SEQS;
    }
    assert_int_equal(sequence.count, PLAYERS);
    assert_int_equal(sequence.rows[1].missing, lost);
    assert_int_equal(sequence.rows[1].repeated, 0);
    pt_sequence_release(&sequence);
}

static void no_flood_of_sessions_grows_it(void **state)
{
    struct pt_sequence sequence;

    (void)state;
    init(&sequence);
    for (uint64_t i = 0; i < 20 * SESSIONS_MAX; i++) {
        post_as(&sequence, "1", i, 0, true, NOW + (int64_t)(i / 1000));
        assert_true(sequence.count <= SESSIONS_MAX);
    }
    assert_int_equal(sequence.count + sequence.evicted + sequence.closed, 20 * SESSIONS_MAX);
    PT_CHECK(sequence.evicted > 0);
    PT_CHECK(sequence.bits <= 14);
    /* All of one minute as well. */
    for (uint64_t i = 0; i < 3 * SESSIONS_MAX; i++) {
        post_as(&sequence, "1", i << 32, 0, true, NOW + 1000);
        assert_true(sequence.count <= SESSIONS_MAX);
    }
    assert_int_equal(sequence.rows[1].missing, 0);
    pt_sequence_release(&sequence);
}

static void idle_sessions_are_closed_and_newer_ones_stay(void **state)
{
    struct pt_sequence sequence;

    (void)state;
    init(&sequence);
    for (uint64_t i = 0; i < 500; i++) {
        post_as(&sequence, "1", i, 0, true, NOW + (i < 250 ? 0 : IDLE));
    }
    pt_sequence_tidy(&sequence, NOW + IDLE);
    assert_int_equal(sequence.count, 500);
    pt_sequence_tidy(&sequence, NOW + IDLE + IDLE / 2);
    assert_int_equal(sequence.count, 250);
    assert_int_equal(sequence.closed, 250);
    post_as(&sequence, "1", 300, 1, true, NOW + IDLE); /* goes on */
    assert_int_equal(sequence.rows[1].missing_head, 0);
    post_as(&sequence, "1", 3, 1, true, NOW + IDLE); /* was closed: stands apart from loss */
    assert_int_equal(sequence.rows[1].missing_head, 1);
    assert_int_equal(sequence.rows[1].missing, 0);
    pt_sequence_release(&sequence);
}

static void builds_without_end_join_the_other_row(void **state)
{
    struct pt_sequence sequence;
    uint64_t events = 0;
    char build[32];

    (void)state;
    init(&sequence);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(build, sizeof(build), "b%d", i);
        post_as(&sequence, build, 1, i, true, NOW + i);
    }
    assert_int_equal(sequence.row_count, PT_SEQUENCE_ROWS_MAX);
    for (uint32_t i = 0; i < sequence.row_count; i++) {
        events += sequence.rows[i].events;
    }
    assert_int_equal(events, 1000);
    assert_int_equal(sequence.rows[0].events, 1000 - (PT_SEQUENCE_ROWS_MAX - 1));
    pt_sequence_release(&sequence);
}

static void state_comes_back_as_it_was(void **state)
{
    struct pt_sequence sequence;
    struct pt_sequence again;
    struct pt_buf first;
    struct pt_buf second;
    struct pt_bytes in;
    struct pt_rng rng;
    struct pt_error err = {0};

    (void)state;
    pt_rng_seed(&rng, 9);
    pt_buf_init(&first, 1 << 24);
    pt_buf_init(&second, 1 << 24);
    init(&sequence);
    init(&again);
    for (int i = 0; i < 30000; i++) {
        post_as(&sequence, i % 2 ? "1" : "2", pt_rng_next(&rng) % 2000,
                (int64_t)(pt_rng_next(&rng) % 80), i % 7 != 0, NOW + i / 1000);
    }
    pt_sequence_encode(&sequence, &first);
    in = pt_bytes_of(pt_buf_span(&first));
    PT_CHECK_OK(pt_sequence_decode(&again, &in, &err), err);
    PT_CHECK(in.at == in.end);
    pt_sequence_encode(&again, &second);
    PT_CHECK(pt_span_equal(pt_buf_span(&first), pt_buf_span(&second)));
    /* And both go on alike. */
    for (int i = 0; i < 30000; i++) {
        uint64_t player = pt_rng_next(&rng) % 3000;
        int64_t seq = (int64_t)(pt_rng_next(&rng) % 90);

        post_as(&sequence, "1", player, seq, true, NOW + 31);
        post_as(&again, "1", player, seq, true, NOW + 31);
    }
    pt_buf_reset(&first);
    pt_buf_reset(&second);
    pt_sequence_encode(&sequence, &first);
    pt_sequence_encode(&again, &second);
    PT_CHECK(pt_span_equal(pt_buf_span(&first), pt_buf_span(&second)));
    pt_sequence_release(&sequence);
    pt_sequence_release(&again);
    pt_buf_release(&first);
    pt_buf_release(&second);
}

static void damaged_state_is_refused_or_harmless(void **state)
{
    struct pt_sequence sequence;
    struct pt_buf text;
    struct pt_rng rng;

    (void)state;
    pt_rng_seed(&rng, 13);
    pt_buf_init(&text, 1 << 24);
    init(&sequence);
    for (int i = 0; i < 500; i++) {
        post(&sequence, pt_rng_next(&rng) % 100, (int64_t)(pt_rng_next(&rng) % 20));
    }
    pt_sequence_encode(&sequence, &text);
    pt_sequence_release(&sequence);
    for (int round = 0; round < 2000; round++) {
        size_t at = pt_rng_next(&rng) % text.size;
        uint8_t before = text.data[at];
        struct pt_bytes in;

        init(&sequence);
        if (round < 200) {
            in = pt_bytes_of(pt_span_of(text.data, at));
            PT_CHECK(pt_sequence_decode(&sequence, &in, NULL) == PT_CORRUPT);
        } else {
            text.data[at] = (uint8_t)pt_rng_next(&rng);
            in = pt_bytes_of(pt_buf_span(&text));
            if (pt_sequence_decode(&sequence, &in, NULL) == PT_OK) {
                post(&sequence, 5, 21);
            }
            text.data[at] = before;
        }
        pt_sequence_release(&sequence);
    }
    pt_buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaps_repeats_and_order_are_counted),
        cmocka_unit_test(events_without_a_number_and_duplicates_are_told_apart),
        cmocka_unit_test(absurd_numbers_do_not_spoil_the_counts),
        cmocka_unit_test(random_loss_is_found_exactly),
        cmocka_unit_test(no_flood_of_sessions_grows_it),
        cmocka_unit_test(idle_sessions_are_closed_and_newer_ones_stay),
        cmocka_unit_test(builds_without_end_join_the_other_row),
        cmocka_unit_test(state_comes_back_as_it_was),
        cmocka_unit_test(damaged_state_is_refused_or_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
