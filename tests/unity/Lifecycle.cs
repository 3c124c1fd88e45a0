// Lifecycle.cs - PlaytraceBehaviour's life with stand-ins of the engine: start, frames, pause, focus, a second one,
// quit, play again in the same domain, a reload, a browser. The network is the stand-in of UnityWebRequest.
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Threading;
using UnityEditor;
using UnityEngine;
using UnityEngine.Networking;

namespace PlaytraceSdk.Tests
{
    internal static class Lifecycle
    {
        private static PlaytraceSettings settings;

        private static int Main(string[] arguments)
        {
            Application.persistentDataPath = arguments[2];
            Application.platform = RuntimePlatform.LinuxPlayer;
            Application.version = "2.0";
            switch (arguments[0])
            {
                case "life":
                    Life(arguments[1]);
                    break;
                case "missing":
                    MissingLibrary(arguments[1]);
                    break;
                case "tests":
                    AssetDatabase.paths[arguments[1]] = "Packages/com.playtrace.sdk/link.xml";
                    Console.WriteLine(NUnit.Framework.Runner.Run(typeof(PlaytraceTests).Assembly) +
                                      NUnit.Framework.Runner.Run(typeof(PlaytraceEditorTests).Assembly));
                    break;
                default:
                    return 2;
            }
            return 0;
        }

        private static void Check(bool isTrue, string what)
        {
            if (!isTrue)
            {
                Console.Error.WriteLine("not so: " + what + "\n" + string.Join("\n", StandinEngine.said.ToArray()));
                Environment.Exit(1);
            }
        }

        private static bool Said(string text)
        {
            lock (StandinEngine.said)
            {
                return StandinEngine.said.Exists((line) => line.Contains(text));
            }
        }

        private static void Frames(string what, Func<bool> isDone)
        {
            for (int i = 0; i < 3000 && !isDone(); i++)
            {
                StandinEngine.Frame(0.016f);
                Thread.Sleep(5);
            }
            Check(isDone(), what);
        }

        private static void Settings(string url)
        {
            settings = ScriptableObject.CreateInstance<PlaytraceSettings>();
            settings.url = url;
            settings.initialConsent = PlaytraceConsent.Given;
            settings.flushIntervalSeconds = 1;
            settings.quitTimeoutMs = 3000;
            StandinEngine.resources[PlaytraceSettings.ResourceName] = settings;
        }

        private static void BeginPlay()
        {
            StandinEngine.BeginPlay(typeof(Playtrace).Assembly);
        }

        private static void Life(string url)
        {
            int changes = 0;

            Check(Playtrace.Init() == PlaytraceStatus.Invalid && Said("no settings asset"), "Init without an asset says so");
            Settings("nonsense");
            Check(Playtrace.Init() == PlaytraceStatus.Invalid && Said("a setting is wrong"), "a wrong address is said");
            Settings(url);
            BeginPlay();
            Check(Playtrace.IsRunning, "it starts before the first scene");
            Check(StandinEngine.behaviours.Count == 1, "one behaviour");
            Check(StandinEngine.kept.Count == 1, "it outlives scenes");
            StandinEngine.Broadcast("OnApplicationPause", false); // as the engine does at the start
            StandinEngine.Broadcast("OnApplicationFocus", true);

            new GameObject("Second").AddComponent<PlaytraceBehaviour>();
            Check(StandinEngine.behaviours.Count == 1 && Said("second PlaytraceBehaviour, on 'Second'"), "a second one is removed and said");

            // Frames carry the requests.
            Playtrace.FlagsChanged += () => changes++;
            Playtrace.Event("in_game").Set("level", 1).Send();
            Frames("delivered by frames", () => Playtrace.Stats.Queued == 0 && Playtrace.Stats.Delivered >= 1);
            Frames("flags came by frames", () => Playtrace.GetFlag("on", false));
            Check(changes > 0, "FlagsChanged was raised");
            Check(UnityWebRequest.made >= 2, "by UnityWebRequest");

            // A pause puts everything on disk at once.
            string session = Playtrace.SessionId;
            Playtrace.Event("before_pause").Send();
            StandinEngine.Broadcast("OnApplicationPause", true);
            Check(Playtrace.Stats.QueuedBytes > 0 || Playtrace.Stats.Queued == 0, "on disk after a pause");
            StandinEngine.Broadcast("OnApplicationPause", false);
            Check(session == Playtrace.SessionId, "a short pause keeps the session");
            Playtrace.Event("before_focus").Send();
            StandinEngine.Broadcast("OnApplicationFocus", false);
            StandinEngine.Broadcast("OnApplicationFocus", true);

            // Quitting sends what is left, while the main thread waits.
            Playtrace.Event("before_quit").Send();
            StandinEngine.EndPlay();
            Check(!Playtrace.IsRunning, "ended by quitting");
            Check(StandinEngine.behaviours.Count == 0, "no behaviour is left");
            Check(UnityWebRequest.made == UnityWebRequest.disposed, "requests made " + UnityWebRequest.made + ", disposed " + UnityWebRequest.disposed);

            // Play again, the domain was kept.
            BeginPlay();
            Check(Playtrace.IsRunning && StandinEngine.behaviours.Count == 1, "it starts again");
            Check(Playtrace.Stats.Recovered == 0, "quitting had sent everything: " + Playtrace.Stats.Recovered + " were left");
            Playtrace.Event("second_play").Send();

            // The assemblies are reloaded while the game plays: statics are gone, the component stays.
            System.Runtime.CompilerServices.RuntimeHelpers.RunClassConstructor(
                typeof(Editor.PlaytraceBuildCheck).Assembly.GetType("PlaytraceSdk.Editor.PlaytraceReload").TypeHandle);
            AssemblyReloadEvents.Reload();
            Check(!Playtrace.IsRunning, "a reload ends it");
            typeof(PlaytraceBehaviour).GetField("instance", BindingFlags.Static | BindingFlags.NonPublic).SetValue(null, null);
            StandinEngine.Broadcast("OnEnable");
            Check(Playtrace.IsRunning, "and the component starts it again");
            Playtrace.Event("after_reload").Send();
            StandinEngine.EndPlay();

            // Somebody destroys the object.
            BeginPlay();
            UnityEngine.Object.Destroy(PlaytraceBehaviour.Instance.gameObject);
            Check(!Playtrace.IsRunning && Said("game object was destroyed"), "a destroyed object is said");

            Browser();

            // Busy: another instance.
            BeginPlay();
            PlaytraceClient second;
            Check(PlaytraceClient.Open(settings.ToOptions(), out second) == PlaytraceStatus.Busy, "one directory, one owner");
            StandinEngine.EndPlay();

            // The build's checks.
            Editor.PlaytraceBuildCheck check = new Editor.PlaytraceBuildCheck();
            check.OnPreprocessBuild(new UnityEditor.Build.Reporting.BuildReport());
            Check(Said("no native library for"), "a build without a library is said");
            PluginImporter.all.Add(new PluginImporter { isNativePlugin = true, assetPath = "Packages/x/Plugins/libplaytrace.so" });
            int said = StandinEngine.said.Count;
            settings.url = "";
            check.OnPreprocessBuild(new UnityEditor.Build.Reporting.BuildReport());
            Check(StandinEngine.said.Count == said + 1 && Said("has no address"), "a build without an address is said");
            Console.WriteLine("{\"requests\":" + UnityWebRequest.made + "}");
        }

        // No threads, and a storage that takes three frames to be read.
        private static void Browser()
        {
            int asked = 0;

            Application.isPlaying = true;
            Application.platform = RuntimePlatform.WebGLPlayer;
            PlaytraceOptions options = settings.ToOptions();
            Check(options.QueueDirectory == "playtrace" && options.WithoutWorker && options.Transport == null, "a browser's options");
            options.QueueDirectory = Path.Combine(Application.persistentDataPath, "browser");
            options.Transport = new UnityWebRequestTransport(); // here there is no fetch()
            PlaytraceClient.Load = (directory) => ++asked < 3 ? PlaytraceStatus.Queued : PlaytraceStatus.Ok;
            Check(Playtrace.Init(options) == PlaytraceStatus.Queued, "Init takes a moment");
            Check(!Playtrace.IsRunning, "not yet");
            Check(Playtrace.Event("early").Set("n", 1).Send() == PlaytraceStatus.Queued, "kept");
            Check(Playtrace.TrackJson("early", "{\"n\":2}") == PlaytraceStatus.Queued, "kept");
            Check(Playtrace.SetUser("browser-user") == PlaytraceStatus.Queued, "kept");
            PlaytraceEvent begun = Playtrace.Event("early").Set("n", 3);
            Frames("it starts in one of the next frames", () => Playtrace.IsRunning);
            Check(begun.Send() == PlaytraceStatus.Ok, "begun before the start, sent after it");
            Playtrace.Event("in_browser").Send();
            Frames("delivered by frames alone", () => Playtrace.Stats.Queued == 0 && Playtrace.Stats.Delivered >= 3);
            PlaytraceClient.Load = null;
            StandinEngine.EndPlay();
            Check(!Playtrace.IsRunning, "ended");
            Application.platform = RuntimePlatform.LinuxPlayer;
        }

        private static void MissingLibrary(string url)
        {
            Settings(url);
            BeginPlay();
            Check(!Playtrace.IsRunning, "not running");
            Check(Said("The native library `playtrace` is not there"), "said");
            Check(StandinEngine.said.Count == 1, "said once");
            Check(Playtrace.Track("x") == PlaytraceStatus.Invalid, "the game goes on");
            Check(Playtrace.Event("x").Set("a", 1).Send() == PlaytraceStatus.Invalid, "the game goes on");
            StandinEngine.EndPlay();
            Console.WriteLine("{}");
        }
    }
}
