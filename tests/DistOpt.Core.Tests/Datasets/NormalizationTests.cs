using System.Collections.Immutable;
using System.Text.Json;
using DistOpt.Core.Datasets;

namespace DistOpt.Core.Tests.Datasets;

public class NormalizationTests
{
    private static FloatSource Table(int columns, params float[] values) => new(new DataInfo
    {
        Name = "t",
        Task = TaskKind.Regression,
        InputShape = [columns],
        TargetShape = [1],
        Normalization = NormalizationKind.PerFeature,
    }, values.Length / columns, 0, values, [], new float[values.Length / columns]);

    [Fact]
    public void Statistics_are_those_of_the_training_samples_alone()
    {
        var source = Table(2, 1, 10, 1000, 1000, 3, 30, 5, 20);
        var n = NormalizationStatistics.Compute(source, [0, 2, 3])!;
        Assert.Equal(NormalizationKind.PerFeature, n.Kind);
        Assert.Equal(3, n.Mean[0]);
        Assert.Equal(20, n.Mean[1]);
        Assert.Equal(Math.Sqrt(8.0 / 3), n.Std[0], 1e-15);
        Assert.Equal(Math.Sqrt(200.0 / 3), n.Std[1], 1e-14);
    }

    [Fact]
    public void A_constant_feature_gets_std_1_and_becomes_zero()
    {
        // the float64 mean of 0.1f taken 7 times over is not 0.1f: a std by sums alone would be tiny, not 0
        var source = Table(1, [.. Enumerable.Repeat(0.1f, 7)]);
        var n = NormalizationStatistics.Compute(source, [0, 1, 2, 3, 4, 5, 6])!;
        Assert.Equal(1, n.Std[0]);
        float[] x = [0.1f];
        n.Apply(x);
        Assert.Equal(0, x[0]);
    }

    [Fact]
    public void Large_offsets_do_not_eat_the_spread()
    {
        var source = Table(1, 1e6f, 1e6f + 1, 1e6f + 2);
        Assert.Equal(Math.Sqrt(2.0 / 3), NormalizationStatistics.Compute(source, [0, 1, 2])!.Std[0], 1e-12);
    }

    [Fact]
    public void Channels_of_images_have_statistics_of_their_own()
    {
        // 2 samples, 2 channels of 1x2
        byte[] pixels = [0, 2, 7, 7, 4, 6, 7, 7];
        var source = new ByteSource(new DataInfo
        {
            Name = "i",
            Task = TaskKind.Classification,
            InputShape = [2, 1, 2],
            Classes = ["a", "b"],
            Normalization = NormalizationKind.PerChannel,
        }, pixels, [0, 1], 0);
        var n = NormalizationStatistics.Compute(source, [0, 1])!;
        Assert.Equal(NormalizationKind.PerChannel, n.Kind);
        Assert.Equal([3.0, 7.0], n.Mean);
        Assert.Equal(Math.Sqrt(5), n.Std[0], 1e-15);
        Assert.Equal(1, n.Std[1]);
    }

    [Fact]
    public void Digits_have_the_statistics_of_a_slow_calculation()
    {
        var digits = DatasetCatalog.Create().Get("digits")(new DigitsOptions(), new DataEnvironment { Root = "unused" });
        var splits = DataSplitter.Split(digits, 0.1, 0.15, 0);
        var n = NormalizationStatistics.Compute(digits, splits.Train.Span)!;
        var values = new List<double>();
        var input = new float[64];
        foreach (long i in splits.Train.Span)
        {
            digits.CopyInput(i, input);
            values.AddRange(input.Select(v => (double)v));
        }
        double mean = values.Average();
        Assert.Equal(mean, n.Mean[0], 1e-10);
        Assert.Equal(Math.Sqrt(values.Average(v => (v - mean) * (v - mean))), n.Std[0], 1e-10);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 64)]
    [InlineData(1, 784)]
    [InlineData(3, 35)]
    public void Bytes_and_floats_give_the_same_bits(int channels, int plane)
    {
        double[] mean = [.. Enumerable.Range(0, channels).Select(c => 33.318 + c)];
        double[] std = [.. Enumerable.Range(0, channels).Select(c => 78.567 / (c + 1))];
        var n = new Normalization(NormalizationKind.PerChannel, [.. mean], [.. std]);
        byte[] bytes = [.. Enumerable.Range(0, channels * plane).Select(i => (byte)(i * 37 + 11))];
        float[] slow = [.. bytes.Select((b, i) => (b - (float)mean[i / plane]) * (float)(1 / std[i / plane]))];
        var fromBytes = new float[bytes.Length];
        n.Apply(bytes, fromBytes);
        float[] fromFloats = [.. bytes.Select(b => (float)b)];
        n.Apply(fromFloats);
        Assert.Equal(slow, fromBytes);
        Assert.Equal(slow, fromFloats);
    }

    [Fact]
    public void It_survives_being_stored_as_plain_arrays()
    {
        var n = NormalizationStatistics.Compute(Table(2, 0.1f, 1, 0.7f, 2, 0.9f, 7), [0, 1, 2])!;
        string json = JsonSerializer.Serialize(new { kind = n.Kind, mean = n.Mean.ToArray(), std = n.Std.ToArray() });
        using var read = JsonDocument.Parse(json);
        var back = new Normalization((NormalizationKind)read.RootElement.GetProperty("kind").GetInt32(), Numbers("mean"), Numbers("std"));
        float[] a = [0.3f, 5], b = [0.3f, 5];
        n.Apply(a);
        back.Apply(b);
        Assert.Equal(a, b);

        ImmutableArray<double> Numbers(string name) => [.. read.RootElement.GetProperty(name).EnumerateArray().Select(e => e.GetDouble())];
    }

    [Fact]
    public void Arrays_that_make_no_normalization_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new Normalization(NormalizationKind.PerFeature, [1], [1, 2]));
        Assert.Throws<ArgumentException>(() => new Normalization(NormalizationKind.PerFeature, [], []));
        Assert.Throws<ArgumentException>(() => new Normalization(NormalizationKind.None, [1], [1]));
        Assert.Throws<ArgumentException>(() => new Normalization(NormalizationKind.PerFeature, [double.NaN], [1]));
        Assert.Throws<ArgumentException>(() => new Normalization(NormalizationKind.PerFeature, [1], [0]));
    }

    [Fact]
    public void Inputs_of_another_length_are_refused()
    {
        var features = new Normalization(NormalizationKind.PerFeature, [1, 2], [1, 1]);
        Assert.Throws<ArgumentException>(() => features.Apply(new float[4]));
        var channels = new Normalization(NormalizationKind.PerChannel, [1, 2, 3], [1, 1, 1]);
        Assert.Throws<ArgumentException>(() => channels.Apply(new float[4]));
        Assert.Throws<ArgumentException>(() => channels.Apply(new byte[6], new float[3]));
        Assert.Throws<ArgumentException>(() => NormalizationStatistics.Compute(Table(1, 1, 2), []));
    }
}
