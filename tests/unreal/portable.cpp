/*
 * portable.cpp - the plugin's engine-independent part: names, attributes, provider, transport
 *
 *     portable URL DIR
 *
 * Method: an engine's HTTP made of threads and libcurl's transport, which also does what engines
 * are known to do: answers twice, answers after a cancel, never answers, cannot begin. The real
 * collector is at URL; the test looks at its table afterwards.
 */
#include "Portable/Exchange.h"
#include "Portable/Provider.h"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <thread>

using namespace PlaytracePortable;

namespace
{

int Failures = 0;

void Check(bool bHolds, const char *What, int Line)
{
    if (!bHolds) {
        std::fprintf(stderr, "portable.cpp:%d: %s\n", Line, What);
        Failures++;
    }
}

#define CHECK(condition) Check((condition), #condition, __LINE__)

/* ---- names ---- */

void EngineNamesBecomeOurs()
{
    static const char *const Cases[][2] = {
        {"level_end", "level_end"},
        {"Item Purchase", "Item_Purchase"},
        {"Editor.Usage.Level", "Editor.Usage.Level"},
        {"a - b", "a_b"},
        {"3DTouch", "e_3DTouch"},
        {"_private", "e_private"},
        {"\xc3\xa9t\xc3\xa9", "e_t_"},
        {"", ""},
    };
    const std::string Long(80, 'x');

    for (const auto &Case : Cases) {
        CHECK(EventName(Case[0]) == Case[1]);
    }
    CHECK(EventName(std::string(64, 'x')) == std::string(64, 'x'));
    CHECK(EventName(Long).size() == 64);
    CHECK(EventName(Long + "a") != EventName(Long + "b"));
    CHECK(EventName(Long + "a") == EventName(Long + "a"));
}

void AKeyIsSixtyFourHexDigits()
{
    std::uint8_t Key[PLAYTRACE_KEY_BYTES] = {};

    CHECK(ParseKey("00ff" + std::string(56, 'a') + "9B7f", Key));
    CHECK(Key[0] == 0 && Key[1] == 0xff && Key[2] == 0xaa && Key[30] == 0x9b && Key[31] == 0x7f);
    CHECK(!ParseKey("", Key));
    CHECK(!ParseKey(std::string(63, '0'), Key));
    CHECK(!ParseKey(std::string(65, '0'), Key));
    CHECK(!ParseKey(std::string(63, '0') + "g", Key));
}

/* ---- the transport's states, with an engine that is called by hand ---- */

struct FHandMade : IEngineHttp {
    bool Start(const FRequest &InRequest, const std::shared_ptr<FExchange> &InExchange) override
    {
        Request = InRequest;
        Exchange = InExchange;
        Starts++;
        return !bRefuses;
    }
    void Cancel() override
    {
        Cancels++;
    }

    FRequest Request;
    std::shared_ptr<FExchange> Exchange;
    int Starts = 0;
    int Cancels = 0;
    bool bRefuses = false;
};

FAnswer AnswerOf(int Status, const char *Body)
{
    FAnswer Answer;

    Answer.Status = Status;
    Answer.Body = Body;
    return Answer;
}

void AnExchangeIsDoneOnce()
{
    auto Owned = std::make_unique<FHandMade>();
    FHandMade *Engine = Owned.get();
    FTransport Transport(std::move(Owned));
    const char *const Headers[] = {"Content-Type: application/json", "X-Empty:"};
    struct playtrace_http_request Request = {};
    struct playtrace_http_response Response = {};
    char Body[4];

    Request.url = "http://127.0.0.1/v1/events";
    Request.headers = Headers;
    Request.header_count = 2;
    Request.body = "abc";
    Request.body_bytes = 3;
    Request.timeout_ms = 1500;
    Request.wants_new_connection = true;
    Response.body = Body;
    Response.body_bytes_max = sizeof(Body);

    CHECK(!Transport.IsDone()); /* nothing was begun */
    CHECK(Transport.Start(&Request, &Response) == 0);
    CHECK(Transport.Start(&Request, &Response) == -1); /* one at a time */
    CHECK(Engine->Starts == 1);
    CHECK(Engine->Request.Method == "POST");
    CHECK(Engine->Request.TimeoutSeconds == 1.5f);
    CHECK(Engine->Request.bWantsNewConnection);
    CHECK(Engine->Request.Headers.size() == 2);
    CHECK(Engine->Request.Headers[0].first == "Content-Type");
    CHECK(Engine->Request.Headers[0].second == "application/json");
    CHECK(Engine->Request.Headers[1].second.empty());
    CHECK(!Transport.IsDone());

    FAnswer Answer = AnswerOf(202, "toolong");
    Answer.RetryAfter = std::string(64, '1'); /* does not fit: left out whole */
    Answer.ETag = "\"e1\"";
    Answer.TraceResponse = "00-1-2-01";
    Engine->Exchange->Finish(std::move(Answer));
    Engine->Exchange->Finish(AnswerOf(500, "again"));
    CHECK(Transport.IsDone());
    CHECK(Response.status == 202);
    CHECK(Response.is_truncated && Response.body_bytes == 4 && std::memcmp(Body, "tool", 4) == 0);
    CHECK(Response.retry_after[0] == '\0');
    CHECK(std::strcmp(Response.etag, "\"e1\"") == 0);
    CHECK(std::strcmp(Response.traceresponse, "00-1-2-01") == 0);
    CHECK(!Transport.IsDone()); /* once */

    /* A cancel: what comes later touches nothing of the core's. */
    Response.status = 77;
    CHECK(Transport.Start(&Request, &Response) == 0);
    Transport.Cancel();
    Transport.Cancel();
    CHECK(Engine->Cancels == 1);
    Engine->Exchange->Finish(AnswerOf(202, "late"));
    CHECK(!Transport.IsDone());
    CHECK(Response.status == 77);

    /* The late one does not count for the next. */
    const std::shared_ptr<FExchange> Late = Engine->Exchange;
    CHECK(Transport.Start(&Request, &Response) == 0);
    Late->Finish(AnswerOf(202, "later still"));
    CHECK(!Transport.IsDone());
    Engine->Exchange->Finish(AnswerOf(503, ""));
    CHECK(Transport.IsDone() && Response.status == 503 && Response.body_bytes == 0);

    Engine->bRefuses = true;
    CHECK(Transport.Start(&Request, &Response) == -1);
    CHECK(!Transport.IsDone());
    Engine->bRefuses = false;
    CHECK(Transport.Start(&Request, &Response) == 0);
    Transport.Cancel();
}

/* ---- the real collector, by an engine's HTTP of threads ---- */

struct FThreaded : IEngineHttp {
    ~FThreaded() override
    {
        Cancel();
    }

    bool Start(const FRequest &Request, const std::shared_ptr<FExchange> &Exchange) override
    {
        static std::atomic<int> Count{0};
        const int Number = Count++;

        Join();
        if (Number % 5 == 1) {
            return false; /* cannot begin */
        }
        if (Number % 5 == 2) {
            Exchange->Finish(FAnswer()); /* fails at once */
            return true;
        }
        Thread = std::thread([Request, Exchange] {
            struct playtrace_http_request Asked = {};
            struct playtrace_http_response Answered = {};
            std::vector<std::string> Lines;
            std::vector<const char *> Headers;
            std::vector<char> Body(65536);
            void *Curl = playtrace_http_curl_create(nullptr);
            FAnswer Answer;

            for (const auto &Header : Request.Headers) {
                Lines.push_back(Header.first + ": " + Header.second);
            }
            for (const std::string &Line : Lines) {
                Headers.push_back(Line.c_str());
            }
            Asked.method = Request.Method.c_str();
            Asked.url = Request.Url.c_str();
            Asked.headers = Headers.data();
            Asked.header_count = Headers.size();
            Asked.body = Request.Body.data();
            Asked.body_bytes = Request.Body.size();
            Asked.connect_timeout_ms = 5000;
            Asked.timeout_ms = 15000;
            Answered.body = Body.data();
            Answered.body_bytes_max = Body.size();
            playtrace_http_curl_post(Curl, &Asked, &Answered);
            playtrace_http_curl_destroy(Curl);
            Answer.Status = Answered.status;
            Answer.Body.assign(Body.data(), Answered.body_bytes);
            Answer.RetryAfter = Answered.retry_after;
            Answer.TraceResponse = Answered.traceresponse;
            Exchange->Finish(std::move(Answer));
            Exchange->Finish(AnswerOf(500, "twice"));
        });
        return true;
    }
    void Cancel() override
    {
        Join();
    }
    void Join()
    {
        if (Thread.joinable()) {
            Thread.join();
        }
    }

    std::thread Thread;
};

struct FThreadedFactory : IEngineHttpFactory {
    std::unique_ptr<IEngineHttp> Create() override
    {
        return std::make_unique<FThreaded>();
    }
};

void AProviderSpeaksToTheCollector(const char *Url, const std::string &Dir)
{
    struct playtrace_platform Table;
    FThreadedFactory Factory;
    FSharedClient Client;
    const auto Share = [&] {
        Playtrace::Options Made(Url, Dir);

        Made.platform("pc").consent(PLAYTRACE_CONSENT_GIVEN);
        Made.rest().platform_table = &Table;
        Made.rest().retry_base_ms = 1;
        Made.rest().retry_cap_ms = 20;
        return Client.Acquire(Made) == PLAYTRACE_OK;
    };

    playtrace_platform_posix_init(&Table);
    InstallTransport(Table, Factory);
    CHECK(Table.http_post == nullptr);
    {
        FProvider Provider(Client, Share);
        FProvider Second(Client, Share);

        Provider.SetUser("player-9"); /* before the start: holds for it */
        Provider.SetDefaults(
            {FAttribute::MakeText("mode", "arena"), FAttribute::MakeInteger("map", 3)});
        CHECK(Provider.SessionId().empty());
        CHECK(Provider.StartSession("{engine-id}", {FAttribute::MakeBoolean("cold", true)}));
        CHECK(Provider.SessionId().size() == 36);
        CHECK(Provider.User() == "player-9");
        CHECK(Provider.Record("Item Purchase", {FAttribute::MakeText("ItemId", "sword"),
                                                FAttribute::MakeJson("PerItemCost", "5"),
                                                FAttribute::MakeText("mode", "shop")}) ==
              PLAYTRACE_OK);
        CHECK(Provider.Record("", {}) == PLAYTRACE_INVALID);
        CHECK(Provider.Record("large", {FAttribute::MakeText("text", std::string(4000, 'y'))}) ==
              PLAYTRACE_OK);
        CHECK(Second.Record("without_session", {FAttribute::MakeNumber("x", 0.5)}) == PLAYTRACE_OK);
        for (int I = 0; I < 500; I++) {
            /* The ring may be full for a moment, where the machine is busy. */
            while (Provider.Record("step", {FAttribute::MakeInteger("i", I)}) ==
                   PLAYTRACE_DROPPED) {
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        }
        CHECK(Provider.BlockUntilFlushed(30000));
        const std::string Before = Provider.SessionId();
        CHECK(Provider.StartSession("", {})); /* again: a new session */
        CHECK(Provider.SessionId() != Before);
        Provider.EndSession();
        Provider.EndSession();
        CHECK(Second.BlockUntilFlushed(30000)); /* holds its share */
        const Playtrace::Stats Stats = Client.Use([](Playtrace::Client &P) { return P.stats(); });
        CHECK(Stats.queued == 0);
        CHECK(Stats.refused == 0);
        CHECK(Stats.send_attempts > 0);
    }
    CHECK(!Client.Use([](Playtrace::Client &P) { return P.is_open(); }));
}

/* An event must not cost an attempt to open each time, and goes on when somebody else has opened.
 */
void AProviderThatCannotOpenAsksOnce(const char *Url, const std::string &Dir)
{
    FSharedClient Client;
    Playtrace::Options Options(Url, Dir);
    int Asked = 0;
    bool bMayOpen = false;
    FProvider Provider(Client, [&] {
        Asked++;
        return bMayOpen && Client.Acquire(Options) == PLAYTRACE_OK;
    });

    CHECK(Provider.Record("a", {}) == PLAYTRACE_INVALID);
    CHECK(Provider.Record("a", {}) == PLAYTRACE_INVALID);
    CHECK(Asked == 1);
    CHECK(!Provider.StartSession("", {}));
    CHECK(Asked == 2);
    Provider.EndSession();
    bMayOpen = true;
    CHECK(Provider.Record("a", {}) == PLAYTRACE_INVALID);
    CHECK(Asked == 2);
    CHECK(Client.Acquire(Options) == PLAYTRACE_OK);
    CHECK(Provider.Record("a", {}) == PLAYTRACE_NO_CONSENT); /* it speaks to the client now */
    CHECK(Asked == 3);
    CHECK(Client.Release(0) == PLAYTRACE_OK);
    CHECK(Client.Use([](Playtrace::Client &P) { return P.is_open(); }));
    Provider.EndSession();
    CHECK(!Client.Use([](Playtrace::Client &P) { return P.is_open(); }));
}

/* Shares are taken and given back while others record: nothing crashes, nothing is lost that was
 * OK. */
void SharesAndThreads(const char *Url, const std::string &Dir)
{
    struct playtrace_platform Table;
    FSharedClient Client;
    std::atomic<unsigned> Taken{0};
    std::atomic<bool> bIsOver{false};
    std::vector<std::thread> Threads;
    Playtrace::Options Options(Url, Dir);

    playtrace_platform_posix_init(&Table);
    Options.user_id("threads").consent(PLAYTRACE_CONSENT_GIVEN);
    Options.rest().platform_table = &Table;
    for (int I = 0; I < 4; I++) {
        Threads.emplace_back([&] {
            while (!bIsOver) {
                const Playtrace::Status Status = Client.Use([](Playtrace::Client &P) {
                    return TrackAttributes(P, "threaded", {FAttribute::MakeInteger("a", 1)}, {},
                                           PLAYTRACE_PRIORITY_NORMAL);
                });

                CHECK(Status == PLAYTRACE_OK || Status == PLAYTRACE_INVALID ||
                      Status == PLAYTRACE_DROPPED);
                Taken += Status == PLAYTRACE_OK ? 1 : 0;
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        });
    }
    for (int Round = 0; Round < 20; Round++) {
        CHECK(Client.Acquire(Options) == PLAYTRACE_OK);
        CHECK(Client.Acquire(Options) == PLAYTRACE_OK);
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        CHECK(Client.Release(0) == PLAYTRACE_OK);
        (void)Client.Release(0);
    }
    bIsOver = true;
    for (std::thread &Thread : Threads) {
        Thread.join();
    }
    CHECK(Client.Release(0) == PLAYTRACE_OK); /* one too many is harmless */
    CHECK(Client.Acquire(Options) == PLAYTRACE_OK);
    CHECK(Client.Release(30000) == PLAYTRACE_OK);
    std::printf("threaded %u\n", Taken.load());
}

} // namespace

int main(int Argc, char **Argv)
{
    if (Argc != 3) {
        return 2;
    }
    const std::string Dir = Argv[2];

    EngineNamesBecomeOurs();
    AKeyIsSixtyFourHexDigits();
    AnExchangeIsDoneOnce();
    AProviderSpeaksToTheCollector(Argv[1], Dir + "/provider");
    AProviderThatCannotOpenAsksOnce(Argv[1], Dir + "/once");
    SharesAndThreads(Argv[1], Dir + "/threads");
    std::puts(Failures == 0 ? "ok" : "failed");
    return Failures == 0 ? 0 : 1;
}
