/*
 * plan_read_exposures.c - which events a plan takes for exposures, and all that is wrong with it
 */
#include "experiment/fields.h"
#include "experiment/plan_words.h"

#include <assert.h>
#include <stdio.h>

static_assert(PT_PLAN_ARMS_MAX <= PT_EXPOSURE_VARIANTS_MAX, "every arm can be mapped");

static void read_text(struct pt_fields *r, const struct pt_yaml *map, const char *key,
                      char out[PT_EXPOSURE_NAME_BYTES])
{
    const struct pt_yaml *field = pt_yaml_member(map, key);

    if (!field) {
        return;
    }
    if (field->kind != PT_YAML_SCALAR || pt_yaml_is_null(field) || !field->text[0]) {
        pt_fields_wrong(r, field->line, "\"%s\" must be a text", key);
    } else {
        pt_fields_text(r, map, key, out, PT_EXPOSURE_NAME_BYTES, NULL);
    }
}

static bool read_source(struct pt_fields *r, const struct pt_yaml *map)
{
    const struct pt_yaml *field = pt_yaml_member(map, "source");
    size_t before = r->problem_count;

    if (!field || field->kind != PT_YAML_SCALAR) {
        pt_fields_wrong(
            r, field ? field->line : map->line,
            "\"source\" must be one of playtrace, opentelemetry, launchdarkly, unleash");
        return false;
    }
    r->plan->exposures.source = (enum pt_exposure_source)pt_fields_word_at(
        r, field, "source", pt_plan_word_sources, PT_PLAN_WORD_COUNT(pt_plan_word_sources),
        PT_EXPOSURE_PLAYTRACE);
    return r->problem_count == before;
}

/* "control, b, c", cut to fit. */
static void list_names(const struct pt_exposure_map *map, char *text, size_t bytes)
{
    size_t used = 0;

    text[0] = 0;
    for (size_t i = 0; i < map->variant_count && used < bytes; i++) {
        int wrote =
            snprintf(text + used, bytes - used, "%s%s", i > 0 ? ", " : "", map->variants[i].ours);

        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

static void read_variants(struct pt_fields *r, const struct pt_yaml *map_node)
{
    const struct pt_yaml *field = pt_yaml_member(map_node, "variants");
    struct pt_exposure_map *map = &r->plan->exposures;
    char known[256];

    if (!field) {
        return;
    }
    if (field->kind != PT_YAML_MAP) {
        pt_fields_wrong(
            r, field->line,
            "\"variants\" must be a map from the plan's names to theirs, such as {control: off}");
        return;
    }
    for (const struct pt_yaml *one = field->child; one; one = one->next) {
        size_t at = 0;

        while (at < map->variant_count && strcmp(map->variants[at].ours, one->key) != 0) {
            at++;
        }
        if (at == map->variant_count) {
            list_names(map, known, sizeof(known));
            pt_fields_wrong(r, one->line, "the plan has no variant \"%s\"; it has %s", one->key,
                            known);
        } else {
            read_text(r, field, one->key, map->variants[at].theirs);
        }
    }
    for (size_t i = 0; i < map->variant_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(map->variants[i].theirs, map->variants[j].theirs) == 0) {
                pt_fields_wrong(r, field->line, "\"%s\" is both %s and %s", map->variants[i].theirs,
                                map->variants[j].ours, map->variants[i].ours);
            }
        }
    }
}

/* Flag and set belong to some sources alone. */
static void check_source(struct pt_fields *r, const struct pt_yaml *node)
{
    enum pt_exposure_source source = r->plan->exposures.source;

    if (source == PT_EXPOSURE_PLAYTRACE) {
        pt_fields_refuse(r, node, "flag",
                         "belongs to other sources; our own exposures name the experiment");
    } else if (!pt_yaml_member(node, "flag")) {
        pt_fields_wrong(r, node->line, "\"flag\" is missing; it must be the flag's key in %s",
                        pt_plan_word_sources[source]);
    }
    if (source != PT_EXPOSURE_OPENTELEMETRY) {
        pt_fields_refuse(r, node, "set", "belongs to opentelemetry alone");
    }
}

void pt_fields_exposures(struct pt_fields *r, const struct pt_yaml *root)
{
    static const char *const names[] = {"source", "flag", "set", "event", "variants"};
    const struct pt_yaml *node = pt_yaml_member(root, "exposures");
    struct pt_exposure_map *map = &r->plan->exposures;

    for (size_t i = 0; i < r->plan->arm_count; i++) {
        struct pt_exposure_variant *one = &map->variants[map->variant_count++];

        snprintf(one->ours, sizeof(one->ours), "%s", r->plan->variant[i]);
        snprintf(one->theirs, sizeof(one->theirs), "%s", r->plan->variant[i]);
    }
    if (!node || pt_yaml_is_null(node)) {
        return;
    }
    if (node->kind != PT_YAML_MAP) {
        pt_fields_wrong(
            r, node->line,
            "\"exposures\" is %s; it must be a map such as {source: unleash, flag: KEY}",
            pt_yaml_kind_name(node->kind));
        return;
    }
    (void)PT_FIELDS_CHECK(r, node, "\"exposures\"", names);
    if (!read_source(r, node)) {
        return;
    }
    read_text(r, node, "flag", map->flag);
    read_text(r, node, "set", map->set);
    read_text(r, node, "event", map->event);
    check_source(r, node);
    read_variants(r, node);
}
