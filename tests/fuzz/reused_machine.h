/*
 * reused_machine.h - one machine in memory for all inputs of a fuzz target that opens a client
 */
#ifndef PT_FUZZ_REUSED_MACHINE_H
#define PT_FUZZ_REUSED_MACHINE_H

#include "machine.h"

#include "base/mem.h"

#include <string.h>

/* One client at a time, and it takes one block: a new one for each input took most of the time. */
static inline void *reused_alloc(void *ctx, size_t bytes)
{
    static _Alignas(64) char block[8 << 20];

    (void)ctx;
    pt_assert(bytes <= sizeof(block));
    return block;
}

static inline void reused_release(void *ctx, void *memory)
{
    (void)ctx;
    (void)memory;
}

/* A machine that sends by `post`; its cryptography is the default platform's. */
static inline struct machine *
reused_machine_create(void (*post)(void *http, const struct playtrace_http_request *request,
                                   struct playtrace_http_response *response))
{
    struct machine *machine = machine_create();
    struct playtrace_platform posix;

    playtrace_platform_posix_init(&posix);
    machine->platform.http_post = post;
    machine->platform.alloc = reused_alloc;
    machine->platform.release = reused_release;
    machine->platform.crypto_ctx = posix.crypto_ctx;
    machine->platform.hmac_sha256 = posix.hmac_sha256;
    machine->platform.seal = posix.seal;
    machine->platform.unseal = posix.unseal;
    return machine;
}

/* For the next input. */
static inline void reused_machine_clear(struct machine *machine)
{
    const struct playtrace_platform *platform = &machine->platform;

    for (size_t i = 0; i < MACHINE_FILES_MAX; i++) {
        if (machine->files[i].path[0]) {
            char path[MACHINE_PATH_BYTES];

            memcpy(path, machine->files[i].path, sizeof(path));
            pt_assert(platform->file_remove(platform->file_ctx, path) == 0);
        }
    }
}

#endif
