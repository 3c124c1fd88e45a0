/*
 * simulate.h - a game of bots with known truth, through the real client library
 *
 * Only cmd_simulate.c and simulate_*.c include this. The plan (simulate_world.c) says who plays
 * when; workers take the sessions in the order of simulated time and play each (simulate_play.c)
 * with a client of its own on the player's device (simulate_device.c); what must be in
 * the table afterwards goes to the truth (simulate_truth.c), and simulate_verify.c compares.
 *
 * THE TWO CLOCKS. A device shows simulated time while the bot plays and the real time while it
 * sends, both off by the device's error. So sent_at minus the time of receipt is that
 * error alone, and the collector, which knows nothing of simulations, corrects just that.
 *
 * Everything follows from the seed and the last day: plan, event ids, faults, attributes.
 */
#ifndef PT_CMD_SIMULATE_H
#define PT_CMD_SIMULATE_H

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"

#include "playtrace.h"

#include <pthread.h>
#include <stdatomic.h>

#define PT_SIM_DAYS_MAX 60
#define PT_SIM_PLAYERS_MAX 10000000
#define PT_SIM_WORKERS_MAX 256
#define PT_SIM_SESSION_EVENTS_MAX 64
#define PT_SIM_ATTRIBUTES_BYTES 128
#define PT_SIM_EXPERIMENT "shop_layout"
#define PT_SIM_CONVERSION_DAYS 7
#define PT_SIM_SKEW_TOLERANCE_US INT64_C(10000000) /* network and waiting, on a corrected time */

enum pt_sim_name {
    PT_SIM_SESSION_START,
    PT_SIM_EXPOSURE,
    PT_SIM_TUTORIAL_START,
    PT_SIM_TUTORIAL_COMPLETE,
    PT_SIM_LEVEL_START,
    PT_SIM_LEVEL_END,
    PT_SIM_PURCHASE,
    PT_SIM_SESSION_END,
    PT_SIM_NAME_COUNT,
};
const char *pt_sim_name_text(enum pt_sim_name name);

enum pt_sim_variant {
    PT_SIM_VARIANT_NONE, /* no flag could be had: the default, and no exposure */
    PT_SIM_VARIANT_A,
    PT_SIM_VARIANT_B,
    PT_SIM_VARIANT_COUNT,
};

/* Ways in which a modded client's event is wrong; each becomes one dead letter. */
enum pt_sim_bad {
    PT_SIM_BAD_UUID,
    PT_SIM_BAD_NO_NAME,
    PT_SIM_BAD_NAME,
    PT_SIM_BAD_USER_TYPE,
    PT_SIM_BAD_TIME,
    PT_SIM_BAD_PLATFORM,
    PT_SIM_BAD_ATTRIBUTES,
    PT_SIM_BAD_COUNT,
};
const char *pt_sim_bad_text(enum pt_sim_bad bad);

struct pt_sim_options {
    const char *url;
    const char *api_key;   /* NULL: none */
    const char *queue_dir; /* NULL: devices keep their files in memory */
    const char *truth_dir; /* NULL: no truth is written */
    uint64_t seed;
    uint32_t players;
    uint32_t days;
    uint32_t workers;
};

/* ---- the plan ---- */

struct pt_sim_file; /* a file of a device in memory */

struct pt_sim_player {
    int64_t skew_us; /* device's clock minus the true time */
    uint32_t install_day;
    uint32_t session_count;
    _Atomic uint32_t sessions_done; /* whose turn it is: session number n plays when this is n */

    /* Owned by the worker that plays the player's session. */
    uint32_t level;
    bool has_tutorial;
    bool is_pending; /* its queue may hold events */
    enum pt_sim_variant variant;
    enum pt_sim_variant exposed_variant;
    uint64_t active_days;    /* bit d: an event of day d must be in the table */
    int64_t exposed_at_us;   /* 0: was not */
    int64_t converted_at_us; /* first purchase at or after the exposure; 0: none */
    struct pt_sim_file *files;
    bool is_locked; /* the device's queue directory */
};

enum pt_sim_fault {
    PT_SIM_FAULT_NONE,
    PT_SIM_FAULT_OFFLINE,      /* nothing leaves the device; a later session sends it */
    PT_SIM_FAULT_DUPLICATE,    /* a batch arrives, its answer does not: it is sent again */
    PT_SIM_FAULT_KILL_PLAYING, /* killed with some events not yet in the queue: these are lost */
    PT_SIM_FAULT_KILL_SENDING, /* killed when a batch has arrived, before its answer */
};

struct pt_sim_session {
    int64_t start_us; /* simulated UTC */
    uint32_t player;
    uint16_t number; /* of the player, from 0 */
    uint8_t day;     /* from 0 */
    uint8_t fault;   /* enum pt_sim_fault */
    bool is_modded;  /* the player's modded client posts a body of its own afterwards */
};

struct pt_sim_world {
    struct pt_sim_player *players;
    struct pt_sim_session *sessions; /* by start_us */
    size_t player_count;
    size_t session_count;
    uint32_t days;
    int64_t first_day; /* days since 1970-01-01 */
    uint64_t seed;
};

/* The `days` days before `end_day`. False without memory. */
bool pt_sim_world_init(struct pt_sim_world *world, const struct pt_sim_options *options,
                       int64_t end_day) PT_MUST_USE;
void pt_sim_world_release(struct pt_sim_world *world);
/* A generator for one purpose of one player: the same for the same seed, whoever asks first. */
void pt_sim_rng(struct pt_rng *rng, const struct pt_sim_world *world, uint32_t player,
                uint32_t purpose);
void pt_sim_user_id(const struct pt_sim_world *world, uint32_t player, char text[40]);

/* ---- the truth ---- */

struct pt_sim_event {
    char event_id[PLAYTRACE_ID_TEXT_BYTES];
    enum pt_sim_name name;
    int64_t seq; /* -1: none */
    int64_t true_us;
    int64_t cents; /* a purchase's price */
    char attributes[PT_SIM_ATTRIBUTES_BYTES];
};

/* Sums of one worker; added up at the end. */
struct pt_sim_tally {
    uint64_t events;
    uint64_t by_name[PT_SIM_NAME_COUNT];
    uint64_t purchases[PT_SIM_DAYS_MAX];
    uint64_t cents[PT_SIM_DAYS_MAX];
    uint64_t bad[PT_SIM_BAD_COUNT];
    uint64_t bad_uncertain; /* of these, may be there twice: their body was sent again */
    uint64_t requests;      /* HTTP requests of clients */
    uint64_t unexpected;    /* answers that a sound server does not give */
    uint64_t lost;          /* events that the client library did not take or keep */
};

struct pt_sim_truth; /* events.csv, shared by the workers */
enum pt_code pt_sim_truth_open(struct pt_sim_truth **truth_out, const char *dir,
                               struct pt_error *err) PT_MUST_USE;
/* Append whole lines; any thread. */
enum pt_code pt_sim_truth_append(struct pt_sim_truth *truth, struct pt_buf *lines,
                                 struct pt_error *err) PT_MUST_USE;
/* Write truth.json and close. */
enum pt_code pt_sim_truth_finish(struct pt_sim_truth *truth, const struct pt_sim_world *world,
                                 const struct pt_sim_tally *tally,
                                 struct pt_error *err) PT_MUST_USE;
void pt_sim_truth_close(struct pt_sim_truth *truth); /* NULL is fine */

/* ---- playing ---- */

struct pt_sim_worker {
    const struct pt_sim_options *options;
    struct pt_sim_world *world;
    struct pt_sim_truth *truth; /* NULL: not wanted */
    struct pt_clock *clock;     /* the real one */
    void *transport;            /* the client's libcurl transport; one connection a worker */
    struct playtrace_platform posix;
    struct pt_json_parser *parser;
    struct pt_buf lines; /* of events.csv */
    struct pt_buf body;  /* a modded client's request, or an answer being parsed */
    char *url_flag;
    char *url_events;
    char *header_key; /* "Authorization: Bearer …" or NULL */
    uint8_t *scratch; /* memory of the client that is open now */
    size_t scratch_used;
    bool has_flag; /* the flag could be had at least once */
    struct pt_sim_tally tally;
    struct pt_error err; /* what ended the worker */
};

/* What a device is doing while a client is open on it. */
struct pt_sim_device {
    struct pt_sim_worker *worker;
    struct pt_sim_player *player;
    struct pt_rng rng;
    int64_t now_us;  /* simulated */
    bool is_sending; /* shows the real time */
    bool is_offline;
    bool is_killed;    /* nothing reaches the disk or the network any more */
    bool loses_answer; /* the next answer does not arrive */
    bool dies_sending; /* is killed when the next batch has arrived */
};

#define PT_SIM_SCRATCH_BYTES (4u << 20)

/* The platform table of `device`: its clock, its seeded randomness, its files, its network. */
void pt_sim_device_platform(struct pt_sim_device *device, struct playtrace_platform *table);
void pt_sim_files_release(struct pt_sim_player *player);

/* Open a client on the device, as a start of the app does. */
enum playtrace_status pt_sim_client_open(struct pt_sim_device *device, uint32_t player_index,
                                         struct playtrace **client_out);

/* Play one session to its end. PT_OK, or the reason why the simulation cannot go on. */
enum pt_code pt_sim_play(struct pt_sim_worker *worker, const struct pt_sim_session *session);
/* The device is back online: send what its queue holds. False: some is still there. */
bool pt_sim_deliver(struct pt_sim_worker *worker, uint32_t player_index);

/* Note events that must be in the table. */
enum pt_code pt_sim_note(struct pt_sim_worker *worker, const struct pt_sim_session *session,
                         const char *session_id, const struct pt_sim_event *events, size_t count,
                         int64_t skew_us);

/* POST through the worker's connection; the status, 0 where no answer came. */
int pt_sim_post(struct pt_sim_worker *worker, const char *url, struct pt_span body, char *answer,
                size_t answer_bytes_max, size_t *answer_bytes_out);
/* A modded client's body: good and bad events mixed, at `true_us` and after. */
enum pt_code pt_sim_play_modded(struct pt_sim_worker *worker, const struct pt_sim_session *session,
                                int64_t true_us);

/* ---- comparing ---- */

struct pt_query;
struct pt_sim_finding {
    uint64_t differing;
    uint64_t total;
    char example[128]; /* of a difference, or "" */
};

/* Do the metrics of sql/, as `playtrace query` has them, say what truth.json says? */
enum pt_code pt_sim_verify_retention(struct pt_query *query, struct pt_json truth,
                                     struct pt_sim_finding *finding, struct pt_error *err);
enum pt_code pt_sim_verify_revenue(struct pt_query *query, struct pt_json truth,
                                   struct pt_sim_finding *finding, struct pt_error *err);

/* `playtrace simulate verify` */
int pt_sim_verify(const char *truth_dir, const char *data_dir);

#endif
