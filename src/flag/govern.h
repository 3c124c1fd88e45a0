/*
 * govern.h - what stands above flagd's format: layers, holdouts, prerequisites, allocation epochs
 *
 * Only src/flag includes this. All of it stands in metadata (docs/flags.md), flat texts, numbers
 * and booleans, and is compiled with the set. A flag without such keys, in a set without holdouts,
 * has no struct pt_flag_govern and is evaluated as flagd does.
 *
 * BUCKETS. A unit is its targetingKey. Its bucket for a purpose ("holdout", "layer", "rollout",
 * "variant") and a salt is (hash * total) >> 32; hash(text, seed) is MurmurHash3 x86 32-bit, and
 * hash = hash(targetingKey, hash(salt, hash(purpose, 0))); total is PT_FLAG_BUCKETS, for "variant"
 * the sum of the weights. The salt of a holdout and of a layer is its name, of a rollout the flag's
 * key or "rolloutSalt".
 */
#ifndef PT_FLAG_GOVERN_H
#define PT_FLAG_GOVERN_H

#include "flag/definition.h"

#define PT_FLAG_BUCKETS 10000u
/* Evaluations of other flags that one flag's prerequisites may cost, theirs included. */
#define PT_FLAG_PREREQUISITES_MAX 1000u
#define PT_FLAG_PREREQUISITE_DEPTH_MAX 32u

struct pt_flag_range {
    uint32_t from; /* first bucket … */
    uint32_t to;   /* … and last */
};

struct pt_flag_slices {
    struct pt_flag_range *ranges; /* by `from`, disjoint */
    uint32_t count;
};

struct pt_flag_epoch {
    uint32_t number; /* from 1 */
    struct pt_flag_slices slices;
    uint32_t *variants; /* weight_count of them: indices into the flag's variants */
    uint32_t *weights;
    uint32_t weight_count;
    uint32_t total;
};

struct pt_flag_requirement {
    struct pt_span key;
    struct pt_span *variants; /* one of these names */
    uint32_t variant_count;
    const struct pt_flag_definition *flag; /* set once all flags are compiled */
};

struct pt_flag_holdout {
    struct pt_span name;
    uint32_t buckets; /* of PT_FLAG_BUCKETS */
};

struct pt_flag_govern {
    struct pt_span layer; /* size 0: none */
    struct pt_flag_slices layer_slices;
    bool is_in_no_holdout;
    bool *is_out_of; /* one a holdout of the set */
    struct pt_flag_requirement *requirements;
    uint32_t requirement_count;
    struct pt_flag_epoch *epochs; /* by number */
    uint32_t epoch_count;
    struct pt_span salt; /* of the rollout */
};

/* Read the set's holdouts from its metadata, before the flags. */
void pt_flag_compile_holdouts(struct pt_flag_compiler *c, struct pt_json metadata);
/* Read a flag's keys into flag->govern; the variants are compiled already. Where we are: at the
 * metadata. */
void pt_flag_compile_govern(struct pt_flag_compiler *c, struct pt_flag_definition *flag,
                            struct pt_json metadata, struct pt_json targeting);
/* What spans several flags: slices of a layer, prerequisites. The flags are sorted. */
void pt_flag_check_govern(struct pt_flag_compiler *c);

/* Whether the key only configures, and so is left out of an evaluation's metadata. */
bool pt_flag_is_config_key(struct pt_span key);

bool pt_flag_slices_own(const struct pt_flag_slices *slices, uint32_t bucket);

/* The number in "epoch.7"; 0 for any other key. */
uint32_t pt_flag_epoch_number(struct pt_span key);

uint32_t pt_flag_bucket(const char *purpose, struct pt_span salt, struct pt_span unit,
                        uint32_t total);
/* The holdout that holds the unit out of the flag, or NULL. */
const struct pt_flag_holdout *pt_flag_held_out(const struct pt_flag_set *set,
                                               const struct pt_flag_definition *flag,
                                               struct pt_span unit);
/* The epoch that owns the unit's bucket and the variant that it gives, or NULL. */
const struct pt_flag_epoch *pt_flag_assign(const struct pt_flag_definition *flag,
                                           struct pt_span unit, uint32_t *variant_out);

#endif
