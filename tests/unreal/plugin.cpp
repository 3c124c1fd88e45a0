/*
 * plugin.cpp - the plugin itself over stand-ins of the engine (standins/), against the real
 * collector
 *
 *     plugin MODE URL      STANDIN_SAVED names the project's Saved directory
 *
 *     game      a game's life: consent, events, user, background, the analytics provider, the end
 *     offline   events while no server answers, and the end: they stay on disk
 *     pump      STANDIN_ONE_THREAD: the ticker does the work
 *     killed    STANDIN_ONE_THREAD: killed in the background, before any tick wrote the ring
 *     hold      runs until standard input ends; `busy` is a second game that finds the queue taken
 *     editor    STANDIN_EDITOR: nothing starts in the editor unless the settings say so
 */
#include "PlaytraceLibrary.h"
#include "PlaytraceSettings.h"
#include "PlaytraceSubsystem.h"

#include "standin_engine.h"

#include <cstdio>
#include <cstdlib>
#include <string_view>

IModuleInterface *StandInLoadPlaytrace();

namespace
{

int Failures = 0;

void Check(bool bHolds, const char *What, int Line)
{
    if (!bHolds) {
        std::fprintf(stderr, "plugin.cpp:%d: %s\n", Line, What);
        Failures++;
    }
}

#define CHECK(condition) Check((condition), #condition, __LINE__)

UPlaytraceSettings *Settings()
{
    return StandInMutableDefault<UPlaytraceSettings>();
}

void Provider()
{
    const auto *Module = static_cast<IAnalyticsProviderModule *>(StandInLoadPlaytrace());
    const TSharedPtr<IAnalyticsProvider> Provider =
        Module->CreateAnalyticsProvider(FAnalyticsProviderConfigurationDelegate());
    const auto *ET = static_cast<IAnalyticsProviderET *>(Provider.Data.get());

    CHECK(Provider->StartSession({FAnalyticsEventAttribute(TEXT("cold"), true)}));
    CHECK(Provider->GetSessionID().Len() == 36);
    CHECK(!Provider->SetSessionID(TEXT("mine")));
    Provider->SetUserID(TEXT("player-ü"));
    CHECK(Provider->GetUserID() == FString(TEXT("player-ü")));
    Provider->SetDefaultEventAttributes({FAnalyticsEventAttribute(TEXT("mode"), TEXT("arena")),
                                         FAnalyticsEventAttribute(TEXT("map"), 3)});
    CHECK(Provider->GetDefaultEventAttributeCount() == 2);
    CHECK(Provider->GetDefaultEventAttribute(1).GetName() == FString(TEXT("map")));
    CHECK(Provider->GetDefaultEventAttributesSafe().Num() == 2);
    Provider->RecordEvent(TEXT("Provider.Plain"));
    Provider->RecordEvent(TEXT("Provider.Typed"),
                          {FAnalyticsEventAttribute(TEXT("level"), 7),
                           FAnalyticsEventAttribute(TEXT("won"), true),
                           FAnalyticsEventAttribute(TEXT("mode"), TEXT("shop"))});
    Provider->RecordItemPurchase(TEXT("sword"), TEXT("gold"), 5, 2);
    const_cast<IAnalyticsProviderET *>(ET)->SetShouldRecordEventFunc(
        [](const IAnalyticsProviderET &, const FString &Name) {
            return !(Name == FString(TEXT("unwanted")));
        });
    CHECK(!ET->ShouldRecordEvent(TEXT("unwanted")));
    Provider->RecordEvent(TEXT("unwanted"));
#if !UE_VERSION_OLDER_THAN(5, 6, 0)
    Provider->RecordEvent(TEXT("Provider.Now"), {}, EAnalyticsRecordEventMode::Immediate);
#endif
    const_cast<IAnalyticsProviderET *>(ET)->SetAppVersion(TEXT("9"));
    CHECK(ET->GetConfig().AppVersionET == FString(TEXT("9")));
    Provider->FlushEvents();
    Provider->EndSession();
}

struct FListener : UObject {
    void OnChange()
    {
        Changes++;
    }
    int Changes = 0;
};

/* The server has: speed (integer, 3), greeting (text), shop (object), open (boolean, true). */
void Flags(UPlaytraceSubsystem &Subsystem)
{
    FListener Listener;
    FString Variant;
    FString Reason;

    (void)Subsystem.OnFlagsChanged.AddUObject(&Listener, &FListener::OnChange);
    CHECK(UPlaytraceLibrary::GetFlagInteger(TEXT("speed"), 9) == 9); /* no consent to experiments */
    CHECK(UPlaytraceLibrary::SetConsent(true, true, TEXT("policy-1")));
    CHECK(UPlaytraceLibrary::SetFlagContext(TEXT("{\"level\":7}")));
    CHECK(!UPlaytraceLibrary::SetFlagContext(TEXT("[7]")));
    CHECK(UPlaytraceLibrary::RefreshFlags(20.0f));
    CHECK(UPlaytraceLibrary::GetFlagInteger(TEXT("speed"), 9) == 3);
    CHECK(UPlaytraceLibrary::GetFlagNumber(TEXT("speed"), 9.5) == 3.0);
    CHECK(UPlaytraceLibrary::GetFlagBool(TEXT("open"), false));
    CHECK(UPlaytraceLibrary::GetFlagBool(TEXT("speed"), true)); /* of another type */
    CHECK(UPlaytraceLibrary::GetFlagText(TEXT("greeting"), TEXT("")) == FString(TEXT("grüß")));
    CHECK(UPlaytraceLibrary::GetFlagText(TEXT("missing"), TEXT("ö")) == FString(TEXT("ö")));
    CHECK(UPlaytraceLibrary::GetFlagJson(TEXT("shop"), TEXT("")) ==
          FString(TEXT("{\"items\":[1,2]}")));
    CHECK(UPlaytraceLibrary::GetFlagDetails(TEXT("speed"), Variant, Reason));
    CHECK(Variant == FString(TEXT("fast")) && !Reason.IsEmpty());
    CHECK(!UPlaytraceLibrary::GetFlagDetails(TEXT("missing"), Variant, Reason));
    FTSTicker::GetCoreTicker().Tick(0.25f);
    CHECK(Listener.Changes == 1);
    FTSTicker::GetCoreTicker().Tick(0.25f);
    CHECK(Listener.Changes == 1);
}

void Game()
{
    FSubsystemCollectionBase Collection;
    UPlaytraceSubsystem Subsystem;
    bool bAnalytics = true;
    bool bExperiments = true;
    FString Policy;

    Settings()->SessionTimeoutSeconds = 0;
    CHECK(!UPlaytraceLibrary::Track(TEXT("before_the_start")));
    CHECK(Subsystem.ShouldCreateSubsystem(nullptr));
    Subsystem.Initialize(Collection);
    CHECK(Subsystem.IsRunning());
    CHECK(Subsystem.Start()); /* it runs */
    CHECK(UPlaytraceLibrary::GetConsent() == EPlaytraceConsent::NotAsked);
    CHECK(!UPlaytraceLibrary::Track(TEXT("without_consent")));
    CHECK(UPlaytraceLibrary::SetConsent(true, false, TEXT("policy-1")));
    UPlaytraceLibrary::GetConsentPurposes(bAnalytics, bExperiments, Policy);
    CHECK(bAnalytics && !bExperiments && Policy == FString(TEXT("policy-1")));
    CHECK(UPlaytraceLibrary::SetUser(TEXT("player-1")));
    CHECK(UPlaytraceLibrary::Track(TEXT("plain")));
    CHECK(UPlaytraceLibrary::TrackWithAttributes(
        TEXT("typed"),
        {{TEXT("text"), TEXT("grüß 🎮")},
         {TEXT("level"), 7},
         {TEXT("long"), int64(-5000000000)},
         {TEXT("ratio"), 0.5},
         {TEXT("won"), true},
         UPlaytraceLibrary::MakeJsonAttribute(TEXT("list"), TEXT("[1,2]"))},
        EPlaytracePriority::High));
    CHECK(!UPlaytraceLibrary::Track(TEXT("")));
    Flags(Subsystem);
    FCoreDelegates::ApplicationWillEnterBackgroundDelegate.Broadcast();
    const FString Before = UPlaytraceLibrary::GetSessionId();
    FPlatformProcess::Sleep(0.01f);
    FCoreDelegates::ApplicationHasEnteredForegroundDelegate.Broadcast();
    CHECK(!(UPlaytraceLibrary::GetSessionId() == Before)); /* away for longer than 0 s */
    Provider();
    CHECK(UPlaytraceLibrary::SetUser(TEXT("")));
    CHECK(UPlaytraceLibrary::Track(TEXT("by_the_install")));
    CHECK(UPlaytraceLibrary::Flush(20.0f));
    CHECK(UPlaytraceLibrary::GetQueuedEvents() == 0);
    CHECK(FHttpModule::Get().Requests > 0);
    FCoreDelegates::GetApplicationWillTerminateDelegate().Broadcast();
    Subsystem.Deinitialize();
    CHECK(!Subsystem.IsRunning());
    CHECK(!FCoreDelegates::ApplicationWillEnterBackgroundDelegate.IsBound());
    CHECK(!FCoreDelegates::GetApplicationWillTerminateDelegate().IsBound());
    CHECK(!UPlaytraceLibrary::Track(TEXT("after_the_end")));
}

void Offline()
{
    FSubsystemCollectionBase Collection;
    UPlaytraceSubsystem Subsystem;

    Settings()->ConsentUntilAsked = EPlaytraceConsent::Given;
    Settings()->CloseSeconds = 0.2f;
    Subsystem.Initialize(Collection);
    for (int32 I = 0; I < 50; I++) {
        CHECK(UPlaytraceLibrary::TrackWithAttributes(TEXT("offline"), {{TEXT("i"), I}}));
    }
    CHECK(!UPlaytraceLibrary::Flush(0.2f));
    Subsystem.Deinitialize();
}

void Pump()
{
    FSubsystemCollectionBase Collection;
    UPlaytraceSubsystem Subsystem;

    Settings()->ConsentUntilAsked = EPlaytraceConsent::Given;
    Settings()->EventsPerRequest = 5;
    Subsystem.Initialize(Collection);
    for (int32 I = 0; I < 20; I++) {
        CHECK(UPlaytraceLibrary::TrackWithAttributes(TEXT("pumped"), {{TEXT("i"), I}}));
    }
    /* Until the events are gone, or the test's own time limit ends it. */
    while (FHttpModule::Get().Requests == 0 || UPlaytraceLibrary::GetQueuedEvents() >= 5) {
        FTSTicker::GetCoreTicker().Tick(0.05f);
        FPlatformProcess::Sleep(0.005f);
    }
    CHECK(UPlaytraceLibrary::Flush(20.0f));
    Subsystem.Deinitialize();
}

void Killed()
{
    FSubsystemCollectionBase Collection;
    UPlaytraceSubsystem Subsystem;

    Settings()->ConsentUntilAsked = EPlaytraceConsent::Given;
    Subsystem.Initialize(Collection);
    CHECK(UPlaytraceLibrary::Track(TEXT("before_the_background")));
    FCoreDelegates::ApplicationWillEnterBackgroundDelegate.Broadcast();
    std::puts(Failures == 0 ? "ok" : "failed");
    (void)std::fflush(stdout);
    std::_Exit(0);
}

void Hold()
{
    FSubsystemCollectionBase Collection;
    UPlaytraceSubsystem Subsystem;

    Subsystem.Initialize(Collection);
    CHECK(Subsystem.IsRunning());
    std::puts("holding");
    (void)std::fflush(stdout);
    (void)std::getchar();
    Subsystem.Deinitialize();
}

void Busy()
{
    FSubsystemCollectionBase Collection;
    UPlaytraceSubsystem Subsystem;

    Subsystem.Initialize(Collection);
    CHECK(!Subsystem.IsRunning());
    CHECK(!UPlaytraceLibrary::Track(TEXT("second_instance")));
    Subsystem.Deinitialize();
}

void Editor()
{
    UPlaytraceSubsystem Subsystem;

    CHECK(!Subsystem.ShouldCreateSubsystem(nullptr));
    CHECK(!Subsystem.Start());
    CHECK(!static_cast<IAnalyticsProviderModule *>(StandInLoadPlaytrace())
               ->CreateAnalyticsProvider(FAnalyticsProviderConfigurationDelegate())
               ->StartSession());
    Settings()->bInEditor = true;
    CHECK(Subsystem.ShouldCreateSubsystem(nullptr));
}

} // namespace

int main(int Argc, char **Argv)
{
    if (Argc != 3) {
        return 2;
    }
    const std::string_view Mode = Argv[1];

    Settings()->ServerUrl = FString(UTF8_TO_TCHAR(Argv[2]));
    Settings()->MechanicVersion = TEXT("m1");
    if (std::getenv("STANDIN_KEY")) {
        Settings()->QueueKey = FString(UTF8_TO_TCHAR(std::getenv("STANDIN_KEY")));
    }
    if (Mode == "game") {
        Game();
    } else if (Mode == "offline") {
        Offline();
    } else if (Mode == "pump") {
        Pump();
    } else if (Mode == "killed") {
        Killed();
    } else if (Mode == "hold") {
        Hold();
    } else if (Mode == "busy") {
        Busy();
    } else {
        Editor();
    }
    std::puts(Failures == 0 ? "ok" : "failed");
    return Failures == 0 ? 0 : 1;
}
