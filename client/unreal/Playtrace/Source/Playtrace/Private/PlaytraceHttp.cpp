// PlaytraceHttp.cpp - the core's requests by FHttpModule
//
// The delegate runs on the engine's HTTP thread, not on the game's: else nothing could be delivered
// while the game's thread waits in Flush or at the end of the game, and a frame that takes long
// would hold up receipts. It touches the exchange alone, which it owns a share of.
#include "PlaytraceHttp.h"

#include "HttpModule.h"
#include "Interfaces/IHttpResponse.h"
#include "PlaytraceText.h"

using PlaytracePortable::FAnswer;
using PlaytracePortable::FExchange;
using PlaytracePortable::FRequest;
using PlaytraceText::FromUtf8;
using PlaytraceText::ToUtf8;

static FAnswer ReadAnswer(const FHttpResponsePtr &Response, bool bIsWhole)
{
    FAnswer Answer;

    if (bIsWhole && Response.IsValid()) {
        const TArray<uint8> &Body = Response->GetContent();

        Answer.Status = Response->GetResponseCode();
        Answer.Body.assign(reinterpret_cast<const char *>(Body.GetData()),
                           static_cast<std::size_t>(Body.Num()));
        Answer.RetryAfter = ToUtf8(Response->GetHeader(TEXT("Retry-After")));
        Answer.ETag = ToUtf8(Response->GetHeader(TEXT("ETag")));
        Answer.ContentType = ToUtf8(Response->GetHeader(TEXT("Content-Type")));
        Answer.TraceResponse = ToUtf8(Response->GetHeader(TEXT("traceresponse")));
        Answer.Date = ToUtf8(Response->GetHeader(TEXT("Date")));
    }
    return Answer;
}

bool FPlaytraceHttp::Start(const FRequest &Request, const std::shared_ptr<FExchange> &Exchange)
{
    const FHttpRequestRef Http = FHttpModule::Get().CreateRequest();
    TArray<uint8> Body;

    Http->SetURL(FromUtf8(Request.Url));
    Http->SetVerb(FromUtf8(Request.Method));
    for (const auto &Header : Request.Headers) {
        Http->SetHeader(FromUtf8(Header.first), FromUtf8(Header.second));
    }
    if (Request.bWantsNewConnection) {
        /* The engine has no word for a fresh one; at least this one is not used again. */
        Http->SetHeader(TEXT("Connection"), TEXT("close"));
    }
    if (!Request.Body.empty()) {
        Body.Append(Request.Body.data(), static_cast<int32>(Request.Body.size()));
        Http->SetContent(MoveTemp(Body));
    }
    if (Request.TimeoutSeconds > 0) {
        Http->SetTimeout(Request.TimeoutSeconds);
    }
    Http->SetDelegateThreadPolicy(EHttpRequestDelegateThreadPolicy::CompleteOnHttpThread);
    Http->OnProcessRequestComplete().BindLambda(
        [Exchange](FHttpRequestPtr, FHttpResponsePtr Response, bool bIsWhole) {
            Exchange->Finish(ReadAnswer(Response, bIsWhole));
        });
    Current = Http;
    /* Where it cannot begin, the engine may call the delegate as well: nobody asks any more. */
    if (!Http->ProcessRequest()) {
        Current.Reset();
        return false;
    }
    return true;
}

void FPlaytraceHttp::Cancel()
{
    if (Current.IsValid()) {
        Current->CancelRequest();
        Current.Reset();
    }
}

std::unique_ptr<PlaytracePortable::IEngineHttp> FPlaytraceHttpFactory::Create()
{
    return std::make_unique<FPlaytraceHttp>();
}
