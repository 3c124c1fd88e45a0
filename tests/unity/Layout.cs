// Layout.cs - prints what C# believes of the header: sizes, offsets, enumerators; one JSON object
using System;
using System.Collections.Generic;
using System.Reflection;
using System.Runtime.InteropServices;

namespace PlaytraceSdk.Tests
{
    internal static class Layout
    {
        private static int Main()
        {
            List<string> parts = new List<string>();
            foreach (Type type in typeof(Native).GetNestedTypes(BindingFlags.Public | BindingFlags.NonPublic))
            {
                if (!type.IsValueType || type.Name.Contains("<"))
                {
                    continue;
                }
                List<string> fields = new List<string>();
                foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.Public))
                {
                    fields.Add("\"" + field.Name + "\":" + Marshal.OffsetOf(type, field.Name));
                }
                parts.Add("\"" + type.Name + "\":{\"bytes\":" + Marshal.SizeOf(type) + ",\"fields\":{" +
                          string.Join(",", fields.ToArray()) + "}}");
            }
            foreach (Type type in typeof(Native).Assembly.GetTypes())
            {
                if (type.IsEnum && !type.IsNested)
                {
                    List<string> names = new List<string>();
                    foreach (object value in Enum.GetValues(type))
                    {
                        names.Add("\"" + value + "\":" + Convert.ToInt64(value));
                    }
                    parts.Add("\"" + type.Name + "\":{" + string.Join(",", names.ToArray()) + "}");
                }
            }
            Console.WriteLine("{" + string.Join(",", parts.ToArray()) + "}");
            return 0;
        }
    }
}
