using NUnit.Framework;
using PlaytraceSdk.Editor;
using UnityEngine;

namespace PlaytraceSdk.Tests
{
    public sealed class PlaytraceEditorTests
    {
        [Test]
        public void SettingsSayWhatIsWrong()
        {
            PlaytraceSettings settings = ScriptableObject.CreateInstance<PlaytraceSettings>();
            Assert.IsNotNull(PlaytraceSettingsProvider.Problem(settings));
            settings.url = "play.example";
            Assert.IsNotNull(PlaytraceSettingsProvider.Problem(settings));
            settings.url = "http://play.example";
            Assert.IsNotNull(PlaytraceSettingsProvider.Problem(settings));
            settings.url = "https://play.example";
            Assert.IsNull(PlaytraceSettingsProvider.Problem(settings));
            settings.url = "http://127.0.0.1:8080";
            Assert.IsNull(PlaytraceSettingsProvider.Problem(settings));
        }

        [Test]
        public void PlatformsHaveTheServersNames()
        {
            Assert.AreEqual("pc", PlaytraceSettings.PlatformName(RuntimePlatform.WindowsPlayer));
            Assert.AreEqual("pc", PlaytraceSettings.PlatformName(RuntimePlatform.LinuxEditor));
            Assert.AreEqual("ios", PlaytraceSettings.PlatformName(RuntimePlatform.IPhonePlayer));
            Assert.AreEqual("android", PlaytraceSettings.PlatformName(RuntimePlatform.Android));
            Assert.AreEqual("web", PlaytraceSettings.PlatformName(RuntimePlatform.WebGLPlayer));
            Assert.AreEqual("console", PlaytraceSettings.PlatformName(RuntimePlatform.Switch));
        }

        [Test]
        public void TheBrowserOwnsItsNetworkAndTheEngineTheOthers()
        {
            Assert.IsTrue(PlaytraceSettings.UsesEngine(PlaytraceNetwork.Auto, RuntimePlatform.Android));
            Assert.IsTrue(PlaytraceSettings.UsesEngine(PlaytraceNetwork.Auto, RuntimePlatform.LinuxEditor));
            Assert.IsFalse(PlaytraceSettings.UsesEngine(PlaytraceNetwork.Auto, RuntimePlatform.WebGLPlayer));
            Assert.IsFalse(PlaytraceSettings.UsesEngine(PlaytraceNetwork.Native, RuntimePlatform.Android));
        }

        [Test]
        public void TheLinkerIsGivenOurList()
        {
            string path = new PlaytraceLinker().GenerateAdditionalLinkXmlFile(null, null);
            StringAssert.EndsWith("link.xml", path);
        }
    }
}
