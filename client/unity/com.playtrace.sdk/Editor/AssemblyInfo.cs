using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Playtrace.Editor.Tests")]
[assembly: InternalsVisibleTo("Playtrace.Lifecycle")]
