using System.Threading;
using UnityEngine;

namespace PlaytraceSdk
{
    public static partial class Playtrace
    {
        private static SynchronizationContext mainContext;
        private static Thread mainThread;

        /// <summary>Start with the project's settings asset.</summary>
        public static PlaytraceStatus Init()
        {
            PlaytraceSettings settings = PlaytraceSettings.Load();
            if (settings == null)
            {
                Debug.LogError("Playtrace: there is no settings asset. Make one in Project Settings > Playtrace, or call " +
                               "Playtrace.Init(options).");
                return PlaytraceStatus.Invalid;
            }
            return Init(settings);
        }

        /// <summary>Start with `settings`. Call it on the main thread.</summary>
        public static PlaytraceStatus Init(PlaytraceSettings settings)
        {
            if (settings == null)
            {
                return Init();
            }
            if (IsRunning)
            {
                return PlaytraceStatus.Ok;
            }
            PlaytraceStatus status = Init(settings.ToOptions());
            if (status == PlaytraceStatus.Ok || status == PlaytraceStatus.Queued)
            {
                PlaytraceBehaviour.Take(settings);
            }
            else
            {
                Complain(status);
            }
            return status;
        }

        private static void Complain(PlaytraceStatus status)
        {
            if (!isMissingSaid)
            {
                Debug.LogError("Playtrace: not started: " + Explain(status));
            }
            isMissingSaid = false;
        }

        private static bool isMissingSaid; // the library is not there: the log has said it

        private static string Explain(PlaytraceStatus status)
        {
            switch (status)
            {
                case PlaytraceStatus.Invalid:
                    return "a setting is wrong. The address must begin with https:// or http:// and hold no space; the key " +
                           "must be one word.";
                case PlaytraceStatus.Busy:
                    return "another instance of the game has the queue directory open. A second instance on one machine " +
                           "needs a PlaytraceOptions.QueueDirectory of its own.";
                case PlaytraceStatus.Io:
                    return "the queue directory cannot be used: " + Application.persistentDataPath +
                           " is not there, is read-only or full.";
                default:
                    return status.ToString();
            }
        }

        static partial void OnStarted()
        {
            if (mainThread == null || Thread.CurrentThread == mainThread)
            {
                PlaytraceBehaviour.Ensure();
            }
            else
            {
                mainContext.Post(EnsureLater, null);
            }
        }

        private static void EnsureLater(object unused)
        {
            PlaytraceBehaviour.Ensure();
        }

        static partial void OnMissingLibrary(string text)
        {
            isMissingSaid = true;
            Debug.LogError("Playtrace: " + text);
        }

        internal static void Frame(bool isPumpDue)
        {
            if (starting != null)
            {
                PlaytraceStatus status = GoOn();
                if (status != PlaytraceStatus.Ok && status != PlaytraceStatus.Queued)
                {
                    Complain(status);
                }
            }
            PlaytraceClient running = client;
            if (running == null)
            {
                return;
            }
            if (isPumpDue)
            {
                running.Pump();
            }
            running.Tick();
            TellFlagsChanged(running);
        }

        // Where the editor keeps the domain between two plays, statics keep their values: begin anew.
        [RuntimeInitializeOnLoadMethod(RuntimeInitializeLoadType.SubsystemRegistration)]
        private static void Reset()
        {
            mainThread = Thread.CurrentThread;
            mainContext = SynchronizationContext.Current;
            PlaytraceBehaviour.Forget();
            Shutdown(0);
        }

        [RuntimeInitializeOnLoadMethod(RuntimeInitializeLoadType.BeforeSceneLoad)]
        private static void StartAutomatically()
        {
            PlaytraceSettings settings = PlaytraceSettings.Load();
            if (settings != null && settings.startAutomatically && !string.IsNullOrEmpty(settings.url))
            {
                Init(settings);
            }
        }
    }
}
