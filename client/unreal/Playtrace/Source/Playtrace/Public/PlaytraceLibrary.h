// PlaytraceLibrary.h - Playtrace's nodes, and its calls from C++
#pragma once

#include "CoreMinimal.h"
#include "Kismet/BlueprintFunctionLibrary.h"
#include "PlaytraceTypes.h"

#include "PlaytraceLibrary.generated.h"

/**
 * From any thread, before the start and after the end too: what cannot be recorded is answered with
 * false and said in the log. In C++:
 *
 *     UPlaytraceLibrary::TrackWithAttributes(TEXT("level_end"), {{TEXT("level"), 7}, {TEXT("won"),
 * true}});
 */
UCLASS()
class PLAYTRACE_API UPlaytraceLibrary : public UBlueprintFunctionLibrary
{
    GENERATED_BODY()

  public:
    /** Something happened, now. False where it is not recorded: no consent, not started, queue
     * full. */
    UFUNCTION(BlueprintCallable, Category = "Playtrace")
    static bool Track(const FString &EventName);

    UFUNCTION(BlueprintCallable, Category = "Playtrace", meta = (AutoCreateRefTerm = "Attributes"))
    static bool TrackWithAttributes(const FString &EventName,
                                    const TArray<FPlaytraceAttribute> &Attributes,
                                    EPlaytracePriority Priority = EPlaytracePriority::Normal);

    /** Whose events follow; empty: the installation's own id again. */
    UFUNCTION(BlueprintCallable, Category = "Playtrace")
    static bool SetUser(const FString &UserId);

    /**
     * The player's decision, kept on disk with its time. Neither purpose: withdrawn, and everything
     * that was kept is removed. PolicyVersion names the text that the player decided about, and may
     * be empty.
     */
    UFUNCTION(BlueprintCallable, Category = "Playtrace|Consent")
    static bool SetConsent(bool bAnalytics, bool bExperiments, const FString &PolicyVersion);

    UFUNCTION(BlueprintPure, Category = "Playtrace|Consent")
    static EPlaytraceConsent GetConsent();

    /** Whether a purpose is agreed to. */
    UFUNCTION(BlueprintPure, Category = "Playtrace|Consent")
    static void GetConsentPurposes(bool &bAnalytics, bool &bExperiments, FString &PolicyVersion);

    /** Send what is queued, and wait at most this long; 0 asks for a send and does not wait. */
    UFUNCTION(BlueprintCallable, Category = "Playtrace")
    static bool Flush(float TimeoutSeconds = 0.0f);

    /** A new session; sequence numbers begin again. */
    UFUNCTION(BlueprintCallable, Category = "Playtrace")
    static bool StartSession();

    UFUNCTION(BlueprintPure, Category = "Playtrace")
    static FString GetSessionId();

    /** Events that are in memory or on disk and wait for the server's receipt. */
    UFUNCTION(BlueprintPure, Category = "Playtrace")
    static int64 GetQueuedEvents();

    /**
     * A feature flag's value, from memory: the server's last answer, at first the one of an earlier
     * run. DefaultValue where there is none of that type. What an experiment decides is recorded as
     * its exposure, so ask where the player meets it, and not for every frame's sake.
     */
    UFUNCTION(BlueprintCallable, Category = "Playtrace|Flags")
    static bool GetFlagBool(const FString &Key, bool DefaultValue);

    UFUNCTION(BlueprintCallable, Category = "Playtrace|Flags")
    static int64 GetFlagInteger(const FString &Key, int64 DefaultValue);

    UFUNCTION(BlueprintCallable, Category = "Playtrace|Flags")
    static double GetFlagNumber(const FString &Key, double DefaultValue);

    UFUNCTION(BlueprintCallable, Category = "Playtrace|Flags")
    static FString GetFlagText(const FString &Key, const FString &DefaultValue);

    /** The text of an object or an array. */
    UFUNCTION(BlueprintCallable, Category = "Playtrace|Flags")
    static FString GetFlagJson(const FString &Key, const FString &DefaultValue);

    /** Which variant a player has, and why; records no exposure. False where there is no value. */
    UFUNCTION(BlueprintPure, Category = "Playtrace|Flags")
    static bool GetFlagDetails(const FString &Key, FString &Variant, FString &Reason);

    /** What targeting rules are asked with beside the player: the text of a JSON object, or empty.
     */
    UFUNCTION(BlueprintCallable, Category = "Playtrace|Flags")
    static bool SetFlagContext(const FString &Json);

    /** Ask the server now, and wait at most this long. True where the values are those of now. */
    UFUNCTION(BlueprintCallable, Category = "Playtrace|Flags")
    static bool RefreshFlags(float TimeoutSeconds = 0.0f);

    UFUNCTION(BlueprintPure, Category = "Playtrace|Attributes",
              meta = (DisplayName = "Make Text Attribute"))
    static FPlaytraceAttribute MakeTextAttribute(const FString &Key, const FString &Value);

    UFUNCTION(BlueprintPure, Category = "Playtrace|Attributes",
              meta = (DisplayName = "Make Integer Attribute"))
    static FPlaytraceAttribute MakeIntegerAttribute(const FString &Key, int64 Value);

    UFUNCTION(BlueprintPure, Category = "Playtrace|Attributes",
              meta = (DisplayName = "Make Number Attribute"))
    static FPlaytraceAttribute MakeNumberAttribute(const FString &Key, double Value);

    UFUNCTION(BlueprintPure, Category = "Playtrace|Attributes",
              meta = (DisplayName = "Make Boolean Attribute"))
    static FPlaytraceAttribute MakeBooleanAttribute(const FString &Key, bool bValue);

    UFUNCTION(BlueprintPure, Category = "Playtrace|Attributes",
              meta = (DisplayName = "Make JSON Attribute"))
    static FPlaytraceAttribute MakeJsonAttribute(const FString &Key, const FString &Json);
};
