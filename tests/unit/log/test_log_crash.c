/*
 * test_log_crash.c - what was synced survives any one fault and any crash
 *
 * Method: a scenario that opens, appends, syncs, changes segments, recycles and opens again runs
 * on a simulated disk whose Nth call fails; then the power goes (everything unsynced is lost, or
 * some of it, or nothing); the log must open, hold all that was acknowledged, read back whole,
 * take more, and keep that through a second crash. N sweeps until no call is left to fail.
 */
#include "log_world.h"

#define RECORDS 3u
#define RECORD_BYTES 70000u /* four batches a segment */
#define BATCHES 11u

struct outcome {
    uint64_t acked;    /* end offset of the last sync that succeeded */
    uint64_t released; /* no record from here on may be missing */
    unsigned refused;  /* appends answered with a passing error */
};

/* Append once, or twice where the first is refused for a passing reason. */
static enum pt_code append_stubbornly(struct world *world, struct outcome *outcome)
{
    enum pt_code code = world_append(world, RECORDS, RECORD_BYTES);

    if (code == PT_FULL || code == PT_NO_MEMORY) {
        outcome->refused++;
        code = world_append(world, RECORDS, RECORD_BYTES);
        PT_CHECK(code == PT_OK); /* a refusal changes nothing, so the second try works */
    }
    return code;
}

/* Ends early when the log is broken or does not open. */
static struct outcome run_scenario(struct world *world)
{
    struct outcome outcome = {0};

    for (unsigned part = 0; part < 2; part++) {
        if (world_open(world)) {
            return outcome;
        }
        PT_CHECK(pt_log_synced_end(world->log) >= outcome.acked);
        for (unsigned i = 0; i < BATCHES; i++) {
            if (append_stubbornly(world, &outcome)) {
                PT_CHECK(pt_log_sync(world->log, NULL) == PT_IO); /* broken for good */
                return outcome;
            }
            if (i % 3 != 1) {
                if (pt_log_sync(world->log, &world->err)) {
                    PT_CHECK(world_append(world, 1, 10) == PT_IO);
                    return outcome;
                }
                outcome.acked = pt_log_synced_end(world->log);
                PT_CHECK(outcome.acked == pt_log_end(world->log));
            }
            if (i % 4 == 3) {
                outcome.released = outcome.acked;
                pt_log_release(world->log, outcome.released);
            }
        }
    }
    return outcome;
}

static void check_survivors(struct world *world, const struct outcome *outcome)
{
    struct read_result result;
    uint64_t end = 0;

    world->options.synced_offset = outcome->acked;
    PT_CHECK_OK(world_open(world), world->err);
    end = pt_log_end(world->log);
    PT_CHECK(end >= outcome->acked);
    PT_CHECK(end % RECORDS == 0); /* whole batches or none */
    result = world_read(world, UINT64_MAX);
    PT_CHECK(result.code == PT_NOT_FOUND);
    PT_CHECK(result.end == end);
    PT_CHECK(result.start <= outcome->released);

    /* What was found counts as synced from now on, and the log goes on. */
    PT_CHECK_OK(world_append(world, RECORDS, RECORD_BYTES), world->err);
    pt_simdisk_crash(world->disk, PT_SIMDISK_LOSE_ALL, 0);
    world->options.synced_offset = end;
    PT_CHECK_OK(world_open(world), world->err);
    PT_CHECK(pt_log_end(world->log) == end);
    PT_CHECK_OK(world_append(world, RECORDS, RECORD_BYTES), world->err);
    PT_CHECK_OK(pt_log_sync(world->log, &world->err), world->err);
    pt_simdisk_crash(world->disk, PT_SIMDISK_LOSE_ALL, 0);
    world->options.synced_offset = end + RECORDS;
    PT_CHECK_OK(world_open(world), world->err);
    result = world_read(world, pt_log_synced_end(world->log));
    PT_CHECK(result.code == PT_NOT_FOUND && result.end == end + RECORDS);
}

struct sweep {
    enum pt_code code;
    bool has_effect;
    bool is_lasting; /* every call from the Nth on fails */
    enum pt_simdisk_loss loss;
};

/* Returns the number of calls that were made to fail. */
static unsigned sweep(const struct sweep *sweep)
{
    bool fired = true;
    unsigned call = 1;

    for (; fired; call += SWEEP_STEP) {
        struct world world;
        struct outcome outcome;

        world_init(&world);
        if (sweep->is_lasting) {
            pt_simdisk_fail_from(world.disk, call, sweep->code);
        } else {
            pt_simdisk_fail_call(world.disk, call, sweep->code, sweep->has_effect);
        }
        outcome = run_scenario(&world);
        fired = pt_simdisk_fault_fired(world.disk);
        if (!fired) {
            PT_CHECK(outcome.refused == 0);
            PT_CHECK(outcome.acked == 2 * BATCHES * RECORDS - RECORDS);
        }
        pt_simdisk_crash(world.disk, sweep->loss, call);
        check_survivors(&world, &outcome);
        world_release(&world);
    }
    return call - 1 - SWEEP_STEP;
}

static void no_single_failure_loses_an_acked_record(void **state)
{
    (void)state;
    for (enum pt_simdisk_loss loss = PT_SIMDISK_LOSE_ALL; loss <= PT_SIMDISK_LOSE_NONE; loss++) {
        unsigned calls = sweep(&(struct sweep){.code = PT_IO, .loss = loss});

        PT_CHECK(calls > 60); /* the scenario does what it is there for */
    }
}

static void no_failure_that_had_its_effect_loses_an_acked_record(void **state)
{
    (void)state;
    sweep(&(struct sweep){.code = PT_IO, .has_effect = true, .loss = PT_SIMDISK_LOSE_ALL});
    sweep(&(struct sweep){.code = PT_IO, .has_effect = true, .loss = PT_SIMDISK_LOSE_SOME});
}

static void no_full_disk_loses_an_acked_record(void **state)
{
    (void)state;
    sweep(&(struct sweep){.code = PT_FULL, .loss = PT_SIMDISK_LOSE_SOME});
    sweep(&(struct sweep){.code = PT_FULL, .loss = PT_SIMDISK_LOSE_NONE});
}

static void a_lost_device_loses_no_acked_record(void **state)
{
    (void)state;
    sweep(&(struct sweep){.code = PT_IO, .is_lasting = true, .loss = PT_SIMDISK_LOSE_ALL});
    sweep(&(struct sweep){.code = PT_IO, .is_lasting = true, .loss = PT_SIMDISK_LOSE_SOME});
}

/* Memory instead of the disk: the Nth allocation fails. */
static void no_missing_memory_loses_an_acked_record(void **state)
{
    bool fired = true;
    unsigned nth = 1;

    (void)state;
    for (; fired; nth++) {
        struct world world;
        enum pt_code code = PT_OK;
        uint64_t end = 0;

        world_init(&world);
        pt_mem_fail_after(nth);
        code = world_open(&world);
        if (!code) {
            struct pt_log_reader *reader = NULL;
            struct pt_log_batch batch = {0};
            uint8_t note[PT_LOG_NOTE_BYTES] = {0};
            static const uint8_t record[RECORD_BYTES * RECORDS];
            const uint32_t size = sizeof(record);

            for (unsigned i = 0; i < 2 * BATCHES; i++) {
                uint64_t offset = 0;

                code = pt_log_append(world.log, pt_span_of(record, size), &size, 1, note, &offset,
                                     &world.err);
                if (code) {
                    PT_CHECK(code == PT_NO_MEMORY);
                    PT_CHECK(pt_mem_fault_fired());
                    code = pt_log_append(world.log, pt_span_of(record, size), &size, 1, note,
                                         &offset, &world.err);
                }
                PT_CHECK_OK(code, world.err);
                PT_CHECK(offset == i);
                PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
                pt_log_release(world.log, i > 6 ? i - 6 : 0);
            }
            end = 2 * BATCHES;
            code = pt_log_reader_open(&reader, world.io, WORLD_DIR, &world.err);
            if (!code) {
                code = pt_log_reader_seek(reader, end - 6, &world.err);
                PT_CHECK(!code || code == PT_NO_MEMORY);
                code = pt_log_reader_next(reader, end, &batch, &world.err);
                PT_CHECK(!code || code == PT_NO_MEMORY);
                code = pt_log_reader_next(reader, end, &batch, &world.err);
            }
            PT_CHECK(!code || code == PT_NO_MEMORY);
            pt_log_reader_close(reader);
        } else {
            PT_CHECK(code == PT_NO_MEMORY && world.log == NULL);
        }
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        pt_simdisk_crash(world.disk, PT_SIMDISK_LOSE_ALL, 0);
        world.options.synced_offset = end;
        PT_CHECK_OK(world_open(&world), world.err);
        PT_CHECK(pt_log_end(world.log) == end);
        world_release(&world);
    }
    PT_CHECK(nth > 20);
}

/* Without any fault: random moments, random losses, many generations of one directory. */
static void repeated_crashes_lose_no_acked_record(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world world;
        struct pt_rng rng;
        uint64_t acked = 0;
        uint64_t released = 0;

        world_init(&world);
        pt_rng_seed(&rng, seed);
        for (unsigned generation = 0; generation < 12; generation++) {
            struct read_result result;
            unsigned steps = (unsigned)pt_rng_below(&rng, 20);

            world.options.synced_offset = acked;
            PT_CHECK_OK(world_open(&world), world.err);
            PT_CHECK(pt_log_end(world.log) >= acked);
            acked = pt_log_synced_end(world.log);
            PT_CHECK(acked == pt_log_end(world.log));
            result = world_read(&world, UINT64_MAX);
            if (result.code != PT_NOT_FOUND || result.end != acked || result.start > released) {
                fail_msg("seed %llu, generation %u: %s", (unsigned long long)seed, generation,
                         world.err.text);
            }
            for (unsigned i = 0; i < steps; i++) {
                PT_CHECK_OK(world_append(&world, (uint32_t)pt_rng_below(&rng, 4),
                                         (uint32_t)pt_rng_below(&rng, 60000)),
                            world.err);
                if (pt_rng_below(&rng, 3) == 0) {
                    PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
                }
                acked = pt_log_synced_end(world.log);
                if (pt_rng_below(&rng, 4) == 0) {
                    released = acked;
                    pt_log_release(world.log, released);
                }
            }
            if (pt_rng_below(&rng, 5) > 0) {
                pt_simdisk_crash(world.disk, (enum pt_simdisk_loss)pt_rng_below(&rng, 3),
                                 pt_rng_next(&rng));
            }
        }
        world_release(&world);
    }
}

/* The last write of an append cut at every byte: the batch is there whole, or not at all. */
static void a_write_torn_at_any_byte_is_cut(void **state)
{
    size_t write_bytes = 1;

    (void)state;
    for (size_t kept = 0; kept <= write_bytes; kept++) {
        struct world world;
        struct read_result result;
        size_t batch_bytes = (size_t)pt_batch_bytes(5, 5 * 33);

        world_init(&world);
        PT_CHECK_OK(world_open(&world), world.err);
        PT_CHECK_OK(world_append(&world, 4, 20), world.err);
        PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
        PT_CHECK_OK(world_append(&world, 5, 33), world.err);
        write_bytes = pt_simdisk_last_write_bytes(world.disk);
        write_bytes = write_bytes < batch_bytes + 8 ? write_bytes : batch_bytes + 8;
        pt_simdisk_crash_torn(world.disk, kept);
        world.options.synced_offset = 4;
        PT_CHECK_OK(world_open(&world), world.err);
        /* The last bytes are padding, zero as what was there before. */
        PT_CHECK(pt_log_end(world.log) ==
                 (kept >= batch_bytes - 7 && pt_log_end(world.log) == 9 ? 9u : 4u));
        PT_CHECK(kept < batch_bytes || pt_log_end(world.log) == 9);
        result = world_read(&world, UINT64_MAX);
        PT_CHECK(result.code == PT_NOT_FOUND && result.end == pt_log_end(world.log));
        world_release(&world);
    }
}

/*
 * Three batches unsynced, the first of them torn, the others on the disk: cut at the first. The
 * same batch is then appended again with the same clock, and still the old followers stay dead:
 * behind small batches, which write zeros ahead, and behind large ones, which do not.
 */
static void what_follows_a_torn_batch_never_comes_back(void **state)
{
    (void)state;
    for (uint32_t record_bytes = 33; record_bytes < 40000; record_bytes += 20000) {
        struct world world;
        struct read_result result;
        uint64_t first = PT_SEGMENT_HEADER_BYTES + pt_batch_bytes(4, 80);

        world_init(&world);
        PT_CHECK_OK(world_open(&world), world.err);
        PT_CHECK_OK(world_append(&world, 4, 20), world.err);
        PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
        PT_CHECK_OK(world_append(&world, 5, record_bytes), world.err);
        PT_CHECK_OK(world_append(&world, 6, record_bytes), world.err);
        PT_CHECK_OK(world_append(&world, 7, record_bytes), world.err);
        pt_simdisk_crash(world.disk, PT_SIMDISK_LOSE_NONE, 0);
        flip(&world, 0, first + 130, 0xff);
        world.options.synced_offset = 4;
        PT_CHECK_OK(world_open(&world), world.err);
        PT_CHECK(pt_log_end(world.log) == 4);
        PT_CHECK_OK(world_append(&world, 5, record_bytes), world.err);
        PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
        pt_simdisk_crash(world.disk, PT_SIMDISK_LOSE_ALL, 0);
        world.options.synced_offset = 9;
        PT_CHECK_OK(world_open(&world), world.err);
        PT_CHECK(pt_log_end(world.log) == 9);
        result = world_read(&world, UINT64_MAX);
        PT_CHECK(result.code == PT_NOT_FOUND && result.end == 9);
        world_release(&world);
    }
}

/*
 * A sync fails and the process dies, not the machine: the next one reads the batch back from
 * memory. Once it has opened the log, that batch must be on the disk.
 */
static void what_a_failed_sync_forgot_is_written_again(void **state)
{
    struct world world;

    (void)state;
    world_init(&world);
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK_OK(world_append(&world, 4, 20), world.err);
    PT_CHECK_OK(pt_log_sync(world.log, &world.err), world.err);
    PT_CHECK_OK(world_append(&world, 5, 33), world.err);
    pt_simdisk_fail_call(world.disk, 1, PT_IO, false);
    PT_CHECK(pt_log_sync(world.log, &world.err) == PT_IO);
    world.options.synced_offset = 4;
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK(pt_log_synced_end(world.log) == 9);
    pt_simdisk_crash(world.disk, PT_SIMDISK_LOSE_ALL, 0);
    world.options.synced_offset = 9;
    PT_CHECK_OK(world_open(&world), world.err);
    PT_CHECK(pt_log_end(world.log) == 9);
    world_release(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_single_failure_loses_an_acked_record),
        cmocka_unit_test(no_failure_that_had_its_effect_loses_an_acked_record),
        cmocka_unit_test(no_full_disk_loses_an_acked_record),
        cmocka_unit_test(a_lost_device_loses_no_acked_record),
        cmocka_unit_test(no_missing_memory_loses_an_acked_record),
        cmocka_unit_test(repeated_crashes_lose_no_acked_record),
        cmocka_unit_test(a_write_torn_at_any_byte_is_cut),
        cmocka_unit_test(what_follows_a_torn_batch_never_comes_back),
        cmocka_unit_test(what_a_failed_sync_forgot_is_written_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
