using System.Collections.Generic;
using PlaytraceSdk;
using UnityEngine;

/// <summary>
/// Put it on any game object and press Play, with `playtrace serve` on this machine: it starts Playtrace, sends events
/// and says what became of them.
/// </summary>
public sealed class PlaytraceQuickStart : MonoBehaviour
{
    [SerializeField] private string url = "http://127.0.0.1:8080";

    private float nextReport;

    private void Start()
    {
        PlaytraceSettings settings = PlaytraceSettings.Load();
        if (settings == null)
        {
            settings = ScriptableObject.CreateInstance<PlaytraceSettings>();
            settings.url = url;
        }
        Playtrace.Init(settings);
        Playtrace.GiveConsent(PlaytracePurposes.All, "sample-1"); // a game asks first: see the sample ConsentDialog
        Playtrace.FlagsChanged += OnFlagsChanged;

        // Typed, without allocation:
        Playtrace.Event("level_start").Set("level", 1).Set("difficulty", "hard").Send();
        // Or from a dictionary:
        Playtrace.Track("loadout", new Dictionary<string, object> {
            { "weapons", new List<string> { "bow", "sword" } }, { "health", 0.75f },
        });
        // What must not be lost before a heartbeat is:
        Playtrace.Event("purchase").Set("sku", "gems_100").Set("price", 4.99).Priority(PlaytracePriority.High).Send();
    }

    private void OnDestroy()
    {
        Playtrace.FlagsChanged -= OnFlagsChanged;
    }

    private void OnFlagsChanged()
    {
        Debug.Log("new-shop is " + Playtrace.GetFlag("new-shop", false));
    }

    private void Update()
    {
        if (Time.unscaledTime >= nextReport)
        {
            PlaytraceStats stats = Playtrace.Stats;
            nextReport = Time.unscaledTime + 5;
            Debug.Log("Playtrace: " + stats.Tracked + " tracked, " + stats.Delivered + " delivered, " + stats.Queued + " waiting");
        }
    }
}
