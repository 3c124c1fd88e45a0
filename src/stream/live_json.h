/*
 * live_json.h - what the live routes write
 */
#ifndef PT_STREAM_LIVE_JSON_H
#define PT_STREAM_LIVE_JSON_H

#include "stream/account.h"
#include "wire/rfc3339.h"

/* What live windows are counted by. */
enum pt_live_dimension {
    PT_LIVE_EVENT_NAME = 1 << 0,
    PT_LIVE_PLATFORM = 1 << 1,
    PT_LIVE_BUILD = 1 << 2,
    PT_LIVE_VARIANT = 1 << 3,
};

struct pt_live_question {
    uint32_t minutes;
    uint32_t limit; /* entries of a list */
    unsigned by;    /* of enum pt_live_dimension; 0: each by itself */
};

/* The dimension of that name, 0 where there is none. */
unsigned pt_live_dimension(struct pt_span name);

/* The answer of GET /api/v1/live. Under the account's lock. False: no memory. */
bool pt_live_put(struct pt_jsonw *w, const struct pt_account *account,
                 const struct pt_live_question *question);

/* ---- members ---- */

static inline void pt_live_put_time(struct pt_jsonw *w, const char *key, int64_t time_us)
{
    char text[PT_RFC3339_TEXT_BYTES + 1];

    pt_jsonw_key(w, key);
    if (time_us == PT_NO_EVENT_TIME) {
        pt_jsonw_null(w);
    } else {
        pt_rfc3339_format(time_us, text);
        pt_jsonw_str(w, text);
    }
}

static inline void pt_live_put_text(struct pt_jsonw *w, const char *key, struct pt_text text)
{
    pt_jsonw_key(w, key);
    if (text.size) {
        pt_jsonw_string(w, pt_span_of(text.data, text.size));
    } else {
        pt_jsonw_null(w);
    }
}

static inline void pt_live_put_platform(struct pt_jsonw *w, enum pt_platform platform)
{
    const char *name = pt_platform_name(platform);

    pt_jsonw_key(w, "platform");
    if (name) {
        pt_jsonw_str(w, name);
    } else {
        pt_jsonw_null(w);
    }
}

#endif
