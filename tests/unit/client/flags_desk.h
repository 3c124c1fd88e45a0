/*
 * flags_desk.h - a flag service in memory, and a client with its directory that asks it
 *
 * For the tests of flags; on top of fake.h, whose clock and files it uses.
 */
#ifndef PT_TEST_CLIENT_FLAGS_DESK_H
#define PT_TEST_CLIENT_FLAGS_DESK_H

#include "disk.h"
#include "fake.h"

#include <unistd.h>

#define SIMPLE                                                                                     \
    "{\"flags\":[{\"key\":\"shop\",\"reason\":\"STATIC\",\"variant\":\"on\",\"value\":true,"       \
    "\"metadata\":{}}],\"metadata\":{}}"

/* The flag service: what it answers, and what it was asked. */
struct desk {
    int status;
    const char *body; /* NULL: nothing */
    const char *etag;
    const char *retry_after;
    bool is_truncated;
    unsigned times;          /* requests so far */
    char asked[16384];       /* the last body */
    char if_none_match[160]; /* of the last request, "" where it had none */
    bool had_key;
    void (*meanwhile)(struct playtrace *p); /* happens while the request is on its way */
    struct playtrace *client;
};

static inline void answer_flags(struct fake *fake, const struct playtrace_http_request *request,
                                struct playtrace_http_response *response)
{
    const char *known = fake_header(request, "If-None-Match: ");
    struct desk *desk = fake->other_arg;

    PT_CHECK(strcmp(request->method, "POST") == 0);
    PT_CHECK(strcmp(request->url, "http://127.0.0.1:1/ofrep/v1/evaluate/flags") == 0);
    PT_CHECK(request->body_bytes < sizeof(desk->asked));
    memcpy(desk->asked, request->body, request->body_bytes);
    desk->asked[request->body_bytes] = '\0';
    desk->times++;
    (void)snprintf(desk->if_none_match, sizeof(desk->if_none_match), "%s", known ? known : "");
    desk->had_key = fake_header(request, "Authorization: ") != NULL;
    if (desk->meanwhile) {
        desk->meanwhile(desk->client);
    }
    if (desk->status == 200 && desk->etag && strcmp(desk->etag, desk->if_none_match) == 0) {
        response->status = 304;
        return;
    }
    if (desk->body) {
        fake_reply(response, desk->status, desk->body);
    }
    response->status = desk->status;
    response->is_truncated = desk->is_truncated;
    (void)snprintf(response->etag, sizeof(response->etag), "%s", desk->etag ? desk->etag : "");
    (void)snprintf(response->retry_after, sizeof(response->retry_after), "%s",
                   desk->retry_after ? desk->retry_after : "");
}

/* One client with its directory, its server and its flag service. */
struct set {
    char *dir;
    struct fake *fake;
    struct desk desk;
    struct playtrace_options options;
    struct playtrace *p;
};

static inline void set_open(struct set *set)
{
    PT_CHECK(playtrace_open(&set->p, &set->options) == PLAYTRACE_OK);
    set->desk.client = set->p;
}

static inline struct set *set_create(const char *body)
{
    struct set *set = pt_alloc_zero(sizeof(*set));

    PT_CHECK(set != NULL);
    set->dir = pt_test_dir_create();
    set->fake = fake_create();
    set->fake->other = answer_flags;
    set->fake->other_arg = &set->desk;
    set->desk.status = 200;
    set->desk.body = body;
    set->options = fake_options(set->fake, set->dir);
    set->options.flags_enabled = true;
    return set;
}

static inline void set_close(struct set *set)
{
    PT_CHECK(playtrace_close(set->p, 0) != PLAYTRACE_IO);
    set->p = NULL;
}

static inline void set_destroy(struct set *set)
{
    if (set->p) {
        set_close(set);
    }
    fake_destroy(set->fake);
    pt_test_dir_remove(set->dir);
    pt_free(set);
}

/* A client whose flags have come. */
static inline struct set *set_ready(const char *body)
{
    struct set *set = set_create(body);

    set_open(set);
    (void)playtrace_pump(set->p);
    PT_CHECK(set->desk.times == 1);
    return set;
}

static inline struct playtrace_stats stats_of(struct set *set)
{
    struct playtrace_stats stats;

    playtrace_stats(set->p, &stats);
    return stats;
}

static inline bool file_exists(struct set *set, const char *name)
{
    char *path = pt_strf("%s/%s", set->dir, name);
    bool exists = access(path, F_OK) == 0;

    pt_free(path);
    return exists;
}

/* Exchange one byte of the cache file; false: it has no such byte. */
static inline bool damage_cache(struct set *set, long at)
{
    char *path = pt_strf("%s/flags", set->dir);
    bool has_byte = disk_flip(path, at);

    pt_free(path);
    return has_byte;
}

static inline unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;

    for (text = strstr(text, part); text; text = strstr(text + 1, part)) {
        count++;
    }
    return count;
}

static inline void check_details(struct playtrace *p, const char *key, const char *variant,
                                 const char *reason, const char *error, bool is_default)
{
    struct playtrace_flag_details details;

    PT_CHECK(playtrace_flag_details(p, key, &details) == PLAYTRACE_OK);
    PT_CHECK(strcmp(details.variant, variant) == 0);
    PT_CHECK(strcmp(details.reason, reason) == 0);
    PT_CHECK(strcmp(details.error_code, error) == 0);
    PT_CHECK(details.is_default == is_default);
}

#endif
