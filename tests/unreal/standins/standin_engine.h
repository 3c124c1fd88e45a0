/*
 * standin_engine.h - a stand-in for what the plugin uses of Unreal's HTTP, Engine and Analytics
 * modules
 */
#pragma once

#include "standin_hal.h"

/* ---- HTTP ---- */

class IHttpRequest;
class IHttpResponse;
typedef TSharedPtr<IHttpRequest, ESPMode::ThreadSafe> FHttpRequestPtr;
typedef TSharedRef<IHttpRequest, ESPMode::ThreadSafe> FHttpRequestRef;
typedef TSharedPtr<IHttpResponse, ESPMode::ThreadSafe> FHttpResponsePtr;
typedef TDelegate<void(FHttpRequestPtr, FHttpResponsePtr, bool)> FHttpRequestCompleteDelegate;

enum class EHttpRequestDelegateThreadPolicy : uint8 { CompleteOnGameThread, CompleteOnHttpThread };

class IHttpResponse
{
  public:
    virtual ~IHttpResponse() = default;
    virtual int32 GetResponseCode() const = 0;
    virtual FString GetHeader(const FString &HeaderName) const = 0;
    virtual const TArray<uint8> &GetContent() const = 0;
};

class IHttpRequest
{
  public:
    virtual ~IHttpRequest() = default;
    virtual void SetVerb(const FString &Verb) = 0;
    virtual void SetURL(const FString &URL) = 0;
    virtual void SetContent(TArray<uint8> &&ContentPayload) = 0;
    virtual void SetHeader(const FString &HeaderName, const FString &HeaderValue) = 0;
    virtual void SetTimeout(float InTimeoutSecs) = 0;
    virtual void SetDelegateThreadPolicy(EHttpRequestDelegateThreadPolicy InThreadPolicy) = 0;
    virtual FHttpRequestCompleteDelegate &OnProcessRequestComplete() = 0;
    virtual bool ProcessRequest() = 0;
    virtual void CancelRequest() = 0;
};

class FHttpModule
{
  public:
    static FHttpModule &Get();
    FHttpRequestRef CreateRequest();
    unsigned Requests = 0; /* the test's */
};

/* ---- Engine ---- */

class FSubsystemCollectionBase
{
};

class UGameInstanceSubsystem : public UObject
{
  public:
    virtual bool ShouldCreateSubsystem(UObject *Outer) const;
    virtual void Initialize(FSubsystemCollectionBase &Collection);
    virtual void Deinitialize();
};

class UDeveloperSettings : public UObject
{
  public:
    virtual FName GetCategoryName() const
    {
        return FName(TEXT("Game"));
    }
};

class UBlueprintFunctionLibrary : public UObject
{
};

class IModuleInterface
{
  public:
    virtual ~IModuleInterface() = default;
    virtual void StartupModule()
    {
    }
    virtual void ShutdownModule()
    {
    }
};

/* The test loads the module by this. */
#define IMPLEMENT_MODULE(type, name)                                                               \
    IModuleInterface *StandInLoad##name()                                                          \
    {                                                                                              \
        static type Module;                                                                        \
        Module.StartupModule();                                                                    \
        return &Module;                                                                            \
    }

#define UE_VERSION_OLDER_THAN(major, minor, patch)                                                 \
    (ENGINE_MAJOR_VERSION < (major) ||                                                             \
     (ENGINE_MAJOR_VERSION == (major) && ENGINE_MINOR_VERSION < (minor)))

/* ---- Analytics ---- */

class FAnalyticsEventAttribute
{
  public:
    FAnalyticsEventAttribute(FString InName, FString InValue)
        : Name(InName), Value(InValue), bIsJson(false)
    {
    }
    FAnalyticsEventAttribute(FString InName, const TCHAR *InValue)
        : Name(InName), Value(InValue), bIsJson(false)
    {
    }
    template <typename Number, typename = std::enable_if_t<std::is_arithmetic_v<Number>>>
    FAnalyticsEventAttribute(FString InName, Number InValue) : Name(InName), bIsJson(true)
    {
        if constexpr (std::is_same_v<Number, bool>) {
            Value = InValue ? TEXT("true") : TEXT("false");
        } else {
            Value = FString(UTF8_TO_TCHAR(std::to_string(InValue).c_str()));
        }
    }
    const FString &GetName() const
    {
        return Name;
    }
    const FString &GetValue() const
    {
        return Value;
    }
    bool IsJsonFragment() const
    {
        return bIsJson;
    }

  private:
    FString Name;
    FString Value;
    bool bIsJson;
};

typedef TDelegate<FString(const FString &, bool)> FAnalyticsProviderConfigurationDelegate;

enum class EAnalyticsRecordEventMode { Cached, Immediate };

class IAnalyticsProvider
{
  public:
    virtual ~IAnalyticsProvider() = default;
    bool StartSession()
    {
        return StartSession(TArray<FAnalyticsEventAttribute>());
    }
    virtual bool StartSession(const TArray<FAnalyticsEventAttribute> &Attributes) = 0;
    virtual void EndSession() = 0;
    virtual FString GetSessionID() const = 0;
    virtual bool SetSessionID(const FString &InSessionID) = 0;
    virtual void FlushEvents() = 0;
    virtual void SetUserID(const FString &InUserID) = 0;
    virtual FString GetUserID() const = 0;
    virtual void SetDefaultEventAttributes(TArray<FAnalyticsEventAttribute> &&Attributes) = 0;
    virtual TArray<FAnalyticsEventAttribute> GetDefaultEventAttributesSafe() const = 0;
    virtual int32 GetDefaultEventAttributeCount() const = 0;
    virtual FAnalyticsEventAttribute GetDefaultEventAttribute(int AttributeIndex) const = 0;
    void RecordEvent(const FString &EventName)
    {
        RecordEvent(EventName, TArray<FAnalyticsEventAttribute>());
    }
    virtual void RecordEvent(const FString &EventName,
                             const TArray<FAnalyticsEventAttribute> &Attributes) = 0;
#if !UE_VERSION_OLDER_THAN(5, 6, 0)
    virtual void RecordEvent(const FString &EventName,
                             const TArray<FAnalyticsEventAttribute> &Attributes,
                             EAnalyticsRecordEventMode Mode) = 0;
#endif
    virtual void RecordItemPurchase(const FString &ItemId, const FString &Currency, int PerItemCost,
                                    int ItemQuantity);
};

class FAnalyticsET
{
  public:
    struct Config {
        FString APIKeyET;
        FString APIServerET;
        FString AppVersionET;
    };
};

struct FAnalyticEventQueuedInfo {
    const EAnalyticsRecordEventMode Mode;
    const FString &EventName;
    const TArray<FAnalyticsEventAttribute> &Attributes;
};
typedef TMulticastDelegate<void(const FString &, FHttpRequestRef &)> FOnPreAnalyticsEventProcessed;
typedef TMulticastDelegate<void(bool &, const FAnalyticEventQueuedInfo &)> FOnAnalyticsEventQueued;

class IAnalyticsProviderET : public IAnalyticsProvider
{
  public:
    using IAnalyticsProvider::RecordEvent;
    using IAnalyticsProvider::StartSession;
    typedef TFunction<void(const FString &EventName, const TArray<FAnalyticsEventAttribute> &Attrs,
                           bool bJson)>
        OnEventRecorded;
    typedef TFunction<bool(const IAnalyticsProviderET &ThisProvider, const FString &EventName)>
        ShouldRecordEventFunction;

    virtual void RecordEvent(const FString &EventName,
                             const TArray<FAnalyticsEventAttribute> &Attributes) override
    {
        RecordEvent(CopyTemp(EventName), Attributes);
    }
    virtual bool StartSession(const TArray<FAnalyticsEventAttribute> &Attributes) override
    {
        return StartSession(FString(TEXT("made-by-the-engine")), Attributes);
    }
    virtual void SetAppID(FString &&AppID) = 0;
    virtual void SetAppVersion(FString &&AppVersion) = 0;
    virtual bool StartSession(FString InSessionID,
                              const TArray<FAnalyticsEventAttribute> &Attributes) = 0;
    virtual bool ShouldRecordEvent(const FString &EventName) const = 0;
    virtual void RecordEvent(FString &&EventName,
                             const TArray<FAnalyticsEventAttribute> &Attributes) = 0;
    virtual void SetHeader(const FString &HeaderName, const FString &HeaderValue) = 0;
    virtual void SetEventCallback(const OnEventRecorded &Callback) = 0;
    virtual void BlockUntilFlushed(float InTimeoutSec) = 0;
    virtual const FAnalyticsET::Config &GetConfig() const = 0;
    virtual void
    SetShouldRecordEventFunc(const ShouldRecordEventFunction &ShouldRecordEventFunc) = 0;
#if UE_VERSION_OLDER_THAN(5, 6, 0)
    virtual void SetURLEndpoint(const FString &UrlEndpoint, const TArray<FString> &AltDomains) = 0;
#else
    virtual void RecordEvent(const FString &EventName,
                             const TArray<FAnalyticsEventAttribute> &Attributes,
                             EAnalyticsRecordEventMode Mode) override
    {
        RecordEvent(CopyTemp(EventName), Attributes, Mode);
    }
    virtual void RecordEvent(FString &&EventName,
                             const TArray<FAnalyticsEventAttribute> &Attributes,
                             EAnalyticsRecordEventMode Mode) = 0;
    virtual void SetUrlDomain(const FString &Domain, const TArray<FString> &AltDomains) = 0;
    virtual void SetUrlPath(const FString &Path) = 0;
    virtual FOnPreAnalyticsEventProcessed &OnPreAnalyticsEventProcessed() = 0;
    virtual FOnAnalyticsEventQueued &OnAnalyticsEventQueued() = 0;
#endif
};

class IAnalyticsProviderModule : public IModuleInterface
{
  public:
    virtual TSharedPtr<IAnalyticsProvider> CreateAnalyticsProvider(
        const FAnalyticsProviderConfigurationDelegate &GetConfigValue) const = 0;
};
