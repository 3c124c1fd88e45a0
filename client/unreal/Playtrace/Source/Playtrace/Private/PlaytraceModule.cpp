// PlaytraceModule.cpp - the module, and the engine's way to its analytics provider
//
//     DefaultEngine.ini   [Analytics]
//                         ProviderModuleName=Playtrace
//
// makes FAnalytics::Get().GetDefaultConfiguredProvider() ours.
#include "Interfaces/IAnalyticsProviderModule.h"
#include "Modules/ModuleManager.h"
#include "PlaytraceProvider.h"
#include "PlaytraceRuntime.h"

class FPlaytraceModule : public IAnalyticsProviderModule
{
  public:
    virtual void StartupModule() override
    {
        (void)FPlaytraceRuntime::Get();
    }

    // The engine's way to configure a provider is not asked: server and key stand in the project's
    // settings, so that the game's events and those of the engine's calls are of one client, one
    // session and one queue.
    virtual TSharedPtr<IAnalyticsProvider>
    CreateAnalyticsProvider(const FAnalyticsProviderConfigurationDelegate &) const override
    {
        return MakeShared<FPlaytraceProvider>();
    }
};

IMPLEMENT_MODULE(FPlaytraceModule, Playtrace)
