/*
 * exposure.h - which events of the table are exposures of an experiment
 *
 * Of our own they are events experiment_exposure. Other flag systems' evaluations, sent as events
 * with what they say in the attributes, count by a mapping: a session that uses one sees each as
 * the experiment_exposure that it stands for, in every statement. What could not be understood is
 * counted with its reason.
 */
#ifndef PT_EXPERIMENT_EXPOSURE_H
#define PT_EXPERIMENT_EXPOSURE_H

#include "base/json.h"
#include "base/mem.h"

struct pt_query;

#define PT_EXPOSURE_NAME_BYTES 128
#define PT_EXPOSURE_VARIANTS_MAX 32
#define PT_EXPOSURE_WHYS_MAX 8

enum pt_exposure_source {
    PT_EXPOSURE_PLAYTRACE,
    PT_EXPOSURE_OPENTELEMETRY, /* feature_flag.evaluation of the semantic conventions */
    PT_EXPOSURE_LAUNCHDARKLY,  /* data export's feature events, hooks, inspectors */
    PT_EXPOSURE_UNLEASH,       /* impression data */
};

struct pt_exposure_variant {
    char ours[PT_EXPOSURE_NAME_BYTES];
    char theirs[PT_EXPOSURE_NAME_BYTES];
};

/* All zeros: events experiment_exposure, any variant. */
struct pt_exposure_map {
    enum pt_exposure_source source;
    char flag[PT_EXPOSURE_NAME_BYTES];  /* their key of it; "" for our own */
    char set[PT_EXPOSURE_NAME_BYTES];   /* OPENTELEMETRY: feature_flag.set.id; "": any */
    char event[PT_EXPOSURE_NAME_BYTES]; /* the events' name; "": as the source calls them */
    struct pt_exposure_variant variants[PT_EXPOSURE_VARIANTS_MAX];
    size_t variant_count; /* all of the experiment's; 0: any name is a variant, theirs is ours */
};

struct pt_exposure_counts {
    uint64_t matched; /* events that are exposures of a variant */
    struct pt_exposure_why {
        char why[160];
        uint64_t events;
    } whys[PT_EXPOSURE_WHYS_MAX]; /* not understood, the most first */
    size_t why_count;
    uint64_t unnamed; /* of those the ones that name no variant */
};

/* "unleash:shop-layout": source and flag, of any variants. PT_INVALID. */
enum pt_code pt_exposure_map_parse(struct pt_exposure_map *map_out, const char *text,
                                   struct pt_error *err) PT_MUST_USE;

/* Whether our own events count, with our own names: nothing that a plan would have to say. */
bool pt_exposure_map_is_plain(const struct pt_exposure_map *map);
/* As an object of the canonical form. */
void pt_exposure_map_write(const struct pt_exposure_map *map, struct pt_jsonw *w);

/*
 * From now on `events` of the session holds, for each event that the mapping makes an exposure of
 * `experiment`, an experiment_exposure {experiment, variant, epoch, flag_key, flag_version}, beside
 * all events but those of this name. A variant that is none of the mapping's has a name that no
 * plan can have. Nothing happens for a plain mapping.
 */
enum pt_code pt_exposure_map_use(struct pt_query *query, const char *experiment,
                                 const struct pt_exposure_map *map,
                                 struct pt_error *err) PT_MUST_USE;

/* Events up to `as_of_us` (0: all), in any session over the table. */
enum pt_code pt_exposure_count(struct pt_query *query, const char *experiment,
                               const struct pt_exposure_map *map, int64_t as_of_us,
                               struct pt_exposure_counts *out, struct pt_error *err) PT_MUST_USE;

/* Lines for people, and the member "exposures". */
void pt_exposure_counts_table(const struct pt_exposure_counts *counts,
                              const struct pt_exposure_map *map, struct pt_buf *out);
void pt_exposure_counts_json(const struct pt_exposure_counts *counts,
                             const struct pt_exposure_map *map, struct pt_jsonw *w);

#endif
