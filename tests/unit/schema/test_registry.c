/*
 * test_registry.c - what was acknowledged is there after any crash; readers never see half of a
 * change
 *
 * Method: the operations one by one against their answers and codes; then the same history on a
 * disk that fails at its Nth call, or loses what was not synced, for every N: what was acknowledged
 * must be there after reopening, whole, and compile; then bytes turned one by one; then readers on
 * threads while a writer changes things.
 */
#include "check.h"
#include "fault_io.h"
#include "simdisk.h"

#include "base/json.h"
#include "schema/registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define V1                                                                                         \
    "{\"type\":\"object\",\"properties\":{\"price\":{\"type\":\"integer\"}},\"required\":["        \
    "\"price\"]}"
#define V2                                                                                         \
    "{\"type\":\"object\",\"properties\":{\"price\":{\"type\":\"number\"}},\"required\":["         \
    "\"price\"]}"
#define V3 "{\"type\":\"object\",\"properties\":{\"price\":{\"type\":\"number\"}}}"
#define BROKEN "{\"type\":\"object\",\"properties\":{\"price\":{\"type\":\"string\"}}}"

static struct pt_registry_fault fault;
static struct pt_compat_report report;

static struct pt_registry *open_at(struct pt_io *io, const char *dir)
{
    struct pt_registry *registry = NULL;
    struct pt_error err = {0};

    PT_CHECK_OK(pt_registry_open(&registry, io, dir, &err), err);
    return registry;
}

static enum pt_code put(struct pt_registry *registry, const char *subject, const char *json,
                        uint32_t *id_out, uint32_t *version_out)
{
    struct pt_registry_schema schema = {.json = pt_span_str(json)};

    fault = (struct pt_registry_fault){0};
    return pt_registry_register(registry, pt_span_str(subject), &schema, id_out, version_out,
                                &report, &fault);
}

static enum pt_code drop(struct pt_registry *registry, const char *subject, uint32_t version,
                         bool is_permanent, uint32_t *count_out)
{
    static uint32_t versions[PT_REGISTRY_VERSIONS_MAX];

    fault = (struct pt_registry_fault){0};
    return pt_registry_delete(registry, pt_span_str(subject), version, is_permanent, versions,
                              count_out, &fault);
}

static void a_subject_grows_by_compatible_versions(void **state)
{
    struct pt_registry *registry = open_at(pt_io_posix(), NULL);
    uint32_t id = 0;
    uint32_t version = 0;
    uint32_t same = 0;

    (void)state;
    PT_CHECK(put(registry, "purchase", V1, &id, &version) == PT_OK && id == 1 && version == 1);
    PT_CHECK(put(registry, "purchase", V2, &id, &version) == PT_OK && id == 2 && version == 2);
    PT_CHECK(put(registry, "purchase", BROKEN, &id, &version) == PT_INVALID);
    PT_CHECK(fault.error_code == 409 && report.count > 0);
    PT_CHECK(strstr(fault.text, "version 2") && strstr(fault.text, "TYPE_CHANGED"));
    /* The same text but for blanks and order is the same schema: no new version, in any subject the
     * same id. */
    PT_CHECK(put(registry, "purchase",
                 "{ \"required\":[\"price\"], \"properties\":{\"price\":{\"type\":\"number\"}},\n"
                 " \"type\":\"object\" }",
                 &same, &version) == PT_OK);
    PT_CHECK(same == 2 && version == 2);
    PT_CHECK(put(registry, "refund", V2, &same, &version) == PT_OK && same == 2 && version == 1);
    PT_CHECK(put(registry, "refund", "{\"type\":\"objekt\"}", &id, &version) == PT_INVALID);
    PT_CHECK(fault.error_code == 42201);
    PT_CHECK(put(registry, "", V1, &id, &version) == PT_INVALID && fault.error_code == 42208);
    pt_registry_close(registry);
}

static void every_mode_holds(void **state)
{
    static const struct {
        enum pt_compat_mode mode;
        const char *versions[3];
        int code; /* of the last one */
    } table[] = {
        {PT_COMPAT_BACKWARD, {V1, V2, V3}, 0},   {PT_COMPAT_BACKWARD, {V3, V2, NULL}, 409},
        {PT_COMPAT_FORWARD, {V3, V2, V1}, 0},    {PT_COMPAT_FORWARD, {V1, V2, NULL}, 409},
        {PT_COMPAT_FULL, {V1, V1 " ", V2}, 409}, {PT_COMPAT_NONE, {V1, BROKEN, V3}, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct pt_registry *registry = open_at(pt_io_posix(), NULL);
        uint32_t id = 0;
        uint32_t version = 0;
        int code = 0;

        PT_CHECK(pt_registry_set_mode(registry, pt_span_str("s"), &table[i].mode, &fault) == PT_OK);
        for (size_t v = 0; v < 3 && table[i].versions[v]; v++) {
            PT_CHECK(code == 0);
            code = put(registry, "s", table[i].versions[v], &id, &version) ? fault.error_code : 0;
        }
        PT_CHECK(code == table[i].code);
        pt_registry_close(registry);
    }
}

/* Required with a default, then without: each step goes, both together do not. */
static void transitive_modes_look_at_all_versions(void **state)
{
    static const char *const steps[] = {
        "{\"properties\":{\"a\":{\"type\":\"integer\"}},\"additionalProperties\":false}",
        "{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"integer\",\"default\":0}},"
        "\"required\":[\"b\"],\"additionalProperties\":false}",
        "{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{\"type\":\"integer\"}},\"required\":["
        "\"b\"],"
        "\"additionalProperties\":false}",
    };
    enum pt_compat_mode mode = PT_COMPAT_BACKWARD_TRANSITIVE;

    (void)state;
    for (int is_transitive = 0; is_transitive < 2; is_transitive++) {
        struct pt_registry *registry = open_at(pt_io_posix(), NULL);
        uint32_t id = 0;
        uint32_t version = 0;
        struct pt_span global = {0};

        if (is_transitive) {
            PT_CHECK(pt_registry_set_mode(registry, global, &mode, &fault) == PT_OK);
        }
        PT_CHECK(put(registry, "s", steps[0], &id, &version) == PT_OK);
        PT_CHECK(put(registry, "s", steps[1], &id, &version) == PT_OK);
        PT_CHECK((put(registry, "s", steps[2], &id, &version) == PT_OK) == !is_transitive);
        PT_CHECK(!is_transitive || (fault.error_code == 409 && strstr(fault.text, "version 1")));
        pt_registry_close(registry);
    }
}

static void deletion_has_two_steps(void **state)
{
    struct pt_registry *registry = open_at(pt_io_posix(), NULL);
    uint32_t id = 0;
    uint32_t version = 0;
    uint32_t count = 0;
    struct pt_registry_schema schema = {.json = pt_span_str(V1)};

    (void)state;
    PT_CHECK(drop(registry, "s", 0, false, &count) == PT_NOT_FOUND && fault.error_code == 40401);
    PT_CHECK(put(registry, "s", V1, &id, &version) == PT_OK);
    PT_CHECK(put(registry, "s", V2, &id, &version) == PT_OK);
    PT_CHECK(drop(registry, "s", 7, false, &count) == PT_NOT_FOUND && fault.error_code == 40402);
    PT_CHECK(drop(registry, "s", 1, true, &count) == PT_NOT_FOUND && fault.error_code == 40407);
    PT_CHECK(drop(registry, "s", 1, false, &count) == PT_OK && count == 1);
    PT_CHECK(drop(registry, "s", 1, false, &count) == PT_NOT_FOUND && fault.error_code == 40406);
    PT_CHECK(pt_registry_lookup(registry, pt_span_str("s"), &schema, false, &id, &version,
                                &fault) == PT_NOT_FOUND);
    PT_CHECK(fault.error_code == 40403);
    PT_CHECK(pt_registry_lookup(registry, pt_span_str("s"), &schema, true, &id, &version, &fault) ==
             PT_OK);
    PT_CHECK(version == 1);
    /* Registered again, it is a new version with the old id. */
    PT_CHECK(put(registry, "s", V3, &id, &version) == PT_OK && version == 3);
    PT_CHECK(drop(registry, "s", 0, true, &count) == PT_NOT_FOUND && fault.error_code == 40405);
    PT_CHECK(drop(registry, "s", 0, false, &count) == PT_OK && count == 2);
    PT_CHECK(drop(registry, "s", 0, false, &count) == PT_NOT_FOUND && fault.error_code == 40404);
    PT_CHECK(drop(registry, "s", 0, true, &count) == PT_OK && count == 3);
    PT_CHECK(drop(registry, "s", 0, true, &count) == PT_NOT_FOUND && fault.error_code == 40401);
    PT_CHECK(put(registry, "s", BROKEN, &id, &version) == PT_OK && version == 1 && id == 4);
    pt_registry_close(registry);
}

static void references_are_followed_and_kept(void **state)
{
    struct pt_registry *registry = open_at(pt_io_posix(), NULL);
    struct pt_registry_reference reference = {pt_span_str("money.json"), pt_span_str("money"), 1};
    struct pt_registry_schema schema = {
        .json = pt_span_str("{\"properties\":{\"price\":{\"$ref\":\"money.json\"}},"
                            "\"required\":[\"price\"]}"),
        .references = &reference,
        .reference_count = 1,
    };
    struct pt_registry_reader *reader = NULL;
    struct pt_schema_scratch *scratch = pt_schema_scratch_create();
    struct pt_json_parser *parser = pt_json_parser_create(1024);
    static const char good[128] = "{\"price\":{\"amount\":1}}";
    static const char bad[128] = "{\"price\":{\"amount\":\"1\"}}";
    struct pt_json value;
    uint32_t id = 0;
    uint32_t version = 0;
    uint32_t count = 0;

    (void)state;
    PT_CHECK(pt_registry_register(registry, pt_span_str("purchase"), &schema, &id, &version,
                                  &report, &fault) == PT_INVALID);
    PT_CHECK(fault.error_code == 42201 && strstr(fault.text, "money.json"));
    PT_CHECK(put(registry, "money", "{\"properties\":{\"amount\":{\"type\":\"integer\"}}}", &id,
                 &version) == PT_OK);
    PT_CHECK(pt_registry_register(registry, pt_span_str("purchase"), &schema, &id, &version,
                                  &report, &fault) == PT_OK);
    PT_CHECK(drop(registry, "money", 1, false, &count) == PT_INVALID && fault.error_code == 42206);
    PT_CHECK(drop(registry, "money", 0, false, &count) == PT_INVALID && fault.error_code == 42206);
    reader = pt_registry_reader_create(registry);
    PT_CHECK(reader && scratch && parser);
    PT_CHECK(pt_json_parse(parser, pt_span_str(good), &value, NULL, NULL) == PT_OK);
    PT_CHECK(pt_registry_check_event(reader, pt_span_str("purchase"), pt_span_str(""), value,
                                     scratch, &version, NULL) == PT_REGISTRY_VALID);
    PT_CHECK(pt_json_parse(parser, pt_span_str(bad), &value, NULL, NULL) == PT_OK);
    PT_CHECK(pt_registry_check_event(reader, pt_span_str("purchase"), pt_span_str(""), value,
                                     scratch, &version, NULL) == PT_REGISTRY_INVALID);
    /* A change of what is referred to is seen: the comparison follows the reference. */
    PT_CHECK(put(registry, "money", "{\"properties\":{\"amount\":{\"type\":\"number\"}}}", &id,
                 &version) == PT_OK);
    reference.version = 2;
    PT_CHECK(pt_registry_register(registry, pt_span_str("purchase"), &schema, &id, &version,
                                  &report, &fault) == PT_OK);
    PT_CHECK(version == 2 && id == 4);
    pt_registry_reader_destroy(reader);
    pt_schema_scratch_destroy(scratch);
    pt_json_parser_destroy(parser);
    pt_registry_close(registry);
}

static void schemaver_names_are_counted_or_given(void **state)
{
    static const struct {
        const char *json;
        const char *name;     /* given */
        const char *expected; /* NULL: refused */
    } table[] = {
        {V1, "", "1-0-0"},
        {V2, "", "1-0-1"},     /* all old values are valid still */
        {V1, "", "1-1-0"},     /* (registered again below) fewer values: a revision */
        {BROKEN, "", "2-0-0"}, /* neither way */
        {V3, "2-0-0", NULL},   /* there already */
        {V3, "4-0-7", "4-0-7"},
        {"{\"self\":{\"version\":\"5-0-0\"}}", "", "5-0-0"},
        {"{\"title\":\"x\"}", "soon", NULL},
    };
    enum pt_compat_mode mode = PT_COMPAT_NONE;
    struct pt_registry *registry = open_at(pt_io_posix(), NULL);
    struct pt_registry_reader *reader = pt_registry_reader_create(registry);

    (void)state;
    PT_CHECK(pt_registry_set_mode(registry, (struct pt_span){0}, &mode, &fault) == PT_OK);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct pt_registry_schema schema = {.json = pt_span_str(table[i].json),
                                            .schemaver = pt_span_str(table[i].name)};
        uint32_t id = 0;
        uint32_t version = 0;
        uint32_t count = 0;
        bool is_known = false;
        enum pt_code code = PT_OK;

        if (i == 2) {
            PT_CHECK(drop(registry, "s", 1, false, &count) == PT_OK);
        }
        code = pt_registry_register(registry, pt_span_str("s"), &schema, &id, &version, &report,
                                    &fault);
        if (!table[i].expected) {
            PT_CHECK(code == PT_INVALID && fault.error_code == 42202);
            continue;
        }
        PT_CHECK(code == PT_OK);
        pt_registry_reader_refresh(reader);
        PT_CHECK(pt_registry_find(reader, pt_span_str("s"), pt_span_str(table[i].expected),
                                  &is_known) != NULL);
        PT_CHECK(pt_registry_find(reader, pt_span_str("s"), pt_span_str(""), &is_known)->version ==
                 version);
    }
    pt_registry_reader_destroy(reader);
    pt_registry_close(registry);
}

static enum pt_registry_verdict verdict(struct pt_registry_reader *reader, const char *version,
                                        const char *attributes, struct pt_schema_scratch *scratch,
                                        struct pt_json_parser *parser, uint32_t *version_out)
{
    char text[256] = {0};
    struct pt_json value = {0};
    struct pt_schema_errors errors;
    enum pt_registry_verdict result = PT_REGISTRY_UNKNOWN;

    snprintf(text, sizeof(text), "%s", attributes);
    if (*attributes) {
        PT_CHECK(pt_json_parse(parser, pt_span_str(text), &value, NULL, NULL) == PT_OK);
    }
    result = pt_registry_check_event(reader, pt_span_str("purchase"), pt_span_str(version), value,
                                     scratch, version_out, &errors);
    PT_CHECK(result != PT_REGISTRY_INVALID || errors.count > 0);
    return result;
}

static void an_older_build_is_not_refused(void **state)
{
    static const char added[] =
        "{\"type\":\"object\",\"properties\":{\"price\":{\"type\":\"number\"},\"sku\":{\"type\":"
        "\"string\",\"default\":\"\"}},\"required\":[\"price\",\"sku\"],\"additionalProperties\":"
        "false}";
    static const char first[] =
        "{\"type\":\"object\",\"properties\":{\"price\":{\"type\":\"number\"}},"
        "\"required\":[\"price\"],\"additionalProperties\":false}";
    struct pt_registry *registry = open_at(pt_io_posix(), NULL);
    struct pt_registry_reader *reader = pt_registry_reader_create(registry);
    struct pt_schema_scratch *scratch = pt_schema_scratch_create();
    struct pt_json_parser *parser = pt_json_parser_create(1024);
    uint32_t id = 0;
    uint32_t version = 0;
    uint32_t count = 0;

    (void)state;
    PT_CHECK(verdict(reader, "", "{\"price\":1}", scratch, parser, &version) ==
             PT_REGISTRY_UNKNOWN);
    PT_CHECK(put(registry, "purchase", first, &id, &version) == PT_OK);
    /* A reader that has not refreshed sees what it saw. */
    PT_CHECK(verdict(reader, "", "{\"price\":1}", scratch, parser, &version) ==
             PT_REGISTRY_UNKNOWN);
    pt_registry_reader_refresh(reader);
    PT_CHECK(verdict(reader, "", "{\"price\":1}", scratch, parser, &version) == PT_REGISTRY_VALID);
    PT_CHECK(put(registry, "purchase", added, &id, &version) == PT_OK && version == 2);
    pt_registry_reader_refresh(reader);
    PT_CHECK(verdict(reader, "", "{\"price\":1,\"sku\":\"a\"}", scratch, parser, &version) ==
             PT_REGISTRY_VALID);
    PT_CHECK(version == 2);
    PT_CHECK(verdict(reader, "", "{\"price\":1}", scratch, parser, &version) == PT_REGISTRY_VALID);
    PT_CHECK(version == 1); /* the older build's */
    PT_CHECK(verdict(reader, "2", "{\"price\":1}", scratch, parser, &version) ==
             PT_REGISTRY_INVALID);
    PT_CHECK(verdict(reader, "1-0-0", "{\"price\":1}", scratch, parser, &version) ==
             PT_REGISTRY_VALID);
    PT_CHECK(verdict(reader, "3", "{\"price\":1}", scratch, parser, &version) ==
             PT_REGISTRY_NO_VERSION);
    PT_CHECK(verdict(reader, "x", "{\"price\":1}", scratch, parser, &version) ==
             PT_REGISTRY_NO_VERSION);
    PT_CHECK(verdict(reader, "", "", scratch, parser, &version) == PT_REGISTRY_INVALID);
    PT_CHECK(version == 2);
    PT_CHECK(drop(registry, "purchase", 1, false, &count) == PT_OK);
    pt_registry_reader_refresh(reader);
    PT_CHECK(verdict(reader, "", "{\"price\":1}", scratch, parser, &version) ==
             PT_REGISTRY_INVALID);
    pt_registry_reader_destroy(reader);
    pt_schema_scratch_destroy(scratch);
    pt_json_parser_destroy(parser);
    pt_registry_close(registry);
}

/* ---- crashes -------------------------------------------------------------------------- */

enum { STEP_REGISTER, STEP_MODE, STEP_DELETE, STEP_PURGE };

static const struct {
    int kind;
    const char *subject;
    const char *json;
    uint32_t version;
} history[] = {
    {STEP_REGISTER, "purchase", V1, 0}, {STEP_REGISTER, "purchase", V2, 0},
    {STEP_MODE, "level_end", NULL, 0},  {STEP_REGISTER, "level_end", V3, 0},
    {STEP_DELETE, "purchase", NULL, 1}, {STEP_REGISTER, "refund", V2, 0},
    {STEP_PURGE, "purchase", NULL, 1},  {STEP_REGISTER, "purchase", V3, 0},
};

#define STEPS (sizeof(history) / sizeof(history[0]))

static enum pt_code take_step(struct pt_registry *registry, size_t step)
{
    enum pt_compat_mode mode = PT_COMPAT_FULL;
    uint32_t id = 0;
    uint32_t version = 0;
    uint32_t count = 0;

    switch (history[step].kind) {
    case STEP_REGISTER:
        return put(registry, history[step].subject, history[step].json, &id, &version);
    case STEP_MODE:
        return pt_registry_set_mode(registry, pt_span_str(history[step].subject), &mode, &fault);
    default:
        return drop(registry, history[step].subject, history[step].version,
                    history[step].kind == STEP_PURGE, &count);
    }
}

/* Everything that can be seen, as text. */
static void describe(struct pt_registry *registry, struct pt_buf *out)
{
    struct pt_registry_reader *reader = pt_registry_reader_create(registry);

    PT_CHECK(reader != NULL);
    pt_buf_reset(out);
    for (uint32_t i = 0; i < pt_registry_subject_count(reader); i++) {
        bool is_deleted = false;
        bool is_own = false;
        uint32_t count = 0;
        struct pt_span name = pt_registry_subject_at(reader, i, &is_deleted);
        const struct pt_registry_version *versions = pt_registry_versions(reader, name, &count);
        enum pt_compat_mode mode = pt_registry_mode(reader, name, &is_own);

        pt_buf_appendf(out, "%.*s %s %d:", PT_SPAN_ARG(name), pt_compat_mode_name(mode), is_own);
        for (uint32_t v = 0; v < count; v++) {
            PT_CHECK(versions[v].schema != NULL);
            pt_buf_appendf(out, " %u=%u%s %u-%u-%u %.*s", versions[v].version, versions[v].id,
                           versions[v].is_deleted ? "x" : "", versions[v].schemaver.model,
                           versions[v].schemaver.revision, versions[v].schemaver.addition,
                           PT_SPAN_ARG(versions[v].json));
        }
        pt_buf_append_byte(out, '\n');
    }
    pt_registry_reader_destroy(reader);
    PT_CHECK(!out->has_failed);
}

/* What is to be seen after each of the steps; [0] before all. */
static struct pt_buf states[STEPS + 1];

static void record_states(void)
{
    struct pt_registry *registry = open_at(pt_io_posix(), NULL);

    for (size_t i = 0; i <= STEPS; i++) {
        pt_buf_init(&states[i], 1 << 16);
        describe(registry, &states[i]);
        PT_CHECK(i == STEPS || take_step(registry, i) == PT_OK);
    }
    pt_registry_close(registry);
}

static void forget_states(void)
{
    for (size_t i = 0; i <= STEPS; i++) {
        pt_buf_release(&states[i]);
    }
}

/* The state is that after `acked` steps, or (when one was under way) the one after it. */
static void check_state(struct pt_registry *registry, size_t acked, bool is_exact)
{
    struct pt_buf now;

    pt_buf_init(&now, 1 << 16);
    describe(registry, &now);
    if (!pt_span_equal(pt_buf_span(&now), pt_buf_span(&states[acked])) &&
        (is_exact || acked == STEPS ||
         !pt_span_equal(pt_buf_span(&now), pt_buf_span(&states[acked + 1])))) {
        fail_msg("after %zu steps:\n%.*s\ninstead of\n%.*s", acked, (int)now.size,
                 (const char *)now.data, (int)states[acked].size, (const char *)states[acked].data);
    }
    pt_buf_release(&now);
}

static size_t take_steps(struct pt_io *io, const char *dir)
{
    struct pt_registry *registry = NULL;
    size_t acked = 0;

    if (pt_registry_open(&registry, io, dir, NULL)) {
        return 0;
    }
    while (acked < STEPS && take_step(registry, acked) == PT_OK) {
        acked++;
    }
    if (acked < STEPS) {
        PT_CHECK(fault.error_code == 50001);
        check_state(registry, acked, true); /* what failed is not seen */
    }
    pt_registry_close(registry);
    return acked;
}

static void a_death_at_any_call_loses_nothing_acknowledged(void **state)
{
    bool fired = true;

    (void)state;
    record_states();
    for (unsigned call = 1; fired; call++) {
        char *dir = pt_test_dir_create();
        size_t acked = take_steps(pt_fault_io(call), dir);
        struct pt_registry *registry = NULL;

        fired = pt_fault_io_fired();
        registry = open_at(pt_io_posix(), dir);
        check_state(registry, acked, false);
        pt_registry_close(registry);
        pt_test_dir_remove(dir);
    }
    forget_states();
}

static void a_power_failure_loses_nothing_acknowledged(void **state)
{
    static const enum pt_simdisk_loss losses[] = {PT_SIMDISK_LOSE_ALL, PT_SIMDISK_LOSE_SOME,
                                                  PT_SIMDISK_LOSE_NONE};
    unsigned crashes = 0;

    (void)state;
    record_states();
    for (unsigned l = 0; l < 9; l++) {
        bool fired = true;

        for (unsigned call = 1; fired; call++) {
            struct pt_simdisk *disk = pt_simdisk_create();
            struct pt_registry *registry = NULL;
            size_t acked = 0;

            pt_simdisk_fail_from(disk, call, PT_IO);
            acked = take_steps(pt_simdisk_io(disk), "/registry");
            fired = pt_simdisk_fault_fired(disk);
            pt_simdisk_crash(disk, losses[l % 3], call * 31 + l);
            registry = open_at(pt_simdisk_io(disk), "/registry");
            check_state(registry, acked, false);
            pt_registry_close(registry);
            pt_simdisk_destroy(disk);
            crashes++;
        }
    }
    print_message("%u crashes\n", crashes);
    forget_states();
}

/* One failure (a full disk that is emptied, a sync that failed): the next try goes through. */
static void after_one_failure_it_goes_on(void **state)
{
    bool fired = true;

    (void)state;
    record_states();
    for (unsigned call = 1; fired; call++) {
        struct pt_simdisk *disk = pt_simdisk_create();
        struct pt_registry *registry = NULL;

        registry = open_at(pt_simdisk_io(disk), "/registry");
        pt_simdisk_fail_call(disk, call, PT_FULL, call % 2);
        for (size_t step = 0; step < STEPS; step++) {
            enum pt_code code = take_step(registry, step);

            if (code) {
                PT_CHECK(fault.error_code == 50001);
                check_state(registry, step, true);
                code = take_step(registry, step);
            }
            PT_CHECK(code == PT_OK);
        }
        fired = pt_simdisk_fault_fired(disk);
        pt_registry_close(registry);
        pt_simdisk_crash(disk, PT_SIMDISK_LOSE_ALL, call);
        registry = open_at(pt_simdisk_io(disk), "/registry");
        check_state(registry, STEPS, true);
        pt_registry_close(registry);
        pt_simdisk_destroy(disk);
    }
    forget_states();
}

static void a_turned_byte_is_noticed_or_cuts_the_last_record(void **state)
{
    struct pt_simdisk *disk = pt_simdisk_create();
    struct pt_io *io = pt_simdisk_io(disk);
    uint8_t *data = NULL;
    size_t size = 0;
    unsigned corrupt = 0;

    (void)state;
    record_states();
    PT_CHECK(take_steps(io, "/registry") == STEPS);
    PT_CHECK(pt_io_read_all(io, "/registry/schemas.log", 1 << 20, 1, &data, &size, NULL) == PT_OK);
    for (size_t at = 0; at < size; at++) {
        struct pt_registry *registry = NULL;
        struct pt_simdisk *copy = pt_simdisk_create();
        struct pt_error err = {0};
        enum pt_code code = PT_OK;

        PT_CHECK(pt_io_mkdir(pt_simdisk_io(copy), "/registry", &err) == PT_OK);
        data[at] ^= 0x10;
        PT_CHECK(pt_io_replace(pt_simdisk_io(copy), "/registry/schemas.log", pt_span_of(data, size),
                               0, &err) == PT_OK);
        data[at] ^= 0x10;
        code = pt_registry_open(&registry, pt_simdisk_io(copy), "/registry", &err);
        PT_CHECK(code == PT_OK || code == PT_CORRUPT);
        corrupt += code == PT_CORRUPT ? 1 : 0;
        if (!code) {
            check_state(registry, STEPS - 1, false);
        }
        pt_registry_close(registry);
        pt_simdisk_destroy(copy);
    }
    PT_CHECK(corrupt > size / 2 && corrupt < size);
    pt_free(data);
    pt_simdisk_destroy(disk);
    forget_states();
}

static void what_is_deleted_leaves_the_file(void **state)
{
    char *dir = pt_test_dir_create();
    struct pt_registry *registry = open_at(pt_io_posix(), dir);
    uint8_t *data = NULL;
    size_t before = 0;
    size_t after = 0;
    char path[512];
    struct pt_buf first;
    struct pt_buf second;
    uint32_t id = 0;
    uint32_t version = 0;
    uint32_t count = 0;

    (void)state;
    pt_buf_init(&first, 1 << 16);
    pt_buf_init(&second, 1 << 16);
    snprintf(path, sizeof(path), "%s/schemas.log", dir);
    PT_CHECK(put(registry, "kept", V2, &id, &version) == PT_OK);
    for (unsigned i = 0; i < 50; i++) {
        char name[32];

        snprintf(name, sizeof(name), "gone%u", i);
        PT_CHECK(put(registry, name, V1, &id, &version) == PT_OK);
        PT_CHECK(drop(registry, name, 0, false, &count) == PT_OK);
        PT_CHECK(drop(registry, name, 0, true, &count) == PT_OK);
    }
    PT_CHECK(put(registry, "kept", V3, &id, &version) == PT_OK);
    PT_CHECK(drop(registry, "kept", 1, false, &count) == PT_OK);
    describe(registry, &first);
    pt_registry_close(registry);
    PT_CHECK(pt_io_read_all(pt_io_posix(), path, 1 << 20, 1, &data, &before, NULL) == PT_OK);
    pt_free(data);
    registry = open_at(pt_io_posix(), dir);
    describe(registry, &second);
    PT_CHECK(pt_span_equal(pt_buf_span(&first), pt_buf_span(&second)));
    PT_CHECK(pt_io_read_all(pt_io_posix(), path, 1 << 20, 1, &data, &after, NULL) == PT_OK);
    pt_free(data);
    PT_CHECK(after * 4 < before);
    /* Numbers go on from where they were. */
    PT_CHECK(put(registry, "new", "{\"title\":\"n\"}", &version, &count) == PT_OK);
    PT_CHECK(version == id + 1);
    pt_registry_close(registry);
    registry = open_at(pt_io_posix(), dir); /* the rewritten file is read as well */
    pt_registry_close(registry);
    pt_buf_release(&first);
    pt_buf_release(&second);
    pt_test_dir_remove(dir);
}

/* ---- threads ----------------------------------------------------------------------------- */

struct race {
    struct pt_registry *registry;
    _Atomic bool is_over;
    _Atomic uint64_t checks;
};

static void *read_on(void *ctx)
{
    struct race *race = ctx;
    struct pt_registry_reader *reader = pt_registry_reader_create(race->registry);
    struct pt_schema_scratch *scratch = pt_schema_scratch_create();
    uint32_t newest = 0;

    while (!atomic_load(&race->is_over)) {
        uint32_t version = 0;
        bool is_known = false;
        const struct pt_registry_version *found = NULL;

        pt_registry_reader_refresh(reader);
        found = pt_registry_find(reader, pt_span_str("s"), pt_span_str(""), &is_known);
        if (found) {
            PT_CHECK(found->version >= newest);
            newest = found->version;
            PT_CHECK(pt_registry_check_event(reader, pt_span_str("s"), pt_span_str(""),
                                             (struct pt_json){0}, scratch, &version,
                                             NULL) == PT_REGISTRY_VALID);
        }
        atomic_fetch_add(&race->checks, 1);
    }
    pt_schema_scratch_destroy(scratch);
    pt_registry_reader_destroy(reader);
    return NULL;
}

static void readers_see_whole_states(void **state)
{
    char *dir = pt_test_dir_create();
    struct race race = {.registry = open_at(pt_io_posix(), dir)};
    pthread_t threads[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        PT_CHECK(pthread_create(&threads[i], NULL, read_on, &race) == 0);
    }
    for (unsigned i = 0; i < 60; i++) {
        char json[128];
        uint32_t id = 0;
        uint32_t version = 0;
        uint32_t count = 0;

        snprintf(json, sizeof(json), "{\"type\":\"object\",\"maxProperties\":%u}", i);
        PT_CHECK(put(race.registry, "s", json, &id, &version) == PT_OK);
        PT_CHECK(i < 2 || drop(race.registry, "s", i - 1, false, &count) == PT_OK);
        PT_CHECK(i < 2 || drop(race.registry, "s", i - 1, true, &count) == PT_OK);
    }
    while (atomic_load(&race.checks) < 100) {
    }
    atomic_store(&race.is_over, true);
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    pt_registry_close(race.registry);
    pt_test_dir_remove(dir);
}

static void no_memory_changes_nothing(void **state)
{
    bool fired = true;

    (void)state;
    record_states();
    for (unsigned nth = 1; fired; nth++) {
        struct pt_registry *registry = open_at(pt_io_posix(), NULL);
        enum pt_code code = PT_OK;

        PT_CHECK(take_step(registry, 0) == PT_OK);
        pt_mem_fail_after(nth);
        code = take_step(registry, 1);
        fired = pt_mem_fault_fired();
        pt_mem_fail_after(0);
        check_state(registry, code ? 1 : 2, true);
        /* The compiler does not tell a bound that is reached from memory that is not there. */
        if (code && fault.error_code != 50001 && fault.error_code != 42201) {
            fail_msg("allocation %u: %d %s", nth, fault.error_code, fault.text);
        }
        pt_registry_close(registry);
    }
    forget_states();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subject_grows_by_compatible_versions),
        cmocka_unit_test(every_mode_holds),
        cmocka_unit_test(transitive_modes_look_at_all_versions),
        cmocka_unit_test(deletion_has_two_steps),
        cmocka_unit_test(references_are_followed_and_kept),
        cmocka_unit_test(schemaver_names_are_counted_or_given),
        cmocka_unit_test(an_older_build_is_not_refused),
        cmocka_unit_test(a_death_at_any_call_loses_nothing_acknowledged),
        cmocka_unit_test(a_power_failure_loses_nothing_acknowledged),
        cmocka_unit_test(after_one_failure_it_goes_on),
        cmocka_unit_test(a_turned_byte_is_noticed_or_cuts_the_last_record),
        cmocka_unit_test(what_is_deleted_leaves_the_file),
        cmocka_unit_test(readers_see_whole_states),
        cmocka_unit_test(no_memory_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
