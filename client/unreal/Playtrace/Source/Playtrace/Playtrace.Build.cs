// Playtrace.Build.cs - one module: the SDK's core (C99) and what ties it to the engine
//
// The core's sources stand in Source/ThirdParty/PlaytraceCore, and Private/Core holds one small file for each that
// includes it, because UnrealBuildTool compiles what lies under a module and nothing else. Both are put there by
// tools/unreal_package.mjs of Playtrace's repository; a release of the plugin has them.
using System.IO;
using UnrealBuildTool;

public class Playtrace : ModuleRules
{
    public Playtrace(ReadOnlyTargetRules Target) : base(Target)
    {
        string Core = Path.Combine(ModuleDirectory, "..", "ThirdParty", "PlaytraceCore");

        if (!File.Exists(Path.Combine(Core, "include", "playtrace.h")))
        {
            throw new BuildException("Playtrace: Source/ThirdParty/PlaytraceCore is not there. Take a release of the "
                + "plugin, or make one: node tools/unreal_package.mjs in Playtrace's repository.");
        }

        PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;
        bUseUnity = false;                 // the core's files each have statics of their own
        bEnableUndefinedIdentifierWarnings = false;
        CppStandard = CppStandardVersion.Cpp17;

        PublicDependencyModuleNames.AddRange(new string[] { "Core", "CoreUObject", "Engine", "DeveloperSettings" });
        PrivateDependencyModuleNames.AddRange(new string[] { "HTTP", "Analytics", "AnalyticsET" });
        PrivateIncludePaths.AddRange(new string[]
        {
            Path.Combine(ModuleDirectory, "Private"),
            Path.Combine(Core, "include"),
            Core,
        });
        PrivateDefinitions.Add("PT_VERSION=\"0.1.0\"");
    }
}
