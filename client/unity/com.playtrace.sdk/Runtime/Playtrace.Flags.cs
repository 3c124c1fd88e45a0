using System;
using System.Collections.Generic;

namespace PlaytraceSdk
{
    /// <summary>
    /// Flags: the server's last answer for this player, from disk at first, then from the network. A getter never waits
    /// and gives your default where there is no value of its type. Where the flag belongs to an experiment the getter
    /// logs that the player has met it, once a session: ask where the player meets what the flag decides.
    /// </summary>
    public static partial class Playtrace
    {
        /// <summary>The values have changed. On the main thread, between two frames.</summary>
        public static event Action FlagsChanged;

        /// <summary>A flag that is true or false.</summary>
        public static bool GetFlag(string key, bool defaultValue)
        {
            PlaytraceClient running = client;
            return running == null ? defaultValue : running.GetFlag(key, defaultValue);
        }

        /// <summary>A flag that is a whole number; one that does not fit gives the default.</summary>
        public static int GetFlag(string key, int defaultValue)
        {
            long value = GetFlag(key, (long)defaultValue);
            return value < int.MinValue || value > int.MaxValue ? defaultValue : (int)value;
        }

        /// <summary>A flag that is a whole number.</summary>
        public static long GetFlag(string key, long defaultValue)
        {
            PlaytraceClient running = client;
            return running == null ? defaultValue : running.GetFlag(key, defaultValue);
        }

        /// <summary>A flag that is any number.</summary>
        public static float GetFlag(string key, float defaultValue)
        {
            return (float)GetFlag(key, (double)defaultValue);
        }

        /// <summary>A flag that is any number.</summary>
        public static double GetFlag(string key, double defaultValue)
        {
            PlaytraceClient running = client;
            return running == null ? defaultValue : running.GetFlag(key, defaultValue);
        }

        /// <summary>A flag that is a text.</summary>
        public static string GetFlag(string key, string defaultValue)
        {
            PlaytraceClient running = client;
            return running == null ? defaultValue : running.GetFlag(key, defaultValue);
        }

        /// <summary>A flag that is an object or a list, as JSON text.</summary>
        public static string GetFlagJson(string key, string defaultValue)
        {
            PlaytraceClient running = client;
            return running == null ? defaultValue : running.GetFlagJson(key, defaultValue);
        }

        /// <summary>Why a flag has its value. Logs no exposure.</summary>
        public static PlaytraceFlagDetails GetFlagDetails(string key)
        {
            PlaytraceClient running = client;
            return running == null
                ? new PlaytraceFlagDetails { Variant = "", Reason = "ERROR", ErrorCode = "PROVIDER_NOT_READY", IsDefault = true }
                : running.GetFlagDetails(key);
        }

        /// <summary>
        /// What targeting rules are asked with beside the player: level, country, spender … Null: nothing. A change asks the
        /// server anew.
        /// </summary>
        public static PlaytraceStatus SetFlagContext(IDictionary<string, object> attributes)
        {
            PlaytraceClient running = client;
            string json = attributes == null ? null : PlaytraceJson.Object(attributes);
            return running == null || (attributes != null && json == null) ? PlaytraceStatus.Invalid
                                                                           : running.SetFlagContextJson(json);
        }

        /// <summary>
        /// Ask the server now, and wait at most `timeoutMs` (0: do not wait; <see cref="FlagsChanged"/> tells). Ok: the
        /// values are those of now.
        /// </summary>
        public static PlaytraceStatus RefreshFlags(uint timeoutMs = 0)
        {
            PlaytraceClient running = client;
            return running == null ? PlaytraceStatus.Invalid : running.RefreshFlags(timeoutMs);
        }

        private static ulong seenGeneration;

        internal static void TellFlagsChanged(PlaytraceClient running)
        {
            ulong generation = running.FlagsGeneration;
            if (generation != seenGeneration)
            {
                seenGeneration = generation;
                Action told = FlagsChanged;
                if (told != null)
                {
                    told();
                }
            }
        }
    }
}
