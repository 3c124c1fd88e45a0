/*
 * machine.h - a whole machine in memory: files, clock, randomness, and a server; no threads
 *
 * For programs that run where there is no cmocka, no POSIX and no thread: 32 bits, WebAssembly,
 * Windows. C99 and its library alone. A failed MACHINE_CHECK() prints its place and ends the
 * program with 1.
 */
#ifndef PT_PORTABLE_MACHINE_H
#define PT_PORTABLE_MACHINE_H

#include "playtrace.h"

#define MACHINE_FILES_MAX 160
#define MACHINE_PATH_BYTES 160
#define MACHINE_BLOCKS_MAX 16
#define MACHINE_TAKEN_MAX 32768
#define MACHINE_BODY_BYTES_MAX 400000

#define MACHINE_CHECK(condition)                                                                   \
    ((condition) ? (void)0 : machine_check_failed(#condition, __FILE__, __LINE__))
void machine_check_failed(const char *condition, const char *file, int line);

struct machine_file {
    char path[MACHINE_PATH_BYTES]; /* "": the slot is free */
    unsigned char *data;
    size_t bytes;
    size_t capacity;
    unsigned handles;
    bool is_removed; /* kept while there are handles */
};

struct machine_taken {
    char event_id[PLAYTRACE_ID_TEXT_BYTES];
    char name[PLAYTRACE_NAME_BYTES_MAX + 1];
    long seq;
    unsigned times;
};

struct machine {
    struct playtrace_platform platform;
    struct machine_file files[MACHINE_FILES_MAX];
    void *blocks[MACHINE_BLOCKS_MAX]; /* memory that the client holds */
    size_t block_bytes;
    int64_t wall_us;
    int64_t mono_us;
    int64_t slept_ms;
    uint64_t random_state;
    bool is_locked;

    /* The `fail_call`th call that changes a file fails, once, half done. 0: none. */
    unsigned file_calls;
    unsigned fail_call;

    /* The server: where answer() is set and returns true it has answered, else all is taken. */
    bool (*answer)(struct machine *m, const char *body, unsigned events,
                   struct playtrace_http_response *response);
    void *answer_arg;
    unsigned requests;
    struct machine_taken taken[MACHINE_TAKEN_MAX];
    size_t taken_count;
    char body[MACHINE_BODY_BYTES_MAX]; /* of the last request, NUL-terminated */
    size_t body_bytes;
    char url[1200];
    char headers[2048]; /* one a line */

    /* The asynchronous transport: is_done() says no `polls_each` times. */
    unsigned polls_each;
    unsigned polls_left;
    const struct playtrace_http_request *request; /* on its way, or NULL */
    struct playtrace_http_response *response;
    char *sent; /* what the body was when it was sent; owned */
    unsigned cancelled;
};

/* Without threads, http_post. Pair with machine_destroy(). */
struct machine *machine_create(void);
void machine_destroy(struct machine *m);
/* From now on http_start and its companions, no http_post. */
void machine_be_asynchronous(struct machine *m, unsigned polls_each);
void machine_advance_ms(struct machine *m, int64_t ms);

/* Options for a client on this machine: directory "save", consent given, pumped. */
struct playtrace_options machine_options(struct machine *m);
struct playtrace *machine_open(struct machine *m);
/* The process dies: its memory and its handles are gone, its files stay. */
void machine_kill(struct machine *m);

/* The file `name` in "save", or NULL. */
struct machine_file *machine_find(struct machine *m, const char *name);
unsigned machine_count_files(struct machine *m, const char *prefix);
void machine_reply(struct playtrace_http_response *response, int status, const char *body);

/* Track `count` events "tick". */
void machine_track(struct playtrace *p, unsigned count);
/* The double entry that playtrace.h promises. */
void machine_check_balance(struct playtrace *p);
/* Pump, second by second, until nothing is queued. */
void machine_deliver(struct machine *m, struct playtrace *p);
/* How many of the taken events are `name`; each of them came at most so often. */
unsigned machine_count_taken(struct machine *m, const char *name, unsigned times_max);

struct machine_test {
    const char *name;
    void (*run)(void);
};
#define MACHINE_TEST(name)                                                                         \
    {                                                                                              \
#name, name                                                                                \
    }
void machine_run(const struct machine_test *tests, size_t count);

#endif
