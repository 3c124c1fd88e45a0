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

    /** One of the server's signing secrets: it tells batches of the game from noise. Whoever has
     * the game can find it. Empty: batches are not signed. */
    UPROPERTY(Config, EditAnywhere, Category = "Server")
    FString SigningSecret;

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

    /** Away in the background for longer: the player's return is a new session. */
    UPROPERTY(Config, EditAnywhere, Category = "Events",
              meta = (ClampMin = "0", ClampMax = "86400"))
    int32 SessionTimeoutSeconds = 30;

    /** Ask the server for feature flags (with the player's consent to experiments). */
    UPROPERTY(Config, EditAnywhere, Category = "Flags")
    bool bFlags = true;

    /** Ask again so often; 0: at the start, and when the game asks. */
    UPROPERTY(Config, EditAnywhere, Category = "Flags", meta = (ClampMin = "0", ClampMax = "86400"))
    int32 FlagPollSeconds = 60;

    /** What events that cannot be sent may take on the player's disk. */
    UPROPERTY(Config, EditAnywhere, Category = "Delivery",
              meta = (ClampMin = "1", ClampMax = "1024"))
    int32 QueueMegabytes = 64;

    /** 64 hex digits: events on disk are sealed (AES-256-GCM) and cannot be read by looking at the
     * save directory. A key that ships with the game keeps nobody out who takes the game apart; set
     * one of your own before Start() where you have a better place. Empty: they are plain text. */
    UPROPERTY(Config, EditAnywhere, Category = "Delivery")
    FString QueueKey;

    /** How long the end of the game may wait for the network; the rest is sent at the next start.
     */
    UPROPERTY(Config, EditAnywhere, Category = "Delivery", meta = (ClampMin = "0", ClampMax = "10"))
    float CloseSeconds = 0.5f;

    virtual FName GetCategoryName() const override;
};
