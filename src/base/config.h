/*
 * config.h - every setting, in one table
 *
 * A setting comes from its default, then the YAML file, then the environment
 * (PLAYTRACE_SECTION_KEY), then the command line; later wins. A mistake names file, line and
 * key and says what would be right; an unknown key is an error and the nearest
 * known one is suggested. docs/configuration.md is generated from the table
 * (`playtrace config reference`), and a test notices drift.
 */
#ifndef PT_BASE_CONFIG_H
#define PT_BASE_CONFIG_H

#include "base/io.h"
#include "base/mem.h"

/* The table: section, key, kind, default, min, max (numbers), and what it does. */
#define PT_CONFIG_TABLE(X)                                                                         \
    X(server, listen, STRING, "127.0.0.1:8080", 0, 0, "address and port; port 0 takes a free one") \
    X(server, threads, INT, "2", 1, 64, "threads that serve HTTP")                                 \
    X(server, connections_max, INT, "10000", 1, 1000000, "connections open at once")               \
    X(server, body_bytes_max, INT, "5242880", 1024, 67108864, "largest request body, bytes")       \
    X(server, drain_ms, INT, "10000", 0, 600000, "how long a stop waits for open requests")        \
    X(server, memory_bytes_max, INT, "536870912", 16777216, 1099511627776,                         \
      "bytes of requests and unsent answers held at once; over it requests get 503")               \
    X(server, tls_certificate, STRING, "", 0, 0,                                                   \
      "certificate with its chain, PEM; with it and tls_key the address speaks HTTPS and HTTP/2")  \
    X(server, tls_key, STRING, "", 0, 0, "the certificate's private key, PEM, without a password") \
    X(server, cors_origins, LIST, "", 0, 0,                                                        \
      "origins whose web pages may send events, such as https://game.example; * for all")          \
    X(server, admin_listen, STRING, "", 0, 0,                                                      \
      "address of the admin routes; empty: the main address if on loopback, else 127.0.0.1:8081")  \
    X(server, feeds_max, INT, "5000", 0, 1000000,                                                  \
      "answers that stay open at once, such as the stream of flag changes; over it they get 503")  \
    X(collect, keys, LIST, "", 0, 0,                                                               \
      "keys that may send events, beside those of `playtrace keys`")                               \
    X(collect, batch_events_max, INT, "1000", 1, 100000, "events in one request")                  \
    X(collect, decompressed_bytes_max, INT, "20971520", 1024, 268435456,                           \
      "largest body after decompression, bytes")                                                   \
    X(collect, clock_tolerance_ms, INT, "5000", 0, 3600000,                                        \
      "a device clock nearer than this to ours is believed")                                       \
    X(collect, event_age_days_max, INT, "400", 1, 36500,                                           \
      "an event that waited longer on a device with a wrong clock is dated at its receipt")        \
    X(collect, attributes_max, INT, "64", 1, 10000, "attributes of one event, top level")          \
    X(collect, attribute_depth_max, INT, "8", 1, 64, "how deep attributes may nest")               \
    X(collect, attribute_key_bytes_max, INT, "64", 1, 65536, "longest attribute key, bytes")       \
    X(collect, attribute_value_bytes_max, INT, "4096", 1, 65536, "longest text value, bytes")      \
    X(collect, attribute_keys_max, INT, "200", 1, 16384,                                           \
      "different attribute keys of one event name since the start; over it dead letters")          \
    X(collect, attribute_values_warn, INT, "10000", 1, 1000000000,                                 \
      "different text values of one attribute that are worth a warning")                           \
    X(collect, location_database, STRING, "", 0, 0,                                                \
      "MaxMind DB file that turns the sender's address into country, region, city")                \
    X(collect, trusted_proxies, LIST, "", 0, 0,                                                    \
      "addresses or CIDR blocks whose X-Forwarded-For is believed")                                \
    X(collect, signing_secrets, LIST, "", 0, 0,                                                    \
      "secrets of X-Playtrace-Signature; several: any may have signed")                            \
    X(collect, signature_required, INT, "0", 0, 1,                                                 \
      "1: a request without a good signature gets 403; needs collect.signing_secrets")             \
    X(collect, signature_window_s, INT, "300", 1, 86400,                                           \
      "how far a signature's time may be from ours")                                               \
    X(collect, rate_address_requests, INT, "0", 0, 1000000,                                        \
      "requests a second from one address; over it 429; 0: no limit")                              \
    X(collect, rate_key_events, INT, "0", 0, 100000000,                                            \
      "events a second under one key; over it 429; 0: no limit")                                   \
    X(collect, received_events_max, INT, "100000", 1, 10000000,                                    \
      "serve --ephemeral: events kept, the oldest make room")                                      \
    X(collect, received_bytes_max, INT, "268435456", 1024, 68719476736,                            \
      "serve --ephemeral: bytes of events kept, the oldest make room")                             \
    X(collect, in_flight_bytes_max, INT, "67108864", 1048576, 4294967296,                          \
      "bytes waiting for the disk; over it requests get 503")                                      \
    X(log, segment_bytes, INT, "67108864", 1048576, 4294967296, "size of a log segment")           \
    X(log, retention_bytes, INT, "1073741824", 0, 9223372036854775807,                             \
      "log kept behind the stream engine's commit, bytes")                                         \
    X(log, free_bytes_min, INT, "67108864", 0, 9223372036854775807,                                \
      "with less free space on the device, events get 507")                                        \
    X(dlq, retention_days, INT, "90", 1, 36500,                                                    \
      "dead letters older than this are released, whole segments at a time")                       \
    X(dlq, retention_bytes, INT, "1073741824", 1048576, 9223372036854775807,                       \
      "dead letters kept at most, bytes; over it the oldest segments are released")                \
    X(stream, checkpoint_ms, INT, "10000", 10, 3600000, "time between checkpoints")                \
    X(stream, checkpoint_rows, INT, "250000", 1, 10000000, "rows that force a checkpoint")         \
    X(stream, dedup_hours, INT, "24", 1, 720, "how long an event_id is remembered")                \
    X(stream, dedup_mode, STRING, "exact", 0, 0,                                                   \
      "exact, or approximate: less disk, and a new event in about 2000 is dropped")                \
    X(stream, watermark_delay_ms, INT, "120000", 0, 86400000,                                      \
      "how far the watermark stays behind the newest event time")                                  \
    X(stream, live_minutes, INT, "60", 5, 1440, "live windows kept, minutes")                      \
    X(stream, sessions_max, INT, "131072", 1024, 16777216,                                         \
      "sessions whose sequence numbers are followed at once; over it the longest silent go")       \
    X(stream, session_idle_minutes, INT, "30", 1, 1440,                                            \
      "a session that is silent so long is followed no more")                                      \
    X(stream, ledger_days, INT, "90", 1, 36500, "how long the ledger keeps its minutes")           \
    X(lake, snapshot_days, INT, "7", 0, 36500, "snapshots of the table older than this expire")    \
    X(lake, snapshots_kept, INT, "256", 1, 10000,                                                  \
      "snapshots kept at most, however young; each makes a commit a little dearer")                \
    X(lake, orphan_hours, INT, "72", 1, 87600,                                                     \
      "files that no snapshot names are deleted at this age; a writer may still be at younger "    \
      "ones")                                                                                      \
    X(lake, compact, STRING, "on", 0, 0,                                                           \
      "on: `serve` makes few sorted files of the table's many small ones; off: only "              \
      "`playtrace lake compact` does")                                                             \
    X(lake, compact_interval_ms, INT, "60000", 100, 86400000,                                      \
      "time between looks at what there is to compact, and at what has expired")                   \
    X(lake, compact_files_min, INT, "4", 2, 1000,                                                  \
      "small files of about one size that a past day must have to be compacted")                   \
    X(lake, compact_files_min_today, INT, "32", 2, 1000, "the same of the present day")            \
    X(lake, compact_memory_bytes, INT, "0", 0, 1099511627776,                                      \
      "what a compaction may hold in memory, some 1.5 KiB a row of a file that it makes; 0: "      \
      "a quarter of the machine's, at most 4 GiB")                                                 \
    X(lake, target_file_bytes, INT, "134217728", 65536, 1099511627776,                             \
      "size that compaction gives files; those below half of it are small")                        \
    X(flag, file, STRING, "", 0, 0, "flag definitions; empty: flags.json in the data directory")   \
    X(flag, exposures, STRING, "off", 0, 0,                                                        \
      "exposures logged by OFREP: off; single: by evaluating one flag; all: by bulk answers too")  \
    X(flag, events, STRING, "on", 0, 0,                                                            \
      "on: OFREP clients are offered a stream that tells of changes; off; or the address at "      \
      "which they reach this server, where it is not the one they ask")                            \
    X(observe, log_level, STRING, "info", 0, 0, "debug, info, warn or error")

enum pt_config_key {
#define X(section, key, kind, default_text, min, max, help) PT_CONFIG_##section##_##key,
    PT_CONFIG_TABLE(X)
#undef X
        PT_CONFIG_COUNT,
};

struct pt_config;

/* All defaults. NULL without memory. Pair with pt_config_destroy(). */
struct pt_config *pt_config_create(void) PT_MUST_USE;
void pt_config_destroy(struct pt_config *config);

/* Each overrides what was set before. PT_INVALID: nothing is changed, `err` names the place. */
enum pt_code pt_config_load_file(struct pt_config *config, struct pt_io *io, const char *path,
                                 struct pt_error *err) PT_MUST_USE;
/* `environ`: NULL-terminated "NAME=value"; a PLAYTRACE_… name that is no setting is an error. */
enum pt_code pt_config_load_environment(struct pt_config *config, char *const *environ_list,
                                        struct pt_error *err) PT_MUST_USE;
/* `name` is "section.key"; `where` names the source in messages, such as "--listen". */
enum pt_code pt_config_set(struct pt_config *config, const char *name, const char *value,
                           const char *where, struct pt_error *err) PT_MUST_USE;

/* Asking with the wrong kind is our bug. Strings live as long as the config. */
int64_t pt_config_int(const struct pt_config *config, enum pt_config_key key);
const char *pt_config_string(const struct pt_config *config, enum pt_config_key key);
size_t pt_config_list_count(const struct pt_config *config, enum pt_config_key key);
const char *pt_config_list_item(const struct pt_config *config, enum pt_config_key key,
                                size_t index);

/* The reference page, Markdown, generated from the table. */
void pt_config_reference(struct pt_buf *out);

#endif
