using System.IO;
using UnityEditor;
using UnityEditor.Build;
using UnityEditor.Build.Reporting;
using UnityEditor.UnityLinker;

namespace PlaytraceSdk.Editor
{
    /// <summary>Hands the package's link.xml to the linker, which by itself looks only below Assets.</summary>
    internal sealed class PlaytraceLinker : IUnityLinkerProcessor
    {
        // The GUID of link.xml: it is found wherever the package lies.
        internal const string LinkGuid = "203ea1b549f1f4c263630234e86bb615";

        public int callbackOrder
        {
            get { return 0; }
        }

        public string GenerateAdditionalLinkXmlFile(BuildReport report, UnityLinkerBuildPipelineData data)
        {
            return Path.GetFullPath(AssetDatabase.GUIDToAssetPath(LinkGuid));
        }
    }
}
