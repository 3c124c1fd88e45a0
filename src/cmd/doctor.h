/*
 * doctor.h - what the checks of `playtrace doctor` share
 */
#ifndef PT_CMD_DOCTOR_H
#define PT_CMD_DOCTOR_H

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "cmd/data_dir.h"

/* A clock that is off by more: a warning, a failure. */
#define PT_DOCTOR_CLOCK_WARN_US INT64_C(5000000)
#define PT_DOCTOR_CLOCK_FAIL_US INT64_C(60000000)

enum pt_verdict {
    PT_VERDICT_OK,
    PT_VERDICT_WARN, /* works, but not as somebody would want */
    PT_VERDICT_FAIL, /* does not work, or will not */
};

struct pt_doctor {
    struct pt_data_dir dir;
    struct pt_config *config;
    struct pt_io *io;
    struct pt_clock *clock;
    const char *url; /* of a running server; NULL: not given */
    bool is_json;
    bool is_quiet_root;    /* the data directory is not there: what is in it is not asked for */
    long server_pid;       /* who holds the lock; 0: nobody, -1: somebody */
    int64_t newest_us;     /* the newest time that the data directory holds; INT64_MIN: none */
    const char *newest_of; /* what it was of */
    unsigned checks;
    unsigned warnings;
    unsigned failures;
    struct pt_buf lines; /* the JSON array under way */
    struct pt_jsonw w;
};

/* One check's verdict: what was found, and what to do about it (NULL where there is nothing to do).
 */
void pt_doctor_say(struct pt_doctor *doctor, enum pt_verdict verdict, const char *check,
                   const char *advice, const char *format, ...) PT_PRINTF(5, 6);

/* "3 s", "12 min", "4 h", "9 days" of a span of time; the sign is dropped. */
const char *pt_doctor_span(int64_t span_us, char text[32]);
/* "640 MiB". */
const char *pt_doctor_bytes(uint64_t bytes, char text[32]);

/* doctor_files.c: the data directory. */
void pt_doctor_check_data(struct pt_doctor *doctor);
void pt_doctor_check_stores(struct pt_doctor *doctor);

/* doctor_around.c: what stands around it. */
void pt_doctor_check_settings(struct pt_doctor *doctor);
void pt_doctor_check_files(struct pt_doctor *doctor); /* flags, registry, location database */
void pt_doctor_check_certificate(struct pt_doctor *doctor);
void pt_doctor_check_descriptors(struct pt_doctor *doctor);
void pt_doctor_check_clock(struct pt_doctor *doctor);

/* doctor_server.c: a running server, asked over HTTP; also compares clocks. */
void pt_doctor_check_server(struct pt_doctor *doctor);

#endif
