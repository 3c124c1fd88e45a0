/*
 * govern_check.c - what several flags must agree on: slices of a layer, prerequisites
 *
 * Prerequisites are walked with a stack of our own: a file may hold a chain of any length.
 */
#include "flag/govern.h"

#include <stdlib.h>

/* Go down to a member of a flag's metadata. */
static size_t down_to(struct pt_flag_compiler *c, const struct pt_flag_definition *flag,
                      const char *prefix, struct pt_span rest)
{
    size_t mark = pt_flag_down_str(c, "flags");
    char name[256];

    if (flag->list_index == PT_FLAG_NO_INDEX) {
        (void)pt_flag_down(c, flag->key);
    } else {
        (void)pt_flag_down_index(c, flag->list_index);
    }
    (void)pt_flag_down_str(c, "metadata");
    snprintf(name, sizeof(name), "%s%.*s", prefix, (int)(rest.size < 200 ? rest.size : 200),
             (const char *)rest.data);
    (void)pt_flag_down_str(c, name);
    c->flag = flag->key;
    return mark;
}

static void up_from(struct pt_flag_compiler *c, size_t mark)
{
    c->flag = pt_span_of(NULL, 0);
    pt_flag_up(c, mark);
}

/* ---- layers ---- */

struct claim {
    struct pt_flag_range range;
    const struct pt_flag_definition *flag;
};

static int compare_claims(const void *a, const void *b)
{
    const struct claim *one = a;
    const struct claim *two = b;
    int order = pt_flag_compare_spans(one->flag->govern->layer, two->flag->govern->layer);

    order = order != 0 ? order
                       : (one->range.from > two->range.from) - (one->range.from < two->range.from);
    return order != 0 ? order : pt_flag_compare_spans(one->flag->key, two->flag->key);
}

static void check_layers(struct pt_flag_compiler *c)
{
    struct pt_flag_set *set = c->set;
    struct claim *claims = NULL;
    size_t count = 0;

    for (size_t i = 0; i < set->count; i++) {
        count += set->flags[i].govern ? set->flags[i].govern->layer_slices.count : 0;
    }
    claims = pt_flag_room(c, count * sizeof(*claims));
    if (!claims || count == 0) {
        return;
    }
    count = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct pt_flag_govern *govern = set->flags[i].govern;

        for (uint32_t k = 0; govern && govern->layer.size > 0 && k < govern->layer_slices.count;
             k++) {
            claims[count++] = (struct claim){govern->layer_slices.ranges[k], &set->flags[i]};
        }
    }
    qsort(claims, count, sizeof(*claims), compare_claims);
    for (size_t i = 1, widest = 0; i < count; i++) {
        const struct claim *last = &claims[widest]; /* it reaches farthest of those before */
        const struct claim *claim = &claims[i];

        if (!pt_span_equal(last->flag->govern->layer, claim->flag->govern->layer)) {
            widest = i;
            continue;
        }
        if (claim->range.from <= last->range.to && last->flag != claim->flag) {
            size_t mark = down_to(c, claim->flag, "layerBuckets", pt_span_of(NULL, 0));

            pt_flag_report(c, "bucket %u of layer \"%.*s\" belongs to flag \"%.*s\" already",
                           claim->range.from, PT_SPAN_ARG(claim->flag->govern->layer),
                           PT_SPAN_ARG(last->flag->key));
            up_from(c, mark);
        }
        widest = claim->range.to > last->range.to ? i : widest;
    }
}

/* ---- prerequisites ---- */

/* Find the flag and its variants; a requirement that names none of either is reported. */
static void resolve(struct pt_flag_compiler *c, const struct pt_flag_definition *flag,
                    struct pt_flag_requirement *requirement)
{
    size_t mark = down_to(c, flag, "requires.", requirement->key);

    requirement->flag = pt_flag_set_find(c->set, requirement->key);
    if (!requirement->flag) {
        pt_flag_report(c, "there is no flag \"%.*s\"", PT_SPAN_ARG(requirement->key));
    } else {
        for (uint32_t i = 0; i < requirement->variant_count; i++) {
            if (pt_flag_find_variant(requirement->flag, requirement->variants[i]) ==
                PT_FLAG_NO_VARIANT) {
                pt_flag_report(c, "flag \"%.*s\" has no variant \"%.*s\"",
                               PT_SPAN_ARG(requirement->key),
                               PT_SPAN_ARG(requirement->variants[i]));
            }
        }
    }
    up_from(c, mark);
}

/* A flag on the way down. */
struct step {
    size_t flag;
    uint32_t next; /* requirement to look at */
};

struct walk {
    struct pt_flag_compiler *c;
    struct step *steps; /* room for every flag */
    size_t count;
    uint32_t *cost;  /* a flag's: evaluations of other flags; UINT32_MAX: not known yet */
    uint32_t *depth; /* a flag's: the longest chain below it */
    bool *is_on_way;
};

static void report_cycle(struct walk *walk, size_t flag)
{
    const struct pt_flag_definition *flags = walk->c->set->flags;
    size_t first = walk->count;
    struct pt_buf text;
    size_t mark;

    while (first > 0 && walk->steps[first - 1].flag != flag) {
        first--;
    }
    pt_buf_init(&text, 1u << 20);
    for (size_t i = first - 1; i < walk->count; i++) {
        struct pt_span key = flags[walk->steps[i].flag].key;

        pt_buf_append(&text, key.data, key.size);
        pt_buf_append_str(&text, " -> ");
    }
    pt_buf_append(&text, flags[flag].key.data, flags[flag].key.size);
    mark =
        down_to(walk->c, &flags[walk->steps[walk->count - 1].flag], "requires.", flags[flag].key);
    pt_flag_report(walk->c, "prerequisites go round in a circle: %.*s", (int)text.size,
                   (const char *)text.data);
    up_from(walk->c, mark);
    pt_buf_release(&text);
}

/* All of the flag's requirements are known: sum up, and take the step back. */
static void finish_step(struct walk *walk, size_t at)
{
    const struct pt_flag_definition *flag = &walk->c->set->flags[at];
    uint64_t cost = 0;
    uint32_t depth = 0;

    for (uint32_t i = 0; flag->govern && i < flag->govern->requirement_count; i++) {
        const struct pt_flag_definition *below = flag->govern->requirements[i].flag;
        size_t k = below ? (size_t)(below - walk->c->set->flags) : 0;

        if (below && walk->cost[k] != UINT32_MAX) {
            cost += 1 + (uint64_t)walk->cost[k];
            depth = walk->depth[k] + 1 > depth ? walk->depth[k] + 1 : depth;
        }
    }
    walk->is_on_way[at] = false;
    walk->cost[at] = (uint32_t)cost;
    walk->depth[at] = depth;
    if (cost > PT_FLAG_PREREQUISITES_MAX || depth > PT_FLAG_PREREQUISITE_DEPTH_MAX) {
        size_t mark = down_to(walk->c, flag, "requires.", flag->govern->requirements[0].key);

        pt_flag_report(walk->c,
                       "prerequisites reach over at most %u levels and %u evaluations, theirs "
                       "included; these take %u and %llu",
                       PT_FLAG_PREREQUISITE_DEPTH_MAX, PT_FLAG_PREREQUISITES_MAX, depth,
                       (unsigned long long)cost);
        up_from(walk->c, mark);
        walk->cost[at] = 0; /* told once, not by every flag above it */
        walk->depth[at] = 0;
    }
    walk->count--;
}

static void walk_from(struct walk *walk, size_t start)
{
    const struct pt_flag_definition *flags = walk->c->set->flags;

    walk->steps[walk->count++] = (struct step){.flag = start};
    walk->is_on_way[start] = true;
    while (walk->count > 0) {
        struct step *step = &walk->steps[walk->count - 1];
        const struct pt_flag_govern *govern = flags[step->flag].govern;

        if (!govern || step->next == govern->requirement_count) {
            finish_step(walk, step->flag);
            continue;
        }
        const struct pt_flag_definition *below = govern->requirements[step->next++].flag;
        size_t k = below ? (size_t)(below - flags) : 0;

        if (!below || (walk->cost[k] != UINT32_MAX && !walk->is_on_way[k])) {
            continue;
        }
        if (walk->is_on_way[k]) {
            report_cycle(walk, k);
            continue;
        }
        walk->is_on_way[k] = true;
        walk->steps[walk->count++] = (struct step){.flag = k};
    }
}

static void check_prerequisites(struct pt_flag_compiler *c)
{
    struct pt_flag_set *set = c->set;
    size_t room = set->count + 1;
    struct walk walk = {
        .c = c,
        .steps = pt_flag_room(c, room * sizeof(*walk.steps)),
        .cost = pt_flag_room(c, room * sizeof(*walk.cost)),
        .depth = pt_flag_room(c, room * sizeof(*walk.depth)),
        .is_on_way = pt_flag_room(c, room * sizeof(*walk.is_on_way)),
    };

    if (!walk.steps || !walk.cost || !walk.depth || !walk.is_on_way) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        walk.cost[i] = UINT32_MAX;
        walk.is_on_way[i] = false;
    }
    for (size_t i = 0; i < set->count; i++) {
        if (walk.cost[i] == UINT32_MAX) {
            walk_from(&walk, i);
        }
    }
}

void pt_flag_check_govern(struct pt_flag_compiler *c)
{
    bool has_requirements = false;

    for (size_t i = 0; i < c->set->count; i++) {
        struct pt_flag_definition *flag = &c->set->flags[i];

        for (uint32_t k = 0; flag->govern && k < flag->govern->requirement_count; k++) {
            resolve(c, flag, &flag->govern->requirements[k]);
            has_requirements = true;
        }
    }
    check_layers(c);
    if (has_requirements) {
        check_prerequisites(c);
    }
}
