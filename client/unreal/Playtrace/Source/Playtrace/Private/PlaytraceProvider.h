// PlaytraceProvider.h - Playtrace as the engine's analytics provider
//
// IAnalyticsProviderET grew with the engine; what a version does not have yet is left out for it.
// Of the ET interface, what names Epic's own collector (endpoint, headers, application id) has no
// meaning here and is kept for the getters.
#pragma once

#include "Analytics.h"
#include "AnalyticsET.h"
#include "AnalyticsEventAttribute.h"
#include "CoreMinimal.h"
#include "IAnalyticsProviderET.h"
#include "Misc/EngineVersionComparison.h"
#include "Portable/Provider.h"

class FPlaytraceProvider : public IAnalyticsProviderET
{
  public:
    FPlaytraceProvider();
    virtual ~FPlaytraceProvider() override;

    // ---- IAnalyticsProvider ----
    virtual bool StartSession(const TArray<FAnalyticsEventAttribute> &Attributes) override;
    virtual void EndSession() override;
    virtual FString GetSessionID() const override;
    virtual bool SetSessionID(const FString &InSessionID) override;
    virtual void FlushEvents() override;
    virtual void SetUserID(const FString &InUserID) override;
    virtual FString GetUserID() const override;
    virtual void SetDefaultEventAttributes(TArray<FAnalyticsEventAttribute> &&Attributes) override;
    virtual TArray<FAnalyticsEventAttribute> GetDefaultEventAttributesSafe() const override;
    virtual int32 GetDefaultEventAttributeCount() const override;
    virtual FAnalyticsEventAttribute GetDefaultEventAttribute(int AttributeIndex) const override;

    // ---- IAnalyticsProviderET ----
    using IAnalyticsProviderET::RecordEvent;
    virtual bool StartSession(FString InSessionID,
                              const TArray<FAnalyticsEventAttribute> &Attributes) override;
    virtual void RecordEvent(FString &&EventName,
                             const TArray<FAnalyticsEventAttribute> &Attributes) override;
    virtual bool ShouldRecordEvent(const FString &EventName) const override;
    virtual void SetShouldRecordEventFunc(const ShouldRecordEventFunction &Function) override;
    virtual void SetEventCallback(const OnEventRecorded &Callback) override;
    virtual void BlockUntilFlushed(float InTimeoutSec) override;
    virtual void SetAppID(FString &&AppID) override;
    virtual void SetAppVersion(FString &&AppVersion) override;
    virtual void SetHeader(const FString &, const FString &) override
    {
    }
    virtual const FAnalyticsET::Config &GetConfig() const override
    {
        return Config;
    }
#if UE_VERSION_OLDER_THAN(5, 6, 0)
    virtual void SetURLEndpoint(const FString &, const TArray<FString> &) override
    {
    }
#else
    virtual void RecordEvent(FString &&EventName,
                             const TArray<FAnalyticsEventAttribute> &Attributes,
                             EAnalyticsRecordEventMode Mode) override;
    virtual void SetUrlDomain(const FString &, const TArray<FString> &) override
    {
    }
    virtual void SetUrlPath(const FString &) override
    {
    }
    virtual FOnPreAnalyticsEventProcessed &OnPreAnalyticsEventProcessed() override
    {
        return PreProcessed;
    }
    virtual FOnAnalyticsEventQueued &OnAnalyticsEventQueued() override
    {
        return Queued;
    }
#endif

  private:
    void Record(const FString &EventName, const TArray<FAnalyticsEventAttribute> &Attributes);

    mutable PlaytracePortable::FProvider Provider;
    FAnalyticsET::Config Config;
    /** As set, for the getters; Provider has them as they are sent. */
    TArray<FAnalyticsEventAttribute> Defaults;
    mutable FCriticalSection DefaultsLock;
    ShouldRecordEventFunction ShouldRecord;
    TArray<OnEventRecorded> Callbacks;
#if !UE_VERSION_OLDER_THAN(5, 6, 0)
    FOnPreAnalyticsEventProcessed PreProcessed;
    FOnAnalyticsEventQueued Queued;
#endif
};
