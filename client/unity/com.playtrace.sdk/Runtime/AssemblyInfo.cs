using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Playtrace.Editor")]
[assembly: InternalsVisibleTo("Playtrace.Tests")]
[assembly: InternalsVisibleTo("Playtrace.Editor.Tests")]
[assembly: InternalsVisibleTo("Playtrace.Lifecycle")]
