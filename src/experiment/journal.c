/*
 * journal.c - plans as they were started, and every look
 *
 * FORMAT (docs/formats/experiments.md). The journal is a chain (base/chain.c) of lines with "kind"
 * "start", "look" or "amend", "experiment" and "record".
 */
#include "experiment/journal.h"

#include "base/chain.h"
#include "base/lock.h"
#include "experiment/members.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <math.h>

#define HEX PT_CHAIN_HASH_CHARS
#define LINE_BYTES_MAX (1u << 20)

/* ---- reading ---- */

/* Called for each line of an experiment's own. */
struct each_of {
    const char *name;
    pt_chain_line *each;
    void *ctx;
};

static bool string_is(struct pt_json object, const char *key, const char *text)
{
    struct pt_span span = {0};

    return pt_json_member_string(object, key, &span) && pt_span_is(span, text);
}

static enum pt_code pick_line(void *ctx, struct pt_json line, const char *hash,
                              struct pt_error *err)
{
    const struct each_of *of = ctx;

    return of->each && string_is(line, "experiment", of->name) ? of->each(of->ctx, line, hash, err)
                                                               : PT_OK;
}

/* Read and check all of it; an absent journal is empty. */
static enum pt_code journal_read(struct pt_chain *journal, struct pt_io *io, const char *dir,
                                 const char *name, pt_chain_line *each, void *ctx,
                                 struct pt_error *err)
{
    struct each_of of = {name, each, ctx};
    char *path = pt_strf("%s/journal", dir);
    enum pt_code code = path ? pt_chain_read(journal, io, path, PT_JOURNAL_BYTES_MAX,
                                             LINE_BYTES_MAX, pick_line, &of, err)
                             : pt_fail(err, PT_NO_MEMORY, "no memory for the experiments' journal");

    pt_free(path);
    return code;
}

/* ---- writing ---- */

static void line_begin(struct pt_jsonw *w, const struct pt_chain *journal, struct pt_clock *clock,
                       const char *kind, const char *name)
{
    pt_chain_begin(journal, clock, kind, w);
    pt_jsonw_member_str(w, "experiment", name);
    pt_jsonw_key(w, "record");
}

/* lock.json: the start again, and how far the journal went. */
static enum pt_code write_lock(struct pt_io *io, const char *dir, const char *name,
                               const char *plan_hash, const struct pt_chain *journal,
                               struct pt_error *err)
{
    char *path = pt_strf("%s/%s/lock.json", dir, name);
    struct pt_buf text;
    struct pt_jsonw w;
    enum pt_code code = PT_OK;

    pt_buf_init(&text, LINE_BYTES_MAX);
    pt_jsonw_init(&w, &text);
    pt_jsonw_object(&w);
    pt_jsonw_member_str(&w, "experiment", name);
    pt_jsonw_member_str(&w, "plan_sha256", plan_hash);
    pt_jsonw_member_uint(&w, "journal_seq", journal->seq);
    pt_jsonw_member_str(&w, "journal_sha256", journal->hash);
    pt_jsonw_object_end(&w);
    pt_buf_append_byte(&text, '\n');
    if (!path || text.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the lock of %s", name);
    } else {
        code = pt_io_replace(io, path, pt_buf_span(&text), 0, err);
    }
    pt_free(path);
    pt_buf_release(&text);
    return code;
}

static enum pt_code refuse_second_start(void *ctx, struct pt_json line, const char *hash,
                                        struct pt_error *err)
{
    struct pt_span name = {0};

    (void)ctx;
    (void)hash;
    (void)pt_json_member_string(line, "experiment", &name);
    return pt_fail(err, PT_INVALID, "%.*s was started already; a started plan stays as it is",
                   PT_SPAN_ARG(name));
}

/* The directory is made where it is absent, its name durable. */
static enum pt_code take_lock(struct pt_io *io, const char *dir, struct pt_lock **lock_out,
                              struct pt_error *err)
{
    const char *slash = strrchr(dir, '/');
    char *path = pt_strf("%s/lock", dir);
    char *parent = !slash         ? pt_strf(".")
                   : slash == dir ? pt_strf("/")
                                  : pt_strndup(dir, (size_t)(slash - dir));
    enum pt_code code = path && parent
                            ? pt_io_mkdir(io, dir, err)
                            : pt_fail(err, PT_NO_MEMORY, "no memory for the experiments' lock");

    code = code ? code : pt_io_sync_dir(io, parent, err);
    code = code ? code : pt_lock_take(lock_out, path, err);
    pt_free(parent);
    pt_free(path);
    return code;
}

enum pt_code pt_started_create(struct pt_io *io, struct pt_clock *clock, const char *dir,
                               const struct pt_plan *plan, struct pt_span yaml,
                               struct pt_plan_basis basis, uint64_t late_exposures,
                               const char *event_id, struct pt_error *err)
{
    struct pt_lock *lock = NULL;
    struct pt_chain journal = {0};
    struct pt_buf text;
    struct pt_jsonw w;
    char hash[HEX + 1];
    char *folder = pt_strf("%s/%s", dir, plan->name);
    char *path = pt_strf("%s/%s/plan.yaml", dir, plan->name);
    enum pt_code code = pt_plan_hash(plan, hash, err);

    pt_buf_init(&text, LINE_BYTES_MAX);
    if (!code && (!folder || !path)) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the experiment's folder");
    }
    code = code ? code : take_lock(io, dir, &lock, err);
    code =
        code ? code : journal_read(&journal, io, dir, plan->name, refuse_second_start, NULL, err);
    /* Folder and file first: a crash before the journal's line leaves a plan that was not started
     * and may be started again. */
    code = code ? code : pt_io_mkdir(io, folder, err);
    code = code ? code : pt_io_replace(io, path, yaml, 0, err);
    if (code) {
        goto out;
    }
    pt_jsonw_init(&w, &text);
    line_begin(&w, &journal, clock, "start", plan->name);
    pt_jsonw_object(&w);
    pt_jsonw_member_str(&w, "plan_sha256", hash);
    pt_jsonw_member_uint(&w, "late_exposures", late_exposures);
    if (event_id) {
        pt_jsonw_member_str(&w, "event_id", event_id);
    }
    pt_jsonw_member_double(&w, "baseline", basis.baseline);
    pt_jsonw_member_double(&w, "sd", basis.sd);
    pt_jsonw_key(&w, "plan");
    pt_plan_write(plan, &w);
    pt_jsonw_object_end(&w);
    pt_jsonw_object_end(&w);
    code = pt_chain_append(&journal, io, dir, &text, err);
    code = code ? code : write_lock(io, dir, plan->name, hash, &journal, err);

out:
    pt_chain_release(&journal);
    pt_buf_release(&text);
    pt_lock_release(lock);
    pt_free(folder);
    pt_free(path);
    return code;
}

/* What a line's record is written by. */
typedef void write_fn(const void *ctx, const struct pt_started *started, struct pt_jsonw *w);

/* Append a line of `kind` to the journal, then lock.json. */
static enum pt_code add_line(struct pt_io *io, struct pt_clock *clock, const char *dir,
                             struct pt_started *started, const char *kind, write_fn *write,
                             const void *ctx, struct pt_error *err)
{
    const char *name = started->plan.name;
    struct pt_lock *lock = NULL;
    struct pt_chain journal = {0};
    struct pt_buf text;
    struct pt_jsonw w;
    enum pt_code code = take_lock(io, dir, &lock, err);

    pt_buf_init(&text, LINE_BYTES_MAX);
    code = code ? code : journal_read(&journal, io, dir, name, NULL, NULL, err);
    if (code) {
        goto out;
    }
    if (strcmp(journal.hash, started->journal_hash) != 0) {
        code = pt_fail(err, PT_FENCED, "the journal went on meanwhile; ask again");
        goto out;
    }
    /* A crash after the start took it; a line that stands in the journal without it is damage. */
    if (!started->has_lock) {
        code = write_lock(io, dir, name, started->hash, &journal, err);
        started->has_lock = !code;
        if (code) {
            goto out;
        }
    }
    pt_jsonw_init(&w, &text);
    line_begin(&w, &journal, clock, kind, name);
    write(ctx, started, &w);
    pt_jsonw_object_end(&w);
    code = pt_chain_append(&journal, io, dir, &text, err);
    code = code ? code : write_lock(io, dir, name, started->hash, &journal, err);
    if (!code) {
        started->journal_seq = journal.seq;
        memcpy(started->journal_hash, journal.hash, sizeof(journal.hash));
    }

out:
    pt_chain_release(&journal);
    pt_buf_release(&text);
    pt_lock_release(lock);
    return code;
}

static void write_look(const void *ctx, const struct pt_started *started, struct pt_jsonw *w)
{
    pt_look_write(ctx, pt_plan_treatments(&started->plan), w);
}

enum pt_code pt_started_add_look(struct pt_io *io, struct pt_clock *clock, const char *dir,
                                 struct pt_started *started, const struct pt_look *look,
                                 struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (started->look_count == PT_JOURNAL_LOOKS_MAX) {
        return pt_fail(err, PT_TOO_BIG, "%s was looked at %d times, more are not kept",
                       started->plan.name, PT_JOURNAL_LOOKS_MAX);
    }
    code = add_line(io, clock, dir, started, "look", write_look, look, err);
    if (!code) {
        started->looks[started->look_count++] = *look;
    }
    return code;
}

static void write_amendment(const void *ctx, const struct pt_started *started, struct pt_jsonw *w)
{
    const struct pt_amendment *amendment = ctx;

    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "epoch", amendment->epoch.name);
    pt_member_list(w, "weights", amendment->epoch.weight, started->plan.arm_count);
    pt_jsonw_member_uint(w, "late_exposures", amendment->late_exposures);
    pt_jsonw_object_end(w);
}

/* An amended epoch is one of the plan's for everything but its hash. */
static void use_amendment(struct pt_started *started, const struct pt_amendment *amendment)
{
    started->plan.epochs[started->plan.epoch_count++] = amendment->epoch;
    started->plan.amended_count++;
}

enum pt_code pt_started_amend(struct pt_io *io, struct pt_clock *clock, const char *dir,
                              struct pt_started *started, const struct pt_plan_epoch *epoch,
                              uint64_t late_exposures, struct pt_error *err)
{
    const struct pt_plan *plan = &started->plan;
    struct pt_amendment amendment = {*epoch, pt_clock_wall_us(clock), late_exposures};
    enum pt_code code = PT_OK;

    for (size_t i = 0; i < plan->epoch_count; i++) {
        if (strcmp(plan->epochs[i].name, epoch->name) == 0) {
            return pt_fail(err, PT_INVALID, "the ratio of epoch \"%s\" is known, and stays",
                           epoch->name);
        }
    }
    if (plan->epoch_count == PT_PLAN_EPOCHS_MAX) {
        return pt_fail(err, PT_INVALID, "%s has %d epochs already, more are not kept", plan->name,
                       PT_PLAN_EPOCHS_MAX);
    }
    code = add_line(io, clock, dir, started, "amend", write_amendment, &amendment, err);
    if (!code) {
        started->amendments[started->amendment_count++] = amendment;
        use_amendment(started, &amendment);
    }
    return code;
}

/* ---- a started experiment ---- */

struct opening {
    struct pt_started *out;
    struct pt_buf plan; /* its canonical form at the start */
    char lock_hash[HEX + 1];
    int64_t lock_seq; /* what the lock names must be among the lines */
    bool saw_lock_hash;
    bool has_start;
};

static void take_amendment(struct pt_started *out, struct pt_json line, struct pt_json record)
{
    struct pt_amendment *amendment = &out->amendments[out->amendment_count];
    struct pt_json weights = pt_json_member(record, "weights");
    struct pt_json_iter iter;
    struct pt_span span = {0};
    int64_t late = 0;

    if (out->amendment_count == PT_PLAN_EPOCHS_MAX ||
        !pt_json_member_string(record, "epoch", &span) || !pt_json_exists(weights) ||
        pt_json_type(weights) != PT_JSON_ARRAY) {
        return;
    }
    *amendment = (struct pt_amendment){.at_us = 0};
    snprintf(amendment->epoch.name, sizeof(amendment->epoch.name), "%.*s", PT_SPAN_ARG(span));
    if (pt_json_member_string(line, "at", &span)) {
        (void)pt_rfc3339_parse((const char *)span.data, span.size, &amendment->at_us);
    }
    (void)pt_json_member_int(record, "late_exposures", &late);
    amendment->late_exposures = (uint64_t)late;
    iter = pt_json_iterate(weights);
    for (size_t i = 0; i < PT_PLAN_ARMS_MAX && pt_json_next(&iter); i++) {
        amendment->epoch.weight[i] = pt_json_is_number(iter.value) ? pt_json_double(iter.value) : 0;
    }
    out->amendment_count++;
}

static enum pt_code take_line(void *ctx, struct pt_json line, const char *hash,
                              struct pt_error *err)
{
    struct opening *o = ctx;
    struct pt_json record = pt_json_member(line, "record");
    struct pt_span span = {0};
    int64_t late = 0;

    (void)err;
    o->saw_lock_hash = o->saw_lock_hash || strcmp(hash, o->lock_hash) == 0;
    if (string_is(line, "kind", "look")) {
        if (o->out->look_count < PT_JOURNAL_LOOKS_MAX) {
            pt_look_read(record, &o->out->looks[o->out->look_count++]);
        }
        return PT_OK;
    }
    if (string_is(line, "kind", "amend")) {
        take_amendment(o->out, line, record);
        return PT_OK;
    }
    if (!string_is(line, "kind", "start") || o->has_start) {
        return PT_OK;
    }
    o->has_start = true;
    if (pt_json_member_string(line, "at", &span)) {
        (void)pt_rfc3339_parse((const char *)span.data, span.size, &o->out->started_us);
    }
    if (pt_json_member_string(record, "plan_sha256", &span) && span.size == HEX) {
        memcpy(o->out->hash, span.data, HEX);
    }
    if (pt_json_member_string(record, "event_id", &span) && span.size == PT_UUID_TEXT_BYTES) {
        memcpy(o->out->event_id, span.data, PT_UUID_TEXT_BYTES);
    }
    (void)pt_json_member_int(record, "late_exposures", &late);
    o->out->late_exposures = (uint64_t)late;
    o->out->basis = (struct pt_plan_basis){NAN, NAN};
    (void)pt_json_member_double(record, "baseline", &o->out->basis.baseline);
    (void)pt_json_member_double(record, "sd", &o->out->basis.sd);
    if (pt_json_exists(pt_json_member(record, "plan"))) {
        struct pt_jsonw w;

        pt_jsonw_init(&w, &o->plan);
        pt_jsonw_value(&w, pt_json_member(record, "plan"));
    }
    return PT_OK;
}

static struct pt_span text_of(struct pt_json value, struct pt_buf *buf)
{
    struct pt_jsonw w;

    pt_buf_reset(buf);
    pt_jsonw_init(&w, buf);
    if (value.tape) {
        pt_jsonw_value(&w, value);
    } else {
        pt_buf_append_str(buf, "(nothing)");
    }
    return pt_buf_span(buf);
}

/* "alpha was 0.05 and is 0.1; …" of the members that differ, nested ones by path. */
static void say_differences(struct pt_json was, struct pt_json is, const char *path,
                            struct pt_buf *said, unsigned depth)
{
    struct pt_buf a;
    struct pt_buf b;
    bool descend = was.tape && is.tape && depth < 4 && pt_json_type(was) == pt_json_type(is) &&
                   (pt_json_type(was) == PT_JSON_OBJECT || pt_json_type(was) == PT_JSON_ARRAY) &&
                   pt_json_count(was) == pt_json_count(is);

    pt_buf_init(&a, LINE_BYTES_MAX);
    pt_buf_init(&b, LINE_BYTES_MAX);
    if (!pt_span_equal(text_of(was, &a), text_of(is, &b)) && !descend) {
        pt_buf_appendf(said, "%s%s was %.*s and is %.*s", said->size > 0 ? "; " : "", path,
                       (int)(a.size < 160 ? a.size : 160), (const char *)a.data,
                       (int)(b.size < 160 ? b.size : 160), (const char *)b.data);
    } else if (descend) {
        struct pt_json_iter old = pt_json_iterate(was);
        struct pt_json_iter new = pt_json_iterate(is);

        for (unsigned i = 0; pt_json_next(&old) && pt_json_next(&new); i++) {
            char inner[256];

            if (old.is_object) {
                snprintf(inner, sizeof(inner), "%s%s%.*s", path, path[0] ? "." : "",
                         PT_SPAN_ARG(old.key));
            } else {
                snprintf(inner, sizeof(inner), "%s[%u]", path, i);
            }
            say_differences(old.value, new.value, inner, said, depth + 1);
        }
    }
    pt_buf_release(&a);
    pt_buf_release(&b);
}

/* The file's plan against the journal's. */
static enum pt_code compare_plans(const struct opening *o, const char *path, struct pt_error *err)
{
    struct pt_json_parser *parsers[2] = {pt_json_parser_create(LINE_BYTES_MAX),
                                         pt_json_parser_create(LINE_BYTES_MAX)};
    struct pt_buf texts[2];
    struct pt_buf said;
    struct pt_json roots[2] = {{0}};
    struct pt_jsonw w;
    char hash[HEX + 1];
    enum pt_code code = pt_plan_hash(&o->out->plan, hash, err);

    pt_buf_init(&texts[0], LINE_BYTES_MAX);
    pt_buf_init(&texts[1], LINE_BYTES_MAX);
    pt_buf_init(&said, LINE_BYTES_MAX);
    if (code || strcmp(hash, o->out->hash) == 0) {
        goto out;
    }
    pt_buf_append(&texts[0], o->plan.data, o->plan.size);
    pt_jsonw_init(&w, &texts[1]);
    pt_plan_write(&o->out->plan, &w);
    for (size_t i = 0; i < 2 && !code; i++) {
        size_t size = texts[i].size;

        if (!parsers[i] || !pt_buf_reserve(&texts[i], PT_JSON_PADDING)) {
            code = pt_fail(err, PT_NO_MEMORY, "no memory to compare the plans");
        } else {
            memset(texts[i].data + size, 0, PT_JSON_PADDING);
            code = pt_json_parse(parsers[i], pt_span_of(texts[i].data, size), &roots[i], NULL, err);
        }
    }
    if (!code) {
        say_differences(roots[0], roots[1], "", &said, 0);
        code = pt_fail(err, PT_CORRUPT, "%s is not the plan that was started: %.*s", path,
                       (int)(said.size < 400 ? said.size : 400),
                       said.size > 0 ? (const char *)said.data : "its hash differs");
    }

out:
    pt_buf_release(&texts[0]);
    pt_buf_release(&texts[1]);
    pt_buf_release(&said);
    pt_json_parser_destroy(parsers[0]);
    pt_json_parser_destroy(parsers[1]);
    return code;
}

/* What lock.json says, into `o`; PT_NOT_FOUND where it is absent. */
static enum pt_code read_lock(struct opening *o, struct pt_io *io, const char *path,
                              char plan_hash_out[HEX + 1], struct pt_error *err)
{
    struct pt_json_parser *parser = pt_json_parser_create(LINE_BYTES_MAX);
    struct pt_json root = {0};
    struct pt_span journal_hash = {0};
    struct pt_span plan_hash = {0};
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code =
        parser ? pt_io_read_all(io, path, LINE_BYTES_MAX, PT_JSON_PADDING, &data, &size, err)
               : pt_fail(err, PT_NO_MEMORY, "no memory for %s", path);

    if (!code && (pt_json_parse(parser, pt_span_of(data, size), &root, NULL, err) ||
                  pt_json_type(root) != PT_JSON_OBJECT ||
                  !pt_json_member_string(root, "journal_sha256", &journal_hash) ||
                  !pt_json_member_string(root, "plan_sha256", &plan_hash) ||
                  !pt_json_member_int(root, "journal_seq", &o->lock_seq) ||
                  journal_hash.size != HEX || plan_hash.size != HEX)) {
        code = pt_fail(err, PT_CORRUPT, "%s is not what was written", path);
    }
    if (!code) {
        pt_assert(journal_hash.data && plan_hash.data);
        memcpy(o->lock_hash, journal_hash.data, HEX);
        memcpy(plan_hash_out, plan_hash.data, HEX);
    }
    pt_free(data);
    pt_json_parser_destroy(parser);
    return code;
}

static enum pt_code read_plan_file(struct opening *o, struct pt_io *io, const char *path,
                                   struct pt_error *err)
{
    struct pt_buf problems;
    uint8_t *data = NULL;
    size_t size = 0;
    enum pt_code code = pt_io_read_all(io, path, PT_PLAN_BYTES_MAX, 1, &data, &size, err);

    pt_buf_init(&problems, LINE_BYTES_MAX);
    if (code == PT_NOT_FOUND) {
        code = pt_fail(err, PT_CORRUPT, "%s is gone, but the experiment was started", path);
    }
    if (!code) {
        code = pt_plan_read(&o->out->plan, pt_span_of(data, size), path, &problems, err);
        if (code == PT_INVALID) {
            const void *end = problems.data ? memchr(problems.data, '\n', problems.size) : NULL;
            size_t bytes = end ? (size_t)((const uint8_t *)end - problems.data) : 0;

            code = pt_fail(err, PT_CORRUPT, "%s is not the plan that was started: %.*s", path,
                           (int)bytes, problems.data ? (const char *)problems.data : "");
        }
    }
    pt_free(data);
    pt_buf_release(&problems);
    return code;
}

enum pt_code pt_started_open(struct pt_io *io, const char *dir, const char *name,
                             struct pt_started *out, struct pt_error *err)
{
    struct opening o = {.out = out};
    struct pt_chain journal = {0};
    char plan_hash[HEX + 1] = "";
    char *lock_path = pt_strf("%s/%s/lock.json", dir, name);
    char *plan_path = pt_strf("%s/%s/plan.yaml", dir, name);
    bool has_lock = false;
    enum pt_code code = PT_OK;

    memset(out, 0, sizeof(*out));
    pt_buf_init(&o.plan, LINE_BYTES_MAX);
    if (strchr(name, '/') || name[0] == '.') {
        code = pt_fail(err, PT_NOT_FOUND, "%s is no name of a plan", name);
        goto out;
    }
    if (!lock_path || !plan_path) {
        code = pt_fail(err, PT_NO_MEMORY, "no memory for the experiment");
        goto out;
    }
    code = read_lock(&o, io, lock_path, plan_hash, err);
    has_lock = out->has_lock = !code;
    if (code && code != PT_NOT_FOUND) {
        goto out;
    }
    code = journal_read(&journal, io, dir, name, take_line, &o, err);
    if (code) {
        goto out;
    }
    if (!o.has_start) {
        code = has_lock ? pt_fail(err, PT_CORRUPT,
                                  "%s does not hold the start of %s, which %s names: lines were "
                                  "taken out",
                                  journal.path, name, lock_path)
                        : pt_fail(err, PT_NOT_FOUND, "%s was not started", name);
        goto out;
    }
    /* A crash between the journal's first line and the lock leaves no lock, and no look. */
    if (!has_lock && out->look_count > 0) {
        code = pt_fail(err, PT_CORRUPT, "%s is gone, but the journal has looks at %s", lock_path,
                       name);
        goto out;
    }
    if (has_lock && !o.saw_lock_hash) {
        code = pt_fail(err, PT_CORRUPT,
                       "%s does not hold line %" PRId64 " as %s names it (%s): lines were "
                       "taken out or written anew",
                       journal.path, o.lock_seq, lock_path, o.lock_hash);
        goto out;
    }
    if (has_lock && strcmp(plan_hash, out->hash) != 0) {
        code = pt_fail(err, PT_CORRUPT,
                       "%s names the plan %s, the journal %s: one of them was changed", lock_path,
                       plan_hash, out->hash);
        goto out;
    }
    code = read_plan_file(&o, io, plan_path, err);
    code = code ? code : compare_plans(&o, plan_path, err);
    for (size_t i = 0; i < out->amendment_count && !code; i++) {
        if (out->plan.epoch_count < PT_PLAN_EPOCHS_MAX) {
            use_amendment(out, &out->amendments[i]);
        }
    }
    code = code ? code : pt_plan_design(&out->plan, out->basis, &out->design, err);
    out->journal_seq = journal.seq;
    memcpy(out->journal_hash, journal.hash, sizeof(journal.hash));

out:
    pt_chain_release(&journal);
    pt_buf_release(&o.plan);
    pt_free(lock_path);
    pt_free(plan_path);
    return code;
}
