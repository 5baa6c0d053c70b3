using DistOpt.Core.Specs;

namespace DistOpt.Core.Consistency;

/// <summary>Bulk-synchronous parallel: no options.</summary>
public sealed record BspOptions;

/// <summary>How far workers may run apart.</summary>
public enum ConsistencyMode
{
    /// <summary>Every worker waits for the slowest in each step.</summary>
    Bsp,
}

/// <summary>The plug-ins under <c>training.consistency</c>.</summary>
public static class ConsistencyCatalog
{
    public static Catalog<ConsistencyMode> Default { get; } = new Catalog<ConsistencyMode>("consistency")
        .Add(new(
            "bsp", typeof(BspOptions), ConsistencyMode.Bsp,
            "Bulk-synchronous: every step uses the gradient of the whole global batch; the same bits for any number of workers",
            "Valiant 1990, A bridging model for parallel computation"));
}
