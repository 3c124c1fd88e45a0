/*
 * dlq_schemas.c - the schemas of a data directory, without touching it
 *
 * Opening a registry mends it: a torn end is cut. Beside a server that would cut what is being
 * written, so a copy is opened.
 */
#include "cmd/dlq.h"

#include "schema/registry.h"

#include <stdlib.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)1 << 30)

/* The copy is read when the registry is opened, and may go then. */
static enum pt_code open_copy(struct pt_registry **registry_out, struct pt_span content,
                              struct pt_error *err)
{
    char dir[] = "/tmp/playtrace-schemas-XXXXXX";
    char *path = NULL;
    enum pt_code code = PT_OK;

    if (!mkdtemp(dir)) {
        return pt_fail(err, PT_IO, "make a temporary directory under /tmp");
    }
    path = pt_strf("%s/schemas.log", dir);
    code = path ? pt_io_replace(pt_io_posix(), path, content, PT_OPEN_PRIVATE, err)
                : pt_fail(err, PT_NO_MEMORY, "copy the schemas");
    if (!code) {
        code = pt_registry_open(registry_out, pt_io_posix(), dir, err);
    }
    if (path) {
        unlink(path);
    }
    rmdir(dir);
    pt_free(path);
    return code;
}

enum pt_code pt_dlq_schemas_open(struct pt_registry **registry_out, const char *registry_dir,
                                 struct pt_error *err)
{
    char *path = pt_strf("%s/schemas.log", registry_dir);
    uint8_t *content = NULL;
    size_t size = 0;
    enum pt_code code = PT_OK;

    *registry_out = NULL;
    if (!path) {
        return pt_fail(err, PT_NO_MEMORY, "copy the schemas");
    }
    code = pt_io_read_all(pt_io_posix(), path, FILE_BYTES_MAX, 1, &content, &size, err);
    pt_free(path);
    if (code) {
        return code == PT_NOT_FOUND ? PT_OK : code;
    }
    code = open_copy(registry_out, pt_span_of(content, size), err);
    pt_free(content);
    return code ? pt_error_prefix(err, code, "the schemas in %s", registry_dir) : PT_OK;
}
