/*
 * Provider.h - what an analytics provider of an engine means in Playtrace
 *
 * No engine header is included here. From any thread.
 *
 *     StartSession      opens the client (a new session where it is open), event `session_start`
 *     RecordEvent       one event: its attributes, then the defaults whose keys it does not have;
 *                       opens the client where nobody has: events without a session are legal
 *     FlushEvents       asks for a send and returns
 *     EndSession        event `session_end` where a session was started, gives the client back
 */
#pragma once

#include "Portable/Attributes.h"
#include "Portable/SharedClient.h"

#include <functional>
#include <mutex>
#include <string>

namespace PlaytracePortable
{

class FProvider
{
  public:
    /*
     * `InTakeShare` takes a share of `InClient` or says false; it is asked by StartSession(), and
     * by Record() until it has said no once (or somebody else has opened the client): an event must
     * not cost an attempt on the disk each time. `InClient` outlives the provider.
     */
    FProvider(FSharedClient &InClient, std::function<bool()> InTakeShare);
    ~FProvider();

    /*
     * `EngineSession` is the engine's own id, "" for none: it is sent as attribute engine_session
     * of `session_start`, because a session's id here is the client's.
     */
    bool StartSession(const std::string &EngineSession, const FAttributes &Attributes);
    void EndSession();
    Playtrace::Status Record(std::string_view Name, const FAttributes &Attributes);
    void Flush();
    bool BlockUntilFlushed(std::uint32_t TimeoutMs);
    std::string SessionId();

    void SetUser(const std::string &InUser); /* "": the install's id again */
    std::string User() const;

    void SetDefaults(FAttributes InDefaults);
    FAttributes Defaults() const;

  private:
    bool Open(bool bAgain);

    FSharedClient &Client;
    std::function<bool()> TakeShare;
    mutable std::mutex Mutex; /* guards what follows; not held over calls of the client */
    bool bIsOpen = false;     /* holds a share of the client */
    bool bIsRefused = false;  /* TakeShare() said no */
    bool bHasSession = false; /* StartSession() was called, EndSession() not yet */
    std::string CurrentUser;
    FAttributes DefaultAttributes;
};

} // namespace PlaytracePortable
