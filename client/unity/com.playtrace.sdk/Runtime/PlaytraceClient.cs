using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using AOT;

namespace PlaytraceSdk
{
    /// <summary>
    /// One native client: a queue directory, a session, a destination. <see cref="Playtrace"/> holds the game's; make
    /// one of your own only for a second destination. Every method may be called from any thread, also after
    /// <see cref="Close"/>, where it answers <see cref="PlaytraceStatus.Invalid"/>. Nothing throws.
    /// </summary>
    public sealed unsafe partial class PlaytraceClient
    {
        private const int Closing = int.MinValue / 2; // added to `calls`, it keeps new calls out
        private const uint SliceMs = 20;

        private IntPtr handle;
        private int calls; // calls that are running; negative: closed, or about to be
        private int isClosed;
        private GCHandle transportHandle;
        private GCHandle logHandle;
        private readonly PlaytraceTransport transport;
        private readonly bool withoutWorker;
        private volatile Thread ticker; // who opened, or called Tick since: he looks after the transport

        private PlaytraceClient(IntPtr handle, PlaytraceOptions options, GCHandle transportHandle,
                                GCHandle logHandle)
        {
            this.handle = handle;
            this.transportHandle = transportHandle;
            this.logHandle = logHandle;
            transport = options.Transport;
            withoutWorker = options.WithoutWorker;
            ticker = Thread.CurrentThread;
        }

        // ---- open and close ----

        internal delegate PlaytraceStatus LoadStep(string directory);

        /// <summary>What must be done before a directory can be opened; null: nothing. Queued: ask again in the next frame.</summary>
#if UNITY_WEBGL && !UNITY_EDITOR
        internal static LoadStep Load = NativeWeb.Load;
#else
        internal static LoadStep Load;
#endif

        /// <summary>
        /// Open the queue directory and start; null unless the answer is Ok. Queued (in a browser, whose storage takes
        /// a moment): not yet, call again.
        /// </summary>
        public static PlaytraceStatus Open(PlaytraceOptions options, out PlaytraceClient client)
        {
            client = null;
            if (options == null)
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus loaded = Load == null ? PlaytraceStatus.Ok : Load(options.QueueDirectory);
            if (loaded != PlaytraceStatus.Ok)
            {
                return loaded;
            }
            using (Texts texts = new Texts())
            {
                return Open(options, texts, out client);
            }
        }

        private static PlaytraceStatus Open(PlaytraceOptions from, Texts texts, out PlaytraceClient client)
        {
            Native.playtrace_options options;
            Native.playtrace_platform platform;
            GCHandle transportHandle = default(GCHandle);
            GCHandle logHandle = default(GCHandle);
            IntPtr handle = IntPtr.Zero;

            client = null;
            Native.playtrace_options_init(&options);
            if (!TakeOptions(&options, from, texts))
            {
                return PlaytraceStatus.Invalid;
            }
            if (from.Transport != null)
            {
#if UNITY_WEBGL && !UNITY_EDITOR
                NativeWeb.playtrace_platform_web_init(&platform);
#else
                Native.playtrace_platform_posix_init(&platform);
#endif
                from.Transport.Log = from.Log;
                transportHandle = GCHandle.Alloc(from.Transport);
                PlaytraceTransport.Install(ref platform, transportHandle);
                options.platform_table = &platform;
            }
            if (from.Log != null)
            {
                logHandle = GCHandle.Alloc(from.Log);
                options.log = Marshal.GetFunctionPointerForDelegate(log);
                options.log_ctx = GCHandle.ToIntPtr(logHandle);
            }
            PlaytraceStatus status = Native.playtrace_open(&handle, &options);
            if (status == PlaytraceStatus.Ok)
            {
                client = new PlaytraceClient(handle, from, transportHandle, logHandle);
#if UNITY_WEBGL && !UNITY_EDITOR
                NativeWeb.playtrace_web_watch(handle); // a page that is hidden or left saves first
#endif
            }
            else
            {
                Release(transportHandle);
                Release(logHandle);
            }
            return status;
        }

        private static void Release(GCHandle held)
        {
            if (held.IsAllocated)
            {
                held.Free();
            }
        }

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void LogFunction(IntPtr context, PlaytraceLogLevel level, byte* text);

        private static readonly LogFunction log = OnLog; // the collector must never take what C may call

        [MonoPInvokeCallback(typeof(LogFunction))]
        private static void OnLog(IntPtr context, PlaytraceLogLevel level, byte* text)
        {
            Utf8.Detach();
            try
            {
                ((PlaytraceLogHandler)GCHandle.FromIntPtr(context).Target)(level, Utf8.Get(text, 4096));
            }
            catch (Exception) // no exception may pass through C
            {
            }
        }

        private static bool TakeOptions(Native.playtrace_options* to, PlaytraceOptions from, Texts texts)
        {
            bool isSound = texts.PutKey(from.QueueKey, &to->queue_key) &&
                           texts.Put(from.Url, &to->url) && texts.Put(from.ApiKey, &to->api_key) &&
                           texts.Put(from.SigningSecret, &to->signing_secret) &&
                           texts.Put(from.QueueDirectory, &to->queue_dir) &&
                           texts.Put(from.FlagContextJson, &to->flag_context) &&
                           texts.Put(from.UserId, &to->user_id) && texts.Put(from.BuildId, &to->build_id) &&
                           texts.Put(from.Platform, &to->platform) &&
                           texts.Put(from.MechanicVersion, &to->mechanic_version);
            to->consent = from.InitialConsent;
            to->without_worker = Byte(from.WithoutWorker);
            to->report_health = from.ReportHealth.HasValue ? Byte(from.ReportHealth.Value) : to->report_health;
            to->flags_enabled = from.FlagsEnabled.HasValue ? Byte(from.FlagsEnabled.Value) : to->flags_enabled;
            to->flags_stream = from.FlagsStream.HasValue ? Byte(from.FlagsStream.Value) : to->flags_stream;
            to->flags_poll_ms = from.FlagsPollMs ?? to->flags_poll_ms;
            to->flags_bytes_max = from.FlagsBytesMax ?? to->flags_bytes_max;
            to->session_timeout_ms = from.SessionTimeoutMs ?? to->session_timeout_ms;
            to->flush_interval_ms = from.FlushIntervalMs ?? to->flush_interval_ms;
            to->batch_events_max = from.BatchEventsMax ?? to->batch_events_max;
            to->queue_bytes_max = from.QueueBytesMax ?? to->queue_bytes_max;
            to->queue_age_max_ms = from.QueueAgeMaxMs ?? to->queue_age_max_ms;
            to->ring_bytes = from.RingBytes ?? to->ring_bytes;
            to->retry_base_ms = from.RetryBaseMs ?? to->retry_base_ms;
            to->retry_cap_ms = from.RetryCapMs ?? to->retry_cap_ms;
            to->connect_timeout_ms = from.ConnectTimeoutMs ?? to->connect_timeout_ms;
            to->request_timeout_ms = from.RequestTimeoutMs ?? to->request_timeout_ms;
            return isSound;
        }

        private static byte Byte(bool value)
        {
            return value ? (byte)1 : (byte)0;
        }

        /// <summary>
        /// Write everything to the queue, send for at most `timeoutMs` (0: send nothing), and end. Waits for calls of
        /// other threads that are running; later ones are Invalid. What is left is sent after the next Open.
        /// </summary>
        public PlaytraceStatus Close(uint timeoutMs)
        {
            if (Interlocked.Exchange(ref isClosed, 1) != 0)
            {
                return PlaytraceStatus.Invalid;
            }
            if (timeoutMs > 0 && IsTickedHere())
            {
                Flush(timeoutMs);
                timeoutMs = 0;
            }
            Interlocked.Add(ref calls, Closing);
            while (Volatile.Read(ref calls) != Closing)
            {
                if (IsTickedHere())
                {
                    transport.Poll(); // a flush of another thread may wait for it
                }
                Thread.Sleep(1);
            }
#if UNITY_WEBGL && !UNITY_EDITOR
            NativeWeb.playtrace_web_watch(IntPtr.Zero);
#endif
            PlaytraceStatus status = Native.playtrace_close(handle, timeoutMs);
            handle = IntPtr.Zero;
            if (IsTickedHere())
            {
                transport.Poll(); // ends what nobody waits for any more
            }
            Release(transportHandle);
            Release(logHandle);
            return status;
        }

        /// <summary>False once Close has been called.</summary>
        public bool IsOpen
        {
            get { return Volatile.Read(ref isClosed) == 0; }
        }

        private bool Enter()
        {
            if (Interlocked.Increment(ref calls) > 0)
            {
                return true;
            }
            Interlocked.Decrement(ref calls);
            return false;
        }

        private void Exit()
        {
            Interlocked.Decrement(ref calls);
        }

        private bool IsTickedHere()
        {
            return transport != null && Thread.CurrentThread == ticker;
        }

        // ---- events ----

        /// <summary>
        /// Record that something happened, now. `name` is 1 to 64 of [A-Za-z0-9_.], a letter first;
        /// `attributesJson` is null or the text of one JSON object.
        /// </summary>
        public PlaytraceStatus TrackJson(string name, string attributesJson,
                                         PlaytracePriority priority = PlaytracePriority.Normal)
        {
            return TrackText(name, attributesJson, priority, null);
        }

        /// <summary>The same, and the event's id.</summary>
        public PlaytraceStatus TrackJson(string name, string attributesJson, PlaytracePriority priority,
                                         out string eventId)
        {
            byte* id = stackalloc byte[Native.PLAYTRACE_ID_TEXT_BYTES];
            id[0] = 0;
            PlaytraceStatus status = TrackText(name, attributesJson, priority, id);
            eventId = Utf8.Get(id, Native.PLAYTRACE_ID_TEXT_BYTES);
            return status;
        }

        private PlaytraceStatus TrackText(string name, string json, PlaytracePriority priority, byte* idOut)
        {
            byte* nameStack = stackalloc byte[Utf8.StackBytes];
            byte* jsonStack = stackalloc byte[Utf8.StackBytes];
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status = PlaytraceStatus.Invalid;
            fixed (byte* nameSpill = Utf8.SpillFirst(name))
            fixed (byte* jsonSpill = Utf8.SpillSecond(json))
            {
                if (Utf8.Put(name, nameStack, nameSpill, out byte* nameText) &&
                    Utf8.Put(json, jsonStack, jsonSpill, out byte* jsonText))
                {
                    status = Native.playtrace_track_with(handle, nameText, jsonText, priority, idOut);
                }
            }
            Exit();
            return status;
        }

        // ---- who, and when ----

        /// <summary>Whose events follow; null: the install's own random id. Earlier events keep theirs.</summary>
        public PlaytraceStatus SetUser(string userId)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status = PlaytraceStatus.Invalid;
            fixed (byte* spill = Utf8.SpillFirst(userId))
            {
                if (Utf8.Put(userId, stack, spill, out byte* text))
                {
                    status = Native.playtrace_set_user(handle, text);
                }
            }
            Exit();
            return status;
        }

        /// <summary>A new session id; the sequence starts from 0.</summary>
        public PlaytraceStatus StartSession()
        {
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status = Native.playtrace_session_start(handle);
            Exit();
            return status;
        }

        /// <summary>The current session's id; "" when closed.</summary>
        public string SessionId
        {
            get
            {
                byte* id = stackalloc byte[Native.PLAYTRACE_ID_TEXT_BYTES];
                if (!Enter())
                {
                    return "";
                }
                Native.playtrace_session_id(handle, id);
                Exit();
                return Utf8.Get(id, Native.PLAYTRACE_ID_TEXT_BYTES);
            }
        }

        /// <summary>The game goes to the background: what is in memory goes to disk, and a request is due.</summary>
        public PlaytraceStatus Pause()
        {
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status = Native.playtrace_pause(handle);
            Exit();
            return status;
        }

        /// <summary>It is back: after a long pause a new session begins.</summary>
        public PlaytraceStatus Resume()
        {
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status = Native.playtrace_resume(handle);
            Exit();
            return status;
        }

        // ---- delivery ----

        /// <summary>
        /// Send what is queued, waiting at most `timeoutMs` (0: only write memory to the queue). Ok: everything that
        /// was tracked before the call has left the queue.
        /// </summary>
        public PlaytraceStatus Flush(uint timeoutMs)
        {
#if UNITY_WEBGL && !UNITY_EDITOR
            timeoutMs = 0; // a browser does nothing while its one thread waits
#endif
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status;
            if (timeoutMs == 0 || !IsTickedHere())
            {
                status = Native.playtrace_flush(handle, timeoutMs);
            }
            else
            {
                status = FlushAndTick(timeoutMs);
            }
            Exit();
            return status;
        }

        /// <summary>This thread is the one that the transport needs: look after it while waiting.</summary>
        private PlaytraceStatus FlushAndTick(uint timeoutMs)
        {
            if (withoutWorker)
            {
                PlaytraceTransport.Waiting = transport; // the library waits in the table's sleep_ms, which polls
                PlaytraceStatus whole = Native.playtrace_flush(handle, timeoutMs);
                PlaytraceTransport.Waiting = null;
                return whole;
            }
            Stopwatch clock = Stopwatch.StartNew();
            for (;;)
            {
                PlaytraceStatus status = Native.playtrace_flush(handle, SliceMs);
                transport.Poll();
                if (status != PlaytraceStatus.Queued || clock.ElapsedMilliseconds >= timeoutMs)
                {
                    return status;
                }
                Thread.Sleep(1);
            }
        }

        /// <summary>
        /// The sync point. Ok: every event that was tracked before is on disk and outlives also a loss of power (or has
        /// left the queue already, or is counted as dropped). May wait for the disk.
        /// </summary>
        public PlaytraceStatus Sync(uint timeoutMs)
        {
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status = Native.playtrace_sync(handle, timeoutMs);
            Exit();
            return status;
        }

        /// <summary>
        /// What must be done regularly, always on one thread: looks after the engine's transport. Unity calls
        /// it once a frame.
        /// </summary>
        public void Tick()
        {
            if (transport != null && Enter())
            {
                ticker = Thread.CurrentThread;
                transport.Poll();
                Exit();
            }
        }

        /// <summary>
        /// One step of the worker's work where there is none: writes memory to the queue, and begins a request if one
        /// is due. A few times a second is enough.
        /// </summary>
        public PlaytraceStatus Pump()
        {
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status = withoutWorker ? Native.playtrace_pump(handle) : PlaytraceStatus.Ok;
            Exit();
            return status;
        }

        /// <summary>Counts since Open; zeros when closed.</summary>
        public PlaytraceStats Stats
        {
            get
            {
                PlaytraceStats stats = default(PlaytraceStats);
                Native.playtrace_stats native;
                if (Enter())
                {
                    Native.playtrace_stats_get(handle, &native);
                    Exit();
                    TakeStats(ref stats, ref native);
                }
                return stats;
            }
        }

        private static void TakeStats(ref PlaytraceStats to, ref Native.playtrace_stats from)
        {
            to.Tracked = from.tracked;
            to.Recovered = from.recovered;
            to.Queued = from.queued;
            to.QueuedBytes = from.queued_bytes;
            to.Delivered = from.delivered;
            to.Refused = from.refused;
            to.Unreadable = from.unreadable;
            to.DroppedRing = from.dropped_ring;
            to.DroppedBudget = from.dropped_budget;
            to.Withdrawn = from.withdrawn;
            to.Damaged = from.damaged;
            to.SendAttempts = from.send_attempts;
            to.Retries = from.retries;
            to.IoFailures = from.io_failures;
            to.DroppedEvicted = from.dropped_evicted;
            to.DroppedAge = from.dropped_age;
            to.Invalid = from.invalid;
            to.FlagRequests = from.flag_requests;
            to.FlagFailures = from.flag_failures;
        }

        /// <summary>Texts that live until Open is over.</summary>
        private sealed class Texts : IDisposable
        {
            private readonly List<IntPtr> owned = new List<IntPtr>();

            public bool Put(string text, byte** to)
            {
                *to = null;
                if (text == null)
                {
                    return true;
                }
                if (text.IndexOf('\0') >= 0)
                {
                    return false;
                }
                byte[] bytes = Encoding.UTF8.GetBytes(text);
                IntPtr memory = Marshal.AllocHGlobal(bytes.Length + 1);
                owned.Add(memory);
                Marshal.Copy(bytes, 0, memory, bytes.Length);
                *to = (byte*)memory;
                (*to)[bytes.Length] = 0;
                return true;
            }

            public bool PutKey(byte[] key, byte** to)
            {
                *to = null;
                if (key == null)
                {
                    return true;
                }
                if (key.Length != Native.PLAYTRACE_KEY_BYTES)
                {
                    return false;
                }
                IntPtr memory = Marshal.AllocHGlobal(key.Length);
                owned.Add(memory);
                Marshal.Copy(key, 0, memory, key.Length);
                *to = (byte*)memory;
                return true;
            }

            public void Dispose()
            {
                foreach (IntPtr memory in owned)
                {
                    Marshal.FreeHGlobal(memory);
                }
                owned.Clear();
            }
        }
    }
}
