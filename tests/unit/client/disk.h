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

/* The whole file `name` in `dir`; NULL: no such regular file. Pair with pt_free(). */
static inline char *disk_read(const char *dir, const char *name, size_t *bytes_out)
{
    char *path = pt_strf("%s/%s", dir, name);
    char *content = NULL;
    struct stat info;

    if (stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        FILE *file = fopen(path, "rb");

        *bytes_out = (size_t)info.st_size;
        content = pt_alloc(*bytes_out + 1);
        PT_CHECK(file && fread(content, 1, *bytes_out, file) == *bytes_out && fclose(file) == 0);
    }
    pt_free(path);
    return content;
}

/* Flip one bit of the byte at `at`; false: the file has no such byte. */
static inline bool disk_flip(const char *path, long at)
{
    FILE *file = fopen(path, "r+b");
    int byte = 0;

    PT_CHECK(file && fseek(file, at, SEEK_SET) == 0);
    byte = fgetc(file);
    if (byte != EOF) {
        PT_CHECK(fseek(file, at, SEEK_SET) == 0 && fputc(byte ^ 0x20, file) != EOF);
    }
    PT_CHECK(fclose(file) == 0);
    return byte != EOF;
}

/* Does any file in `dir` hold `text`? And how many bytes are in files other than `state`? */
static inline bool disk_holds(const char *dir, const char *text, size_t *other_bytes_out)
{
    DIR *list = opendir(dir);
    const struct dirent *entry = NULL;
    bool is_found = false;

    *other_bytes_out = 0;
    PT_CHECK(list != NULL);
    while ((entry = readdir(list)) != NULL) {
        size_t bytes = 0;
        char *content = disk_read(dir, entry->d_name, &bytes);

        if (content) {
            is_found = is_found || memmem(content, bytes, text, strlen(text)) != NULL;
            if (strcmp(entry->d_name, "state") != 0) {
                *other_bytes_out += bytes;
            }
            pt_free(content);
        }
    }
    (void)closedir(list);
    return is_found;
}

#endif
