/*
 * replay.c - runs a fuzz target over kept inputs, without libFuzzer
 *
 * usage: fuzz_X FILE|DIR… ; each input stands in heap memory of exactly its size, so that
 * a sanitizer sees a read past it. No input at all is a failure: a corpus that is gone proves
 * nothing.
 */
#include "base/io.h"
#include "base/mem.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replayed;

static void replay(void *ctx, const char *name, bool is_dir)
{
    char *path = pt_strf("%s/%s", (const char *)ctx, name);
    uint8_t *data = NULL;
    size_t size = 0;

    if (is_dir || !path) {
        pt_free(path);
        return;
    }
    if (pt_io_read_all(pt_io_posix(), path, 1u << 24, 1, &data, &size, NULL) == PT_OK) {
        uint8_t *exact = pt_alloc(size);

        if (exact) {
            memcpy(exact, data, size);
            LLVMFuzzerTestOneInput(exact, size);
            replayed++;
        }
        pt_free(exact);
    }
    pt_free(data);
    pt_free(path);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (pt_io_list(pt_io_posix(), argv[i], replay, argv[i], NULL)) {
            char dir[] = ".";

            replay(dir, argv[i], false);
        }
    }
    printf("%u inputs replayed\n", replayed);
    return replayed ? 0 : 1;
}
