using DistOpt.Core.Datasets;
using DistOpt.Core.Tests.Support;

namespace DistOpt.Core.Tests.Datasets;

public class SupervisedBatcherTests
{
    private static readonly ISupervisedSource Digits =
        DatasetCatalog.Create().Get("digits")(new DigitsOptions(), new DataEnvironment { Root = "unused" });

    private static readonly FloatSource Regression = new(new DataInfo
    {
        Name = "r",
        Task = TaskKind.Regression,
        InputShape = [2],
        TargetShape = [2],
    }, 3, 0, [1, 2, 3, 4, 5, 6], [], [10, 11, 20, 21, 30, 31]);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_batch_of_bytes_is_what_copying_and_normalizing_gives(bool normalized)
    {
        long[] indices = [5, 0, 1796, 5];
        var n = normalized ? NormalizationStatistics.Compute(Digits, [0, 1, 2, 3]) : null;
        var inputs = new float[4 * 64];
        var classes = new long[4];
        SupervisedBatcher.Fill(Digits, indices, n, inputs, classes);
        for (int i = 0; i < 4; i++)
        {
            var one = new float[64];
            Digits.CopyInput(indices[i], one);
            n?.Apply(one);
            Assert.Equal(one, inputs[(64 * i)..(64 * i + 64)]);
            Assert.Equal(Digits.Labels[(int)indices[i]], classes[i]);
        }
    }

    [Fact]
    public void A_batch_of_a_regression_has_target_vectors()
    {
        var n = new Normalization(NormalizationKind.PerFeature, [1, 0], [2, 1]);
        var inputs = new float[4];
        var targets = new float[4];
        SupervisedBatcher.Fill(Regression, [2, 0], n, inputs, targets);
        Assert.Equal([2, 6, 0, 2], inputs);
        Assert.Equal([30, 31, 10, 11], targets);
    }

    [Fact]
    public void An_empty_batch_is_fine()
    {
        SupervisedBatcher.Fill(Digits, [], null, [], Span<long>.Empty);
        SupervisedBatcher.Fill(Regression, [], null, [], Span<float>.Empty);
    }

    [Fact]
    public void Buffers_of_another_size_and_the_wrong_kind_of_target_are_refused()
    {
        Assert.Throws<ArgumentException>(() => SupervisedBatcher.Fill(Digits, [1, 2], null, new float[127], new long[2]));
        Assert.Throws<ArgumentException>(() => SupervisedBatcher.Fill(Digits, [1, 2], null, new float[128], new long[3]));
        Assert.Throws<ArgumentException>(() => SupervisedBatcher.Fill(Regression, [1], null, new float[2], new float[1]));
        Assert.Throws<InvalidOperationException>(() => SupervisedBatcher.Fill(Regression, [1], null, new float[2], new long[1]));
        Assert.ThrowsAny<ArgumentException>(() => SupervisedBatcher.Fill(Digits, [-1], null, new float[64], new long[1]));
    }

    [Fact]
    public void Filling_allocates_nothing()
    {
        long[] indices = [.. Enumerable.Range(0, 64).Select(i => (long)i * 3)];
        var n = NormalizationStatistics.Compute(Digits, indices);
        var inputs = new float[64 * 64];
        var classes = new long[64];
        SupervisedBatcher.Fill(Digits, indices, n, inputs, classes);
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (int i = 0; i < 100; i++) SupervisedBatcher.Fill(Digits, indices, n, inputs, classes);
        }));
    }
}
