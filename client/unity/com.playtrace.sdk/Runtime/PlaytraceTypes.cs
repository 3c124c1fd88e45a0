using System;

namespace PlaytraceSdk
{
    /// <summary>What a call came to. No call of the SDK throws, and none ends the game.</summary>
    public enum PlaytraceStatus
    {
        /// <summary>Done.</summary>
        Ok = 0,
        /// <summary>Not everything is delivered; what is left stays in the queue on disk.</summary>
        Queued,
        /// <summary>An argument is wrong, or Playtrace is not running; nothing was done. The log says which.</summary>
        Invalid,
        /// <summary>The player has not agreed: nothing was stored or sent.</summary>
        NoConsent,
        /// <summary>The ring in memory is full; the event is lost and counted.</summary>
        Dropped,
        /// <summary>Another instance of the game (or of the editor) has the queue directory open.</summary>
        Busy,
        /// <summary>The queue directory cannot be used.</summary>
        Io,
        /// <summary>Memory is out.</summary>
        NoMemory,
        /// <summary>The queue holds records that <c>PlaytraceOptions.QueueKey</c> does not open.</summary>
        Key,
        /// <summary>The queue was written by a newer version of the SDK.</summary>
        Version,
    }

    /// <summary>The player's decision.</summary>
    public enum PlaytraceConsent
    {
        /// <summary>Not asked, or not answered.</summary>
        None = 0,
        /// <summary>Given, for at least one purpose.</summary>
        Given,
        /// <summary>Refused, or taken back.</summary>
        Withdrawn,
    }

    /// <summary>What data may be used for.</summary>
    [Flags]
    public enum PlaytracePurposes
    {
        /// <summary>Nothing: a refusal.</summary>
        None = 0,
        /// <summary>The events of the game.</summary>
        Analytics = 1,
        /// <summary>Flags from the server, and who saw which variant.</summary>
        Experiments = 2,
        /// <summary>Both.</summary>
        All = 3,
    }

    /// <summary>The player's decision as it is kept.</summary>
    public struct PlaytraceConsentRecord
    {
        /// <summary>The decision.</summary>
        public PlaytraceConsent Consent;
        /// <summary>For what; None unless consent is given.</summary>
        public PlaytracePurposes Purposes;
        /// <summary>When, UTC; null: never, or not known.</summary>
        public DateTime? DecidedAt;
        /// <summary>The text that it is about; "": none was named.</summary>
        public string PolicyVersion;
    }

    /// <summary>How much a line of the SDK's log matters.</summary>
    public enum PlaytraceLogLevel
    {
        /// <summary>Data is lost, or nothing works until something is put right.</summary>
        Error = 1,
        /// <summary>A call did not do what it was meant to.</summary>
        Warning,
        /// <summary>Good to know.</summary>
        Info,
    }

    /// <summary>Takes the SDK's log. May be called from any thread; the text is one line.</summary>
    public delegate void PlaytraceLogHandler(PlaytraceLogLevel level, string text);

    /// <summary>What is kept and sent before what, when there is no room for all.</summary>
    public enum PlaytracePriority
    {
        /// <summary>Heartbeats, positions: the first to give way.</summary>
        Low = 0,
        /// <summary>Everything else.</summary>
        Normal,
        /// <summary>Purchases: the last to give way, the first to be sent.</summary>
        High,
    }

    /// <summary>Why a flag has its value.</summary>
    public struct PlaytraceFlagDetails
    {
        /// <summary>The variant's name; "" where there is none.</summary>
        public string Variant;
        /// <summary>OpenFeature's; CACHED: from disk, not confirmed yet.</summary>
        public string Reason;
        /// <summary>With reason ERROR: FLAG_NOT_FOUND, PROVIDER_NOT_READY, or the server's.</summary>
        public string ErrorCode;
        /// <summary>Getters give the caller's default.</summary>
        public bool IsDefault;
    }

    /// <summary>Counts since <c>Init</c>.</summary>
    public struct PlaytraceStats
    {
        /// <summary>Events that Track took.</summary>
        public ulong Tracked;
        /// <summary>Found in the queue at Init.</summary>
        public ulong Recovered;
        /// <summary>Now in memory or on disk.</summary>
        public ulong Queued;
        /// <summary>Bytes of queue files now on disk.</summary>
        public ulong QueuedBytes;
        /// <summary>Accepted by the server's receipt.</summary>
        public ulong Delivered;
        /// <summary>Refused by the server's receipt.</summary>
        public ulong Refused;
        /// <summary>Single events that the server could not read.</summary>
        public ulong Unreadable;
        /// <summary>Lost because the ring was full.</summary>
        public ulong DroppedRing;
        /// <summary>Lost because the queue had reached its budget.</summary>
        public ulong DroppedBudget;
        /// <summary>Thrown away because consent ended.</summary>
        public ulong Withdrawn;
        /// <summary>Runs of damaged bytes that were cut or skipped in the queue.</summary>
        public ulong Damaged;
        /// <summary>HTTP requests made.</summary>
        public ulong SendAttempts;
        /// <summary>Of these, how many repeat a batch that failed.</summary>
        public ulong Retries;
        /// <summary>File operations that failed; they are repeated.</summary>
        public ulong IoFailures;
        /// <summary>Gave way to events of a higher priority.</summary>
        public ulong DroppedEvicted;
        /// <summary>Too old, and could not be sent.</summary>
        public ulong DroppedAge;
        /// <summary>Track calls that were Invalid.</summary>
        public ulong Invalid;
        /// <summary>HTTP requests for flags.</summary>
        public ulong FlagRequests;
        /// <summary>Of these, how many brought no answer that could be used.</summary>
        public ulong FlagFailures;
    }
}
