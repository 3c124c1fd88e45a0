/*
 * test_idset_parts.c - the pieces of the id set: order, packed blocks, the filter, the open table
 *
 * Method: the sort against qsort on ids that are random, alike, clustered and equal; blocks of
 * every width of difference there and back; the filter filled to its limit, aged, and asked for
 * what it never had.
 */
#include "check.h"
#include "stream/filter.h"
#include "stream/idset_open.h"
#include "stream/run.h"

#include "base/rng.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    const struct pt_id *x = a;
    const struct pt_id *y = b;

    return pt_id_less(*y, *x) - pt_id_less(*x, *y);
}

static struct pt_id random_id(struct pt_rng *rng)
{
    uint64_t hi = pt_rng_next(rng);

    return (struct pt_id){.hi = hi, .lo = pt_rng_next(rng)};
}

/* What a shape makes of the `i`th id. */
static struct pt_id shaped(unsigned shape, size_t i, struct pt_rng *rng)
{
    struct pt_id id = random_id(rng);

    switch (shape) {
    case 0: /* all random */
        break;
    case 1: /* one first half, another end */
        id.hi = 7;
        break;
    case 2: /* a cluster of times among random ones */
        id.hi = i % 2 ? id.hi : UINT64_C(0x0190f000000) << 20 | (id.hi & 0xfffff);
        break;
    case 3: /* few values, many equal */
        id = (struct pt_id){.hi = i % 5, .lo = i % 3};
        break;
    case 4: /* descending */
        id = (struct pt_id){.hi = UINT64_MAX - i, .lo = i};
        break;
    default: /* alike but for the last bits */
        id = (struct pt_id){.hi = UINT64_MAX, .lo = UINT64_MAX << 12 | (id.lo & 0xfff)};
        break;
    }
    return id;
}

static void the_sort_agrees_with_qsort(void **state)
{
    static const size_t counts[] = {0, 1, 2, 47, 48, 1000, 40000};
    struct pt_id *ids = pt_alloc(40000 * sizeof(*ids));
    struct pt_id *spare = pt_alloc(40000 * sizeof(*spare));
    struct pt_id *wanted = pt_alloc(40000 * sizeof(*wanted));
    struct pt_rng rng;

    (void)state;
    assert_non_null(ids);
    assert_non_null(spare);
    assert_non_null(wanted);
    pt_rng_seed(&rng, 5);
    for (unsigned shape = 0; shape < 6; shape++) {
        for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
            size_t count = counts[c];

            for (size_t i = 0; i < count; i++) {
                ids[i] = wanted[i] = shaped(shape, i, &rng);
            }
            if (count) {
                qsort(wanted, count, sizeof(*wanted), compare);
            }
            pt_ids_sort(ids, spare, count);
            for (size_t i = 0; i < count; i++) {
                PT_CHECK(pt_id_equal(ids[i], wanted[i]));
            }
        }
    }
    pt_free(ids);
    pt_free(spare);
    pt_free(wanted);
}

static void ids_are_ordered_as_their_bytes(void **state)
{
    uint8_t a[PT_UUID_BYTES];
    uint8_t b[PT_UUID_BYTES];
    uint8_t back[PT_UUID_BYTES];
    struct pt_rng rng;

    (void)state;
    pt_rng_seed(&rng, 6);
    for (unsigned i = 0; i < 2000; i++) {
        pt_id_put(random_id(&rng), a);
        memcpy(b, a, sizeof(b));
        b[pt_rng_below(&rng, PT_UUID_BYTES)] ^= (uint8_t)pt_rng_next(&rng);
        PT_CHECK(pt_id_less(pt_id_of(a), pt_id_of(b)) == (memcmp(a, b, PT_UUID_BYTES) < 0));
        PT_CHECK(pt_id_equal(pt_id_of(a), pt_id_of(b)) == (memcmp(a, b, PT_UUID_BYTES) == 0));
        pt_id_put(pt_id_of(a), back);
        assert_memory_equal(a, back, PT_UUID_BYTES);
    }
}

static void blocks_of_every_width_come_back(void **state)
{
    static const unsigned counts[] = {1, 2, 3, 255, 256};
    static struct pt_run_block block;
    static struct pt_run_block back;
    uint8_t bytes[PT_RUN_BLOCK_BYTES_MAX];
    struct pt_rng rng;

    (void)state;
    pt_rng_seed(&rng, 7);
    for (unsigned width = 0; width <= 64; width++) {
        for (unsigned c = 0; c < 2 * sizeof(counts) / sizeof(counts[0]); c++) {
            bool is_hashes = c % 2;
            uint64_t value = width == 64 ? 0 : pt_rng_next(&rng) >> 8 >> width;
            size_t size = 0;

            block.count = counts[c / 2];
            for (unsigned i = 0; i < block.count; i++) {
                /* Once the widest difference there is, else small ones, so that the sum fits. */
                uint64_t most = i == 1 && width ? UINT64_MAX >> (64 - width) : width > 0;

                value += i ? most : 0;
                block.ids[i] = (struct pt_id){.hi = value, .lo = pt_rng_next(&rng)};
            }
            size = pt_run_block_pack(&block, 9, is_hashes, bytes);
            PT_CHECK(size <= PT_RUN_BLOCK_BYTES_MAX - 8);
            PT_CHECK(pt_run_block_bytes(bytes, is_hashes) == size);
            PT_CHECK(pt_run_block_unpack(bytes, size, 9, is_hashes, &back));
            PT_CHECK(back.count == block.count);
            for (unsigned i = 0; i < block.count; i++) {
                PT_CHECK(back.ids[i].hi == block.ids[i].hi);
                PT_CHECK(back.ids[i].lo == (is_hashes ? 0 : block.ids[i].lo));
            }
            PT_CHECK(!pt_run_block_unpack(bytes, size, 8, is_hashes, &back)); /* another's place */
            bytes[pt_rng_below(&rng, size)] ^= 1;
            PT_CHECK(!pt_run_block_unpack(bytes, size, 9, is_hashes, &back));
        }
    }
}

static void the_filter_forgets_nothing_and_errs_as_it_says(void **state)
{
    enum { IDS = 200000, ASKED = 200000 };
    struct pt_filter filter;
    struct pt_error err = {0};
    struct pt_rng rng;
    uint8_t tags[PT_FILTER_FOUND_MAX];
    uint64_t added = 0;
    unsigned false_alarms = 0;
    double expected = 0;

    (void)state;
    PT_CHECK_OK(pt_filter_init(&filter, IDS, 25, &err), err);
    filter.now = 3;
    pt_rng_seed(&rng, 8);
    /* To the limit no line is ever full. */
    while ((double)added < (double)pt_filter_capacity(&filter) * PT_FILTER_LOAD_MAX) {
        PT_CHECK(pt_filter_add(&filter, pt_rng_next(&rng), (uint8_t)(added % 4)));
        added++;
    }
    pt_rng_seed(&rng, 8);
    for (uint64_t i = 0; i < added; i++) {
        unsigned found = pt_filter_find(&filter, pt_rng_next(&rng), tags);
        bool is_there = false;

        for (unsigned t = 0; t < found; t++) {
            is_there |= tags[t] == i % 4;
            PT_CHECK(t == 0 || tags[t] < tags[t - 1]); /* newest first, each once */
        }
        PT_CHECK(is_there);
    }
    for (unsigned i = 0; i < ASKED; i++) {
        false_alarms += pt_filter_find(&filter, pt_rng_next(&rng), tags) > 0;
    }
    expected = pt_filter_false_rate(&filter, added) * ASKED;
    PT_CHECK(false_alarms > expected / 2 && false_alarms < expected * 2);
    pt_filter_release(&filter);
}

/* Hours go by, old entries make room: the filter never grows while as many come as go. */
static void the_filter_stays_as_large_as_what_is_live(void **state)
{
    enum { AN_HOUR = 4000, SPAN = 25 };
    struct pt_filter filter;
    struct pt_error err = {0};
    struct pt_rng rng;
    uint8_t tags[PT_FILTER_FOUND_MAX];

    (void)state;
    PT_CHECK_OK(pt_filter_init(&filter, AN_HOUR * (SPAN + 1), SPAN, &err), err);
    for (unsigned hour = 0; hour < 600; hour++) { /* tags wrap twice */
        filter.now = (uint8_t)hour;
        pt_rng_seed(&rng, hour);
        for (unsigned i = 0; i < AN_HOUR; i++) {
            PT_CHECK(pt_filter_add(&filter, pt_rng_next(&rng), filter.now));
        }
        pt_rng_seed(&rng, hour < SPAN ? 0 : hour - SPAN);
        for (unsigned i = 0; i < AN_HOUR; i++) {
            PT_CHECK(pt_filter_find(&filter, pt_rng_next(&rng), tags) > 0);
        }
    }
    pt_filter_release(&filter);
}

static void a_full_line_is_told(void **state)
{
    struct pt_filter filter;
    struct pt_error err = {0};
    unsigned taken = 0;

    (void)state;
    PT_CHECK_OK(pt_filter_init(&filter, 10, 25, &err), err);
    while (pt_filter_add(&filter, UINT64_C(1) << 60, 0)) {
        taken++;
    }
    PT_CHECK(taken == 2 * PT_FILTER_SLOTS);
    pt_filter_release(&filter);
}

static void the_open_table_holds_what_is_put(void **state)
{
    enum { COUNT = 20000 };
    struct pt_open_ids open;
    struct pt_error err = {0};
    struct pt_id_key key;
    struct pt_rng rng;

    (void)state;
    pt_id_key_init(&key, 1);
    PT_CHECK_OK(pt_open_ids_init(&open, &err), err);
    for (unsigned round = 0; round < 3; round++) {
        pt_rng_seed(&rng, round);
        for (unsigned i = 0; i < COUNT; i++) {
            struct pt_id id = random_id(&rng);
            uint64_t hash = pt_id_hash(&key, id) & ~UINT64_C(0xff00); /* some go to one place */

            PT_CHECK(!pt_open_ids_find(&open, id, hash));
            PT_CHECK_OK(pt_open_ids_reserve(&open, &err), err);
            pt_open_ids_put(&open, id, hash, i);
        }
        pt_rng_seed(&rng, round);
        for (unsigned i = 0; i < COUNT; i++) {
            struct pt_id id = random_id(&rng);
            struct pt_open_id *found =
                pt_open_ids_find(&open, id, pt_id_hash(&key, id) & ~UINT64_C(0xff00));

            PT_CHECK(found && found->bucket == i);
        }
        PT_CHECK(open.count == COUNT);
        pt_open_ids_clear(&open);
        PT_CHECK(open.count == 0);
    }
    pt_open_ids_release(&open);
}

/* Ids that differ in one bit, by thousands, under many seeds: no more of them meet than by chance.
 */
static void chosen_ids_do_not_meet(void **state)
{
    enum { COUNT = 4096, SEEDS = 50 };
    unsigned *hits = pt_alloc(COUNT * sizeof(*hits));

    (void)state;
    assert_non_null(hits);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct pt_id_key key;
        uint64_t pairs = 0;

        pt_id_key_init(&key, seed);
        memset(hits, 0, COUNT * sizeof(*hits));
        for (uint64_t i = 0; i < COUNT; i++) {
            struct pt_id id = {.hi = seed % 2 ? i << 40 : 5, .lo = seed % 2 ? 9 : i << 20};

            pairs += hits[pt_id_hash(&key, id) >> 52]++;
        }
        PT_CHECK(pairs < 4 * COUNT); /* by chance one half of COUNT */
    }
    pt_free(hits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sort_agrees_with_qsort),
        cmocka_unit_test(ids_are_ordered_as_their_bytes),
        cmocka_unit_test(blocks_of_every_width_come_back),
        cmocka_unit_test(the_filter_forgets_nothing_and_errs_as_it_says),
        cmocka_unit_test(the_filter_stays_as_large_as_what_is_live),
        cmocka_unit_test(a_full_line_is_told),
        cmocka_unit_test(the_open_table_holds_what_is_put),
        cmocka_unit_test(chosen_ids_do_not_meet),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
