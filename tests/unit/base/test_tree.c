/*
 * test_tree.c - directories made for good, files copied, trees walked and removed
 *
 * Method: directories made on a simulated disk that fails its Nth call and then loses power. Small
 * trees in a fresh directory; links show that a copy never writes into a file that another name
 * leads to; every call of a copy and of a removal fails once.
 */
#include "base/tree.h"

#include "base/host.h"
#include "base/mem.h"
#include "check.h"
#include "fault_io.h"
#include "simdisk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct pt_error err;

static char *under(const char *dir, const char *name)
{
    char *path = pt_strf("%s/%s", dir, name);

    assert_non_null(path);
    return path;
}

static void put(const char *dir, const char *name, const void *data, size_t size)
{
    char *path = under(dir, name);

    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_of(data, size), 0, &err), err);
    pt_free(path);
}

static void a_copy_is_the_same_and_a_file_of_its_own(void **state)
{
    char *dir = pt_test_dir_create();
    char *from = under(dir, "from");
    char *to = under(dir, "to");
    char *other = under(dir, "other");
    size_t size = (3u << 20) + 17;
    uint8_t *data = pt_alloc_zero(size);
    uint64_t sums[3];
    uint64_t bytes = 0;

    (void)state;
    assert_non_null(data);
    data[0] = 1; /* then a hole of some megabytes, also at the end */
    data[2u << 20] = 2;
    put(dir, "from", data, size);
    put(dir, "other", "keep", 4);
    PT_CHECK_OK(pt_io_link(pt_io_posix(), other, to, &err), err);
    PT_CHECK_OK(pt_file_sum(pt_io_posix(), other, &bytes, &sums[2], &err), err);
    PT_CHECK_OK(pt_file_copy(pt_io_posix(), from, to, PT_OPEN_PRIVATE, &err), err);
    PT_CHECK_OK(pt_file_sum(pt_io_posix(), from, &bytes, &sums[0], &err), err);
    PT_CHECK(bytes == size);
    PT_CHECK_OK(pt_file_sum(pt_io_posix(), to, &bytes, &sums[1], &err), err);
    PT_CHECK(bytes == size && sums[0] == sums[1]);
    PT_CHECK_OK(pt_file_sum(pt_io_posix(), other, &bytes, &sums[1], &err), err);
    PT_CHECK(bytes == 4 && sums[1] == sums[2]);
    pt_free(data);
    pt_free(from);
    pt_free(to);
    pt_free(other);
    pt_test_dir_remove(dir);
}

struct seen {
    char text[256];
};

static enum pt_code note(void *ctx, const struct pt_tree_entry *entry, struct pt_error *e)
{
    struct seen *seen = ctx;

    (void)e;
    snprintf(seen->text + strlen(seen->text), sizeof(seen->text) - strlen(seen->text), "%s%s ",
             entry->path, entry->is_dir ? "/" : "");
    return PT_OK;
}

static void make_tree(const char *root)
{
    char *deep = under(root, "b/c");

    PT_CHECK_OK(pt_io_mkdir(pt_io_posix(), deep, &err), err);
    put(root, "a", "1", 1);
    put(root, "b/d", "2", 1);
    put(root, "b/c/e", "3", 1);
    put(root, ".mark", "4", 1);
    pt_free(deep);
}

static void a_tree_is_walked_in_order_and_removed(void **state)
{
    char *dir = pt_test_dir_create();
    char *root = under(dir, "root");
    struct seen seen = {0};
    struct pt_host_file look;

    (void)state;
    make_tree(root);
    PT_CHECK_OK(pt_tree_walk(pt_io_posix(), root, note, &seen, &err), err);
    assert_string_equal(seen.text, ".mark a b/ b/c/ b/c/e b/d ");
    PT_CHECK_OK(pt_tree_sync(pt_io_posix(), root, &err), err);
    PT_CHECK_OK(pt_tree_remove(pt_io_posix(), root, &err), err);
    PT_CHECK(pt_host_look(root, &look, NULL) == PT_NOT_FOUND);
    PT_CHECK_OK(pt_tree_remove(pt_io_posix(), root, &err), err);
    PT_CHECK(pt_tree_walk(pt_io_posix(), root, note, &seen, &err) == PT_NOT_FOUND);
    pt_free(root);
    pt_test_dir_remove(dir);
}

/* What starts with a dot is there as long as anything else is. */
static void a_removal_that_fails_leaves_the_mark(void **state)
{
    bool fired = true;

    (void)state;
    for (unsigned call = 1; fired; call++) {
        char *dir = pt_test_dir_create();
        char *root = under(dir, "root");
        char *mark = under(root, ".mark");
        struct seen seen = {0};
        struct pt_host_file look;
        enum pt_code code = PT_OK;

        make_tree(root);
        code = pt_tree_remove(pt_fault_io(call), root, &err);
        fired = pt_fault_io_fired();
        PT_CHECK(fired == (code == PT_IO));
        if (code && pt_tree_walk(pt_io_posix(), root, note, &seen, NULL) == PT_OK && seen.text[0]) {
            PT_CHECK_OK(pt_host_look(mark, &look, &err), err);
        }
        pt_free(mark);
        pt_free(root);
        pt_test_dir_remove(dir);
    }
    (void)pt_fault_io(0);
}

static void no_entry(void *ctx, const char *name, bool is_dir)
{
    (void)ctx;
    (void)name;
    (void)is_dir;
}

static bool is_there(struct pt_io *io, const char *path)
{
    return pt_io_list(io, path, no_entry, NULL, NULL) == PT_OK;
}

static void what_is_said_to_be_made_outlives_a_power_failure(void **state)
{
    static const char *const paths[] = {"/srv/game/data", "/srv/game//data/", "/new", "data",
                                        "/srv"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        bool has_fired = true;
        unsigned made = 0;

        for (unsigned call = 1; has_fired; call++) {
            struct pt_simdisk *disk = pt_simdisk_create();
            struct pt_io *io = pt_simdisk_io(disk);
            bool is_unsure = true;
            enum pt_code code = PT_OK;

            PT_CHECK_OK(pt_io_mkdir(io, "/srv", &err), err);
            PT_CHECK_OK(pt_io_sync_parent(io, "/srv", &err), err);
            pt_simdisk_fail_call(disk, call, PT_IO, false);
            code = pt_tree_make(io, paths[i], &is_unsure, &err);
            has_fired = pt_simdisk_fault_fired(disk);
            PT_CHECK(code == PT_OK || (code == PT_IO && has_fired));
            PT_CHECK(!is_unsure);
            pt_simdisk_fail_call(disk, 0, PT_OK, false);
            pt_simdisk_crash(disk, PT_SIMDISK_LOSE_ALL, 1);
            made += code == PT_OK;
            PT_CHECK(code != PT_OK || is_there(io, paths[i]));
            pt_simdisk_destroy(disk);
        }
        PT_CHECK(made > 0);
    }
}

/* One that made it was killed before its sync: the name can be seen, and may yet be lost. */
static void a_directory_that_is_there_is_made_to_last(void **state)
{
    struct pt_simdisk *disk = pt_simdisk_create();
    struct pt_io *io = pt_simdisk_io(disk);
    bool is_unsure = true;

    (void)state;
    PT_CHECK_OK(pt_io_mkdir(io, "/srv", &err), err);
    PT_CHECK_OK(pt_tree_make(io, "/srv/data", &is_unsure, &err), err);
    PT_CHECK_OK(pt_tree_make(io, "/srv/data", &is_unsure, &err), err);
    PT_CHECK(!is_unsure);
    pt_simdisk_crash(disk, PT_SIMDISK_LOSE_ALL, 1);
    PT_CHECK(is_there(io, "/srv/data"));
    pt_simdisk_destroy(disk);
}

/* Mode 0333: names may be made in it, and nobody may open it to sync them. */
static void a_parent_that_cannot_be_read_is_told_and_no_failure(void **state)
{
    char *dir = pt_test_dir_create();
    char *parent = under(dir, "closed");
    char *path = under(parent, "game/data");
    uid_t user = geteuid();
    bool is_unsure = false;
    enum pt_code code = PT_OK;

    (void)state;
    PT_CHECK(chmod(dir, 0755) == 0 && mkdir(parent, 0777) == 0 && chmod(parent, 0333) == 0);
    /* Root may read everything, so let it be somebody else for a moment. */
    PT_CHECK(user != 0 || seteuid(65534) == 0);
    code = pt_tree_make(pt_io_posix(), path, &is_unsure, &err);
    PT_CHECK(user != 0 || seteuid(0) == 0);
    PT_CHECK_OK(code, err);
    PT_CHECK(is_unsure);
    PT_CHECK(strstr(err.text, "closed/game") && strstr(err.text, "Permission denied"));
    PT_CHECK(is_there(pt_io_posix(), path));
    /* It is there now: nothing to warn of at each start. */
    PT_CHECK_OK(pt_tree_make(pt_io_posix(), path, &is_unsure, &err), err);
    PT_CHECK(!is_unsure);
    PT_CHECK(chmod(parent, 0755) == 0);
    pt_free(path);
    pt_free(parent);
    pt_test_dir_remove(dir);
}

static void a_file_in_the_way_is_a_failure(void **state)
{
    char *dir = pt_test_dir_create();
    char *path = under(dir, "file");
    char *below = under(dir, "file/data");
    bool is_unsure = true;

    (void)state;
    put(dir, "file", "x", 1);
    PT_CHECK(pt_tree_make(pt_io_posix(), path, &is_unsure, &err) == PT_IO && !is_unsure);
    PT_CHECK(pt_tree_make(pt_io_posix(), below, &is_unsure, &err) == PT_IO && !is_unsure);
    pt_free(below);
    pt_free(path);
    pt_test_dir_remove(dir);
}

static void a_path_is_made_absolute(void **state)
{
    char *dir = pt_test_dir_create();
    char *real = pt_host_real_path(dir, &err);
    char *absent = under(dir, "./absent//");
    char *expected = under(real, "absent");
    char *nowhere = under(dir, "no/where");
    char *found = NULL;

    (void)state;
    found = pt_host_real_path(absent, &err);
    assert_non_null(found);
    assert_string_equal(found, expected);
    PT_CHECK(pt_host_real_path(nowhere, &err) == NULL);
    PT_CHECK(err.text[0]);
    pt_free(found);
    pt_free(nowhere);
    pt_free(expected);
    pt_free(absent);
    pt_free(real);
    pt_test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_to_be_made_outlives_a_power_failure),
        cmocka_unit_test(a_directory_that_is_there_is_made_to_last),
        cmocka_unit_test(a_parent_that_cannot_be_read_is_told_and_no_failure),
        cmocka_unit_test(a_file_in_the_way_is_a_failure),
        cmocka_unit_test(a_copy_is_the_same_and_a_file_of_its_own),
        cmocka_unit_test(a_tree_is_walked_in_order_and_removed),
        cmocka_unit_test(a_removal_that_fails_leaves_the_mark),
        cmocka_unit_test(a_path_is_made_absolute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
