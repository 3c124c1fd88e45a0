// NUnit.cs - STAND-INS: the part of NUnit that the package's tests use, and a runner without reflection's finer points
using System;
using System.Reflection;

namespace NUnit.Framework
{
    [AttributeUsage(AttributeTargets.Method)]
    public sealed class TestAttribute : Attribute
    {
    }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class SetUpAttribute : Attribute
    {
    }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class TearDownAttribute : Attribute
    {
    }

    public static class Assert
    {
        public static void AreEqual(object expected, object actual)
        {
            if (!Equals(expected, actual))
            {
                throw new Exception("expected " + expected + ", not " + actual);
            }
        }

        public static void IsTrue(bool condition)
        {
            AreEqual(true, condition);
        }

        public static void IsFalse(bool condition)
        {
            AreEqual(false, condition);
        }

        public static void IsNull(object it)
        {
            AreEqual(null, it);
        }

        public static void IsNotNull(object it)
        {
            AreEqual(true, it != null);
        }
    }

    public static class StringAssert
    {
        public static void EndsWith(string expected, string actual)
        {
            Assert.IsTrue(actual.EndsWith(expected));
        }
    }

    public static class Runner
    {
        public static int Run(Assembly assembly)
        {
            int count = 0;
            foreach (Type type in assembly.GetTypes())
            {
                foreach (MethodInfo method in type.GetMethods())
                {
                    if (method.IsDefined(typeof(TestAttribute), false))
                    {
                        object instance = Activator.CreateInstance(type);
                        Call(type, instance, typeof(SetUpAttribute));
                        try
                        {
                            method.Invoke(instance, null);
                        }
                        catch (TargetInvocationException error)
                        {
                            throw new Exception(type.Name + "." + method.Name + ": " + error.InnerException.Message);
                        }
                        finally
                        {
                            Call(type, instance, typeof(TearDownAttribute));
                        }
                        count++;
                    }
                }
            }
            return count;
        }

        private static void Call(Type type, object instance, Type mark)
        {
            foreach (MethodInfo method in type.GetMethods())
            {
                if (method.IsDefined(mark, false))
                {
                    method.Invoke(instance, null);
                }
            }
        }
    }
}
