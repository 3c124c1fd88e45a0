/*
 * path_set.h - a set of paths, filled, then sorted, then asked
 *
 * Only src/lake includes this.
 */
#ifndef PT_LAKE_PATH_SET_H
#define PT_LAKE_PATH_SET_H

#include "base/mem.h"

struct pt_path_set {
    struct pt_arena arena; /* holds the paths */
    char **items;
    size_t count;
    size_t capacity;
    bool has_failed; /* there was no memory for one */
};

void pt_path_set_init(struct pt_path_set *set);
void pt_path_set_release(struct pt_path_set *set);
/* Takes the heap's `path`, which may be NULL: then the set has failed. */
void pt_path_set_take(struct pt_path_set *set, char *path);
/* Order it and drop what is in it twice. */
void pt_path_set_sort(struct pt_path_set *set);
/* Of a sorted set; its index, or `count` where it has no such path. */
size_t pt_path_set_find(const struct pt_path_set *set, const char *path);
bool pt_path_set_has(const struct pt_path_set *set, const char *path);

#endif
