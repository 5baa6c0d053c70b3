using DistOpt.Core.Specs;

namespace DistOpt.Core.Batching;

/// <summary>The plug-ins under <c>batch:</c>. Adding one is one file and one line here.</summary>
public static class BatchCatalog
{
    public static Catalog<Func<object, IBatchStrategy>> Default { get; } = new Catalog<Func<object, IBatchStrategy>>("batch")
        .Add(new("fixed", typeof(FixedBatchOptions), o => new FixedBatch((FixedBatchOptions)o),
            "the same number of samples in every step", "torch.utils.data.DataLoader"))
        .Add(new(FullBatch.Name, typeof(FullBatchOptions), _ => new FullBatch(),
            "the whole training part in every step; what optimizer gd takes", "Cauchy 1847"))
        .Add(new("random", typeof(RandomBatchOptions), o => new RandomBatch((RandomBatchOptions)o),
            "a size drawn for every step, from a range or a list, by seed and step", "DistOpt.Core/Batching/RandomBatch.cs"))
        .Add(new("growing", typeof(GrowingBatchOptions), o => new GrowingBatch((GrowingBatchOptions)o),
            "grows by a factor where a schedule would lower the learning rate", "Smith et al. 2017"))
        .Add(new("noise-scale", typeof(NoiseScaleBatchOptions), o => new NoiseScaleBatch((NoiseScaleBatchOptions)o),
            "follows the measured gradient noise scale, with adam and its relatives of the gradient as they divide it (noise_norm)", "McCandlish et al. 2018"));
}
