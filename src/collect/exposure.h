/*
 * exposure.h - exposures of our own: what collect.c and the tests see of exposure.c
 */
#ifndef PT_COLLECT_EXPOSURE_H
#define PT_COLLECT_EXPOSURE_H

#include "collect/collect.h"

/* As pt_exposures_open(), with the collector's parts. */
enum pt_code pt_exposures_start(struct pt_exposures **exposures_out,
                                const struct pt_collect_parts *parts, struct pt_collect *collect,
                                struct pt_error *err) PT_MUST_USE;

/* The event's id. False without memory, or where the exposure is larger than any event of ours. */
bool pt_exposure_id(const struct pt_pseudonyms *pseudonyms, const struct pt_exposure *exposure,
                    uint8_t id_out[PT_UUID_BYTES]);

#endif
