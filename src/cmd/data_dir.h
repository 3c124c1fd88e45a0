/*
 * data_dir.h - where things stand in a data directory
 */
#ifndef PT_CMD_DATA_DIR_H
#define PT_CMD_DATA_DIR_H

#include "base/error.h"

/* All owned by the struct. */
struct pt_data_dir {
    char *root;
    char *log;   /* accepted events */
    char *dlq;   /* dead letters */
    char *state; /* checkpoints and id runs */
    char *lake;  /* the Iceberg table `events` */
    char *keys;
    char *lock;
    char *flags;    /* flags.json */
    char *registry; /* schemas of the events */
};

enum pt_code pt_data_dir_init(struct pt_data_dir *dir, const char *root,
                              struct pt_error *err) PT_MUST_USE;
/* PT_NOT_FOUND: there is no such directory, or it is not one of a server. */
enum pt_code pt_data_dir_check(const struct pt_data_dir *dir, struct pt_error *err) PT_MUST_USE;
void pt_data_dir_release(struct pt_data_dir *dir);

#endif
