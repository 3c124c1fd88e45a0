/*
 * journal_event.c - a start as an event of the log
 */
#include "experiment/journal.h"

#include "wire/rfc3339.h"

#define UUID_VERSION_8 0x80

void pt_started_event_id(const char *name, const char *plan_hash, char out[PT_UUID_TEXT_BYTES + 1])
{
    uint8_t digest[PT_SHA256_BYTES] = {0};
    char *text = pt_strf("experiment_started\n%s\n%s", name, plan_hash);

    if (text) {
        pt_sha256(pt_span_str(text), digest);
    }
    digest[6] = (uint8_t)(UUID_VERSION_8 | (digest[6] & 0x0f));
    digest[8] = (uint8_t)(0x80 | (digest[8] & 0x3f));
    pt_uuid_format(digest, out);
    pt_free(text);
}

static void key_str(struct pt_jsonw *w, const char *key, const char *text)
{
    pt_jsonw_key(w, key);
    pt_jsonw_str(w, text);
}

void pt_started_event_write(const char *name, const char *plan_hash, int64_t at_us,
                            struct pt_jsonw *w)
{
    char id[PT_UUID_TEXT_BYTES + 1];
    char at[PT_RFC3339_TEXT_BYTES + 1];

    pt_started_event_id(name, plan_hash, id);
    pt_rfc3339_format(at_us, at);
    pt_jsonw_object(w);
    key_str(w, "event_id", id);
    key_str(w, "event_name", "experiment_started");
    key_str(w, "occurred_at", at);
    key_str(w, "user_id", "playtrace experiment start");
    key_str(w, "session_id", "playtrace experiment start");
    pt_jsonw_key(w, "attributes");
    pt_jsonw_object(w);
    key_str(w, "experiment", name);
    key_str(w, "plan_sha256", plan_hash);
    pt_jsonw_object_end(w);
    pt_jsonw_object_end(w);
}
