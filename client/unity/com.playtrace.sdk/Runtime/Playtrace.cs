using System;
using System.Collections.Generic;

namespace PlaytraceSdk
{
    /// <summary>
    /// The game's analytics. Start it once with <c>Playtrace.Init</c> (or let the settings asset do it), then
    /// <c>Playtrace.Event("level_end").Set("level", 7).Send()</c> from any thread. Nothing here throws, blocks the game
    /// or touches the network: calls answer with a <see cref="PlaytraceStatus"/>, also before Init and after
    /// Shutdown.
    /// </summary>
    public static partial class Playtrace
    {
        private static readonly object gate = new object(); // Init and Shutdown, one at a time
        private static volatile PlaytraceClient client;
        private static PlaytraceStatus lastInit = PlaytraceStatus.Invalid;

        /// <summary>True between Init and Shutdown.</summary>
        public static bool IsRunning
        {
            get { return client != null; }
        }

        /// <summary>The client behind this class; null where it is not running.</summary>
        public static PlaytraceClient Client
        {
            get { return client; }
        }

        /// <summary>What the last Init came to.</summary>
        public static PlaytraceStatus LastInit
        {
            get { return lastInit; }
        }

        /// <summary>
        /// Start. Ok also where it runs already; then `options` change nothing. Queued in a browser, whose storage takes a
        /// moment: events are kept meanwhile, and it starts by itself in one of the next frames.
        /// </summary>
        public static PlaytraceStatus Init(PlaytraceOptions options)
        {
            lock (gate)
            {
                if (client != null)
                {
                    return PlaytraceStatus.Ok;
                }
                PlaytraceClient opened;
                try
                {
                    lastInit = PlaytraceClient.Open(options, out opened);
                }
                catch (DllNotFoundException error)
                {
                    return Missing(error);
                }
                catch (EntryPointNotFoundException error)
                {
                    return Missing(error);
                }
                starting = lastInit == PlaytraceStatus.Queued ? options : null;
                if (opened != null)
                {
                    seenGeneration = opened.FlagsGeneration;
                    client = opened;
                    TrackKept(opened);
                }
                if (opened != null || starting != null)
                {
                    OnStarted();
                }
                else
                {
                    kept.Clear();
                }
                return lastInit;
            }
        }

        /// <summary>Go on with an Init that was Queued. Its status when it has ended, else Queued.</summary>
        internal static PlaytraceStatus GoOn()
        {
            PlaytraceOptions options = starting;
            return options == null ? lastInit : Init(options);
        }

        // ---- events from before the start ----

        private struct Kept
        {
            public EventBlock Block; // else the text
            public string Name;
            public string Json;
            public PlaytracePriority Priority;
        }

        private const int KeptMax = 256;

        private static readonly List<Kept> kept = new List<Kept>(); // under gate
        private static volatile PlaytraceOptions starting;

        private static PlaytraceStatus Keep(Kept one)
        {
            lock (gate)
            {
                if (client != null) // it has started since the caller looked
                {
                    return Track(client, one);
                }
                if (starting == null)
                {
                    return PlaytraceStatus.Invalid;
                }
                if (kept.Count == KeptMax)
                {
                    return PlaytraceStatus.Dropped;
                }
                kept.Add(one);
                return PlaytraceStatus.Queued;
            }
        }

        internal static PlaytraceStatus Keep(EventBlock block)
        {
            block.Detach();
            return Keep(new Kept { Block = block });
        }

        private static void TrackKept(PlaytraceClient opened)
        {
            foreach (Kept one in kept)
            {
                Track(opened, one);
            }
            kept.Clear();
        }

        private static PlaytraceStatus Track(PlaytraceClient running, Kept one)
        {
            return one.Block != null ? running.TrackEvent(one.Block)
                                     : running.TrackJson(one.Name, one.Json, one.Priority);
        }

        private static PlaytraceStatus Missing(Exception error)
        {
            lastInit = PlaytraceStatus.Invalid;
            starting = null;
            kept.Clear();
            OnMissingLibrary("The native library `" + Native.Library + "` is not there, or is of another version than " +
                             "the C# files (restart the editor after an update): " + error.Message);
            return lastInit;
        }

        // What Unity adds; without the engine these calls are nothing.
        static partial void OnStarted();
        static partial void OnMissingLibrary(string text);

        /// <summary>Write everything to disk, send for at most `timeoutMs`, and end. What is left is sent at the next Init.</summary>
        public static PlaytraceStatus Shutdown(uint timeoutMs = 0)
        {
            lock (gate)
            {
                PlaytraceClient closing = client;
                client = null;
                starting = null;
                kept.Clear();
                return closing == null ? PlaytraceStatus.Ok : closing.Close(timeoutMs);
            }
        }

        // ---- events ----

        /// <summary>
        /// Begin an event: <c>Playtrace.Event("level_end").Set("level", 7).Send()</c>. Allocates nothing. Before Init and
        /// after Shutdown it leads to nothing.
        /// </summary>
        public static PlaytraceEvent Event(string name)
        {
            PlaytraceClient running = client;
            return running == null && starting == null ? default(PlaytraceEvent) : PlaytraceClient.Begin(running, name);
        }

        /// <summary>Record that something happened, now: 1 to 64 of [A-Za-z0-9_.], a letter first.</summary>
        public static PlaytraceStatus Track(string name, PlaytracePriority priority = PlaytracePriority.Normal)
        {
            return TrackJson(name, null, priority);
        }

        /// <summary>
        /// The same with attributes: texts, numbers, booleans, enums, DateTime, Guid, and dictionaries and lists of
        /// them. Allocates; <see cref="Event"/> does not.
        /// </summary>
        public static PlaytraceStatus Track(string name, IDictionary<string, object> attributes,
                                            PlaytracePriority priority = PlaytracePriority.Normal)
        {
            string json = attributes == null ? null : PlaytraceJson.Object(attributes);
            return attributes != null && json == null ? PlaytraceStatus.Invalid : TrackJson(name, json, priority);
        }

        /// <summary>The same with attributes that are JSON already: the text of one object, or null.</summary>
        public static PlaytraceStatus TrackJson(string name, string attributesJson,
                                                PlaytracePriority priority = PlaytracePriority.Normal)
        {
            PlaytraceClient running = client;
            return running != null
                ? running.TrackJson(name, attributesJson, priority)
                : Keep(new Kept { Name = name, Json = attributesJson, Priority = priority });
        }

        // ---- who, and when ----

        /// <summary>Whose events follow; null: the install's own random id. The server makes it a pseudonym at the door.</summary>
        public static PlaytraceStatus SetUser(string userId)
        {
            PlaytraceClient running = client;
            PlaytraceOptions later = starting;
            if (running == null && later != null)
            {
                later.UserId = userId;
                return PlaytraceStatus.Queued;
            }
            return running == null ? PlaytraceStatus.Invalid : running.SetUser(userId);
        }

        /// <summary>A new session. Init starts the first one, and a long pause a further one.</summary>
        public static PlaytraceStatus StartSession()
        {
            PlaytraceClient running = client;
            return running == null ? PlaytraceStatus.Invalid : running.StartSession();
        }

        /// <summary>The current session's id, "" where Playtrace is not running.</summary>
        public static string SessionId
        {
            get
            {
                PlaytraceClient running = client;
                return running == null ? "" : running.SessionId;
            }
        }

        /// <summary>The game goes to the background. <c>PlaytraceBehaviour</c> calls it.</summary>
        public static PlaytraceStatus Pause()
        {
            PlaytraceClient running = client;
            return running == null ? PlaytraceStatus.Invalid : running.Pause();
        }

        /// <summary>It is back: after more than <c>SessionTimeoutMs</c> a new session begins. <c>PlaytraceBehaviour</c> calls it.</summary>
        public static PlaytraceStatus Resume()
        {
            PlaytraceClient running = client;
            return running == null ? PlaytraceStatus.Invalid : running.Resume();
        }

        // ---- delivery ----

        /// <summary>Send what is queued, waiting at most `timeoutMs` (0: only write memory to disk).</summary>
        public static PlaytraceStatus Flush(uint timeoutMs = 0)
        {
            PlaytraceClient running = client;
            return running == null ? PlaytraceStatus.Invalid : running.Flush(timeoutMs);
        }

        /// <summary>Ok: every event that was tracked before the call outlives also a loss of power. May wait for the disk.</summary>
        public static PlaytraceStatus Sync(uint timeoutMs)
        {
            PlaytraceClient running = client;
            return running == null ? PlaytraceStatus.Invalid : running.Sync(timeoutMs);
        }

        /// <summary>Counts since Init; zeros where Playtrace is not running.</summary>
        public static PlaytraceStats Stats
        {
            get
            {
                PlaytraceClient running = client;
                return running == null ? default(PlaytraceStats) : running.Stats;
            }
        }
    }
}
