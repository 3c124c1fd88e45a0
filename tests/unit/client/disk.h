/*
 * disk.h - what a queue directory holds, as bytes
 */
#ifndef PT_TEST_CLIENT_DISK_H
#define PT_TEST_CLIENT_DISK_H

#include "check.h"

#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Does any file in `dir` hold `text`? And how many bytes are in files other than `state`? */
static inline bool disk_holds(const char *dir, const char *text, size_t *other_bytes_out)
{
    DIR *list = opendir(dir);
    const struct dirent *entry = NULL;
    bool is_found = false;

    *other_bytes_out = 0;
    PT_CHECK(list != NULL);
    while ((entry = readdir(list)) != NULL) {
        char *path = pt_strf("%s/%s", dir, entry->d_name);
        struct stat info;

        if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
            size_t bytes = (size_t)info.st_size;
            char *content = pt_alloc(bytes);
            FILE *file = fopen(path, "rb");

            PT_CHECK(file && fread(content, 1, bytes, file) == bytes && fclose(file) == 0);
            is_found = is_found || memmem(content, bytes, text, strlen(text)) != NULL;
            if (strcmp(entry->d_name, "state") != 0) {
                *other_bytes_out += bytes;
            }
            pt_free(content);
        }
        pt_free(path);
    }
    (void)closedir(list);
    return is_found;
}

#endif
