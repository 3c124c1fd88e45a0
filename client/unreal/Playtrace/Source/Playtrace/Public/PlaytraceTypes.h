// PlaytraceTypes.h - what Blueprints and C++ hand to Playtrace
#pragma once

#include "CoreMinimal.h"

#include "PlaytraceTypes.generated.h"

/** What the player has decided about data. */
UENUM(BlueprintType)
enum class EPlaytraceConsent : uint8 {
    NotAsked, /**< nothing is stored or sent */
    Given,
    Withdrawn
};

/** Which events outlive which when there is no room for all. */
UENUM(BlueprintType)
enum class EPlaytracePriority : uint8 {
    Low, /**< heartbeats, positions */
    Normal,
    High /**< purchases */
};

UENUM(BlueprintType)
enum class EPlaytraceValue : uint8 { Text, Integer, Number, Boolean, Json };

/** One attribute of an event; in C++ {TEXT("level"), 7}, in Blueprints by the Make nodes. */
USTRUCT(BlueprintType)
struct PLAYTRACE_API FPlaytraceAttribute {
    GENERATED_BODY()

    UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Playtrace")
    FString Key;

    UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Playtrace")
    EPlaytraceValue Type = EPlaytraceValue::Text;

    /** The value of Text and of Json (any one JSON value). */
    UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Playtrace")
    FString Text;

    UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Playtrace")
    int64 Integer = 0;

    UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Playtrace")
    double Number = 0;

    UPROPERTY(EditAnywhere, BlueprintReadWrite, Category = "Playtrace")
    bool bBoolean = false;

    FPlaytraceAttribute() = default;
    FPlaytraceAttribute(const FString &InKey, const FString &Value) : Key(InKey), Text(Value)
    {
    }
    FPlaytraceAttribute(const FString &InKey, const TCHAR *Value) : Key(InKey), Text(Value)
    {
    }
    FPlaytraceAttribute(const FString &InKey, bool Value)
        : Key(InKey), Type(EPlaytraceValue::Boolean), bBoolean(Value)
    {
    }
    FPlaytraceAttribute(const FString &InKey, int32 Value)
        : Key(InKey), Type(EPlaytraceValue::Integer), Integer(Value)
    {
    }
    FPlaytraceAttribute(const FString &InKey, int64 Value)
        : Key(InKey), Type(EPlaytraceValue::Integer), Integer(Value)
    {
    }
    FPlaytraceAttribute(const FString &InKey, float Value)
        : Key(InKey), Type(EPlaytraceValue::Number), Number(Value)
    {
    }
    FPlaytraceAttribute(const FString &InKey, double Value)
        : Key(InKey), Type(EPlaytraceValue::Number), Number(Value)
    {
    }
};
