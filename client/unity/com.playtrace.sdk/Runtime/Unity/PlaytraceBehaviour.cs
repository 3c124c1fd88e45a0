using UnityEngine;

namespace PlaytraceSdk
{
    /// <summary>
    /// Tells Playtrace of the game's life: frames, pause, focus, quit. <c>Playtrace.Init</c> makes one by itself; put
    /// one into a scene only to start there with settings of its own.
    /// </summary>
    [DisallowMultipleComponent]
    [DefaultExecutionOrder(-10000)]
    [AddComponentMenu("Playtrace/Playtrace")]
    public sealed class PlaytraceBehaviour : MonoBehaviour
    {
        private const float PumpSeconds = 0.1f;

        private static PlaytraceBehaviour instance;

        [SerializeField, Tooltip("Starts with these. Empty: the project's asset, if it starts automatically.")]
        private PlaytraceSettings settings;

        // Kept over a domain reload while the game plays, which forgets all statics.
        [SerializeField, HideInInspector] private bool isStarted;

        private bool isPaused;
        private float nextPump;

        /// <summary>The one that works; null before Init.</summary>
        public static PlaytraceBehaviour Instance
        {
            get { return instance; }
        }

        internal static void Ensure()
        {
            if (instance == null && Application.isPlaying) // an editor script may use Playtrace too, without frames
            {
                new GameObject("Playtrace").AddComponent<PlaytraceBehaviour>();
            }
        }

        internal static void Take(PlaytraceSettings used)
        {
            if (instance != null)
            {
                instance.settings = used;
                instance.isStarted = true;
            }
        }

        internal static void Forget()
        {
            instance = null;
        }

        private void Awake()
        {
            if (instance != null && instance != this)
            {
                Debug.LogWarning("Playtrace: there is a second PlaytraceBehaviour, on '" + name + "'; the one on '" +
                                 instance.name + "' works, this one is removed.", this);
                Destroy(this);
                return;
            }
            instance = this;
            if (transform.parent != null)
            {
                transform.SetParent(null); // DontDestroyOnLoad takes roots only
            }
            DontDestroyOnLoad(gameObject);
            if (settings != null && !Playtrace.IsRunning)
            {
                Playtrace.Init(settings);
            }
        }

        private void OnEnable()
        {
            if (instance == null) // the editor reloaded the assemblies while the game plays
            {
                instance = this;
                if (isStarted && settings != null && !Playtrace.IsRunning)
                {
                    Playtrace.Init(settings);
                }
            }
        }

        private void Update()
        {
            Playtrace.Frame(Time.unscaledTime >= nextPump);
            if (Time.unscaledTime >= nextPump)
            {
                nextPump = Time.unscaledTime + PumpSeconds;
            }
        }

        private void OnApplicationPause(bool pause)
        {
            if (instance != this || pause == isPaused)
            {
                return; // Unity says "not paused" once at the start
            }
            isPaused = pause;
            if (pause)
            {
                Playtrace.Pause();
            }
            else
            {
                Playtrace.Resume();
            }
        }

        private void OnApplicationFocus(bool hasFocus)
        {
            if (instance == this && !hasFocus)
            {
                Playtrace.Flush(0); // who switches away may not come back
            }
        }

        private void OnApplicationQuit()
        {
            if (instance == this)
            {
                Playtrace.Shutdown(settings != null ? (uint)settings.quitTimeoutMs : 0);
            }
        }

        private void OnDestroy()
        {
            if (instance != this)
            {
                return;
            }
            instance = null;
            if (Playtrace.IsRunning) // quitting has ended it before
            {
                Debug.LogWarning("Playtrace: its game object was destroyed; Playtrace ends. Events are on disk and are sent " +
                                 "after the next Playtrace.Init().");
                Playtrace.Shutdown(0);
            }
        }
    }
}
