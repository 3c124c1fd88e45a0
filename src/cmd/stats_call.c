/*
 * stats_call.c - inputs by name, with the first mistake by name too; results by name
 */
#include "cmd/stats_call.h"

#include "base/yaml.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define COUNT_MAX 9007199254740992.0 /* 2^53 */

void stats_fail(struct stats_call *call, const char *format, ...)
{
    va_list args;

    if (call->has_failed) {
        return;
    }
    call->has_failed = true;
    call->err.code = PT_INVALID;
    va_start(args, format);
    vsnprintf(call->err.text, sizeof(call->err.text), format, args);
    va_end(args);
}

bool stats_ok(struct stats_call *call, enum pt_code code)
{
    call->has_failed = call->has_failed || code != PT_OK;
    return code == PT_OK;
}

/* An input that the function did not ask for is the mistake to say, before one that is missing. */
static void check_unknown(struct stats_call *call)
{
    struct pt_json_iter it = pt_json_iterate(call->inputs);

    while (pt_json_next(&it)) {
        bool is_known = false;
        char name[64];
        const char *near = NULL;

        for (size_t i = 0; i < call->asked_count && !is_known; i++) {
            is_known = pt_span_is(it.key, call->asked[i]);
        }
        if (is_known) {
            continue;
        }
        snprintf(name, sizeof(name), "%.*s", PT_SPAN_ARG(it.key));
        near = pt_nearest_name(name, call->asked, call->asked_count);
        call->has_failed = false;
        if (near) {
            stats_fail(call, "\"%s\" is no input of %s; did you mean \"%s\"?", name, call->fn,
                       near);
        } else {
            stats_fail(call, "\"%s\" is no input of %s; `playtrace stats --list` tells its inputs",
                       name, call->fn);
        }
        return;
    }
}

bool stats_ready(struct stats_call *call)
{
    if (call->is_listing) {
        return false;
    }
    check_unknown(call);
    return !call->has_failed;
}

static void note(struct stats_call *call, const char *name, const char *kind, bool is_optional)
{
    char text[128];

    if (call->asked_count < STATS_INPUTS_MAX) {
        call->asked[call->asked_count++] = name;
    }
    if (call->is_listing) {
        snprintf(text, sizeof(text), "%s%s", kind, is_optional ? ", optional" : "");
        pt_jsonw_member_str(call->w, name, text);
    }
}

struct pt_json stats_member(struct stats_call *call, const char *name, const char *kind,
                            bool is_optional)
{
    struct pt_json value = {0};

    note(call, name, kind, is_optional);
    if (call->is_listing) {
        return value;
    }
    value = pt_json_member(call->inputs, name);
    if (!pt_json_exists(value) && !is_optional) {
        stats_fail(call, "%s is missing; it is %s", name, kind);
    }
    return value;
}

/* "inf" and "-inf" are numbers where `allows_infinity`. */
static bool to_number(struct pt_json value, bool allows_infinity, double *out)
{
    if (pt_json_is_number(value)) {
        *out = pt_json_double(value);
        return true;
    }
    if (allows_infinity && pt_json_type(value) == PT_JSON_STRING) {
        struct pt_span text = pt_json_string(value);

        *out = pt_span_is(text, "-inf") ? -INFINITY : INFINITY;
        return pt_span_is(text, "inf") || pt_span_is(text, "-inf");
    }
    return false;
}

static void wrong_type(struct stats_call *call, const char *name, const char *kind,
                       struct pt_json value)
{
    stats_fail(call, "%s: a JSON %s is not %s", name, pt_json_type_name(pt_json_type(value)), kind);
}

/* NaN after a mistake, `fallback` where the input is absent and that is not NaN. */
static double read_number(struct stats_call *call, const char *name, const char *kind,
                          bool is_optional, double fallback, bool allows_infinity)
{
    struct pt_json value = stats_member(call, name, kind, is_optional);
    double number = NAN;

    if (!pt_json_exists(value)) {
        return is_optional ? fallback : NAN;
    }
    if (!to_number(value, allows_infinity, &number)) {
        wrong_type(call, name, kind, value);
        return NAN;
    }
    return number;
}

double stats_number(struct stats_call *call, const char *name)
{
    return read_number(call, name, "a number", false, NAN, false);
}

double stats_number_or(struct stats_call *call, const char *name, double fallback)
{
    return read_number(call, name, "a number", true, fallback, false);
}

double stats_real(struct stats_call *call, const char *name)
{
    return read_number(call, name, "a number, \"inf\" or \"-inf\"", false, NAN, true);
}

double stats_optional(struct stats_call *call, const char *name)
{
    struct pt_json value = stats_member(call, name, "a number or null", true);
    double number = NAN;

    if (pt_json_exists(value) && pt_json_type(value) != PT_JSON_NULL &&
        !to_number(value, false, &number)) {
        wrong_type(call, name, "a number or null", value);
    }
    return number;
}

static double at_least(struct stats_call *call, const char *name, double value, bool is_strict)
{
    if (is_strict ? value <= 0 : value < 0) {
        stats_fail(call, "%s: %.17g is %s", name, value, is_strict ? "not above 0" : "below 0");
    }
    return value;
}

double stats_positive(struct stats_call *call, const char *name)
{
    double value = read_number(call, name, "a number above 0", false, NAN, false);

    return at_least(call, name, value, true);
}

double stats_positive_or(struct stats_call *call, const char *name, double fallback)
{
    double value = read_number(call, name, "a number above 0", true, fallback, false);

    return at_least(call, name, value, true);
}

double stats_not_negative(struct stats_call *call, const char *name)
{
    double value = read_number(call, name, "a number from 0 up", false, NAN, false);

    return at_least(call, name, value, false);
}

double stats_count(struct stats_call *call, const char *name)
{
    double value = read_number(call, name, "a whole number from 0 up", false, NAN, false);

    if (value < 0 || (!isnan(value) && floor(value) != value)) {
        stats_fail(call, "%s: %.17g is not a whole number from 0 up", name, value);
    } else if (value > COUNT_MAX) {
        stats_fail(call, "%s: %.17g is beyond 2^53, where counts are not exact any more", name,
                   value);
    }
    return value;
}

static double in_unit(struct stats_call *call, const char *name, double value, bool is_open)
{
    if (is_open ? value <= 0 || value >= 1 : value < 0 || value > 1) {
        stats_fail(call, "%s: %.17g is not %s", name, value,
                   is_open ? "above 0 and below 1" : "from 0 to 1");
    }
    return value;
}

double stats_probability(struct stats_call *call, const char *name)
{
    double value = read_number(call, name, "a number from 0 to 1", false, NAN, false);

    return in_unit(call, name, value, false);
}

double stats_share(struct stats_call *call, const char *name)
{
    double value = read_number(call, name, "a number above 0 and below 1", false, NAN, false);

    return in_unit(call, name, value, true);
}

double stats_share_or(struct stats_call *call, const char *name, double fallback)
{
    double value = read_number(call, name, "a number above 0 and below 1", true, fallback, false);

    return in_unit(call, name, value, true);
}

static int read_whole(struct stats_call *call, const char *name, int min, int max, bool is_optional,
                      int fallback)
{
    double value = read_number(call, name, "a whole number", is_optional, fallback, false);

    if (isnan(value)) {
        return min;
    }
    if (floor(value) != value || value < min || value > max) {
        stats_fail(call, "%s: %.17g is not a whole number from %d to %d", name, value, min, max);
        return min;
    }
    return (int)value;
}

int stats_whole(struct stats_call *call, const char *name, int min, int max)
{
    return read_whole(call, name, min, max, false, min);
}

int stats_sided(struct stats_call *call)
{
    return read_whole(call, "sided", 1, 2, true, 2);
}

double stats_level(struct stats_call *call)
{
    return stats_share_or(call, "level", 0.95);
}

double stats_alpha(struct stats_call *call)
{
    return stats_share_or(call, "alpha", 0.05);
}

bool stats_bool(struct stats_call *call, const char *name, bool fallback)
{
    struct pt_json value = stats_member(call, name, "true or false", true);

    if (!pt_json_exists(value)) {
        return fallback;
    }
    if (pt_json_type(value) != PT_JSON_BOOL) {
        wrong_type(call, name, "true or false", value);
        return fallback;
    }
    return pt_json_bool(value);
}

int stats_choice(struct stats_call *call, const char *name, const char *const *words, int fallback)
{
    char kind[256];
    size_t used = 0;
    struct pt_json value;

    kind[0] = '\0';
    for (size_t i = 0; words[i] && used < sizeof(kind) - 1; i++) {
        int bytes = snprintf(kind + used, sizeof(kind) - used, "%s\"%s\"",
                             i == 0         ? ""
                             : words[i + 1] ? ", "
                                            : " or ",
                             words[i]);
        used += (size_t)bytes;
    }
    value = stats_member(call, name, kind, fallback >= 0);
    if (!pt_json_exists(value)) {
        return fallback < 0 ? 0 : fallback;
    }
    if (pt_json_type(value) != PT_JSON_STRING) {
        wrong_type(call, name, kind, value);
        return 0;
    }
    for (int i = 0; words[i]; i++) {
        if (pt_span_is(pt_json_string(value), words[i])) {
            return i;
        }
    }
    stats_fail(call, "%s: \"%.*s\" is not %s", name, PT_SPAN_ARG(pt_json_string(value)), kind);
    return 0;
}

enum pt_alternative stats_alternative(struct stats_call *call)
{
    static const char *const words[] = {"two-sided", "larger", "smaller", NULL};

    return (enum pt_alternative)stats_choice(call, "alternative", words, PT_TWO_SIDED);
}

/* ---- arrays ---- */

double *stats_room(struct stats_call *call, size_t count)
{
    double *room = pt_arena_alloc(call->arena, (count + 1) * sizeof(double));

    if (!room) {
        stats_fail(call, "there is no memory for %zu numbers", count);
    }
    return room;
}

static bool is_array_of(struct stats_call *call, const char *name, const char *kind,
                        struct pt_json value, size_t min, size_t max)
{
    if (pt_json_type(value) != PT_JSON_ARRAY) {
        wrong_type(call, name, kind, value);
        return false;
    }
    if (pt_json_count(value) < min || pt_json_count(value) > max) {
        stats_fail(call, "%s: %u elements; %zu to %zu are wanted", name, pt_json_count(value), min,
                   max);
        return false;
    }
    return true;
}

const double *stats_numbers(struct stats_call *call, const char *name, enum stats_elements elements,
                            size_t min, size_t max, bool is_optional, size_t *count_out)
{
    const char *kind = elements == STATS_NULL_TOO       ? "an array of numbers and nulls"
                       : elements == STATS_INFINITE_TOO ? "an array of numbers, \"inf\", \"-inf\""
                                                        : "an array of numbers";
    struct pt_json value = stats_member(call, name, kind, is_optional);
    double *numbers = NULL;
    size_t count = 0;

    *count_out = 0;
    if (!pt_json_exists(value) || !is_array_of(call, name, kind, value, min, max)) {
        return NULL;
    }
    numbers = stats_room(call, pt_json_count(value));
    struct pt_json_iter it = pt_json_iterate(value);

    while (numbers && pt_json_next(&it)) {
        if (elements == STATS_NULL_TOO && pt_json_type(it.value) == PT_JSON_NULL) {
            numbers[count] = NAN;
        } else if (!to_number(it.value, elements == STATS_INFINITE_TOO, &numbers[count])) {
            stats_fail(call, "%s[%zu]: a JSON %s is not a number", name, count,
                       pt_json_type_name(pt_json_type(it.value)));
            return NULL;
        }
        count++;
    }
    *count_out = count;
    return numbers;
}

const double *stats_rows(struct stats_call *call, const char *name, size_t width, size_t min,
                         size_t max, size_t *rows_out)
{
    const char *kind = "an array of arrays of numbers";
    struct pt_json value = stats_member(call, name, kind, false);
    double *numbers = NULL;
    size_t row = 0;

    *rows_out = 0;
    if (!pt_json_exists(value) || !is_array_of(call, name, kind, value, min, max)) {
        return NULL;
    }
    numbers = stats_room(call, pt_json_count(value) * width);
    struct pt_json_iter it = pt_json_iterate(value);

    while (numbers && pt_json_next(&it)) {
        size_t column = 0;

        if (pt_json_type(it.value) != PT_JSON_ARRAY || pt_json_count(it.value) != width) {
            stats_fail(call, "%s[%zu] is not an array of %zu numbers", name, row, width);
            return NULL;
        }
        struct pt_json_iter inner = pt_json_iterate(it.value);

        while (pt_json_next(&inner)) {
            if (!to_number(inner.value, false, &numbers[row * width + column])) {
                stats_fail(call, "%s[%zu][%zu]: a JSON %s is not a number", name, row, column,
                           pt_json_type_name(pt_json_type(inner.value)));
                return NULL;
            }
            column++;
        }
        row++;
    }
    *rows_out = row;
    return numbers;
}

double stats_inner_number(struct stats_call *call, struct pt_json object, const char *where,
                          const char *name)
{
    struct pt_json value = pt_json_member(object, name);
    double number = NAN;

    if (!pt_json_exists(value)) {
        stats_fail(call, "%s: %s is missing; it is a number", where, name);
    } else if (!to_number(value, false, &number)) {
        stats_fail(call, "%s: %s: a JSON %s is not a number", where, name,
                   pt_json_type_name(pt_json_type(value)));
    }
    return number;
}

/* ---- arms ---- */

struct pt_proportion stats_proportion(struct stats_call *call, const char *x, const char *n)
{
    struct pt_proportion arm;

    arm.successes = stats_count(call, x);
    arm.size = stats_count(call, n);
    if (arm.successes > arm.size) {
        stats_fail(call, "%s: %.17g is more than %s, which is %.17g", x, arm.successes, n,
                   arm.size);
    }
    return arm;
}

struct pt_sample stats_sample(struct stats_call *call, char suffix)
{
    static const char *const names[2][3] = {{"n_a", "mean_a", "var_a"}, {"n_b", "mean_b", "var_b"}};
    const char *const *own = names[suffix == 'b'];
    struct pt_sample arm;

    arm.size = stats_count(call, own[0]);
    arm.mean = stats_number(call, own[1]);
    arm.variance = stats_not_negative(call, own[2]);
    return arm;
}

struct pt_values stats_values(struct stats_call *call, const char *name)
{
    struct pt_values values = {NULL, 0};

    values.values =
        stats_numbers(call, name, STATS_FINITE, 1, STATS_VALUES_MAX, false, &values.count);
    return values;
}

/* ---- results ---- */

void stats_put_value(struct pt_jsonw *w, double value)
{
    if (isinf(value)) {
        pt_jsonw_str(w, value > 0 ? "inf" : "-inf");
    } else if (fabs(value) <= COUNT_MAX && floor(value) == value && !signbit(value)) {
        pt_jsonw_int(w, (int64_t)value); /* 9041, not 9041.0 */
    } else {
        pt_jsonw_double(w, value);
    }
}

void stats_put(struct stats_call *call, const char *name, double value)
{
    pt_jsonw_key(call->w, name);
    stats_put_value(call->w, value);
}

void stats_put_bool(struct stats_call *call, const char *name, bool value)
{
    pt_jsonw_member_bool(call->w, name, value);
}

void stats_put_numbers(struct stats_call *call, const char *name, const double *values,
                       size_t count)
{
    pt_jsonw_key(call->w, name);
    pt_jsonw_array(call->w);
    for (size_t i = 0; i < count; i++) {
        stats_put_value(call->w, values[i]);
    }
    pt_jsonw_array_end(call->w);
}

void stats_put_interval(struct stats_call *call, const char *name, struct pt_interval interval)
{
    stats_put_numbers(call, name, (double[]){interval.low, interval.high}, 2);
}

void stats_put_ends(struct stats_call *call, struct pt_interval interval)
{
    stats_put(call, "ci_low", interval.low);
    stats_put(call, "ci_high", interval.high);
}
