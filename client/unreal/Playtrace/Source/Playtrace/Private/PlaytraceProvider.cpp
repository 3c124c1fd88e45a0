// PlaytraceProvider.cpp - Playtrace as the engine's analytics provider
#include "PlaytraceProvider.h"

#include "Misc/ScopeLock.h"
#include "PlaytraceRuntime.h"
#include "PlaytraceText.h"

using PlaytracePortable::FAttribute;
using PlaytracePortable::FAttributes;
using PlaytraceText::FromUtf8;
using PlaytraceText::ToUtf8;

// The engine keeps numbers, booleans and JSON as fragments of JSON, and everything else as text.
static FAttributes Convert(const TArray<FAnalyticsEventAttribute> &Attributes)
{
    FAttributes Converted;

    for (const FAnalyticsEventAttribute &Attribute : Attributes) {
        std::string Key = ToUtf8(Attribute.GetName());
        std::string Value = ToUtf8(Attribute.GetValue());

        Converted.push_back(Attribute.IsJsonFragment() ? FAttribute::MakeJson(Key, Value)
                                                       : FAttribute::MakeText(Key, Value));
    }
    return Converted;
}

FPlaytraceProvider::FPlaytraceProvider()
    : Provider(FPlaytraceRuntime::Get().Client, [] { return FPlaytraceRuntime::Get().Start(); })
{
}

FPlaytraceProvider::~FPlaytraceProvider() = default;

bool FPlaytraceProvider::StartSession(const TArray<FAnalyticsEventAttribute> &Attributes)
{
    return Provider.StartSession("", Convert(Attributes));
}

bool FPlaytraceProvider::StartSession(FString InSessionID,
                                      const TArray<FAnalyticsEventAttribute> &Attributes)
{
    return Provider.StartSession(ToUtf8(InSessionID), Convert(Attributes));
}

void FPlaytraceProvider::EndSession()
{
    Provider.EndSession();
}

FString FPlaytraceProvider::GetSessionID() const
{
    return FromUtf8(Provider.SessionId());
}

// A session's id is the client's: its sequence numbers count from the session's first event.
bool FPlaytraceProvider::SetSessionID(const FString &)
{
    return false;
}

void FPlaytraceProvider::FlushEvents()
{
    Provider.Flush();
}

void FPlaytraceProvider::BlockUntilFlushed(float InTimeoutSec)
{
    (void)Provider.BlockUntilFlushed(InTimeoutSec > 0 ? static_cast<uint32>(InTimeoutSec * 1000.0f)
                                                      : 0u);
}

void FPlaytraceProvider::SetUserID(const FString &InUserID)
{
    Provider.SetUser(ToUtf8(InUserID));
}

FString FPlaytraceProvider::GetUserID() const
{
    return FromUtf8(Provider.User());
}

void FPlaytraceProvider::SetDefaultEventAttributes(TArray<FAnalyticsEventAttribute> &&Attributes)
{
    FScopeLock Lock(&DefaultsLock);

    Provider.SetDefaults(Convert(Attributes));
    Defaults = MoveTemp(Attributes);
}

TArray<FAnalyticsEventAttribute> FPlaytraceProvider::GetDefaultEventAttributesSafe() const
{
    FScopeLock Lock(&DefaultsLock);

    return Defaults;
}

int32 FPlaytraceProvider::GetDefaultEventAttributeCount() const
{
    FScopeLock Lock(&DefaultsLock);

    return Defaults.Num();
}

FAnalyticsEventAttribute FPlaytraceProvider::GetDefaultEventAttribute(int AttributeIndex) const
{
    FScopeLock Lock(&DefaultsLock);

    return Defaults[AttributeIndex];
}

bool FPlaytraceProvider::ShouldRecordEvent(const FString &EventName) const
{
    return !ShouldRecord || ShouldRecord(*this, EventName);
}

void FPlaytraceProvider::SetShouldRecordEventFunc(const ShouldRecordEventFunction &Function)
{
    ShouldRecord = Function;
}

void FPlaytraceProvider::SetEventCallback(const OnEventRecorded &Callback)
{
    Callbacks.Add(Callback);
}

void FPlaytraceProvider::Record(const FString &EventName,
                                const TArray<FAnalyticsEventAttribute> &Attributes)
{
    if (!ShouldRecordEvent(EventName)) {
        return;
    }
    for (const OnEventRecorded &Callback : Callbacks) {
        Callback(EventName, Attributes, false);
    }
    (void)Provider.Record(ToUtf8(EventName), Convert(Attributes));
}

void FPlaytraceProvider::RecordEvent(FString &&EventName,
                                     const TArray<FAnalyticsEventAttribute> &Attributes)
{
    Record(EventName, Attributes);
}

#if !UE_VERSION_OLDER_THAN(5, 6, 0)
void FPlaytraceProvider::RecordEvent(FString &&EventName,
                                     const TArray<FAnalyticsEventAttribute> &Attributes,
                                     EAnalyticsRecordEventMode Mode)
{
    bool bIsWanted = true;

    Queued.Broadcast(bIsWanted, FAnalyticEventQueuedInfo{Mode, EventName, Attributes});
    if (bIsWanted) {
        Record(EventName, Attributes);
        if (Mode == EAnalyticsRecordEventMode::Immediate) {
            Provider.Flush();
        }
    }
}
#endif

void FPlaytraceProvider::SetAppID(FString &&AppID)
{
    Config.APIKeyET = MoveTemp(AppID);
}

void FPlaytraceProvider::SetAppVersion(FString &&AppVersion)
{
    Config.AppVersionET = MoveTemp(AppVersion);
}
