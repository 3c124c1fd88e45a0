namespace PlaytraceSdk
{
    /// <summary>
    /// How Playtrace starts. In a Unity project <see cref="PlaytraceSettings"/> fills this in; where a field is
    /// null, the SDK's own default holds.
    /// </summary>
    public sealed class PlaytraceOptions
    {
        /// <summary>The server, "https://host[:port]". Required.</summary>
        public string Url;
        /// <summary>The write key. It ships with the game, so it opens nothing but the door for events.</summary>
        public string ApiKey;
        /// <summary>Signs each batch; one of the server's <c>collect.signing_secrets</c>. Null: not signed.</summary>
        public string SigningSecret;
        /// <summary>Directory of the queue; this game's alone, made if absent. Required.</summary>
        public string QueueDirectory;
        /// <summary>The player's account; null: the install's own random id stands for the player.</summary>
        public string UserId;
        /// <summary>Stands in every event, as for <see cref="MechanicVersion"/>.</summary>
        public string BuildId;
        /// <summary>"ios", "android", "pc", "console" or "web".</summary>
        public string Platform;
        /// <summary>Version of the rules that are being tried.</summary>
        public string MechanicVersion;
        /// <summary>Holds until the player has decided once. Given only where no consent is needed.</summary>
        public PlaytraceConsent InitialConsent = PlaytraceConsent.None;
        /// <summary>No thread of its own: <see cref="PlaytraceClient.Pump"/> does the work.</summary>
        public bool WithoutWorker;
        /// <summary>The SDK tracks events of its own about lost events and its self-test. Default true.</summary>
        public bool? ReportHealth;
        /// <summary>Send at least this often.</summary>
        public uint? FlushIntervalMs;
        /// <summary>Events a request, 1 to 1,000.</summary>
        public uint? BatchEventsMax;
        /// <summary>Budget of the queue on disk.</summary>
        public ulong? QueueBytesMax;
        /// <summary>Events that are older and cannot be sent are given up; 0: never.</summary>
        public ulong? QueueAgeMaxMs;
        /// <summary>32 bytes: events on disk are sealed with AES-256-GCM. Null: they are plain text.</summary>
        public byte[] QueueKey;
        /// <summary>Memory between Track and the queue.</summary>
        public uint? RingBytes;
        /// <summary>A longer time in the background begins a new session. Default 30,000.</summary>
        public uint? SessionTimeoutMs;
        /// <summary>First back-off; doubles up to <see cref="RetryCapMs"/>.</summary>
        public uint? RetryBaseMs;
        /// <summary>Longest back-off.</summary>
        public uint? RetryCapMs;
        /// <summary>Limit for connecting.</summary>
        public uint? ConnectTimeoutMs;
        /// <summary>Limit for one request in all.</summary>
        public uint? RequestTimeoutMs;
        /// <summary>Ask the server for flags. Default true.</summary>
        public bool? FlagsEnabled;
        /// <summary>Hear of changes at once, by a second connection, where the server offers it. Default true.</summary>
        public bool? FlagsStream;
        /// <summary>Ask again so often; 0: only at the start and when asked to.</summary>
        public uint? FlagsPollMs;
        /// <summary>An answer with more is not taken.</summary>
        public uint? FlagsBytesMax;
        /// <summary>As <see cref="PlaytraceClient.SetFlagContextJson"/>.</summary>
        public string FlagContextJson;
        /// <summary>Takes what goes wrong, in words; null: silence. Called from any thread.</summary>
        public PlaytraceLogHandler Log;
        /// <summary>Who makes the HTTP requests; null: the native library itself.</summary>
        public PlaytraceTransport Transport;
    }
}
