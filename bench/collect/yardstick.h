/*
 * yardstick.h - simdjson's own parse, and nothing around it
 */
#ifndef PT_BENCH_YARDSTICK_H
#define PT_BENCH_YARDSTICK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_dom;

struct bench_dom *bench_dom_create(void); /* NULL without memory */
void bench_dom_destroy(struct bench_dom *dom);
/* DOM parse of a body that simdjson's padding follows; false: it is no JSON. */
int bench_dom_parse(struct bench_dom *dom, const uint8_t *json, size_t bytes);
/* The implementation that simdjson picked for this processor. */
const char *bench_dom_name(void);

#ifdef __cplusplus
}
#endif
#endif
