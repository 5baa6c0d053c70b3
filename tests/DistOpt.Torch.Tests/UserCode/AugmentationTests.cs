using System.Collections.Immutable;
using DistOpt.Core.Batching;
using DistOpt.Core.Datasets;
using DistOpt.Core.Datasets.Augmentations;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Engine;
using DistOpt.Torch.Models;
using DistOpt.Torch.Tests.Engine;

namespace DistOpt.Torch.Tests.UserCode;

[Collection(EngineCollection.Name)]
public sealed class AugmentationTests
{
    private static readonly ImmutableArray<PluginSpec> All =
        [.. AugmentationCatalog.Default.Entries.Select(e => new PluginSpec(e.Name, Activator.CreateInstance(e.OptionsType)))];

    [Fact]
    public void Only_training_pictures_are_changed_and_before_they_are_normalized()
    {
        var source = DatasetCatalog.Create().Get("digits")(new DigitsOptions(), new DataEnvironment { Root = "." });
        using var plain = new SupervisedDataset(source);
        using var changed = new SupervisedDataset(source);
        long[] indices = [5, 900, 17];
        foreach (var data in new[] { plain, changed }) data.Prepare([.. Enumerable.Range(0, 1000)]);
        ImmutableArray<PluginSpec> augment = [new("flip", new FlipOptions { Probability = 1 })];
        changed.Use(ImageAugmenter.Create(augment, source.Info, AugmentationCatalog.Default)!);
        float[] expected = Load(plain, training: true);
        Assert.Equal(expected, Load(changed, training: false));
        float[] got = Load(changed, training: true);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i / 8 * 8 + 7 - i % 8], got[i]);

        float[] Load(SupervisedDataset data, bool training)
        {
            var batch = data.Load(indices, new DataContext(DataSplit.Train, training, 3, 0, 1));
            using (batch.Input)
            using (batch.Target) return batch.Input.data<float>().ToArray();
        }
    }

    [Fact]
    public void A_step_has_the_same_bits_after_others_or_at_once_and_with_any_prefetch()
    {
        float[] expected = Gradient(prefetch: 0, [(1, 70)]);
        Assert.Equal(expected, Gradient(prefetch: 0, [(0, 0), (0, 35), (1, 0), (1, 70)])); // as in a run that was not resumed
        Assert.Equal(expected, Gradient(prefetch: 3, [(0, 0), (1, 0), (1, 70)]));
        Assert.NotEqual(expected, Gradient(prefetch: 0, [(2, 70)]));
    }

    [Fact]
    public void Each_sample_is_changed_alike_whichever_gradient_shard_it_lies_in()
    {
        // linear: the gradient of a sum is the sum of the gradients, whatever the cut
        float[] whole = Gradient(prefetch: 0, [(1, 70)]), sum = new float[whole.Length];
        foreach (var part in new[] { new PositionRange(0, 5), new PositionRange(5, 6), new PositionRange(6, 35) })
        {
            float[] gradient = Gradient(prefetch: 0, [(1, 70)], part);
            for (int i = 0; i < sum.Length; i++) sum[i] += gradient[i];
        }
        for (int i = 0; i < sum.Length; i++) Assert.Equal(whole[i], sum[i], 1e-3f + 1e-4f * Math.Abs(whole[i]));
    }

    [Fact]
    public void Data_that_makes_its_own_batches_or_holds_no_pictures_is_refused()
    {
        var toy = TestJobs.Mlp();
        var error = Assert.Throws<SpecException>(() => TestJobs.Open(toy with { Data = toy.Data with { Augment = All } }));
        Assert.StartsWith("data.augment: works on the built-in data sets of pictures, but 'toy' makes its batches itself", error.Message,
            StringComparison.Ordinal);
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, "1,2,a\n3,4,b\n1,3,a\n3,5,b\n2,2,a\n4,5,b\n2,3,a\n4,4,b\n");
            var table = new DataSpec { Kind = "csv", Options = new CsvOptions { Path = file }, Augment = All };
            error = Assert.Throws<SpecException>(() => TestJobs.Open(toy with { Data = table }));
            Assert.Contains("an input of 'csv' is [2]; leave it out", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static float[] Gradient(int prefetch, (int Epoch, int Start)[] steps, PositionRange? shard = null)
    {
        var spec = TestJobs.Spec("linear", new LinearOptions()) with
        {
            Data = new DataSpec { Options = new DigitsOptions(), Augment = All, Prefetch = prefetch },
        };
        using var job = TestJobs.Open(spec);
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var gradient = new FlatBuffer(weights.Length);
        var whole = shard ?? new PositionRange(0, 35);
        foreach (var (epoch, start) in steps) worker.Prefetch(TestJobs.Plan(0, epoch, start, 35), whole, 0);
        foreach (var (epoch, start) in steps) worker.ComputeLeaf(TestJobs.Plan(0, epoch, start, 35), whole, 0, gradient, buffers, []);
        return gradient.Span.ToArray();
    }
}
