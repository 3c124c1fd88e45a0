/*
 * sources.c - event time, a source of records at a time
 */
#include "stream/sources.h"

#include <string.h>

#define IDLE_US (2 * PT_MINUTE_US)
#define CLOCK_BACK_US (60 * PT_MINUTE_US)

void pt_sources_init(struct pt_sources *sources, int64_t delay_us)
{
    *sources = (struct pt_sources){.delay_us = delay_us};
}

struct pt_source *pt_sources_get(struct pt_sources *sources, const char *name)
{
    struct pt_source *source = NULL;

    pt_assert(strlen(name) <= PT_SOURCE_NAME_BYTES_MAX);
    for (uint32_t i = 0; i < sources->count; i++) {
        if (strcmp(sources->items[i].name, name) == 0) {
            return &sources->items[i];
        }
    }
    if (sources->count == PT_SOURCES_MAX) {
        return NULL;
    }
    source = &sources->items[sources->count++];
    memcpy(source->name, name, strlen(name) + 1);
    source->max_event_time_us = PT_NO_EVENT_TIME;
    source->received_us = PT_NO_EVENT_TIME;
    return source;
}

bool pt_sources_batch(struct pt_sources *sources, struct pt_source *source, int64_t appended_us)
{
    bool is_back = source->max_event_time_us != PT_NO_EVENT_TIME &&
                   source->max_event_time_us > appended_us &&
                   source->max_event_time_us - appended_us > CLOCK_BACK_US;

    if (is_back) {
        source->max_event_time_us = appended_us;
        sources->resets++;
    }
    if (is_back || appended_us > source->received_us) {
        source->received_us = appended_us;
    }
    return is_back;
}

bool pt_sources_is_idle(const struct pt_sources *sources, const struct pt_source *source)
{
    for (uint32_t i = 0; i < sources->count; i++) {
        /* Receipts are of one era, so that the difference is no overflow. */
        if (sources->items[i].received_us > source->received_us &&
            (source->received_us == PT_NO_EVENT_TIME ||
             sources->items[i].received_us - source->received_us > IDLE_US)) {
            return true;
        }
    }
    return source->max_event_time_us == PT_NO_EVENT_TIME;
}

int64_t pt_sources_watermark(const struct pt_sources *sources)
{
    int64_t least = INT64_MAX;

    for (uint32_t i = 0; i < sources->count; i++) {
        const struct pt_source *source = &sources->items[i];

        if (source->max_event_time_us < least && !pt_sources_is_idle(sources, source)) {
            least = source->max_event_time_us;
        }
    }
    return least == INT64_MAX ? PT_NO_EVENT_TIME : least - sources->delay_us;
}

int64_t pt_sources_newest(const struct pt_sources *sources)
{
    int64_t newest = PT_NO_EVENT_TIME;

    for (uint32_t i = 0; i < sources->count; i++) {
        if (sources->items[i].max_event_time_us > newest) {
            newest = sources->items[i].max_event_time_us;
        }
    }
    return newest;
}

void pt_sources_describe(const struct pt_sources *sources, struct pt_jsonw *w)
{
    pt_jsonw_array(w);
    for (uint32_t i = 0; i < sources->count; i++) {
        pt_jsonw_object(w);
        pt_jsonw_key(w, "source");
        pt_jsonw_str(w, sources->items[i].name);
        pt_jsonw_key(w, "max_event_time_us");
        pt_jsonw_int(w, sources->items[i].max_event_time_us);
        pt_jsonw_key(w, "received_us");
        pt_jsonw_int(w, sources->items[i].received_us);
        pt_jsonw_object_end(w);
    }
    pt_jsonw_array_end(w);
}

bool pt_sources_load(struct pt_sources *sources, struct pt_json array)
{
    struct pt_json_iter it;

    if (!pt_json_exists(array) || pt_json_type(array) != PT_JSON_ARRAY) {
        return false;
    }
    it = pt_json_iterate(array);
    while (pt_json_next(&it)) {
        char name[PT_SOURCE_NAME_BYTES_MAX + 1];
        struct pt_span text;
        struct pt_source *source = NULL;

        if (pt_json_type(it.value) != PT_JSON_OBJECT ||
            !pt_json_member_string(it.value, "source", &text) ||
            text.size > PT_SOURCE_NAME_BYTES_MAX) {
            return false;
        }
        memcpy(name, text.data, text.size);
        name[text.size] = '\0';
        source = pt_sources_get(sources, name);
        if (!source ||
            !pt_json_member_int(it.value, "max_event_time_us", &source->max_event_time_us) ||
            !pt_json_member_int(it.value, "received_us", &source->received_us)) {
            return false;
        }
    }
    return true;
}
