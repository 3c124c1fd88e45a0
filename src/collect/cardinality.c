/*
 * cardinality.c - distinct keys an event name, distinct values a key
 *
 * One open-addressing table of atomic pointers to sketches, keyed by the hash of event name and
 * key; a sketch, once there, stays. Two names whose 64-bit hashes agree would share a sketch: at
 * the table's 16,384 keys the odds are below 1 in 10^10. Adding takes the lock; asking does not.
 */
#include "collect/cardinality.h"

#include "base/crypto.h"
#include "base/hll.h"
#include "base/json.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

#define SLOTS 32768u
#define SKETCHES_MAX (SLOTS / 2)
#define REGISTERS 1024u
#define REGISTER_BITS 10
#define NAMES 8192u /* event names whose keys are counted */
#define CHECK_EVERY 256u

struct pt_sketch {
    uint64_t hash;
    _Atomic uint32_t values; /* text values seen, duplicates included; wraps */
    _Atomic bool has_warned;
    _Atomic uint8_t registers[REGISTERS];
};

struct name {
    uint64_t hash; /* 0: empty */
    uint32_t keys;
};

struct pt_cardinality {
    uint32_t keys_max;
    uint32_t warn_values;
    struct pt_metrics *metrics; /* borrowed; may be NULL */
    _Atomic(struct pt_sketch *) slots[SLOTS];
    pthread_mutex_t lock; /* over all below, and over adding to `slots` */
    uint32_t sketch_count;
    struct name names[NAMES];
    uint32_t name_count;
};

struct pt_cardinality *pt_cardinality_create(uint32_t keys_max, uint32_t warn_values,
                                             struct pt_metrics *metrics)
{
    struct pt_cardinality *cardinality = pt_alloc_zero(sizeof(*cardinality));

    if (cardinality) {
        cardinality->keys_max = keys_max;
        cardinality->warn_values = warn_values;
        cardinality->metrics = metrics;
        pthread_mutex_init(&cardinality->lock, NULL);
    }
    return cardinality;
}

void pt_cardinality_destroy(struct pt_cardinality *cardinality)
{
    if (cardinality) {
        for (size_t i = 0; i < SLOTS; i++) {
            pt_free(atomic_load(&cardinality->slots[i]));
        }
        pthread_mutex_destroy(&cardinality->lock);
        pt_free(cardinality);
    }
}

struct pt_cardinality_name pt_cardinality_name(struct pt_span event_name)
{
    return (struct pt_cardinality_name){
        .text = event_name,
        .hash = pt_checksum64(event_name.data, event_name.size),
    };
}

static uint64_t hash_of(const struct pt_cardinality_name *name, struct pt_span key)
{
    uint64_t hash = pt_checksum64(key.data, key.size) ^ (name->hash * UINT64_C(0x9e3779b97f4a7c15));

    return hash ? hash : 1;
}

/* The sketch of `hash`, or NULL with the place where it would go. */
static struct pt_sketch *find(struct pt_cardinality *cardinality, uint64_t hash, size_t *at_out)
{
    size_t at = (size_t)(hash >> 20) & (SLOTS - 1);

    for (;;) {
        struct pt_sketch *sketch =
            atomic_load_explicit(&cardinality->slots[at], memory_order_acquire);

        if (!sketch || sketch->hash == hash) {
            *at_out = at;
            return sketch;
        }
        at = (at + 1) & (SLOTS - 1);
    }
}

/* Keys of that event name so far; NULL where the table of names is full. Under the lock. */
static struct name *find_name(struct pt_cardinality *cardinality, uint64_t name_hash)
{
    uint64_t hash = name_hash | 1;
    size_t at = (size_t)(hash >> 20) & (NAMES - 1);

    while (cardinality->names[at].hash && cardinality->names[at].hash != hash) {
        at = (at + 1) & (NAMES - 1);
    }
    if (!cardinality->names[at].hash) {
        if (cardinality->name_count == NAMES / 2) {
            return NULL;
        }
        cardinality->name_count++;
        cardinality->names[at].hash = hash;
    }
    return &cardinality->names[at];
}

struct pt_sketch *pt_cardinality_key(struct pt_cardinality *cardinality,
                                     const struct pt_cardinality_name *name, struct pt_span key)
{
    uint64_t hash = hash_of(name, key);
    size_t at = 0;
    struct name *counted = NULL;
    struct pt_sketch *sketch = find(cardinality, hash, &at);

    if (sketch) {
        return sketch;
    }
    pthread_mutex_lock(&cardinality->lock);
    sketch = find(cardinality, hash, &at);
    if (!sketch && cardinality->sketch_count < SKETCHES_MAX) {
        counted = find_name(cardinality, name->hash);
        if (counted && counted->keys < cardinality->keys_max) {
            sketch = pt_alloc_zero(sizeof(*sketch));
        }
        if (sketch) {
            sketch->hash = hash;
            counted->keys++;
            cardinality->sketch_count++;
            atomic_store_explicit(&cardinality->slots[at], sketch, memory_order_release);
        }
    }
    pthread_mutex_unlock(&cardinality->lock);
    return sketch;
}

static double estimate(struct pt_sketch *sketch)
{
    uint8_t registers[REGISTERS];

    for (size_t i = 0; i < REGISTERS; i++) {
        registers[i] = atomic_load_explicit(&sketch->registers[i], memory_order_relaxed);
    }
    return pt_hll_estimate(registers, REGISTER_BITS);
}

/* Once a key: a log line and a metric that says how many. */
static void warn(struct pt_cardinality *cardinality, struct pt_sketch *sketch,
                 struct pt_span event_name, struct pt_span key, double values)
{
    struct pt_buf fields;
    struct pt_jsonw w;

    if (atomic_exchange(&sketch->has_warned, true)) {
        return;
    }
    pt_buf_init(&fields, 4096);
    pt_jsonw_init(&w, &fields);
    pt_jsonw_key(&w, "event_name");
    pt_jsonw_string(&w, event_name);
    w.needs_comma = true;
    pt_jsonw_key(&w, "key");
    pt_jsonw_string(&w, key);
    pt_buf_append_byte(&fields, 0);
    pt_log_line(PT_LOG_WARN, "collect", fields.has_failed ? NULL : (const char *)fields.data,
                "an attribute has about %.0f different text values: it is more like an id than a "
                "category, and costs space in every file",
                values);
    pt_buf_release(&fields);
    if (cardinality->metrics) {
        pt_metric_add(pt_metrics_get(cardinality->metrics, PT_GAUGE,
                                     "playtrace_collect_wide_attributes", NULL,
                                     "attributes with more text values than "
                                     "collect.attribute_values_warn"),
                      1);
    }
}

void pt_cardinality_value(struct pt_cardinality *cardinality, struct pt_sketch *sketch,
                          const struct pt_cardinality_name *name, struct pt_span key,
                          struct pt_span value)
{
    uint64_t hash = pt_checksum64(value.data, value.size);
    uint8_t rank = 0;
    _Atomic uint8_t *place = &sketch->registers[pt_hll_place(hash, REGISTER_BITS, &rank)];

    /* A race of two writers may lose the greater rank: the estimate is off by one register. */
    if (atomic_load_explicit(place, memory_order_relaxed) < rank) {
        atomic_store_explicit(place, rank, memory_order_relaxed);
        uint32_t changes = atomic_fetch_add_explicit(&sketch->values, 1, memory_order_relaxed);

        if (changes % CHECK_EVERY == CHECK_EVERY - 1 &&
            !atomic_load_explicit(&sketch->has_warned, memory_order_relaxed)) {
            double values = estimate(sketch);

            if (values > cardinality->warn_values) {
                warn(cardinality, sketch, name->text, key, values);
            }
        }
    }
}

double pt_cardinality_estimate(struct pt_cardinality *cardinality, struct pt_span event_name,
                               struct pt_span key)
{
    struct pt_cardinality_name name = pt_cardinality_name(event_name);
    size_t at = 0;
    struct pt_sketch *sketch = find(cardinality, hash_of(&name, key), &at);

    return sketch ? estimate(sketch) : 0;
}
