/*
 * uri.c - references and what they lead to (RFC 3986 section 5)
 */
#include "schema/uri.h"

struct parts {
    struct pt_span scheme;    /* without its colon */
    struct pt_span authority; /* behind the slashes */
    struct pt_span path;
    struct pt_span query;    /* with its question mark */
    struct pt_span fragment; /* without its '#' */
    bool has_authority;
};

static size_t find(struct pt_span text, const char *any_of)
{
    size_t at = 0;

    while (at < text.size && (text.data[at] == 0 || !strchr(any_of, text.data[at]))) {
        at++;
    }
    return at;
}

static struct pt_span take(struct pt_span *text, size_t bytes)
{
    struct pt_span taken = pt_span_of(text->data, bytes);

    *text = pt_span_of(text->data + bytes, text->size - bytes);
    return taken;
}

static struct parts split(struct pt_span text)
{
    struct parts parts = {.scheme = {NULL, 0}};
    size_t hash = 0;
    size_t end = 0;

    if (text.size == 0) {
        return parts;
    }
    hash = find(text, "#");
    if (hash < text.size) {
        parts.fragment = pt_span_of(text.data + hash + 1, text.size - hash - 1);
        text.size = hash;
    }
    end = find(text, ":/?");
    if (end > 0 && end < text.size && text.data[end] == ':') {
        parts.scheme = take(&text, end);
        (void)take(&text, 1);
    }
    if (text.size >= 2 && text.data[0] == '/' && text.data[1] == '/') {
        (void)take(&text, 2);
        parts.has_authority = true;
        parts.authority = take(&text, find(text, "/?"));
    }
    parts.path = take(&text, find(text, "?"));
    parts.query = text;
    return parts;
}

/* Takes "." and ".." segments out of the path in `path` (RFC 3986 5.2.4). */
static size_t remove_dots(char *path, size_t bytes)
{
    size_t in = 0;
    size_t out = 0;

    while (in < bytes) {
        size_t end = in + 1;
        size_t size = 0;
        const char *segment = path + in;

        /* A segment with the slash before it. */
        while (end < bytes && path[end] != '/') {
            end++;
        }
        size = end - in;
        if (size == 2 && memcmp(segment, "/.", 2) == 0) {
            if (end == bytes) {
                path[out++] = '/';
            }
        } else if (size == 3 && memcmp(segment, "/..", 3) == 0) {
            while (out > 0 && path[--out] != '/') {
            }
            if (end == bytes) {
                path[out++] = '/';
            }
        } else {
            memmove(path + out, segment, size);
            out += size;
        }
        in = end;
    }
    return out;
}

static char *put(char *at, struct pt_span text)
{
    if (text.size) {
        memcpy(at, text.data, text.size);
    }
    return at + text.size;
}

const char *pt_uri_resolve(struct pt_arena *arena, struct pt_span base, struct pt_span reference,
                           struct pt_span *fragment_out)
{
    struct parts b = split(base);
    struct parts r = split(reference);
    struct pt_span folder = {NULL, 0};
    struct pt_span path = r.path;
    char *text = pt_arena_alloc(arena, base.size + reference.size + 8);
    char *at = text;
    char *path_at = NULL;

    *fragment_out = r.fragment;
    if (!text) {
        return NULL;
    }
    if (r.scheme.size == 0) {
        r.scheme = b.scheme;
        if (!r.has_authority) {
            r.has_authority = b.has_authority;
            r.authority = b.authority;
            if (r.path.size == 0) {
                path = b.path;
                if (r.query.size == 0) {
                    r.query = b.query;
                }
            } else if (r.path.data[0] != '/') {
                folder = b.path;
                while (folder.size > 0 && folder.data[folder.size - 1] != '/') {
                    folder.size--;
                }
            }
        }
    }
    if (r.scheme.size) {
        at = put(put(at, r.scheme), pt_span_str(":"));
    }
    if (r.has_authority) {
        at = put(put(at, pt_span_str("//")), r.authority);
    }
    path_at = at;
    if (r.has_authority && folder.size == 0 && path.size > 0 && path.data[0] != '/') {
        *at++ = '/';
    }
    at = put(put(at, folder), path);
    if (at > path_at && *path_at == '/') {
        at = path_at + remove_dots(path_at, (size_t)(at - path_at));
    }
    at = put(at, r.query);
    *at = '\0';
    return text;
}
