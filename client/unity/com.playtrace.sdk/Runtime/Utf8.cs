using System;
using System.Text;

namespace PlaytraceSdk
{
    /// <summary>
    /// Texts on their way to C: UTF-8 with a final NUL, on the caller's stack where they fit, else in a buffer
    /// that the thread keeps. Nothing is allocated for a call once that buffer has grown.
    /// </summary>
    internal static unsafe class Utf8
    {
        /// <summary>Bytes that a caller gives on its stack: a text of 85 characters always fits.</summary>
        public const int StackBytes = 256;

        private const int KeptBytesMax = 256 * 1024;

        [ThreadStatic] private static byte[] first;
        [ThreadStatic] private static byte[] second;

        /// <summary>The thread's buffer for the first text of a call; null where the stack is enough.</summary>
        public static byte[] SpillFirst(string text)
        {
            return Spill(text, ref first);
        }

        /// <summary>The same for the second text of a call.</summary>
        public static byte[] SpillSecond(string text)
        {
            return Spill(text, ref second);
        }

        /// <summary>What the library calls back may call it again: the texts of the call that is running stay as they are.</summary>
        public static void Detach()
        {
            first = null;
            second = null;
        }

        private static byte[] Spill(string text, ref byte[] kept)
        {
            int bytes = text == null ? 0 : text.Length * 3 + 1;
            if (bytes <= StackBytes)
            {
                return null;
            }
            if (kept != null && kept.Length >= bytes)
            {
                return kept;
            }
            byte[] grown = new byte[bytes];
            if (bytes <= KeptBytesMax)
            {
                kept = grown;
            }
            return grown;
        }

        /// <summary>
        /// Write `text` to `spill`, or to `stack` where that is null; null stays null. A character of half a
        /// pair becomes U+FFFD. False: the text holds U+0000, where C would end it.
        /// </summary>
        public static bool Put(string text, byte* stack, byte* spill, out byte* put)
        {
            put = null;
            if (text == null)
            {
                return true;
            }
            byte* to = spill == null ? stack : spill;
            int bytes = 0;
            if (text.Length > 0)
            {
                if (text.IndexOf('\0') >= 0)
                {
                    return false;
                }
                fixed (char* from = text)
                {
                    bytes = Encoding.UTF8.GetBytes(from, text.Length, to, spill == null ? StackBytes : text.Length * 3);
                }
            }
            to[bytes] = 0;
            put = to;
            return true;
        }

        /// <summary>The text that ends with NUL, of at most `bytesMax` bytes; null for null.</summary>
        public static string Get(byte* text, int bytesMax)
        {
            if (text == null)
            {
                return null;
            }
            int bytes = 0;
            while (bytes < bytesMax && text[bytes] != 0)
            {
                bytes++;
            }
            return bytes == 0 ? "" : Encoding.UTF8.GetString(text, bytes);
        }
    }
}
