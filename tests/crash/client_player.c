/*
 * client_player.c - a game with the real client, which dies at the Nth call that changes something
 *
 * usage: client_player URL DIR EVENTS [PACE_US]
 *
 * Tracks EVENTS events of all priorities in bursts and asks for the sync point after each burst;
 * what that confirmed goes to standard output, "synced ID" a line, in one write a burst. Then it
 * delivers; where all went its last line is "delivered N", after N calls that change something.
 * EVENTS 0 only delivers what is there. SEALED=1: the queue is sealed.
 *
 * This program defines write, send, ftruncate, rename, unlink, fsync and open themselves, so that
 * the client and libcurl call these. KILL_AT=N: the Nth such call (standard output aside) kills
 * the process with SIGKILL: before the call (KILL_HOW=0), after half of a write (1), after it (2).
 */
#include "playtrace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BURST_EVENTS 5
#define TEXT_BYTES_MAX (BURST_EVENTS * 64)
#define WAIT_MS 20000

static const uint8_t queue_key[PLAYTRACE_KEY_BYTES] = "a key of 32 bytes for the tests";

static struct {
    atomic_ulong count;
    unsigned long kill_at; /* 0: never */
    int how;
} calls;

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;) {
        (void)pause();
    }
}

/* True: this is the call at which the process dies. */
static bool is_last(void)
{
    return atomic_fetch_add(&calls.count, 1) + 1 == calls.kill_at;
}

/* For calls that have no half. */
static void before(bool dies)
{
    if (dies && calls.how < 2) {
        die();
    }
}

static long after(bool dies, long result)
{
    if (dies) {
        die();
    }
    return result;
}

static size_t part_of(bool dies, size_t bytes)
{
    return dies && calls.how == 1 ? bytes / 2 : bytes;
}

ssize_t write(int fd, const void *data, size_t bytes)
{
    bool dies = fd > 2 && is_last();

    if (dies && calls.how == 0) {
        die();
    }
    return after(dies, syscall(SYS_write, fd, data, part_of(dies, bytes)));
}

ssize_t send(int fd, const void *data, size_t bytes, int flags)
{
    bool dies = is_last();

    if (dies && calls.how == 0) {
        die();
    }
    return after(dies, syscall(SYS_sendto, fd, data, part_of(dies, bytes), flags, NULL, 0));
}

int open(const char *path, int flags, ...)
{
    bool dies = (flags & O_CREAT) != 0 && is_last();
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_list args;

        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    before(dies);
    return (int)after(dies, syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

int ftruncate(int fd, off_t bytes)
{
    bool dies = is_last();

    before(dies);
    return (int)after(dies, syscall(SYS_ftruncate, fd, bytes));
}

int fsync(int fd)
{
    bool dies = is_last();

    before(dies);
    return (int)after(dies, syscall(SYS_fsync, fd));
}

int rename(const char *from, const char *to)
{
    bool dies = is_last();

    before(dies);
    return (int)after(dies, syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int unlink(const char *path)
{
    bool dies = is_last();

    before(dies);
    return (int)after(dies, syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

static unsigned long number_of(const char *name)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 10) : 0;
}

/* False: an event was not taken. */
static bool play_burst(struct playtrace *p, unsigned long first, unsigned long count)
{
    char text[TEXT_BYTES_MAX];
    size_t bytes = 0;

    for (unsigned long i = first; i < first + count; i++) {
        char attributes[64];
        char id[PLAYTRACE_ID_TEXT_BYTES];

        (void)snprintf(attributes, sizeof(attributes), "{\"level\":%lu}", i);
        if (playtrace_track_with(p, "level_end", attributes, (enum playtrace_priority)(i % 3),
                                 id) != PLAYTRACE_OK) {
            return false;
        }
        bytes += (size_t)snprintf(text + bytes, sizeof(text) - bytes, "synced %s\n", id);
    }
    return playtrace_sync(p, WAIT_MS) != PLAYTRACE_OK ||
           write(STDOUT_FILENO, text, bytes) == (ssize_t)bytes;
}

int main(int argc, char **argv)
{
    struct playtrace_options options;
    struct playtrace *p = NULL;
    enum playtrace_status status = PLAYTRACE_OK;
    unsigned long events = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    unsigned long pace_us = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
    char text[64];
    int bytes = 0;

    if (argc < 4) {
        fputs("usage: client_player URL DIR EVENTS [PACE_US]\n", stderr);
        return 2;
    }
    calls.how = (int)number_of("KILL_HOW");
    calls.kill_at = number_of("KILL_AT");
    playtrace_options_init(&options);
    options.url = argv[1];
    options.queue_dir = argv[2];
    options.user_id = "player-1";
    options.consent = PLAYTRACE_CONSENT_GIVEN;
    options.flush_interval_ms = 10; /* requests go on beside the bursts */
    options.batch_events_max = 7;
    options.retry_base_ms = 5;
    options.retry_cap_ms = 100;
    options.flush_ignores_retry = true;
    options.queue_key = getenv("SEALED") ? queue_key : NULL;
    status = playtrace_open(&p, &options);
    if (status != PLAYTRACE_OK) {
        fprintf(stderr, "open: %s\n", playtrace_status_name(status));
        return 1;
    }
    for (unsigned long i = 0; i < events; i += BURST_EVENTS) {
        if (!play_burst(p, i, events - i < BURST_EVENTS ? events - i : BURST_EVENTS)) {
            fputs("an event was not taken\n", stderr);
            return 1;
        }
        if (pace_us > 0) {
            (void)usleep((useconds_t)pace_us);
        }
    }
    status = playtrace_flush(p, WAIT_MS);
    if (playtrace_close(p, WAIT_MS) != PLAYTRACE_OK || status != PLAYTRACE_OK) {
        fprintf(stderr, "deliver: %s\n", playtrace_status_name(status));
        return 1;
    }
    bytes = snprintf(text, sizeof(text), "delivered %lu\n", (unsigned long)calls.count);
    return write(STDOUT_FILENO, text, (size_t)bytes) == bytes ? 0 : 1;
}
