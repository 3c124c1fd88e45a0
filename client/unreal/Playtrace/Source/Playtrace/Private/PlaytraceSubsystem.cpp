// PlaytraceSubsystem.cpp - Playtrace's life within a game: start, background, foreground, end
#include "PlaytraceSubsystem.h"

#include "Misc/CoreDelegates.h"
#include "PlaytraceRuntime.h"
#include "PlaytraceSettings.h"

bool UPlaytraceSubsystem::ShouldCreateSubsystem(UObject *Outer) const
{
    return FPlaytraceRuntime::MayRun() && Super::ShouldCreateSubsystem(Outer);
}

void UPlaytraceSubsystem::Initialize(FSubsystemCollectionBase &Collection)
{
    const UPlaytraceSettings *Settings = GetDefault<UPlaytraceSettings>();

    Super::Initialize(Collection);
    if (!Settings->bAutoStart) {
        return;
    }
    if (Settings->ServerUrl.IsEmpty()) {
        UE_LOG(LogPlaytrace, Warning,
               TEXT("no server: set it in Project Settings > Plugins > Playtrace; nothing is "
                    "recorded"));
        return;
    }
    (void)Start();
}

void UPlaytraceSubsystem::Deinitialize()
{
    Stop();
    Super::Deinitialize();
}

bool UPlaytraceSubsystem::Start()
{
    if (bIsRunning) {
        return true;
    }
    if (!FPlaytraceRuntime::Get().Start()) {
        return false;
    }
    bIsRunning = true;
    BackgroundHandle = FCoreDelegates::ApplicationWillEnterBackgroundDelegate.AddUObject(
        this, &UPlaytraceSubsystem::OnBackground);
    ForegroundHandle = FCoreDelegates::ApplicationHasEnteredForegroundDelegate.AddUObject(
        this, &UPlaytraceSubsystem::OnForeground);
    TerminateHandle = FCoreDelegates::GetApplicationWillTerminateDelegate().AddUObject(
        this, &UPlaytraceSubsystem::OnTerminate);
    TickHandle = FTSTicker::GetCoreTicker().AddTicker(
        FTickerDelegate::CreateUObject(this, &UPlaytraceSubsystem::OnTick),
        FPlaytraceRuntime::Get().NeedsPump() ? 0.05f : 0.25f);
    return true;
}

void UPlaytraceSubsystem::Stop()
{
    if (!bIsRunning) {
        return;
    }
    bIsRunning = false;
    FCoreDelegates::ApplicationWillEnterBackgroundDelegate.Remove(BackgroundHandle);
    FCoreDelegates::ApplicationHasEnteredForegroundDelegate.Remove(ForegroundHandle);
    FCoreDelegates::GetApplicationWillTerminateDelegate().Remove(TerminateHandle);
    if (TickHandle.IsValid()) {
        FTSTicker::GetCoreTicker().RemoveTicker(TickHandle);
        TickHandle.Reset();
    }
    FPlaytraceRuntime::Get().Stop();
}

// A game in the background may be killed without a further word.
void UPlaytraceSubsystem::OnBackground()
{
    (void)FPlaytraceRuntime::Get().Client.Use([](Playtrace::Client &P) { return P.pause(); });
}

void UPlaytraceSubsystem::OnForeground()
{
    (void)FPlaytraceRuntime::Get().Client.Use([](Playtrace::Client &P) { return P.resume(); });
}

// The engine may call this on any thread, so it does not close: that is for Deinitialize().
void UPlaytraceSubsystem::OnTerminate()
{
    OnBackground();
}

bool UPlaytraceSubsystem::OnTick(float)
{
    FPlaytraceRuntime &Runtime = FPlaytraceRuntime::Get();
    uint64 Generation = 0;

    if (Runtime.NeedsPump()) {
        (void)Runtime.Client.Use([](Playtrace::Client &P) { return P.pump(); });
    }
    Generation = Runtime.Client.Use([](Playtrace::Client &P) { return P.flags_generation(); });
    if (Generation != FlagsGeneration) {
        FlagsGeneration = Generation;
        OnFlagsChanged.Broadcast();
    }
    return true; /* again */
}
