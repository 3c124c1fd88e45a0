/*
 * admin.c - look at flags and change them over HTTP
 *
 *     GET    /api/v1/flags              all flags with their etags
 *     PATCH  /api/v1/flags              {"metadata":{…}}: of the file itself
 *     GET    /api/v1/flags/{key}        one flag, ETag
 *     PUT    /api/v1/flags/{key}        the body is the flag; If-Match, or If-None-Match: *
 *     PATCH  /api/v1/flags/{key}        {"state","defaultVariant","rollout","weights","metadata"}
 *     DELETE /api/v1/flags/{key}        If-Match
 *     GET    /api/v1/flags/history      ?key=
 *     POST   /api/v1/flags/undo         {"seq"}
 *
 * What changes something takes "why" and "by", in the body of PATCH and undo, in the query of PUT
 * and DELETE (there "reassign=true", too). PUT and DELETE, which would overwrite what another made
 * of the flag, want its etag (428 without, 412 where it has another); the others change only what
 * they name. A job waits in a bounded queue for the one thread that does the work.
 */
#include "flag/change.h"
#include "flag/document.h"
#include "flag/flag.h"

#include "base/crypto.h"

#include <pthread.h>
#include <stdio.h>

#define ROOT "/api/v1/flags"
#define ROUTE_COUNT 8
#define QUEUE_MAX 64
#define TEXT_BYTES_MAX ((size_t)64 << 10)
#define ANSWER_BYTES_MAX (16 * (size_t)PT_FLAGS_FILE_BYTES_MAX)

struct job;
struct asked;
typedef void answer_t(struct pt_flag_admin *admin, struct job *job, struct asked *asked);

/* What a route's handler gets. */
struct route {
    struct pt_flag_admin *admin;
    answer_t *answer;
};

struct job {
    struct job *next;
    struct pt_http_request *request;
    answer_t *answer;
    char key_name[64]; /* of the admin key that was shown */
};

struct pt_flag_admin {
    struct route routes[ROUTE_COUNT];
    struct pt_flags *flags; /* borrowed, as the three below */
    struct pt_io *io;
    struct pt_clock *clock;
    struct pt_keys *keys;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first; /* guarded by lock, as what follows */
    struct job *last;
    uint32_t waiting;
    bool is_stopping;
};

/* ---- what a request says ---- */

/* Percent signs undone, in a query plus signs too; false for a broken escape. */
static bool decode(struct pt_span text, bool is_query, struct pt_buf *out)
{
    uint8_t *room = pt_buf_reserve(out, text.size + 1);
    size_t size = 0;
    bool is_sound = room && pt_percent_decode(text, is_query, room, text.size, &size);

    out->size += size;
    return is_sound;
}

/* The value of `name` in the query, decoded and NUL-terminated in `out`; false where it is not
 * there or broken. */
static bool query_value(const struct pt_http_request *request, const char *name, struct pt_buf *out)
{
    struct pt_span value = pt_http_query_value(pt_http_query(request), name);
    bool is_sound = value.data && decode(value, true, out);

    if (value.data) {
        pt_buf_append_byte(out, 0);
    }
    return is_sound && !out->has_failed;
}

/* What a change borrows while it is carried out. */
struct asked {
    struct pt_flag_change change;
    struct pt_buf key;
    struct pt_buf who;
    struct pt_buf given_by;
    struct pt_buf why;
    struct pt_flag_text body;
    struct pt_arena arena;
};

static void asked_init(struct asked *asked)
{
    memset(asked, 0, sizeof(*asked));
    pt_buf_init(&asked->key, TEXT_BYTES_MAX);
    pt_buf_init(&asked->who, TEXT_BYTES_MAX);
    pt_buf_init(&asked->given_by, TEXT_BYTES_MAX);
    pt_buf_init(&asked->why, TEXT_BYTES_MAX);
    pt_arena_init(&asked->arena, PT_FLAGS_FILE_BYTES_MAX);
}

static void asked_release(struct asked *asked)
{
    pt_flag_text_close(&asked->body);
    pt_buf_release(&asked->key);
    pt_buf_release(&asked->who);
    pt_buf_release(&asked->given_by);
    pt_buf_release(&asked->why);
    pt_arena_release(&asked->arena);
}

/* False: the request was answered. */
static bool refuse(struct pt_http_request *request, int status, const char *code,
                   const char *detail)
{
    pt_http_respond_error(request, status, code, "%s", detail);
    return false;
}

static bool read_key(const struct job *job, struct asked *asked)
{
    if (!decode(pt_http_path_rest(job->request), false, &asked->key) || asked->key.size == 0) {
        return refuse(job->request, 400, "invalid", "the path holds no flag's key");
    }
    asked->change.key = pt_buf_span(&asked->key);
    return true;
}

/* Who: the key that was shown, and whom its holder names. */
static void name_who(const struct job *job, struct asked *asked)
{
    const char *key = job->key_name[0] ? job->key_name : "api";

    if (asked->given_by.size > 1) {
        pt_buf_appendf(&asked->who, "%s (%s)", (const char *)asked->given_by.data, key);
    } else {
        pt_buf_append_str(&asked->who, key);
    }
    pt_buf_append_byte(&asked->who, 0);
    asked->change.by = asked->who.has_failed ? key : (const char *)asked->who.data;
    asked->change.why =
        asked->why.size > 1 && !asked->why.has_failed ? (const char *)asked->why.data : NULL;
}

static void read_query(const struct job *job, struct asked *asked)
{
    struct pt_buf reassign;

    pt_buf_init(&reassign, TEXT_BYTES_MAX);
    (void)query_value(job->request, "why", &asked->why);
    (void)query_value(job->request, "by", &asked->given_by);
    asked->change.may_reassign = query_value(job->request, "reassign", &reassign) &&
                                 strcmp((const char *)reassign.data, "true") == 0;
    pt_buf_release(&reassign);
    name_who(job, asked);
}

/* If-Match: "TAG", and nothing weak: two flags are the same or are not. */
static bool read_tag(const struct job *job, struct asked *asked, bool is_needed)
{
    struct pt_span match = pt_http_header(job->request, "If-Match");
    struct pt_span none = pt_http_header(job->request, "If-None-Match");

    if (pt_span_is(none, "*")) {
        asked->change.is_new = true;
        return true;
    }
    if (match.size == 0) {
        return !is_needed ||
               refuse(job->request, 428, "precondition_required",
                      "say which flag you saw: If-Match with its etag, or If-None-Match: * for a "
                      "new one");
    }
    if (match.size > 2 && match.data[0] == '"' && match.data[match.size - 1] == '"') {
        match = pt_span_of(match.data + 1, match.size - 2);
    } else if (!pt_span_is(match, "*")) {
        return refuse(job->request, 400, "invalid", "If-Match is one etag in quotes, or *");
    }
    asked->change.if_tag = match;
    return true;
}

static void keep_text(struct pt_buf *buf, struct pt_span text)
{
    pt_buf_append(buf, text.data, text.size);
    pt_buf_append_byte(buf, 0);
}

static bool read_metadata(const struct job *job, struct asked *asked, struct pt_json metadata)
{
    struct pt_flag_change *change = &asked->change;

    if (pt_json_type(metadata) != PT_JSON_OBJECT ||
        pt_json_count(metadata) > PT_FLAG_CHANGE_METADATA_MAX) {
        return refuse(job->request, 400, "invalid",
                      "\"metadata\" is an object of what to change, at most 64 members");
    }
    for (struct pt_json_iter it = pt_json_iterate(metadata); pt_json_next(&it);) {
        struct pt_flag_set_metadata *member = &change->metadata[change->metadata_count++];

        *member = (struct pt_flag_set_metadata){.name = it.key};
        if (pt_json_type(it.value) != PT_JSON_NULL) {
            member->json = pt_flag_minify(&asked->arena, it.value);
            if (member->json.size == 0) {
                return refuse(job->request, 413, "too_big", "that is too much metadata");
            }
        }
    }
    return true;
}

static bool take_member(const struct job *job, struct asked *asked, struct pt_span name,
                        struct pt_json value)
{
    struct pt_flag_change *change = &asked->change;
    bool is_text = pt_json_type(value) == PT_JSON_STRING;
    struct pt_span text = is_text ? pt_json_string(value) : pt_span_of(NULL, 0);

    if (pt_span_is(name, "metadata")) {
        return read_metadata(job, asked, value);
    }
    if (pt_span_is(name, "state") && pt_flag_state_parse(text, &change->state)) {
        return true;
    }
    if (pt_span_is(name, "defaultVariant") && text.size > 0) {
        change->default_variant = text;
    } else if (pt_span_is(name, "rollout") && pt_json_is_number(value)) {
        change->has_rollout = true;
        change->rollout_percent = pt_json_double(value);
    } else if (pt_span_is(name, "weights") && is_text) {
        change->weights = text;
    } else if (pt_span_is(name, "reassign") && pt_json_type(value) == PT_JSON_BOOL) {
        change->may_reassign = pt_json_bool(value);
    } else if (pt_span_is(name, "why") && is_text) {
        keep_text(&asked->why, text);
    } else if (pt_span_is(name, "by") && is_text) {
        keep_text(&asked->given_by, text);
    } else {
        pt_http_respond_error(job->request, 400, "invalid",
                              "\"%.*s\" is no member of a change, or has a value that it cannot "
                              "have",
                              PT_SPAN_ARG(name));
        return false;
    }
    return true;
}

/* The body of PATCH. */
static bool read_patch(const struct job *job, struct asked *asked)
{
    struct pt_flag_change *change = &asked->change;
    struct pt_error err = {0};

    if (pt_flag_text_open(&asked->body, pt_http_body(job->request), &err)) {
        return refuse(job->request, 400, "invalid", err.text);
    }
    if (pt_json_type(asked->body.root) != PT_JSON_OBJECT) {
        return refuse(job->request, 400, "invalid", "the body must be an object");
    }
    for (struct pt_json_iter it = pt_json_iterate(asked->body.root); pt_json_next(&it);) {
        if (!take_member(job, asked, it.key, it.value)) {
            return false;
        }
    }
    bool sets = change->state || change->default_variant.size > 0 || change->has_rollout;

    if (change->key.size == 0 && (sets || change->weights.size > 0)) {
        return refuse(job->request, 400, "invalid", "of all flags together only metadata changes");
    }
    if (change->weights.size > 0 && !change->has_rollout) {
        return refuse(job->request, 400, "invalid", "\"weights\" go with \"rollout\"");
    }
    if (!sets && change->metadata_count == 0) {
        return refuse(job->request, 400, "invalid", "the body changes nothing");
    }
    name_who(job, asked);
    return true;
}

/* The body of an undo. */
static bool read_undo(const struct job *job, struct asked *asked)
{
    struct pt_span body = pt_http_body(job->request);
    int64_t seq = 0;

    asked->change.kind = PT_FLAG_CHANGE_UNDO;
    if (pt_flag_text_open(&asked->body, body.size > 0 ? body : pt_span_str("{}"), NULL) ||
        pt_json_type(asked->body.root) != PT_JSON_OBJECT) {
        return refuse(job->request, 400, "invalid", "the body must be an object");
    }
    for (struct pt_json_iter it = pt_json_iterate(asked->body.root); pt_json_next(&it);) {
        if (pt_span_is(it.key, "seq")) {
            if (!pt_json_member_int(asked->body.root, "seq", &seq) || seq <= 0) {
                return refuse(job->request, 400, "invalid", "\"seq\" is a change's number");
            }
        } else if (!pt_span_is(it.key, "why") && !pt_span_is(it.key, "by")) {
            return refuse(job->request, 400, "invalid",
                          "an undo has \"seq\", \"why\" and \"by\" alone");
        } else if (!take_member(job, asked, it.key, it.value)) {
            return false;
        }
    }
    asked->change.undo = (uint64_t)seq;
    name_who(job, asked);
    return true;
}

/* ---- answers ---- */

static void respond_failure(struct pt_http_request *request, enum pt_code code,
                            const struct pt_error *err)
{
    static const struct {
        enum pt_code code;
        int status;
        const char *name;
        const char *advice;
    } failures[] = {
        {PT_INVALID, 400, "invalid", ""},
        {PT_NOT_FOUND, 404, "not_found", ""},
        {PT_FENCED, 412, "precondition_failed", ""},
        {PT_AGAIN, 503, "busy", ""},
        {PT_CORRUPT, 409, "history_tampered",
         "the history was tampered with (`playtrace flags set` with --new-history puts it aside "
         "and begins anew): "},
        {PT_TOO_BIG, 413, "too_big", ""},
        {PT_FULL, 507, "disk_full", ""},
    };

    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        if (failures[i].code == code) {
            pt_http_respond_error(request, failures[i].status, failures[i].name, "%s%s",
                                  failures[i].advice, err->text);
            return;
        }
    }
    pt_http_respond_error(request, 500, "failed", "%s", err->text);
}

/* `tag` NULL or "": without an etag. */
static void respond(struct pt_http_request *request, const struct pt_buf *answer, const char *tag)
{
    char quoted[PT_FLAG_TAG_CHARS + 3];
    const struct pt_http_header_out headers[] = {{"Cache-Control", "no-store"}, {"ETag", quoted}};
    bool has_tag = tag && *tag;

    if (answer->has_failed) {
        pt_http_respond_error(request, 500, "failed", "no memory for the answer");
        return;
    }
    snprintf(quoted, sizeof(quoted), "\"%s\"", has_tag ? tag : "");
    pt_http_respond(request, 200, "application/json", pt_buf_span(answer), headers,
                    has_tag ? 2 : 1);
}

/* The flag's etag in what a change answered. */
static void find_tag(const struct pt_buf *answer, char tag_out[PT_FLAG_TAG_CHARS + 1])
{
    struct pt_flag_text text;
    struct pt_span tag = {0};

    tag_out[0] = '\0';
    if (!pt_flag_text_open(&text, pt_buf_span(answer), NULL) &&
        pt_json_member_string(text.root, "etag", &tag) && tag.size == PT_FLAG_TAG_CHARS) {
        memcpy(tag_out, tag.data, PT_FLAG_TAG_CHARS);
        tag_out[PT_FLAG_TAG_CHARS] = '\0';
    }
    pt_flag_text_close(&text);
}

static void carry_out(struct pt_flag_admin *admin, struct pt_http_request *request,
                      const struct pt_flag_change *change)
{
    char tag[PT_FLAG_TAG_CHARS + 1];
    struct pt_error err = {0};
    struct pt_buf answer;
    struct pt_jsonw w;
    bool has_changed = false;
    enum pt_code code;

    pt_buf_init(&answer, ANSWER_BYTES_MAX);
    pt_jsonw_init(&w, &answer);
    code = pt_flag_change_apply(admin->io, admin->clock, pt_flags_file(admin->flags), change, &w,
                                &err);
    if (code) {
        respond_failure(request, code, &err);
    } else {
        /* In force before it is answered; where that fails the timer tries again. */
        if (pt_flags_reload(admin->flags, &has_changed, &err)) {
            pt_log_line(PT_LOG_WARN, "flag", NULL, "changed flags not loaded yet: %s", err.text);
        }
        find_tag(&answer, tag);
        respond(request, &answer, tag);
    }
    pt_buf_release(&answer);
}

static void answer_put(struct pt_flag_admin *admin, struct job *job, struct asked *asked)
{
    asked->change.definition = pt_http_body(job->request);
    if (!read_key(job, asked) || !read_tag(job, asked, true)) {
        return;
    }
    if (asked->change.definition.size == 0) {
        (void)refuse(job->request, 400, "invalid", "the body must be the whole flag");
        return;
    }
    read_query(job, asked);
    carry_out(admin, job->request, &asked->change);
}

static void answer_delete(struct pt_flag_admin *admin, struct job *job, struct asked *asked)
{
    asked->change.kind = PT_FLAG_CHANGE_DELETE;
    if (read_key(job, asked) && read_tag(job, asked, true)) {
        read_query(job, asked);
        carry_out(admin, job->request, &asked->change);
    }
}

static void answer_patch_all(struct pt_flag_admin *admin, struct job *job, struct asked *asked)
{
    if (read_tag(job, asked, false) && read_patch(job, asked)) {
        carry_out(admin, job->request, &asked->change);
    }
}

static void answer_patch(struct pt_flag_admin *admin, struct job *job, struct asked *asked)
{
    if (read_key(job, asked)) {
        answer_patch_all(admin, job, asked);
    }
}

static void answer_undo(struct pt_flag_admin *admin, struct job *job, struct asked *asked)
{
    if (read_undo(job, asked)) {
        carry_out(admin, job->request, &asked->change);
    }
}

/* Of one flag, or with an empty key of all. */
static void show(struct pt_flag_admin *admin, struct job *job, struct pt_span key)
{
    char tag[PT_FLAG_TAG_CHARS + 1] = "";
    struct pt_error err = {0};
    struct pt_buf answer;
    struct pt_jsonw w;
    enum pt_code code;

    pt_buf_init(&answer, ANSWER_BYTES_MAX);
    pt_jsonw_init(&w, &answer);
    code = pt_flag_file_show(admin->io, pt_flags_file(admin->flags), key, &w, tag, &err);
    if (code) {
        respond_failure(job->request, code, &err);
    } else {
        respond(job->request, &answer, tag);
    }
    pt_buf_release(&answer);
}

static void answer_all(struct pt_flag_admin *admin, struct job *job, struct asked *asked)
{
    show(admin, job, asked->change.key);
}

static void answer_one(struct pt_flag_admin *admin, struct job *job, struct asked *asked)
{
    if (read_key(job, asked)) {
        show(admin, job, asked->change.key);
    }
}

static void answer_history(struct pt_flag_admin *admin, struct job *job, struct asked *asked)
{
    const struct pt_buf *key = &asked->key;
    struct pt_error err = {0};
    struct pt_buf answer;
    struct pt_jsonw w;
    enum pt_code code;

    pt_buf_init(&answer, ANSWER_BYTES_MAX);
    pt_jsonw_init(&w, &answer);
    (void)query_value(job->request, "key", &asked->key);
    code = pt_flag_history_show(admin->io, pt_flags_file(admin->flags),
                                pt_span_of(key->data, key->size > 0 ? key->size - 1 : 0), &w, &err);
    if (code) {
        respond_failure(job->request, code, &err);
    } else {
        respond(job->request, &answer, NULL);
    }
    pt_buf_release(&answer);
}

/* ---- the queue ---- */

static void *run(void *ctx)
{
    struct pt_flag_admin *admin = ctx;

    pthread_mutex_lock(&admin->lock);
    while (!admin->is_stopping) {
        struct job *job = admin->first;
        struct asked asked;

        if (!job) {
            pthread_cond_wait(&admin->wake, &admin->lock);
            continue;
        }
        admin->first = job->next;
        admin->last = admin->first ? admin->last : NULL;
        admin->waiting--;
        pthread_mutex_unlock(&admin->lock);
        asked_init(&asked);
        job->answer(admin, job, &asked);
        asked_release(&asked);
        pt_free(job);
        pthread_mutex_lock(&admin->lock);
    }
    pthread_mutex_unlock(&admin->lock);
    return NULL;
}

/* The request's own storage stays until it is answered, so that nothing is copied. */
static void handle(void *ctx, struct pt_http_request *request)
{
    const struct route *route = ctx;
    struct pt_flag_admin *admin = route->admin;
    struct job *job = NULL;
    bool is_taken = false;

    if (!pt_keys_admit(admin->keys, request, PT_SCOPE_ADMIN)) {
        return;
    }
    if (!pt_flags_file(admin->flags)) {
        pt_http_respond_error(request, 404, "not_found", "this server has no flag file");
        return;
    }
    job = pt_alloc_zero(sizeof(*job));
    if (job) {
        job->request = request;
        job->answer = route->answer;
        pt_keys_name(admin->keys, request, job->key_name);
    }
    pthread_mutex_lock(&admin->lock);
    if (job && admin->waiting < QUEUE_MAX && !admin->is_stopping) {
        if (admin->last) {
            admin->last->next = job;
        } else {
            admin->first = job;
        }
        admin->last = job;
        admin->waiting++;
        is_taken = true;
        pthread_cond_signal(&admin->wake);
    }
    pthread_mutex_unlock(&admin->lock);
    if (!is_taken) {
        pt_free(job);
        pt_http_respond_error(request, 503, "busy", "%d requests wait already: try again",
                              QUEUE_MAX);
    }
}

/* ---- open and close ---- */

enum pt_code pt_flag_admin_routes(struct pt_flag_admin **admin_out, struct pt_http_server *server,
                                  struct pt_flags *flags, struct pt_io *io, struct pt_clock *clock,
                                  struct pt_keys *keys, struct pt_error *err)
{
    static const struct {
        const char *method;
        const char *path;
        uint32_t body_bytes_max;
        answer_t *answer;
    } routes[ROUTE_COUNT] = {
        {"GET", ROOT, 0, answer_all},
        {"PATCH", ROOT, 65536, answer_patch_all},
        {"GET", ROOT "/*", 0, answer_one},
        {"PUT", ROOT "/*", 1u << 20, answer_put},
        {"PATCH", ROOT "/*", 65536, answer_patch},
        {"DELETE", ROOT "/*", 1024, answer_delete},
        {"GET", ROOT "/history", 0, answer_history},
        {"POST", ROOT "/undo", 65536, answer_undo},
    };
    struct pt_flag_admin *admin = pt_alloc_zero(sizeof(*admin));
    enum pt_code code = PT_OK;
    int errnum = 0;

    *admin_out = NULL;
    if (!admin) {
        return pt_fail(err, PT_NO_MEMORY, "no memory for the routes of flags");
    }
    admin->flags = flags;
    admin->io = io;
    admin->clock = clock;
    admin->keys = keys;
    pthread_mutex_init(&admin->lock, NULL);
    pthread_cond_init(&admin->wake, NULL);
    for (size_t i = 0; !code && i < ROUTE_COUNT; i++) {
        admin->routes[i] = (struct route){admin, routes[i].answer};
        code = pt_http_route_admin(server, routes[i].method, routes[i].path,
                                   routes[i].body_bytes_max, handle, &admin->routes[i], err);
    }
    if (code) {
        goto out;
    }
    errnum = pthread_create(&admin->thread, NULL, run, admin);
    if (errnum) {
        code = pt_fail_errno(err, errnum, "start the thread of flags");
        goto out;
    }
    admin->has_thread = true;
    *admin_out = admin;
    admin = NULL;

out:
    pt_flag_admin_close(admin);
    return code;
}

void pt_flag_admin_stop(struct pt_flag_admin *admin)
{
    if (!admin || !admin->has_thread) {
        return;
    }
    pthread_mutex_lock(&admin->lock);
    admin->is_stopping = true;
    pthread_cond_signal(&admin->wake);
    pthread_mutex_unlock(&admin->lock);
    pthread_join(admin->thread, NULL);
    admin->has_thread = false;
    while (admin->first) { /* who waits still gets an answer */
        struct job *job = admin->first;

        admin->first = job->next;
        pt_http_respond_error(job->request, 503, "stopping", "the server stops");
        pt_free(job);
    }
}

void pt_flag_admin_close(struct pt_flag_admin *admin)
{
    if (!admin) {
        return;
    }
    pt_flag_admin_stop(admin);
    pthread_mutex_destroy(&admin->lock);
    pthread_cond_destroy(&admin->wake);
    pt_free(admin);
}
