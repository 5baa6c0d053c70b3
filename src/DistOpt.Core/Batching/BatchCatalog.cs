using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Batching;

/// <summary>Options of <c>batch: fixed</c>.</summary>
public sealed record FixedBatchOptions
{
    [Description("Samples in one global batch, over all workers")]
    [Range(1, 10_000_000)]
    public int Size { get; init; } = 32;
}

/// <summary>How large the global batch is.</summary>
/// <param name="options">Options of the catalogue entry.</param>
/// <returns>Samples in the global batch of the step with the given number from 0.</returns>
public delegate Func<long, int> BatchSizeFactory(object options);

/// <summary>The plug-ins under <c>batch:</c>.</summary>
public static class BatchCatalog
{
    public static Catalog<BatchSizeFactory> Default { get; } = new Catalog<BatchSizeFactory>("batch")
        .Add(new("fixed", typeof(FixedBatchOptions), o => _ => ((FixedBatchOptions)o).Size, "The same number of samples in every step"));
}
