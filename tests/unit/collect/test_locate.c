/*
 * test_locate.c - an address gives its place; a broken or missing database harms nothing
 *
 * Method: the public MaxMind test databases (skipped where they are not there); networks and
 * forwarded headers in tables.
 */
#include "check.h"
#include "collect/locate.h"

#include "base/io.h"
#include "base/mem.h"
#include "observe/observe.h"

#include <string.h>

#define DATABASES PT_SOURCE_DIR "/../shared/conformance/maxmind-db/"

static void copy_file(const char *from, const char *to)
{
    uint8_t *data = NULL;
    size_t size = 0;
    struct pt_error err = {0};

    PT_CHECK_OK(pt_io_read_all(pt_io_posix(), from, 1 << 26, 1, &data, &size, &err), err);
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), to, pt_span_of(data, size), 0, &err), err);
    pt_free(data);
}

static bool has_databases(void)
{
    struct pt_file *file = NULL;
    bool there = pt_io_open(pt_io_posix(), DATABASES "test-data/GeoIP2-City-Test.mmdb",
                            PT_OPEN_READ, &file, NULL) == PT_OK;

    pt_io_close(pt_io_posix(), file);
    return there;
}

static void addresses_have_places(void **state)
{
    struct pt_locator *locator = NULL;
    struct pt_place place;
    struct pt_error err = {0};

    (void)state;
    if (!has_databases()) {
        print_message("the MaxMind test databases are not there: skipped\n");
        skip();
    }
    PT_CHECK_OK(pt_locator_open(&locator, DATABASES "test-data/GeoIP2-City-Test.mmdb", &err), err);
    pt_locate(locator, "89.160.20.112", &place);
    PT_CHECK(memcmp(place.country, "SE", 2) == 0);
    assert_string_equal(place.city, "Link\xc3\xb6ping");
    assert_string_equal(place.region, "\xc3\x96sterg\xc3\xb6tland County");
    pt_locate(locator, "2001:218::1", &place);
    PT_CHECK(memcmp(place.country, "JP", 2) == 0 && place.city[0] == '\0');
    pt_locate(locator, "127.0.0.1", &place);
    PT_CHECK(place.country[0] == '\0');
    pt_locate(locator, "not an address", &place);
    PT_CHECK(place.country[0] == '\0');
    pt_locate(locator, "", &place);
    PT_CHECK(place.country[0] == '\0');
    pt_locator_close(locator);
}

static void a_replaced_file_is_taken_unless_it_is_broken(void **state)
{
    char *dir = pt_test_dir_create();
    char *path = pt_strf("%s/city.mmdb", dir);
    struct pt_locator *locator = NULL;
    struct pt_place place;
    struct pt_error err = {0};

    (void)state;
    if (!has_databases()) {
        print_message("the MaxMind test databases are not there: skipped\n");
        pt_free(path);
        pt_test_dir_remove(dir);
        skip();
    }
    pt_log_set_level(PT_LOG_ERROR + 1);
    PT_CHECK_OK(pt_locator_open(&locator, path, &err), err); /* absent: a warning */
    pt_locate(locator, "89.160.20.112", &place);
    PT_CHECK(place.country[0] == '\0');
    copy_file(DATABASES "test-data/GeoIP2-City-Test.mmdb", path);
    pt_locator_reload(locator);
    pt_locate(locator, "89.160.20.112", &place);
    PT_CHECK(memcmp(place.country, "SE", 2) == 0);
    PT_CHECK_OK(pt_io_replace(pt_io_posix(), path, pt_span_str("not a database"), 0, &err), err);
    pt_locator_reload(locator);
    pt_locate(locator, "89.160.20.112", &place);
    PT_CHECK(memcmp(place.country, "SE", 2) == 0); /* the old one stays in use */
    pt_locator_close(locator);
    PT_CHECK(pt_locator_open(&locator, path, &err) == PT_INVALID);
    PT_CHECK(strstr(err.text, path) != NULL);
    pt_log_set_level(PT_LOG_INFO);
    pt_free(path);
    pt_test_dir_remove(dir);
}

static void open_if_possible(void *ctx, const char *name, bool is_dir)
{
    char *path = pt_strf("%s/%s", (const char *)ctx, name);

    if (is_dir) {
        PT_CHECK(pt_io_list(pt_io_posix(), path, open_if_possible, path, NULL) == PT_OK);
    } else {
        struct pt_locator *locator = NULL;

        if (pt_locator_open(&locator, path, NULL) == PT_OK) {
            struct pt_place place;

            pt_locate(locator, "1.1.1.1", &place);
            pt_locate(locator, "89.160.20.112", &place);
            pt_locate(locator, "2001:218::1", &place);
            pt_locator_close(locator);
        }
    }
    pt_free(path);
}

static void bad_databases_are_survived(void **state)
{
    char path[] = DATABASES "bad-data";

    (void)state;
    if (!has_databases()) {
        print_message("the MaxMind test databases are not there: skipped\n");
        skip();
    }
    PT_CHECK(pt_io_list(pt_io_posix(), path, open_if_possible, path, NULL) == PT_OK);
}

static void the_sender_is_found_behind_proxies(void **state)
{
    static const char *const trusted[] = {"10.0.0.0/8", "192.0.2.1", "2001:db8::/32"};
    static const struct {
        const char *peer;
        const char *header;
        const char *found;
    } cases[] = {
        {"203.0.113.9", "", "203.0.113.9"},
        {"203.0.113.9", "1.2.3.4", "203.0.113.9"}, /* a stranger's header is not believed */
        {"10.1.2.3", "1.2.3.4", "1.2.3.4"},
        {"10.1.2.3", "9.9.9.9, 1.2.3.4 , 192.0.2.1", "1.2.3.4"},
        {"10.1.2.3", "10.9.9.9", "10.9.9.9"},
        {"2001:db8::7", "2001:4860::1", "2001:4860::1"},
        {"10.1.2.3", "", "10.1.2.3"},
        {"10.1.2.3", "unknown", ""},
        {"10.1.2.3", "1.2.3.4, ", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char found[64];

        pt_client_address(cases[i].peer, pt_span_str(cases[i].header), trusted, 3, found);
        if (strcmp(found, cases[i].found) != 0) {
            fail_msg("%s, \"%s\": \"%s\"", cases[i].peer, cases[i].header, found);
        }
    }
    PT_CHECK(pt_is_network("::1") && pt_is_network("0.0.0.0/0") && pt_is_network("10.0.0.0/32"));
    PT_CHECK(!pt_is_network("10.0.0.0/33") && !pt_is_network("10.0.0/8") && !pt_is_network("") &&
             !pt_is_network("::1/129") && !pt_is_network("1.2.3.4/") && !pt_is_network("all"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_places),
        cmocka_unit_test(a_replaced_file_is_taken_unless_it_is_broken),
        cmocka_unit_test(bad_databases_are_survived),
        cmocka_unit_test(the_sender_is_found_behind_proxies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
