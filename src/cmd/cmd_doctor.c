/*
 * cmd_doctor.c - `playtrace doctor`: is this installation sound, and if not, what to do
 *
 * Changes nothing: it writes one small file into the data directory and removes it again, to see
 * whether that works. It may run beside a server.
 */
#include "cmd/cmd.h"
#include "cmd/doctor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void pt_doctor_say(struct pt_doctor *doctor, enum pt_verdict verdict, const char *check,
                   const char *advice, const char *format, ...)
{
    static const char *const words[] = {"ok", "WARN", "FAIL"};
    static const char *const names[] = {"ok", "warn", "fail"};
    char detail[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    doctor->checks++;
    doctor->warnings += verdict == PT_VERDICT_WARN;
    doctor->failures += verdict == PT_VERDICT_FAIL;
    if (!doctor->is_json) {
        printf("%-5s %-13s %s\n", words[verdict], check, detail);
        if (advice) {
            printf("%19s → %s\n", "", advice);
        }
        return;
    }
    pt_jsonw_object(&doctor->w);
    pt_jsonw_member_str(&doctor->w, "check", check);
    pt_jsonw_member_str(&doctor->w, "verdict", names[verdict]);
    pt_jsonw_member_str(&doctor->w, "detail", detail);
    if (advice) {
        pt_jsonw_member_str(&doctor->w, "advice", advice);
    }
    pt_jsonw_object_end(&doctor->w);
}

const char *pt_doctor_span(int64_t span_us, char text[32])
{
    int64_t s = (span_us < 0 ? -span_us : span_us) / 1000000;

    if (s < 120) {
        snprintf(text, 32, "%" PRId64 " s", s);
    } else if (s < 7200) {
        snprintf(text, 32, "%" PRId64 " min", s / 60);
    } else if (s < 172800) {
        snprintf(text, 32, "%" PRId64 " h", s / 3600);
    } else {
        snprintf(text, 32, "%" PRId64 " days", s / 86400);
    }
    return text;
}

const char *pt_doctor_bytes(uint64_t bytes, char text[32])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;

    while (bytes >= 10240 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, 32, "%" PRIu64 " %s", bytes, units[unit]);
    return text;
}

/* A file or variable that is wrong leaves the defaults, so that the other checks still say
 * something. */
static void read_settings(struct pt_doctor *doctor, const char *config_path)
{
    struct pt_error err = {0};
    bool is_sound = true;

    if (config_path && pt_config_load_file(doctor->config, doctor->io, config_path, &err)) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "settings",
                      "correct it; what follows is checked against the defaults", "%s", err.text);
        is_sound = false;
    }
    if (pt_config_load_environment(doctor->config, environ, &err)) {
        pt_doctor_say(doctor, PT_VERDICT_FAIL, "settings",
                      "correct or unset it; what follows is checked without the environment", "%s",
                      err.text);
        is_sound = false;
    }
    if (is_sound) {
        pt_doctor_say(doctor, PT_VERDICT_OK, "settings", NULL, "%s, and the environment, are read",
                      config_path ? config_path : "no file");
    }
}

static int examine(struct pt_doctor *doctor, const char *config_path)
{
    doctor->newest_us = INT64_MIN;
    pt_buf_init(&doctor->lines, 1u << 20);
    pt_jsonw_init(&doctor->w, &doctor->lines);
    pt_jsonw_array(&doctor->w);
    read_settings(doctor, config_path);
    pt_doctor_check_settings(doctor);
    pt_doctor_check_data(doctor);
    pt_doctor_check_stores(doctor);
    pt_doctor_check_files(doctor);
    pt_doctor_check_certificate(doctor);
    pt_doctor_check_descriptors(doctor);
    pt_doctor_check_clock(doctor);
    pt_doctor_check_server(doctor);
    pt_jsonw_array_end(&doctor->w);
    if (doctor->is_json) {
        printf("{\"sound\":%s,\"version\":\"" PT_VERSION
               "\",\"failed\":%u,\"warnings\":%u,\"checks\":%.*s}\n",
               doctor->failures ? "false" : "true", doctor->failures, doctor->warnings,
               (int)doctor->lines.size, (const char *)doctor->lines.data);
    } else {
        printf("\n%s: %u checks, %u failed, %u warnings\n",
               doctor->failures ? "NOT SOUND" : "sound", doctor->checks, doctor->failures,
               doctor->warnings);
    }
    pt_buf_release(&doctor->lines);
    return doctor->failures ? PT_EXIT_FAILED : PT_EXIT_OK;
}

int pt_cmd_doctor(int argc, char **argv)
{
    const char *data = NULL;
    const char *config_path = NULL;
    const char *format = "table";
    struct pt_doctor doctor = {.io = pt_io_posix(), .clock = pt_clock_system()};
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--config", "FILE", "the server's settings", &config_path, NULL},
        {"--url", "URL", "a running server to ask", &doctor.url, NULL},
        {"--format", "table|json", "how to print (default table)", &format, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace doctor [--data DIR] [--config FILE] [--url URL] [--format table|json]",
        .about = "Looks at settings, data directory, keys, stores, flags, certificate, limits, "
                 "clock and "
                 "a running server, and says what is wrong and what to do. Exit 0: sound (warnings "
                 "allowed); 1: something fails. `playtrace audit` recounts the data itself.",
        .options = options,
    };
    struct pt_error err = {0};
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    doctor.is_json = strcmp(format, "json") == 0;
    if (!doctor.is_json && strcmp(format, "table") != 0) {
        pt_cmd_say("--format: \"%s\"; it may be table or json", format);
        return PT_EXIT_USAGE;
    }
    if (doctor.url && strncmp(doctor.url, "http://", 7) != 0 &&
        strncmp(doctor.url, "https://", 8) != 0) {
        pt_cmd_say("--url: \"%s\"; it begins with http:// or https://", doctor.url);
        return PT_EXIT_USAGE;
    }
    doctor.config = pt_config_create();
    if (!doctor.config || pt_data_dir_init(&doctor.dir, pt_cmd_data_dir(data), &err)) {
        pt_config_destroy(doctor.config);
        pt_cmd_say("doctor: no memory");
        return PT_EXIT_FAILED;
    }
    status = examine(&doctor, config_path);
    pt_data_dir_release(&doctor.dir);
    pt_config_destroy(doctor.config);
    return status;
}
