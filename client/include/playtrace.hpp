/*
 * playtrace.hpp - playtrace.h for C++17: a client that closes itself, text as string_view
 *
 *     Playtrace::Client client;
 *     Playtrace::Options options("https://play.example", save_dir);
 *
 *     options.user_id(account).consent(PLAYTRACE_CONSENT_GIVEN);
 *     if (client.open(options) == PLAYTRACE_OK) {
 *         client.track("level_end", {{"level", 7}, {"won", true}, {"seconds", 81.5}});
 *     }
 *
 * Every call has the name, the threads and the promises of its C function, and answers with the
 * same status; nothing is thrown, and it builds with -fno-exceptions -fno-rtti. A client that is
 * not open answers PLAYTRACE_INVALID. Nothing here stands in a library: it is all inline.
 *
 * The namespace is written large because `struct playtrace` has the small word.
 */
#ifndef PLAYTRACE_HPP
#define PLAYTRACE_HPP

#include "playtrace.h"

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace Playtrace
{

using Status = enum ::playtrace_status;
using Consent = enum ::playtrace_consent;
using Stats = struct ::playtrace_stats;
using Priority = enum ::playtrace_priority;
using ConsentRecord = struct ::playtrace_consent_record;
using FlagDetails = struct ::playtrace_flag_details;

namespace detail
{

/*
 * A string_view with its NUL, on the stack. What has no room, or holds a NUL itself, becomes a text
 * of `Bytes` bytes: one more than the call allows, so that it is refused as too long is.
 */
template <std::size_t Bytes> class Text
{
  public:
    explicit Text(std::string_view view) noexcept
    {
        if (view.size() < Bytes && view.find('\0') == std::string_view::npos) {
            if (!view.empty()) {
                std::memcpy(text_, view.data(), view.size());
            }
            text_[view.size()] = '\0';
        } else {
            std::memset(text_, '?', Bytes);
            text_[Bytes] = '\0';
        }
    }

    const char *get() const noexcept
    {
        return text_;
    }

  private:
    char text_[Bytes + 1];
};

/*
 * Call `use` with `text` and its NUL. A text longer than the stack's share is the one thing here
 * that allocates; one that holds a NUL becomes "\xff", which is refused as any that is no UTF-8.
 */
template <typename Use> void with_terminated(std::string_view text, Use use)
{
    char small[512];

    if (text.find('\0') != std::string_view::npos) {
        use("\xff");
    } else if (text.size() < sizeof(small)) {
        if (!text.empty()) {
            std::memcpy(small, text.data(), text.size());
        }
        small[text.size()] = '\0';
        use(small);
    } else {
        use(std::string(text).c_str());
    }
}

} // namespace detail

/* The text of one JSON value, as an attribute's value: Playtrace::Json{"[1,2]"}. */
struct Json {
    std::string_view text;
};

/* One attribute, for the length of a call: {"level", 7}, {"won", true}, {"mode", "arena"}. */
class Attribute
{
  public:
    Attribute(std::string_view key, std::string_view value) noexcept
        : key_(key), kind_(Kind::Text), text_(value)
    {
    }
    Attribute(std::string_view key, const char *value) noexcept
        : key_(key), kind_(Kind::Text), terminated_(value ? value : "")
    {
    }
    Attribute(std::string_view key, const std::string &value) noexcept
        : Attribute(key, std::string_view(value))
    {
    }
    Attribute(std::string_view key, Json value) noexcept
        : key_(key), kind_(Kind::Json), text_(value.text)
    {
    }
    Attribute(std::string_view key, bool value) noexcept : key_(key), kind_(Kind::Bool)
    {
        integer_ = value ? 1 : 0;
    }
    template <typename Number, typename = std::enable_if_t<std::is_arithmetic_v<Number>>>
    Attribute(std::string_view key, Number value) noexcept : key_(key)
    {
        if constexpr (std::is_floating_point_v<Number>) {
            kind_ = Kind::Double;
            number_ = static_cast<double>(value);
        } else if constexpr (std::is_signed_v<Number>) {
            kind_ = Kind::Int;
            integer_ = static_cast<std::int64_t>(value);
        } else {
            kind_ = Kind::Uint;
            unsigned_ = static_cast<std::uint64_t>(value);
        }
    }

  private:
    friend class Event;
    enum class Kind { Text, Json, Bool, Int, Uint, Double };

    std::string_view key_;
    Kind kind_;
    std::string_view text_;
    const char *terminated_ = nullptr; /* instead of text_: needs no copy for its NUL */
    union {
        std::int64_t integer_ = 0;
        std::uint64_t unsigned_;
        double number_;
    };
};

/*
 * One event and its attributes, in the object itself: no allocation, no throw. What cannot be an
 * attribute (not finite, not UTF-8, a key twice, no room) is left out and counted in refused().
 */
class Event
{
  public:
    explicit Event(std::string_view name) noexcept
    {
        ::playtrace_event_init(&e_, detail::Text<PLAYTRACE_NAME_BYTES_MAX + 1>(name).get());
    }
    Event(std::string_view name, std::initializer_list<Attribute> attributes) noexcept : Event(name)
    {
        for (const Attribute &attribute : attributes) {
            (void)add(attribute);
        }
    }
    /* With room for `bytes` of attributes in `buffer`, which outlives the event. */
    Event(std::string_view name, void *buffer, std::size_t bytes) noexcept
    {
        ::playtrace_event_init_in(&e_, detail::Text<PLAYTRACE_NAME_BYTES_MAX + 1>(name).get(),
                                  buffer, bytes);
    }

    template <typename Value> Event &add(std::string_view key, const Value &value) noexcept
    {
        return add(Attribute(key, value));
    }

    Event &add(const Attribute &a) noexcept
    {
        const detail::Text<PLAYTRACE_KEY_BYTES_MAX + 1> key(a.key_);

        switch (a.kind_) {
        case Attribute::Kind::Text:
            with_terminated(a, [&](const char *text) {
                (void)::playtrace_event_add_string(&e_, key.get(), text);
            });
            break;
        case Attribute::Kind::Json:
            with_terminated(a, [&](const char *text) {
                (void)::playtrace_event_add_json(&e_, key.get(), text);
            });
            break;
        case Attribute::Kind::Bool:
            (void)::playtrace_event_add_bool(&e_, key.get(), a.integer_ != 0);
            break;
        case Attribute::Kind::Int:
            (void)::playtrace_event_add_int(&e_, key.get(), a.integer_);
            break;
        case Attribute::Kind::Uint:
            (void)::playtrace_event_add_uint(&e_, key.get(), a.unsigned_);
            break;
        case Attribute::Kind::Double:
            (void)::playtrace_event_add_double(&e_, key.get(), a.number_);
            break;
        }
        return *this;
    }

    Event &priority(Priority priority) noexcept
    {
        ::playtrace_event_set_priority(&e_, priority);
        return *this;
    }

    unsigned refused() const noexcept
    {
        return e_.refused;
    }
    const struct ::playtrace_event *get() const noexcept
    {
        return &e_;
    }

  private:
    template <typename Use> static void with_terminated(const Attribute &a, Use use) noexcept
    {
        if (a.terminated_) {
            use(a.terminated_);
        } else {
            detail::with_terminated(a.text_, use);
        }
    }

    struct ::playtrace_event e_;
};

/* Where to send and whose events they are. Copies its texts; set once, used by Client::open(). */
class Options
{
  public:
    Options(std::string_view url, std::string_view queue_dir) : url_(url), queue_dir_(queue_dir)
    {
        ::playtrace_options_init(&rest_);
    }

    Options &api_key(std::string_view text)
    {
        return set(api_key_, text);
    }
    Options &user_id(std::string_view text)
    {
        return set(user_id_, text);
    }
    Options &build_id(std::string_view text)
    {
        return set(build_id_, text);
    }
    Options &platform(std::string_view text)
    {
        return set(platform_, text);
    }
    Options &mechanic_version(std::string_view text)
    {
        return set(mechanic_version_, text);
    }

    Options &signing_secret(std::string_view text)
    {
        return set(signing_secret_, text);
    }
    Options &flag_context(std::string_view json)
    {
        return set(flag_context_, json);
    }

    Options &consent(Consent decision) noexcept
    {
        rest_.consent = decision;
        return *this;
    }

    /* How long ~Client() may send. Default 0: what is left goes to disk, for the next open. */
    Options &close_timeout_ms(std::uint32_t ms) noexcept
    {
        close_timeout_ms_ = ms;
        return *this;
    }

    std::uint32_t close_timeout_ms() const noexcept
    {
        return close_timeout_ms_;
    }

    /* Everything else of struct playtrace_options. Its texts here are written by c(). */
    struct ::playtrace_options &rest() noexcept
    {
        return rest_;
    }

    /* For playtrace_open(); good while this object lives and is not changed. */
    struct ::playtrace_options c() const noexcept
    {
        struct ::playtrace_options options = rest_;

        options.url = url_.c_str();
        options.queue_dir = queue_dir_.c_str();
        options.api_key = get(api_key_);
        options.user_id = get(user_id_);
        options.build_id = get(build_id_);
        options.platform = get(platform_);
        options.mechanic_version = get(mechanic_version_);
        options.signing_secret = get(signing_secret_);
        options.flag_context = get(flag_context_);
        return options;
    }

  private:
    using Maybe = std::optional<std::string>;

    Options &set(Maybe &member, std::string_view text)
    {
        member.emplace(text);
        return *this;
    }

    static const char *get(const Maybe &member) noexcept
    {
        return member ? member->c_str() : nullptr;
    }

    std::string url_;
    std::string queue_dir_;
    Maybe api_key_;
    Maybe user_id_;
    Maybe build_id_;
    Maybe platform_;
    Maybe mechanic_version_;
    Maybe signing_secret_;
    Maybe flag_context_;
    std::uint32_t close_timeout_ms_ = 0;
    struct ::playtrace_options rest_ = {};
};

/* One client. Owns its struct playtrace; can be moved, not copied, and not while it is in use. */
class Client
{
  public:
    Client() noexcept = default;
    ~Client()
    {
        (void)close(close_timeout_ms_);
    }

    Client(const Client &) = delete;
    Client &operator=(const Client &) = delete;

    Client(Client &&other) noexcept
        : p_(std::exchange(other.p_, nullptr)), close_timeout_ms_(other.close_timeout_ms_)
    {
    }

    Client &operator=(Client &&other) noexcept
    {
        if (this != &other) {
            (void)close(close_timeout_ms_);
            p_ = std::exchange(other.p_, nullptr);
            close_timeout_ms_ = other.close_timeout_ms_;
        }
        return *this;
    }

    /* Closes what was open first. */
    [[nodiscard]] Status open(const Options &options) noexcept
    {
        const struct ::playtrace_options c = options.c();

        (void)close(close_timeout_ms_);
        close_timeout_ms_ = options.close_timeout_ms();
        return ::playtrace_open(&p_, &c);
    }

    /* As playtrace_close(): PLAYTRACE_OK where nothing is open. */
    Status close(std::uint32_t timeout_ms = 0) noexcept
    {
        return ::playtrace_close(std::exchange(p_, nullptr), timeout_ms);
    }

    bool is_open() const noexcept
    {
        return p_ != nullptr;
    }
    explicit operator bool() const noexcept
    {
        return is_open();
    }

    /* For calls of playtrace.h; stays ours. */
    struct ::playtrace *get() const noexcept
    {
        return p_;
    }

    /* ---- events ---- */

    /* `attributes_json`: nullptr or the text of one JSON object. */
    Status track(std::string_view name, const char *attributes_json = nullptr,
                 Priority priority = PLAYTRACE_PRIORITY_NORMAL) noexcept
    {
        return ::playtrace_track_with(p_, Name(name).get(), attributes_json, priority, nullptr);
    }

    Status track(const Event &event) noexcept
    {
        return ::playtrace_track_event(p_, event.get(), nullptr);
    }

    /* The same, and the event's id, "" unless the answer is PLAYTRACE_OK. */
    Status track(const Event &event, std::string &event_id_out)
    {
        char id[PLAYTRACE_ID_TEXT_BYTES] = "";
        const Status status = ::playtrace_track_event(p_, event.get(), id);

        event_id_out = id;
        return status;
    }

    Status track(std::string_view name, std::initializer_list<Attribute> attributes) noexcept
    {
        return track(Event(name, attributes));
    }

    /* ---- who ---- */

    Status set_user(std::string_view user_id) noexcept
    {
        return ::playtrace_set_user(p_, detail::Text<PLAYTRACE_TEXT_BYTES_MAX + 1>(user_id).get());
    }

    /* The install_id again stands for the player. */
    Status clear_user() noexcept
    {
        return ::playtrace_set_user(p_, nullptr);
    }

    Status session_start() noexcept
    {
        return ::playtrace_session_start(p_);
    }

    /* The game goes to the background, and comes back. */
    Status pause() noexcept
    {
        return ::playtrace_pause(p_);
    }
    Status resume() noexcept
    {
        return ::playtrace_resume(p_);
    }

    /* "" where nothing is open. */
    std::string session_id() const
    {
        char id[PLAYTRACE_ID_TEXT_BYTES] = "";

        if (p_) {
            ::playtrace_session_id(p_, id);
        }
        return id;
    }

    /* ---- consent ---- */

    Status set_consent(Consent decision) noexcept
    {
        return ::playtrace_set_consent(p_, decision);
    }
    Consent consent() const noexcept
    {
        return ::playtrace_get_consent(p_);
    }

    /* `purposes`: bits of enum playtrace_purpose, 0: withdrawn. "": no policy is named. */
    Status set_consent_for(unsigned purposes, std::string_view policy_version = {}) noexcept
    {
        const detail::Text<PLAYTRACE_POLICY_BYTES_MAX + 1> policy(policy_version);

        return ::playtrace_set_consent_for(p_, purposes,
                                           policy_version.empty() ? nullptr : policy.get());
    }

    ConsentRecord consent_record() const noexcept
    {
        ConsentRecord record = {};

        ::playtrace_get_consent_record(p_, &record);
        return record;
    }

    /* ---- delivery ---- */

    Status flush(std::uint32_t timeout_ms) noexcept
    {
        return ::playtrace_flush(p_, timeout_ms);
    }
    Status sync(std::uint32_t timeout_ms) noexcept
    {
        return ::playtrace_sync(p_, timeout_ms);
    }
    Status pump() noexcept
    {
        return ::playtrace_pump(p_);
    }

    /*
     * ---- flags: with a default, or nothing where there is no value of that type ----
     *
     * Without a default a getter of numbers is asked with two: what it gives both times is the
     * value.
     */

    bool flag_bool(std::string_view key, bool default_value) noexcept
    {
        return ::playtrace_flag_bool(p_, Key(key).get(), default_value);
    }
    std::optional<bool> flag_bool(std::string_view key) noexcept
    {
        const bool value = flag_bool(key, false);

        return value == flag_bool(key, true) ? std::optional<bool>(value) : std::nullopt;
    }

    std::int64_t flag_int(std::string_view key, std::int64_t default_value) noexcept
    {
        return ::playtrace_flag_int(p_, Key(key).get(), default_value);
    }
    std::optional<std::int64_t> flag_int(std::string_view key) noexcept
    {
        const std::int64_t value = flag_int(key, 0);

        return value == flag_int(key, 1) ? std::optional<std::int64_t>(value) : std::nullopt;
    }

    double flag_double(std::string_view key, double default_value) noexcept
    {
        return ::playtrace_flag_double(p_, Key(key).get(), default_value);
    }
    std::optional<double> flag_double(std::string_view key) noexcept
    {
        const double zero = flag_double(key, 0.0);
        const double one = flag_double(key, 1.0);

        return zero < one ? std::nullopt : std::optional<double>(zero);
    }

    std::string flag_string(std::string_view key, std::string_view default_value)
    {
        return flag_string(key).value_or(std::string(default_value));
    }
    std::optional<std::string> flag_string(std::string_view key)
    {
        return value_of(::playtrace_flag_string, key);
    }

    /* The text of an object or an array. */
    std::string flag_json(std::string_view key, std::string_view default_value)
    {
        return flag_json(key).value_or(std::string(default_value));
    }
    std::optional<std::string> flag_json(std::string_view key)
    {
        return value_of(::playtrace_flag_json, key);
    }

    /* Logs no exposure. */
    FlagDetails flag_details(std::string_view key) const noexcept
    {
        FlagDetails details = {};

        (void)::playtrace_flag_details(p_, Key(key).get(), &details);
        return details;
    }

    /* `json`: the text of an object; "": nothing. */
    Status set_flag_context(std::string_view json)
    {
        Status status = PLAYTRACE_OK;

        if (json.empty()) {
            return ::playtrace_set_flag_context(p_, nullptr);
        }
        detail::with_terminated(
            json, [&](const char *text) { status = ::playtrace_set_flag_context(p_, text); });
        return status;
    }

    Status flags_refresh(std::uint32_t timeout_ms) noexcept
    {
        return ::playtrace_flags_refresh(p_, timeout_ms);
    }

    /* Grows with each change of values. */
    std::uint64_t flags_generation() const noexcept
    {
        return ::playtrace_flags_generation(p_);
    }

    Stats stats() const noexcept
    {
        Stats stats = {};

        ::playtrace_stats(p_, &stats);
        return stats;
    }

  private:
    using Name = detail::Text<PLAYTRACE_NAME_BYTES_MAX + 1>;
    using Key = detail::Text<512>; /* no flag's key is that long */
    using TextGetter = decltype(&::playtrace_flag_string);

    /* Nothing where the getter gives its default: a byte that no flag's text holds. */
    std::optional<std::string> value_of(TextGetter getter, std::string_view key)
    {
        const Key name(key);
        std::string text(255, '\0');
        const std::size_t bytes = getter(p_, name.get(), "\xff", text.data(), text.size() + 1);

        /* Again with room for all of it; it may have grown meanwhile, and then is cut. */
        if (bytes > text.size()) {
            text.resize(bytes);
            (void)getter(p_, name.get(), "\xff", text.data(), text.size() + 1);
        }
        text.resize(std::strlen(text.c_str()));
        return text == "\xff" ? std::nullopt : std::optional<std::string>(std::move(text));
    }

    struct ::playtrace *p_ = nullptr;
    std::uint32_t close_timeout_ms_ = 0;
};

/* Calls that must not be made; counted by builds without NDEBUG. */
inline unsigned misuse_count() noexcept
{
    return ::playtrace_misuse_count();
}

/* "OK", "QUEUED", … */
inline const char *status_name(Status status) noexcept
{
    return ::playtrace_status_name(status);
}

} // namespace Playtrace

#endif
