/*
 * locate.c - from an address to country, region and city (libmaxminddb)
 */
#include "collect/locate.h"

#include "base/mem.h"
#include "observe/observe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <maxminddb.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

struct pt_locator {
    char *path;
    pthread_rwlock_t lock; /* over `db` and `has_db`; lookups hold it shared */
    MMDB_s db;
    bool has_db;
    struct stat taken; /* the file in use, or the broken one that was reported */
    bool is_missed;    /* its absence was reported */
};

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static enum pt_code open_file(struct pt_locator *locator, MMDB_s *db_out, struct pt_error *err)
{
    int status = MMDB_open(locator->path, MMDB_MODE_MMAP, db_out);

    if (status != MMDB_SUCCESS) {
        return pt_fail(err, PT_INVALID, "location database %s: %s", locator->path,
                       MMDB_strerror(status));
    }
    return PT_OK;
}

/* Look for the file and take it if it is another than before. */
static enum pt_code refresh(struct pt_locator *locator, struct pt_error *err)
{
    struct stat status;
    MMDB_s db;
    MMDB_s old = {0};
    bool had_db = false;
    enum pt_code code = PT_OK;

    if (!*locator->path) {
        return PT_OK;
    }
    if (stat(locator->path, &status) != 0) {
        if (!locator->is_missed) {
            pt_log_line(PT_LOG_WARN, "collect", NULL,
                        "location database %s cannot be read (%s): events carry no place until it "
                        "can",
                        locator->path, strerror(errno));
            locator->is_missed = true;
        }
        return PT_OK;
    }
    locator->is_missed = false;
    if (is_same_file(&status, &locator->taken)) {
        return PT_OK;
    }
    locator->taken = status;
    code = open_file(locator, &db, err);
    if (code) {
        return code;
    }
    pthread_rwlock_wrlock(&locator->lock);
    old = locator->db;
    had_db = locator->has_db;
    locator->db = db;
    locator->has_db = true;
    pthread_rwlock_unlock(&locator->lock);
    if (had_db) {
        MMDB_close(&old);
        pt_log_line(PT_LOG_INFO, "collect", NULL, "location database %s was replaced",
                    locator->path);
    }
    return PT_OK;
}

enum pt_code pt_locator_open(struct pt_locator **locator_out, const char *path,
                             struct pt_error *err)
{
    struct pt_locator *locator = pt_alloc_zero(sizeof(*locator));
    enum pt_code code = PT_OK;

    *locator_out = NULL;
    if (!locator || !(locator->path = pt_strdup(path))) {
        pt_free(locator);
        return pt_fail(err, PT_NO_MEMORY, "open the location database");
    }
    pthread_rwlock_init(&locator->lock, NULL);
    code = refresh(locator, err);
    if (code) {
        pt_locator_close(locator);
        return code;
    }
    *locator_out = locator;
    return PT_OK;
}

void pt_locator_close(struct pt_locator *locator)
{
    if (locator) {
        if (locator->has_db) {
            MMDB_close(&locator->db);
        }
        pthread_rwlock_destroy(&locator->lock);
        pt_free(locator->path);
        pt_free(locator);
    }
}

void pt_locator_reload(struct pt_locator *locator)
{
    struct pt_error err = {0};

    if (refresh(locator, &err)) {
        pt_log_line(PT_LOG_ERROR, "collect", NULL, "%s; the one before stays in use", err.text);
    }
}

/* A string of the entry copied out, cut at a character; false where there is none. */
static bool copy_text(MMDB_entry_s *entry, const char *const *path, char *text_out, size_t room)
{
    MMDB_entry_data_s data;
    size_t size = 0;

    if (MMDB_aget_value(entry, &data, path) != MMDB_SUCCESS || !data.has_data ||
        data.type != MMDB_DATA_TYPE_UTF8_STRING || data.data_size == 0) {
        return false;
    }
    size = data.data_size;
    if (size >= room) {
        size = room - 1;
        while (size > 0 && ((uint8_t)data.utf8_string[size] & 0xc0) == 0x80) {
            size--;
        }
    }
    memcpy(text_out, data.utf8_string, size);
    text_out[size] = '\0';
    return true;
}

static void read_place(MMDB_entry_s *entry, struct pt_place *place_out)
{
    static const char *const country[] = {"country", "iso_code", NULL};
    static const char *const region_name[] = {"subdivisions", "0", "names", "en", NULL};
    static const char *const region_code[] = {"subdivisions", "0", "iso_code", NULL};
    static const char *const city[] = {"city", "names", "en", NULL};
    char code[4] = "";

    if (copy_text(entry, country, code, sizeof(code)) && strlen(code) == 2) {
        memcpy(place_out->country, code, 2);
    }
    if (!copy_text(entry, region_name, place_out->region, sizeof(place_out->region))) {
        (void)copy_text(entry, region_code, place_out->region, sizeof(place_out->region));
    }
    (void)copy_text(entry, city, place_out->city, sizeof(place_out->city));
}

void pt_locate(struct pt_locator *locator, const char *address, struct pt_place *place_out)
{
    *place_out = (struct pt_place){0};
    if (!*address) {
        return;
    }
    pthread_rwlock_rdlock(&locator->lock);
    if (locator->has_db) {
        int address_error = 0;
        int db_error = 0;
        MMDB_lookup_result_s found =
            MMDB_lookup_string(&locator->db, address, &address_error, &db_error);

        if (!address_error && !db_error && found.found_entry) {
            read_place(&found.entry, place_out);
        }
    }
    pthread_rwlock_unlock(&locator->lock);
}

/* ---- whose address ---- */

struct network {
    uint8_t bytes[16]; /* IPv4 stands as ::ffff:a.b.c.d */
    unsigned bits;
};

static bool parse_address(const char *text, uint8_t bytes_out[16])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    memcpy(bytes_out, mapped, sizeof(mapped));
    return inet_pton(AF_INET, text, bytes_out + 12) == 1 ||
           inet_pton(AF_INET6, text, bytes_out) == 1;
}

static bool parse_network(const char *text, struct network *network_out)
{
    const char *slash = strchr(text, '/');
    char address[64];
    size_t size = slash ? (size_t)(slash - text) : strlen(text);
    bool is_v4 = false;

    if (size == 0 || size >= sizeof(address)) {
        return false;
    }
    memcpy(address, text, size);
    address[size] = '\0';
    if (!parse_address(address, network_out->bytes)) {
        return false;
    }
    is_v4 = !strchr(address, ':');
    network_out->bits = 128;
    if (slash) {
        char *end = NULL;
        unsigned long bits = strtoul(slash + 1, &end, 10);

        if (end == slash + 1 || *end || bits > (is_v4 ? 32u : 128u)) {
            return false;
        }
        network_out->bits = (unsigned)bits + (is_v4 ? 96 : 0);
    }
    return true;
}

bool pt_is_network(const char *text)
{
    struct network network;

    return parse_network(text, &network);
}

static bool is_in(const uint8_t address[16], const char *const *networks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct network network;
        unsigned whole = 0;
        unsigned rest = 0;

        if (!parse_network(networks[i], &network)) {
            continue;
        }
        whole = network.bits / 8;
        rest = network.bits % 8;
        if (memcmp(address, network.bytes, whole) == 0 &&
            (rest == 0 || ((address[whole] ^ network.bytes[whole]) & (0xff00u >> rest)) == 0)) {
            return true;
        }
    }
    return false;
}

void pt_client_address(const char *peer, struct pt_span forwarded_for, const char *const *trusted,
                       size_t count, char address_out[64])
{
    uint8_t bytes[16];
    size_t end = forwarded_for.size;
    size_t peer_bytes = strlen(peer);

    address_out[0] = '\0';
    if (peer_bytes < 64) {
        memcpy(address_out, peer, peer_bytes + 1);
    }
    if (count == 0 || !parse_address(peer, bytes)) {
        return;
    }
    /* From the right: each hop that we trust vouches for the one before it. */
    while (is_in(bytes, trusted, count) && end > 0) {
        size_t start = end;

        while (start > 0 && forwarded_for.data[start - 1] != ',') {
            start--;
        }
        size_t from = start;
        size_t to = end;

        while (from < to && (forwarded_for.data[from] == ' ' || forwarded_for.data[from] == '\t')) {
            from++;
        }
        while (to > from &&
               (forwarded_for.data[to - 1] == ' ' || forwarded_for.data[to - 1] == '\t')) {
            to--;
        }
        if (to - from >= 64) {
            address_out[0] = '\0';
            return;
        }
        memcpy(address_out, forwarded_for.data + from, to - from);
        address_out[to - from] = '\0';
        if (!parse_address(address_out, bytes)) {
            address_out[0] = '\0';
            return;
        }
        end = start > 0 ? start - 1 : 0;
    }
}
