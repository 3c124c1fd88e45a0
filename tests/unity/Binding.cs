// Binding.cs - the binding under Mono, against the real library: one scenario a run, one JSON line of facts at its end
//
// What arrived is compared by tests/interop/unity.test.mjs with the table. A check that fails here ends the
// run with its place.
using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Text;
using System.Threading;

namespace PlaytraceSdk.Tests
{
    internal static class Binding
    {
        private static string url;
        private static string directory;

        private static int Main(string[] arguments)
        {
            url = arguments[1];
            directory = arguments[2];
            switch (arguments[0])
            {
                case "types":
                    Types();
                    break;
                case "threads":
                    Threads();
                    break;
                case "consent":
                    Consent();
                    break;
                case "allocations":
                    Allocations();
                    break;
                case "pause":
                    Pauses();
                    break;
                case "flags":
                    Flags();
                    break;
                case "misuse":
                    Misuse();
                    break;
                case "closing":
                    ClosingUnderLoad();
                    break;
                case "network":
                    Network();
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
                Console.Error.WriteLine("not so: " + what);
                Environment.Exit(1);
            }
        }

        private static void Same(object expected, object actual, string what)
        {
            Check(Equals(expected, actual), what + ": " + actual + ", not " + expected);
        }

        private static PlaytraceOptions Options(PlaytraceConsent consent = PlaytraceConsent.Given)
        {
            return new PlaytraceOptions {
                Url = url, QueueDirectory = directory, UserId = "player-ü", BuildId = "1.4.2", Platform = "pc",
                InitialConsent = consent, RetryBaseMs = 20, RetryCapMs = 100, SigningSecret = "sécret",
                FlagsEnabled = true, FlagsStream = false,
            };
        }

        private static void Start(PlaytraceConsent consent = PlaytraceConsent.Given)
        {
            Same(PlaytraceStatus.Ok, Playtrace.Init(Options(consent)), "Init");
        }

        // ---- every way of writing an attribute ----

        private enum Weapon
        {
            Sword,
        }

        private static void Types()
        {
            Start();
            Same(PlaytraceStatus.Ok, Playtrace.Track("plain"), "no attributes");
            Same(PlaytraceStatus.Ok, Playtrace.TrackJson("json", "{\"a\":{\"b\":[1,2]}}", PlaytracePriority.High), "JSON");
            Same(PlaytraceStatus.Ok, Playtrace.Track("dictionary", new Dictionary<string, object> {
                { "text", "Zoë \"😀\" \\ \n\t\u0001 日本" }, { "empty", "" }, { "int", -7 }, { "uint", 7u }, { "long", long.MinValue },
                { "ulong", ulong.MaxValue }, { "short", (short)-3 }, { "byte", (byte)255 }, { "float", 0.1f },
                { "double", 0.1 + 0.2 }, { "decimal", 12.50m }, { "true", true }, { "char", 'é' }, { "none", null },
                { "enum", Weapon.Sword }, { "when", new DateTime(2026, 1, 2, 3, 4, 5, 6, DateTimeKind.Utc) },
                { "list", new List<int> { 1, 2 } }, { "in", new Dictionary<string, object> { { "ключ", 1.5 } } },
            }, PlaytracePriority.Low), "dictionary");
            Same(PlaytraceStatus.Invalid, Playtrace.Track("dictionary", new Dictionary<string, object> { { "x", double.NaN } }), "NaN");
            Same(PlaytraceStatus.Invalid, Playtrace.Track("dictionary", new Dictionary<string, object> { { "x", new object() } }), "object");
            string half = "half \ud83d pair";
            Same(PlaytraceStatus.Ok, Playtrace.Track("half", new Dictionary<string, object> { { "text", half } }), "half a pair");
            string longText = new string('ß', 2000);
            Same(PlaytraceStatus.Ok, Playtrace.Track("long", new Dictionary<string, object> { { "text", longText } }), "4 KB");
            Same(PlaytraceStatus.Ok, Playtrace.Event("built").Set("text", "Zoë \"😀\" \\ \n 日本").Set("ключ", "").Set("none", null)
                .Set("int", int.MinValue).Set("long", long.MaxValue).Set("ulong", ulong.MaxValue).Set("float", 0.1f)
                .Set("large", 16777217f).Set("double", 1e-300).Set("true", true).Set("false", false)
                .SetJson("json", "{\"a\":[1,null]}").Set("nan", double.NaN).Set("inf", float.PositiveInfinity)
                .Set("int", "again").Set(null, 1).Set("", 1).Set(new string('k', 65), 1).Set("nul", "a\0b")
                .SetJson("broken", "{").Set("wide", new string('ß', 2000)).Set("last", 1)
                .Priority(PlaytracePriority.High).Send(), "builder");
            PlaytraceEvent outer = Playtrace.Event("outer").Set("a", 1); // two at once
            Same(PlaytraceStatus.Ok, Playtrace.Event("inner").Set("b", 2).Send(), "inner");
            PlaytraceEvent copy = outer.Set("c", 3);
            Same(PlaytraceStatus.Ok, outer.Send(), "outer");
            Same(PlaytraceStatus.Invalid, copy.Send(), "sent already");
            Same(PlaytraceStatus.Invalid, copy.Set("d", 4).Send(), "changed after it was sent");
            Playtrace.Event("never_sent").Set("a", 1);
            string id;
            Same(PlaytraceStatus.Ok, Playtrace.Event("built_id").Send(out id), "id");
            Same(36, id.Length, "the id's length");
            PlaytraceClient client = Playtrace.Client;
            Same(PlaytraceStatus.Ok, client.TrackJson("with_id", null, PlaytracePriority.Normal, out id), "id");
            Same(36, id.Length, "the id's length");
            string session = Playtrace.SessionId;
            Same(36, session.Length, "the session's length");
            Same(PlaytraceStatus.Ok, Playtrace.StartSession(), "a new session");
            Check(session != Playtrace.SessionId, "the session changes");
            Same(PlaytraceStatus.Ok, Playtrace.SetUser("второй"), "user");
            Same(PlaytraceStatus.Ok, Playtrace.Track("other_user"), "another user");
            Same(PlaytraceStatus.Ok, Playtrace.Sync(20000), "sync");
            ulong tracked = Playtrace.Stats.Tracked;
            Same(PlaytraceStatus.Ok, Playtrace.Flush(20000), "flush");
            Same(PlaytraceStatus.Ok, Playtrace.Shutdown(1000), "shutdown");
            Console.WriteLine("{\"tracked\":" + tracked + ",\"id\":\"" + id + "\",\"session\":\"" + session + "\"}");
        }

        // ---- many threads, and a collector that moves everything ----

        private static void Threads()
        {
            const int threads = 4;
            const int each = 2500;
            int bad = 0;
            bool isOver = false;

            Start();
            Thread stress = new Thread(() => {
                for (List<byte[]> waste = new List<byte[]>(); !Volatile.Read(ref isOver); GC.Collect())
                {
                    waste.Add(new byte[5000]);
                    if (waste.Count == 50)
                    {
                        waste.Clear();
                    }
                }
            });
            stress.Start();
            Thread[] workers = new Thread[threads];
            for (int t = 0; t < threads; t++)
            {
                int thread = t;
                workers[t] = new Thread(() => {
                    for (int i = 0; i < each; i++)
                    {
                        PlaytraceStatus status;
                        while ((status = One(thread, i)) == PlaytraceStatus.Dropped)
                        {
                            Thread.Sleep(1); // the ring is full: a test is faster than any game
                        }
                        if (status != PlaytraceStatus.Ok)
                        {
                            Interlocked.Increment(ref bad);
                        }
                    }
                });
                workers[t].Start();
            }
            foreach (Thread worker in workers)
            {
                worker.Join();
            }
            Volatile.Write(ref isOver, true);
            stress.Join();
            Same(0, bad, "calls that were not Ok");
            Same(PlaytraceStatus.Ok, Playtrace.Flush(30000), "flush");
            PlaytraceStats stats = Playtrace.Stats;
            Same(stats.Tracked, stats.Delivered, "delivered");
            Same(PlaytraceStatus.Ok, Playtrace.Shutdown(1000), "shutdown");
            Console.WriteLine("{\"wanted\":" + threads * each + ",\"collections\":" + GC.CollectionCount(GC.MaxGeneration) + "}");
        }

        private static PlaytraceStatus One(int thread, int i)
        {
            if (i % 2 == 0)
            {
                return Playtrace.Event("tick").Set("thread", thread).Set("i", i).Set("text", "größer").Send();
            }
            return Playtrace.TrackJson("tick", "{\"thread\":" + thread + ",\"i\":" + i + ",\"text\":\"größer\"}");
        }

        // ---- consent ----

        private static void Consent()
        {
            Start(PlaytraceConsent.None);
            Same(PlaytraceStatus.NoConsent, Playtrace.Track("before"), "before consent");
            Same(PlaytraceConsent.None, Playtrace.Consent, "consent");
            Same(PlaytraceStatus.Ok, Playtrace.GiveConsent(PlaytracePurposes.Analytics, "2026-11 ü"), "give");
            PlaytraceConsentRecord record = Playtrace.ConsentRecord;
            Same(PlaytraceConsent.Given, record.Consent, "record");
            Same(PlaytracePurposes.Analytics, record.Purposes, "purposes");
            Same("2026-11 ü", record.PolicyVersion, "policy");
            Check(Math.Abs((DateTime.UtcNow - record.DecidedAt.Value).TotalMinutes) < 5, "time: " + record.DecidedAt);
            Same(PlaytraceStatus.Ok, Playtrace.Track("during"), "during");
            Same(PlaytraceStatus.Ok, Playtrace.GiveConsent(PlaytracePurposes.All), "both");
            Same(PlaytracePurposes.All, Playtrace.ConsentRecord.Purposes, "purposes");
            Same("2026-11 ü", Playtrace.ConsentRecord.PolicyVersion, "policy stays");
            Same(PlaytraceStatus.Ok, Playtrace.Flush(20000), "flush");
            Same(PlaytraceStatus.Ok, Playtrace.Track("unsent"), "unsent");
            Same(PlaytraceStatus.Ok, Playtrace.WithdrawConsent("2026-12"), "withdraw");
            Same(PlaytraceConsent.Withdrawn, Playtrace.Consent, "consent");
            Same(PlaytracePurposes.None, Playtrace.ConsentRecord.Purposes, "purposes");
            Same(PlaytraceStatus.NoConsent, Playtrace.Track("after"), "after");
            for (int tries = 0; tries < 200 && Playtrace.Stats.Queued > 0; tries++)
            {
                Playtrace.Flush(100);
                Thread.Sleep(10);
            }
            Playtrace.Shutdown(1000);
            Start(PlaytraceConsent.Given); // the decision on disk holds, not the option
            Same(PlaytraceConsent.Withdrawn, Playtrace.Consent, "consent after a restart");
            Same(PlaytraceStatus.NoConsent, Playtrace.Track("after"), "after a restart");
            Same(PlaytraceStatus.Ok, Playtrace.ForgetConsent(), "forget");
            Same(PlaytraceConsent.None, Playtrace.Consent, "consent");
            Playtrace.Shutdown(0);
            Console.WriteLine("{}");
        }

        // ---- typed events cost the collector nothing ----

        private static void Allocations()
        {
            const int events = 100000; // one small object each would be 1.6 MB
            PlaytraceOptions options = Options();
            options.Url = "http://127.0.0.1:9";
            options.FlagsEnabled = false;
            Same(PlaytraceStatus.Ok, Playtrace.Init(options), "Init");
            Six(0);
            GC.Collect();
            int before = GC.CollectionCount(0);
            long bytes = GC.GetAllocatedBytesForCurrentThread();
            long start = System.Diagnostics.Stopwatch.GetTimestamp();
            for (int i = 0; i < events; i++)
            {
                PlaytraceStatus status = Six(i);
                if (status != PlaytraceStatus.Ok && status != PlaytraceStatus.Dropped)
                {
                    Same(PlaytraceStatus.Ok, status, "event");
                }
                Playtrace.GetFlag("none", 1);
            }
            double ns = (System.Diagnostics.Stopwatch.GetTimestamp() - start) * 1e9 / System.Diagnostics.Stopwatch.Frequency / events;
            bytes = GC.GetAllocatedBytesForCurrentThread() - bytes;
            Same(before, GC.CollectionCount(0), "collections");
            Check(bytes < events, "allocated " + bytes + " bytes");
            Playtrace.Shutdown(0);
            Console.WriteLine("{\"ns\":" + (long)ns + "}");
        }

        private static PlaytraceStatus Six(int i)
        {
            return Playtrace.Event("level_end").Set("level", i).Set("won", true).Set("seconds", 81.5).Set("hero", "größe")
                .Set("score", 123456789L).Set("mode", "hard").Send();
        }

        // ---- the session outlives a short pause, not a long one ----

        private static void Pauses()
        {
            PlaytraceOptions options = Options();
            options.SessionTimeoutMs = 3600 * 1000;
            Same(PlaytraceStatus.Ok, Playtrace.Init(options), "Init");
            string first = Playtrace.SessionId;
            Same(PlaytraceStatus.Ok, Playtrace.Track("first"), "track");
            Same(PlaytraceStatus.Ok, Playtrace.Pause(), "pause");
            Same(PlaytraceStatus.Ok, Playtrace.Resume(), "resume");
            Same(first, Playtrace.SessionId, "after a short pause");
            Playtrace.Flush(20000);
            Playtrace.Shutdown(1000);
            options.SessionTimeoutMs = 10;
            Same(PlaytraceStatus.Ok, Playtrace.Init(options), "Init");
            string second = Playtrace.SessionId;
            Same(PlaytraceStatus.Ok, Playtrace.Track("second"), "track");
            Same(PlaytraceStatus.Ok, Playtrace.Pause(), "pause");
            Thread.Sleep(100);
            Same(PlaytraceStatus.Ok, Playtrace.Resume(), "resume");
            string third = Playtrace.SessionId;
            Check(second != third, "a new session after a long pause");
            Same(PlaytraceStatus.Ok, Playtrace.Track("third"), "track");
            Same(PlaytraceStatus.Ok, Playtrace.Flush(20000), "flush");
            Same(PlaytraceStatus.Ok, Playtrace.Shutdown(1000), "shutdown");
            Console.WriteLine("{\"first\":\"" + first + "\",\"second\":\"" + second + "\",\"third\":\"" + third + "\"}");
        }

        // ---- flags ----

        private static void Flags()
        {
            Same(true, Playtrace.GetFlag("on", true), "before Init");
            Same("PROVIDER_NOT_READY", Playtrace.GetFlagDetails("on").ErrorCode, "before Init");
            PlaytraceOptions options = Options();
            options.FlagsPollMs = 0;
            Same(PlaytraceStatus.Ok, Playtrace.Init(options), "Init");
            Same(PlaytraceStatus.Ok, Playtrace.RefreshFlags(20000), "refresh");
            Same(true, Playtrace.GetFlag("on", false), "bool");
            Same(40, Playtrace.GetFlag("gate", 1), "int");
            Same(40L, Playtrace.GetFlag("gate", 1L), "long");
            Same(7, Playtrace.GetFlag("far", 7), "a number that no int holds");
            Same(1L << 40, Playtrace.GetFlag("far", 7L), "a number that a long holds");
            Same(0.25, Playtrace.GetFlag("share", 1.0), "double");
            Same(0.25f, Playtrace.GetFlag("share", 1.0f), "float");
            Same("Größe 😀", Playtrace.GetFlag("title", "none"), "text");
            Same("", Playtrace.GetFlag("empty", "none"), "an empty text");
            Same(new string('ß', 3000), Playtrace.GetFlag("long", "none"), "6,000 bytes");
            Same("{\"columns\":3}", Playtrace.GetFlagJson("layout", null).Replace(" ", ""), "JSON");
            Same("mine", Playtrace.GetFlag("on", "mine"), "another type");
            Same(null, Playtrace.GetFlag("missing", (string)null), "unknown, null");
            Same("", Playtrace.GetFlag("missing", ""), "unknown, empty");
            Same("dflt 😀", Playtrace.GetFlag("retired", "dflt 😀"), "turned off");
            Same(1.5, Playtrace.GetFlag(null, 1.5), "no key");
            PlaytraceFlagDetails details = Playtrace.GetFlagDetails("gate");
            Same("gate_40", details.Variant, "variant");
            Same(false, details.IsDefault, "default");
            Same("FLAG_NOT_FOUND", Playtrace.GetFlagDetails("missing").ErrorCode, "unknown");
            ulong before = Playtrace.Client.FlagsGeneration;
            Same(PlaytraceStatus.Ok, Playtrace.SetFlagContext(new Dictionary<string, object> { { "level", 3 } }), "context");
            Same(PlaytraceStatus.Ok, Playtrace.RefreshFlags(20000), "refresh");
            Check(Playtrace.Client.FlagsGeneration > before, "the generation grows");
            Same(30, Playtrace.GetFlag("gate", 1), "another context");
            Same(PlaytraceStatus.Invalid, Playtrace.Client.SetFlagContextJson("[]"), "no object");
            Same("a", Playtrace.GetFlag("shop", "none"), "of an experiment");
            Same("a", Playtrace.GetFlag("shop", "none"), "again: no second exposure");
            Same(PlaytraceStatus.Ok, Playtrace.Flush(20000), "flush");
            Same(PlaytraceStatus.Ok, Playtrace.Shutdown(1000), "shutdown");
            options.FlagContextJson = "{\"level\":3}";
            Same(PlaytraceStatus.Ok, Playtrace.Init(options), "Init");
            Same(30, Playtrace.GetFlag("gate", 1), "from disk, before any answer");
            Playtrace.Shutdown(0);
            Console.WriteLine("{}");
        }

        // ---- what must not hurt ----

        private static void Misuse()
        {
            Same(PlaytraceStatus.Invalid, Playtrace.Track("early"), "before Init");
            Same(PlaytraceStatus.Invalid, Playtrace.Flush(100), "flush before Init");
            Same(PlaytraceStatus.Ok, Playtrace.Shutdown(100), "shutdown before Init");
            Same("", Playtrace.SessionId, "session before Init");
            Same(0UL, Playtrace.Stats.Tracked, "stats before Init");
            Same(PlaytraceStatus.Invalid, Playtrace.Init((PlaytraceOptions)null), "no options");
            PlaytraceOptions options = Options();
            options.Url = "ftp://x";
            Same(PlaytraceStatus.Invalid, Playtrace.Init(options), "another scheme");
            options = Options();
            options.UserId = "nul\0nul";
            Same(PlaytraceStatus.Invalid, Playtrace.Init(options), "a NUL in a text");
            options = Options();
            options.QueueKey = new byte[31];
            Same(PlaytraceStatus.Invalid, Playtrace.Init(options), "a short key");
            options = Options();
            options.QueueDirectory = "/dev/null/x";
            Same(PlaytraceStatus.Io, Playtrace.Init(options), "no directory");
            List<string> said = new List<string>();
            Thread main = Thread.CurrentThread;
            options = Options();
            options.Log = (level, text) => {
                lock (said)
                {
                    said.Add((Thread.CurrentThread == main ? "here " : "elsewhere ") + level + ": " + text);
                }
                Playtrace.Track("?"); // from within a call, and refused again: no end without the lock
                throw new InvalidOperationException("a log that breaks");
            };
            Same(PlaytraceStatus.Ok, Playtrace.Init(options), "Init");
            Same(PlaytraceStatus.Ok, Playtrace.Init(Options()), "Init twice");
            PlaytraceClient second;
            Same(PlaytraceStatus.Busy, PlaytraceClient.Open(Options(), out second), "two clients, one directory");
            Check(second == null, "no second client");
            Same(PlaytraceStatus.Invalid, Playtrace.Track(null), "no name");
            Same(PlaytraceStatus.Invalid, Playtrace.Track(""), "empty name");
            Same(PlaytraceStatus.Invalid, Playtrace.Track("größe"), "a letter that is none");
            Same(PlaytraceStatus.Invalid, Playtrace.Track(new string('x', 65)), "65 letters");
            Same(PlaytraceStatus.Ok, Playtrace.Track(new string('x', 64)), "64 letters");
            Same(PlaytraceStatus.Invalid, Playtrace.Track(new string('x', 100000)), "100,000 letters");
            Same(PlaytraceStatus.Invalid, Playtrace.Track("nul\0nul"), "a NUL in a name");
            Same(PlaytraceStatus.Invalid, Playtrace.TrackJson("x", "{\"a\":1,}"), "broken JSON");
            Same(PlaytraceStatus.Invalid, Playtrace.TrackJson("x", "[1]"), "an array");
            Same(PlaytraceStatus.Invalid, Playtrace.TrackJson("x", "{\"a\":\"" + new string('x', 3000000) + "\"}"), "3 MB");
            Same(PlaytraceStatus.Invalid, Playtrace.SetUser(""), "an empty user");
            Check(said.Exists((text) => text.Contains("not taken")), "the log names what it refuses");
            Check(said.Count < 100, "the log is thinned out: " + said.Count);
            PlaytraceClient client = Playtrace.Client;
            Same(PlaytraceStatus.Ok, Playtrace.Flush(20000), "flush");
            Same(PlaytraceStatus.Ok, Playtrace.Shutdown(1000), "shutdown");
            Same(PlaytraceStatus.Invalid, Playtrace.Track("late"), "after Shutdown");
            Same(PlaytraceStatus.Invalid, client.TrackJson("late", null), "a closed client");
            Same(PlaytraceStatus.Invalid, client.Flush(1), "flush of a closed client");
            Same(PlaytraceStatus.Invalid, client.Close(1), "closed twice");
            Check(!client.IsOpen, "closed");
            client.Tick();
            // A full queue is said by the library's own thread.
            said.Clear();
            options.QueueDirectory += "-full";
            options.Url = "http://127.0.0.1:9";
            options.QueueBytesMax = 64 * 1024;
            PlaytraceClient full;
            Same(PlaytraceStatus.Ok, PlaytraceClient.Open(options, out full), "a small queue");
            for (int i = 0; i < 50; i++)
            {
                full.Event("filler").Set("text", new string('x', 2000)).Send();
            }
            full.Sync(20000);
            Check(full.Stats.DroppedBudget > 0, "dropped: " + full.Stats.DroppedBudget);
            full.Close(0);
            Check(said.Exists((text) => text.StartsWith("elsewhere ")),
                  "the log of the library's own thread: " + string.Join("\n", said.ToArray()));
            options = Options();
            options.QueueKey = Encoding.ASCII.GetBytes("0123456789abcdef0123456789abcdef");
            Same(PlaytraceStatus.Ok, Playtrace.Init(options), "sealed");
            Same(PlaytraceStatus.Ok, Playtrace.Track("sealed"), "sealed");
            Same(PlaytraceStatus.Ok, Playtrace.Flush(20000), "flush");
            Same(PlaytraceStatus.Ok, Playtrace.Shutdown(1000), "shutdown");
            Console.WriteLine("{}");
        }

        // ---- Shutdown while other threads track, a hundred times ----

        private static void ClosingUnderLoad()
        {
            long taken = 0;
            bool isOver = false;
            Thread[] workers = new Thread[3];

            for (int t = 0; t < workers.Length; t++)
            {
                workers[t] = new Thread(() => {
                    while (!Volatile.Read(ref isOver))
                    {
                        if (Playtrace.TrackJson("closing", "{\"a\":1}") == PlaytraceStatus.Ok)
                        {
                            Interlocked.Increment(ref taken);
                        }
                        Thread.Sleep(0);
                    }
                });
                workers[t].Start();
            }
            for (int i = 0; i < 100; i++)
            {
                Start();
                Thread.Sleep(1);
                Playtrace.Shutdown(0);
            }
            Volatile.Write(ref isOver, true);
            foreach (Thread worker in workers)
            {
                worker.Join();
            }
            PlaytraceOptions options = Options();
            options.ReportHealth = false;
            options.BatchEventsMax = 1000;
            Same(PlaytraceStatus.Ok, Playtrace.Init(options), "Init");
            Same(PlaytraceStatus.Ok, Playtrace.Flush(30000), "flush");
            Same(PlaytraceStatus.Ok, Playtrace.Shutdown(1000), "shutdown");
            Console.WriteLine("{\"wanted\":" + taken + "}");
        }

        // ---- an engine's transport: answers come through the callbacks, from native threads ----

        private sealed class Fake : PlaytraceTransport
        {
            public readonly List<PlaytraceRequest> Seen = new List<PlaytraceRequest>();
            public readonly List<Thread> Callers = new List<Thread>();
            public int Aborted;
            public Func<int, PlaytraceRequest, bool> Answer; // false: never

            protected override void Begin(PlaytraceRequest request)
            {
                Seen.Add(request);
                Callers.Add(Thread.CurrentThread);
                request.Tag = Seen.Count;
            }

            protected override bool Step(PlaytraceRequest request)
            {
                return Answer((int)request.Tag, request);
            }

            protected override void Abort(PlaytraceRequest request)
            {
                Aborted++;
            }
        }

        private static int CountEvents(PlaytraceRequest request)
        {
            Stream from = new MemoryStream(request.Body);
            if (Array.IndexOf(request.HeaderValues, "gzip") >= 0)
            {
                from = new GZipStream(from, CompressionMode.Decompress);
            }
            string body = new StreamReader(from).ReadToEnd();
            return (body.Length - body.Replace("\"event_id\"", "").Length) / "\"event_id\"".Length;
        }

        private static void Network()
        {
            foreach (bool withoutWorker in new[] { false, true })
            {
                NetworkOnce(withoutWorker);
            }
            Console.WriteLine("{}");
        }

        private static void NetworkOnce(bool withoutWorker)
        {
            Fake fake = new Fake();
            List<string> said = new List<string>();
            PlaytraceOptions options = Options();
            options.Log = (level, text) => {
                lock (said)
                {
                    said.Add(text);
                }
                throw new InvalidOperationException("a log that breaks");
            };
            options.QueueDirectory += withoutWorker ? "-pumped" : "";
            options.FlagsEnabled = false;
            options.ApiKey = "key-1";
            options.Transport = fake;
            options.WithoutWorker = withoutWorker;
            options.RequestTimeoutMs = 400;
            fake.Answer = (number, request) => {
                if (number == 1)
                {
                    throw new InvalidOperationException("a transport that breaks");
                }
                if (number == 2)
                {
                    return false; // hangs: the core gives up by itself
                }
                if (number == 3)
                {
                    request.Status = 503;
                    request.RetryAfter = "0";
                    request.Answer = new byte[200000]; // more than the core takes
                    return true;
                }
                request.Status = 202;
                request.ContentType = "application/json";
                request.Answer = Encoding.UTF8.GetBytes("{\"accepted\":" + CountEvents(request) + ",\"rejected\":[]}");
                return true;
            };
            Same(PlaytraceStatus.Ok, Playtrace.Init(options), "Init");
            for (int i = 0; i < 300; i++)
            {
                Same(PlaytraceStatus.Ok, One(0, i), "track");
            }
            for (int tries = 0; tries < 200 && (Playtrace.Flush(1000) != PlaytraceStatus.Ok || Playtrace.Stats.Queued > 0); tries++)
            {
            }
            PlaytraceStats stats = Playtrace.Stats;
            Same(0UL, stats.Queued, "queued");
            Same(stats.Tracked, stats.Delivered, "delivered");
            Check(fake.Seen.Count >= 6, "requests: " + fake.Seen.Count);
            foreach (Thread caller in fake.Callers)
            {
                Check(caller == Thread.CurrentThread, "the transport runs on the thread that ticks");
            }
            PlaytraceRequest first = fake.Seen[0];
            Same("POST", first.Method, "method");
            Same(url + "/v1/events", first.Url, "url");
            int at = Array.IndexOf(first.HeaderNames, "Authorization");
            Same("Bearer key-1", at < 0 ? null : first.HeaderValues[at], "key");
            Check(fake.Aborted >= 2, "what broke and what hung was aborted");
            Check(said.Exists((text) => text.Contains("a transport that breaks")), "the log says why: " + string.Join("\n", said.ToArray()));

            // Closed with a request on its way: it ends, and what it carried stays on disk.
            fake.Answer = (number, request) => false;
            Same(PlaytraceStatus.Ok, Playtrace.Track("left"), "track");
            Playtrace.Flush(50);
            PlaytraceStatus status = Playtrace.Shutdown(50);
            Check(status == PlaytraceStatus.Queued, "shutdown: " + status);
            options.Transport = new Fake { Answer = (number, request) => true };
            Same(PlaytraceStatus.Ok, Playtrace.Init(options), "Init again");
            Check(Playtrace.Stats.Recovered >= 1, "what was left is there");
            Same(PlaytraceStatus.Queued, Playtrace.Shutdown(0), "shutdown");
        }
    }
}
