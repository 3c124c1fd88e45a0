using System;
using System.IO;
using UnityEditor;
using UnityEditor.Build;
using UnityEditor.Build.Reporting;
using UnityEngine;

namespace PlaytraceSdk.Editor
{
    /// <summary>Says before a build what would be found out only in the player.</summary>
    internal sealed class PlaytraceBuildCheck : IPreprocessBuildWithReport
    {
        public int callbackOrder
        {
            get { return 0; }
        }

        public void OnPreprocessBuild(BuildReport report)
        {
            BuildTarget target = report.summary.platform;
            PlaytraceSettings settings = PlaytraceSettings.Load();
            if (settings != null && settings.startAutomatically && settings.url.Length == 0)
            {
                Debug.LogWarning("Playtrace: it is to start automatically, but has no address " +
                                 "(Project Settings > Playtrace). This player will record nothing.");
            }
            if (!HasLibrary(target))
            {
                Debug.LogWarning("Playtrace: there is no native library for " + target + ". The game will run, Playtrace.Init() " +
                                 "will answer Invalid. The package's README says how a library is built.");
            }
        }

        internal static bool HasLibrary(BuildTarget target)
        {
            foreach (PluginImporter importer in PluginImporter.GetImporters(target))
            {
                string file = Path.GetFileName(importer.assetPath);
                if (importer.isNativePlugin && file.IndexOf("playtrace", StringComparison.OrdinalIgnoreCase) >= 0)
                {
                    return true;
                }
            }
            return false;
        }
    }
}
