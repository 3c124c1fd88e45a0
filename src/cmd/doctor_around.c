/*
 * doctor_around.c - `playtrace doctor`: settings, files of others, limits, clock
 */
#include "base/host.h"
#include "cmd/doctor.h"
#include "collect/collect.h"
#include "flag/change.h"
#include "flag/flag.h"
#include "http/http.h"
#include "wire/rfc3339.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define YEAR_FIRST 2025 /* no server of this program ran before */
#define YEAR_LAST 2099
#define EXPIRES_SOON_US (14 * PT_DAY_US)
#define OTHER_DESCRIPTORS 128u /* files, listeners, epoll, the database's */

/* ---- settings that contradict each other: serve would refuse to start ---- */

static bool has_events_key(struct pt_doctor *doctor)
{
    struct pt_keys *keys = NULL;
    char *path = pt_strf("%s/api_keys.json", doctor->dir.keys);
    bool has = pt_config_list_count(doctor->config, PT_CONFIG_collect_keys) > 0;

    if (!has && path &&
        pt_keys_open(&keys, doctor->io, doctor->clock, path, NULL, 0, NULL) == PT_OK) {
        has = pt_keys_has(keys, PT_SCOPE_EVENTS);
    }
    pt_keys_close(keys);
    pt_free(path);
    return has;
}

void pt_doctor_check_settings(struct pt_doctor *doctor)
{
    const struct pt_config *config = doctor->config;
    const char *listen = pt_config_string(config, PT_CONFIG_server_listen);
    bool is_loopback = strncmp(listen, "127.", 4) == 0 || strncmp(listen, "[::1]", 5) == 0 ||
                       strncmp(listen, "localhost:", 10) == 0;

    if (!is_loopback && !has_events_key(doctor)) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "settings",
                      "make a key with `playtrace keys create`, or listen on 127.0.0.1",
                      "server.listen is %s, which others can reach, and no key is set", listen);
    }
    if (!is_loopback && !*pt_config_string(config, PT_CONFIG_server_tls_certificate) &&
        pt_config_list_count(config, PT_CONFIG_collect_trusted_proxies) == 0) {
        pt_doctor_say(
            doctor, PT_VERDICT_WARN, "settings",
            "set server.tls_certificate and server.tls_key, or put a proxy with TLS in front "
            "and name it in collect.trusted_proxies",
            "server.listen is %s, and keys and events go over it in the clear", listen);
    }
    if (pt_config_int(config, PT_CONFIG_collect_signature_required) &&
        pt_config_list_count(config, PT_CONFIG_collect_signing_secrets) == 0) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "settings", "set collect.signing_secrets",
                      "collect.signature_required is 1, but there is no secret to sign with");
    }
}

/* ---- files that others write ---- */

/* The account of the flags' changes, where there is one. */
static void check_flags_history(struct pt_doctor *doctor, const char *path)
{
    struct pt_error err = {0};
    enum pt_flag_standing standing = PT_FLAG_RECORDED;
    enum pt_code code = pt_flag_history_look(doctor->io, path, &standing, &err);

    if (code) {
        pt_doctor_say(doctor, code == PT_CORRUPT ? PT_VERDICT_FAIL : PT_VERDICT_WARN,
                      "flags history",
                      "find out who changed it; `playtrace flags set --new-history` puts it aside",
                      "%s", err.text);
    } else if (standing == PT_FLAG_OUTSIDE) {
        pt_doctor_say(doctor, PT_VERDICT_WARN, "flags history",
                      "`playtrace flags history` shows what differs; the next change records it",
                      "%s was edited by other means than `playtrace flags set`", path);
    } else if (standing == PT_FLAG_NOT_IN_EFFECT) {
        pt_doctor_say(doctor, PT_VERDICT_WARN, "flags history", "say the change again",
                      "the newest change of %s was interrupted and is not in force", path);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "flags history", NULL,
                      "every change is accounted for");
    }
}

static bool has_history(struct pt_doctor *doctor, const char *path)
{
    char *name = pt_strf("%s.history", path);
    struct pt_file *file = NULL;
    bool is_there = name && pt_io_open(doctor->io, name, PT_OPEN_READ, &file, NULL) != PT_NOT_FOUND;

    pt_io_close(doctor->io, file);
    pt_free(name);
    return is_there;
}

static void check_flags(struct pt_doctor *doctor)
{
    const char *named = pt_config_string(doctor->config, PT_CONFIG_flag_file);
    const char *path = *named ? named : doctor->dir.flags;
    struct pt_flags *flags = pt_flags_create(doctor->io, pt_clock_system());
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    if (!flags) {
        return;
    }
    code = pt_flags_load_file(flags, path, &err);
    if (code == PT_NOT_FOUND && !*named) {
        pt_doctor_say(doctor, PT_VERDICT_OK, "flags", NULL,
                      "no flag file; one that appears is taken");
    } else if (code) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "flags",
                      "correct it; `playtrace flags lint` names every mistake", "%s", err.text);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "flags", NULL, "%zu flags in %s",
                      pt_flags_count(flags), path);
    }
    if (has_history(doctor, path)) {
        check_flags_history(doctor, path);
    }
    pt_flags_destroy(flags);
}

struct registry_look {
    struct pt_doctor *doctor;
    char *dir;
    unsigned files;
    unsigned unreadable;
    struct pt_error err; /* of the last one */
};

static void look_at_registry_file(void *ctx, const char *name, bool is_dir)
{
    struct registry_look *look = ctx;
    struct pt_file *file = NULL;
    char *path = is_dir ? NULL : pt_strf("%s/%s", look->dir, name);

    if (!path) {
        return;
    }
    look->files++;
    if (pt_io_open(look->doctor->io, path, PT_OPEN_READ, &file, &look->err)) {
        look->unreadable++;
    }
    pt_io_close(look->doctor->io, file);
    pt_free(path);
}

static void check_registry(struct pt_doctor *doctor)
{
    struct registry_look look = {.doctor = doctor, .dir = pt_strf("%s/registry", doctor->dir.root)};
    enum pt_code code = PT_OK;

    if (!look.dir) {
        return;
    }
    code = pt_io_list(doctor->io, look.dir, look_at_registry_file, &look, &look.err);
    if (code == PT_NOT_FOUND) {
        pt_doctor_say(doctor, PT_VERDICT_OK, "registry", NULL, "no schemas are registered");
    } else if (code || look.unreadable > 0) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "registry",
                      "run this as the server's user, or restore registry/ from a backup", "%s",
                      look.err.text);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "registry", NULL, "%u files, all readable",
                      look.files);
    }
    pt_free(look.dir);
}

static void check_location(struct pt_doctor *doctor)
{
    const char *path = pt_config_string(doctor->config, PT_CONFIG_collect_location_database);
    struct pt_error err = {0};
    enum pt_code code = PT_OK;

    if (!*path) {
        return;
    }
    code = pt_collect_check_location(path, &err);
    if (code == PT_NOT_FOUND) {
        pt_doctor_say(doctor, PT_VERDICT_WARN, "location",
                      "put the file there; it is taken while the server runs",
                      "%s is not there: events get no country, region and city", path);
    } else if (code) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "location",
                      "download it anew; serve does not start with a broken one", "%s", err.text);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "location", NULL, "%s is a location database", path);
    }
}

void pt_doctor_check_files(struct pt_doctor *doctor)
{
    check_flags(doctor);
    if (!doctor->is_quiet_root) {
        check_registry(doctor);
    }
    check_location(doctor);
}

/* ---- certificate ---- */

void pt_doctor_check_certificate(struct pt_doctor *doctor)
{
    const char *path = pt_config_string(doctor->config, PT_CONFIG_server_tls_certificate);
    const char *key = pt_config_string(doctor->config, PT_CONFIG_server_tls_key);
    struct pt_http_certificate certificate;
    struct pt_host_file file;
    struct pt_error err = {0};
    int64_t now_us = pt_clock_wall_us(doctor->clock);
    char day[11];
    char span[32];

    if (!*path && !*key) {
        return;
    }
    if (!*path || !*key) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "certificate", "set both, or none",
                      "server.tls_%s is set without server.tls_%s", *key ? "key" : "certificate",
                      *key ? "certificate" : "key");
        return;
    }
    if (pt_http_certificate_check(doctor->io, path, key, &certificate, &err)) {
        pt_doctor_say(
            doctor, PT_VERDICT_FAIL, "certificate",
            "both files must be PEM, belong together, and be readable by the server's user", "%s",
            err.text);
        return;
    }
    if (pt_host_look(key, &file, NULL) == PT_OK && (file.mode & 007)) {
        char *advice = pt_strf("chmod o= %s", key);

        pt_doctor_say(doctor, PT_VERDICT_WARN, "certificate", advice,
                      "%s has mode %04o: everybody on this machine can read the private key", key,
                      file.mode);
        pt_free(advice);
    }
    if (now_us > certificate.not_after_us) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "certificate",
                      "put a new one there; it is taken while the server runs", "%s expired %s ago",
                      path, pt_doctor_span(now_us - certificate.not_after_us, span));
    } else if (now_us < certificate.not_before_us) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "certificate", "look at this machine's clock",
                      "%s is valid only in %s", path,
                      pt_doctor_span(certificate.not_before_us - now_us, span));
    } else {
        bool is_soon = certificate.not_after_us - now_us < EXPIRES_SOON_US;

        pt_day_format(pt_day_of(certificate.not_after_us), day);
        pt_doctor_say(doctor, is_soon ? PT_VERDICT_WARN : PT_VERDICT_OK, "certificate",
                      is_soon ? "renew it; a new file is taken while the server runs" : NULL,
                      "%s and its key belong together, valid until %s, %s from now", path, day,
                      pt_doctor_span(certificate.not_after_us - now_us, span));
    }
}

/* ---- limits ---- */

void pt_doctor_check_descriptors(struct pt_doctor *doctor)
{
    uint64_t wanted = (uint64_t)pt_config_int(doctor->config, PT_CONFIG_server_connections_max) +
                      OTHER_DESCRIPTORS;
    bool is_server = doctor->server_pid > 0;
    uint64_t max = is_server ? pt_host_descriptors_max(doctor->server_pid) : 0;

    if (max == 0) {
        is_server = false;
        max = pt_host_descriptors_raise(); /* as serve does */
    }
    if (max < wanted) {
        pt_doctor_say(doctor, PT_VERDICT_WARN, "descriptors",
                      "raise it (systemd: LimitNOFILE=, a shell: ulimit -n), or lower "
                      "server.connections_max",
                      "%s may have %" PRIu64 " files open; server.connections_max needs %" PRIu64,
                      is_server ? "the server" : "a process of this user", max, wanted);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "descriptors", NULL,
                      "%s may have %" PRIu64 " files open, %" PRIu64 " are needed",
                      is_server ? "the server" : "a process of this user", max, wanted);
    }
}

/* ---- clock ---- */

void pt_doctor_check_clock(struct pt_doctor *doctor)
{
    static const char advice[] =
        "set the clock and keep it right (chrony or systemd-timesyncd): event "
        "times are corrected against it";
    int64_t now_us = pt_clock_wall_us(doctor->clock);
    int64_t behind_us = doctor->newest_us == INT64_MIN ? INT64_MIN : doctor->newest_us - now_us;
    char now[PT_RFC3339_TEXT_BYTES + 1];
    char span[32];

    pt_rfc3339_format(now_us, now);
    now[19] = '\0';
    if (now_us < pt_day_from_civil(YEAR_FIRST, 1, 1) * PT_DAY_US ||
        now_us >= pt_day_from_civil(YEAR_LAST + 1, 1, 1) * PT_DAY_US) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "clock", advice, "it says %s UTC, which cannot be",
                      now);
    } else if (behind_us > PT_DOCTOR_CLOCK_WARN_US) {
        pt_doctor_say(doctor,
                      behind_us > PT_DOCTOR_CLOCK_FAIL_US ? PT_VERDICT_FAIL : PT_VERDICT_WARN,
                      "clock", advice, "it says %s UTC, but %s is %s ahead of that", now,
                      doctor->newest_of, pt_doctor_span(behind_us, span));
    } else if (behind_us != INT64_MIN) {
        pt_doctor_say(doctor, PT_VERDICT_OK, "clock", NULL, "%s UTC, %s after %s", now,
                      pt_doctor_span(behind_us, span), doctor->newest_of);
    } else {
        pt_doctor_say(doctor, PT_VERDICT_OK, "clock", NULL, "%s UTC", now);
    }
}
