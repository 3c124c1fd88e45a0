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
    CHECK(client.set_consent_for(3, "v1") == PLAYTRACE_INVALID);
    CHECK(client.consent_record().purposes == 0);
    CHECK(client.track("a", {{"n", 1}}) == PLAYTRACE_INVALID);
    CHECK(client.sync(0) == PLAYTRACE_INVALID);
    CHECK(client.pause() == PLAYTRACE_INVALID);
    CHECK(client.resume() == PLAYTRACE_INVALID);
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

/* Every kind of attribute, as its row must show it; what cannot be one is left out and counted. */
void attributes_keep_their_types(const char *url, const std::string &dir)
{
    using namespace std::string_view_literals;
    const std::string text = "a \"quoted\" \xc3\xa9 text";
    const std::string longer(3000, 'x');
    static char buffer[16384];
    Playtrace::Client client;
    std::string id;

    CHECK(client.open(options_for(url, dir)) == PLAYTRACE_OK);
    CHECK(client.track("kinds", {{"int", -7},
                                 {"long", INT64_C(-9007199254740991)},
                                 {"unsigned", 7u},
                                 {"size", sizeof(std::uint64_t)},
                                 {"double", 0.5},
                                 {"float", 0.25f},
                                 {"yes", true},
                                 {"no", false},
                                 {"literal", "text"},
                                 {"string", text},
                                 {"view", "view of more"sv.substr(0, 4)},
                                 {"json", Playtrace::Json{"[1,{\"a\":null}]"}}}) == PLAYTRACE_OK);

    Playtrace::Event event("left_out", {{"kept", 1}});
    event
        .add("kept", 2)                    /* the key is there already */
        .add("nan", 0.0 / 0.0)             /* no number */
        .add("nul", "a\0b"sv)              /* no text */
        .add("json", Playtrace::Json{"{"}) /* no JSON */
        .add(std::string(65, 'k'), 1)      /* the key is too long */
        .add("longer", longer)             /* no room */
        .add("last", "one");
    CHECK(event.refused() == 6);
    CHECK(client.track(event, id) == PLAYTRACE_OK);
    CHECK(id.size() == 36);

    Playtrace::Event large("large", buffer, sizeof(buffer));
    large.add("longer", std::string_view(longer)).priority(PLAYTRACE_PRIORITY_HIGH);
    CHECK(large.refused() == 0);
    CHECK(client.track(large) == PLAYTRACE_OK);
    CHECK(client.track("purchase", R"({"gold":1})", PLAYTRACE_PRIORITY_HIGH) == PLAYTRACE_OK);
    CHECK(client.sync(20000) == PLAYTRACE_OK);
    CHECK(client.close(20000) == PLAYTRACE_OK);
}

/* The server has: speed (3), ratio (0.5), open (true), greeting (a text of 300 bytes), shop. */
void flags_with_and_without_a_default(const char *url, const std::string &dir)
{
    Playtrace::Client client;
    Playtrace::Options options = options_for(url, dir);

    CHECK(client.flag_int("speed", 9) == 9); /* not open */
    CHECK(!client.flag_int("speed"));
    CHECK(client.flag_string("greeting", "hi") == "hi");
    CHECK(client.flags_generation() == 0);
    CHECK(client.flags_refresh(0) == PLAYTRACE_INVALID);
    CHECK(client.set_flag_context("{}") == PLAYTRACE_INVALID);
    options.flag_context(R"({"level":7})");
    CHECK(client.open(options) == PLAYTRACE_OK);
    CHECK(client.set_flag_context("{") == PLAYTRACE_INVALID);
    CHECK(client.flags_refresh(20000) == PLAYTRACE_OK);
    CHECK(client.flags_generation() > 0);
    CHECK(client.flag_int("speed", 9) == 3 && client.flag_int("speed") == 3);
    CHECK(client.flag_double("ratio", 9) == 0.5 && client.flag_double("ratio") == 0.5);
    CHECK(client.flag_bool("open", false) && client.flag_bool("open") == true);
    CHECK(client.flag_string("greeting", "hi") == std::string(300, 'g'));
    CHECK(client.flag_string("greeting") == std::string(300, 'g'));
    CHECK(client.flag_json("shop", "{}") == R"({"items":[1,2]})");
    CHECK(client.flag_json("shop") == R"({"items":[1,2]})");
    CHECK(std::string_view(client.flag_details("speed").variant) == "fast");
    for (const char *key : {"missing", "greeting", "", "a key"}) {
        CHECK(!client.flag_bool(key) && !client.flag_int(key) && !client.flag_double(key));
        CHECK(!client.flag_json(key));
    }
    CHECK(!client.flag_string("missing") && client.flag_string("missing", "hi") == "hi");
    CHECK(!client.flag_string(std::string(600, 'k')));
    CHECK(client.flag_string("missing", std::string_view("a\0b", 3)) == std::string("a\0b", 3));
    CHECK(client.flag_json("missing", std::string(600, 'd')) == std::string(600, 'd'));
    CHECK(client.flag_details("missing").is_default);
    CHECK(client.pause() == PLAYTRACE_OK);
    CHECK(client.resume() == PLAYTRACE_OK);
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
    CHECK(client.set_consent_for(PLAYTRACE_PURPOSE_ANALYTICS, "policy-2") == PLAYTRACE_OK);
    CHECK(client.consent_record().purposes == PLAYTRACE_PURPOSE_ANALYTICS);
    CHECK(std::string_view(client.consent_record().policy_version) == "policy-2");
    CHECK(client.set_consent_for(1, std::string(65, 'v')) == PLAYTRACE_INVALID);
    CHECK(client.flush(20000) == PLAYTRACE_OK);
    CHECK(client.set_consent_for(0) == PLAYTRACE_OK);
    CHECK(client.consent() == PLAYTRACE_CONSENT_WITHDRAWN);
    CHECK(client.track("too_late") == PLAYTRACE_NO_CONSENT);
    CHECK(client.close(20000) == PLAYTRACE_OK);
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
    attributes_keep_their_types(argv[1], dir + "/kinds");
    flags_with_and_without_a_default(argv[1], dir + "/flags");
    consent_rules(argv[1], dir + "/consent");
    std::puts(failures == 0 ? "ok" : "failed");
    return failures == 0 ? 0 : 1;
}
