// UnityEditor.cs - STAND-INS: the part of UnityEditor's API that the package uses. It compiles against these; what an
// editor does with it was not tried.
using System;
using System.Collections.Generic;
using UnityEngine;

namespace UnityEditor
{
    public enum BuildTarget
    {
        StandaloneLinux64 = 24,
    }

    public enum SettingsScope
    {
        User,
        Project,
    }

    public enum MessageType
    {
        None,
        Info,
        Warning,
        Error,
    }

    public sealed class InitializeOnLoadAttribute : Attribute
    {
    }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class SettingsProviderAttribute : Attribute
    {
    }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class MenuItem : Attribute
    {
        public MenuItem(string itemName)
        {
        }
    }

    public class SettingsProvider
    {
        public SettingsProvider(string path, SettingsScope scopes, IEnumerable<string> keywords = null)
        {
        }

        public string label { get; set; }
        public Action<string> guiHandler { get; set; }
        public IEnumerable<string> keywords { get; set; }
    }

    public static class SettingsService
    {
        public static EditorWindow OpenProjectSettings(string settingsPath = null)
        {
            return null;
        }
    }

    public class EditorWindow : ScriptableObject
    {
        public static T GetWindow<T>(string title) where T : EditorWindow
        {
            return CreateInstance<T>();
        }

        public void Repaint()
        {
        }
    }

    public class SerializedObject
    {
        public SerializedObject(UnityEngine.Object obj)
        {
        }

        public SerializedProperty GetIterator()
        {
            return new SerializedProperty();
        }

        public bool ApplyModifiedProperties()
        {
            return false;
        }
    }

    public class SerializedProperty
    {
        public string name
        {
            get { return ""; }
        }

        public bool NextVisible(bool enterChildren)
        {
            return false;
        }
    }

    public static class EditorGUILayout
    {
        public static void HelpBox(string message, MessageType type)
        {
        }

        public static bool PropertyField(SerializedProperty property, bool includeChildren, params GUILayoutOption[] options)
        {
            return false;
        }

        public static void LabelField(string label, string label2, params GUILayoutOption[] options)
        {
        }

        public static Vector2 BeginScrollView(Vector2 scrollPosition, params GUILayoutOption[] options)
        {
            return scrollPosition;
        }

        public static void EndScrollView()
        {
        }
    }

    public static class AssetDatabase
    {
        public static readonly Dictionary<string, string> paths = new Dictionary<string, string>(); // the test's

        public static void CreateAsset(UnityEngine.Object asset, string path)
        {
        }

        public static void SaveAssets()
        {
        }

        public static string GUIDToAssetPath(string guid)
        {
            string path;
            return paths.TryGetValue(guid, out path) ? path : "";
        }
    }

    public static class AssemblyReloadEvents
    {
        public delegate void AssemblyReloadCallback();

        public static event AssemblyReloadCallback beforeAssemblyReload;

        public static void Reload()
        {
            beforeAssemblyReload();
        }
    }

    public static class EditorApplication
    {
        public static bool isPlaying { get; set; }

        public static event Action quitting;

        public static void Quit()
        {
            quitting();
        }
    }

    public class AssetImporter : UnityEngine.Object
    {
        public string assetPath { get; set; }
    }

    public sealed class PluginImporter : AssetImporter
    {
        public static readonly List<PluginImporter> all = new List<PluginImporter>(); // the test's

        public bool isNativePlugin { get; set; }

        public static PluginImporter[] GetImporters(BuildTarget platform)
        {
            return all.ToArray();
        }
    }
}

namespace UnityEditor.Build
{
    public interface IOrderedCallback
    {
        int callbackOrder { get; }
    }

    public interface IPreprocessBuildWithReport : IOrderedCallback
    {
        void OnPreprocessBuild(UnityEditor.Build.Reporting.BuildReport report);
    }

    public interface IUnityLinkerProcessor : IOrderedCallback
    {
        string GenerateAdditionalLinkXmlFile(UnityEditor.Build.Reporting.BuildReport report,
                                             UnityEditor.UnityLinker.UnityLinkerBuildPipelineData data);
    }
}

namespace UnityEditor.Build.Reporting
{
    public struct BuildSummary
    {
        public BuildTarget platform
        {
            get { return BuildTarget.StandaloneLinux64; }
        }
    }

    public sealed class BuildReport : UnityEngine.Object
    {
        public BuildSummary summary
        {
            get { return default(BuildSummary); }
        }
    }
}

namespace UnityEditor.UnityLinker
{
    public sealed class UnityLinkerBuildPipelineData
    {
    }
}
