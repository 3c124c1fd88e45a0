/*
 * path_set.c - a set of paths, filled, then sorted, then asked
 */
#include "lake/path_set.h"

#define SET_BYTES_MAX ((size_t)1 << 31)

void pt_path_set_init(struct pt_path_set *set)
{
    memset(set, 0, sizeof(*set));
    pt_arena_init(&set->arena, SET_BYTES_MAX);
}

void pt_path_set_release(struct pt_path_set *set)
{
    pt_free(set->items);
    pt_arena_release(&set->arena);
    set->items = NULL;
    set->count = 0;
    set->capacity = 0;
}

void pt_path_set_take(struct pt_path_set *set, char *path)
{
    char *copy = path ? pt_arena_strdup(&set->arena, pt_span_str(path)) : NULL;

    pt_free(path);
    if (copy && set->count == set->capacity) {
        size_t capacity = set->capacity ? 2 * set->capacity : 256;
        char **grown = pt_realloc(set->items, capacity * sizeof(*grown));

        if (grown) {
            set->items = grown;
            set->capacity = capacity;
        } else {
            copy = NULL;
        }
    }
    if (!copy) {
        set->has_failed = true;
        return;
    }
    set->items[set->count++] = copy;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void pt_path_set_sort(struct pt_path_set *set)
{
    size_t kept = 0;

    if (set->count == 0) {
        return;
    }
    qsort(set->items, set->count, sizeof(*set->items), compare_paths);
    for (size_t i = 1; i < set->count; i++) {
        if (strcmp(set->items[i], set->items[kept]) != 0) {
            set->items[++kept] = set->items[i];
        }
    }
    set->count = kept + 1;
}

size_t pt_path_set_find(const struct pt_path_set *set, const char *path)
{
    char **found = NULL;

    if (set->count > 0) {
        found = bsearch(&path, set->items, set->count, sizeof(*set->items), compare_paths);
    }
    return found ? (size_t)(found - set->items) : set->count;
}

bool pt_path_set_has(const struct pt_path_set *set, const char *path)
{
    return pt_path_set_find(set, path) < set->count;
}
