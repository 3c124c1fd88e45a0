// PlaytraceRuntime.cpp - the one client of the process, with the engine under it and the settings
// in it
#include "PlaytraceRuntime.h"

#include "Misc/App.h"
#include "Misc/ConfigCacheIni.h"
#include "Misc/Paths.h"
#include "PlaytracePlatform.h"
#include "PlaytraceSettings.h"
#include "PlaytraceText.h"

DEFINE_LOG_CATEGORY(LogPlaytrace);

using PlaytraceText::ToUtf8;

static void Log(void *, enum playtrace_log_level Level, const char *Text)
{
    switch (Level) {
    case PLAYTRACE_LOG_ERROR:
        UE_LOG(LogPlaytrace, Error, TEXT("%s"), UTF8_TO_TCHAR(Text));
        break;
    case PLAYTRACE_LOG_WARNING:
        UE_LOG(LogPlaytrace, Warning, TEXT("%s"), UTF8_TO_TCHAR(Text));
        break;
    case PLAYTRACE_LOG_INFO:
        UE_LOG(LogPlaytrace, Log, TEXT("%s"), UTF8_TO_TCHAR(Text));
        break;
    }
}

static const char *PlatformName()
{
#if PLATFORM_IOS
    return "ios";
#elif PLATFORM_ANDROID
    return "android";
#elif PLATFORM_DESKTOP
    return "pc";
#else
    return "console";
#endif
}

static enum playtrace_consent ToConsent(EPlaytraceConsent Consent)
{
    switch (Consent) {
    case EPlaytraceConsent::Given:
        return PLAYTRACE_CONSENT_GIVEN;
    case EPlaytraceConsent::Withdrawn:
        return PLAYTRACE_CONSENT_WITHDRAWN;
    case EPlaytraceConsent::NotAsked:
        break;
    }
    return PLAYTRACE_CONSENT_NONE;
}

FPlaytraceRuntime::FPlaytraceRuntime()
{
    PlaytracePlatformInit(Table);
    PlaytracePortable::InstallTransport(Table, HttpFactory);
}

FPlaytraceRuntime &FPlaytraceRuntime::Get()
{
    static FPlaytraceRuntime Runtime;

    return Runtime;
}

static FString QueueDirectory()
{
    return FPaths::Combine(FPaths::ProjectSavedDir(), TEXT("Playtrace"));
}

bool FPlaytraceRuntime::MakeOptions(Playtrace::Options &Options)
{
    const UPlaytraceSettings *Settings = GetDefault<UPlaytraceSettings>();
    FString Build = Settings->BuildId;

    if (Build.IsEmpty()) {
        (void)GConfig->GetString(TEXT("/Script/EngineSettings.GeneralProjectSettings"),
                                 TEXT("ProjectVersion"), Build, GGameIni);
    }
    if (!Settings->ApiKey.IsEmpty()) {
        Options.api_key(ToUtf8(Settings->ApiKey));
    }
    if (!Build.IsEmpty()) {
        Options.build_id(ToUtf8(Build));
    }
    if (!Settings->MechanicVersion.IsEmpty()) {
        Options.mechanic_version(ToUtf8(Settings->MechanicVersion));
    }
    if (!Settings->SigningSecret.IsEmpty()) {
        Options.signing_secret(ToUtf8(Settings->SigningSecret));
    }
    Options.platform(PlatformName()).consent(ToConsent(Settings->ConsentUntilAsked));
    Options.rest().flush_interval_ms = static_cast<uint32>(Settings->FlushIntervalSeconds) * 1000;
    Options.rest().batch_events_max = static_cast<uint32>(Settings->EventsPerRequest);
    Options.rest().queue_bytes_max = static_cast<uint64>(Settings->QueueMegabytes) << 20;
    Options.rest().session_timeout_ms = static_cast<uint32>(Settings->SessionTimeoutSeconds) * 1000;
    Options.rest().flags_enabled = Settings->bFlags;
    Options.rest().flags_poll_ms = static_cast<uint32>(Settings->FlagPollSeconds) * 1000;
    Options.rest().without_worker = NeedsPump();
    Options.rest().log = Log;
    Options.rest().platform_table = &Table;
    if (!Settings->QueueKey.IsEmpty()) {
        if (!PlaytracePortable::ParseKey(ToUtf8(Settings->QueueKey), QueueKey)) {
            return false;
        }
        Options.rest().queue_key = QueueKey;
    }
    return true;
}

bool FPlaytraceRuntime::MayRun()
{
    const UPlaytraceSettings *Settings = GetDefault<UPlaytraceSettings>();

    return !IsRunningCommandlet() && (!GIsEditor || Settings->bInEditor) &&
           (!IsRunningDedicatedServer() || Settings->bOnDedicatedServer);
}

bool FPlaytraceRuntime::Start()
{
    const UPlaytraceSettings *Settings = GetDefault<UPlaytraceSettings>();
    Playtrace::Options Options(ToUtf8(Settings->ServerUrl), ToUtf8(QueueDirectory()));
    Playtrace::Status Status = PLAYTRACE_OK;

    if (!MayRun()) {
        return false;
    }
    if (!MakeOptions(Options)) {
        UE_LOG(LogPlaytrace, Error,
               TEXT("not started: the setting Queue Key is not 64 hex digits"));
        return false;
    }
    Status = Client.Acquire(Options);
    if (Status == PLAYTRACE_OK) {
        return true;
    }
    UE_LOG(
        LogPlaytrace, Error,
        TEXT(
            "not started: %s. Look at Project Settings > Plugins > Playtrace, and whether another ")
            TEXT("instance of the game runs"),
        UTF8_TO_TCHAR(Playtrace::status_name(Status)));
    return false;
}

uint32 FPlaytraceRuntime::CloseMs()
{
    return static_cast<uint32>(GetDefault<UPlaytraceSettings>()->CloseSeconds * 1000.0f);
}

void FPlaytraceRuntime::Stop()
{
    const Playtrace::Status Status = Client.Release(CloseMs());

    if (Status == PLAYTRACE_IO) {
        UE_LOG(LogPlaytrace, Error,
               TEXT("closed: some events could not be written to disk and are lost"));
    }
}
