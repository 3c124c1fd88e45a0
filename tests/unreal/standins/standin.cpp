/*
 * standin.cpp - what the stand-ins do: POSIX files, std::thread, libcurl, zlib
 */
#include "standin_engine.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <curl/curl.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* ---- text and log ---- */

namespace StandIn
{

std::string Narrow(const TCHAR *Text, std::size_t Count)
{
    std::string Made;

    for (std::size_t I = 0; I < Count; I++) {
        char32_t C = Text[I];

        if (C >= 0xD800 && C < 0xDC00 && I + 1 < Count) {
            C = 0x10000 + ((C - 0xD800) << 10) + (static_cast<char32_t>(Text[++I]) - 0xDC00);
        }
        if (C < 0x80) {
            Made += static_cast<char>(C);
        } else if (C < 0x800) {
            Made += static_cast<char>(0xC0 | (C >> 6));
            Made += static_cast<char>(0x80 | (C & 0x3F));
        } else if (C < 0x10000) {
            Made += static_cast<char>(0xE0 | (C >> 12));
            Made += static_cast<char>(0x80 | ((C >> 6) & 0x3F));
            Made += static_cast<char>(0x80 | (C & 0x3F));
        } else {
            Made += static_cast<char>(0xF0 | (C >> 18));
            Made += static_cast<char>(0x80 | ((C >> 12) & 0x3F));
            Made += static_cast<char>(0x80 | ((C >> 6) & 0x3F));
            Made += static_cast<char>(0x80 | (C & 0x3F));
        }
    }
    return Made;
}

/* Sound UTF-8 alone. */
std::u16string Wide(const char *Text)
{
    std::u16string Made;

    while (*Text) {
        const unsigned char First = static_cast<unsigned char>(*Text++);
        int More = First >= 0xF0 ? 3 : First >= 0xE0 ? 2 : First >= 0xC0 ? 1 : 0;
        char32_t C = More == 3   ? First & 0x07
                     : More == 2 ? First & 0x0F
                     : More == 1 ? First & 0x1F
                                 : First;

        for (; More > 0; More--) {
            C = (C << 6) | (static_cast<unsigned char>(*Text++) & 0x3F);
        }
        if (C >= 0x10000) {
            Made += static_cast<TCHAR>(0xD800 + ((C - 0x10000) >> 10));
            Made += static_cast<TCHAR>(0xDC00 + ((C - 0x10000) & 0x3FF));
        } else {
            Made += static_cast<TCHAR>(C);
        }
    }
    return Made;
}

std::u16string Format(const TCHAR *Text)
{
    return Text;
}

std::u16string Format(const TCHAR *Text, const TCHAR *Argument)
{
    std::u16string Made = Text;
    const std::size_t At = Made.find(u"%s");

    return At == std::u16string::npos ? Made : Made.replace(At, 2, Argument);
}

void Log(const char *Category, const char *Verbosity, const std::u16string &Line)
{
    std::fprintf(stderr, "%s: %s: %s\n", Category, Verbosity,
                 Narrow(Line.data(), Line.size()).c_str());
}

} // namespace StandIn

static std::string NarrowOf(const FString &Text)
{
    return StandIn::Narrow(*Text, static_cast<std::size_t>(Text.Len()));
}

/* ---- globals that a test sets by the environment ---- */

bool GIsEditor = std::getenv("STANDIN_EDITOR") != nullptr;
FString GGameIni(TEXT("Game.ini"));
static FConfigCacheIni Config;
FConfigCacheIni *GConfig = &Config;

bool IsRunningCommandlet()
{
    return false;
}

bool IsRunningDedicatedServer()
{
    return false;
}

bool FConfigCacheIni::GetString(const TCHAR *, const TCHAR *, FString &Value, const FString &)
{
    Value = TEXT("3.2.1");
    return true;
}

FString FPaths::ProjectSavedDir()
{
    return FString(UTF8_TO_TCHAR(std::getenv("STANDIN_SAVED")));
}

/* ---- memory, time, threads ---- */

void *FMemory::Malloc(std::size_t Bytes, uint32)
{
    return std::malloc(Bytes);
}

void FMemory::Free(void *Memory)
{
    std::free(Memory);
}

double FPlatformTime::Seconds()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

static constexpr int64 TicksPerDay = 864000000000;
static constexpr int64 DaysBefore1970 = 719162;

FDateTime::FDateTime(int32 Year, int32 Month, int32 Day) : Ticks(DaysBefore1970 * TicksPerDay)
{
    if (Year != 1970 || Month != 1 || Day != 1) {
        std::abort(); /* nothing else is asked for */
    }
}

FDateTime FDateTime::UtcNow()
{
    const auto Since = std::chrono::system_clock::now().time_since_epoch();

    return FDateTime(DaysBefore1970 * TicksPerDay +
                     std::chrono::duration_cast<std::chrono::microseconds>(Since).count() * 10);
}

FGuid FGuid::NewGuid()
{
    static thread_local std::random_device Device;
    FGuid Made;

    Made.A = Device();
    Made.B = (Device() & 0xFFFF0FFFu) | 0x4000u;
    Made.C = (Device() & 0x3FFFFFFFu) | 0x80000000u;
    Made.D = Device();
    return Made;
}

bool FEvent::Wait(uint32 Ms)
{
    std::unique_lock<std::mutex> Lock(Mutex);
    const bool bIs =
        Changed.wait_for(Lock, std::chrono::milliseconds(Ms), [this] { return bIsTriggered; });

    bIsTriggered = false;
    return bIs;
}

void FEvent::Trigger()
{
    std::lock_guard<std::mutex> Lock(Mutex);

    bIsTriggered = true;
    Changed.notify_one();
}

void FEvent::Reset()
{
    std::lock_guard<std::mutex> Lock(Mutex);

    bIsTriggered = false;
}

void FPlatformProcess::Sleep(float Seconds)
{
    std::this_thread::sleep_for(std::chrono::duration<float>(Seconds));
}

bool FPlatformProcess::SupportsMultithreading()
{
    return std::getenv("STANDIN_ONE_THREAD") == nullptr;
}

static std::mutex PoolMutex;
static std::vector<std::unique_ptr<FEvent>> Pool;

FEvent *FPlatformProcess::GetSynchEventFromPool(bool)
{
    std::lock_guard<std::mutex> Lock(PoolMutex);

    if (Pool.empty()) {
        return new FEvent();
    }
    FEvent *Event = Pool.back().release();
    Pool.pop_back();
    return Event;
}

void FPlatformProcess::ReturnSynchEventToPool(FEvent *Event)
{
    std::lock_guard<std::mutex> Lock(PoolMutex);

    Pool.emplace_back(Event);
}

FRunnableThread *FRunnableThread::Create(FRunnable *Runnable, const TCHAR *, uint32,
                                         EThreadPriority)
{
    FRunnableThread *Made = new FRunnableThread();

    Made->Thread = std::thread([Runnable] { (void)Runnable->Run(); });
    return Made;
}

void FRunnableThread::WaitForCompletion()
{
    if (Thread.joinable()) {
        Thread.join();
    }
}

FRunnableThread::~FRunnableThread()
{
    WaitForCompletion();
}

/* ---- files, with the engine's habits: exclusive writers, reads all or nothing, no replacing move
 * ---- */

namespace
{

class FFileHandlePosix : public IFileHandle
{
  public:
    explicit FFileHandlePosix(int InFd) : Fd(InFd)
    {
    }
    ~FFileHandlePosix() override
    {
        (void)close(Fd);
    }
    int64 Tell() override
    {
        return lseek(Fd, 0, SEEK_CUR);
    }
    bool Seek(int64 Position) override
    {
        return lseek(Fd, Position, SEEK_SET) >= 0;
    }
    bool SeekFromEnd(int64 Position) override
    {
        return lseek(Fd, Position, SEEK_END) >= 0;
    }
    bool Read(uint8 *To, int64 Bytes) override
    {
        while (Bytes > 0) {
            const ssize_t Got = read(Fd, To, static_cast<std::size_t>(Bytes));

            if (Got <= 0) {
                return false;
            }
            To += Got;
            Bytes -= Got;
        }
        return true;
    }
    bool Write(const uint8 *From, int64 Bytes) override
    {
        return write(Fd, From, static_cast<std::size_t>(Bytes)) == Bytes;
    }
    bool Flush(const bool bFullFlush) override
    {
        return !bFullFlush || fsync(Fd) == 0;
    }
    bool Truncate(int64 Size) override
    {
        return ftruncate(Fd, Size) == 0;
    }
    int64 Size() override
    {
        struct stat Info;

        return fstat(Fd, &Info) == 0 ? Info.st_size : -1;
    }

  private:
    int Fd;
};

class FPlatformFilePosix : public IPlatformFile
{
  public:
    bool FileExists(const TCHAR *Name) override
    {
        struct stat Info;

        return stat(TCHAR_TO_UTF8(Name), &Info) == 0 && S_ISREG(Info.st_mode);
    }
    bool DeleteFile(const TCHAR *Name) override
    {
        return unlink(TCHAR_TO_UTF8(Name)) == 0;
    }
    IFileHandle *OpenRead(const TCHAR *Name, bool) override
    {
        return Make(open(TCHAR_TO_UTF8(Name), O_RDONLY | O_CLOEXEC));
    }
    IFileHandle *OpenWrite(const TCHAR *Name, bool bAppend, bool bAllowRead) override
    {
        const int Fd =
            open(TCHAR_TO_UTF8(Name), O_CREAT | O_CLOEXEC | (bAllowRead ? O_RDWR : O_WRONLY), 0666);

        if (Fd >= 0 && flock(Fd, LOCK_EX | LOCK_NB) != 0) {
            (void)close(Fd);
            return nullptr;
        }
        if (Fd >= 0 && !bAppend && ftruncate(Fd, 0) != 0) {
            (void)close(Fd);
            return nullptr;
        }
        if (Fd >= 0 && bAppend) {
            (void)lseek(Fd, 0, SEEK_END);
        }
        return Make(Fd);
    }
    bool CreateDirectoryTree(const TCHAR *Directory) override
    {
        const std::string Path = TCHAR_TO_UTF8(Directory);

        for (std::size_t At = Path.find('/', 1);; At = Path.find('/', At + 1)) {
            if (mkdir(Path.substr(0, At).c_str(), 0777) != 0 && errno != EEXIST) {
                return false;
            }
            if (At == std::string::npos) {
                return true;
            }
        }
    }
    bool IterateDirectory(const TCHAR *Directory, FDirectoryVisitor &Visitor) override
    {
        const std::string Path = TCHAR_TO_UTF8(Directory);
        DIR *Dir = opendir(Path.c_str());

        if (!Dir) {
            return false;
        }
        while (const struct dirent *Entry = readdir(Dir)) {
            const std::string Name = Entry->d_name;

            if (Name != "." && Name != ".." &&
                !Visitor.Visit(UTF8_TO_TCHAR((Path + "/" + Name).c_str()), false)) {
                break;
            }
        }
        (void)closedir(Dir);
        return true;
    }
    FString ConvertToAbsolutePathForExternalAppForWrite(const TCHAR *Name) override
    {
        return Name;
    }

  private:
    static IFileHandle *Make(int Fd)
    {
        return Fd < 0 ? nullptr : new FFileHandlePosix(Fd);
    }
};

} // namespace

IPlatformFile &IPlatformFile::GetPlatformPhysical()
{
    static FPlatformFilePosix File;

    return File;
}

bool FCompression::CompressMemory(FName, void *To, int32 &ToBytes, const void *From,
                                  int32 FromBytes)
{
    z_stream Stream = {};
    bool bIsDone = false;

    if (deflateInit2(&Stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return false;
    }
    Stream.next_in = const_cast<Bytef *>(static_cast<const Bytef *>(From));
    Stream.avail_in = static_cast<uInt>(FromBytes);
    Stream.next_out = static_cast<Bytef *>(To);
    Stream.avail_out = static_cast<uInt>(ToBytes);
    bIsDone = deflate(&Stream, Z_FINISH) == Z_STREAM_END;
    ToBytes = static_cast<int32>(Stream.total_out);
    (void)deflateEnd(&Stream);
    return bIsDone;
}

/* ---- delegates and ticker ---- */

TMulticastDelegate<void()> FCoreDelegates::ApplicationWillEnterBackgroundDelegate;
TMulticastDelegate<void()> FCoreDelegates::ApplicationHasEnteredForegroundDelegate;

TTSMulticastDelegate<void()> &FCoreDelegates::GetApplicationWillTerminateDelegate()
{
    static TTSMulticastDelegate<void()> Delegate;

    return Delegate;
}

FTSTicker &FTSTicker::GetCoreTicker()
{
    static FTSTicker Ticker;

    return Ticker;
}

FTSTicker::FDelegateHandle FTSTicker::AddTicker(const FTickerDelegate &Delegate, float)
{
    FDelegateHandle Handle;

    Handle.Id = ++LastId;
    Tickers.emplace_back(Handle.Id, Delegate);
    return Handle;
}

void FTSTicker::RemoveTicker(FDelegateHandle Handle)
{
    GetCoreTicker().Tickers.remove_if([&](const auto &One) { return One.first == Handle.Id; });
}

void FTSTicker::Tick(float Seconds)
{
    for (const auto &One : Tickers) {
        (void)One.second.ExecuteIfBound(Seconds);
    }
}

/* ---- HTTP: one thread a request; the delegate is called on it ---- */

namespace
{

class FResponseCurl : public IHttpResponse
{
  public:
    int32 GetResponseCode() const override
    {
        return Code;
    }
    FString GetHeader(const FString &Name) const override
    {
        std::string Wanted = NarrowOf(Name) + ":";

        for (const std::string &Line : Headers) {
            if (Line.size() > Wanted.size() &&
                strncasecmp(Line.c_str(), Wanted.c_str(), Wanted.size()) == 0) {
                const std::size_t From = Line.find_first_not_of(' ', Wanted.size());
                const std::size_t To = Line.find_last_not_of("\r\n ");

                return From > To ? FString()
                                 : FString(UTF8_TO_TCHAR(Line.substr(From, To - From + 1).c_str()));
            }
        }
        return FString();
    }
    const TArray<uint8> &GetContent() const override
    {
        return Body;
    }

    int32 Code = 0;
    std::vector<std::string> Headers;
    TArray<uint8> Body;
};

std::size_t TakeBody(char *Data, std::size_t Size, std::size_t Count, void *Arg)
{
    static_cast<FResponseCurl *>(Arg)->Body.Append(reinterpret_cast<uint8 *>(Data),
                                                   static_cast<int32>(Size * Count));
    return Size * Count;
}

std::size_t TakeHeader(char *Data, std::size_t Size, std::size_t Count, void *Arg)
{
    static_cast<FResponseCurl *>(Arg)->Headers.emplace_back(Data, Size * Count);
    return Size * Count;
}

int IsCancelled(void *Arg, curl_off_t, curl_off_t, curl_off_t, curl_off_t)
{
    return static_cast<std::atomic<bool> *>(Arg)->load() ? 1 : 0;
}

class FRequestCurl : public IHttpRequest, public std::enable_shared_from_this<FRequestCurl>
{
  public:
    void SetVerb(const FString &Text) override
    {
        Verb = NarrowOf(Text);
    }
    void SetURL(const FString &Text) override
    {
        Url = NarrowOf(Text);
    }
    void SetContent(TArray<uint8> &&Payload) override
    {
        Body = std::move(Payload);
    }
    void SetHeader(const FString &Name, const FString &Value) override
    {
        Headers.push_back(NarrowOf(Name) + ": " + NarrowOf(Value));
    }
    void SetTimeout(float Seconds) override
    {
        TimeoutMs = static_cast<long>(Seconds * 1000);
    }
    void SetDelegateThreadPolicy(EHttpRequestDelegateThreadPolicy InPolicy) override
    {
        Policy = InPolicy;
    }
    FHttpRequestCompleteDelegate &OnProcessRequestComplete() override
    {
        return Complete;
    }
    bool ProcessRequest() override
    {
        if (Policy != EHttpRequestDelegateThreadPolicy::CompleteOnHttpThread) {
            return false; /* nobody here runs the game thread's delegates */
        }
        std::thread([Self = shared_from_this()] { Self->Run(); }).detach();
        return true;
    }
    void CancelRequest() override
    {
        bIsCancelled = true;
    }

  private:
    void Run()
    {
        const auto Response = std::make_shared<FResponseCurl>();
        struct curl_slist *List = nullptr;
        CURL *Easy = curl_easy_init();
        long Code = 0;

        for (const std::string &Header : Headers) {
            List = curl_slist_append(List, Header.c_str());
        }
        (void)curl_easy_setopt(Easy, CURLOPT_URL, Url.c_str());
        (void)curl_easy_setopt(Easy, CURLOPT_NOPROXY, "*");
        (void)curl_easy_setopt(Easy, CURLOPT_NOSIGNAL, 1L);
        (void)curl_easy_setopt(Easy, CURLOPT_HTTPHEADER, List);
        if (Verb == "POST") {
            (void)curl_easy_setopt(Easy, CURLOPT_POSTFIELDS, Body.GetData());
            (void)curl_easy_setopt(Easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(Body.Num()));
        }
        (void)curl_easy_setopt(Easy, CURLOPT_TIMEOUT_MS, TimeoutMs);
        (void)curl_easy_setopt(Easy, CURLOPT_WRITEFUNCTION, TakeBody);
        (void)curl_easy_setopt(Easy, CURLOPT_WRITEDATA, Response.get());
        (void)curl_easy_setopt(Easy, CURLOPT_HEADERFUNCTION, TakeHeader);
        (void)curl_easy_setopt(Easy, CURLOPT_HEADERDATA, Response.get());
        (void)curl_easy_setopt(Easy, CURLOPT_NOPROGRESS, 0L);
        (void)curl_easy_setopt(Easy, CURLOPT_XFERINFOFUNCTION, IsCancelled);
        (void)curl_easy_setopt(Easy, CURLOPT_XFERINFODATA, &bIsCancelled);
        const bool bIsWhole = curl_easy_perform(Easy) == CURLE_OK;
        (void)curl_easy_getinfo(Easy, CURLINFO_RESPONSE_CODE, &Code);
        Response->Code = static_cast<int32>(Code);
        curl_slist_free_all(List);
        curl_easy_cleanup(Easy);
        FHttpRequestPtr AsRequest;
        FHttpResponsePtr AsResponse;
        AsRequest.Data = shared_from_this();
        AsResponse.Data = Response;
        (void)Complete.ExecuteIfBound(AsRequest, AsResponse, bIsWhole);
    }

    std::string Verb;
    std::string Url;
    std::vector<std::string> Headers;
    TArray<uint8> Body;
    long TimeoutMs = 0;
    EHttpRequestDelegateThreadPolicy Policy =
        EHttpRequestDelegateThreadPolicy::CompleteOnGameThread;
    FHttpRequestCompleteDelegate Complete;
    std::atomic<bool> bIsCancelled{false};
};

} // namespace

FHttpModule &FHttpModule::Get()
{
    static FHttpModule Module;

    return Module;
}

FHttpRequestRef FHttpModule::CreateRequest()
{
    Requests++;
    return FHttpRequestRef(std::make_shared<FRequestCurl>());
}

/* ---- Engine and Analytics ---- */

bool UGameInstanceSubsystem::ShouldCreateSubsystem(UObject *) const
{
    return true;
}

void UGameInstanceSubsystem::Initialize(FSubsystemCollectionBase &)
{
}

void UGameInstanceSubsystem::Deinitialize()
{
}

void IAnalyticsProvider::RecordItemPurchase(const FString &ItemId, const FString &Currency,
                                            int PerItemCost, int ItemQuantity)
{
    RecordEvent(TEXT("Item Purchase"),
                {FAnalyticsEventAttribute(TEXT("ItemId"), ItemId),
                 FAnalyticsEventAttribute(TEXT("Currency"), Currency),
                 FAnalyticsEventAttribute(TEXT("PerItemCost"), PerItemCost),
                 FAnalyticsEventAttribute(TEXT("ItemQuantity"), ItemQuantity)});
}
