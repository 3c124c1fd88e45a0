using UnityEditor;

namespace PlaytraceSdk.Editor
{
    /// <summary>
    /// Ends Playtrace before the editor throws the assemblies away: the library's thread must not call into a domain that
    /// is gone. While the game plays, PlaytraceBehaviour starts it again afterwards.
    /// </summary>
    [InitializeOnLoad]
    internal static class PlaytraceReload
    {
        static PlaytraceReload()
        {
            AssemblyReloadEvents.beforeAssemblyReload += End;
            EditorApplication.quitting += End;
        }

        private static void End()
        {
            Playtrace.Shutdown(0);
        }
    }
}
