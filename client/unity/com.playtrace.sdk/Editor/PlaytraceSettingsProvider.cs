using System.Collections.Generic;
using System.IO;
using UnityEditor;
using UnityEngine;

namespace PlaytraceSdk.Editor
{
    /// <summary>Project Settings > Playtrace: makes and edits the settings asset.</summary>
    internal static class PlaytraceSettingsProvider
    {
        internal const string SettingsPath = "Project/Playtrace";
        internal const string AssetPath = "Assets/Resources/" + PlaytraceSettings.ResourceName + ".asset";

        [SettingsProvider]
        private static SettingsProvider Create()
        {
            return new SettingsProvider(SettingsPath, SettingsScope.Project)
            {
                label = "Playtrace",
                guiHandler = Draw,
                keywords = new HashSet<string> { "analytics", "events", "consent", "flags", "telemetry" },
            };
        }

        private static void Draw(string searchContext)
        {
            PlaytraceSettings settings = PlaytraceSettings.Load();
            if (settings == null)
            {
                EditorGUILayout.HelpBox("There is no settings asset. The game starts Playtrace with one, or with options in code.",
                                        MessageType.Info);
                if (GUILayout.Button("Create " + AssetPath))
                {
                    CreateAsset();
                }
                return;
            }
            SerializedObject serialized = new SerializedObject(settings);
            SerializedProperty property = serialized.GetIterator();
            for (bool isFirst = true; property.NextVisible(isFirst); isFirst = false)
            {
                if (property.name != "m_Script")
                {
                    EditorGUILayout.PropertyField(property, true);
                }
            }
            serialized.ApplyModifiedProperties();
            string problem = Problem(settings);
            if (problem != null)
            {
                EditorGUILayout.HelpBox(problem, MessageType.Warning);
            }
            if (settings.initialConsent == PlaytraceConsent.Given)
            {
                EditorGUILayout.HelpBox("Events are stored and sent before the player was asked. Many countries allow that only where " +
                                        "no consent is needed.", MessageType.Warning);
            }
        }

        /// <summary>What would keep Playtrace from starting; null: nothing that can be seen here.</summary>
        internal static string Problem(PlaytraceSettings settings)
        {
            if (string.IsNullOrEmpty(settings.url))
            {
                return "Without an address nothing starts.";
            }
            if (!settings.url.StartsWith("https://") && !settings.url.StartsWith("http://"))
            {
                return "The address must begin with https:// (or http:// while you develop).";
            }
            if (settings.url.IndexOf(' ') >= 0 || settings.apiKey.IndexOf(' ') >= 0)
            {
                return "Address and key hold no spaces.";
            }
            if (settings.url.StartsWith("http://") && settings.url.IndexOf("//localhost") < 0 && settings.url.IndexOf("//127.") < 0)
            {
                return "Over http:// everyone on the way reads along, and iOS and Android refuse it.";
            }
            return null;
        }

        internal static PlaytraceSettings CreateAsset()
        {
            PlaytraceSettings settings = ScriptableObject.CreateInstance<PlaytraceSettings>();
            Directory.CreateDirectory(Path.GetDirectoryName(AssetPath));
            AssetDatabase.CreateAsset(settings, AssetPath);
            AssetDatabase.SaveAssets();
            return settings;
        }
    }
}
