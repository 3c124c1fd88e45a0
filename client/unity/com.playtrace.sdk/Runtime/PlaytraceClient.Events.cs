using System;

namespace PlaytraceSdk
{
    public sealed unsafe partial class PlaytraceClient
    {
        /// <summary>Begin an event; <see cref="PlaytraceEvent.Send()"/> records it.</summary>
        public PlaytraceEvent Event(string name)
        {
            return Begin(this, name);
        }

        /// <summary>Without a client: it is kept until there is one.</summary>
        internal static PlaytraceEvent Begin(PlaytraceClient client, string name)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            fixed (byte* spill = Utf8.SpillFirst(name))
            {
                Utf8.Put(name, stack, spill, out byte* text); // a name that cannot be is refused by Send
                return new PlaytraceEvent(EventBlock.Take(client, text));
            }
        }

        internal PlaytraceStatus TrackEvent(EventBlock block)
        {
            return TrackEvent(block, null);
        }

        internal PlaytraceStatus TrackEvent(EventBlock block, byte* idOut)
        {
            PlaytraceStatus status = PlaytraceStatus.Invalid;
            if (Enter())
            {
                status = Native.playtrace_track_event(handle, block.Event, idOut);
                Exit();
            }
            block.Done();
            GC.KeepAlive(block);
            return status;
        }
    }
}
