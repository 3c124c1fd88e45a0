/*
 * Exchange.h - the core's asynchronous transport over any engine's HTTP
 *
 * No engine header is included here: the test runs this part against the real collector with
 * sockets of its own. The engine gives an IEngineHttp; the core gets the three functions
 * http_start, http_is_done and http_cancel of struct playtrace_platform.
 *
 * Threads: the core calls from one thread at a time (not always the same one); the engine finishes
 * an exchange on any thread. What an engine says after a cancel, or twice, changes nothing: it
 * holds an exchange of its own, never the core's memory.
 */
#pragma once

#include "playtrace.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace PlaytracePortable
{

/* Copies: the engine reads them later, and on threads of its own. */
struct FRequest {
    std::string Method;
    std::string Url;
    std::vector<std::pair<std::string, std::string>> Headers;
    std::vector<std::uint8_t> Body;
    float TimeoutSeconds = 0;         /* 0: none */
    bool bWantsNewConnection = false; /* an answer came that was to another request */
};

/* Status 0: no whole answer came. Headers are "" where the server sent none. */
struct FAnswer {
    int Status = 0;
    std::string Body;
    std::string RetryAfter;
    std::string ETag;
    std::string ContentType;
    std::string TraceResponse;
    std::string Date;
};

/* One request on its way; shared by the transport and by what the engine calls at the end. */
class FExchange
{
  public:
    /* From any thread. The first call counts. */
    void Finish(FAnswer &&InAnswer);

    /* True once, with the answer moved out. */
    bool Take(FAnswer &OutAnswer);

  private:
    std::mutex Mutex;
    bool bIsFinished = false;
    bool bIsTaken = false;
    FAnswer Answer;
};

/* What the engine does. Both are called by the core's thread and may not wait for the network. */
class IEngineHttp
{
  public:
    virtual ~IEngineHttp() = default;

    /* Begin; call Exchange->Finish() later or at once. False: it could not be begun. */
    virtual bool Start(const FRequest &Request, const std::shared_ptr<FExchange> &Exchange) = 0;

    /* The request that was begun last is not wanted any more. */
    virtual void Cancel() = 0;
};

/* One client's transport: what the core calls `http`. */
class FTransport
{
  public:
    explicit FTransport(std::unique_ptr<IEngineHttp> InHttp) : Http(std::move(InHttp))
    {
    }
    ~FTransport()
    {
        Cancel();
    }

    int Start(const struct playtrace_http_request *Request,
              struct playtrace_http_response *Response);
    bool IsDone();
    void Cancel();

  private:
    std::unique_ptr<IEngineHttp> Http;
    std::shared_ptr<FExchange> Exchange; /* null: none on its way */
    struct playtrace_http_response *Response = nullptr;
    bool (*OnBody)(void *BodyCtx, const char *Data, std::size_t Bytes) = nullptr;
    void *BodyCtx = nullptr;
};

/* Makes the engine's HTTP of one client; the platform's http_ctx points to it. */
class IEngineHttpFactory
{
  public:
    virtual ~IEngineHttpFactory() = default;
    virtual std::unique_ptr<IEngineHttp> Create() = 0;
};

/* Put the transport into the table; http_post is taken out. `Factory` outlives the clients. */
void InstallTransport(struct playtrace_platform &Table, IEngineHttpFactory &Factory);

} // namespace PlaytracePortable
