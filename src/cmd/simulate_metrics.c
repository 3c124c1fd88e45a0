/*
 * simulate_metrics.c - the metrics that people see, beside the simulation's own books
 *
 * simulate_verify.c recounts from the rows; here the metrics of sql/ are asked as `playtrace
 * query` asks them. A row that should be there and is not differs as much as a wrong one.
 */
#include "cmd/simulate.h"

#include "query/query.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DAYS_TEXT_BYTES 256
#define RETENTION_DAYS_ALL 31 /* the truth counts up to day 30 */

static size_t column_of(const struct pt_duck_result *result, const char *name)
{
    for (size_t i = 0; i < pt_duck_column_count(result); i++) {
        if (strcmp(pt_duck_column_name(result, i), name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

static enum pt_code find_columns(const struct pt_duck_result *result, const char *const *names,
                                 size_t count, size_t *columns_out, struct pt_error *err)
{
    for (size_t i = 0; i < count; i++) {
        columns_out[i] = column_of(result, names[i]);
        if (columns_out[i] == SIZE_MAX) {
            return pt_fail(err, PT_INVALID, "the metric has no column %s", names[i]);
        }
    }
    return PT_OK;
}

static double number_at(struct pt_duck_result *result, size_t column)
{
    struct pt_duck_value value = pt_duck_value_at(result, column);

    return value.kind == PT_DUCK_INT      ? (double)value.integer
           : value.kind == PT_DUCK_DOUBLE ? value.number
                                          : -1;
}

/* The entry of one day in a list of truth.json; absent where there is none. */
static struct pt_json entry_of(struct pt_json truth, const char *list, struct pt_span day)
{
    struct pt_json entries = pt_json_member(truth, list);
    struct pt_json_iter it;
    struct pt_span text;

    if (!pt_json_exists(entries) || pt_json_type(entries) != PT_JSON_ARRAY) {
        return (struct pt_json){0};
    }
    it = pt_json_iterate(entries);
    while (pt_json_next(&it)) {
        if (pt_json_type(it.value) == PT_JSON_OBJECT &&
            pt_json_member_string(it.value, "day", &text) && pt_span_equal(text, day)) {
            return it.value;
        }
    }
    return (struct pt_json){0};
}

static void note(struct pt_sim_finding *finding, bool is_same, struct pt_span what, double found)
{
    finding->total++;
    if (!is_same) {
        finding->differing++;
        snprintf(finding->example, sizeof(finding->example), "%.*s: %g", PT_SPAN_ARG(what), found);
    }
}

/* Rows that the metric should have had and did not count as differing. */
static void note_missing(struct pt_sim_finding *finding, uint64_t expected)
{
    if (finding->total != expected) {
        finding->differing +=
            finding->total > expected ? finding->total - expected : expected - finding->total;
        snprintf(finding->example, sizeof(finding->example), "%" PRIu64 " rows were expected",
                 expected);
    }
}

static uint32_t entry_count(struct pt_json truth, const char *list)
{
    struct pt_json entries = pt_json_member(truth, list);

    return pt_json_exists(entries) && pt_json_type(entries) == PT_JSON_ARRAY
               ? pt_json_count(entries)
               : 0;
}

/* Days on which somebody played, and the index of the last of them. */
static uint64_t active_days(struct pt_json truth, int64_t *last_out)
{
    struct pt_json_iter it = pt_json_iterate(pt_json_member(truth, "revenue"));
    uint64_t count = 0;

    *last_out = -1;
    for (int64_t day = 0; pt_json_next(&it); day++) {
        int64_t users = 0;

        if (pt_json_type(it.value) == PT_JSON_OBJECT &&
            pt_json_member_int(it.value, "active_users", &users) && users > 0) {
            count++;
            *last_out = day;
        }
    }
    return count;
}

/* Cohorts and days that have fully passed when the newest event comes: see sql/retention.sql. */
static uint64_t expected_cohorts(struct pt_json truth)
{
    struct pt_json_iter it = pt_json_iterate(pt_json_member(truth, "retention"));
    uint64_t expected = 0;
    int64_t last = 0;

    active_days(truth, &last);
    for (int64_t cohort = 0; pt_json_next(&it); cohort++) {
        int64_t installs = 0;

        if (pt_json_type(it.value) == PT_JSON_OBJECT &&
            pt_json_member_int(it.value, "installs", &installs) && installs > 0 &&
            cohort + 1 < last) {
            expected += (uint64_t)(last - 1 - cohort);
        }
    }
    return expected;
}

static bool is_retained(struct pt_json cohort, double size, double day, double retained)
{
    int64_t installs = 0;
    struct pt_json list;
    struct pt_json value;

    if (!pt_json_exists(cohort) || day < 1 || !pt_json_member_int(cohort, "installs", &installs)) {
        return false;
    }
    list = pt_json_member(cohort, "retained");
    if (!pt_json_exists(list) || pt_json_type(list) != PT_JSON_ARRAY) {
        return false;
    }
    value = pt_json_element(list, (uint32_t)day - 1);
    return pt_json_exists(value) && pt_json_type(value) == PT_JSON_INT &&
           (double)installs == size && (double)pt_json_int(value) == retained;
}

enum pt_code pt_sim_verify_retention(struct pt_query *query, struct pt_json truth,
                                     struct pt_sim_finding *finding, struct pt_error *err)
{
    static const char *const names[] = {"cohort_day", "cohort_size", "day", "retained"};
    uint32_t days = entry_count(truth, "retention");
    char text[DAYS_TEXT_BYTES] = "1";
    const struct pt_duck_param param = {.name = "days", .value = text};
    struct pt_duck_result *result = NULL;
    size_t columns[4] = {0};
    size_t size = 1;
    enum pt_code code = PT_OK;

    if (days == 0 || days > PT_SIM_DAYS_MAX || entry_count(truth, "revenue") != days) {
        return pt_fail(err, PT_INVALID, "the truth has no retention or no revenue");
    }
    for (uint32_t day = 2; day < days && day < RETENTION_DAYS_ALL; day++) {
        size += (size_t)snprintf(text + size, sizeof(text) - size, ",%u", day);
    }
    code = pt_query_metric(query, "retention", &param, 1, &result, err);
    if (code) {
        return code;
    }
    code = find_columns(result, names, 4, columns, err);
    while (!code && pt_duck_next(result)) {
        struct pt_span cohort = pt_duck_value_at(result, columns[0]).text;
        double retained = number_at(result, columns[3]);

        if (!pt_span_is(cohort, "all")) {
            note(finding,
                 is_retained(entry_of(truth, "retention", cohort), number_at(result, columns[1]),
                             number_at(result, columns[2]), retained),
                 cohort, retained);
        }
    }
    if (!code && days <= RETENTION_DAYS_ALL) {
        note_missing(finding, expected_cohorts(truth));
    }
    pt_duck_result_close(result);
    return code;
}

enum pt_code pt_sim_verify_revenue(struct pt_query *query, struct pt_json truth,
                                   struct pt_sim_finding *finding, struct pt_error *err)
{
    static const char *const names[] = {"day", "purchases", "revenue", "active_users"};
    struct pt_duck_result *result = NULL;
    size_t columns[4] = {0};
    int64_t last = 0;
    enum pt_code code = pt_query_metric(query, "revenue", NULL, 0, &result, err);

    if (code) {
        return code;
    }
    code = find_columns(result, names, 4, columns, err);
    while (!code && pt_duck_next(result)) {
        struct pt_span day = pt_duck_value_at(result, columns[0]).text;
        struct pt_json entry = entry_of(truth, "revenue", day);
        double revenue = number_at(result, columns[2]);
        int64_t purchases = 0;
        int64_t cents = 0;
        int64_t active = 0;

        note(finding,
             pt_json_exists(entry) && pt_json_member_int(entry, "purchases", &purchases) &&
                 pt_json_member_int(entry, "cents", &cents) &&
                 pt_json_member_int(entry, "active_users", &active) &&
                 (double)purchases == number_at(result, columns[1]) &&
                 (double)active == number_at(result, columns[3]) && llround(revenue * 100) == cents,
             day, revenue);
    }
    if (!code && entry_count(truth, "revenue") > 0) {
        note_missing(finding, active_days(truth, &last));
    }
    pt_duck_result_close(result);
    return code;
}
