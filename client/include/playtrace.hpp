/*
 * playtrace.hpp - playtrace.h for C++17: a client that closes itself, text as string_view
 *
 *     Playtrace::Client client;
 *     Playtrace::Options options("https://play.example", save_dir);
 *
 *     options.user_id(account).consent(PLAYTRACE_CONSENT_GIVEN);
 *     if (client.open(options) == PLAYTRACE_OK) {
 *         client.track("level_end", R"({"level":7,"won":true})");
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

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace Playtrace
{

using Status = enum ::playtrace_status;
using Consent = enum ::playtrace_consent;
using Stats = struct ::playtrace_stats;

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

} // namespace detail

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
    Status track(std::string_view name, const char *attributes_json = nullptr) noexcept
    {
        return ::playtrace_track(p_, Name(name).get(), attributes_json);
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

    /* ---- delivery ---- */

    Status flush(std::uint32_t timeout_ms) noexcept
    {
        return ::playtrace_flush(p_, timeout_ms);
    }
    Status pump() noexcept
    {
        return ::playtrace_pump(p_);
    }

    Stats stats() const noexcept
    {
        Stats stats = {};

        ::playtrace_stats(p_, &stats);
        return stats;
    }

  private:
    using Name = detail::Text<PLAYTRACE_NAME_BYTES_MAX + 1>;

    struct ::playtrace *p_ = nullptr;
    std::uint32_t close_timeout_ms_ = 0;
};

/* "OK", "QUEUED", … */
inline const char *status_name(Status status) noexcept
{
    return ::playtrace_status_name(status);
}

} // namespace Playtrace

#endif
