using UnityEngine.Networking;

namespace PlaytraceSdk
{
    /// <summary>HTTP by UnityWebRequest, for platforms where the engine must own the network. Main thread only.</summary>
    public sealed class UnityWebRequestTransport : PlaytraceTransport
    {
        /// <inheritdoc/>
        protected override void Begin(PlaytraceRequest request)
        {
            UnityWebRequest web = new UnityWebRequest(request.Url, request.Method);
            request.Tag = web; // first, so that Abort finds it whatever happens next
            web.downloadHandler = new DownloadHandlerBuffer();
            if (request.Body != null)
            {
                web.uploadHandler = new UploadHandlerRaw(request.Body);
            }
            for (int i = 0; i < request.HeaderNames.Length; i++)
            {
                web.SetRequestHeader(request.HeaderNames[i], request.HeaderValues[i]);
            }
            web.redirectLimit = 0; // an answer that comes from elsewhere is no receipt
            web.timeout = (int)((request.TimeoutMs + 999) / 1000);
            web.SendWebRequest();
        }

        /// <inheritdoc/>
        protected override bool Step(PlaytraceRequest request)
        {
            UnityWebRequest web = (UnityWebRequest)request.Tag;
            if (!web.isDone)
            {
                return false;
            }
            // A protocol error is an answer (4xx, 5xx); the others are none, whatever code they show.
            if (web.result == UnityWebRequest.Result.Success || web.result == UnityWebRequest.Result.ProtocolError)
            {
                request.Answer = web.downloadHandler.data;
                request.RetryAfter = web.GetResponseHeader("Retry-After");
                request.ETag = web.GetResponseHeader("ETag");
                request.ContentType = web.GetResponseHeader("Content-Type");
                request.TraceResponse = web.GetResponseHeader("traceresponse");
                request.Date = web.GetResponseHeader("Date");
                request.Status = (int)web.responseCode;
            }
            else
            {
                request.Error = web.error;
            }
            Free(request);
            return true;
        }

        /// <inheritdoc/>
        protected override void Abort(PlaytraceRequest request)
        {
            UnityWebRequest web = (UnityWebRequest)request.Tag;
            if (web != null)
            {
                web.Abort();
                Free(request);
            }
        }

        private static void Free(PlaytraceRequest request)
        {
            UnityWebRequest web = (UnityWebRequest)request.Tag;
            request.Tag = null;
            web.Dispose();
        }
    }
}
