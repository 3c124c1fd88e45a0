/*
 * expose.h - which evaluations are exposures
 *
 * Private to src/flag. One thread an exposer.
 */
#ifndef PT_FLAG_EXPOSE_H
#define PT_FLAG_EXPOSE_H

#include "flag/flag.h"

struct pt_flag_exposer;

/* NULL without memory. `ctx` is borrowed. */
struct pt_flag_exposer *
pt_flag_exposer_create(void (*take)(void *ctx, const struct pt_flag_exposure *exposure),
                       void *ctx) PT_MUST_USE;
void pt_flag_exposer_destroy(struct pt_flag_exposer *exposer); /* NULL is fine */

/* Tell of the evaluation if it is an exposure. `exposer` NULL: of none. */
void pt_flag_exposer_see(struct pt_flag_exposer *exposer, struct pt_span key,
                         struct pt_json context, const struct pt_flag_evaluation *evaluation);

#endif
