// UnityEngine.cs - STAND-INS: the part of UnityEngine's API that the package uses, so that it compiles and its life
// cycle runs without the engine. Signatures are those of Unity 2021.3; what stands behind them is only as much as
// tests/unity needs. What holds here is not thereby shown to hold in the engine.
using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Reflection;
using System.Threading;

namespace UnityEngine
{
    public enum RuntimePlatform
    {
        OSXEditor = 0,
        OSXPlayer = 1,
        WindowsPlayer = 2,
        WindowsEditor = 7,
        IPhonePlayer = 8,
        Android = 11,
        LinuxPlayer = 13,
        LinuxEditor = 16,
        WebGLPlayer = 17,
        PS4 = 25,
        XboxOne = 27,
        tvOS = 31,
        Switch = 32,
        PS5 = 44,
    }

    public enum RuntimeInitializeLoadType
    {
        AfterSceneLoad,
        BeforeSceneLoad,
        AfterAssembliesLoaded,
        BeforeSplashScreen,
        SubsystemRegistration,
    }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class RuntimeInitializeOnLoadMethodAttribute : Attribute
    {
        public RuntimeInitializeOnLoadMethodAttribute(RuntimeInitializeLoadType loadType)
        {
            this.loadType = loadType;
        }

        public RuntimeInitializeLoadType loadType { get; private set; }
    }

    public sealed class SerializeField : Attribute
    {
    }

    public sealed class HideInInspector : Attribute
    {
    }

    public sealed class TooltipAttribute : Attribute
    {
        public TooltipAttribute(string tooltip)
        {
        }
    }

    public sealed class RangeAttribute : Attribute
    {
        public RangeAttribute(float min, float max)
        {
        }
    }

    public sealed class TextAreaAttribute : Attribute
    {
    }

    public sealed class CreateAssetMenuAttribute : Attribute
    {
        public string menuName { get; set; }
        public string fileName { get; set; }
    }

    public sealed class DisallowMultipleComponent : Attribute
    {
    }

    public sealed class AddComponentMenu : Attribute
    {
        public AddComponentMenu(string menuName)
        {
        }
    }

    public sealed class DefaultExecutionOrder : Attribute
    {
        public DefaultExecutionOrder(int order)
        {
        }
    }

    public class Object
    {
        internal bool isDestroyed;

        public string name { get; set; }

        public static implicit operator bool(Object exists)
        {
            return exists != null;
        }

        public static bool operator ==(Object x, Object y)
        {
            bool isXGone = ReferenceEquals(x, null) || x.isDestroyed;
            bool isYGone = ReferenceEquals(y, null) || y.isDestroyed;
            return isXGone || isYGone ? isXGone && isYGone : ReferenceEquals(x, y);
        }

        public static bool operator !=(Object x, Object y)
        {
            return !(x == y);
        }

        public override bool Equals(object other)
        {
            return ReferenceEquals(this, other);
        }

        public override int GetHashCode()
        {
            return base.GetHashCode();
        }

        public static void Destroy(Object target)
        {
            StandinEngine.Destroy(target);
        }

        public static void DontDestroyOnLoad(Object target)
        {
            StandinEngine.kept.Add(target);
        }
    }

    public class Component : Object
    {
        public GameObject gameObject { get; internal set; }

        public Transform transform
        {
            get { return gameObject.transform; }
        }
    }

    public class Transform : Component
    {
        public Transform parent { get; private set; }

        public void SetParent(Transform p)
        {
            parent = p;
        }
    }

    public class Behaviour : Component
    {
        public bool enabled { get; set; }
    }

    public class MonoBehaviour : Behaviour
    {
    }

    public sealed class GameObject : Object
    {
        internal readonly List<Component> components = new List<Component>();

        public GameObject(string name)
        {
            this.name = name;
            transform = new Transform();
            transform.gameObject = this;
        }

        public Transform transform { get; private set; }

        public T AddComponent<T>() where T : Component
        {
            T added = Activator.CreateInstance<T>();
            added.gameObject = this;
            added.name = name;
            components.Add(added);
            StandinEngine.Added(added);
            return added;
        }
    }

    public class ScriptableObject : Object
    {
        public static T CreateInstance<T>() where T : ScriptableObject
        {
            return Activator.CreateInstance<T>();
        }
    }

    public static class Resources
    {
        public static T Load<T>(string path) where T : Object
        {
            Object found;
            return StandinEngine.resources.TryGetValue(path, out found) ? (T)found : null;
        }
    }

    public static class Application
    {
        public static RuntimePlatform platform { get; set; }
        public static bool isEditor { get; set; }
        public static bool isPlaying { get; set; }
        public static string persistentDataPath { get; set; }
        public static string version { get; set; }
    }

    public static class Time
    {
        public static float unscaledTime { get; set; }
    }

    public static class Debug
    {
        public static void Log(object message)
        {
            StandinEngine.Say("log", message);
        }

        public static void LogWarning(object message)
        {
            StandinEngine.Say("warning", message);
        }

        public static void LogWarning(object message, Object context)
        {
            StandinEngine.Say("warning", message);
        }

        public static void LogError(object message)
        {
            StandinEngine.Say("error", message);
        }
    }

    // ---- immediate mode GUI: compiles, draws nothing ----

    public struct Rect
    {
        public Rect(float x, float y, float width, float height)
        {
        }
    }

    public struct Vector2
    {
    }

    public struct Vector3
    {
        public Vector3(float x, float y, float z)
        {
        }
    }

    public struct Matrix4x4
    {
        public static Matrix4x4 Scale(Vector3 vector)
        {
            return default(Matrix4x4);
        }
    }

    public static class Screen
    {
        public static int width { get; set; }
        public static int height { get; set; }
    }

    public class GUIStyle
    {
        public GUIStyle()
        {
        }

        public GUIStyle(GUIStyle other)
        {
        }

        public bool wordWrap { get; set; }
        public int fontSize { get; set; }
    }

    public class GUISkin : ScriptableObject
    {
        public GUIStyle label { get; set; }
        public GUIStyle box { get; set; }
    }

    public class GUIContent
    {
        public GUIContent(string text, string tooltip)
        {
        }
    }

    public static class GUI
    {
        public static GUISkin skin { get; set; }
        public static Matrix4x4 matrix { get; set; }
        public static bool enabled { get; set; }
    }

    public class GUILayoutOption
    {
    }

    public static class GUILayout
    {
        public static void BeginArea(Rect screenRect, GUIStyle style)
        {
        }

        public static void EndArea()
        {
        }

        public static void Label(string text, params GUILayoutOption[] options)
        {
        }

        public static void Label(string text, GUIStyle style, params GUILayoutOption[] options)
        {
        }

        public static bool Button(string text, params GUILayoutOption[] options)
        {
            return false;
        }

        public static bool Toggle(bool value, string text, params GUILayoutOption[] options)
        {
            return value;
        }

        public static void BeginHorizontal(params GUILayoutOption[] options)
        {
        }

        public static void EndHorizontal()
        {
        }

        public static void Space(float pixels)
        {
        }

        public static void FlexibleSpace()
        {
        }
    }

    // ---- the engine, as far as the tests drive it ----

    public static class StandinEngine
    {
        public static readonly Dictionary<string, Object> resources = new Dictionary<string, Object>();
        public static readonly List<Object> kept = new List<Object>();
        public static readonly List<MonoBehaviour> behaviours = new List<MonoBehaviour>();
        public static readonly List<string> said = new List<string>();

        public static void Say(string level, object message)
        {
            lock (said)
            {
                said.Add(level + ": " + message);
            }
        }

        public static void Added(Component component)
        {
            MonoBehaviour behaviour = component as MonoBehaviour;
            if (!ReferenceEquals(behaviour, null))
            {
                behaviours.Add(behaviour);
                Send(behaviour, "Awake");
                if (!behaviour.isDestroyed)
                {
                    Send(behaviour, "OnEnable");
                }
            }
        }

        // The engine destroys at the end of the frame; here it is at once, after the message.
        public static void Destroy(Object target)
        {
            GameObject owner = target as GameObject;
            if (!ReferenceEquals(owner, null))
            {
                foreach (Component component in owner.components)
                {
                    Destroy(component);
                }
            }
            MonoBehaviour behaviour = target as MonoBehaviour;
            if (!ReferenceEquals(behaviour, null) && behaviours.Remove(behaviour))
            {
                Send(behaviour, "OnDestroy");
            }
            target.isDestroyed = true;
        }

        public static void Send(MonoBehaviour behaviour, string message, params object[] arguments)
        {
            MethodInfo method = behaviour.GetType().GetMethod(
                message, BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public);
            if (method != null)
            {
                method.Invoke(behaviour, arguments);
            }
        }

        public static void Broadcast(string message, params object[] arguments)
        {
            foreach (MonoBehaviour behaviour in behaviours.ToArray())
            {
                Send(behaviour, message, arguments);
            }
        }

        public static void Frame(float seconds)
        {
            Time.unscaledTime += seconds;
            Broadcast("Update");
        }

        // What the engine does for an assembly when play begins.
        public static void BeginPlay(Assembly assembly)
        {
            Application.isPlaying = true;
            foreach (RuntimeInitializeLoadType type in new[]
                     { RuntimeInitializeLoadType.SubsystemRegistration, RuntimeInitializeLoadType.BeforeSceneLoad })
            {
                foreach (Type owner in assembly.GetTypes())
                {
                    foreach (MethodInfo method in owner.GetMethods(BindingFlags.Static | BindingFlags.NonPublic |
                                                                   BindingFlags.Public))
                    {
                        object[] marks =
                            method.GetCustomAttributes(typeof(RuntimeInitializeOnLoadMethodAttribute), false);
                        if (marks.Length > 0 && ((RuntimeInitializeOnLoadMethodAttribute)marks[0]).loadType == type)
                        {
                            method.Invoke(null, null);
                        }
                    }
                }
            }
        }

        public static void EndPlay()
        {
            Broadcast("OnApplicationQuit");
            foreach (MonoBehaviour behaviour in behaviours.ToArray())
            {
                Destroy(behaviour);
            }
            kept.Clear();
            Application.isPlaying = false;
        }
    }
}

namespace UnityEngine.Networking
{
    public class DownloadHandler : IDisposable
    {
        public byte[] data { get; internal set; }

        public void Dispose()
        {
        }
    }

    public sealed class DownloadHandlerBuffer : DownloadHandler
    {
    }

    public class UploadHandler : IDisposable
    {
        internal byte[] bytes;

        public void Dispose()
        {
        }
    }

    public sealed class UploadHandlerRaw : UploadHandler
    {
        public UploadHandlerRaw(byte[] data)
        {
            bytes = data;
        }
    }

    public class AsyncOperation
    {
    }

    public class UnityWebRequestAsyncOperation : AsyncOperation
    {
    }

    // Over .NET's own HTTP client, on a thread of the pool; like the engine's it may be used on one thread only.
    public class UnityWebRequest : IDisposable
    {
        public enum Result
        {
            InProgress,
            Success,
            ConnectionError,
            ProtocolError,
            DataProcessingError,
        }

        public static int made;
        public static int disposed;

        private readonly HttpWebRequest web;
        private readonly Thread owner = Thread.CurrentThread;
        private HttpWebResponse answer;
        private volatile bool isFinished;
        private volatile bool isFailed;

        public UnityWebRequest(string url, string method)
        {
            made++;
            web = (HttpWebRequest)WebRequest.Create(url);
            web.Method = method;
            web.Proxy = null;
            web.AllowAutoRedirect = false;
        }

        public UploadHandler uploadHandler { get; set; }
        public DownloadHandler downloadHandler { get; set; }
        public int redirectLimit { get; set; }
        public int timeout { get; set; }

        public bool isDone
        {
            get
            {
                Check();
                return isFinished;
            }
        }

        public Result result
        {
            get
            {
                return !isFinished ? Result.InProgress
                       : isFailed ? Result.ConnectionError
                       : responseCode >= 400 ? Result.ProtocolError : Result.Success;
            }
        }

        public string error
        {
            get { return isFailed ? "Cannot connect to destination host" : null; }
        }

        public long responseCode
        {
            get { return answer == null ? 0 : (long)answer.StatusCode; }
        }

        public void SetRequestHeader(string name, string value)
        {
            Check();
            if (name == "Content-Type")
            {
                web.ContentType = value;
            }
            else if (name == "Accept")
            {
                web.Accept = value;
            }
            else
            {
                web.Headers[name] = value;
            }
        }

        public string GetResponseHeader(string name)
        {
            return answer.Headers[name];
        }

        public UnityWebRequestAsyncOperation SendWebRequest()
        {
            Check();
            ThreadPool.QueueUserWorkItem(Run);
            return new UnityWebRequestAsyncOperation();
        }

        private void Run(object unused)
        {
            try
            {
                if (uploadHandler != null)
                {
                    using (Stream body = web.GetRequestStream())
                    {
                        body.Write(uploadHandler.bytes, 0, uploadHandler.bytes.Length);
                    }
                }
                try
                {
                    answer = (HttpWebResponse)web.GetResponse();
                }
                catch (WebException error)
                {
                    answer = (HttpWebResponse)error.Response;
                }
                isFailed = answer == null;
                if (!isFailed)
                {
                    using (Stream body = answer.GetResponseStream())
                    using (MemoryStream copy = new MemoryStream())
                    {
                        body.CopyTo(copy);
                        downloadHandler.data = copy.ToArray();
                    }
                }
            }
            catch (Exception)
            {
                isFailed = true;
            }
            isFinished = true;
        }

        public void Abort()
        {
            Check();
            web.Abort();
        }

        public void Dispose()
        {
            Check();
            disposed++;
        }

        private void Check()
        {
            if (Thread.CurrentThread != owner)
            {
                throw new InvalidOperationException("UnityWebRequest can only be used on the main thread");
            }
        }
    }
}

namespace AOT
{
    [System.AttributeUsage(System.AttributeTargets.Method)]
    public sealed class MonoPInvokeCallbackAttribute : System.Attribute
    {
        public MonoPInvokeCallbackAttribute(System.Type type)
        {
        }
    }
}
