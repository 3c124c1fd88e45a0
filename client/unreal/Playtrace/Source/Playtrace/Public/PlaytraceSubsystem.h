// PlaytraceSubsystem.h - Playtrace's life within a game: start, background, foreground, end
#pragma once

#include "Containers/Ticker.h"
#include "CoreMinimal.h"
#include "Subsystems/GameInstanceSubsystem.h"

#include "PlaytraceSubsystem.generated.h"

DECLARE_DYNAMIC_MULTICAST_DELEGATE(FPlaytraceFlagsChanged);

/**
 * Starts with the game instance (setting bAutoStart), writes everything to disk when the game goes
 * to the background, closes at the end. Events are recorded by UPlaytraceLibrary.
 */
UCLASS()
class PLAYTRACE_API UPlaytraceSubsystem : public UGameInstanceSubsystem
{
    GENERATED_BODY()

  public:
    virtual bool ShouldCreateSubsystem(UObject *Outer) const override;
    virtual void Initialize(FSubsystemCollectionBase &Collection) override;
    virtual void Deinitialize() override;

    /** Where bAutoStart is off, or after Stop(). True where it runs now. */
    UFUNCTION(BlueprintCallable, Category = "Playtrace")
    bool Start();

    /** What is not delivered stays on disk for the next start. */
    UFUNCTION(BlueprintCallable, Category = "Playtrace")
    void Stop();

    UFUNCTION(BlueprintPure, Category = "Playtrace")
    bool IsRunning() const
    {
        return bIsRunning;
    }

    /** Feature flags have other values than before; on the game's thread. */
    UPROPERTY(BlueprintAssignable, Category = "Playtrace|Flags")
    FPlaytraceFlagsChanged OnFlagsChanged;

  private:
    void OnBackground();
    void OnForeground();
    void OnTerminate();
    bool OnTick(float DeltaSeconds);

    bool bIsRunning = false;
    uint64 FlagsGeneration = 0;
    FDelegateHandle BackgroundHandle;
    FDelegateHandle ForegroundHandle;
    FDelegateHandle TerminateHandle;
    FTSTicker::FDelegateHandle TickHandle;
};
