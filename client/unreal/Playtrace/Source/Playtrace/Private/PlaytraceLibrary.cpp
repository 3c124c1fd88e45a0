// PlaytraceLibrary.cpp - Playtrace's nodes, and its calls from C++
#include "PlaytraceLibrary.h"

#include "PlaytraceRuntime.h"
#include "PlaytraceText.h"

using Playtrace::Client;
using PlaytraceText::FromUtf8;
using PlaytraceText::ToUtf8;

static PlaytracePortable::FSharedClient &Shared()
{
    return FPlaytraceRuntime::Get().Client;
}

static enum playtrace_priority ToPriority(EPlaytracePriority Priority)
{
    switch (Priority) {
    case EPlaytracePriority::Low:
        return PLAYTRACE_PRIORITY_LOW;
    case EPlaytracePriority::High:
        return PLAYTRACE_PRIORITY_HIGH;
    case EPlaytracePriority::Normal:
        break;
    }
    return PLAYTRACE_PRIORITY_NORMAL;
}

bool UPlaytraceLibrary::Track(const FString &EventName)
{
    return TrackWithAttributes(EventName, {});
}

bool UPlaytraceLibrary::TrackWithAttributes(const FString &EventName,
                                            const TArray<FPlaytraceAttribute> &Attributes,
                                            EPlaytracePriority Priority)
{
    const PlaytracePortable::FAttributes Ours = PlaytraceText::ToAttributes(Attributes);

    return Shared().Use([&](Client &P) {
        return PlaytracePortable::TrackAttributes(P, ToUtf8(EventName), Ours, {},
                                                  ToPriority(Priority));
    }) == PLAYTRACE_OK;
}

bool UPlaytraceLibrary::SetUser(const FString &UserId)
{
    return Shared().Use([&](Client &P) {
        return UserId.IsEmpty() ? P.clear_user() : P.set_user(ToUtf8(UserId));
    }) == PLAYTRACE_OK;
}

bool UPlaytraceLibrary::SetConsent(bool bAnalytics, bool bExperiments, const FString &PolicyVersion)
{
    unsigned Purposes = 0;

    Purposes |= bAnalytics ? unsigned{PLAYTRACE_PURPOSE_ANALYTICS} : 0;
    Purposes |= bExperiments ? unsigned{PLAYTRACE_PURPOSE_EXPERIMENTS} : 0;

    return Shared().Use([&](Client &P) {
        return P.set_consent_for(Purposes, ToUtf8(PolicyVersion));
    }) == PLAYTRACE_OK;
}

EPlaytraceConsent UPlaytraceLibrary::GetConsent()
{
    switch (Shared().Use([](Client &P) { return P.consent(); })) {
    case PLAYTRACE_CONSENT_GIVEN:
        return EPlaytraceConsent::Given;
    case PLAYTRACE_CONSENT_WITHDRAWN:
        return EPlaytraceConsent::Withdrawn;
    case PLAYTRACE_CONSENT_NONE:
        break;
    }
    return EPlaytraceConsent::NotAsked;
}

void UPlaytraceLibrary::GetConsentPurposes(bool &bAnalytics, bool &bExperiments,
                                           FString &PolicyVersion)
{
    const Playtrace::ConsentRecord Record =
        Shared().Use([](Client &P) { return P.consent_record(); });

    bAnalytics = (Record.purposes & PLAYTRACE_PURPOSE_ANALYTICS) != 0;
    bExperiments = (Record.purposes & PLAYTRACE_PURPOSE_EXPERIMENTS) != 0;
    PolicyVersion = FromUtf8(Record.policy_version);
}

bool UPlaytraceLibrary::Flush(float TimeoutSeconds)
{
    const uint32 Ms = TimeoutSeconds > 0 ? static_cast<uint32>(TimeoutSeconds * 1000.0f) : 1u;

    return Shared().Use([&](Client &P) { return P.flush(Ms); }) == PLAYTRACE_OK;
}

bool UPlaytraceLibrary::StartSession()
{
    return Shared().Use([](Client &P) { return P.session_start(); }) == PLAYTRACE_OK;
}

FString UPlaytraceLibrary::GetSessionId()
{
    return FromUtf8(Shared().Use([](Client &P) { return P.session_id(); }));
}

int64 UPlaytraceLibrary::GetQueuedEvents()
{
    return static_cast<int64>(Shared().Use([](Client &P) { return P.stats().queued; }));
}

bool UPlaytraceLibrary::GetFlagBool(const FString &Key, bool DefaultValue)
{
    return Shared().Use([&](Client &P) { return P.flag_bool(ToUtf8(Key), DefaultValue); });
}

int64 UPlaytraceLibrary::GetFlagInteger(const FString &Key, int64 DefaultValue)
{
    return Shared().Use([&](Client &P) { return P.flag_int(ToUtf8(Key), DefaultValue); });
}

double UPlaytraceLibrary::GetFlagNumber(const FString &Key, double DefaultValue)
{
    return Shared().Use([&](Client &P) { return P.flag_double(ToUtf8(Key), DefaultValue); });
}

FString UPlaytraceLibrary::GetFlagText(const FString &Key, const FString &DefaultValue)
{
    return FromUtf8(
        Shared().Use([&](Client &P) { return P.flag_string(ToUtf8(Key), ToUtf8(DefaultValue)); }));
}

FString UPlaytraceLibrary::GetFlagJson(const FString &Key, const FString &DefaultValue)
{
    return FromUtf8(
        Shared().Use([&](Client &P) { return P.flag_json(ToUtf8(Key), ToUtf8(DefaultValue)); }));
}

bool UPlaytraceLibrary::GetFlagDetails(const FString &Key, FString &Variant, FString &Reason)
{
    const Playtrace::FlagDetails Details =
        Shared().Use([&](Client &P) { return P.flag_details(ToUtf8(Key)); });

    Variant = FromUtf8(Details.variant);
    Reason = FromUtf8(Details.reason);
    return Details.reason[0] != '\0' && !Details.is_default;
}

bool UPlaytraceLibrary::SetFlagContext(const FString &Json)
{
    return Shared().Use([&](Client &P) { return P.set_flag_context(ToUtf8(Json)); }) ==
           PLAYTRACE_OK;
}

bool UPlaytraceLibrary::RefreshFlags(float TimeoutSeconds)
{
    const uint32 Ms = TimeoutSeconds > 0 ? static_cast<uint32>(TimeoutSeconds * 1000.0f) : 0u;

    return Shared().Use([&](Client &P) { return P.flags_refresh(Ms); }) == PLAYTRACE_OK;
}

FPlaytraceAttribute UPlaytraceLibrary::MakeTextAttribute(const FString &Key, const FString &Value)
{
    return FPlaytraceAttribute(Key, Value);
}

FPlaytraceAttribute UPlaytraceLibrary::MakeIntegerAttribute(const FString &Key, int64 Value)
{
    return FPlaytraceAttribute(Key, Value);
}

FPlaytraceAttribute UPlaytraceLibrary::MakeNumberAttribute(const FString &Key, double Value)
{
    return FPlaytraceAttribute(Key, Value);
}

FPlaytraceAttribute UPlaytraceLibrary::MakeBooleanAttribute(const FString &Key, bool bValue)
{
    return FPlaytraceAttribute(Key, bValue);
}

FPlaytraceAttribute UPlaytraceLibrary::MakeJsonAttribute(const FString &Key, const FString &Json)
{
    FPlaytraceAttribute Attribute(Key, Json);

    Attribute.Type = EPlaytraceValue::Json;
    return Attribute;
}
