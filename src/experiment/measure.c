/*
 * measure.c - one statement a plan, and its rows added up
 */
#include "experiment/measure.h"

#include "query/query.h"
#include "stats/special.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <math.h>

#define SQL_BYTES_MAX (1u << 20)
/* Group, epoch, day, units, first_us of the row; then those of the metrics. */
#define COLUMNS_BEFORE 5
#define COLUMNS_EACH 7
#define DAYS_MAX 100000
#define FIELD_LIMIT "1e100" /* a value from here on counts as nothing */
/* A metric's sums: of the value, the denominator, the covariate. */
#define SUMS_EACH 3
/* Groups that are no arm of the plan. */
#define GROUP_SEVERAL 100
#define GROUP_OTHER 101

/* ---- the statement ---- */

/* "age >= 0 AND age < W"; `days` below 0: "age < 0 AND age >= -W". */
static void sql_age(struct pt_buf *sql, int64_t days)
{
    if (days > 0) {
        pt_buf_appendf(sql, "age >= 0 AND age < %" PRId64, days * PT_DAY_US);
    } else {
        pt_buf_appendf(sql, "age < 0 AND age >= %" PRId64, days * PT_DAY_US);
    }
}

static void sql_in_window(struct pt_buf *sql, const char *event, int64_t days)
{
    pt_buf_append_str(sql, "event_name = ");
    pt_sql_append_text(sql, event);
    pt_buf_append_str(sql, " AND ");
    sql_age(sql, days);
}

static const struct pt_plan_sum *sum_of(const struct pt_plan_metric *m, size_t k)
{
    return k == 0 ? &m->sum : k == 1 ? &m->denominator : &m->cuped.sum;
}

/*
 * The place of a field among those of the metrics' sums, the same one for sums of the same field:
 * a number is taken out of an event's attributes once, which is most of what a measurement costs.
 */
static size_t field_place(const struct pt_plan *plan, const struct pt_plan_sum *sum)
{
    for (size_t i = 0; i < plan->metric_count; i++) {
        for (size_t k = 0; k < SUMS_EACH; k++) {
            const struct pt_plan_sum *one = sum_of(&plan->metrics[i], k);

            if (strcmp(one->event, sum->event) == 0 && strcmp(one->field, sum->field) == 0) {
                return SUMS_EACH * i + k;
            }
        }
    }
    return 0; /* not reached: `sum` is one of the plan's */
}

/* Each field of the first `count` metrics as a column f0, f1, … of the events. */
static void sql_fields(struct pt_buf *sql, const struct pt_plan *plan, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < SUMS_EACH; k++) {
            const struct pt_plan_sum *sum = sum_of(&plan->metrics[i], k);

            if (!sum->field[0] || field_place(plan, sum) != SUMS_EACH * i + k) {
                continue;
            }
            pt_buf_append_str(sql, ", CASE WHEN e.event_name = ");
            pt_sql_append_text(sql, sum->event);
            pt_buf_append_str(sql, " THEN TRY_CAST(e.attributes ->> ");
            pt_sql_append_text(sql, sum->field);
            pt_buf_appendf(sql, " AS DOUBLE) END AS f%zu", SUMS_EACH * i + k);
        }
    }
}

/* `days` below 0: of the days before the first exposure. */
static void sql_sum(struct pt_buf *sql, const struct pt_plan *plan, const struct pt_plan_sum *sum,
                    int64_t days, const char *name)
{
    if (sum->field[0]) {
        size_t place = field_place(plan, sum);

        /* A text such as "NaN" is no number of a game's, nor is 1e300, whose square would end the
         * whole measurement. */
        pt_buf_append_str(sql, ", sum(CASE WHEN ");
        sql_age(sql, days);
        pt_buf_appendf(sql, " AND abs(f%zu) < " FIELD_LIMIT " THEN f%zu END) AS %s", place, place,
                       name);
    } else {
        pt_buf_append_str(sql, ", count(CASE WHEN ");
        sql_in_window(sql, sum->event, days);
        pt_buf_appendf(sql, " THEN 1 END) AS %s", name);
    }
}

static void sql_metric_sums(struct pt_buf *sql, const struct pt_plan *plan, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct pt_plan_metric *m = &plan->metrics[i];
        char x[32];
        char y[32];

        snprintf(x, sizeof(x), "x%zu", i);
        snprintf(y, sizeof(y), "y%zu", i);
        if (m->kind == PT_PLAN_RETENTION) {
            pt_buf_appendf(sql, ", max(CASE WHEN day = %" PRId64 " THEN 1 END) AS %s", m->days, x);
        } else if (m->kind == PT_PLAN_CONVERSION) {
            pt_buf_append_str(sql, ", max(CASE WHEN ");
            sql_in_window(sql, m->sum.event, m->days);
            pt_buf_appendf(sql, " THEN 1 END) AS %s", x);
        } else {
            sql_sum(sql, plan, &m->sum, m->days, x);
        }
        if (m->kind == PT_PLAN_RATIO) {
            sql_sum(sql, plan, &m->denominator, m->days, y);
        } else if (m->cuped.days > 0 && m->cuped.is_share) {
            pt_buf_append_str(sql, ", max(CASE WHEN ");
            sql_in_window(sql, m->cuped.sum.event, -m->cuped.days);
            pt_buf_appendf(sql, " THEN 1 END) AS %s", y);
        } else if (m->cuped.days > 0) {
            sql_sum(sql, plan, &m->cuped.sum, -m->cuped.days, y);
        }
    }
}

/* A second value is taken from the table: a denominator or a covariate. */
static bool has_pair(const struct pt_plan_metric *m)
{
    return m->kind == PT_PLAN_RATIO || m->cuped.days > 0;
}

/* Which events the sums need at all: by name, or every one where retention is among the metrics. */
static void sql_wanted_events(struct pt_buf *sql, const struct pt_plan *plan, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (plan->metrics[i].kind == PT_PLAN_RETENTION) {
            return;
        }
    }
    pt_buf_append_str(sql, " AND event_name IN (");
    for (size_t i = 0; i < count; i++) {
        pt_buf_append_str(sql, i > 0 ? ", " : "");
        pt_sql_append_text(sql, plan->metrics[i].sum.event);
        if (has_pair(&plan->metrics[i])) {
            pt_buf_append_str(sql, ", ");
            pt_sql_append_text(sql, plan->metrics[i].kind == PT_PLAN_RATIO
                                        ? plan->metrics[i].denominator.event
                                        : plan->metrics[i].cuped.sum.event);
        }
    }
    pt_buf_append_str(sql, ")");
}

/* Values of units whose window has passed, NULL for others. */
static void sql_values(struct pt_buf *sql, const struct pt_plan *plan, size_t count,
                       int64_t as_of_us)
{
    for (size_t i = 0; i < count; i++) {
        const struct pt_plan_metric *m = &plan->metrics[i];
        char passed[160]; /* when the window has passed */

        if (m->kind == PT_PLAN_RETENTION) {
            snprintf(passed, sizeof(passed),
                     "(first_us // 86400000000 + %" PRId64 " + 1) * 86400000000", m->days);
        } else {
            snprintf(passed, sizeof(passed), "first_us + %" PRId64, m->days * PT_DAY_US);
        }
        pt_buf_appendf(
            sql, ", CASE WHEN %s <= %" PRId64 " THEN CAST(coalesce(x%zu, 0) AS DOUBLE) END AS v%zu",
            passed, as_of_us, i, i);
        if (has_pair(m)) {
            pt_buf_appendf(sql,
                           ", CASE WHEN %s <= %" PRId64
                           " THEN CAST(coalesce(y%zu, 0) AS DOUBLE) END AS w%zu",
                           passed, as_of_us, i, i);
        }
    }
}

static void sql_moments(struct pt_buf *sql, const struct pt_plan *plan, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct pt_plan_metric *m = &plan->metrics[i];
        bool has_cap = m->winsorise < 1;
        char x[64];
        char y[96] = "";

        if (has_cap) {
            snprintf(x, sizeof(x), "least(v%zu, c%zu)", i, i);
        } else {
            snprintf(x, sizeof(x), "v%zu", i);
        }
        if (has_pair(m) && has_cap) {
            snprintf(y, sizeof(y), "least(w%zu, d%zu)", i, i);
        } else if (has_pair(m)) {
            snprintf(y, sizeof(y), "w%zu", i);
        } else if (m->model == PT_PLAN_HURDLE) {
            snprintf(y, sizeof(y), "CASE WHEN v%zu <> 0 THEN 1.0 WHEN v%zu = 0 THEN 0.0 END", i, i);
        }
        pt_buf_appendf(sql, ", count(v%zu), avg(%s), var_pop(%s) * count(v%zu)", i, x, x, i);
        if (y[0]) {
            pt_buf_appendf(sql,
                           ", avg(%s), var_pop(%s) * count(v%zu), covar_pop(%s, %s) * count(v%zu)",
                           y, y, i, x, y, i);
        } else {
            pt_buf_append_str(sql, ", 0.0, 0.0, 0.0");
        }
        if (has_cap) {
            pt_buf_appendf(sql, ", min(c%zu)", i);
        } else {
            pt_buf_append_str(sql, ", NULL");
        }
    }
}

static void sql_exposures(struct pt_buf *sql, const char *experiment)
{
    pt_buf_append_str(sql, "FROM events WHERE event_name = 'experiment_exposure' AND "
                           "json_extract_string(attributes, '$.experiment') = ");
    pt_sql_append_text(sql, experiment);
}

static void sql_units(struct pt_buf *sql, const struct pt_plan *plan, int64_t as_of_us)
{
    pt_buf_append_str(sql, "WITH exposures AS (SELECT user_id, epoch_us(event_time) AS time_us, "
                           "nullif(json_extract_string(attributes, '$.variant'), '') AS variant, "
                           "json_extract_string(attributes, '$.epoch') AS epoch, platform, "
                           "build_id, country ");
    sql_exposures(sql, plan->name);
    pt_buf_appendf(sql, " AND epoch_us(event_time) <= %" PRId64, as_of_us);
    pt_buf_append_str(sql, "), units AS MATERIALIZED (SELECT user_id, CASE WHEN "
                           "min(variant) <> max(variant) THEN ");
    pt_buf_appendf(sql, "%d", GROUP_SEVERAL);
    for (size_t i = 0; i < plan->arm_count; i++) {
        pt_buf_append_str(sql, " WHEN min(variant) = ");
        pt_sql_append_text(sql, plan->variant[i]);
        pt_buf_appendf(sql, " THEN %zu", i);
    }
    pt_buf_appendf(sql, " ELSE %d", GROUP_OTHER);
    pt_buf_append_str(sql, " END AS arm, min(time_us) AS first_us, "
                           "arg_min(coalesce(epoch, ''), time_us) AS epoch, "
                           "arg_min(coalesce(platform, ''), time_us) AS platform, "
                           "arg_min(coalesce(build_id, ''), time_us) AS build, "
                           "arg_min(coalesce(country, ''), time_us) AS country "
                           "FROM exposures WHERE variant IS NOT NULL GROUP BY user_id)");
}

/* After `WITH … units`: everything up to the rows by arm, epoch and day. */
static void sql_measure(struct pt_buf *sql, const struct pt_plan *plan, size_t count,
                        int64_t as_of_us)
{
    bool has_caps = false;

    pt_buf_append_str(sql,
                      ", aged AS (SELECT e.user_id, e.event_name, "
                      "epoch_us(e.event_time) - u.first_us AS age, "
                      "epoch_us(e.event_time) // 86400000000 - u.first_us // 86400000000 AS day");
    sql_fields(sql, plan, count);
    pt_buf_appendf(sql,
                   " FROM events e JOIN units u ON e.user_id = u.user_id WHERE u.arm < %d AND "
                   "epoch_us(e.event_time) <= %" PRId64,
                   GROUP_SEVERAL, as_of_us);
    sql_wanted_events(sql, plan, count);
    pt_buf_append_str(sql, "), sums AS (SELECT user_id");
    sql_metric_sums(sql, plan, count);
    pt_buf_append_str(sql, " FROM aged GROUP BY user_id), vals AS MATERIALIZED (SELECT arm, epoch, "
                           "first_us");
    sql_values(sql, plan, count, as_of_us);
    pt_buf_append_str(sql, " FROM units LEFT JOIN sums ON units.user_id = sums.user_id), caps AS "
                           "(SELECT 0 AS no_cap");
    for (size_t i = 0; i < count; i++) {
        if (plan->metrics[i].winsorise < 1) {
            has_caps = true;
            pt_buf_appendf(sql, ", quantile_cont(v%zu, %.17g) AS c%zu", i,
                           plan->metrics[i].winsorise, i);
            if (has_pair(&plan->metrics[i])) {
                pt_buf_appendf(sql, ", quantile_cont(w%zu, %.17g) AS d%zu", i,
                               plan->metrics[i].winsorise, i);
            }
        }
    }
    if (has_caps) {
        pt_buf_appendf(sql, " FROM vals WHERE arm < %d", GROUP_SEVERAL);
    }
    pt_buf_append_str(sql, ") SELECT arm, epoch, first_us // 86400000000 AS day, count(*), "
                           "min(first_us)");
    sql_moments(sql, plan, count);
    pt_buf_append_str(sql, " FROM vals CROSS JOIN caps GROUP BY arm, epoch, day ORDER BY day, "
                           "epoch, arm");
}

/* ---- rows ---- */

static double number_at(struct pt_duck_result *rows, size_t column)
{
    struct pt_duck_value value = pt_duck_value_at(rows, column);

    return value.kind == PT_DUCK_INT      ? (double)value.integer
           : value.kind == PT_DUCK_DOUBLE ? value.number
                                          : NAN;
}

static double number_or_zero(struct pt_duck_result *rows, size_t column)
{
    double value = number_at(rows, column);

    return isnan(value) ? 0 : value;
}

static struct pt_moments moments_at(struct pt_duck_result *rows, size_t metric)
{
    size_t at = COLUMNS_BEFORE + metric * COLUMNS_EACH;

    return (struct pt_moments){
        .n = number_or_zero(rows, at),
        .mean_x = number_or_zero(rows, at + 1),
        .sxx = number_or_zero(rows, at + 2),
        .mean_y = number_or_zero(rows, at + 3),
        .syy = number_or_zero(rows, at + 4),
        .sxy = number_or_zero(rows, at + 5),
    };
}

static struct pt_measure_day *day_of(struct pt_measure *m, int64_t day, struct pt_error *err)
{
    struct pt_measure_day *days = m->days;

    if (m->day_count > 0 && days[m->day_count - 1].day == day) {
        return &days[m->day_count - 1];
    }
    if (m->day_count == DAYS_MAX ||
        !(days = pt_realloc(m->days, (m->day_count + 1) * sizeof(*days)))) {
        (void)pt_fail(err, PT_NO_MEMORY, "no memory for %zu days of exposures", m->day_count + 1);
        return NULL;
    }
    m->days = days;
    days[m->day_count] = (struct pt_measure_day){.day = day};
    return &days[m->day_count++];
}

static struct pt_measure_cell *cell_of(struct pt_measure *m, size_t day, size_t epoch,
                                       struct pt_error *err)
{
    struct pt_measure_cell *cells = m->cells;

    if (m->cell_count > 0 && cells[m->cell_count - 1].day == day &&
        cells[m->cell_count - 1].epoch == epoch) {
        return &cells[m->cell_count - 1];
    }
    cells = pt_realloc(m->cells, (m->cell_count + 1) * sizeof(*cells));
    if (!cells) {
        (void)pt_fail(err, PT_NO_MEMORY, "no memory for the days of %zu epochs", m->epoch_count);
        return NULL;
    }
    m->cells = cells;
    cells[m->cell_count] = (struct pt_measure_cell){.day = day, .epoch = epoch};
    return &cells[m->cell_count++];
}

/* Epochs beyond the most that are told apart count in the last one. */
static struct pt_measure_epoch *epoch_of(struct pt_measure *m, const struct pt_plan *plan,
                                         struct pt_span name, struct pt_error *err)
{
    char shown[sizeof(m->epochs[0].name)];
    struct pt_measure_epoch *epoch = NULL;
    size_t i = 0;

    snprintf(shown, sizeof(shown), "%.*s", PT_SPAN_ARG(name));
    while (i < m->epoch_count && strcmp(shown, m->epochs[i].name) != 0) {
        i++;
    }
    if (i < m->epoch_count || i == PT_MEASURE_EPOCHS_MAX) {
        return &m->epochs[i < m->epoch_count ? i : i - 1];
    }
    epoch = &m->epochs[i];
    memcpy(epoch->name, shown, sizeof(shown));
    epoch->metrics = pt_alloc_zero(plan->metric_count * PT_PLAN_ARMS_MAX * sizeof(*epoch->metrics));
    if (!epoch->metrics) {
        (void)pt_fail(err, PT_NO_MEMORY, "no memory for %zu epochs", i + 1);
        return NULL;
    }
    m->epoch_count++;
    return epoch;
}

static enum pt_code take_row(struct pt_duck_result *rows, const struct pt_plan *plan,
                             struct pt_measure *m, struct pt_error *err)
{
    size_t arm = (size_t)number_or_zero(rows, 0);
    uint64_t units = (uint64_t)number_or_zero(rows, 3);
    int64_t first_us = (int64_t)number_or_zero(rows, 4);
    struct pt_measure_day *day = NULL;
    struct pt_measure_epoch *epoch = NULL;
    struct pt_measure_cell *cell = NULL;

    if (arm >= GROUP_SEVERAL) {
        *(arm == GROUP_SEVERAL ? &m->several_units : &m->other_units) += units;
        return PT_OK;
    }
    day = day_of(m, (int64_t)number_or_zero(rows, 2), err);
    epoch = day ? epoch_of(m, plan, pt_duck_value_at(rows, 1).text, err) : NULL;
    cell = epoch ? cell_of(m, (size_t)(day - m->days), (size_t)(epoch - m->epochs), err) : NULL;
    if (!cell) {
        return PT_NO_MEMORY;
    }
    if (m->first_us == 0 || first_us < m->first_us) {
        m->first_us = first_us;
    }
    m->units[arm] += units;
    day->units[arm] += units;
    epoch->units[arm] += (double)units;
    for (size_t i = 0; i < plan->metric_count; i++) {
        struct pt_moments moments = moments_at(rows, i);

        pt_moments_add(&m->metrics[i][arm], &moments);
        pt_moments_add(&epoch->metrics[i * PT_PLAN_ARMS_MAX + arm], &moments);
        if (i == 0) {
            pt_moments_add(&cell->primary[arm], &moments);
        }
        m->caps[i] = number_at(rows, COLUMNS_BEFORE + i * COLUMNS_EACH + 6);
    }
    return PT_OK;
}

/* ---- questions ---- */

enum pt_code pt_measure_ask(struct pt_query *query, struct pt_buf *sql,
                            struct pt_duck_result **rows_out, struct pt_error *err)
{
    pt_buf_append_byte(sql, 0);
    if (sql->has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the experiment's SQL");
    }
    return pt_query_sql(query, (const char *)sql->data, rows_out, err);
}

/* One number; 0 where it is NULL. */
static enum pt_code ask_number(struct pt_query *query, struct pt_buf *sql, double *out,
                               struct pt_error *err)
{
    struct pt_duck_result *rows = NULL;
    enum pt_code code = pt_measure_ask(query, sql, &rows, err);

    *out = 0;
    if (!code && pt_duck_next(rows)) {
        *out = number_or_zero(rows, 0);
    }
    pt_duck_result_close(rows);
    pt_buf_reset(sql);
    return code;
}

/* The newest receipt of an event. */
static enum pt_code ask_newest(struct pt_query *query, struct pt_buf *sql, int64_t *us_out,
                               struct pt_error *err)
{
    double number = 0;
    enum pt_code code = PT_OK;

    pt_buf_append_str(sql, "SELECT max(epoch_us(received_at)) FROM events");
    code = ask_number(query, sql, &number, err);
    *us_out = (int64_t)number;
    return code;
}

enum pt_code pt_measure_plan(struct pt_query *query, const struct pt_plan *plan, int64_t as_of_us,
                             struct pt_measure *out, struct pt_error *err)
{
    struct pt_buf sql;
    struct pt_duck_result *rows = NULL;
    enum pt_code code = PT_OK;

    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < PT_PLAN_METRICS_MAX; i++) {
        out->caps[i] = NAN;
    }
    pt_buf_init(&sql, SQL_BYTES_MAX);
    out->as_of_us = as_of_us;
    code = pt_exposure_map_use(query, plan->name, &plan->exposures, err);
    if (!code && as_of_us == 0) {
        code = ask_newest(query, &sql, &out->as_of_us, err);
    }
    if (!code) {
        code = pt_exposure_count(query, plan->name, &plan->exposures, out->as_of_us,
                                 &out->exposures, err);
    }
    if (!code) {
        sql_units(&sql, plan, out->as_of_us);
        sql_measure(&sql, plan, plan->metric_count, out->as_of_us);
        code = pt_measure_ask(query, &sql, &rows, err);
    }
    while (!code && pt_duck_next(rows)) {
        code = take_row(rows, plan, out, err);
    }
    pt_duck_result_close(rows);
    pt_buf_release(&sql);
    return code;
}

void pt_measure_release(struct pt_measure *measure)
{
    pt_free(measure->days);
    pt_free(measure->cells);
    measure->days = NULL;
    measure->cells = NULL;
    measure->day_count = measure->cell_count = 0;
    for (size_t i = 0; i < measure->epoch_count; i++) {
        pt_free(measure->epochs[i].metrics);
        measure->epochs[i].metrics = NULL;
    }
    measure->epoch_count = 0;
}

/* Keep the worst few, worst first. */
static void keep_segment(struct pt_measure_segment *out, size_t *count,
                         const struct pt_measure_segment *one)
{
    size_t at = *count;

    while (at > 0 && one->p_value < out[at - 1].p_value) {
        if (at < PT_MEASURE_SEGMENTS_MAX) {
            out[at] = out[at - 1];
        }
        at--;
    }
    if (at < PT_MEASURE_SEGMENTS_MAX) {
        out[at] = *one;
        *count += *count < PT_MEASURE_SEGMENTS_MAX;
    }
}

/* Units by kind and value of a segment; by epoch too where ratios differ by epoch. */
static void sql_segments(struct pt_buf *sql, const struct pt_plan *plan)
{
    static const char *const values[] = {"platform", "build", "country",
                                         "CAST(CAST(make_timestamp(first_us) AS DATE) AS VARCHAR)",
                                         "epoch"};
    static const char *const kinds[] = {"platform", "build", "country", "day", "epoch"};

    for (size_t i = 0; i < 5; i++) {
        pt_buf_appendf(sql, "%s SELECT '%s' AS kind, %s AS name, %s AS part",
                       i > 0 ? " UNION ALL" : "", kinds[i], values[i],
                       plan->epoch_count > 0 ? "epoch" : "''");
        for (size_t arm = 0; arm < plan->arm_count; arm++) {
            pt_buf_appendf(sql, ", count(*) FILTER (arm = %zu) AS n%zu", arm, arm);
        }
        pt_buf_appendf(sql, " FROM units WHERE arm < %d GROUP BY ALL", GROUP_SEVERAL);
    }
    pt_buf_append_str(sql, " ORDER BY kind, name");
}

enum pt_code pt_measure_segments(struct pt_query *query, const struct pt_plan *plan,
                                 int64_t as_of_us,
                                 struct pt_measure_segment out[PT_MEASURE_SEGMENTS_MAX],
                                 size_t *count_out, struct pt_error *err)
{
    struct pt_buf sql;
    struct pt_duck_result *rows = NULL;
    struct pt_measure_segment one = {.kind = ""};
    struct pt_measure_ratio ratio = {0};
    size_t looked_at = 0;
    enum pt_code code = PT_OK;

    *count_out = 0;
    pt_buf_init(&sql, SQL_BYTES_MAX);
    sql_units(&sql, plan, as_of_us);
    sql_segments(&sql, plan);
    code = pt_measure_ask(query, &sql, &rows, err);
    for (bool has_row = true; has_row && !code;) {
        struct pt_measure_segment next = {.kind = ""};
        char epoch[64] = "";
        double units[PT_PLAN_ARMS_MAX] = {0};

        has_row = pt_duck_next(rows);
        if (has_row) {
            snprintf(next.kind, sizeof(next.kind), "%.*s",
                     PT_SPAN_ARG(pt_duck_value_at(rows, 0).text));
            snprintf(next.name, sizeof(next.name), "%.*s",
                     PT_SPAN_ARG(pt_duck_value_at(rows, 1).text));
            snprintf(epoch, sizeof(epoch), "%.*s", PT_SPAN_ARG(pt_duck_value_at(rows, 2).text));
        }
        /* The rows of one segment follow each other; a new one, or the end, closes the last. */
        if (strcmp(next.kind, one.kind) != 0 || strcmp(next.name, one.name) != 0) {
            if (one.kind[0]) {
                one.p_value = pt_measure_ratio_chi2_p(&ratio);
                looked_at++;
                keep_segment(out, count_out, &one);
            }
            one = next;
            ratio = (struct pt_measure_ratio){0};
        }
        for (size_t arm = 0; arm < plan->arm_count && has_row; arm++) {
            units[arm] = number_or_zero(rows, 3 + arm);
            one.units[arm] += units[arm];
        }
        pt_measure_ratio_add(&ratio, plan, pt_plan_weights(plan, epoch), units);
    }
    for (size_t i = 0; i < *count_out; i++) {
        out[i].p_value = fmin(1, out[i].p_value * (double)looked_at);
    }
    pt_duck_result_close(rows);
    pt_buf_release(&sql);
    return code;
}

enum pt_code pt_measure_baseline(struct pt_query *query, const struct pt_plan *plan,
                                 struct pt_moments *out, struct pt_error *err)
{
    struct pt_buf sql;
    struct pt_duck_result *rows = NULL;
    int64_t as_of_us = 0;
    enum pt_code code = PT_OK;

    *out = (struct pt_moments){0};
    pt_buf_init(&sql, SQL_BYTES_MAX);
    code = ask_newest(query, &sql, &as_of_us, err);
    if (!code) {
        pt_buf_append_str(&sql, "WITH units AS MATERIALIZED (SELECT user_id, 0 AS arm, "
                                "min(epoch_us(event_time)) AS first_us, '' AS epoch FROM events "
                                "GROUP BY user_id)");
        sql_measure(&sql, plan, 1, as_of_us);
        code = pt_measure_ask(query, &sql, &rows, err);
    }
    while (!code && pt_duck_next(rows)) {
        struct pt_moments more = moments_at(rows, 0);

        pt_moments_add(out, &more);
    }
    pt_duck_result_close(rows);
    pt_buf_release(&sql);
    return code;
}

enum pt_code pt_measure_traffic(struct pt_query *query, struct pt_measure_traffic *out,
                                struct pt_error *err)
{
    struct pt_duck_result *rows = NULL;
    enum pt_code code = pt_query_metric(query, "experiment_traffic", NULL, 0, &rows, err);

    *out = (struct pt_measure_traffic){0};
    if (!code && pt_duck_next(rows)) {
        out->days = number_or_zero(rows, 0);
        out->new_users = number_or_zero(rows, 1);
        out->active_users = number_or_zero(rows, 2);
    }
    pt_duck_result_close(rows);
    return code;
}

enum pt_code pt_measure_start(struct pt_query *query, const char *experiment,
                              struct pt_measure_start *out, struct pt_error *err)
{
    struct pt_buf sql;
    struct pt_duck_result *rows = NULL;
    enum pt_code code = PT_OK;

    *out = (struct pt_measure_start){.received_us = 0};
    pt_buf_init(&sql, SQL_BYTES_MAX);
    pt_buf_append_str(&sql, "SELECT coalesce(json_extract_string(attributes, '$.plan_sha256'), ''),"
                            " epoch_us(received_at) FROM events WHERE event_name = "
                            "'experiment_started' AND json_extract_string(attributes, "
                            "'$.experiment') = ");
    pt_sql_append_text(&sql, experiment);
    pt_buf_append_str(&sql, " ORDER BY received_at LIMIT 1");
    code = pt_measure_ask(query, &sql, &rows, err);
    if (!code && pt_duck_next(rows)) {
        struct pt_span hash = pt_duck_value_at(rows, 0).text;

        snprintf(out->plan_hash, sizeof(out->plan_hash), "%.*s", PT_SPAN_ARG(hash));
        out->received_us = (int64_t)number_or_zero(rows, 1);
    }
    pt_duck_result_close(rows);
    pt_buf_release(&sql);
    return code;
}

enum pt_code pt_measure_exposures(struct pt_query *query, const char *experiment, const char *epoch,
                                  uint64_t *count_out, struct pt_error *err)
{
    struct pt_buf sql;
    double number = 0;
    enum pt_code code = PT_OK;

    pt_buf_init(&sql, SQL_BYTES_MAX);
    pt_buf_append_str(&sql, "SELECT count(*) ");
    sql_exposures(&sql, experiment);
    if (epoch) {
        pt_buf_append_str(&sql, " AND json_extract_string(attributes, '$.epoch') = ");
        pt_sql_append_text(&sql, epoch);
    }
    code = ask_number(query, &sql, &number, err);
    *count_out = (uint64_t)number;
    pt_buf_release(&sql);
    return code;
}
