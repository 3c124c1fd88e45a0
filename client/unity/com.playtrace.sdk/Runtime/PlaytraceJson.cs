using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace PlaytraceSdk
{
    /// <summary>JSON text of the values that a game puts into a dictionary. No reflection: AOT compilers keep it whole.</summary>
    internal static class PlaytraceJson
    {
        private const int DepthMax = 32;

        /// <summary>The dictionary as a JSON object; null where a value has no JSON form.</summary>
        public static string Object(IDictionary<string, object> members)
        {
            StringBuilder text = new StringBuilder(256);
            return WriteMembers(text, members, 1) ? text.ToString() : null;
        }

        /// <summary>One value as JSON; null where it has no JSON form (NaN, an unknown type, too deep).</summary>
        public static string Value(object value)
        {
            StringBuilder text = new StringBuilder(64);
            return Write(text, value, 1) ? text.ToString() : null;
        }

        /// <summary>0.1f means 0.1: the shortest decimal that is the same float, where seven digits are enough.</summary>
        public static double Widen(float value)
        {
            float size = Math.Abs(value);
            if (size > 1e-20f && size < 1e20f)
            {
                double seven = (double)(decimal)value;
                if ((float)seven == value)
                {
                    return seven;
                }
            }
            return value;
        }

        private static bool Write(StringBuilder text, object value, int depth)
        {
            if (value == null)
            {
                text.Append("null");
            }
            else if (value is string words)
            {
                WriteText(text, words);
            }
            else if (value is bool truth)
            {
                text.Append(truth ? "true" : "false");
            }
            else if (value is double wide)
            {
                return WriteNumber(text, wide);
            }
            else if (value is float narrow)
            {
                return WriteNumber(text, Widen(narrow));
            }
            else if (value is int || value is long || value is uint || value is ulong || value is short ||
                     value is ushort || value is byte || value is sbyte || value is decimal)
            {
                text.Append(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture));
            }
            else if (value is DateTime time)
            {
                WriteText(text, time.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
            }
            else if (value is char || value is Enum || value is Guid)
            {
                WriteText(text, value.ToString());
            }
            else if (value is IDictionary<string, object> members)
            {
                return depth < DepthMax && WriteMembers(text, members, depth + 1);
            }
            else if (value is IEnumerable items)
            {
                return depth < DepthMax && WriteItems(text, items, depth + 1);
            }
            else
            {
                return false;
            }
            return true;
        }

        private static bool WriteNumber(StringBuilder text, double number)
        {
            if (double.IsNaN(number) || double.IsInfinity(number))
            {
                return false;
            }
            text.Append(number.ToString("R", CultureInfo.InvariantCulture));
            return true;
        }

        private static bool WriteMembers(StringBuilder text, IDictionary<string, object> members, int depth)
        {
            bool isFirst = true;
            text.Append('{');
            foreach (KeyValuePair<string, object> member in members)
            {
                if (!isFirst)
                {
                    text.Append(',');
                }
                isFirst = false;
                WriteText(text, member.Key);
                text.Append(':');
                if (!Write(text, member.Value, depth))
                {
                    return false;
                }
            }
            text.Append('}');
            return true;
        }

        private static bool WriteItems(StringBuilder text, IEnumerable items, int depth)
        {
            bool isFirst = true;
            text.Append('[');
            foreach (object item in items)
            {
                if (!isFirst)
                {
                    text.Append(',');
                }
                isFirst = false;
                if (!Write(text, item, depth))
                {
                    return false;
                }
            }
            text.Append(']');
            return true;
        }

        private static void WriteText(StringBuilder text, string words)
        {
            text.Append('"');
            foreach (char letter in words)
            {
                if (letter == '"' || letter == '\\')
                {
                    text.Append('\\').Append(letter);
                }
                else if (letter < ' ')
                {
                    text.Append("\\u").Append(((int)letter).ToString("x4", CultureInfo.InvariantCulture));
                }
                else
                {
                    text.Append(letter);
                }
            }
            text.Append('"');
        }
    }
}
