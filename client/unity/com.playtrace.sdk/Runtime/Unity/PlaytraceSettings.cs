using System.IO;
using UnityEngine;

namespace PlaytraceSdk
{
    /// <summary>Who makes the HTTP requests.</summary>
    public enum PlaytraceNetwork
    {
        /// <summary>The engine; in a browser, the browser.</summary>
        Auto = 0,
        /// <summary>The native library: a library of your own build, with libcurl. The one of the package has no network.</summary>
        Native,
        /// <summary>UnityWebRequest, looked after once a frame.</summary>
        UnityWebRequest,
    }

    /// <summary>
    /// The game's settings: one asset, <c>Resources/PlaytraceSettings</c>, made and edited in
    /// Project Settings > Playtrace. What depends on the player (user, consent) is set in code.
    /// </summary>
    [CreateAssetMenu(fileName = "PlaytraceSettings", menuName = "Playtrace/Settings")]
    public sealed class PlaytraceSettings : ScriptableObject
    {
        /// <summary>The asset's name below a Resources folder.</summary>
        public const string ResourceName = "PlaytraceSettings";

        [Tooltip("Address of the server: https://host[:port]")]
        public string url = "";
        [Tooltip("Write key. It ships with the game, so it should be allowed to send events and to ask for flags, and nothing else.")]
        public string apiKey = "";
        [Tooltip("Version of the rules that are being tried; stands in every event. May be empty.")]
        public string mechanicVersion = "";
        [Tooltip("Start before the first scene. Off: call Playtrace.Init() yourself.")]
        public bool startAutomatically = true;
        [Tooltip("What holds until the player has decided. None: nothing is stored or sent before Playtrace.GiveConsent().")]
        public PlaytraceConsent initialConsent = PlaytraceConsent.None;
        [Tooltip("Who makes the HTTP requests.")]
        public PlaytraceNetwork network = PlaytraceNetwork.Auto;
        [Tooltip("Send at least this often, in seconds."), Range(1, 600)]
        public int flushIntervalSeconds = 10;
        [Tooltip("Budget on the device for events that are not delivered yet, in MiB."), Range(1, 1024)]
        public int queueMegabytes = 64;
        [Tooltip("How long quitting may send the last events, in milliseconds. What is left is sent at the next start."),
         Range(0, 5000)]
        public int quitTimeoutMs = 300;

        [Tooltip("What of Playtrace's own log goes to the console.")]
        public PlaytraceLogLevel logLevel = PlaytraceLogLevel.Warning;

        /// <summary>The project's asset; null where there is none.</summary>
        public static PlaytraceSettings Load()
        {
            return Resources.Load<PlaytraceSettings>(ResourceName);
        }

        /// <summary>What the asset and the machine say; change what you like before <c>Playtrace.Init</c>.</summary>
        public PlaytraceOptions ToOptions()
        {
            PlaytraceOptions options = new PlaytraceOptions();
            options.Url = url;
            options.ApiKey = NullIfEmpty(apiKey);
            options.MechanicVersion = NullIfEmpty(mechanicVersion);
            options.BuildId = NullIfEmpty(Application.version);
            options.Platform = PlatformName(Application.platform);
            options.QueueDirectory = QueueDirectory();
            options.InitialConsent = initialConsent;
            options.FlushIntervalMs = (uint)flushIntervalSeconds * 1000;
            options.QueueBytesMax = (ulong)queueMegabytes << 20;
            options.WithoutWorker = Application.platform == RuntimePlatform.WebGLPlayer;
            options.Log = new ConsoleLog(logLevel).Write;
            if (UsesEngine(network, Application.platform))
            {
                options.Transport = new UnityWebRequestTransport();
            }
            return options;
        }

        private static string QueueDirectory()
        {
            if (Application.platform == RuntimePlatform.WebGLPlayer)
            {
                return "playtrace"; // a name within the page's origin, in IndexedDB
            }
            // Editor and player of one game share persistentDataPath, and one directory has one owner.
            return Path.Combine(Application.persistentDataPath, Application.isEditor ? "playtrace-editor" : "playtrace");
        }

        private sealed class ConsoleLog
        {
            private readonly PlaytraceLogLevel level;

            public ConsoleLog(PlaytraceLogLevel level)
            {
                this.level = level;
            }

            // From any thread, which the engine's log allows.
            public void Write(PlaytraceLogLevel of, string text)
            {
                if (of > level)
                {
                    return;
                }
                if (of == PlaytraceLogLevel.Error)
                {
                    Debug.LogError("Playtrace: " + text);
                }
                else if (of == PlaytraceLogLevel.Warning)
                {
                    Debug.LogWarning("Playtrace: " + text);
                }
                else
                {
                    Debug.Log("Playtrace: " + text);
                }
            }
        }

        internal static bool UsesEngine(PlaytraceNetwork network, RuntimePlatform platform)
        {
            return network == PlaytraceNetwork.UnityWebRequest ||
                   (network == PlaytraceNetwork.Auto && platform != RuntimePlatform.WebGLPlayer);
        }

        private static bool IsDesktop(RuntimePlatform platform)
        {
            switch (platform)
            {
                case RuntimePlatform.LinuxEditor:
                case RuntimePlatform.LinuxPlayer:
                case RuntimePlatform.WindowsEditor:
                case RuntimePlatform.WindowsPlayer:
                case RuntimePlatform.OSXEditor:
                case RuntimePlatform.OSXPlayer:
                    return true;
                default:
                    return false;
            }
        }

        internal static string PlatformName(RuntimePlatform platform)
        {
            if (IsDesktop(platform))
            {
                return "pc";
            }
            switch (platform)
            {
                case RuntimePlatform.IPhonePlayer:
                case RuntimePlatform.tvOS:
                    return "ios";
                case RuntimePlatform.Android:
                    return "android";
                case RuntimePlatform.WebGLPlayer:
                    return "web";
                default:
                    return "console";
            }
        }

        private static string NullIfEmpty(string text)
        {
            return string.IsNullOrEmpty(text) ? null : text;
        }
    }
}
