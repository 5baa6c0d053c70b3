using DistOpt.Core.Specs;

namespace DistOpt.Core.Pruners;

/// <summary>Options of <c>pruner: none</c>: there are none.</summary>
public sealed record NoPruningOptions;

/// <summary>The plug-ins under <c>study.pruner</c>. Adding one is one file and one line here.</summary>
public static class PrunerCatalog
{
    public static Catalog<object> Default { get; } = new Catalog<object>("pruner")
        .Add(new("none", typeof(NoPruningOptions), new NoPruningOptions(), "no trial is ended early"));
}
