// PlaytracePlatform.cpp - the core's platform table over the engine's hardware layer
//
// Files go to the physical platform file, never through the wrappers of pak files, so that any
// thread may write at any time. Paths are UTF-8 in the core and the engine's own beyond it.
#include "PlaytracePlatform.h"

#include "Containers/StringConv.h"
#include "CoreMinimal.h"
#include "GenericPlatform/GenericPlatformFile.h"
#include "HAL/Event.h"
#include "HAL/PlatformProcess.h"
#include "HAL/PlatformTime.h"
#include "HAL/Runnable.h"
#include "HAL/RunnableThread.h"
#include "HAL/UnrealMemory.h"
#include "Misc/Compression.h"
#include "Misc/DateTime.h"
#include "Misc/Guid.h"
#include "Misc/ScopeLock.h"

#include <cstdio>
#include <cstring>

extern "C" {
#include "platform/aes_gcm.h"
#include "platform/sha256.h"
}

#if PLATFORM_WINDOWS
#include "Windows/WindowsHWrapper.h"
#endif

namespace
{

// ---- clock, randomness, memory ----

int64_t WallUs(void *)
{
    static const int64 Epoch = FDateTime(1970, 1, 1).GetTicks();

    return (FDateTime::UtcNow().GetTicks() - Epoch) / ETimespan::TicksPerMicrosecond;
}

int64_t MonoUs(void *)
{
    return static_cast<int64_t>(FPlatformTime::Seconds() * 1e6);
}

// A GUID of the system has 122 random bits and six fixed ones; its halves laid over each other
// have 64.
int Random(void *, void *Buffer, size_t Bytes)
{
    uint8 *To = static_cast<uint8 *>(Buffer);

    while (Bytes > 0) {
        const FGuid Guid = FGuid::NewGuid();
        const uint32 Words[2] = {Guid.A ^ Guid.C, Guid.B ^ Guid.D};
        const size_t Part = Bytes < sizeof(Words) ? Bytes : sizeof(Words);

        std::memcpy(To, Words, Part);
        To += Part;
        Bytes -= Part;
    }
    return 0;
}

void SleepMs(void *, uint32_t Ms)
{
    FPlatformProcess::Sleep(static_cast<float>(Ms) / 1000.0f);
}

void *Alloc(void *, size_t Bytes)
{
    return FMemory::Malloc(Bytes);
}

void Release(void *, void *Memory)
{
    FMemory::Free(Memory);
}

// ---- files ----

IPlatformFile &Files()
{
    return IPlatformFile::GetPlatformPhysical();
}

IFileHandle *FileOf(void *File)
{
    return static_cast<IFileHandle *>(File);
}

int DirCreate(void *, const char *Path)
{
    return Files().CreateDirectoryTree(UTF8_TO_TCHAR(Path)) ? 0 : -1;
}

class FNameVisitor : public IPlatformFile::FDirectoryVisitor
{
  public:
    FNameVisitor(void (*InEach)(void *Arg, const char *Name), void *InArg)
        : Each(InEach), Arg(InArg)
    {
    }

    virtual bool Visit(const TCHAR *Path, bool) override
    {
        const FString Whole(Path);
        int32 Slash = INDEX_NONE;

        (void)Whole.FindLastChar(TEXT('/'), Slash);
        Each(Arg, TCHAR_TO_UTF8(*Whole + Slash + 1));
        return true;
    }

  private:
    void (*Each)(void *Arg, const char *Name);
    void *Arg;
};

int DirList(void *, const char *Path, void (*Each)(void *Arg, const char *Name), void *Arg)
{
    FNameVisitor Visitor(Each, Arg);

    return Files().IterateDirectory(UTF8_TO_TCHAR(Path), Visitor) ? 0 : -1;
}

// A file that is open for writing, and for nobody else: every desktop's platform file says no to a
// second one.
int DirLock(void *, const char *Path, void **LockOut)
{
    const FString Name = FString(UTF8_TO_TCHAR(Path)) + TEXT("/lock");

    *LockOut = Files().OpenWrite(*Name, /*bAppend*/ true, /*bAllowRead*/ false);
    if (*LockOut) {
        return 0;
    }
    return Files().FileExists(*Name) ? 1 : -1;
}

void FileClose(void *, void *File)
{
    delete FileOf(File); /* the one way to close it */
}

int FileOpen(void *, const char *Path, enum playtrace_file_mode Mode, void **FileOut)
{
    const FString Name(UTF8_TO_TCHAR(Path));

    if (Mode == PLAYTRACE_FILE_READ) {
        *FileOut = Files().OpenRead(*Name, /*bAllowWrite*/ true);
    } else {
        *FileOut = Files().OpenWrite(*Name, Mode == PLAYTRACE_FILE_APPEND, /*bAllowRead*/ true);
    }
    return *FileOut ? 0 : -1;
}

int64_t FileSize(void *, void *File)
{
    return FileOf(File)->Size();
}

int FileAppend(void *, void *File, const void *Data, size_t Bytes)
{
    return FileOf(File)->SeekFromEnd(0) &&
                   FileOf(File)->Write(static_cast<const uint8 *>(Data), static_cast<int64>(Bytes))
               ? 0
               : -1;
}

// The engine's Read() is all or nothing, so that what is asked for is first cut to what is there.
int64_t FileRead(void *, void *File, uint64_t Offset, void *Buffer, size_t Bytes)
{
    const int64 Size = FileOf(File)->Size();
    int64 There = 0;

    if (Size < 0) {
        return -1;
    }
    if (Offset < static_cast<uint64_t>(Size)) {
        There = Size - static_cast<int64>(Offset);
    }
    if (There > static_cast<int64>(Bytes)) {
        There = static_cast<int64>(Bytes);
    }
    if (There > 0 && (!FileOf(File)->Seek(static_cast<int64>(Offset)) ||
                      !FileOf(File)->Read(static_cast<uint8 *>(Buffer), There))) {
        return -1;
    }
    return There;
}

int FileTruncate(void *, void *File, uint64_t Bytes)
{
    return FileOf(File)->Truncate(static_cast<int64>(Bytes)) ? 0 : -1;
}

int FileSync(void *, void *File)
{
    return FileOf(File)->Flush(/*bFullFlush*/ true) ? 0 : -1;
}

// IPlatformFile::MoveFile() does not replace, and removing the old file first would leave a moment
// without either.
int FileRename(void *, const char *From, const char *To)
{
    const FString RealFrom =
        Files().ConvertToAbsolutePathForExternalAppForWrite(UTF8_TO_TCHAR(From));
    const FString RealTo = Files().ConvertToAbsolutePathForExternalAppForWrite(UTF8_TO_TCHAR(To));

#if PLATFORM_WINDOWS
    return ::MoveFileExW(*RealFrom, *RealTo, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH)
               ? 0
               : -1;
#else
    return std::rename(TCHAR_TO_UTF8(*RealFrom), TCHAR_TO_UTF8(*RealTo)) == 0 ? 0 : -1;
#endif
}

int FileRemove(void *, const char *Path)
{
    const FString Name(UTF8_TO_TCHAR(Path));

    return !Files().FileExists(*Name) || Files().DeleteFile(*Name) ? 0 : -1;
}

// ---- threads ----

void *MutexCreate(void *)
{
    return new FCriticalSection();
}

void MutexDestroy(void *, void *Mutex)
{
    delete static_cast<FCriticalSection *>(Mutex);
}

void MutexLock(void *, void *Mutex)
{
    static_cast<FCriticalSection *>(Mutex)->Lock();
}

void MutexUnlock(void *, void *Mutex)
{
    static_cast<FCriticalSection *>(Mutex)->Unlock();
}

// The engine has events and no conditions (before 5.5): each waiter brings an event of the pool,
// and a broadcast triggers those that wait. A waiter is in the list before it lets go of the mutex,
// so that nothing is missed.
struct FCondition {
    FCriticalSection Guard;
    TArray<FEvent *> Waiting;
};

void *CondCreate(void *)
{
    return new FCondition();
}

void CondDestroy(void *, void *Cond)
{
    delete static_cast<FCondition *>(Cond);
}

void CondWait(void *, void *Cond, void *Mutex, uint32_t TimeoutMs)
{
    FCondition *Condition = static_cast<FCondition *>(Cond);
    FEvent *Event = FPlatformProcess::GetSynchEventFromPool(/*bIsManualReset*/ false);

    {
        FScopeLock Lock(&Condition->Guard);
        Condition->Waiting.Add(Event);
    }
    static_cast<FCriticalSection *>(Mutex)->Unlock();
    (void)Event->Wait(TimeoutMs);
    static_cast<FCriticalSection *>(Mutex)->Lock();
    {
        FScopeLock Lock(&Condition->Guard);
        Condition->Waiting.RemoveSingleSwap(Event);
    }
    Event->Reset(); /* a broadcast may have come behind the time limit */
    FPlatformProcess::ReturnSynchEventToPool(Event);
}

void CondBroadcast(void *, void *Cond)
{
    FCondition *Condition = static_cast<FCondition *>(Cond);
    FScopeLock Lock(&Condition->Guard);

    for (FEvent *Event : Condition->Waiting) {
        Event->Trigger();
    }
}

class FWorker : public FRunnable
{
  public:
    FWorker(void (*InRun)(void *Arg), void *InArg) : Function(InRun), Arg(InArg)
    {
    }

    virtual uint32 Run() override
    {
        Function(Arg);
        return 0;
    }

    FRunnableThread *Thread = nullptr;

  private:
    void (*Function)(void *Arg);
    void *Arg;
};

void *ThreadStart(void *, void (*Run)(void *Arg), void *Arg)
{
    FWorker *Worker = new FWorker(Run, Arg);

    Worker->Thread =
        FRunnableThread::Create(Worker, TEXT("Playtrace"), 256 * 1024, TPri_BelowNormal);
    if (!Worker->Thread) {
        delete Worker;
        Worker = nullptr;
    }
    return Worker;
}

void ThreadJoin(void *, void *Handle)
{
    FWorker *Worker = static_cast<FWorker *>(Handle);

    Worker->Thread->WaitForCompletion();
    delete Worker->Thread;
    delete Worker;
}

// ---- compression ----

size_t Compress(void *, const void *In, size_t Bytes, void *Out, size_t OutBytesMax)
{
    int32 OutBytes = static_cast<int32>(OutBytesMax);

    return FCompression::CompressMemory(NAME_Gzip, Out, OutBytes, In, static_cast<int32>(Bytes))
               ? static_cast<size_t>(OutBytes)
               : 0;
}

} // namespace

void PlaytracePlatformInit(struct playtrace_platform &Table)
{
    std::memset(&Table, 0, sizeof(Table));
    Table.wall_us = WallUs;
    Table.mono_us = MonoUs;
    Table.random = Random;
    Table.sleep_ms = SleepMs;
    Table.alloc = Alloc;
    Table.release = Release;
    Table.dir_create = DirCreate;
    Table.dir_list = DirList;
    Table.dir_lock = DirLock;
    Table.dir_unlock = FileClose;
    Table.file_open = FileOpen;
    Table.file_size = FileSize;
    Table.file_append = FileAppend;
    Table.file_read = FileRead;
    Table.file_truncate = FileTruncate;
    Table.file_sync = FileSync;
    Table.file_close = FileClose;
    Table.file_rename = FileRename;
    Table.file_remove = FileRemove;
    Table.hmac_sha256 = pt_client_hmac_sha256;
    Table.seal = pt_client_aes_gcm_seal;
    Table.unseal = pt_client_aes_gcm_unseal;
    Table.compress = Compress;
    Table.content_encoding = "gzip";
    if (FPlatformProcess::SupportsMultithreading()) {
        Table.mutex_create = MutexCreate;
        Table.mutex_destroy = MutexDestroy;
        Table.mutex_lock = MutexLock;
        Table.mutex_unlock = MutexUnlock;
        Table.cond_create = CondCreate;
        Table.cond_destroy = CondDestroy;
        Table.cond_wait = CondWait;
        Table.cond_broadcast = CondBroadcast;
        Table.thread_start = ThreadStart;
        Table.thread_join = ThreadJoin;
    }
}
