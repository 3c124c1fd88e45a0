/*
 * stats_call.h - one line of `playtrace stats`: inputs by name, results by name
 *
 * A function of the table reads all its inputs, asks stats_ready(), computes, and writes results.
 * Readers note what was asked for, so the first mistake (missing, wrong type, out of
 * range, unknown) is said by name, and `--list` can show what a function takes. After a mistake
 * readers give harmless values and stats_ready() is false.
 */
#ifndef PT_CMD_STATS_CALL_H
#define PT_CMD_STATS_CALL_H

#include "base/json.h"
#include "stats/stats.h"

#define STATS_INPUTS_MAX 32
#define STATS_VALUES_MAX 2000000u /* of one array */

struct stats_call {
    const char *fn;
    struct pt_json inputs;  /* absent while listing */
    struct pt_jsonw *w;     /* the result object; while listing, what the function takes */
    struct pt_arena *arena; /* arrays live until the next line */
    const char *asked[STATS_INPUTS_MAX];
    size_t asked_count;
    bool is_listing;
    bool has_failed;
    struct pt_error err;
};

struct stats_function {
    const char *name;
    void (*run)(struct stats_call *call);
};

/* The tables, each of one file; they end with a NULL name. */
extern const struct stats_function stats_special_functions[];
extern const struct stats_function stats_two_sample_functions[];
extern const struct stats_function stats_raw_functions[];
extern const struct stats_function stats_power_functions[];
extern const struct stats_function stats_sequential_functions[];
extern const struct stats_function stats_always_functions[];
extern const struct stats_function stats_bayes_functions[];

/* All inputs are read: true when they are sound and there is no other. */
bool stats_ready(struct stats_call *call);
/* Note a mistake of the call (the first one stays). */
void stats_fail(struct stats_call *call, const char *format, ...) PT_PRINTF(2, 3);
/* Takes over what a function of stats said; true when it went well. */
bool stats_ok(struct stats_call *call, enum pt_code code);

/* ---- inputs ---- */

/* A finite number; stats_real() takes "inf" and "-inf" too; stats_optional() gives NaN where it is
 * absent or null. */
double stats_number(struct stats_call *call, const char *name);
double stats_number_or(struct stats_call *call, const char *name, double fallback);
double stats_real(struct stats_call *call, const char *name);
double stats_optional(struct stats_call *call, const char *name);
double stats_positive(struct stats_call *call, const char *name);
double stats_positive_or(struct stats_call *call, const char *name, double fallback);
double stats_not_negative(struct stats_call *call, const char *name);
/* A whole number from 0 to 2^53. */
double stats_count(struct stats_call *call, const char *name);
/* From 0 to 1; stats_share() without the ends. */
double stats_probability(struct stats_call *call, const char *name);
double stats_share(struct stats_call *call, const char *name);
double stats_share_or(struct stats_call *call, const char *name, double fallback);
/* A whole number in [min, max]. */
int stats_whole(struct stats_call *call, const char *name, int min, int max);
bool stats_bool(struct stats_call *call, const char *name, bool fallback);
/* One of the words (a NULL ends them), by index; absent: `fallback`, or a mistake where that is <
 * 0. */
int stats_choice(struct stats_call *call, const char *name, const char *const *words, int fallback);
enum pt_alternative stats_alternative(struct stats_call *call); /* default two-sided */
int stats_sided(struct stats_call *call);                       /* default 2 */
double stats_level(struct stats_call *call);                    /* default 0.95 */
double stats_alpha(struct stats_call *call);                    /* default 0.05 */

enum stats_elements {
    STATS_FINITE,
    STATS_INFINITE_TOO, /* "inf" and "-inf" */
    STATS_NULL_TOO,     /* null is NaN */
};
/* An array; NULL after a mistake or, where `is_optional`, when it is absent. */
const double *stats_numbers(struct stats_call *call, const char *name, enum stats_elements kind,
                            size_t min, size_t max, bool is_optional, size_t *count_out);
/* The same, but an array of arrays of `width` numbers each. */
const double *stats_rows(struct stats_call *call, const char *name, size_t width, size_t min,
                         size_t max, size_t *rows_out);
/* A member whatever it is; absent after a mistake. `kind` is for --list and for the message. */
struct pt_json stats_member(struct stats_call *call, const char *name, const char *kind,
                            bool is_optional);
/* The number of member `name` of an object inside the inputs; `where` names it in messages. */
double stats_inner_number(struct stats_call *call, struct pt_json object, const char *where,
                          const char *name);

struct pt_proportion stats_proportion(struct stats_call *call, const char *x, const char *n);
/* n_SUFFIX, mean_SUFFIX, var_SUFFIX. `suffix` is "a" or "b". */
struct pt_sample stats_sample(struct stats_call *call, char suffix);
struct pt_values stats_values(struct stats_call *call, const char *name);

/* ---- results ---- */

/* NaN is null, infinities are "inf" and "-inf". */
void stats_put(struct stats_call *call, const char *name, double value);
void stats_put_bool(struct stats_call *call, const char *name, bool value);
void stats_put_numbers(struct stats_call *call, const char *name, const double *values,
                       size_t count);
void stats_put_interval(struct stats_call *call, const char *name, struct pt_interval interval);
void stats_put_ends(struct stats_call *call, struct pt_interval interval); /* ci_low, ci_high */
void stats_put_value(struct pt_jsonw *w, double value);

/* Room for `count` numbers until the next line; NULL after noting that there is no memory. */
double *stats_room(struct stats_call *call, size_t count);

#endif
