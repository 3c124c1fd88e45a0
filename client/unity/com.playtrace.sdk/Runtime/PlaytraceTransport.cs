using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using AOT;

namespace PlaytraceSdk
{
    /// <summary>One HTTP exchange that the SDK wants. A transport reads the first half and fills in the second.</summary>
    public sealed class PlaytraceRequest
    {
        internal enum Stage
        {
            Waiting,
            Running,
            Done,
            Cancelled,
        }

        internal Stage State; // guarded by this object's own lock, like the answer below
        internal long DeadlineTicks;

        /// <summary>"POST" or "GET".</summary>
        public string Method { get; internal set; }
        /// <summary>Where to.</summary>
        public string Url { get; internal set; }
        /// <summary>Header names; values stand at the same places of <see cref="HeaderValues"/>.</summary>
        public string[] HeaderNames { get; internal set; }
        /// <summary>Header values.</summary>
        public string[] HeaderValues { get; internal set; }
        /// <summary>The body; null for none.</summary>
        public byte[] Body { get; internal set; }
        /// <summary>Give up after this time.</summary>
        public uint TimeoutMs { get; internal set; }

        /// <summary>HTTP status; 0: no whole answer came.</summary>
        public int Status { get; set; }
        /// <summary>The answer's body; null for none.</summary>
        public byte[] Answer { get; set; }
        /// <summary>The header Retry-After, or null.</summary>
        public string RetryAfter { get; set; }
        /// <summary>The header ETag, or null.</summary>
        public string ETag { get; set; }
        /// <summary>The header Content-Type, or null.</summary>
        public string ContentType { get; set; }
        /// <summary>The header Date, or null.</summary>
        public string Date { get; set; }
        /// <summary>The header traceresponse, or null.</summary>
        public string TraceResponse { get; set; }
        /// <summary>Where Status is 0: why, in words for the log; or null.</summary>
        public string Error { get; set; }
        /// <summary>The transport's own.</summary>
        public object Tag { get; set; }
    }

    /// <summary>
    /// HTTP by the engine instead of the native library's libcurl. The SDK's thread leaves a request here and asks
    /// every few milliseconds whether it is done; the thread that calls <c>Playtrace.Tick</c> (Unity's main thread)
    /// begins it, looks after it and ends it, so a transport may use what only that thread may use.
    /// </summary>
    public abstract class PlaytraceTransport
    {
        private readonly List<PlaytraceRequest> active = new List<PlaytraceRequest>(); // its own lock
        private readonly List<PlaytraceRequest> round = new List<PlaytraceRequest>();  // Poll's alone

        private string said; // Poll's alone

        /// <summary>The client's.</summary>
        internal PlaytraceLogHandler Log { get; set; }

        /// <summary>Begin `request`. If it throws, here or in Step, Abort is called and the request has no answer.</summary>
        protected abstract void Begin(PlaytraceRequest request);

        /// <summary>Look after it; true: it has ended and the answer is filled in.</summary>
        protected abstract bool Step(PlaytraceRequest request);

        /// <summary>Nobody waits for it any more: stop it and free what belongs to it.</summary>
        protected abstract void Abort(PlaytraceRequest request);

        /// <summary>A look at every request. One thread at a time, the same one always.</summary>
        internal void Poll()
        {
            lock (active)
            {
                round.Clear();
                round.AddRange(active);
            }
            foreach (PlaytraceRequest request in round)
            {
                PollOne(request);
            }
            round.Clear();
        }

        private void PollOne(PlaytraceRequest request)
        {
            PlaytraceRequest.Stage state;
            lock (request)
            {
                state = request.State;
                if (state == PlaytraceRequest.Stage.Waiting)
                {
                    request.State = PlaytraceRequest.Stage.Running;
                }
            }
            bool isOver = false;
            try
            {
                if (state == PlaytraceRequest.Stage.Waiting)
                {
                    Begin(request);
                }
                else if (state == PlaytraceRequest.Stage.Running)
                {
                    isOver = Step(request);
                }
                else if (state == PlaytraceRequest.Stage.Cancelled)
                {
                    Remove(request);
                    Abort(request);
                }
            }
            catch (Exception error)
            {
                isOver = true;
                request.Error = error.Message;
                Fail(request);
            }
            if (isOver)
            {
                Say(request);
                Remove(request);
                lock (request)
                {
                    if (request.State == PlaytraceRequest.Stage.Running)
                    {
                        request.State = PlaytraceRequest.Stage.Done;
                    }
                }
            }
        }

        // The core knows that no answer came; only the transport knows why. Once for each new reason.
        private void Say(PlaytraceRequest request)
        {
            string reason = request.Status == 0 ? request.Error : null;
            bool isNew = reason != null && reason != said;
            said = reason;
            try
            {
                if (isNew && Log != null)
                {
                    Log(PlaytraceLogLevel.Warning, "no answer from " + request.Url + ": " + reason);
                }
            }
            catch (Exception) // the log's own affair
            {
            }
        }

        // For the core this is a failed request like any other.
        private void Fail(PlaytraceRequest request)
        {
            request.Status = 0;
            request.Answer = null;
            try
            {
                Abort(request);
            }
            catch (Exception) // it is broken, as it said
            {
            }
        }

        private void Remove(PlaytraceRequest request)
        {
            lock (active)
            {
                active.Remove(request);
            }
        }

        // ---- the platform table's side ----

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate IntPtr CreateFunction(IntPtr context);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void DestroyFunction(IntPtr http);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private unsafe delegate int StartFunction(IntPtr http, Native.playtrace_http_request* request,
                                                  Native.playtrace_http_response* response);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate byte IsDoneFunction(IntPtr http);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void CancelFunction(IntPtr http);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void SleepFunction(IntPtr context, uint ms);

        /// <summary>Whom the library's waiting on this thread looks after; null: nobody.</summary>
        [ThreadStatic] internal static PlaytraceTransport Waiting;

        // Kept by static fields: the collector must never take what C may still call.
        private static readonly CreateFunction create = OnCreate;
        private static readonly DestroyFunction destroy = OnDestroy;
        private static readonly unsafe StartFunction start = OnStart;
        private static readonly IsDoneFunction isDone = OnIsDone;
        private static readonly CancelFunction cancel = OnCancel;
        private static readonly SleepFunction sleep = OnSleep;

        /// <summary>The native side's transport: the one request that it has under way.</summary>
        private sealed unsafe class Lane
        {
            public PlaytraceTransport Owner;
            public PlaytraceRequest Request;
            public Native.playtrace_http_response* Response;
        }

        /// <summary>Put this transport into `platform`; `context` is a handle on it that outlives the client.</summary>
        internal static void Install(ref Native.playtrace_platform platform, GCHandle context)
        {
            platform.sleep_ms = Marshal.GetFunctionPointerForDelegate(sleep);
            platform.http_ctx = GCHandle.ToIntPtr(context);
            platform.http_create = Marshal.GetFunctionPointerForDelegate(create);
            platform.http_destroy = Marshal.GetFunctionPointerForDelegate(destroy);
            platform.http_post = IntPtr.Zero;
            platform.http_start = Marshal.GetFunctionPointerForDelegate(start);
            platform.http_is_done = Marshal.GetFunctionPointerForDelegate(isDone);
            platform.http_cancel = Marshal.GetFunctionPointerForDelegate(cancel);
        }

        [MonoPInvokeCallback(typeof(SleepFunction))]
        private static void OnSleep(IntPtr context, uint ms)
        {
            Stopwatch clock = Stopwatch.StartNew();
            do
            {
                if (Waiting != null)
                {
                    Waiting.Poll();
                }
                Thread.Sleep(2);
            } while (clock.ElapsedMilliseconds < ms);
        }

        [MonoPInvokeCallback(typeof(CreateFunction))]
        private static IntPtr OnCreate(IntPtr context)
        {
            Lane lane = new Lane();
            lane.Owner = (PlaytraceTransport)GCHandle.FromIntPtr(context).Target;
            return GCHandle.ToIntPtr(GCHandle.Alloc(lane));
        }

        [MonoPInvokeCallback(typeof(DestroyFunction))]
        private static void OnDestroy(IntPtr http)
        {
            OnCancel(http);
            GCHandle.FromIntPtr(http).Free();
        }

        [MonoPInvokeCallback(typeof(StartFunction))]
        private static unsafe int OnStart(IntPtr http, Native.playtrace_http_request* from,
                                          Native.playtrace_http_response* response)
        {
            try
            {
                Lane lane = (Lane)GCHandle.FromIntPtr(http).Target;
                PlaytraceRequest request = Copy(from);
                lane.Request = request;
                lane.Response = response;
                lock (lane.Owner.active)
                {
                    lane.Owner.active.Add(request);
                }
                return 0;
            }
            catch (Exception) // no exception may pass through C
            {
                return -1;
            }
        }

        private static unsafe PlaytraceRequest Copy(Native.playtrace_http_request* from)
        {
            int count = (int)from->header_count;
            int bytes = (int)from->body_bytes;
            PlaytraceRequest request = new PlaytraceRequest();
            request.Method = from->method == null ? "POST" : Utf8.Get(from->method, 16);
            request.Url = Utf8.Get(from->url, 8192);
            request.HeaderNames = new string[count];
            request.HeaderValues = new string[count];
            for (int i = 0; i < count; i++)
            {
                string line = Utf8.Get(from->headers[i], 8192);
                int colon = line.IndexOf(':');
                request.HeaderNames[i] = line.Substring(0, colon);
                request.HeaderValues[i] = line.Substring(colon + 1).Trim();
            }
            if (bytes > 0)
            {
                request.Body = new byte[bytes];
                Marshal.Copy((IntPtr)from->body, request.Body, 0, bytes);
            }
            request.TimeoutMs = from->timeout_ms;
            // A game that stands still (no frames) must not hold the SDK up for ever.
            request.DeadlineTicks = from->timeout_ms == 0
                ? long.MaxValue
                : Stopwatch.GetTimestamp() + (from->timeout_ms + 1000) * (Stopwatch.Frequency / 1000);
            return request;
        }

        [MonoPInvokeCallback(typeof(IsDoneFunction))]
        private static unsafe byte OnIsDone(IntPtr http)
        {
            Lane lane = (Lane)GCHandle.FromIntPtr(http).Target;
            PlaytraceRequest request = lane.Request;
            if (request == null)
            {
                return 1;
            }
            lock (request)
            {
                if (request.State != PlaytraceRequest.Stage.Done)
                {
                    if (Stopwatch.GetTimestamp() < request.DeadlineTicks)
                    {
                        return 0;
                    }
                    request.State = PlaytraceRequest.Stage.Cancelled; // Poll aborts it
                    request.Status = 0;
                }
                lane.Request = null;
                Fill(lane.Response, request);
                lane.Response = null;
            }
            return 1;
        }

        private static unsafe void Fill(Native.playtrace_http_response* response, PlaytraceRequest request)
        {
            response->status = request.State == PlaytraceRequest.Stage.Done ? request.Status : 0;
            response->body_bytes = UIntPtr.Zero;
            response->is_truncated = 0;
            if (response->status != 0 && request.Answer != null && response->body != null)
            {
                int bytes = request.Answer.Length;
                if ((ulong)bytes > (ulong)response->body_bytes_max)
                {
                    bytes = (int)response->body_bytes_max;
                    response->is_truncated = 1;
                }
                Marshal.Copy(request.Answer, 0, (IntPtr)response->body, bytes);
                response->body_bytes = (UIntPtr)bytes;
            }
            PutHeader(response->retry_after, 64, request.RetryAfter);
            PutHeader(response->etag, 128, request.ETag);
            PutHeader(response->content_type, 64, request.ContentType);
            PutHeader(response->traceresponse, 64, request.TraceResponse);
            PutHeader(response->date, 64, request.Date);
        }

        private static unsafe void PutHeader(byte* to, int room, string value)
        {
            byte[] bytes = value == null ? null : Encoding.UTF8.GetBytes(value);
            to[0] = 0;
            if (bytes != null && bytes.Length < room)
            {
                Marshal.Copy(bytes, 0, (IntPtr)to, bytes.Length);
                to[bytes.Length] = 0;
            }
        }

        [MonoPInvokeCallback(typeof(CancelFunction))]
        private static unsafe void OnCancel(IntPtr http)
        {
            Lane lane = (Lane)GCHandle.FromIntPtr(http).Target;
            PlaytraceRequest request = lane.Request;
            lane.Request = null;
            lane.Response = null;
            if (request != null)
            {
                lock (request)
                {
                    request.State = PlaytraceRequest.Stage.Cancelled;
                }
            }
        }
    }
}
