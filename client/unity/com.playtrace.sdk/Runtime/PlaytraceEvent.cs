using System;
using System.Runtime.InteropServices;

namespace PlaytraceSdk
{
    /// <summary>
    /// One event, put together by typed calls that allocate nothing:
    /// <c>Playtrace.Event("level_end").Set("level", 7).Set("seconds", 81.5).Send()</c>. For one thread, and for one
    /// Send. An attribute that cannot be taken (NaN, a key that is empty, repeated or longer than 64 bytes, no room) is
    /// left out and said in the log; the rest is sent.
    /// </summary>
    public unsafe struct PlaytraceEvent
    {
        private readonly EventBlock block; // null: Playtrace is not running
        private readonly int ticket;

        internal PlaytraceEvent(EventBlock block)
        {
            this.block = block;
            ticket = block.Ticket;
        }

        private bool IsUsable
        {
            get { return block != null && block.Ticket == ticket; }
        }

        /// <summary>Add a text. Null leaves it out.</summary>
        public PlaytraceEvent Set(string key, string value)
        {
            if (IsUsable && value != null)
            {
                AddText(key, value, false);
            }
            return this;
        }

        /// <summary>Add a whole number.</summary>
        public PlaytraceEvent Set(string key, int value)
        {
            return Set(key, (long)value);
        }

        /// <summary>Add a whole number.</summary>
        public PlaytraceEvent Set(string key, long value)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            if (IsUsable)
            {
                fixed (byte* spill = Utf8.SpillFirst(key))
                {
                    Utf8.Put(key, stack, spill, out byte* text);
                    Native.playtrace_event_add_int(block.Event, text, value);
                }
            }
            return this;
        }

        /// <summary>Add a whole number.</summary>
        public PlaytraceEvent Set(string key, ulong value)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            if (IsUsable)
            {
                fixed (byte* spill = Utf8.SpillFirst(key))
                {
                    Utf8.Put(key, stack, spill, out byte* text);
                    Native.playtrace_event_add_uint(block.Event, text, value);
                }
            }
            return this;
        }

        /// <summary>Add a number: 0.1f is sent as 0.1.</summary>
        public PlaytraceEvent Set(string key, float value)
        {
            return Set(key, PlaytraceJson.Widen(value));
        }

        /// <summary>Add a number. NaN and infinity are left out.</summary>
        public PlaytraceEvent Set(string key, double value)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            if (IsUsable)
            {
                fixed (byte* spill = Utf8.SpillFirst(key))
                {
                    Utf8.Put(key, stack, spill, out byte* text);
                    Native.playtrace_event_add_double(block.Event, text, value);
                }
            }
            return this;
        }

        /// <summary>Add true or false.</summary>
        public PlaytraceEvent Set(string key, bool value)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            if (IsUsable)
            {
                fixed (byte* spill = Utf8.SpillFirst(key))
                {
                    Utf8.Put(key, stack, spill, out byte* text);
                    Native.playtrace_event_add_bool(block.Event, text, value ? (byte)1 : (byte)0);
                }
            }
            return this;
        }

        /// <summary>Add the text of any one JSON value. Null leaves it out.</summary>
        public PlaytraceEvent SetJson(string key, string json)
        {
            if (IsUsable && json != null)
            {
                AddText(key, json, true);
            }
            return this;
        }

        /// <summary>Normal unless set.</summary>
        public PlaytraceEvent Priority(PlaytracePriority priority)
        {
            if (IsUsable)
            {
                Native.playtrace_event_set_priority(block.Event, priority);
            }
            return this;
        }

        /// <summary>Record it, now.</summary>
        public PlaytraceStatus Send()
        {
            if (!IsUsable)
            {
                return PlaytraceStatus.Invalid;
            }
            return block.Client == null ? Playtrace.Keep(block) : block.Client.TrackEvent(block, null);
        }

        /// <summary>The same, and the event's id; "" unless the answer is Ok.</summary>
        public PlaytraceStatus Send(out string eventId)
        {
            byte* id = stackalloc byte[Native.PLAYTRACE_ID_TEXT_BYTES];
            id[0] = 0;
            PlaytraceStatus status = IsUsable && block.Client != null ? block.Client.TrackEvent(block, id) : PlaytraceStatus.Invalid;
            eventId = Utf8.Get(id, Native.PLAYTRACE_ID_TEXT_BYTES);
            return status;
        }

        private void AddText(string key, string value, bool isJson)
        {
            byte* keyStack = stackalloc byte[Utf8.StackBytes];
            byte* valueStack = stackalloc byte[Utf8.StackBytes];
            fixed (byte* keySpill = Utf8.SpillFirst(key))
            fixed (byte* valueSpill = Utf8.SpillSecond(value))
            {
                Utf8.Put(key, keyStack, keySpill, out byte* keyText);
                if (!Utf8.Put(value, valueStack, valueSpill, out byte* valueText))
                {
                    keyText = null; // C would end the text at U+0000: let the library refuse and count it
                }
                if (isJson)
                {
                    Native.playtrace_event_add_json(block.Event, keyText, valueText);
                }
                else
                {
                    Native.playtrace_event_add_string(block.Event, keyText, valueText);
                }
            }
        }
    }

    /// <summary>Native memory of one event under construction. Each thread keeps one; an event that is never sent frees its own.</summary>
    internal sealed unsafe class EventBlock
    {
        // As large as the largest event; only what is touched becomes memory.
        private const int BufferBytes = Native.PLAYTRACE_EVENT_BYTES_MAX;

        [ThreadStatic] private static EventBlock kept;

        private readonly IntPtr memory;

        public readonly Native.playtrace_event* Event;
        public int Ticket;             // changes when the event is sent, so that old structs are dead
        public PlaytraceClient Client; // null: Playtrace is about to start, or nobody uses the block

        private EventBlock()
        {
            memory = Marshal.AllocHGlobal(sizeof(Native.playtrace_event) + BufferBytes);
            Event = (Native.playtrace_event*)memory;
        }

        ~EventBlock()
        {
            Marshal.FreeHGlobal(memory);
        }

        public static EventBlock Take(PlaytraceClient client, byte* name)
        {
            EventBlock block = kept ?? new EventBlock();
            kept = null;
            block.Client = client;
            Native.playtrace_event_init_in(block.Event, name, (IntPtr)(block.Event + 1), (UIntPtr)BufferBytes);
            return block;
        }

        /// <summary>Dead for those who hold it, but not yet free.</summary>
        public void Detach()
        {
            Ticket++;
            Client = null;
        }

        public void Done()
        {
            Detach();
            kept = this;
        }
    }
}
