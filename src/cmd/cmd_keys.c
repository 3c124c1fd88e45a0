/*
 * cmd_keys.c - make, list and revoke API keys
 */
#include "base/crypto.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/tree.h"
#include "cmd/cmd.h"
#include "cmd/data_dir.h"
#include "http/keys.h"
#include "wire/rfc3339.h"

#include <stdio.h>
#include <string.h>

#define KEYS_MAX 10000

struct request {
    const char *data;
    const char *name;
    const char *scope_list;
    const char *expires_days;
    const char *id; /* to revoke */
};

/* "events,flags" -> bits; 0 after the mistake was said. */
static unsigned parse_scopes(const char *list)
{
    unsigned found = 0;

    while (*list) {
        size_t size = strcspn(list, ",");
        unsigned scope = pt_scope_parse(pt_span_of(list, size));

        if (!scope) {
            pt_cmd_say("keys: --scope \"%.*s\": there are events, flags, registry and admin",
                       (int)size, list);
            return 0;
        }
        found |= scope;
        list += size + (list[size] == ',');
    }
    if (!found) {
        pt_cmd_say("keys: --scope is empty: give events, flags, registry or admin");
    }
    return found;
}

static void print_scopes(unsigned found)
{
    static const enum pt_scope all[] = {PT_SCOPE_EVENTS, PT_SCOPE_FLAGS, PT_SCOPE_REGISTRY,
                                        PT_SCOPE_ADMIN};
    const char *comma = "";

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (found & all[i]) {
            printf("%s%s", comma, pt_scope_name(all[i]));
            comma = ",";
        }
    }
}

static int list_keys(const struct pt_key_info *infos, size_t count)
{
    printf("%-12s  %-24s  %-10s  %-10s  %s\n", "id", "name", "created", "expires", "scopes");
    for (size_t i = 0; i < count; i++) {
        char created[PT_RFC3339_TEXT_BYTES + 1];
        char expires[PT_RFC3339_TEXT_BYTES + 1] = "never";

        pt_rfc3339_format(infos[i].created_at_us, created);
        if (infos[i].expires_at_us != INT64_MAX) {
            pt_rfc3339_format(infos[i].expires_at_us, expires);
        }
        printf("%-12s  %-24s  %.10s  %-10.10s  ", infos[i].id, infos[i].name, created, expires);
        print_scopes(infos[i].scopes);
        putchar('\n');
    }
    return PT_EXIT_OK;
}

/* 32 random bytes as text, and an id that is not part of it. */
static enum pt_code make_key(char key_out[72], struct pt_key_info *info, struct pt_error *err)
{
    uint8_t secret[32];
    uint8_t id[5];
    enum pt_code code = pt_random_bytes(secret, sizeof(secret), err);

    if (!code) {
        code = pt_random_bytes(id, sizeof(id), err);
    }
    if (!code) {
        memcpy(key_out, "pt_", 3);
        pt_hex_encode(secret, sizeof(secret), key_out + 3);
        pt_hex_encode(id, sizeof(id), info->id);
        pt_sha256(pt_span_str(key_out), info->digest);
    }
    return code;
}

static int create_key(const struct request *request, const char *path, struct pt_key_info *infos,
                      size_t count)
{
    struct pt_key_info *info = &infos[count];
    struct pt_error err = {0};
    char key[72];
    int64_t days = 0;
    enum pt_code code = PT_OK;

    *info = (struct pt_key_info){
        .created_at_us = pt_clock_wall_us(pt_clock_system()),
        .expires_at_us = INT64_MAX,
    };
    if (!request->name || !*request->name || strlen(request->name) >= sizeof(info->name)) {
        pt_cmd_say("keys: --name says what the key is for, in 1 to 63 bytes");
        return PT_EXIT_USAGE;
    }
    info->scopes = parse_scopes(request->scope_list ? request->scope_list : "events,flags");
    if (!info->scopes) {
        return PT_EXIT_USAGE;
    }
    if (request->expires_days) {
        if (!pt_cmd_parse_int("--expires-days", request->expires_days, 1, 36500, &days)) {
            return PT_EXIT_USAGE;
        }
        info->expires_at_us = info->created_at_us + days * PT_DAY_US;
    }
    if (count == KEYS_MAX) {
        pt_cmd_say("keys: there are %d keys already; revoke some", KEYS_MAX);
        return PT_EXIT_FAILED;
    }
    snprintf(info->name, sizeof(info->name), "%s", request->name);
    code = make_key(key, info, &err);
    if (!code) {
        code = pt_key_file_write(pt_io_posix(), path, infos, count + 1, &err);
    }
    if (code) {
        return pt_cmd_failed("keys", &err);
    }
    printf("%s\n", key);
    fprintf(stderr,
            "key %s \"%s\": shown once, kept nowhere; a running server takes it within a "
            "second\n",
            info->id, info->name);
    return PT_EXIT_OK;
}

static int revoke_key(const struct request *request, const char *path, struct pt_key_info *infos,
                      size_t count)
{
    struct pt_error err = {0};

    for (size_t i = 0; request->id && i < count; i++) {
        if (strcmp(infos[i].id, request->id) == 0) {
            memmove(&infos[i], &infos[i + 1], (count - i - 1) * sizeof(*infos));
            if (pt_key_file_write(pt_io_posix(), path, infos, count - 1, &err)) {
                return pt_cmd_failed("keys", &err);
            }
            return PT_EXIT_OK;
        }
    }
    pt_cmd_say("keys: revoke: there is no key \"%s\"; `playtrace keys list` names them",
               request->id ? request->id : "");
    return PT_EXIT_FAILED;
}

static int run(const char *verb, const struct request *request, struct pt_data_dir *dir)
{
    struct pt_error err = {0};
    struct pt_key_info *infos = NULL;
    struct pt_key_info *larger = NULL;
    size_t count = 0;
    char *path = pt_strf("%s/api_keys.json", dir->keys);
    bool is_unsure = false;
    int status = PT_EXIT_FAILED;
    enum pt_code code = path ? pt_tree_make(pt_io_posix(), dir->keys, &is_unsure, &err)
                             : pt_fail(&err, PT_NO_MEMORY, "no memory");

    if (is_unsure) {
        pt_cmd_say("keys: %s", err.text);
    }
    if (!code) {
        code = pt_key_file_read(pt_io_posix(), path, &infos, &count, &err);
    }
    if (!code) {
        larger = pt_realloc(infos, (count + 1) * sizeof(*infos));
        infos = larger ? larger : infos;
        code = larger ? PT_OK : pt_fail(&err, PT_NO_MEMORY, "no memory");
    }
    if (code) {
        status = pt_cmd_failed("keys", &err);
    } else if (strcmp(verb, "list") == 0) {
        status = list_keys(infos, count);
    } else if (strcmp(verb, "create") == 0) {
        status = create_key(request, path, infos, count);
    } else {
        status = revoke_key(request, path, infos, count);
    }
    pt_free(infos);
    pt_free(path);
    return status;
}

int pt_cmd_keys(int argc, char **argv)
{
    struct request request = {0};
    const char *words[2] = {NULL, NULL};
    const struct pt_option options[] = {
        {"--data", "DIR", "data directory (default $PLAYTRACE_DATA or playtrace-data)",
         &request.data, NULL},
        {"--name", "TEXT", "create: what the key is for", &request.name, NULL},
        {"--scope", "LIST", "create: of events, flags, registry, admin (default events,flags)",
         &request.scope_list, NULL},
        {"--expires-days", "N", "create: days until it expires (default never)",
         &request.expires_days, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    struct pt_command_line line = {
        .usage = "playtrace keys create --name TEXT [--scope LIST] [--expires-days N] | list | "
                 "revoke ID  [--data DIR]",
        .about = "API keys. A key is shown once, on standard output; only its SHA-256 is kept.\n"
                 "To rotate: create the new one, roll it out, revoke the old one.",
        .options = options,
        .positional = words,
        .positional_max = 2,
    };
    struct pt_data_dir dir = {0};
    struct pt_error err = {0};
    int status = pt_command_line_parse(&line, argc, argv);

    if (status >= 0) {
        return status;
    }
    request.id = words[1];
    if (!words[0] || (strcmp(words[0], "create") != 0 && strcmp(words[0], "list") != 0 &&
                      strcmp(words[0], "revoke") != 0)) {
        pt_cmd_say("keys: say what to do: %s", line.usage);
        return PT_EXIT_USAGE;
    }
    if (pt_data_dir_init(&dir, pt_cmd_data_dir(request.data), &err)) {
        return pt_cmd_failed("keys", &err);
    }
    status = run(words[0], &request, &dir);
    pt_data_dir_release(&dir);
    return status;
}
