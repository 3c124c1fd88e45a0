/*
 * sdk_shell.c - a game that does what it is told: a command a line, one line of JSON back
 *
 *     sdk_shell URL QUEUE_DIR USER_ID
 *
 *     open none|given|withdrawn      track NAME [JSON]         consent none|given|withdrawn
 *     purposes BITS [POLICY]         jump SECONDS (the wall clock)   record
 *     pause, resume, sync, stats     flush MS                  close MS
 *     kill N: the Nth call from now on that changes a file is the process's last
 *
 * The worker and libcurl are the real ones.
 */
#include "playtrace.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct playtrace_platform real;
/* The worker looks at both. */
static _Atomic int64_t jump_us;
static atomic_ulong kill_at;

static int64_t wall_us(void *ctx)
{
    return real.wall_us(ctx) + jump_us;
}

/* Before the call, and for a write after half of it. */
static bool dies_now(void)
{
    return atomic_load(&kill_at) > 0 && atomic_fetch_sub(&kill_at, 1) == 1;
}

static void die_if_due(void)
{
    if (dies_now()) {
        (void)raise(SIGKILL);
    }
}

static int file_append(void *ctx, void *file, const void *data, size_t bytes)
{
    if (dies_now()) {
        (void)real.file_append(ctx, file, data, bytes / 2);
        (void)raise(SIGKILL);
    }
    return real.file_append(ctx, file, data, bytes);
}

static int file_sync(void *ctx, void *file)
{
    die_if_due();
    return real.file_sync(ctx, file);
}

static int file_rename(void *ctx, const char *from, const char *to)
{
    die_if_due();
    return real.file_rename(ctx, from, to);
}

static int file_remove(void *ctx, const char *path)
{
    die_if_due();
    return real.file_remove(ctx, path);
}

static int file_open(void *ctx, const char *path, enum playtrace_file_mode mode, void **file_out)
{
    if (mode != PLAYTRACE_FILE_READ) {
        die_if_due();
    }
    return real.file_open(ctx, path, mode, file_out);
}

static enum playtrace_consent consent_of(const char *name)
{
    return strcmp(name, "given") == 0       ? PLAYTRACE_CONSENT_GIVEN
           : strcmp(name, "withdrawn") == 0 ? PLAYTRACE_CONSENT_WITHDRAWN
                                            : PLAYTRACE_CONSENT_NONE;
}

static enum playtrace_status open_client(struct playtrace **p, char **argv, const char *consent)
{
    struct playtrace_platform platform = real;
    struct playtrace_options options;

    platform.wall_us = wall_us;
    platform.file_append = file_append;
    platform.file_sync = file_sync;
    platform.file_rename = file_rename;
    platform.file_remove = file_remove;
    platform.file_open = file_open;
    playtrace_options_init(&options);
    options.url = argv[1];
    options.queue_dir = argv[2];
    options.user_id = argv[3];
    options.consent = consent_of(consent);
    options.flush_interval_ms = 50;
    options.retry_base_ms = 5;
    options.retry_cap_ms = 50;
    options.flags_poll_ms = 100;
    options.platform_table = &platform;
    return playtrace_open(p, &options);
}

static void say_stats(struct playtrace *p)
{
    struct playtrace_stats s;

    playtrace_stats(p, &s);
    (void)printf("{\"tracked\":%llu,\"recovered\":%llu,\"queued\":%llu,\"delivered\":%llu,"
                 "\"refused\":%llu,\"withdrawn\":%llu,\"send_attempts\":%llu}\n",
                 (unsigned long long)s.tracked, (unsigned long long)s.recovered,
                 (unsigned long long)s.queued, (unsigned long long)s.delivered,
                 (unsigned long long)s.refused, (unsigned long long)s.withdrawn,
                 (unsigned long long)s.send_attempts);
}

static void say_record(struct playtrace *p)
{
    struct playtrace_consent_record record;

    playtrace_get_consent_record(p, &record);
    (void)printf("{\"consent\":%d,\"purposes\":%u,\"policy\":\"%s\",\"decided_us\":%lld}\n",
                 (int)record.consent, record.purposes, record.policy_version,
                 (long long)record.decided_us);
}

/* Commands that answer with a status. */
static enum playtrace_status obey(struct playtrace **p, char **argv, const char *verb,
                                  const char *word, const char *rest)
{
    unsigned long number = strtoul(word, NULL, 10);
    enum playtrace_status status = PLAYTRACE_OK;

    if (strcmp(verb, "open") == 0) {
        status = open_client(p, argv, word);
    } else if (strcmp(verb, "track") == 0) {
        status = playtrace_track(*p, word, rest[0] ? rest : NULL);
    } else if (strcmp(verb, "consent") == 0) {
        status = playtrace_set_consent(*p, consent_of(word));
    } else if (strcmp(verb, "purposes") == 0) {
        status = playtrace_set_consent_for(*p, (unsigned)number, rest[0] ? rest : NULL);
    } else if (strcmp(verb, "sync") == 0) {
        status = playtrace_sync(*p, 5000);
    } else if (strcmp(verb, "flush") == 0) {
        status = playtrace_flush(*p, (uint32_t)number);
    } else if (strcmp(verb, "pause") == 0) {
        status = playtrace_pause(*p);
    } else if (strcmp(verb, "resume") == 0) {
        status = playtrace_resume(*p);
    } else if (strcmp(verb, "jump") == 0) {
        jump_us = (int64_t)strtoll(word, NULL, 10) * 1000000;
    } else if (strcmp(verb, "kill") == 0) {
        kill_at = number;
    } else if (strcmp(verb, "close") == 0) {
        status = playtrace_close(*p, (uint32_t)number);
        *p = NULL;
    } else {
        status = PLAYTRACE_INVALID;
    }
    return status;
}

int main(int argc, char **argv)
{
    struct playtrace *p = NULL;
    char line[65536];

    if (argc != 4) {
        (void)fprintf(stderr, "sdk_shell URL QUEUE_DIR USER_ID\n");
        return 2;
    }
    playtrace_platform_posix_init(&real);
    while (fgets(line, sizeof(line), stdin)) {
        char verb[16] = "";
        char word[80] = "";
        int at = 0;

        line[strcspn(line, "\n")] = '\0';
        (void)sscanf(line, "%15s %79s %n", verb, word, &at);
        if (strcmp(verb, "stats") == 0) {
            say_stats(p);
        } else if (strcmp(verb, "record") == 0) {
            say_record(p);
        } else {
            (void)printf(
                "{\"status\":\"%s\"}\n",
                playtrace_status_name(obey(&p, argv, verb, word, at > 0 ? line + at : "")));
        }
        (void)fflush(stdout);
    }
    (void)playtrace_close(p, 0);
    return 0;
}
