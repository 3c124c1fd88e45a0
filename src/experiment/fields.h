/*
 * fields.h - the fields of a YAML map, and all that is wrong with them
 *
 * Private to src/experiment. Reading goes on after a mistake, so that a person mends a file once:
 * each is appended to `problems` as "FILE:LINE: what is wrong; what would be right", and the output
 * keeps what it had.
 */
#ifndef PT_EXPERIMENT_FIELDS_H
#define PT_EXPERIMENT_FIELDS_H

#include "base/yaml.h"
#include "experiment/plan.h"

struct pt_fields {
    struct pt_plan *plan; /* what is read into */
    const char *file;
    struct pt_buf *problems;
    size_t problem_count;
};

void pt_fields_wrong(struct pt_fields *r, unsigned line, const char *format, ...) PT_PRINTF(3, 4);

/* Every field of `map` is one of `names`; says which is not. False where it is no map. */
bool pt_fields_check(struct pt_fields *r, const struct pt_yaml *map, const char *what,
                     const char *const *names, size_t count);
#define PT_FIELDS_CHECK(r, map, what, names)                                                       \
    pt_fields_check(r, map, what, names, sizeof(names) / sizeof((names)[0]))

/* The field, or NULL; where it must be there (`needed` says what it is), its absence is said. */
const struct pt_yaml *pt_fields_get(struct pt_fields *r, const struct pt_yaml *map, const char *key,
                                    const char *needed);
/* A field that does not belong here: `key` and `why`. */
void pt_fields_refuse(struct pt_fields *r, const struct pt_yaml *map, const char *key,
                      const char *why);

/* Copies the text or says why not; below `bytes`. */
void pt_fields_text(struct pt_fields *r, const struct pt_yaml *map, const char *key, char *out,
                    size_t bytes, const char *needed);
/* All of `text` is one finite number. */
bool pt_fields_parse_number(const char *text, double *out);
bool pt_fields_scalar(struct pt_fields *r, const struct pt_yaml *field, const char *key,
                      double *out, const char *right);
/* A number above `low` (or from it on, where `is_closed`) and below `high`. */
void pt_fields_number(struct pt_fields *r, const struct pt_yaml *map, const char *key, double low,
                      bool is_closed, double high, double *out, const char *right, bool is_needed);
/* Whole days from `low` up, "7" or "7d". */
void pt_fields_days(struct pt_fields *r, const struct pt_yaml *map, const char *key, int64_t low,
                    int64_t *out, bool is_needed);
/* The index of the field's word in `words`; `fallback` where it is absent or wrong. */
size_t pt_fields_word_at(struct pt_fields *r, const struct pt_yaml *field, const char *key,
                         const char *const *words, size_t count, size_t fallback);
size_t pt_fields_word(struct pt_fields *r, const struct pt_yaml *map, const char *key,
                      const char *const *words, size_t count, size_t fallback);

/* plan_read_metric.c: the member "metrics". */
void pt_fields_metrics(struct pt_fields *r, const struct pt_yaml *root);
/* plan_read_exposures.c: the member "exposures", once the variants are read. */
void pt_fields_exposures(struct pt_fields *r, const struct pt_yaml *root);

#endif
