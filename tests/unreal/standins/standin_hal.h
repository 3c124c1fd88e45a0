/*
 * standin_hal.h - a stand-in for what the plugin uses of Unreal's hardware layer: time, threads,
 * files
 */
#pragma once

#include "standin_core.h"

struct FMemory {
    static void *Malloc(std::size_t Bytes, uint32 Alignment = 0);
    static void Free(void *Memory);
};

struct FPlatformTime {
    static double Seconds();
};

namespace ETimespan
{
constexpr int64 TicksPerMicrosecond = 10;
}

struct FDateTime {
    explicit FDateTime(int64 InTicks) : Ticks(InTicks)
    {
    }
    FDateTime(int32 Year, int32 Month, int32 Day);
    static FDateTime UtcNow();
    int64 GetTicks() const
    {
        return Ticks;
    }

  private:
    int64 Ticks; /* 100 ns since 0001-01-01 */
};

struct FGuid {
    uint32 A = 0;
    uint32 B = 0;
    uint32 C = 0;
    uint32 D = 0;
    static FGuid NewGuid();
};

class FCriticalSection
{
  public:
    void Lock()
    {
        Mutex.lock();
    }
    void Unlock()
    {
        Mutex.unlock();
    }

  private:
    std::recursive_mutex Mutex;
};

class FScopeLock
{
  public:
    explicit FScopeLock(FCriticalSection *InSection) : Section(InSection)
    {
        Section->Lock();
    }
    ~FScopeLock()
    {
        Section->Unlock();
    }

  private:
    FCriticalSection *Section;
};

class FEvent
{
  public:
    bool Wait(uint32 Ms);
    void Trigger();
    void Reset();

  private:
    std::mutex Mutex;
    std::condition_variable Changed;
    bool bIsTriggered = false;
};

struct FPlatformProcess {
    static void Sleep(float Seconds);
    static bool SupportsMultithreading();
    static FEvent *GetSynchEventFromPool(bool bIsManualReset = false);
    static void ReturnSynchEventToPool(FEvent *Event);
};

class FRunnable
{
  public:
    virtual ~FRunnable() = default;
    virtual uint32 Run() = 0;
};

enum EThreadPriority { TPri_Normal, TPri_BelowNormal };

class FRunnableThread
{
  public:
    static FRunnableThread *Create(FRunnable *Runnable, const TCHAR *Name, uint32 StackSize = 0,
                                   EThreadPriority Priority = TPri_Normal);
    ~FRunnableThread();
    void WaitForCompletion();

  private:
    std::thread Thread;
};

/* ---- files: GenericPlatform/GenericPlatformFile.h ---- */

class IFileHandle
{
  public:
    virtual ~IFileHandle() = default;
    virtual int64 Tell() = 0;
    virtual bool Seek(int64 NewPosition) = 0;
    virtual bool SeekFromEnd(int64 NewPositionRelativeToEnd = 0) = 0;
    virtual bool Read(uint8 *Destination, int64 BytesToRead) = 0;
    virtual bool Write(const uint8 *Source, int64 BytesToWrite) = 0;
    virtual bool Flush(const bool bFullFlush = false) = 0;
    virtual bool Truncate(int64 NewSize) = 0;
    virtual int64 Size() = 0;
};

class IPlatformFile
{
  public:
    class FDirectoryVisitor
    {
      public:
        virtual ~FDirectoryVisitor() = default;
        virtual bool Visit(const TCHAR *FilenameOrDirectory, bool bIsDirectory) = 0;
    };

    static IPlatformFile &GetPlatformPhysical();
    virtual ~IPlatformFile() = default;
    virtual bool FileExists(const TCHAR *Filename) = 0;
    virtual bool DeleteFile(const TCHAR *Filename) = 0;
    virtual IFileHandle *OpenRead(const TCHAR *Filename, bool bAllowWrite = false) = 0;
    virtual IFileHandle *OpenWrite(const TCHAR *Filename, bool bAppend = false,
                                   bool bAllowRead = false) = 0;
    virtual bool CreateDirectoryTree(const TCHAR *Directory) = 0;
    virtual bool IterateDirectory(const TCHAR *Directory, FDirectoryVisitor &Visitor) = 0;
    virtual FString ConvertToAbsolutePathForExternalAppForWrite(const TCHAR *Filename) = 0;
};

struct FPaths {
    static FString ProjectSavedDir();
    static FString Combine(const FString &First, const TCHAR *Second)
    {
        return First + TEXT("/") + Second;
    }
};

class FConfigCacheIni
{
  public:
    bool GetString(const TCHAR *Section, const TCHAR *Key, FString &Value, const FString &Filename);
};
extern FConfigCacheIni *GConfig;

#define NAME_Gzip FName(TEXT("Gzip"))
struct FCompression {
    static bool CompressMemory(FName FormatName, void *CompressedBuffer, int32 &CompressedSize,
                               const void *UncompressedBuffer, int32 UncompressedSize);
};

struct FCoreDelegates {
    static TMulticastDelegate<void()> ApplicationWillEnterBackgroundDelegate;
    static TMulticastDelegate<void()> ApplicationHasEnteredForegroundDelegate;
    static TTSMulticastDelegate<void()> &GetApplicationWillTerminateDelegate();
};

typedef TDelegate<bool(float)> FTickerDelegate;
class FTSTicker
{
  public:
    typedef ::FDelegateHandle FDelegateHandle;
    static FTSTicker &GetCoreTicker();
    FDelegateHandle AddTicker(const FTickerDelegate &Delegate, float Delay = 0.0f);
    static void RemoveTicker(FDelegateHandle Handle);
    void Tick(float Seconds); /* the test's: the engine's loop calls it */

  private:
    std::list<std::pair<uint64, FTickerDelegate>> Tickers;
    uint64 LastId = 0;
};
