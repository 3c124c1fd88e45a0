/*
 * simulate_device.c - the platform table of a bot's device
 *
 * Files are kept in memory, a short list a device, unless the simulation was given a
 * directory: then they are the client's own POSIX files. A killed device answers every call with
 * failure and changes nothing, which is what a killed process does to disk and network; its
 * locks are released, as the operating system would.
 */
#include "cmd/simulate.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_BYTES_MAX (16u << 20)

struct pt_sim_file {
    struct pt_sim_file *next;
    char *name; /* the path's last part; owned */
    struct pt_buf content;
    uint32_t open_count;
    bool is_removed; /* freed when nobody has it open */
};

/* ---- clock, randomness, memory ---- */

/* It knows the true time, which is simulated while the bot plays. */
static int64_t device_mono_us(void *ctx)
{
    struct pt_sim_device *device = ctx;

    return device->is_sending ? pt_clock_wall_us(device->worker->clock) : device->now_us;
}

static int64_t device_wall_us(void *ctx)
{
    struct pt_sim_device *device = ctx;

    return device->player->skew_us + device_mono_us(ctx);
}

static int device_random(void *ctx, void *buffer, size_t bytes)
{
    struct pt_sim_device *device = ctx;
    uint8_t *at = buffer;

    while (bytes > 0) {
        uint64_t number = pt_rng_next(&device->rng);
        size_t part = bytes < sizeof(number) ? bytes : sizeof(number);

        memcpy(at, &number, part);
        at += part;
        bytes -= part;
    }
    return 0;
}

static void device_sleep_ms(void *ctx, uint32_t ms)
{
    struct pt_sim_device *device = ctx;

    if (!device->is_offline && !device->is_killed) {
        usleep(ms * 1000);
    }
}

/* One client a worker is open at a time: its memory is given back all at once. */
static void *device_alloc(void *ctx, size_t bytes)
{
    struct pt_sim_device *device = ctx;
    struct pt_sim_worker *worker = device->worker;
    size_t rounded = (bytes + 63) / 64 * 64;
    uint8_t *memory = worker->scratch + worker->scratch_used;

    if (rounded < bytes || rounded > PT_SIM_SCRATCH_BYTES - worker->scratch_used) {
        return NULL;
    }
    worker->scratch_used += rounded;
    return memory;
}

static void device_release(void *ctx, void *memory)
{
    (void)ctx;
    (void)memory;
}

/* ---- files in memory ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static struct pt_sim_file *find_file(const struct pt_sim_player *player, const char *path)
{
    const char *name = base_name(path);

    for (struct pt_sim_file *file = player->files; file; file = file->next) {
        if (!file->is_removed && strcmp(file->name, name) == 0) {
            return file;
        }
    }
    return NULL;
}

static void free_file(struct pt_sim_file *file)
{
    pt_buf_release(&file->content);
    pt_free(file->name);
    pt_free(file);
}

/* Take the file out of the list when nobody can reach it any more. */
static void drop_if_unused(struct pt_sim_player *player, struct pt_sim_file *file)
{
    struct pt_sim_file **at = &player->files;

    if (!file->is_removed || file->open_count > 0) {
        return;
    }
    while (*at != file) {
        at = &(*at)->next;
    }
    *at = file->next;
    free_file(file);
}

static struct pt_sim_file *create_file(struct pt_sim_player *player, const char *path)
{
    struct pt_sim_file *file = pt_alloc_zero(sizeof(*file));

    if (!file) {
        return NULL;
    }
    file->name = pt_strdup(base_name(path));
    if (!file->name) {
        pt_free(file);
        return NULL;
    }
    pt_buf_init(&file->content, FILE_BYTES_MAX);
    file->next = player->files;
    player->files = file;
    return file;
}

void pt_sim_files_release(struct pt_sim_player *player)
{
    while (player->files) {
        struct pt_sim_file *file = player->files;

        player->files = file->next;
        free_file(file);
    }
}

static int memory_dir_create(void *ctx, const char *path)
{
    (void)path;
    return ((struct pt_sim_device *)ctx)->is_killed ? -1 : 0;
}

static int memory_dir_list(void *ctx, const char *path, void (*each)(void *arg, const char *name),
                           void *arg)
{
    struct pt_sim_device *device = ctx;

    (void)path;
    for (struct pt_sim_file *file = device->player->files; file; file = file->next) {
        if (!file->is_removed) {
            each(arg, file->name);
        }
    }
    return 0;
}

static int memory_dir_lock(void *ctx, const char *path, void **lock_out)
{
    struct pt_sim_player *player = ((struct pt_sim_device *)ctx)->player;

    (void)path;
    if (player->is_locked) {
        return 1;
    }
    player->is_locked = true;
    *lock_out = player;
    return 0;
}

static void memory_dir_unlock(void *ctx, void *lock)
{
    (void)ctx;
    ((struct pt_sim_player *)lock)->is_locked = false;
}

static int memory_open(void *ctx, const char *path, enum playtrace_file_mode mode, void **file_out)
{
    struct pt_sim_device *device = ctx;
    struct pt_sim_file *file = find_file(device->player, path);

    if (device->is_killed || (!file && mode == PLAYTRACE_FILE_READ)) {
        return -1;
    }
    if (!file) {
        file = create_file(device->player, path);
        if (!file) {
            return -1;
        }
    }
    if (mode == PLAYTRACE_FILE_REPLACE) {
        pt_buf_reset(&file->content);
    }
    file->open_count++;
    *file_out = file;
    return 0;
}

static int64_t memory_size(void *ctx, void *file)
{
    (void)ctx;
    return (int64_t)((struct pt_sim_file *)file)->content.size;
}

static int memory_append(void *ctx, void *file, const void *data, size_t bytes)
{
    struct pt_buf *content = &((struct pt_sim_file *)file)->content;

    if (((struct pt_sim_device *)ctx)->is_killed) {
        return -1;
    }
    pt_buf_append(content, data, bytes);
    if (content->has_failed) {
        content->has_failed = false; /* as a full disk: what was there stays */
        return -1;
    }
    return 0;
}

static int64_t memory_read(void *ctx, void *file, uint64_t offset, void *buffer, size_t bytes)
{
    const struct pt_buf *content = &((struct pt_sim_file *)file)->content;

    (void)ctx;
    if (offset >= content->size) {
        return 0;
    }
    if (bytes > content->size - (size_t)offset) {
        bytes = content->size - (size_t)offset;
    }
    if (bytes > 0) {
        memcpy(buffer, content->data + offset, bytes);
    }
    return (int64_t)bytes;
}

static int memory_truncate(void *ctx, void *file, uint64_t bytes)
{
    struct pt_buf *content = &((struct pt_sim_file *)file)->content;

    if (((struct pt_sim_device *)ctx)->is_killed || bytes > content->size) {
        return -1;
    }
    content->size = (size_t)bytes;
    return 0;
}

static int memory_sync(void *ctx, void *file)
{
    (void)file;
    return ((struct pt_sim_device *)ctx)->is_killed ? -1 : 0;
}

static void memory_close(void *ctx, void *handle)
{
    struct pt_sim_file *file = handle;

    pt_assert(file->open_count > 0);
    file->open_count--;
    drop_if_unused(((struct pt_sim_device *)ctx)->player, file);
}

static void remove_file(struct pt_sim_player *player, struct pt_sim_file *file)
{
    if (file) {
        file->is_removed = true;
        drop_if_unused(player, file);
    }
}

static int memory_remove(void *ctx, const char *path)
{
    struct pt_sim_device *device = ctx;

    if (device->is_killed) {
        return -1;
    }
    remove_file(device->player, find_file(device->player, path));
    return 0;
}

static int memory_rename(void *ctx, const char *from, const char *to)
{
    struct pt_sim_device *device = ctx;
    struct pt_sim_file *file = find_file(device->player, from);
    char *name = NULL;

    if (device->is_killed || !file) {
        return -1;
    }
    name = pt_strdup(base_name(to));
    if (!name) {
        return -1;
    }
    remove_file(device->player, find_file(device->player, to));
    pt_free(file->name);
    file->name = name;
    return 0;
}

/* ---- POSIX files, which stop changing when the device is killed ---- */

static struct playtrace_platform *posix_of(void *ctx)
{
    return &((struct pt_sim_device *)ctx)->worker->posix;
}

static int real_dir_create(void *ctx, const char *path)
{
    return posix_of(ctx)->dir_create(posix_of(ctx)->file_ctx, path);
}

static int real_dir_list(void *ctx, const char *path, void (*each)(void *arg, const char *name),
                         void *arg)
{
    return posix_of(ctx)->dir_list(posix_of(ctx)->file_ctx, path, each, arg);
}

static int real_dir_lock(void *ctx, const char *path, void **lock_out)
{
    return posix_of(ctx)->dir_lock(posix_of(ctx)->file_ctx, path, lock_out);
}

static void real_dir_unlock(void *ctx, void *lock)
{
    posix_of(ctx)->dir_unlock(posix_of(ctx)->file_ctx, lock);
}

static bool is_killed(void *ctx)
{
    return ((struct pt_sim_device *)ctx)->is_killed;
}

static int real_open(void *ctx, const char *path, enum playtrace_file_mode mode, void **file_out)
{
    return is_killed(ctx) ? -1
                          : posix_of(ctx)->file_open(posix_of(ctx)->file_ctx, path, mode, file_out);
}

static int64_t real_size(void *ctx, void *file)
{
    return posix_of(ctx)->file_size(posix_of(ctx)->file_ctx, file);
}

static int real_append(void *ctx, void *file, const void *data, size_t bytes)
{
    return is_killed(ctx) ? -1
                          : posix_of(ctx)->file_append(posix_of(ctx)->file_ctx, file, data, bytes);
}

static int64_t real_read(void *ctx, void *file, uint64_t offset, void *buffer, size_t bytes)
{
    return posix_of(ctx)->file_read(posix_of(ctx)->file_ctx, file, offset, buffer, bytes);
}

static int real_truncate(void *ctx, void *file, uint64_t bytes)
{
    return is_killed(ctx) ? -1 : posix_of(ctx)->file_truncate(posix_of(ctx)->file_ctx, file, bytes);
}

static int real_sync(void *ctx, void *file)
{
    return is_killed(ctx) ? -1 : posix_of(ctx)->file_sync(posix_of(ctx)->file_ctx, file);
}

static void real_close(void *ctx, void *file)
{
    posix_of(ctx)->file_close(posix_of(ctx)->file_ctx, file);
}

static int real_rename(void *ctx, const char *from, const char *to)
{
    return is_killed(ctx) ? -1 : posix_of(ctx)->file_rename(posix_of(ctx)->file_ctx, from, to);
}

static int real_remove(void *ctx, const char *path)
{
    return is_killed(ctx) ? -1 : posix_of(ctx)->file_remove(posix_of(ctx)->file_ctx, path);
}

/* ---- the network ---- */

static void device_post(void *ctx, const struct playtrace_http_request *request,
                        struct playtrace_http_response *response)
{
    struct pt_sim_device *device = ctx;
    struct pt_sim_worker *worker = device->worker;

    if (device->is_offline || device->is_killed) {
        response->status = 0;
        return;
    }
    worker->tally.requests++;
    playtrace_http_curl_post(worker->transport, request, response);
    if (device->dies_sending || device->loses_answer) {
        device->is_killed = device->dies_sending;
        device->loses_answer = false;
        response->status = 0;
        response->body_bytes = 0;
        response->retry_after[0] = '\0';
    }
}

void pt_sim_device_platform(struct pt_sim_device *device, struct playtrace_platform *table)
{
    *table = device->worker->posix;
    table->clock_ctx = device;
    table->wall_us = device_wall_us;
    table->mono_us = device_mono_us;
    table->random = device_random;
    table->sleep_ms = device_sleep_ms;
    table->memory_ctx = device;
    table->alloc = device_alloc;
    table->release = device_release;
    table->http_ctx = device;
    table->http_create = NULL;
    table->http_destroy = NULL;
    table->http_post = device_post;
    table->mutex_create = NULL; /* one thread a client */
    table->file_ctx = device;
    if (device->worker->options->queue_dir) {
        table->dir_create = real_dir_create;
        table->dir_list = real_dir_list;
        table->dir_lock = real_dir_lock;
        table->dir_unlock = real_dir_unlock;
        table->file_open = real_open;
        table->file_size = real_size;
        table->file_append = real_append;
        table->file_read = real_read;
        table->file_truncate = real_truncate;
        table->file_sync = real_sync;
        table->file_close = real_close;
        table->file_rename = real_rename;
        table->file_remove = real_remove;
        return;
    }
    table->dir_create = memory_dir_create;
    table->dir_list = memory_dir_list;
    table->dir_lock = memory_dir_lock;
    table->dir_unlock = memory_dir_unlock;
    table->file_open = memory_open;
    table->file_size = memory_size;
    table->file_append = memory_append;
    table->file_read = memory_read;
    table->file_truncate = memory_truncate;
    table->file_sync = memory_sync;
    table->file_close = memory_close;
    table->file_rename = memory_rename;
    table->file_remove = memory_remove;
}
