/*
 * Exchange.cpp - the core's asynchronous transport over any engine's HTTP
 */
#include "Portable/Exchange.h"

#include <cstring>

namespace PlaytracePortable
{

void FExchange::Finish(FAnswer &&InAnswer)
{
    std::lock_guard<std::mutex> Lock(Mutex);

    if (!bIsFinished) {
        bIsFinished = true;
        Answer = std::move(InAnswer);
    }
}

bool FExchange::Take(FAnswer &OutAnswer)
{
    std::lock_guard<std::mutex> Lock(Mutex);

    if (!bIsFinished || bIsTaken) {
        return false;
    }
    bIsTaken = true;
    OutAnswer = std::move(Answer);
    return true;
}

/* "Name: value" of the core, as two texts. */
static std::pair<std::string, std::string> SplitHeader(const char *Line)
{
    const char *Colon = std::strchr(Line, ':');
    const char *Value = Colon ? Colon + 1 : Line + std::strlen(Line);

    while (*Value == ' ') {
        Value++;
    }
    return {std::string(Line, Colon ? static_cast<std::size_t>(Colon - Line) : std::strlen(Line)),
            std::string(Value)};
}

/* What does not fit is left out whole: half a value would be another value. */
template <std::size_t Bytes> static void CopyHeader(char (&To)[Bytes], const std::string &From)
{
    if (From.size() < Bytes && From.find('\0') == std::string::npos) {
        std::memcpy(To, From.c_str(), From.size() + 1);
    } else {
        To[0] = '\0';
    }
}

int FTransport::Start(const struct playtrace_http_request *Request,
                      struct playtrace_http_response *InResponse)
{
    FRequest Copy;

    if (!Http || Exchange) {
        return -1;
    }
    Copy.Method = Request->method ? Request->method : "POST";
    Copy.Url = Request->url;
    for (std::size_t I = 0; I < Request->header_count; I++) {
        Copy.Headers.push_back(SplitHeader(Request->headers[I]));
    }
    if (Request->body_bytes > 0) {
        const std::uint8_t *Body = static_cast<const std::uint8_t *>(Request->body);
        Copy.Body.assign(Body, Body + Request->body_bytes);
    }
    Copy.bWantsNewConnection = Request->wants_new_connection;
    Copy.TimeoutSeconds = static_cast<float>(Request->timeout_ms) / 1000.0f;

    Response = InResponse;
    OnBody = Request->on_body;
    BodyCtx = Request->body_ctx;
    Exchange = std::make_shared<FExchange>();
    if (!Http->Start(Copy, Exchange)) {
        Exchange.reset();
        Response = nullptr;
        return -1;
    }
    return 0;
}

bool FTransport::IsDone()
{
    FAnswer Answer;

    if (!Exchange || !Exchange->Take(Answer)) {
        return false;
    }
    Exchange.reset();
    Response->status = Answer.Status;
    Response->body_bytes = 0;
    CopyHeader(Response->retry_after, Answer.RetryAfter);
    CopyHeader(Response->etag, Answer.ETag);
    CopyHeader(Response->content_type, Answer.ContentType);
    CopyHeader(Response->traceresponse, Answer.TraceResponse);
    CopyHeader(Response->date, Answer.Date);
    if (OnBody) {
        if (!Answer.Body.empty() && !OnBody(BodyCtx, Answer.Body.data(), Answer.Body.size())) {
            Response->status = 0;
        }
    } else {
        std::size_t Bytes = Answer.Body.size();

        Response->is_truncated = Bytes > Response->body_bytes_max;
        Bytes = Response->is_truncated ? Response->body_bytes_max : Bytes;
        if (Bytes > 0) {
            std::memcpy(Response->body, Answer.Body.data(), Bytes);
        }
        Response->body_bytes = Bytes;
    }
    Response = nullptr;
    return true;
}

void FTransport::Cancel()
{
    if (Exchange) {
        Exchange.reset(); /* first: what the engine still says goes nowhere */
        Response = nullptr;
        Http->Cancel();
    }
}

/* ---- the platform table's side ---- */

static void *HttpCreate(void *Ctx)
{
    std::unique_ptr<IEngineHttp> Http = static_cast<IEngineHttpFactory *>(Ctx)->Create();

    return Http ? new FTransport(std::move(Http)) : nullptr;
}

static void HttpDestroy(void *Transport)
{
    delete static_cast<FTransport *>(Transport);
}

static int HttpStart(void *Transport, const struct playtrace_http_request *Request,
                     struct playtrace_http_response *Response)
{
    return Transport ? static_cast<FTransport *>(Transport)->Start(Request, Response) : -1;
}

static bool HttpIsDone(void *Transport)
{
    return static_cast<FTransport *>(Transport)->IsDone();
}

static void HttpCancel(void *Transport)
{
    static_cast<FTransport *>(Transport)->Cancel();
}

void InstallTransport(struct playtrace_platform &Table, IEngineHttpFactory &Factory)
{
    Table.http_ctx = &Factory;
    Table.http_create = HttpCreate;
    Table.http_destroy = HttpDestroy;
    Table.http_post = nullptr;
    Table.http_start = HttpStart;
    Table.http_is_done = HttpIsDone;
    Table.http_cancel = HttpCancel;
}

} // namespace PlaytracePortable
