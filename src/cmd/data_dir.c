/*
 * data_dir.c - where things stand in a data directory
 */
#include "cmd/data_dir.h"

#include "base/host.h"
#include "base/mem.h"

enum pt_code pt_data_dir_init(struct pt_data_dir *dir, const char *root, struct pt_error *err)
{
    dir->root = pt_strdup(root);
    dir->log = pt_strf("%s/log", root);
    dir->dlq = pt_strf("%s/dlq", root);
    dir->state = pt_strf("%s/state", root);
    dir->lake = pt_strf("%s/lake/events", root);
    dir->keys = pt_strf("%s/keys", root);
    dir->lock = pt_strf("%s/playtrace.lock", root);
    dir->flags = pt_strf("%s/flags.json", root);
    dir->registry = pt_strf("%s/registry", root);
    if (!dir->root || !dir->log || !dir->dlq || !dir->state || !dir->lake || !dir->keys ||
        !dir->lock || !dir->flags || !dir->registry) {
        pt_data_dir_release(dir);
        return pt_fail(err, PT_NO_MEMORY, "open the data directory %s", root);
    }
    return PT_OK;
}

enum pt_code pt_data_dir_check(const struct pt_data_dir *dir, struct pt_error *err)
{
    struct pt_host_file look;

    if (pt_host_look(dir->root, &look, NULL) || !look.is_dir) {
        return pt_fail(err, PT_NOT_FOUND, "%s is no data directory", dir->root);
    }
    if (pt_host_look(dir->log, &look, NULL) && pt_host_look(dir->lake, &look, NULL)) {
        return pt_fail(err, PT_NOT_FOUND,
                       "%s holds neither a log nor a table: is it the data directory of a server?",
                       dir->root);
    }
    return PT_OK;
}

void pt_data_dir_release(struct pt_data_dir *dir)
{
    pt_free(dir->root);
    pt_free(dir->log);
    pt_free(dir->dlq);
    pt_free(dir->state);
    pt_free(dir->lake);
    pt_free(dir->keys);
    pt_free(dir->lock);
    pt_free(dir->flags);
    pt_free(dir->registry);
    *dir = (struct pt_data_dir){0};
}
