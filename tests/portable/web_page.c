/*
 * web_page.c - the smallest game in a browser: what tests/e2e/sdk_web.test.mjs calls from its page
 */
#include "platform/web/playtrace_web.h"
#include "playtrace.h"

#include <stdio.h>

static struct playtrace *client;

void page_load(const char *dir);
int page_open(const char *dir, const char *url, const char *secret, int has_extras);
int page_track(const char *name, int first, int count);
int page_pump(void);
int page_consent(int consent);
const char *page_report(const char *dir);
int page_flag(const char *key);
int page_close(void);

void page_load(const char *dir)
{
    playtrace_web_load(dir);
}

/* `has_extras`: with flags, and with the client's own reports. */
int page_open(const char *dir, const char *url, const char *secret, int has_extras)
{
    struct playtrace_options options;
    enum playtrace_status status = PLAYTRACE_OK;

    playtrace_options_init(&options);
    options.url = url;
    options.signing_secret = secret[0] ? secret : NULL;
    options.queue_dir = dir;
    options.user_id = "player-of-the-web";
    options.platform = "web";
    options.consent = PLAYTRACE_CONSENT_GIVEN;
    options.without_worker = true;
    options.report_health = has_extras != 0;
    options.flags_enabled = has_extras != 0;
    options.flush_interval_ms = 50;
    options.retry_base_ms = 50;
    options.retry_cap_ms = 400;
    options.request_timeout_ms = 5000;
    status = playtrace_open(&client, &options);
    if (status == PLAYTRACE_OK) {
        playtrace_web_watch(client);
    }
    return (int)status;
}

int page_track(const char *name, int first, int count)
{
    char attributes[64];
    int taken = 0;

    for (int i = first; i < first + count; i++) {
        (void)snprintf(attributes, sizeof(attributes), "{\"n\":%d,\"text\":\"\xc3\xa9\"}", i);
        taken += playtrace_track(client, name, attributes) == PLAYTRACE_OK;
    }
    return taken;
}

int page_pump(void)
{
    return (int)playtrace_pump(client);
}

int page_consent(int consent)
{
    return (int)playtrace_set_consent(client, (enum playtrace_consent)consent);
}

/* JSON; `state` and `stored` are of `dir`. */
const char *page_report(const char *dir)
{
    static char text[512];
    struct playtrace_stats stats;

    playtrace_stats(client, &stats);
    (void)snprintf(text, sizeof(text),
                   "{\"state\":%d,\"stored\":%d,\"tracked\":%d,\"recovered\":%d,\"queued\":%d,"
                   "\"delivered\":%d,\"refused\":%d,\"damaged\":%d,\"io_failures\":%d,"
                   "\"attempts\":%d}",
                   (int)playtrace_web_load_state(dir), (int)playtrace_web_is_stored(dir),
                   (int)stats.tracked, (int)stats.recovered, (int)stats.queued,
                   (int)stats.delivered, (int)stats.refused, (int)stats.damaged,
                   (int)stats.io_failures, (int)stats.send_attempts);
    return text;
}

/* The length of the string flag's value; 0: the default. */
int page_flag(const char *key)
{
    char value[64];

    return (int)playtrace_flag_string(client, key, "", value, sizeof(value));
}

int page_close(void)
{
    enum playtrace_status status = PLAYTRACE_OK;

    playtrace_web_watch(NULL);
    status = playtrace_close(client, 0);
    client = NULL;
    return (int)status;
}
