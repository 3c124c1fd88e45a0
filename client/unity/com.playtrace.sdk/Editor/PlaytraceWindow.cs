using UnityEditor;
using UnityEngine;

namespace PlaytraceSdk.Editor
{
    /// <summary>Window > Analysis > Playtrace: what becomes of the events while the game plays.</summary>
    internal sealed class PlaytraceWindow : EditorWindow
    {
        private Vector2 scroll;

        [MenuItem("Window/Analysis/Playtrace")]
        private static void Open()
        {
            GetWindow<PlaytraceWindow>("Playtrace");
        }

        private void OnInspectorUpdate() // ten times a second
        {
            Repaint();
        }

        private void OnGUI()
        {
            if (GUILayout.Button("Settings"))
            {
                SettingsService.OpenProjectSettings(PlaytraceSettingsProvider.SettingsPath);
            }
            if (!Playtrace.IsRunning)
            {
                EditorGUILayout.HelpBox("Playtrace is not running. " + (EditorApplication.isPlaying
                    ? "The last Init answered " + Playtrace.LastInit + "; the console says why."
                    : "It starts with the game."), MessageType.Info);
                return;
            }
            scroll = EditorGUILayout.BeginScrollView(scroll);
            DrawConsent();
            DrawStats(Playtrace.Stats);
            if (GUILayout.Button("Send now"))
            {
                Playtrace.Flush(2000);
            }
            EditorGUILayout.EndScrollView();
        }

        private static void DrawConsent()
        {
            PlaytraceConsentRecord record = Playtrace.ConsentRecord;
            EditorGUILayout.LabelField("Session", Playtrace.SessionId);
            EditorGUILayout.LabelField("Consent", record.Consent + " for " + record.Purposes);
            EditorGUILayout.LabelField("Decided", record.DecidedAt.HasValue ? record.DecidedAt.Value.ToString("u") : "never");
            EditorGUILayout.LabelField("Text", record.PolicyVersion);
            GUILayout.BeginHorizontal();
            if (GUILayout.Button("Give"))
            {
                Playtrace.GiveConsent();
            }
            if (GUILayout.Button("Withdraw"))
            {
                Playtrace.WithdrawConsent();
            }
            if (GUILayout.Button("Forget"))
            {
                Playtrace.ForgetConsent();
            }
            GUILayout.EndHorizontal();
        }

        private static void DrawStats(PlaytraceStats stats)
        {
            Row("Tracked", stats.Tracked);
            Row("Found at the start", stats.Recovered);
            Row("Waiting", stats.Queued);
            Row("Bytes on disk", stats.QueuedBytes);
            Row("Delivered", stats.Delivered);
            Row("Refused by the server", stats.Refused + stats.Unreadable);
            Row("Lost (memory or disk full, too old)",
                stats.DroppedRing + stats.DroppedBudget + stats.DroppedEvicted + stats.DroppedAge);
            Row("Wrong calls", stats.Invalid);
            Row("Withdrawn", stats.Withdrawn);
            Row("Requests", stats.SendAttempts);
            Row("of these again", stats.Retries);
            Row("Flag requests", stats.FlagRequests);
        }

        private static void Row(string label, ulong number)
        {
            EditorGUILayout.LabelField(label, number.ToString("N0"));
        }
    }
}
