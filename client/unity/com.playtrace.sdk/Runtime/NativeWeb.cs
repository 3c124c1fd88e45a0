// NativeWeb.cs - client/platform/web/playtrace_web.h as C# sees it: players of WebGL only
#if UNITY_WEBGL && !UNITY_EDITOR
using System;
using System.Runtime.InteropServices;

namespace PlaytraceSdk
{
    internal static unsafe class NativeWeb
    {
        public const int Busy = 2;
        public const int Ready = 3;

        [DllImport(Native.Library)]
        public static extern void playtrace_web_load(byte* dir);

        [DllImport(Native.Library)]
        public static extern int playtrace_web_load_state(byte* dir);

        [DllImport(Native.Library)]
        public static extern void playtrace_web_watch(IntPtr p);

        [DllImport(Native.Library)]
        public static extern void playtrace_platform_web_init(Native.playtrace_platform* platform);

        /// <summary>Queued: the browser's storage is still being read.</summary>
        public static PlaytraceStatus Load(string directory)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            fixed (byte* spill = Utf8.SpillFirst(directory))
            {
                if (!Utf8.Put(directory, stack, spill, out byte* text) || text == null)
                {
                    return PlaytraceStatus.Invalid;
                }
                int state = playtrace_web_load_state(text);
                if (state == Busy)
                {
                    return PlaytraceStatus.Busy;
                }
                if (state < Ready)
                {
                    playtrace_web_load(text);
                    return PlaytraceStatus.Queued;
                }
                return PlaytraceStatus.Ok;
            }
        }
    }
}
#endif
