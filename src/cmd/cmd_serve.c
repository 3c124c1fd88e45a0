/*
 * cmd_serve.c - run everything on one machine
 *
 * Opens the rooms in the order in which data flows backwards (table, state, log, front door), so
 * that nothing accepts before everything behind it stands; closes them in the order in which data
 * flows.
 */
#include "base/host.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/tree.h"
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "cmd/serve_exposures.h"
#include "cmd/serve_maintenance.h"
#include "collect/collect.h"
#include "flag/change.h"
#include "flag/flag.h"
#include "schema/registry.h"
#include "stream/stream.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define FLAGS_CHECK_S 1
#define ADMIN_ADDRESS "127.0.0.1:8081"
#define PLAIN_KEYS_MAX 256

struct node {
    struct pt_data_dir dir; /* empty where `is_ephemeral` */
    bool is_ephemeral;      /* no directory, no lock, no log, no stream engine, no table */
    struct pt_config *config;
    struct pt_lock *lock;
    struct pt_metrics *metrics;
    struct pt_pseudonyms *pseudonyms;
    struct pt_keys *keys;
    struct pt_log *log;
    struct pt_log *dead_letters;
    struct pt_lake *lake;
    struct pt_stream *stream;
    struct pt_maintenance *maintenance; /* of the table */
    struct pt_collect *collect;
    struct pt_flags *flags;
    struct pt_flag_api *flag_api;
    struct pt_flag_admin *flag_admin;
    struct pt_exposures *exposures; /* NULL: they are not logged */
    struct pt_registry *registry;
    struct pt_registry_api *registry_api;
    struct pt_http_server *server;
    struct pt_metric *http_requests;
    struct pt_metric *http_connections;
    struct pt_metric *http_feeds;
};

static void handle_health(void *ctx, struct pt_http_request *request)
{
    static const char body[] = "{\"status\":\"alive\",\"version\":\"" PT_VERSION "\"}";

    (void)ctx;
    pt_http_respond(request, 200, "application/json", pt_span_of(body, sizeof(body) - 1), NULL, 0);
}

static void handle_ready(void *ctx, struct pt_http_request *request)
{
    static const char body[] = "{\"status\":\"ready\"}";
    const struct node *node = ctx;
    const char *why = pt_collect_unready(node->collect);

    if (why) {
        pt_http_respond_error(request, 503, "not_ready", "%s", why);
    } else {
        pt_http_respond(request, 200, "application/json", pt_span_of(body, sizeof(body) - 1), NULL,
                        0);
    }
}

static void handle_metrics(void *ctx, struct pt_http_request *request)
{
    struct node *node = ctx;
    struct pt_http_stats stats;
    struct pt_buf text;

    pt_http_server_stats(node->server, &stats);
    pt_metric_set(node->http_requests, (int64_t)stats.requests);
    pt_metric_set(node->http_connections, (int64_t)stats.connections_open);
    pt_metric_set(node->http_feeds, (int64_t)stats.feeds_open);
    pt_buf_init(&text, 16u << 20);
    pt_metrics_render(node->metrics, &text);
    if (text.has_failed) {
        pt_http_respond_error(request, 503, "overloaded", "no memory for the metrics");
    } else {
        pt_http_respond(request, 200, "text/plain; version=0.0.4; charset=utf-8",
                        pt_buf_span(&text), NULL, 0);
    }
    pt_buf_release(&text);
}

static bool is_loopback_address(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0 ||
           strncmp(address, "localhost:", 10) == 0;
}

static enum pt_code check_listen(const struct node *node, struct pt_error *err)
{
    const char *address = pt_config_string(node->config, PT_CONFIG_server_listen);

    if (pt_keys_has(node->keys, PT_SCOPE_EVENTS) || is_loopback_address(address)) {
        return PT_OK;
    }
    if (!strrchr(address, ':')) {
        return pt_fail(err, PT_INVALID,
                       "\"%s\" is not an address and a port such as 127.0.0.1:8080", address);
    }
    if (node->is_ephemeral) {
        return pt_fail(err, PT_INVALID,
                       "%s can be reached from other machines and no key is set: set collect.keys "
                       "(or PLAYTRACE_COLLECT_KEYS), or listen on 127.0.0.1",
                       address);
    }
    return pt_fail(err, PT_INVALID,
                   "%s can be reached from other machines and no key is set: make one with "
                   "`playtrace keys create --data %s --name …`, or listen on 127.0.0.1",
                   address, node->dir.root);
}

static enum pt_code open_logs(struct node *node, struct pt_error *err)
{
    struct pt_log_options options;
    struct pt_checkpoint_summary checkpoint;
    uint8_t bytes[PT_LOG_NOTE_BYTES];
    struct pt_ledger_note note;
    enum pt_code code = pt_stream_read_checkpoint(pt_io_posix(), node->dir.state, &checkpoint, err);

    if (code) {
        return code;
    }
    pt_log_options_default(&options);
    options.segment_bytes = (uint64_t)pt_config_int(node->config, PT_CONFIG_log_segment_bytes);
    options.retention_bytes = (uint64_t)pt_config_int(node->config, PT_CONFIG_log_retention_bytes);
    options.free_bytes_min = (uint64_t)pt_config_int(node->config, PT_CONFIG_log_free_bytes_min);
    options.synced_offset = checkpoint.log_offset;
    code = pt_log_open(&node->log, pt_io_posix(), pt_clock_system(), node->dir.log, &options, err);
    if (code) {
        return code;
    }
    /* The log counts the dead letters that were synced before it: none of them may be cut as torn.
     */
    pt_log_last_note(node->log, bytes);
    pt_ledger_note_decode(bytes, &note);
    options.synced_offset = note.dead;
    if (options.segment_bytes > PT_LOG_BATCH_BYTES_MAX) {
        options.segment_bytes =
            PT_LOG_BATCH_BYTES_MAX; /* few are refused: no need to reserve more */
    }
    options.retention_bytes = 0; /* collect releases what dlq.retention_… no longer keeps */
    return pt_log_open(&node->dead_letters, pt_io_posix(), pt_clock_system(), node->dir.dlq,
                       &options, err);
}

static enum pt_code open_stores(struct node *node, struct pt_error *err)
{
    struct pt_io *io = pt_io_posix();
    struct pt_file *probe = NULL;
    bool is_fresh = false;
    bool is_unsure = false;
    enum pt_code code = pt_tree_make(io, node->dir.root, &is_unsure, err);

    if (code) {
        return code;
    }
    if (is_unsure) {
        pt_log_line(PT_LOG_WARN, "serve", NULL, "%s", err->text);
    }
    code = pt_lock_take(&node->lock, node->dir.lock, err);
    if (code) {
        return code;
    }
    /* The pseudonym key is made once, before the first event. */
    is_fresh = pt_io_open(io, node->dir.log, PT_OPEN_READ, &probe, NULL) == PT_NOT_FOUND;
    pt_io_close(io, probe);
    code = pt_pseudonyms_open(&node->pseudonyms, io, node->dir.keys, is_fresh, err);
    if (code) {
        return code;
    }
    code = pt_lake_open(&node->lake, io, pt_clock_system(), node->dir.lake, err);
    if (code) {
        return code;
    }
    code = open_logs(node, err);
    if (!code) {
        code = pt_io_mkdir(io, node->dir.state, err);
    }
    return code ? code : pt_io_sync_dir(io, node->dir.root, err);
}

/* An address of its own for the admin routes; none where the main one is on loopback. */
static const char *admin_address(const struct node *node)
{
    const char *address = pt_config_string(node->config, PT_CONFIG_server_admin_listen);

    if (*address) {
        return address;
    }
    return is_loopback_address(pt_config_string(node->config, PT_CONFIG_server_listen))
               ? NULL
               : ADMIN_ADDRESS;
}

static enum pt_code use_tls(struct node *node, struct pt_error *err)
{
    const char *certificate = pt_config_string(node->config, PT_CONFIG_server_tls_certificate);
    const char *key = pt_config_string(node->config, PT_CONFIG_server_tls_key);

    if (!*certificate && !*key) {
        return PT_OK;
    }
    if (!*certificate || !*key) {
        return pt_fail(err, PT_INVALID,
                       "server.tls_%s is set without server.tls_%s: TLS needs both",
                       *key ? "key" : "certificate", *key ? "certificate" : "key");
    }
    return pt_http_server_use_tls(node->server, pt_io_posix(), certificate, key, err);
}

static enum pt_code allow_origins(struct node *node, struct pt_error *err)
{
    size_t count = pt_config_list_count(node->config, PT_CONFIG_server_cors_origins);
    const char **origins = pt_alloc((count + 1) * sizeof(*origins));
    enum pt_code code = PT_OK;

    if (!origins) {
        return pt_fail(err, PT_NO_MEMORY, "read server.cors_origins");
    }
    for (size_t i = 0; i < count; i++) {
        origins[i] = pt_config_list_item(node->config, PT_CONFIG_server_cors_origins, i);
    }
    code = pt_http_server_allow_origins(node->server, origins, count, err);
    pt_free(origins);
    return code ? pt_error_prefix(err, code, "server.cors_origins") : PT_OK;
}

static enum pt_code open_server(struct node *node, struct pt_error *err)
{
    const char *admin = admin_address(node);
    struct pt_http_limits limits;
    enum pt_code code = PT_OK;

    pt_http_limits_default(&limits);
    limits.threads = (uint32_t)pt_config_int(node->config, PT_CONFIG_server_threads);
    limits.connections_max =
        (uint32_t)pt_config_int(node->config, PT_CONFIG_server_connections_max);
    limits.body_bytes_max = (uint32_t)pt_config_int(node->config, PT_CONFIG_server_body_bytes_max);
    limits.memory_bytes_max =
        (uint64_t)pt_config_int(node->config, PT_CONFIG_server_memory_bytes_max);
    limits.feeds_max = (uint32_t)pt_config_int(node->config, PT_CONFIG_server_feeds_max);
    code =
        pt_http_server_open(&node->server, pt_config_string(node->config, PT_CONFIG_server_listen),
                            &limits, pt_clock_system(), err);
    if (!code) {
        code = use_tls(node, err);
    }
    if (!code) {
        code = allow_origins(node, err);
    }
    if (!code && admin) {
        code = pt_http_server_listen_admin(node->server, admin, err);
        code = code ? pt_error_prefix(err, code, "server.admin_listen") : PT_OK;
    }
    return code;
}

static enum pt_code open_stream(struct node *node, struct pt_error *err)
{
    struct pt_stream_parts stream_parts = {
        .io = pt_io_posix(),
        .clock = pt_clock_system(),
        .config = node->config,
        .metrics = node->metrics,
        .keys = node->keys,
        .log = node->log,
        .lake = node->lake,
        .log_dir = node->dir.log,
        .state_dir = node->dir.state,
    };

    return pt_stream_open(&node->stream, &stream_parts, err);
}

static enum pt_code open_flags(struct node *node, struct pt_error *err)
{
    const char *named = pt_config_string(node->config, PT_CONFIG_flag_file);
    const char *path = *named ? named : node->dir.flags;
    enum pt_code code = PT_OK;

    node->flags = pt_flags_create(pt_io_posix(), pt_clock_system());
    if (!node->flags) {
        return pt_fail(err, PT_NO_MEMORY, "make the flag set");
    }
    code = path ? pt_flags_load_file(node->flags, path, err) : PT_OK;
    /* No file is no flags, and one that appears later is taken; a file that was named must be
     * there. */
    return code == PT_NOT_FOUND && !*named ? PT_OK : code;
}

static enum pt_code open_engines(struct node *node, struct pt_error *err)
{
    struct pt_collect_parts collect_parts = {
        .clock = pt_clock_system(),
        .config = node->config,
        .metrics = node->metrics,
        .pseudonyms = node->pseudonyms,
        .keys = node->keys,
        .log = node->log,
        .dead_letters = node->dead_letters,
        .io = pt_io_posix(),
        .dead_letters_dir = node->dir.dlq,
        .is_ephemeral = node->is_ephemeral,
    };
    enum pt_code code = node->is_ephemeral ? PT_OK : open_stream(node, err);

    if (code) {
        return code;
    }
    code = open_server(node, err);
    if (!code) {
        code = pt_registry_open(&node->registry, pt_io_posix(), node->dir.registry, err);
    }
    if (code) {
        return code;
    }
    collect_parts.registry = node->registry;
    code = pt_collect_open(&node->collect, &collect_parts,
                           (uint32_t)pt_config_int(node->config, PT_CONFIG_server_threads), err);
    if (code) {
        return code;
    }
    if (node->stream) {
        pt_collect_on_commit(node->collect, pt_stream_wake, node->stream);
    }
    return open_flags(node, err);
}

static enum pt_code add_routes(struct node *node, struct pt_error *err)
{
    struct pt_http_server *server = node->server;
    enum pt_code code = pt_http_route(server, "GET", "/healthz", 0, handle_health, node, err);

    if (!code) {
        code = pt_http_route(server, "GET", "/readyz", 0, handle_ready, node, err);
    }
    if (!code) {
        code = pt_http_route_admin(server, "GET", "/metrics", 0, handle_metrics, node, err);
    }
    if (!code) {
        code = pt_collect_routes(node->collect, server, err);
    }
    if (!code && node->stream) {
        code = pt_stream_routes(node->stream, server, err);
    }
    if (!code) {
        code = pt_flag_routes(&node->flag_api, server, node->flags, node->keys,
                              (uint32_t)pt_config_int(node->config, PT_CONFIG_server_threads),
                              node->metrics, err);
    }
    if (!code) {
        code =
            pt_serve_exposures(&node->exposures, node->config, node->collect, node->flag_api, err);
    }
    if (!code) {
        code = pt_flag_api_offer_events(node->flag_api, server, pt_clock_system(),
                                        pt_config_string(node->config, PT_CONFIG_flag_events), err);
    }
    if (!code) {
        code = pt_flag_admin_routes(&node->flag_admin, server, node->flags, pt_io_posix(),
                                    pt_clock_system(), node->keys, err);
    }
    if (!code) {
        code = pt_registry_routes(&node->registry_api, server, node->registry, node->keys,
                                  (uint32_t)pt_config_int(node->config, PT_CONFIG_server_threads),
                                  err);
    }
    return code;
}

static enum pt_code open_keys(struct node *node, struct pt_error *err)
{
    const char *plain[PLAIN_KEYS_MAX];
    size_t count = pt_config_list_count(node->config, PT_CONFIG_collect_keys);
    char *path = NULL;
    enum pt_code code = PT_OK;

    if (count > PLAIN_KEYS_MAX) {
        return pt_fail(err, PT_INVALID,
                       "collect.keys holds %zu keys; more than %d belong into "
                       "`playtrace keys`",
                       count, PLAIN_KEYS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        plain[i] = pt_config_list_item(node->config, PT_CONFIG_collect_keys, i);
    }
    path = node->is_ephemeral ? NULL : pt_strf("%s/api_keys.json", node->dir.keys);
    code = path || node->is_ephemeral ? pt_keys_open(&node->keys, pt_io_posix(), pt_clock_system(),
                                                     path, plain, count, err)
                                      : pt_fail(err, PT_NO_MEMORY, "read the keys");
    pt_free(path);
    return code;
}

static enum pt_code start_maintenance(struct node *node, struct pt_error *err)
{
    const struct pt_maintenance_parts parts = {
        .io = pt_io_posix(),
        .clock = pt_clock_system(),
        .config = node->config,
        .metrics = node->metrics,
        .lake_dir = node->dir.lake,
    };

    return pt_maintenance_start(&node->maintenance, &parts, err);
}

static enum pt_code open_node(struct node *node, struct pt_error *err)
{
    enum pt_code code = open_keys(node, err);

    if (!code) {
        code = check_listen(node, err);
    }
    if (code) {
        return code;
    }
    node->metrics = pt_metrics_create();
    if (!node->metrics) {
        return pt_fail(err, PT_NO_MEMORY, "make the metrics");
    }
    node->http_requests = pt_metrics_get(node->metrics, PT_COUNTER, "playtrace_http_requests_total",
                                         NULL, "HTTP requests since the start");
    node->http_connections = pt_metrics_get(node->metrics, PT_GAUGE, "playtrace_http_connections",
                                            NULL, "HTTP connections open");
    node->http_feeds = pt_metrics_get(node->metrics, PT_GAUGE, "playtrace_http_feeds", NULL,
                                      "Answers that stay open, such as streams of flag changes");
    code = node->is_ephemeral ? pt_pseudonyms_open_ephemeral(&node->pseudonyms, err)
                              : open_stores(node, err);
    if (!code) {
        code = open_engines(node, err);
    }
    if (!code) {
        code = add_routes(node, err);
    }
    if (!code && node->stream) {
        code = pt_stream_start(node->stream, err);
    }
    if (!code && node->stream) {
        code = start_maintenance(node, err);
    }
    if (!code) {
        code = pt_http_server_start(node->server, err);
    }
    return code;
}

/* Front door first, so that what it accepted still reaches the table. */
static enum pt_code close_node(struct node *node, struct pt_error *err)
{
    enum pt_code code = PT_OK;

    if (node->server) {
        pt_http_server_drain(node->server,
                             (uint32_t)pt_config_int(node->config, PT_CONFIG_server_drain_ms));
    }
    pt_registry_api_stop(node->registry_api);
    pt_flag_admin_stop(node->flag_admin);
    pt_exposures_close(node->exposures);
    pt_collect_close(node->collect);
    pt_maintenance_stop(node->maintenance);
    if (node->stream) {
        code = pt_stream_stop(node->stream, err);
    }
    pt_http_server_close(node->server);
    pt_stream_close(node->stream);
    pt_registry_api_close(node->registry_api);
    pt_registry_close(node->registry);
    pt_flag_api_close(node->flag_api);
    pt_flag_admin_close(node->flag_admin);
    pt_flags_destroy(node->flags);
    pt_lake_close(node->lake);
    pt_log_close(node->log);
    pt_log_close(node->dead_letters);
    pt_pseudonyms_close(node->pseudonyms);
    pt_keys_close(node->keys);
    pt_metrics_destroy(node->metrics);
    pt_lock_release(node->lock);
    return code;
}

static void reload_tls(struct node *node)
{
    struct pt_error err = {0};
    bool has_changed = false;

    if (pt_http_server_reload_tls(node->server, &has_changed, &err)) {
        pt_log_line(PT_LOG_WARN, "serve", NULL, "the new certificate is not used: %s", err.text);
    } else if (has_changed) {
        pt_log_line(PT_LOG_INFO, "serve", NULL, "the new certificate is in use");
    }
}

/* Until SIGTERM or SIGINT; looks after the flag file and the certificate meanwhile. */
static void wait_for_signal(struct node *node, const sigset_t *signals)
{
    const struct timespec pause = {.tv_sec = FLAGS_CHECK_S};
    bool was_there = pt_flags_count(node->flags) > 0;

    while (sigtimedwait(signals, NULL, &pause) < 0) {
        struct pt_error err = {0};
        bool has_changed = false;
        enum pt_code code = pt_flags_reload(node->flags, &has_changed, &err);

        pt_flag_api_tick(node->flag_api);
        reload_tls(node);
        /* A broken file is logged where it is read; a lost one here, once. The old flags stay. */
        if (code == PT_NOT_FOUND && was_there) {
            pt_log_line(PT_LOG_WARN, "flag", NULL, "the flag file is gone, the flags stay: %s",
                        err.text);
        }
        was_there = code != PT_NOT_FOUND;
        pt_collect_tick(node->collect);
        pt_keys_reload(node->keys);
    }
}

static int serve(struct node *node)
{
    struct pt_error err = {0};
    sigset_t signals;
    enum pt_code code = PT_OK;
    int status = PT_EXIT_OK;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    /* Before any thread starts, so that all of them inherit it. */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pt_host_descriptors_raise(); /* a service manager's soft limit is far below its hard one */
    code = open_node(node, &err);
    if (code) {
        status = pt_cmd_failed("serve", &err);
    } else {
        printf("listening on %s\n", pt_http_server_url(node->server));
        if (pt_http_server_admin_url(node->server)) {
            printf("admin on %s\n", pt_http_server_admin_url(node->server));
        }
        fflush(stdout);
        wait_for_signal(node, &signals);
        pt_log_line(PT_LOG_INFO, "serve", NULL,
                    node->is_ephemeral ? "stopping: what was received is forgotten"
                                       : "stopping: what was accepted is committed first");
    }
    code = close_node(node, &err);
    if (code && status == PT_EXIT_OK) {
        pt_cmd_say("serve: the last commit failed (%s); the log keeps what the table has not got",
                   err.text);
        status = PT_EXIT_FAILED;
    }
    return status;
}

int pt_cmd_serve(int argc, char **argv)
{
    const char *data = NULL;
    const char *config_path = NULL;
    const char *listen = NULL;
    struct node node = {0};
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)", &data,
         NULL},
        {"--config", "FILE", "settings, YAML (`playtrace config reference` lists them)",
         &config_path, NULL},
        {"--listen", "ADDR:PORT", "address (default 127.0.0.1:8080; port 0: a free one)", &listen,
         NULL},
        {"--ephemeral", NULL, "a test double: keep nothing, show at /api/v1/received what came",
         NULL, &node.is_ephemeral},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace serve [--data DIR | --ephemeral] [--config FILE] [--listen ADDR:PORT]",
        .about = "Run collector, log, stream engine, table and flags in one process until SIGTERM.",
        .options = options,
    };
    struct pt_error err = {0};
    enum pt_log_level level = PT_LOG_INFO;
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    if (node.is_ephemeral && data) {
        pt_cmd_say(
            "serve: --ephemeral keeps nothing, so it takes no --data; leave one of them out");
        return PT_EXIT_USAGE;
    }
    node.config = pt_cmd_config(config_path);
    if (!node.config) {
        return PT_EXIT_USAGE;
    }
    if (listen && pt_config_set(node.config, "server.listen", listen, "--listen", &err)) {
        pt_cmd_failed("settings", &err);
        status = PT_EXIT_USAGE;
    } else if (!pt_log_level_parse(pt_config_string(node.config, PT_CONFIG_observe_log_level),
                                   &level)) {
        pt_cmd_say("settings: observe.log_level is \"%s\"; it may be debug, info, warn or error",
                   pt_config_string(node.config, PT_CONFIG_observe_log_level));
        status = PT_EXIT_USAGE;
    } else if (!node.is_ephemeral && pt_data_dir_init(&node.dir, pt_cmd_data_dir(data), &err)) {
        status = pt_cmd_failed("serve", &err);
    } else {
        pt_log_set_level(level);
        status = serve(&node);
    }
    pt_data_dir_release(&node.dir);
    pt_config_destroy(node.config);
    return status;
}
