/*
 * rate.c - token buckets for many senders
 */
#include "collect/rate.h"

#include "base/crypto.h"
#include "base/mem.h"
#include "base/rng.h"

#include <pthread.h>

#define SHARDS 64u
#define SETS 256u /* a shard */
#define WAYS 4u

struct bucket {
    uint64_t hash; /* 0: unused */
    int64_t at_us; /* when `tokens` was right */
    double tokens; /* may be a debt */
};

struct shard {
    pthread_mutex_t lock; /* over the buckets */
    struct bucket buckets[SETS][WAYS];
};

struct pt_rate {
    uint32_t per_second;
    uint32_t burst;
    uint64_t seed; /* so that nobody can aim senders at one set */
    struct shard shards[SHARDS];
};

struct pt_rate *pt_rate_create(uint32_t per_second, uint32_t burst)
{
    struct pt_rate *rate = pt_alloc_zero(sizeof(*rate));

    if (!rate || pt_random_bytes(&rate->seed, sizeof(rate->seed), NULL)) {
        pt_free(rate);
        return NULL;
    }
    rate->per_second = per_second;
    rate->burst = burst;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&rate->shards[i].lock, NULL);
    }
    return rate;
}

void pt_rate_destroy(struct pt_rate *rate)
{
    if (rate) {
        for (size_t i = 0; i < SHARDS; i++) {
            pthread_mutex_destroy(&rate->shards[i].lock);
        }
        pt_free(rate);
    }
}

/* The sender's bucket; else the unused, else the one used longest ago, made full. */
static struct bucket *find(struct pt_rate *rate, struct bucket *set, uint64_t hash, int64_t now_us)
{
    struct bucket *oldest = &set[0];

    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].hash == hash) {
            return &set[i];
        }
        if (set[i].hash == 0 || (oldest->hash != 0 && set[i].at_us < oldest->at_us)) {
            oldest = &set[i];
        }
    }
    *oldest = (struct bucket){.hash = hash, .at_us = now_us, .tokens = rate->burst};
    return oldest;
}

bool pt_rate_take(struct pt_rate *rate, struct pt_span sender, uint32_t amount, int64_t now_us,
                  uint32_t *retry_s_out)
{
    uint64_t hash =
        pt_checksum64_pair(&rate->seed, sizeof(rate->seed), sender.data, sender.size) | 1;
    struct shard *shard = &rate->shards[(hash >> 58) % SHARDS];
    double needed = amount < rate->burst ? amount : rate->burst;
    bool is_taken = false;

    pthread_mutex_lock(&shard->lock);
    struct bucket *bucket = find(rate, shard->buckets[(hash >> 32) % SETS], hash, now_us);

    if (now_us > bucket->at_us) {
        bucket->tokens += (double)(now_us - bucket->at_us) * rate->per_second / 1e6;
        bucket->at_us = now_us;
        if (bucket->tokens > rate->burst) {
            bucket->tokens = rate->burst;
        }
    }
    if (bucket->tokens >= needed) {
        bucket->tokens -= amount;
        is_taken = true;
    } else {
        *retry_s_out = (uint32_t)((needed - bucket->tokens) / rate->per_second) + 1;
    }
    pthread_mutex_unlock(&shard->lock);
    return is_taken;
}
