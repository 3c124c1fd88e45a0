/*
 * nearest.c - which name was meant
 */
#include "base/yaml.h"

#define NAME_BYTES_MAX 64

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein's distance: inserts, deletes and replacements that turn `a` into `b`. */
static size_t edits(const char *a, const char *b)
{
    size_t row[NAME_BYTES_MAX + 1];
    size_t b_size = strlen(b);

    for (size_t j = 0; j <= b_size; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i + 1;
        for (size_t j = 0; j < b_size; j++) {
            size_t above = row[j + 1];

            row[j + 1] = least(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1));
            diagonal = above;
        }
    }
    return row[b_size];
}

const char *pt_nearest_name(const char *text, const char *const *candidates, size_t count)
{
    size_t text_size = strlen(text);
    size_t best_edits = SIZE_MAX;
    const char *best = NULL;

    if (text_size > NAME_BYTES_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        size_t distance = 0;

        if (strlen(candidates[i]) > NAME_BYTES_MAX) {
            continue;
        }
        distance = edits(text, candidates[i]);
        if (distance < best_edits) {
            best_edits = distance;
            best = candidates[i];
        }
    }
    /* Half the letters changed is no slip of the finger. */
    return best_edits <= 1 + text_size / 3 ? best : NULL;
}
