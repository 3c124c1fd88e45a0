/*
 * test_dir.c - a directory for one test
 */
#include "check.h"

#include "base/mem.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char *pt_test_dir_create(void)
{
    const char *base = getenv("TMPDIR");
    char *dir = pt_strf("%s/playtrace-test-XXXXXX", base && *base ? base : "/tmp");

    assert_non_null(dir);
    assert_non_null(mkdtemp(dir));
    return dir;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
    (void)status;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void pt_test_dir_remove(char *dir)
{
    if (dir) {
        assert_int_equal(nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
        pt_free(dir);
    }
}
