/*
 * wrapper.cpp - playtrace.hpp does what playtrace.h says, against a real server
 *
 *     wrapper URL DIR
 *
 * Prints `ok` and what it expects in the table: one line of JSON an event, in order of `seq`.
 */
#include <playtrace.hpp>

#include <cstdio>
#include <cstdlib>
#include <type_traits>
#include <utility>

namespace
{

int failures = 0;

void check(bool holds, const char *what, int line)
{
    if (!holds) {
        std::fprintf(stderr, "wrapper.cpp:%d: %s\n", line, what);
        failures++;
    }
}

#define CHECK(condition) check((condition), #condition, __LINE__)

static_assert(!std::is_copy_constructible_v<Playtrace::Client>, "one owner");
static_assert(!std::is_copy_assignable_v<Playtrace::Client>, "one owner");
static_assert(std::is_nothrow_move_constructible_v<Playtrace::Client>, "it moves");
static_assert(std::is_nothrow_move_assignable_v<Playtrace::Client>, "it moves");

Playtrace::Options options_for(const char *url, const std::string &dir)
{
    Playtrace::Options options(url, dir);

    options.user_id("player-7").platform("pc").build_id("1.2.3").consent(PLAYTRACE_CONSENT_GIVEN);
    return options;
}

void a_closed_client_answers_and_does_not_crash()
{
    Playtrace::Client client;

    CHECK(!client);
    CHECK(!client.is_open() && client.get() == nullptr);
    CHECK(client.track("a") == PLAYTRACE_INVALID);
    CHECK(client.set_user("a") == PLAYTRACE_INVALID);
    CHECK(client.clear_user() == PLAYTRACE_INVALID);
    CHECK(client.set_consent(PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_INVALID);
    CHECK(client.consent() == PLAYTRACE_CONSENT_NONE);
    CHECK(client.session_start() == PLAYTRACE_INVALID);
    CHECK(client.session_id().empty());
    CHECK(client.flush(0) == PLAYTRACE_INVALID);
    CHECK(client.pump() == PLAYTRACE_INVALID);
    CHECK(client.stats().tracked == 0);
    CHECK(client.close() == PLAYTRACE_OK);
    CHECK(client.open(Playtrace::Options("ftp://nowhere", "/tmp")) == PLAYTRACE_INVALID);
    CHECK(client.open(Playtrace::Options("", "")) == PLAYTRACE_INVALID);
    CHECK(std::string_view(Playtrace::status_name(PLAYTRACE_BUSY)) == "BUSY");
}

void the_client_moves_with_its_queue(const char *url, const std::string &dir)
{
    Playtrace::Client first;
    Playtrace::Client third;

    CHECK(first.open(options_for(url, dir)) == PLAYTRACE_OK);
    CHECK(first.track("first") == PLAYTRACE_OK);

    Playtrace::Client second(std::move(first));
    CHECK(!first && second);
    CHECK(first.track("lost") == PLAYTRACE_INVALID);
    CHECK(second.track("second", R"({"n":2})") == PLAYTRACE_OK);

    /* The directory is one client's alone, until that one is gone. */
    CHECK(third.open(options_for(url, dir)) == PLAYTRACE_BUSY);
    third = std::move(second);
    CHECK(!second && third);
    CHECK(third.session_id().size() == 36);
    CHECK(third.stats().tracked >= 2);
    CHECK(third.close(20000) == PLAYTRACE_OK);
    CHECK(third.close() == PLAYTRACE_OK);
}

void text_that_is_no_text_is_refused(const char *url, const std::string &dir)
{
    using namespace std::string_view_literals;
    const std::string longest(PLAYTRACE_NAME_BYTES_MAX, 'n');
    Playtrace::Client client;

    CHECK(client.open(options_for(url, dir).close_timeout_ms(20000)) == PLAYTRACE_OK);
    CHECK(client.track("") == PLAYTRACE_INVALID);
    CHECK(client.track("ab\0cd"sv) == PLAYTRACE_INVALID);
    CHECK(client.track(longest + "n") == PLAYTRACE_INVALID);
    CHECK(client.track("level_end_and_more"sv.substr(0, 9)) == PLAYTRACE_OK);
    CHECK(client.track(longest) == PLAYTRACE_OK);
    CHECK(client.track("broken", "{") == PLAYTRACE_INVALID);
    CHECK(client.set_user(std::string(257, 'u')) == PLAYTRACE_INVALID);
    CHECK(client.set_user("player\0-8"sv) == PLAYTRACE_INVALID);
    CHECK(client.set_user(std::string(256, 'u')) == PLAYTRACE_OK);
    CHECK(client.set_user("player-8") == PLAYTRACE_OK);
    CHECK(client.track("other_player") == PLAYTRACE_OK);
    /* ~Client() delivers, because close_timeout_ms says so. */
}

void consent_rules(const char *url, const std::string &dir)
{
    Playtrace::Options options(url, dir);
    Playtrace::Client client;

    CHECK(client.open(options) == PLAYTRACE_OK);
    CHECK(client.consent() == PLAYTRACE_CONSENT_NONE);
    CHECK(client.track("too_early") == PLAYTRACE_NO_CONSENT);
    CHECK(client.set_consent(PLAYTRACE_CONSENT_GIVEN) == PLAYTRACE_OK);
    CHECK(client.track("with_consent") == PLAYTRACE_OK);
    CHECK(client.flush(20000) == PLAYTRACE_OK);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        return 2;
    }
    const std::string dir = argv[2];

    a_closed_client_answers_and_does_not_crash();
    the_client_moves_with_its_queue(argv[1], dir + "/moved");
    text_that_is_no_text_is_refused(argv[1], dir + "/text");
    consent_rules(argv[1], dir + "/consent");
    std::puts(failures == 0 ? "ok" : "failed");
    return failures == 0 ? 0 : 1;
}
