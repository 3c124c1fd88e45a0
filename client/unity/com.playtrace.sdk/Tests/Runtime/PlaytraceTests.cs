using System;
using System.Collections.Generic;
using System.IO;
using NUnit.Framework;

namespace PlaytraceSdk.Tests
{
    /// <summary>What can be seen without a server: nothing listens at the address.</summary>
    public sealed class PlaytraceTests
    {
        private string directory;

        [SetUp]
        public void Begin()
        {
            Playtrace.Shutdown(0); // a project's own settings may have started it
            directory = Path.Combine(Path.GetTempPath(), "playtrace-" + Guid.NewGuid().ToString("N"));
        }

        [TearDown]
        public void End()
        {
            Playtrace.Shutdown(0);
            if (Directory.Exists(directory))
            {
                Directory.Delete(directory, true);
            }
        }

        private PlaytraceStatus Start(PlaytraceConsent consent)
        {
            return Playtrace.Init(new PlaytraceOptions {
                Url = "http://127.0.0.1:9", QueueDirectory = directory, InitialConsent = consent, FlagsEnabled = false,
                ReportHealth = false,
            });
        }

        [Test]
        public void CallsBeforeTheStartAreStatuses()
        {
            Assert.AreEqual(PlaytraceStatus.Invalid, Playtrace.Track("early"));
            Assert.AreEqual(PlaytraceStatus.Invalid, Playtrace.Event("early").Set("a", 1).Send());
            Assert.AreEqual("mine", Playtrace.GetFlag("key", "mine"));
            Assert.AreEqual(0UL, Playtrace.Stats.Tracked);
        }

        [Test]
        public void NothingIsTakenBeforeConsent()
        {
            Assert.AreEqual(PlaytraceStatus.Ok, Start(PlaytraceConsent.None));
            Assert.AreEqual(PlaytraceStatus.NoConsent, Playtrace.Track("early"));
            Assert.AreEqual(PlaytraceStatus.Ok, Playtrace.GiveConsent(PlaytracePurposes.Analytics, "v1"));
            Assert.AreEqual(PlaytraceStatus.Ok, Playtrace.Track("level_end"));
            Assert.AreEqual("v1", Playtrace.ConsentRecord.PolicyVersion);
        }

        [Test]
        public void EventsOutliveARestart()
        {
            Assert.AreEqual(PlaytraceStatus.Ok, Start(PlaytraceConsent.Given));
            Assert.AreEqual(PlaytraceStatus.Ok, Playtrace.Event("level_end").Set("level", 7).Set("wörter", "größer").Send());
            Assert.AreEqual(PlaytraceStatus.Ok, Playtrace.Track("loadout", new Dictionary<string, object> { { "health", 0.75f } }));
            Assert.AreEqual(PlaytraceStatus.Queued, Playtrace.Shutdown(0));
            Assert.AreEqual(PlaytraceStatus.Ok, Start(PlaytraceConsent.None));
            Assert.AreEqual(2UL, Playtrace.Stats.Recovered);
        }

        [Test]
        public void WithdrawingEmptiesTheQueue()
        {
            Assert.AreEqual(PlaytraceStatus.Ok, Start(PlaytraceConsent.Given));
            Assert.AreEqual(PlaytraceStatus.Ok, Playtrace.Track("level_end"));
            Assert.AreEqual(PlaytraceStatus.Ok, Playtrace.WithdrawConsent());
            Assert.AreEqual(1UL, Playtrace.Stats.Withdrawn);
            Assert.AreEqual(PlaytraceStatus.NoConsent, Playtrace.Track("late"));
        }

        [Test]
        public void NonsenseIsRefused()
        {
            Assert.AreEqual(PlaytraceStatus.Ok, Start(PlaytraceConsent.Given));
            Assert.AreEqual(PlaytraceStatus.Invalid, Playtrace.Track("no spaces"));
            Assert.AreEqual(PlaytraceStatus.Invalid, Playtrace.TrackJson("x", "{"));
            Assert.AreEqual(PlaytraceStatus.Ok, Playtrace.Event("x").Set("nan", float.NaN).Set("fine", 1).Send());
        }
    }
}
