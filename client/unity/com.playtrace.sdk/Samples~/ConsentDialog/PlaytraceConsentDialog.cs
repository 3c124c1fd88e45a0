using PlaytraceSdk;
using UnityEngine;

/// <summary>
/// Asks the player once, by purpose, and again when the text changes. Refusing is as easy as agreeing, nothing is ticked
/// beforehand, and Show() lets him change his mind. Drawn by OnGUI so that it needs no package: take its logic, and your
/// game's own buttons.
/// </summary>
public sealed class PlaytraceConsentDialog : MonoBehaviour
{
    [SerializeField] private string policyVersion = "2026-01";
    [SerializeField, TextArea] private string text =
        "May we record how the game is played, to make it better? You can change your mind in the settings at any time.";
    [SerializeField] private string analyticsLabel = "What I do in the game";
    [SerializeField] private string experimentsLabel = "Trying variants of the game with me";

    private bool isShown;
    private bool isAnalytics;
    private bool isExperiments;

    /// <summary>For the game's privacy settings: ask again, with what holds now.</summary>
    public void Show()
    {
        PlaytracePurposes now = Playtrace.ConsentRecord.Purposes;
        isAnalytics = (now & PlaytracePurposes.Analytics) != 0;
        isExperiments = (now & PlaytracePurposes.Experiments) != 0;
        isShown = true;
    }

    private void Update()
    {
        // Running: in a browser that takes a moment.
        if (!isShown && Playtrace.IsRunning && MustAsk(Playtrace.ConsentRecord))
        {
            Show();
        }
    }

    private bool MustAsk(PlaytraceConsentRecord record)
    {
        return record.Consent == PlaytraceConsent.None || record.PolicyVersion != policyVersion;
    }

    private void Decide(PlaytracePurposes purposes)
    {
        isShown = false;
        Playtrace.GiveConsent(purposes, policyVersion); // no purpose: a refusal
    }

    private void OnGUI()
    {
        if (!isShown)
        {
            return;
        }
        float scale = Screen.height / 360f; // the same size on every screen
        float width = Screen.width / scale;
        GUI.matrix = Matrix4x4.Scale(new Vector3(scale, scale, 1));
        GUIStyle words = new GUIStyle(GUI.skin.label) { wordWrap = true };
        GUILayout.BeginArea(new Rect(width / 2 - 160, 60, 320, 240), GUI.skin.box);
        GUILayout.Label(text, words);
        GUILayout.Space(8);
        isAnalytics = GUILayout.Toggle(isAnalytics, analyticsLabel);
        isExperiments = GUILayout.Toggle(isExperiments, experimentsLabel);
        GUILayout.FlexibleSpace();
        GUILayout.BeginHorizontal();
        if (GUILayout.Button("Refuse all"))
        {
            Decide(PlaytracePurposes.None);
        }
        if (GUILayout.Button("Save my choice"))
        {
            Decide((isAnalytics ? PlaytracePurposes.Analytics : PlaytracePurposes.None) |
                   (isExperiments ? PlaytracePurposes.Experiments : PlaytracePurposes.None));
        }
        if (GUILayout.Button("Agree to all"))
        {
            Decide(PlaytracePurposes.All);
        }
        GUILayout.EndHorizontal();
        GUILayout.EndArea();
    }
}
