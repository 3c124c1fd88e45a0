// PlaytraceRuntime.h - the one client of the process, with the engine under it and the settings in
// it
#pragma once

#include "CoreMinimal.h"
#include "PlaytraceHttp.h"
#include "Portable/Provider.h"
#include "Portable/SharedClient.h"

DECLARE_LOG_CATEGORY_EXTERN(LogPlaytrace, Log, All);

class FPlaytraceRuntime
{
  public:
    FPlaytraceRuntime();

    /** Of the module; lives from its start to its end. */
    static FPlaytraceRuntime &Get();

    /** Not in commandlets; in the editor and on dedicated servers where the settings say so. */
    static bool MayRun();

    /** Take a share of the client. False, with the reason in the log, where it does not open. */
    bool Start();

    /** Give it back; the last one closes, for at most what the settings say. */
    void Stop();

    /** The game's thread waits at most this long at the end. */
    static uint32 CloseMs();

    /** True where the platform has no threads, and somebody must pump. */
    bool NeedsPump() const
    {
        return Table.mutex_create == nullptr;
    }

    PlaytracePortable::FSharedClient Client;

  private:
    /** What the project's settings ask for, at this moment. False: the queue's key is no key. */
    bool MakeOptions(Playtrace::Options &Options);

    FPlaytraceHttpFactory HttpFactory;
    /** From the settings, for the time of an open; the core has a copy. */
    uint8 QueueKey[PLAYTRACE_KEY_BYTES];
    struct playtrace_platform Table;
};
