/*
 * ofrep_events.h - tell clients at once that the flag set in force has changed
 *
 * Only src/flag includes this; flag.h is for the others. Any loop thread runs handlers while one
 * thread ticks.
 */
#ifndef PT_FLAG_OFREP_EVENTS_H
#define PT_FLAG_OFREP_EVENTS_H

#include "flag/flag.h"

struct pt_flag_events;

/* As pt_flag_api_offer_events(), which see; "off" gives NULL. Pair with pt_flag_events_close(). */
enum pt_code pt_flag_events_open(struct pt_flag_events **events_out, struct pt_http_server *server,
                                 struct pt_clock *clock, struct pt_flags *flags,
                                 struct pt_keys *keys, struct pt_metrics *metrics,
                                 const char *setting, struct pt_error *err) PT_MUST_USE;
/* After the server was closed. NULL is fine. */
void pt_flag_events_close(struct pt_flag_events *events);
/* As pt_flag_api_tick(). NULL is fine. */
void pt_flag_events_tick(struct pt_flag_events *events);

/*
 * Add "eventStreams" to the bulk answer's object: where the client of this request hears of
 * changes. `version` is the set's that was evaluated, or an older one. Nothing where `events` is
 * NULL.
 */
void pt_flag_events_offer(struct pt_flag_events *events, struct pt_http_request *request,
                          const struct pt_flags_version *version, struct pt_jsonw *w);

#endif
