/*
 * ofrep_events.c - OFREP's change notification by server-sent events
 *
 * Protocol 0.3, ADR-0008. GET /ofrep/v1/events?since=ETAG[&ticket=TICKET] stays open:
 *
 *     retry: 1499
 *     id: 8f3c…                                  (what the client knows is in force: no event)
 *
 *     id: 02ab…
 *     event: message
 *     data: {"type":"refetchEvaluation","etag":"02ab…","lastModified":1771622898}
 *
 *     :                                          (every 15 s)
 *
 * The id is the checksum of the set in force, so nothing is kept for those who are away: who comes
 * back with another id than the present one (Last-Event-ID; else `since`, which the bulk answer
 * put into the address) is told at once, after a restart of the server too. Who brings none is
 * told as well. An event says that there is news, never what: the client asks again.
 *
 * One lock over the list of feeds; a feed's own is taken inside of it.
 */
#include "flag/ofrep_events.h"

#include <pthread.h>

#define PATH "/ofrep/v1/events"
/* What a ticket in the address is good for. */
#define TICKET_PURPOSE "ofrep events"
#define ID_BYTES 17u
#define MESSAGE_BYTES_MAX 256u
#define HEARTBEAT_US 15000000
/* How long a hidden page goes on listening; the protocol's own default. */
#define INACTIVITY_S 120
/* A client waits so long before it comes back, and up to so much longer: not all at once. */
#define RETRY_MS 1000u
#define RETRY_SPREAD_MS 1500u

struct pt_flag_events {
    struct pt_clock *clock; /* borrowed, as are the next three */
    struct pt_flags *flags;
    struct pt_keys *keys; /* NULL: none are asked for */
    struct pt_metric *told;
    char *address; /* before PATH, in what clients are given; NULL: the one that they know */

    pthread_mutex_t lock;          /* guards all that follows */
    struct pt_flags_version known; /* what was told last */
    int64_t heartbeat_us;          /* when the last one was sent */
    unsigned retry_count;
    struct pt_http_feed **feeds; /* owned: those who listen */
    size_t count;
    size_t capacity;
};

static void write_id(const struct pt_flags_version *version, char id_out[ID_BYTES])
{
    (void)snprintf(id_out, ID_BYTES, "%016llx", (unsigned long long)version->checksum);
}

/* The event that says that `version` is in force now. */
static size_t write_event(const struct pt_flags_version *version, char *out, size_t bytes)
{
    char id[ID_BYTES];
    int used = 0;

    write_id(version, id);
    used = snprintf(out, bytes,
                    "id: %s\nevent: message\ndata: {\"type\":\"refetchEvaluation\",\"etag\":\"%s\","
                    "\"lastModified\":%lld}\n\n",
                    id, id, (long long)(version->since_us / 1000000));
    pt_assert(used > 0 && (size_t)used < bytes);
    return (size_t)used;
}

/* With the lock held: give up the feeds that have ended. */
static void forget_ended(struct pt_flag_events *events)
{
    for (size_t i = events->count; i > 0; i--) {
        if (!pt_http_feed_is_open(events->feeds[i - 1])) {
            pt_http_feed_close(events->feeds[i - 1]);
            events->feeds[i - 1] = events->feeds[--events->count];
        }
    }
}

static void tell_all(struct pt_flag_events *events, const char *text, size_t bytes)
{
    for (size_t i = 0; i < events->count; i++) {
        (void)pt_http_feed_append(events->feeds[i], pt_span_of(text, bytes));
    }
}

/* With the lock held: tell all if another set is in force than the last that they were told of. */
static void catch_up(struct pt_flag_events *events)
{
    struct pt_flags_version now;
    char message[MESSAGE_BYTES_MAX];

    pt_flags_version(events->flags, &now);
    if (now.checksum != events->known.checksum) {
        events->known = now;
        pt_metric_add(events->told, (int64_t)events->count);
        tell_all(events, message, write_event(&now, message, sizeof(message)));
    }
}

void pt_flag_events_tick(struct pt_flag_events *events)
{
    int64_t now_us = 0;

    if (!events) {
        return;
    }
    now_us = pt_clock_mono_us(events->clock);
    pthread_mutex_lock(&events->lock);
    catch_up(events);
    if (now_us - events->heartbeat_us >= HEARTBEAT_US) {
        events->heartbeat_us = now_us;
        tell_all(events, ":\n\n", 3);
    }
    forget_ended(events);
    pthread_mutex_unlock(&events->lock);
}

/* ---- the route ---- */

/* With the lock held: room for one more; the dead go before the list grows. */
static bool make_room(struct pt_flag_events *events)
{
    struct pt_http_feed **feeds = NULL;
    size_t capacity = events->capacity ? events->capacity * 2 : 16;

    if (events->count == events->capacity) {
        forget_ended(events);
    }
    if (events->count < events->capacity) {
        return true;
    }
    feeds = pt_realloc(events->feeds, capacity * sizeof(*feeds));
    if (feeds) {
        events->feeds = feeds;
        events->capacity = capacity;
    }
    return feeds != NULL;
}

/* The first words on a stream: the event where it has missed one, else only its id. */
static size_t write_greeting(struct pt_flag_events *events, bool is_told, char *out, size_t bytes)
{
    char id[ID_BYTES];
    unsigned spread_ms = events->retry_count++ * 499 % RETRY_SPREAD_MS;
    int used = snprintf(out, bytes, "retry: %u\n", RETRY_MS + spread_ms);

    pt_assert(used > 0 && (size_t)used < bytes);
    if (is_told) {
        return (size_t)used + write_event(&events->known, out + used, bytes - (size_t)used);
    }
    write_id(&events->known, id);
    used += snprintf(out + used, bytes - (size_t)used, "id: %s\n\n", id);
    return (size_t)used;
}

static void handle(void *ctx, struct pt_http_request *request)
{
    /* Proxies are to pass on what comes as it comes: nginx knows the second. */
    static const struct pt_http_header_out headers[] = {
        {"Cache-Control", "no-store"},
        {"X-Accel-Buffering", "no"},
    };
    struct pt_flag_events *events = ctx;
    struct pt_span query = pt_http_query(request);
    struct pt_span last = pt_http_header(request, "Last-Event-ID");
    struct pt_http_feed *feed = NULL;
    char message[MESSAGE_BYTES_MAX];
    char id[ID_BYTES];
    size_t bytes = 0;
    bool is_told = false;

    if (events->keys && !pt_keys_admit_ticket(events->keys, request, PT_SCOPE_FLAGS, TICKET_PURPOSE,
                                              pt_http_query_value(query, "ticket"))) {
        return;
    }
    if (last.size == 0) {
        last = pt_http_query_value(query, "since");
    }
    pthread_mutex_lock(&events->lock);
    if (!make_room(events)) {
        pthread_mutex_unlock(&events->lock);
        pt_http_respond_error(request, 503, "unavailable", "no memory for one more stream");
        return;
    }
    catch_up(events);
    write_id(&events->known, id);
    is_told = !pt_span_is(last, id);
    feed = pt_http_feed_open(request, "text/event-stream", headers,
                             sizeof(headers) / sizeof(headers[0]));
    if (feed) {
        bytes = write_greeting(events, is_told, message, sizeof(message));
        (void)pt_http_feed_append(feed, pt_span_of(message, bytes));
        pt_metric_add(events->told, is_told ? 1 : 0);
        events->feeds[events->count++] = feed;
    }
    pthread_mutex_unlock(&events->lock);
}

void pt_flag_events_offer(struct pt_flag_events *events, struct pt_http_request *request,
                          const struct pt_flags_version *version, struct pt_jsonw *w)
{
    char ticket[PT_TICKET_BYTES] = "";
    char id[ID_BYTES];
    char target[128];

    if (!events) {
        return;
    }
    if (events->keys) {
        pt_keys_ticket(events->keys, request, TICKET_PURPOSE, ticket);
    }
    write_id(version, id);
    (void)snprintf(target, sizeof(target), PATH "?since=%s%s%s", id, *ticket ? "&ticket=" : "",
                   ticket);
    pt_jsonw_key(w, "eventStreams");
    pt_jsonw_array(w);
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "type", "sse");
    if (events->address) {
        char *url = pt_strf("%s%s", events->address, target);

        pt_jsonw_member_str(w, "url", url ? url : ""); /* without memory none: the client polls */
        pt_free(url);
    } else {
        pt_jsonw_key(w, "endpoint");
        pt_jsonw_object(w);
        pt_jsonw_member_str(w, "requestUri", target);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_member_uint(w, "inactivityDelaySec", INACTIVITY_S);
    pt_jsonw_object_end(w);
    pt_jsonw_array_end(w);
}

/* ---- life ---- */

/* "https://play.example/flags": an address that a browser can ask. */
static bool is_address(const char *text)
{
    const char *host = strstr(text, "://");

    return host && host[3] && host[3] != '/' && strcspn(text, "?#\"<> \t") == strlen(text) &&
           (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0);
}

/* "on", or an address, which goes without its last slash. */
static enum pt_code take_setting(struct pt_flag_events *events, const char *setting,
                                 struct pt_error *err)
{
    size_t bytes = strlen(setting);

    if (strcmp(setting, "on") == 0) {
        return PT_OK;
    }
    if (!is_address(setting)) {
        return pt_fail(err, PT_INVALID,
                       "flag.events is \"%s\"; it may be on, off, or the address at which "
                       "clients reach this server, such as https://play.example/flags",
                       setting);
    }
    bytes -= setting[bytes - 1] == '/' ? 1 : 0;
    events->address = pt_strndup(setting, bytes);
    return events->address ? PT_OK : pt_fail(err, PT_NO_MEMORY, "read flag.events");
}

enum pt_code pt_flag_events_open(struct pt_flag_events **events_out, struct pt_http_server *server,
                                 struct pt_clock *clock, struct pt_flags *flags,
                                 struct pt_keys *keys, struct pt_metrics *metrics,
                                 const char *setting, struct pt_error *err)
{
    struct pt_flag_events *events = NULL;
    enum pt_code code = PT_OK;

    *events_out = NULL;
    if (strcmp(setting, "off") == 0) {
        return PT_OK;
    }
    events = pt_alloc_zero(sizeof(*events));
    if (!events || pthread_mutex_init(&events->lock, NULL)) {
        pt_free(events);
        return pt_fail(err, PT_NO_MEMORY, "no memory for the flag events");
    }
    events->clock = clock;
    events->flags = flags;
    events->keys = keys;
    events->heartbeat_us = pt_clock_mono_us(clock);
    pt_flags_version(flags, &events->known);
    if (metrics) {
        events->told =
            pt_metrics_get(metrics, PT_COUNTER, "playtrace_flag_change_events_total", NULL,
                           "Clients told over a stream that the flags have changed");
    }
    code = take_setting(events, setting, err);
    if (!code) {
        code = pt_http_route(server, "GET", PATH, 0, handle, events, err);
    }
    if (code) {
        pt_flag_events_close(events);
        return code;
    }
    *events_out = events;
    return PT_OK;
}

void pt_flag_events_close(struct pt_flag_events *events)
{
    if (!events) {
        return;
    }
    for (size_t i = 0; i < events->count; i++) {
        pt_http_feed_close(events->feeds[i]);
    }
    pthread_mutex_destroy(&events->lock);
    pt_free(events->feeds);
    pt_free(events->address);
    pt_free(events);
}
