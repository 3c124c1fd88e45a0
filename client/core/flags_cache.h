/*
 * flags_cache.h - the last answer about flags, on disk, for the next start
 *
 * Only client/core includes this. Bytes: docs/formats/queue.md. A file that is damaged, torn, of
 * another version or of another binding is no cache; nothing else happens.
 */
#ifndef PT_CLIENT_FLAGS_CACHE_H
#define PT_CLIENT_FLAGS_CACHE_H

#include "core/seal.h"
#include "playtrace.h"

#include "wire/frame.h"

#define PT_CLIENT_ETAG_BYTES 128u /* with the NUL */
#define PT_CLIENT_FLAGS_CACHE_FIXED_BYTES 20u
/* What stands around the answer in a file, sealed or not. */
#define PT_CLIENT_FLAGS_CACHE_HEAD_BYTES_MAX                                                       \
    (PT_FRAME_HEADER_BYTES + PT_CLIENT_SEAL_BYTES + PT_CLIENT_FLAGS_CACHE_FIXED_BYTES +            \
     PT_CLIENT_ETAG_BYTES)

/* Whose answer it is: a hash of the server's address, the targetingKey and the context. */
struct pt_client_flags_binding {
    uint64_t hash[2];
};

struct pt_client_flags_cache {
    const struct playtrace_platform *platform; /* borrowed */
    const char *dir;                           /* borrowed */
    struct pt_client_sealer *sealer;           /* borrowed */
};

/* What a file holds; `text` points into it. */
struct pt_client_flags_cached {
    struct pt_client_flags_binding binding;
    char etag[PT_CLIENT_ETAG_BYTES];
    char *text;
    size_t text_bytes;
};

void pt_client_flags_bind(const char *url, const char *context, size_t context_bytes,
                          struct pt_client_flags_binding *out);

/* Is `file` one whole cache file? With a key it must be sealed, and is unsealed in place. */
bool pt_client_flags_cache_read(struct pt_client_sealer *sealer, uint8_t *file, size_t bytes,
                                struct pt_client_flags_cached *out);

enum pt_client_flags_found {
    PT_CLIENT_FLAGS_FOUND,
    PT_CLIENT_FLAGS_ABSENT,
    PT_CLIENT_FLAGS_DAMAGED,
};

/* Read the file into `room`, into which `out` points. */
enum pt_client_flags_found pt_client_flags_cache_load(const struct pt_client_flags_cache *cache,
                                                      void *room, size_t room_bytes,
                                                      struct pt_client_flags_cached *out);

/*
 * Replace the file by one that holds `text`, before which PT_CLIENT_FLAGS_CACHE_HEAD_BYTES_MAX
 * bytes may be written; `scratch` has room for them and `text`. False: a file operation failed;
 * the file is the old or the new one.
 */
bool pt_client_flags_cache_save(const struct pt_client_flags_cache *cache,
                                const struct pt_client_flags_binding *binding, const char *etag,
                                char *text, size_t bytes, void *scratch);

/* Remove the file. False: a file operation failed. */
bool pt_client_flags_cache_remove(const struct pt_client_flags_cache *cache);

#endif
