/*
 * Provider.cpp - what an analytics provider of an engine means in Playtrace
 */
#include "Portable/Provider.h"

namespace PlaytracePortable
{

FProvider::FProvider(FSharedClient &InClient, std::function<bool()> InTakeShare)
    : Client(InClient), TakeShare(std::move(InTakeShare))
{
}

FProvider::~FProvider()
{
    EndSession();
}

/* True where it is open now. Two threads may both open: one share is given back. */
bool FProvider::Open(bool bAgain)
{
    std::string UserNow;
    bool bIsSecond = false;
    bool bWasRefused = false;

    {
        std::lock_guard<std::mutex> Lock(Mutex);
        if (bIsOpen) {
            return true;
        }
        bWasRefused = bIsRefused;
    }
    if (bWasRefused && !bAgain && !Client.Use([](Playtrace::Client &P) { return P.is_open(); })) {
        return false;
    }
    if (!TakeShare()) {
        std::lock_guard<std::mutex> Lock(Mutex);
        bIsRefused = true;
        return false;
    }
    {
        std::lock_guard<std::mutex> Lock(Mutex);
        bIsSecond = bIsOpen;
        bIsOpen = true;
        bIsRefused = false;
        UserNow = CurrentUser;
    }
    if (bIsSecond) {
        (void)Client.Release(0);
    } else if (!UserNow.empty()) {
        (void)Client.Use([&](Playtrace::Client &P) { return P.set_user(UserNow); });
    }
    return true;
}

bool FProvider::StartSession(const std::string &EngineSession, const FAttributes &Attributes)
{
    FAttributes All = Attributes;
    bool bWasOpen = false;

    {
        std::lock_guard<std::mutex> Lock(Mutex);
        bWasOpen = bIsOpen;
    }
    if (!Open(true)) {
        return false;
    }
    if (bWasOpen) {
        (void)Client.Use([](Playtrace::Client &P) { return P.session_start(); });
    }
    {
        std::lock_guard<std::mutex> Lock(Mutex);
        bHasSession = true;
    }
    if (!EngineSession.empty()) {
        All.push_back(FAttribute::MakeText("engine_session", EngineSession));
    }
    (void)Record("session_start", All);
    return true;
}

void FProvider::EndSession()
{
    bool bWasStarted = false;

    {
        std::lock_guard<std::mutex> Lock(Mutex);
        bWasStarted = bHasSession;
        bHasSession = false;
    }
    if (bWasStarted) {
        (void)Record("session_end", {});
        Flush();
    }
    {
        std::lock_guard<std::mutex> Lock(Mutex);
        if (!bIsOpen) {
            return;
        }
        bIsOpen = false;
    }
    (void)Client.Release(0);
}

Playtrace::Status FProvider::Record(std::string_view Name, const FAttributes &Attributes)
{
    const FAttributes DefaultsNow = Defaults();

    if (!Open(false)) {
        return PLAYTRACE_INVALID;
    }
    return Client.Use([&](Playtrace::Client &P) {
        return TrackAttributes(P, Name, Attributes, DefaultsNow, PLAYTRACE_PRIORITY_NORMAL);
    });
}

void FProvider::Flush()
{
    /* One millisecond wakes the worker, which goes on when this has returned. */
    (void)Client.Use([](Playtrace::Client &P) { return P.flush(1); });
}

bool FProvider::BlockUntilFlushed(std::uint32_t TimeoutMs)
{
    return Client.Use([&](Playtrace::Client &P) { return P.flush(TimeoutMs); }) == PLAYTRACE_OK;
}

std::string FProvider::SessionId()
{
    return Client.Use([](Playtrace::Client &P) { return P.session_id(); });
}

void FProvider::SetUser(const std::string &InUser)
{
    {
        std::lock_guard<std::mutex> Lock(Mutex);
        CurrentUser = InUser;
    }
    (void)Client.Use(
        [&](Playtrace::Client &P) { return InUser.empty() ? P.clear_user() : P.set_user(InUser); });
}

std::string FProvider::User() const
{
    std::lock_guard<std::mutex> Lock(Mutex);

    return CurrentUser;
}

void FProvider::SetDefaults(FAttributes InDefaults)
{
    std::lock_guard<std::mutex> Lock(Mutex);

    DefaultAttributes = std::move(InDefaults);
}

FAttributes FProvider::Defaults() const
{
    std::lock_guard<std::mutex> Lock(Mutex);

    return DefaultAttributes;
}

} // namespace PlaytracePortable
