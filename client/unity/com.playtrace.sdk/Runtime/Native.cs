// Native.cs - client/include/playtrace.h as C# sees it; written by tools/unity_native.mjs, not by hand
//
// Names, order and types are the header's, so that both can be read side by side. All structs are blittable: bool is
// a byte, texts are pointers, functions are addresses. Nothing outside of this assembly sees them.
using System;
using System.Runtime.InteropServices;

#if !UNITY_2021_3_OR_NEWER
namespace AOT
{
    // The engine has this attribute; without the engine (the tests) it is here. IL2CPP goes by its name.
    [AttributeUsage(AttributeTargets.Method)]
    internal sealed class MonoPInvokeCallbackAttribute : Attribute
    {
        public MonoPInvokeCallbackAttribute(Type type)
        {
        }
    }
}
#endif

namespace PlaytraceSdk
{
    internal static unsafe class Native
    {
#if (UNITY_WEBGL || UNITY_IOS || UNITY_TVOS || UNITY_VISIONOS) && !UNITY_EDITOR
        public const string Library = "__Internal"; // linked into the player
#else
        public const string Library = "playtrace";
#endif

        public const int PLAYTRACE_NAME_BYTES_MAX = 64;
        public const int PLAYTRACE_TEXT_BYTES_MAX = 256;
        public const int PLAYTRACE_URL_BYTES_MAX = 1024;
        public const int PLAYTRACE_EVENT_BYTES_MAX = 32768;
        public const int PLAYTRACE_ATTRIBUTE_DEPTH_MAX = 32;
        public const int PLAYTRACE_ID_TEXT_BYTES = 37;
        public const int PLAYTRACE_BATCH_BYTES_MAX = 262144;
        public const int PLAYTRACE_KEY_BYTES = 32;
        public const int PLAYTRACE_KEY_BYTES_MAX = 64;
        public const int PLAYTRACE_POLICY_BYTES_MAX = 64;
        public const int PLAYTRACE_EVENT_OWN_BYTES = 2048;
        public const int PLAYTRACE_EVENT_ATTRIBUTES_MAX = 256;
        public const int PLAYTRACE_BATCH_EVENTS_MAX = 1000;
        public const int PLAYTRACE_FLAG_CONTEXT_BYTES_MAX = 4096;
        public const int PLAYTRACE_FLAGS_BYTES_MAX = 1047552;

        [StructLayout(LayoutKind.Sequential)]
        public struct playtrace_consent_record
        {
            public PlaytraceConsent consent;
            public uint purposes;
            public long decided_us;
            public fixed byte policy_version[65];
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct playtrace_options
        {
            public byte* url;
            public byte* api_key;
            public byte* signing_secret;
            public byte* queue_dir;
            public byte* user_id;
            public byte* build_id;
            public byte* platform;
            public byte* mechanic_version;
            public PlaytraceConsent consent;
            public byte without_worker;
            public byte sync_at_close;
            public byte flush_ignores_retry;
            public byte report_health;
            public uint session_timeout_ms;
            public uint flush_interval_ms;
            public uint batch_events_max;
            public ulong queue_bytes_max;
            public ulong queue_age_max_ms;
            public byte* queue_key;
            public uint ring_bytes;
            public uint retry_base_ms;
            public uint retry_cap_ms;
            public uint connect_timeout_ms;
            public uint request_timeout_ms;
            public IntPtr log;
            public IntPtr log_ctx;
            public byte flags_enabled;
            public byte flags_stream;
            public byte* flag_context;
            public uint flags_poll_ms;
            public uint flags_bytes_max;
            public playtrace_platform* platform_table;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct playtrace_stats
        {
            public ulong tracked;
            public ulong recovered;
            public ulong queued;
            public ulong queued_bytes;
            public ulong delivered;
            public ulong refused;
            public ulong unreadable;
            public ulong dropped_ring;
            public ulong dropped_budget;
            public ulong withdrawn;
            public ulong damaged;
            public ulong send_attempts;
            public ulong retries;
            public ulong io_failures;
            public ulong dropped_evicted;
            public ulong dropped_age;
            public ulong invalid;
            public ulong flag_requests;
            public ulong flag_failures;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct playtrace_event
        {
            public fixed byte name[66];
            public PlaytracePriority priority;
            public uint refused;
            public byte* refused_why;
            public fixed byte refused_key[32];
            public uint count;
            public UIntPtr bytes;
            public UIntPtr bytes_max;
            public byte* larger;
            public fixed ushort key_at[256];
            public fixed byte own[2048];
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct playtrace_flag_details
        {
            public fixed byte variant[65];
            public fixed byte reason[33];
            public fixed byte error_code[33];
            public byte is_default;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct playtrace_http_request
        {
            public byte* method;
            public byte* url;
            public byte** headers;
            public UIntPtr header_count;
            public byte* body;
            public UIntPtr body_bytes;
            public uint connect_timeout_ms;
            public uint timeout_ms;
            public byte wants_new_connection;
            public IntPtr should_stop;
            public IntPtr stop_ctx;
            public IntPtr on_body;
            public IntPtr body_ctx;
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct playtrace_http_response
        {
            public int status;
            public byte* body;
            public UIntPtr body_bytes_max;
            public UIntPtr body_bytes;
            public byte is_truncated;
            public fixed byte retry_after[64];
            public fixed byte etag[128];
            public fixed byte content_type[64];
            public fixed byte traceresponse[64];
            public fixed byte date[64];
        }

        [StructLayout(LayoutKind.Sequential)]
        public struct playtrace_platform
        {
            public IntPtr clock_ctx;
            public IntPtr wall_us;
            public IntPtr mono_us;
            public IntPtr random;
            public IntPtr sleep_ms;
            public IntPtr memory_ctx;
            public IntPtr alloc;
            public IntPtr release;
            public IntPtr file_ctx;
            public IntPtr dir_create;
            public IntPtr dir_list;
            public IntPtr dir_lock;
            public IntPtr dir_unlock;
            public IntPtr file_open;
            public IntPtr file_size;
            public IntPtr file_append;
            public IntPtr file_read;
            public IntPtr file_truncate;
            public IntPtr file_sync;
            public IntPtr file_close;
            public IntPtr file_rename;
            public IntPtr file_remove;
            public IntPtr crypto_ctx;
            public IntPtr seal;
            public IntPtr unseal;
            public IntPtr http_ctx;
            public IntPtr http_create;
            public IntPtr http_destroy;
            public IntPtr http_post;
            public IntPtr http_start;
            public IntPtr http_is_done;
            public IntPtr http_cancel;
            public IntPtr hmac_sha256;
            public IntPtr compress_ctx;
            public IntPtr compress;
            public byte* content_encoding;
            public IntPtr thread_ctx;
            public IntPtr mutex_create;
            public IntPtr mutex_destroy;
            public IntPtr mutex_lock;
            public IntPtr mutex_unlock;
            public IntPtr cond_create;
            public IntPtr cond_destroy;
            public IntPtr cond_wait;
            public IntPtr cond_broadcast;
            public IntPtr thread_start;
            public IntPtr thread_join;
            public IntPtr mutex_is_mine;
        }

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern void playtrace_options_init(playtrace_options* options);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_open(IntPtr* p_out, playtrace_options* options);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_track_with(IntPtr p, byte* name, byte* attributes_json,
            PlaytracePriority priority, byte* event_id_out);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_set_user(IntPtr p, byte* user_id);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern void playtrace_event_init_in(playtrace_event* e, byte* name, IntPtr buffer,
            UIntPtr bytes);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_event_add_string(playtrace_event* e, byte* key, byte* value);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_event_add_int(playtrace_event* e, byte* key, long value);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_event_add_uint(playtrace_event* e, byte* key, ulong value);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_event_add_double(playtrace_event* e, byte* key, double value);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_event_add_bool(playtrace_event* e, byte* key, byte value);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_event_add_json(playtrace_event* e, byte* key, byte* json);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern void playtrace_event_set_priority(playtrace_event* e, PlaytracePriority priority);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_track_event(IntPtr p, playtrace_event* e, byte* event_id_out);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_set_consent(IntPtr p, PlaytraceConsent consent);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_set_consent_for(IntPtr p, uint purposes, byte* policy_version);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceConsent playtrace_get_consent(IntPtr p);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern void playtrace_get_consent_record(IntPtr p, playtrace_consent_record* record_out);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_session_start(IntPtr p);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_pause(IntPtr p);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_resume(IntPtr p);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern void playtrace_session_id(IntPtr p, byte* session_id_out);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_flush(IntPtr p, uint timeout_ms);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_sync(IntPtr p, uint timeout_ms);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_pump(IntPtr p);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_close(IntPtr p, uint timeout_ms);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, EntryPoint = "playtrace_stats")]
        public static extern void playtrace_stats_get(IntPtr p, playtrace_stats* stats_out);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern byte playtrace_flag_bool(IntPtr p, byte* key, byte default_value);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern long playtrace_flag_int(IntPtr p, byte* key, long default_value);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern double playtrace_flag_double(IntPtr p, byte* key, double default_value);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern UIntPtr playtrace_flag_string(IntPtr p, byte* key, byte* default_value, byte* @out,
            UIntPtr out_bytes);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern UIntPtr playtrace_flag_json(IntPtr p, byte* key, byte* default_value, byte* @out,
            UIntPtr out_bytes);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl, EntryPoint = "playtrace_flag_details")]
        public static extern PlaytraceStatus playtrace_flag_details_get(IntPtr p, byte* key,
            playtrace_flag_details* details_out);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_set_flag_context(IntPtr p, byte* attributes_json);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern PlaytraceStatus playtrace_flags_refresh(IntPtr p, uint timeout_ms);

        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern ulong playtrace_flags_generation(IntPtr p);

#if !UNITY_WEBGL || UNITY_EDITOR
        [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
        public static extern void playtrace_platform_posix_init(playtrace_platform* platform);
#endif
    }
}
