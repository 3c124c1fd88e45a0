// PlaytraceSettings.h - Project Settings > Plugins > Playtrace, kept in DefaultGame.ini
#pragma once

#include "CoreMinimal.h"
#include "Engine/DeveloperSettings.h"
#include "PlaytraceTypes.h"

#include "PlaytraceSettings.generated.h"

UCLASS(Config = Game, DefaultConfig, meta = (DisplayName = "Playtrace"))
class PLAYTRACE_API UPlaytraceSettings : public UDeveloperSettings
{
    GENERATED_BODY()

  public:
    /** The server, "https://play.example:8080". Empty: the plugin does nothing. */
    UPROPERTY(Config, EditAnywhere, Category = "Server")
    FString ServerUrl;

    /** The game's key for sending events. It is part of the game and no secret. */
    UPROPERTY(Config, EditAnywhere, Category = "Server")
    FString ApiKey;

    /** Start with the game. Off: the game calls Start() of the subsystem. */
    UPROPERTY(Config, EditAnywhere, Category = "Start")
    bool bAutoStart = true;

    /** Also in Play In Editor. */
    UPROPERTY(Config, EditAnywhere, Category = "Start")
    bool bInEditor = false;

    /** Also on dedicated servers. */
    UPROPERTY(Config, EditAnywhere, Category = "Start")
    bool bOnDedicatedServer = false;

    /** What holds where the player has not decided. "Not asked" stores and sends nothing. */
    UPROPERTY(Config, EditAnywhere, Category = "Consent")
    EPlaytraceConsent ConsentUntilAsked = EPlaytraceConsent::NotAsked;

    /** The build's name in each event. Empty: Project Settings > Description > Project Version. */
    UPROPERTY(Config, EditAnywhere, Category = "Events")
    FString BuildId;

    /** Which version of the rules of play this build has; may be empty. */
    UPROPERTY(Config, EditAnywhere, Category = "Events")
    FString MechanicVersion;

    /** Send at least this often. */
    UPROPERTY(Config, EditAnywhere, Category = "Delivery",
              meta = (ClampMin = "1", ClampMax = "3600"))
    int32 FlushIntervalSeconds = 10;

    UPROPERTY(Config, EditAnywhere, Category = "Delivery",
              meta = (ClampMin = "1", ClampMax = "1000"))
    int32 EventsPerRequest = 100;

    /** What events that cannot be sent may take on the player's disk. */
    UPROPERTY(Config, EditAnywhere, Category = "Delivery",
              meta = (ClampMin = "1", ClampMax = "1024"))
    int32 QueueMegabytes = 64;

    /** How long the end of the game may wait for the network; the rest is sent at the next start.
     */
    UPROPERTY(Config, EditAnywhere, Category = "Delivery", meta = (ClampMin = "0", ClampMax = "10"))
    float CloseSeconds = 0.5f;

    virtual FName GetCategoryName() const override;
};
