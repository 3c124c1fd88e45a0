/*
 * simulate_truth.c - what must be in the table afterwards
 *
 * events.csv holds one line an event: event_id, event_name, user_id, session_id, seq (empty:
 * none), true_time_us, occurred_at_us (the device's claim), attributes (JSON, empty: none).
 * truth.json holds the sums that follow from the same events.
 */
#include "cmd/simulate.h"

#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINES_BYTES_FLUSH (1u << 20)
#define RETENTION_DAYS_MAX 30

static const char *const names[PT_SIM_NAME_COUNT] = {
    [PT_SIM_SESSION_START] = "session_start",
    [PT_SIM_EXPOSURE] = "experiment_exposure",
    [PT_SIM_TUTORIAL_START] = "tutorial_start",
    [PT_SIM_TUTORIAL_COMPLETE] = "tutorial_complete",
    [PT_SIM_LEVEL_START] = "level_start",
    [PT_SIM_LEVEL_END] = "level_end",
    [PT_SIM_PURCHASE] = "purchase",
    [PT_SIM_SESSION_END] = "session_end",
};

const char *pt_sim_name_text(enum pt_sim_name name)
{
    return names[name];
}

struct pt_sim_truth {
    char *dir;
    char *csv_path;
    struct pt_file *csv;
    pthread_mutex_t lock; /* guards the two below */
    uint64_t csv_bytes;
    bool is_broken;
};

static const char csv_header[] =
    "event_id,event_name,user_id,session_id,seq,true_time_us,occurred_at_us,attributes\n";

enum pt_code pt_sim_truth_open(struct pt_sim_truth **truth_out, const char *dir,
                               struct pt_error *err)
{
    struct pt_io *io = pt_io_posix();
    struct pt_sim_truth *truth = pt_alloc_zero(sizeof(*truth));
    enum pt_code code = PT_OK;

    *truth_out = NULL;
    if (!truth) {
        return pt_fail(err, PT_NO_MEMORY, "open %s", dir);
    }
    pthread_mutex_init(&truth->lock, NULL);
    truth->dir = pt_strdup(dir);
    truth->csv_path = pt_strf("%s/events.csv", dir);
    if (!truth->dir || !truth->csv_path) {
        code = pt_fail(err, PT_NO_MEMORY, "open %s", dir);
        goto out;
    }
    code = pt_io_mkdir(io, dir, err);
    if (code) {
        goto out;
    }
    code = pt_io_open(io, truth->csv_path, PT_OPEN_WRITE | PT_OPEN_CREATE, &truth->csv, err);
    if (code) {
        goto out;
    }
    code = pt_io_truncate(io, truth->csv, 0, err);
    if (code) {
        goto out;
    }
    truth->csv_bytes = sizeof(csv_header) - 1;
    code = pt_io_write(io, truth->csv, 0, csv_header, sizeof(csv_header) - 1, err);
    if (code) {
        goto out;
    }
    *truth_out = truth;
    truth = NULL;

out:
    pt_sim_truth_close(truth);
    return code;
}

void pt_sim_truth_close(struct pt_sim_truth *truth)
{
    if (!truth) {
        return;
    }
    pt_io_close(pt_io_posix(), truth->csv);
    pthread_mutex_destroy(&truth->lock);
    pt_free(truth->csv_path);
    pt_free(truth->dir);
    pt_free(truth);
}

enum pt_code pt_sim_truth_append(struct pt_sim_truth *truth, struct pt_buf *lines,
                                 struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (lines->has_failed) {
        return pt_fail(err, PT_NO_MEMORY, "write %s", truth->csv_path);
    }
    pthread_mutex_lock(&truth->lock);
    code = pt_io_write(pt_io_posix(), truth->csv, truth->csv_bytes, lines->data, lines->size, err);
    truth->csv_bytes += code ? 0 : lines->size;
    pthread_mutex_unlock(&truth->lock);
    pt_buf_reset(lines);
    return code;
}

/* ---- one session's events ---- */

static void append_number(struct pt_buf *lines, int64_t number)
{
    char text[24];
    size_t at = sizeof(text);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        text[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        text[--at] = '-';
    }
    pt_buf_append(lines, text + at, sizeof(text) - at);
}

/* Attributes hold quotes: doubled, as RFC 4180 has it. */
static void append_quoted(struct pt_buf *lines, const char *text)
{
    uint8_t *to = pt_buf_reserve(lines, 2 * PT_SIM_ATTRIBUTES_BYTES + 2);
    size_t size = 0;

    if (!to) {
        return;
    }
    to[size++] = '"';
    for (; *text; text++) {
        if (*text == '"') {
            to[size++] = '"';
        }
        to[size++] = (uint8_t)*text;
    }
    to[size++] = '"';
    lines->size += size;
}

static void append_line(struct pt_buf *lines, const struct pt_sim_event *event, const char *user_id,
                        const char *session_id, int64_t skew_us)
{
    pt_buf_append(lines, event->event_id, PLAYTRACE_ID_TEXT_BYTES - 1);
    pt_buf_append_byte(lines, ',');
    pt_buf_append_str(lines, names[event->name]);
    pt_buf_append_byte(lines, ',');
    pt_buf_append_str(lines, user_id);
    pt_buf_append_byte(lines, ',');
    pt_buf_append_str(lines, session_id);
    pt_buf_append_byte(lines, ',');
    if (event->seq >= 0) {
        append_number(lines, event->seq);
    }
    pt_buf_append_byte(lines, ',');
    append_number(lines, event->true_us);
    pt_buf_append_byte(lines, ',');
    append_number(lines, event->true_us + skew_us);
    pt_buf_append_byte(lines, ',');
    if (event->attributes[0]) {
        append_quoted(lines, event->attributes);
    }
    pt_buf_append_byte(lines, '\n');
}

static void note_event(struct pt_sim_worker *worker, struct pt_sim_player *player,
                       const struct pt_sim_event *event)
{
    uint32_t day = (uint32_t)(pt_day_of(event->true_us) - worker->world->first_day);

    pt_assert(day < worker->world->days);
    worker->tally.events++;
    worker->tally.by_name[event->name]++;
    player->active_days |= UINT64_C(1) << day;
    if (event->name == PT_SIM_PURCHASE) {
        worker->tally.purchases[day]++;
        worker->tally.cents[day] += (uint64_t)event->cents;
        if (player->exposed_at_us && !player->converted_at_us) {
            player->converted_at_us = event->true_us;
        }
    } else if (event->name == PT_SIM_EXPOSURE) {
        player->exposed_at_us = event->true_us;
        player->exposed_variant = player->variant;
    }
}

enum pt_code pt_sim_note(struct pt_sim_worker *worker, const struct pt_sim_session *session,
                         const char *session_id, const struct pt_sim_event *events, size_t count,
                         int64_t skew_us)
{
    struct pt_sim_player *player = &worker->world->players[session->player];
    char user_id[40];

    pt_sim_user_id(worker->world, session->player, user_id);
    for (size_t i = 0; i < count; i++) {
        note_event(worker, player, &events[i]);
        if (worker->truth) {
            append_line(&worker->lines, &events[i], user_id, session_id, skew_us);
        }
    }
    if (worker->truth && worker->lines.size >= LINES_BYTES_FLUSH) {
        return pt_sim_truth_append(worker->truth, &worker->lines, &worker->err);
    }
    return PT_OK;
}

/* ---- truth.json ---- */

static void write_counts(struct pt_jsonw *w, const struct pt_sim_tally *tally)
{
    uint64_t bad = 0;

    pt_jsonw_member_uint(w, "events", tally->events);
    pt_jsonw_key(w, "by_name");
    pt_jsonw_object(w);
    for (size_t i = 0; i < PT_SIM_NAME_COUNT; i++) {
        pt_jsonw_key(w, names[i]);
        pt_jsonw_uint(w, tally->by_name[i]);
    }
    pt_jsonw_object_end(w);
    pt_jsonw_key(w, "dead_letters_by_reason");
    pt_jsonw_object(w);
    for (size_t i = 0; i < PT_SIM_BAD_COUNT; i++) {
        pt_jsonw_key(w, pt_sim_bad_text((enum pt_sim_bad)i));
        pt_jsonw_uint(w, tally->bad[i]);
        bad += tally->bad[i];
    }
    pt_jsonw_object_end(w);
    pt_jsonw_member_uint(w, "dead_letters", bad);
    pt_jsonw_member_uint(w, "dead_letters_sent_again", tally->bad_uncertain);
}

static void write_day(struct pt_jsonw *w, int64_t day)
{
    char text[11];

    pt_day_format(day, text);
    pt_jsonw_member_str(w, "day", text);
}

static void write_revenue(struct pt_jsonw *w, const struct pt_sim_world *world,
                          const struct pt_sim_tally *tally)
{
    uint64_t active[PT_SIM_DAYS_MAX] = {0};

    for (size_t i = 0; i < world->player_count; i++) {
        for (uint32_t day = 0; day < world->days; day++) {
            active[day] += world->players[i].active_days >> day & 1;
        }
    }
    pt_jsonw_key(w, "revenue");
    pt_jsonw_array(w);
    for (uint32_t day = 0; day < world->days; day++) {
        pt_jsonw_object(w);
        write_day(w, world->first_day + day);
        pt_jsonw_member_uint(w, "purchases", tally->purchases[day]);
        pt_jsonw_member_uint(w, "cents", tally->cents[day]);
        pt_jsonw_member_uint(w, "active_users", active[day]);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

/* By the definition: the first day with any event is the install; day N is active or is not. */
static void write_retention(struct pt_jsonw *w, const struct pt_sim_world *world)
{
    uint64_t active[PT_SIM_DAYS_MAX][PT_SIM_DAYS_MAX] = {{0}};

    for (size_t i = 0; i < world->player_count; i++) {
        uint64_t days = world->players[i].active_days;
        uint32_t install = 0;

        if (days == 0) {
            continue;
        }
        install = (uint32_t)__builtin_ctzll(days);
        for (uint32_t day = install; day < world->days; day++) {
            active[install][day - install] += days >> day & 1;
        }
    }
    pt_jsonw_key(w, "retention");
    pt_jsonw_array(w);
    for (uint32_t install = 0; install < world->days; install++) {
        uint32_t last = world->days - 1 - install;

        pt_jsonw_object(w);
        write_day(w, world->first_day + install);
        pt_jsonw_member_uint(w, "installs", active[install][0]);
        pt_jsonw_key(w, "retained"); /* on day 1, 2, …, as far as days were simulated */
        pt_jsonw_array(w);
        for (uint32_t n = 1; n <= last && n <= RETENTION_DAYS_MAX; n++) {
            pt_jsonw_uint(w, active[install][n]);
        }
        pt_jsonw_array_end(w);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

static void write_experiment(struct pt_jsonw *w, const struct pt_sim_world *world)
{
    static const char *const variants[] = {NULL, "a", "b"};
    uint64_t users[PT_SIM_VARIANT_COUNT] = {0};
    uint64_t converters[PT_SIM_VARIANT_COUNT] = {0};
    uint64_t converters_in_time[PT_SIM_VARIANT_COUNT] = {0};

    for (size_t i = 0; i < world->player_count; i++) {
        const struct pt_sim_player *player = &world->players[i];
        int64_t after_us = player->converted_at_us - player->exposed_at_us;

        if (!player->exposed_at_us) {
            continue;
        }
        users[player->exposed_variant]++;
        converters[player->exposed_variant] += player->converted_at_us ? 1 : 0;
        converters_in_time[player->exposed_variant] +=
            player->converted_at_us && after_us < PT_SIM_CONVERSION_DAYS * PT_DAY_US ? 1 : 0;
    }
    pt_jsonw_key(w, "experiment");
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "name", PT_SIM_EXPERIMENT);
    pt_jsonw_member_int(w, "conversion_days", PT_SIM_CONVERSION_DAYS);
    pt_jsonw_key(w, "variants");
    pt_jsonw_array(w);
    for (size_t v = PT_SIM_VARIANT_A; v < PT_SIM_VARIANT_COUNT; v++) {
        pt_jsonw_object(w);
        pt_jsonw_member_str(w, "variant", variants[v]);
        pt_jsonw_member_uint(w, "users", users[v]);
        pt_jsonw_member_uint(w, "converters", converters[v]);
        pt_jsonw_member_uint(w, "converters_in_time", converters_in_time[v]);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
    pt_jsonw_object_end(w);
}

enum pt_code pt_sim_truth_finish(struct pt_sim_truth *truth, const struct pt_sim_world *world,
                                 const struct pt_sim_tally *tally, struct pt_error *err)
{
    struct pt_buf buf;
    struct pt_jsonw w;
    char *path = pt_strf("%s/truth.json", truth->dir);
    uint64_t players = 0;
    enum pt_code code = PT_OK;

    pt_buf_init(&buf, 1u << 20);
    pt_jsonw_init(&w, &buf);
    for (size_t i = 0; i < world->player_count; i++) {
        players += world->players[i].active_days ? 1 : 0;
    }
    pt_jsonw_object(&w);
    pt_jsonw_member_uint(&w, "seed", world->seed);
    pt_jsonw_member_uint(&w, "players", players);
    write_counts(&w, tally);
    write_revenue(&w, world, tally);
    write_retention(&w, world);
    write_experiment(&w, world);
    pt_jsonw_object_end(&w);
    pt_buf_append_byte(&buf, '\n');
    if (!path || buf.has_failed) {
        code = pt_fail(err, PT_NO_MEMORY, "write the truth");
    } else {
        code = pt_io_replace(pt_io_posix(), path, pt_buf_span(&buf), 0, err);
    }
    pt_buf_release(&buf);
    pt_free(path);
    return code;
}
