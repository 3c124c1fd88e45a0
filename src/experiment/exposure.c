/*
 * exposure.c - which events of the table are exposures of an experiment
 *
 * For each source there is an SQL expression for the flag's key, the variant as the source names
 * it, and why an event is no exposure although it is one of the flag: the flag was off, failed, or
 * gave the variant to everybody. Chance has to have decided, or the groups are not comparable.
 *
 * The table's own view is memory.main.events; a temporary view events hides it, so that statements
 * that know nothing of mappings count mapped exposures.
 */
#include "experiment/exposure.h"

#include "experiment/measure.h"
#include "experiment/plan_words.h"
#include "query/query.h"

#include <inttypes.h>
#include <stdio.h>

#define SQL_BYTES_MAX (1u << 20)
#define TABLE "memory.main.events"

/* ---- the mapping ---- */

enum pt_code pt_exposure_map_parse(struct pt_exposure_map *map_out, const char *text,
                                   struct pt_error *err)
{
    const char *colon = strchr(text, ':');
    size_t bytes = colon ? (size_t)(colon - text) : 0;

    memset(map_out, 0, sizeof(*map_out));
    for (size_t i = 1; i < PT_PLAN_WORD_COUNT(pt_plan_word_sources); i++) {
        if (colon && pt_span_is(pt_span_of(text, bytes), pt_plan_word_sources[i]) && colon[1] &&
            strlen(colon + 1) < sizeof(map_out->flag)) {
            map_out->source = (enum pt_exposure_source)i;
            snprintf(map_out->flag, sizeof(map_out->flag), "%s", colon + 1);
            return PT_OK;
        }
    }
    return pt_fail(err, PT_INVALID,
                   "\"%s\" is not a source and a flag's key, such as unleash:KEY, "
                   "opentelemetry:KEY or launchdarkly:KEY",
                   text);
}

bool pt_exposure_map_is_plain(const struct pt_exposure_map *map)
{
    if (map->source != PT_EXPOSURE_PLAYTRACE || map->event[0]) {
        return false;
    }
    for (size_t i = 0; i < map->variant_count; i++) {
        if (strcmp(map->variants[i].ours, map->variants[i].theirs) != 0) {
            return false;
        }
    }
    return true;
}

static void key_text(struct pt_jsonw *w, const char *key, const char *text)
{
    if (text[0]) {
        pt_jsonw_member_str(w, key, text);
    }
}

void pt_exposure_map_write(const struct pt_exposure_map *map, struct pt_jsonw *w)
{
    pt_jsonw_object(w);
    key_text(w, "source", pt_plan_word_sources[map->source]);
    key_text(w, "flag", map->flag);
    key_text(w, "set", map->set);
    key_text(w, "event", map->event);
    pt_jsonw_key(w, "variants");
    pt_jsonw_object(w);
    for (size_t i = 0; i < map->variant_count; i++) {
        key_text(w, map->variants[i].ours, map->variants[i].theirs);
    }
    pt_jsonw_object_end(w);
    pt_jsonw_object_end(w);
}

/* ---- the statement ---- */

/* The first of the paths (up to a NULL) that has a text. */
static void sql_first(struct pt_buf *sql, const char *const *paths)
{
    pt_buf_append_str(sql, "coalesce(");
    for (size_t i = 0; paths[i]; i++) {
        pt_buf_appendf(sql, "%snullif(json_extract_string(attributes, ", i > 0 ? ", " : "");
        pt_sql_append_text(sql, paths[i]);
        pt_buf_append_str(sql, "), '')");
    }
    pt_buf_append_byte(sql, ')');
}
#define FIRST(sql, ...) sql_first((sql), (const char *const[]){__VA_ARGS__, NULL})

/* "'a', 'b'": what the source calls the variants. */
static void sql_theirs(struct pt_buf *sql, const struct pt_exposure_map *map)
{
    for (size_t i = 0; i < map->variant_count; i++) {
        pt_buf_append_str(sql, i > 0 ? ", " : "");
        pt_sql_append_text(sql, map->variants[i].theirs);
    }
}

static bool is_theirs(const struct pt_exposure_map *map, const char *name)
{
    for (size_t i = 0; i < map->variant_count; i++) {
        if (strcmp(map->variants[i].theirs, name) == 0) {
            return true;
        }
    }
    return false;
}

static void sql_names(struct pt_buf *sql, const struct pt_exposure_map *map)
{
    static const char *const defaults[] = {
        [PT_EXPOSURE_PLAYTRACE] = "'experiment_exposure'",
        /* an event of its own, or of a span */
        [PT_EXPOSURE_OPENTELEMETRY] = "'feature_flag.evaluation', 'feature_flag'",
        [PT_EXPOSURE_LAUNCHDARKLY] = "'feature'",
        [PT_EXPOSURE_UNLEASH] = "'impression'",
    };

    if (map->event[0]) {
        pt_sql_append_text(sql, map->event);
    } else {
        pt_buf_append_str(sql, defaults[map->source]);
    }
}

/* Whether an event of the name is one of the flag. */
static void sql_flag(struct pt_buf *sql, const char *experiment, const struct pt_exposure_map *map)
{
    switch (map->source) {
    case PT_EXPOSURE_PLAYTRACE:
        pt_buf_append_str(sql, "json_extract_string(attributes, '$.experiment')");
        break;
    case PT_EXPOSURE_OPENTELEMETRY:
        FIRST(sql, "$.\"feature_flag.key\"");
        break;
    case PT_EXPOSURE_LAUNCHDARKLY:
        pt_buf_append_str(sql, "coalesce(json_extract_string(attributes, '$.kind'), "
                               "json_extract_string(attributes, '$.event.kind'), 'feature') = "
                               "'feature' AND ");
        FIRST(sql, "$.key", "$.flagKey", "$.event.key");
        break;
    case PT_EXPOSURE_UNLEASH:
        FIRST(sql, "$.featureName");
        break;
    }
    pt_buf_append_str(sql, " = ");
    pt_sql_append_text(sql, map->source == PT_EXPOSURE_PLAYTRACE ? experiment : map->flag);
    if (map->set[0]) {
        pt_buf_append_str(sql, " AND json_extract_string(attributes, '$.\"feature_flag.set.id\"') "
                               "= ");
        pt_sql_append_text(sql, map->set);
    }
}

/* Name, value or index of LaunchDarkly's variation: the first that the mapping knows. */
static void sql_variation(struct pt_buf *sql, const struct pt_exposure_map *map)
{
    static const char *const names[] = {"$.variationName", "$.event.variationName", NULL};
    static const char *const values[] = {"$.value", "$.event.value", "$.detail.value", NULL};
    static const char *const indexes[] = {"$.variation", "$.event.variation", "$.variationIndex",
                                          "$.detail.variationIndex", NULL};
    static const char *const *const ways[] = {names, values, indexes};

    pt_buf_append_str(sql, "coalesce(");
    for (size_t i = 0; i < PT_PLAN_WORD_COUNT(ways) && map->variant_count > 0; i++) {
        pt_buf_append_str(sql, "CASE WHEN ");
        sql_first(sql, ways[i]);
        pt_buf_append_str(sql, " IN (");
        sql_theirs(sql, map);
        pt_buf_append_str(sql, ") THEN ");
        sql_first(sql, ways[i]);
        pt_buf_append_str(sql, " END, ");
    }
    for (size_t i = 0; i < PT_PLAN_WORD_COUNT(ways); i++) {
        pt_buf_append_str(sql, i > 0 ? ", " : "");
        sql_first(sql, ways[i]);
    }
    pt_buf_append_byte(sql, ')');
}

/* Unleash asks two questions; the mapping's names tell which one the experiment stands on. */
static bool is_of_enabled(const struct pt_exposure_map *map)
{
    for (size_t i = 0; i < map->variant_count; i++) {
        if (strcmp(map->variants[i].theirs, "true") != 0 &&
            strcmp(map->variants[i].theirs, "false") != 0) {
            return false;
        }
    }
    return map->variant_count > 0;
}

static void sql_variant(struct pt_buf *sql, const struct pt_exposure_map *map)
{
    switch (map->source) {
    case PT_EXPOSURE_PLAYTRACE:
        FIRST(sql, "$.variant");
        break;
    case PT_EXPOSURE_OPENTELEMETRY:
        FIRST(sql, "$.\"feature_flag.result.variant\"", "$.\"feature_flag.variant\"",
              "$.\"feature_flag.result.value\"");
        break;
    case PT_EXPOSURE_LAUNCHDARKLY:
        sql_variation(sql, map);
        break;
    case PT_EXPOSURE_UNLEASH:
        if (is_of_enabled(map)) {
            FIRST(sql, "$.enabled");
        } else {
            FIRST(sql, "$.variant.name", "$.variant");
        }
        break;
    }
}

/* CASE arms that say why it is no exposure. */
static void sql_whys(struct pt_buf *sql, const struct pt_exposure_map *map)
{
    switch (map->source) {
    case PT_EXPOSURE_PLAYTRACE:
        break;
    case PT_EXPOSURE_OPENTELEMETRY:
        pt_buf_append_str(sql, " WHEN json_extract_string(attributes, '$.\"error.type\"') IS NOT "
                               "NULL OR reason = 'error' THEN 'the evaluation failed' "
                               "WHEN reason = 'disabled' THEN 'the flag was disabled' "
                               "WHEN reason IN ('static', 'default') THEN 'no rule assigned the "
                               "variant (reason ' || reason || ')'");
        break;
    case PT_EXPOSURE_LAUNCHDARKLY:
        pt_buf_append_str(
            sql,
            " WHEN reason = 'error' THEN 'the evaluation failed' WHEN reason = 'off' THEN "
            "'the flag was off' WHEN reason = 'prerequisite_failed' THEN 'a prerequisite was "
            "not met' WHEN reason = 'target_match' THEN 'the user was targeted by name' WHEN ");
        FIRST(sql, "$.reason.inExperiment", "$.event.reason.inExperiment",
              "$.detail.reason.inExperiment");
        pt_buf_append_str(sql, " = 'false' THEN 'outside of the experiment (inExperiment is "
                               "false)' WHEN ");
        FIRST(sql, "$.prereqOf", "$.event.prereqOf");
        pt_buf_append_str(sql, " IS NOT NULL THEN 'evaluated for another flag (prereqOf)'");
        break;
    case PT_EXPOSURE_UNLEASH:
        pt_buf_appendf(sql,
                       " WHEN coalesce(kind, '') <> '%s' THEN 'eventType is not %s, whose variants "
                       "the plan has'",
                       is_of_enabled(map) ? "isEnabled" : "getVariant",
                       is_of_enabled(map) ? "isEnabled" : "getVariant");
        if (!is_of_enabled(map) && !is_theirs(map, "disabled")) {
            pt_buf_append_str(sql, " WHEN json_extract_string(attributes, '$.enabled') = 'false' "
                                   "OR theirs = 'disabled' THEN 'the flag was disabled'");
        }
        break;
    }
}

static void sql_reason(struct pt_buf *sql, const struct pt_exposure_map *map)
{
    pt_buf_append_str(sql, "lower(");
    if (map->source == PT_EXPOSURE_OPENTELEMETRY) {
        FIRST(sql, "$.\"feature_flag.result.reason\"", "$.\"feature_flag.evaluation.reason\"");
    } else {
        FIRST(sql, "$.reason.kind", "$.event.reason.kind", "$.detail.reason.kind");
    }
    pt_buf_append_byte(sql, ')');
}

/* "(SELECT *, theirs, …, why FROM the table WHERE it is one of the flag)" */
static void sql_seen(struct pt_buf *sql, const char *experiment, const struct pt_exposure_map *map)
{
    pt_buf_append_str(sql, "(SELECT *, CASE");
    sql_whys(sql, map);
    pt_buf_append_str(sql, " WHEN theirs IS NULL THEN 'no variant'");
    if (map->variant_count > 0) {
        pt_buf_append_str(sql, " WHEN theirs NOT IN (");
        sql_theirs(sql, map);
        pt_buf_append_str(sql, ") THEN 'the plan has no variant \"' || theirs || '\"'");
    }
    pt_buf_append_str(sql, " END AS why FROM (SELECT *, ");
    sql_variant(sql, map);
    pt_buf_append_str(sql, " AS theirs, ");
    sql_reason(sql, map);
    pt_buf_append_str(sql, " AS reason, json_extract_string(attributes, '$.eventType') AS kind, ");
    FIRST(sql, "$.\"feature_flag.version\"", "$.version", "$.event.version", "$.flag_version");
    pt_buf_append_str(sql, " AS flag_version, json_extract_string(attributes, '$.epoch') AS epoch "
                           "FROM " TABLE " WHERE event_name IN (");
    sql_names(sql, map);
    pt_buf_append_str(sql, ") AND ");
    sql_flag(sql, experiment, map);
    pt_buf_append_str(sql, "))");
}

static void sql_ours(struct pt_buf *sql, const struct pt_exposure_map *map)
{
    if (map->variant_count == 0) {
        pt_buf_append_str(sql, "theirs");
        return;
    }
    pt_buf_append_str(sql, "CASE theirs");
    for (size_t i = 0; i < map->variant_count; i++) {
        pt_buf_append_str(sql, " WHEN ");
        pt_sql_append_text(sql, map->variants[i].theirs);
        pt_buf_append_str(sql, " THEN ");
        pt_sql_append_text(sql, map->variants[i].ours);
    }
    /* No name in YAML begins so: a player in an unknown variant too is seen in several. */
    pt_buf_append_str(sql, " ELSE chr(1) || theirs END");
}

enum pt_code pt_exposure_map_use(struct pt_query *query, const char *experiment,
                                 const struct pt_exposure_map *map, struct pt_error *err)
{
    struct pt_buf sql;
    struct pt_duck_result *rows = NULL;
    enum pt_code code = PT_OK;

    if (pt_exposure_map_is_plain(map)) {
        return PT_OK;
    }
    pt_buf_init(&sql, SQL_BYTES_MAX);
    pt_buf_append_str(&sql,
                      "CREATE OR REPLACE TEMP VIEW events AS SELECT * FROM " TABLE
                      " WHERE event_name <> 'experiment_exposure' UNION ALL BY NAME SELECT "
                      "* EXCLUDE (theirs, reason, kind, flag_version, epoch, why) REPLACE "
                      "('experiment_exposure' AS event_name, CAST(json_object('experiment', ");
    pt_sql_append_text(&sql, experiment);
    pt_buf_append_str(&sql, ", 'variant', ");
    sql_ours(&sql, map);
    pt_buf_append_str(&sql, ", 'flag_key', ");
    pt_sql_append_text(&sql, map->flag);
    pt_buf_append_str(&sql, ", 'flag_version', flag_version, 'epoch', epoch) AS VARCHAR) AS "
                            "attributes) FROM ");
    sql_seen(&sql, experiment, map);
    /* Other variants stay: who saw one of them too was seen in several. */
    pt_buf_append_str(&sql, " WHERE why IS NULL OR why LIKE 'the plan has no variant%'");
    code = pt_measure_ask(query, &sql, &rows, err);
    pt_duck_result_close(rows);
    pt_buf_release(&sql);
    return code;
}

/* ---- counting ---- */

/* Theirs may be any text. */
static void keep_printable(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

static void take_count(struct pt_exposure_counts *out, struct pt_duck_result *rows)
{
    struct pt_duck_value why = pt_duck_value_at(rows, 0);
    uint64_t events = (uint64_t)pt_duck_value_at(rows, 1).integer;

    if (why.kind != PT_DUCK_TEXT) {
        out->matched = events;
        return;
    }
    if (pt_span_is(why.text, "no variant")) {
        out->unnamed = events;
    }
    if (out->why_count == PT_EXPOSURE_WHYS_MAX) {
        out->whys[PT_EXPOSURE_WHYS_MAX - 1].events += events;
        snprintf(out->whys[PT_EXPOSURE_WHYS_MAX - 1].why, sizeof(out->whys[0].why),
                 "other reasons");
        return;
    }
    snprintf(out->whys[out->why_count].why, sizeof(out->whys[0].why), "%.*s",
             PT_SPAN_ARG(why.text));
    keep_printable(out->whys[out->why_count].why);
    out->whys[out->why_count++].events = events;
}

enum pt_code pt_exposure_count(struct pt_query *query, const char *experiment,
                               const struct pt_exposure_map *map, int64_t as_of_us,
                               struct pt_exposure_counts *out, struct pt_error *err)
{
    struct pt_buf sql;
    struct pt_duck_result *rows = NULL;
    enum pt_code code = PT_OK;

    memset(out, 0, sizeof(*out));
    pt_buf_init(&sql, SQL_BYTES_MAX);
    pt_buf_append_str(&sql, "SELECT why, count(*) AS events FROM ");
    sql_seen(&sql, experiment, map);
    if (as_of_us > 0) {
        pt_buf_appendf(&sql, " WHERE epoch_us(event_time) <= %" PRId64, as_of_us);
    }
    pt_buf_append_str(&sql, " GROUP BY why ORDER BY events DESC, why");
    code = pt_measure_ask(query, &sql, &rows, err);
    while (!code && pt_duck_next(rows)) {
        take_count(out, rows);
    }
    pt_duck_result_close(rows);
    pt_buf_release(&sql);
    return code;
}

void pt_exposure_counts_table(const struct pt_exposure_counts *counts,
                              const struct pt_exposure_map *map, struct pt_buf *out)
{
    pt_buf_appendf(out, "  exposures: %" PRIu64 " events", counts->matched);
    if (map->source != PT_EXPOSURE_PLAYTRACE) {
        pt_buf_appendf(out, " of %s's flag %s", pt_plan_word_sources[map->source], map->flag);
    }
    if (counts->matched == 0) {
        pt_buf_append_str(out, " (looked for in events named ");
        sql_names(out, map);
        pt_buf_append_byte(out, ')');
    }
    pt_buf_append_byte(out, '\n');
    for (size_t i = 0; i < counts->why_count; i++) {
        pt_buf_appendf(out, "  not understood: %" PRIu64 " events: %s\n", counts->whys[i].events,
                       counts->whys[i].why);
    }
}

void pt_exposure_counts_json(const struct pt_exposure_counts *counts,
                             const struct pt_exposure_map *map, struct pt_jsonw *w)
{
    pt_jsonw_key(w, "exposures");
    pt_jsonw_object(w);
    key_text(w, "source", pt_plan_word_sources[map->source]);
    key_text(w, "flag", map->flag);
    pt_jsonw_member_uint(w, "matched", counts->matched);
    pt_jsonw_key(w, "not_understood");
    pt_jsonw_array(w);
    for (size_t i = 0; i < counts->why_count; i++) {
        pt_jsonw_object(w);
        key_text(w, "why", counts->whys[i].why);
        pt_jsonw_member_uint(w, "events", counts->whys[i].events);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_object_end(w);
}
