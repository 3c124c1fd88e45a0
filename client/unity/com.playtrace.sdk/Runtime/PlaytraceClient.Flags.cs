using System;
using System.Text;

namespace PlaytraceSdk
{
    public sealed unsafe partial class PlaytraceClient
    {
        private const int FlagStackBytes = 1024;

        /// <summary>A flag that is true or false.</summary>
        public bool GetFlag(string key, bool defaultValue)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            bool value = defaultValue;
            if (Enter())
            {
                fixed (byte* spill = Utf8.SpillFirst(key))
                {
                    if (Utf8.Put(key, stack, spill, out byte* text))
                    {
                        value = Native.playtrace_flag_bool(handle, text, Byte(defaultValue)) != 0;
                    }
                }
                Exit();
            }
            return value;
        }

        /// <summary>A flag that is a whole number.</summary>
        public long GetFlag(string key, long defaultValue)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            long value = defaultValue;
            if (Enter())
            {
                fixed (byte* spill = Utf8.SpillFirst(key))
                {
                    if (Utf8.Put(key, stack, spill, out byte* text))
                    {
                        value = Native.playtrace_flag_int(handle, text, defaultValue);
                    }
                }
                Exit();
            }
            return value;
        }

        /// <summary>A flag that is any number.</summary>
        public double GetFlag(string key, double defaultValue)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            double value = defaultValue;
            if (Enter())
            {
                fixed (byte* spill = Utf8.SpillFirst(key))
                {
                    if (Utf8.Put(key, stack, spill, out byte* text))
                    {
                        value = Native.playtrace_flag_double(handle, text, defaultValue);
                    }
                }
                Exit();
            }
            return value;
        }

        /// <summary>A flag that is a text.</summary>
        public string GetFlag(string key, string defaultValue)
        {
            return GetText(key, defaultValue, false);
        }

        /// <summary>A flag that is an object or a list, as JSON text.</summary>
        public string GetFlagJson(string key, string defaultValue)
        {
            return GetText(key, defaultValue, true);
        }

        private string GetText(string key, string defaultValue, bool isJson)
        {
            byte* keyStack = stackalloc byte[Utf8.StackBytes];
            byte* valueStack = stackalloc byte[FlagStackBytes];
            // The library gives this byte, which no UTF-8 holds, where it has no value: then the caller's own text, or
            // null, comes back as it is.
            byte* none = stackalloc byte[2];
            string value = defaultValue;
            none[0] = 0xff;
            none[1] = 0;
            if (!Enter())
            {
                return defaultValue;
            }
            fixed (byte* spill = Utf8.SpillFirst(key))
            {
                if (Utf8.Put(key, keyStack, spill, out byte* text))
                {
                    long bytes = ReadText(text, none, valueStack, FlagStackBytes, isJson);
                    if (bytes < FlagStackBytes)
                    {
                        value = Text(valueStack, bytes, defaultValue);
                    }
                    for (int room = FlagStackBytes; bytes >= room;) // it may grow between two looks
                    {
                        room = (int)bytes + 1;
                        byte[] large = new byte[room];
                        fixed (byte* to = large)
                        {
                            bytes = ReadText(text, none, to, room, isJson);
                            if (bytes < room)
                            {
                                value = Text(to, bytes, defaultValue);
                            }
                        }
                    }
                }
            }
            Exit();
            return value;
        }

        private long ReadText(byte* key, byte* none, byte* to, int room, bool isJson)
        {
            return (long)(isJson ? Native.playtrace_flag_json(handle, key, none, to, (UIntPtr)room)
                                 : Native.playtrace_flag_string(handle, key, none, to, (UIntPtr)room));
        }

        private static string Text(byte* from, long bytes, string defaultValue)
        {
            if (bytes == 1 && from[0] == 0xff)
            {
                return defaultValue;
            }
            return bytes == 0 ? "" : Encoding.UTF8.GetString(from, (int)bytes);
        }

        /// <summary>Why a flag has its value. Logs no exposure.</summary>
        public PlaytraceFlagDetails GetFlagDetails(string key)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            Native.playtrace_flag_details native;
            PlaytraceFlagDetails details = new PlaytraceFlagDetails {
                Variant = "", Reason = "ERROR", ErrorCode = "PROVIDER_NOT_READY", IsDefault = true,
            };
            if (!Enter())
            {
                return details;
            }
            fixed (byte* spill = Utf8.SpillFirst(key))
            {
                if (Utf8.Put(key, stack, spill, out byte* text) &&
                    Native.playtrace_flag_details_get(handle, text, &native) == PlaytraceStatus.Ok)
                {
                    details.Variant = Utf8.Get(native.variant, 65);
                    details.Reason = Utf8.Get(native.reason, 33);
                    details.ErrorCode = Utf8.Get(native.error_code, 33);
                    details.IsDefault = native.is_default != 0;
                }
            }
            Exit();
            return details;
        }

        /// <summary>What targeting rules are asked with beside the player: the text of one JSON object, or null.</summary>
        public PlaytraceStatus SetFlagContextJson(string attributesJson)
        {
            byte* stack = stackalloc byte[Utf8.StackBytes];
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            PlaytraceStatus status = PlaytraceStatus.Invalid;
            fixed (byte* spill = Utf8.SpillFirst(attributesJson))
            {
                if (Utf8.Put(attributesJson, stack, spill, out byte* text))
                {
                    status = Native.playtrace_set_flag_context(handle, text);
                }
            }
            Exit();
            return status;
        }

        /// <summary>
        /// Ask the server now, and wait at most `timeoutMs`. Ok: the values are those of now. On the thread that
        /// looks after the engine's transport it asks and does not wait.
        /// </summary>
        public PlaytraceStatus RefreshFlags(uint timeoutMs)
        {
            if (!Enter())
            {
                return PlaytraceStatus.Invalid;
            }
            if (IsTickedHere())
            {
                timeoutMs = 0;
            }
            PlaytraceStatus status = Native.playtrace_flags_refresh(handle, timeoutMs);
            Exit();
            return status;
        }

        /// <summary>Grows with each change of the flags' values.</summary>
        public ulong FlagsGeneration
        {
            get
            {
                if (!Enter())
                {
                    return 0;
                }
                ulong generation = Native.playtrace_flags_generation(handle);
                Exit();
                return generation;
            }
        }
    }
}
