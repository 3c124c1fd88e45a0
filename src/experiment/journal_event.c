/*
 * journal_event.c - a start as an event of the log
 */
#include "experiment/journal.h"

#include "experiment/members.h"

#include <stdio.h>

#define UUID_VERSION_8 0x80

void pt_started_event_id(const char *name, const char *plan_hash, char out[PT_UUID_TEXT_BYTES + 1])
{
    uint8_t digest[PT_SHA256_BYTES];
    char text[sizeof("experiment_started\n\n") + PT_PLAN_NAME_BYTES + 2 * PT_SHA256_BYTES];

    snprintf(text, sizeof(text), "experiment_started\n%s\n%s", name, plan_hash);
    pt_sha256(pt_span_str(text), digest);
    digest[6] = (uint8_t)(UUID_VERSION_8 | (digest[6] & 0x0f));
    digest[8] = (uint8_t)(0x80 | (digest[8] & 0x3f));
    pt_uuid_format(digest, out);
}

void pt_started_event_write(const char *name, const char *plan_hash, int64_t at_us,
                            struct pt_jsonw *w)
{
    char id[PT_UUID_TEXT_BYTES + 1];

    pt_started_event_id(name, plan_hash, id);
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "event_id", id);
    pt_jsonw_member_str(w, "event_name", "experiment_started");
    pt_member_time(w, "occurred_at", at_us);
    pt_jsonw_member_str(w, "user_id", "playtrace experiment start");
    pt_jsonw_member_str(w, "session_id", "playtrace experiment start");
    pt_jsonw_key(w, "attributes");
    pt_jsonw_object(w);
    pt_jsonw_member_str(w, "experiment", name);
    pt_jsonw_member_str(w, "plan_sha256", plan_hash);
    pt_jsonw_object_end(w);
    pt_jsonw_object_end(w);
}
