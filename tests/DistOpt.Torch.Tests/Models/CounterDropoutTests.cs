using DistOpt.Core.Training;
using DistOpt.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Models;

public sealed class CounterDropoutTests
{
    private readonly LayerRandom _random = new();

    [Fact]
    public void A_value_is_zero_with_the_probability_and_otherwise_scaled_so_that_the_mean_stays()
    {
        const double p = 0.3;
        const int rows = 400, width = 1000;
        float[] mask = Mask(p, step: 5, first: 0, rows, width);
        float kept = (float)(1 / (1 - p));
        Assert.All(mask, value => Assert.True(value == 0 || value == kept));
        // binomial: 5 standard deviations of the share of zeros
        double zeros = mask.Count(v => v == 0) / (double)mask.Length;
        Assert.InRange(zeros, p - 5 * Math.Sqrt(p * (1 - p) / mask.Length), p + 5 * Math.Sqrt(p * (1 - p) / mask.Length));
        // neighbours along a row and down a column are independent
        Assert.InRange(Correlation(mask, 1), -0.01, 0.01);
        Assert.InRange(Correlation(mask, width), -0.01, 0.01);
    }

    [Fact]
    public void The_mask_of_a_sample_does_not_depend_on_how_the_batch_is_cut()
    {
        const int width = 37;
        float[] whole = Mask(0.5, step: 9, first: 100, rows: 12, width);
        foreach (int[] cut in new int[][] { [6, 6], [1, 11], [5, 4, 3], [.. Enumerable.Repeat(1, 12)] })
        {
            var parts = new List<float>();
            foreach (int rows in cut) parts.AddRange(Mask(0.5, step: 9, first: 100 + parts.Count / width, rows, width));
            Assert.Equal(whole, parts);
        }
    }

    [Fact]
    public void The_mask_of_a_sample_does_not_depend_on_how_far_its_batch_is_padded()
    {
        using var scope = NewDisposeScope();
        using var layer = new CounterDropout(0.5);
        Tensor Forward(int length)
        {
            using var _ = _random.Enter(1, 0, 0, true, DataSplit.Train, 7, 3);
            return layer.forward(ones(3, length, 5));
        }
        Assert.True(Forward(4).Equals(Forward(9).narrow(1, 0, 4)));
    }

    [Fact]
    public void Steps_epochs_seeds_and_layers_have_masks_of_their_own()
    {
        float[] one = Mask(0.5, step: 1, first: 0, rows: 8, width: 16);
        Assert.Equal(one, Mask(0.5, step: 1, first: 0, rows: 8, width: 16));
        Assert.NotEqual(one, Mask(0.5, step: 2, first: 0, rows: 8, width: 16));
        Assert.NotEqual(one, Mask(0.5, step: 1, first: 0, rows: 8, width: 16, epoch: 1));
        Assert.NotEqual(one, Mask(0.5, step: 1, first: 0, rows: 8, width: 16, seed: 2));

        using var scope = NewDisposeScope();
        using var layer = new CounterDropout(0.5);
        using var _ = _random.Enter(1, 0, 1, true, DataSplit.Train, 0, 8);
        Assert.Equal(one, layer.forward(ones(8, 16)).data<float>().ToArray());
        // a second application in the same forward pass is another layer
        Assert.NotEqual(one, layer.forward(ones(8, 16)).data<float>().ToArray());
    }

    [Fact]
    public void The_gradient_passes_through_the_same_mask()
    {
        using var scope = NewDisposeScope();
        using var layer = new CounterDropout(0.4);
        var input = rand(6, 10, requires_grad: true);
        using var _ = _random.Enter(3, 0, 2, true, DataSplit.Train, 0, 6);
        var output = layer.forward(input);
        output.sum().backward();
        Assert.True(allclose(input.grad!, output.detach() / input.detach()));
        Assert.Contains(0f, input.grad!.data<float>().ToArray());
    }

    [Fact]
    public void Eval_mode_and_probability_zero_are_the_identity()
    {
        using var scope = NewDisposeScope();
        var input = rand(4, 5);
        using var _ = _random.Enter(1, 0, 0, true, DataSplit.Train, 0, 4);
        using var evaluated = new CounterDropout(0.9);
        evaluated.eval();
        Assert.True(input.Equals(evaluated.forward(input)));
        using var none = new CounterDropout(0);
        Assert.True(input.Equals(none.forward(input)));
    }

    /// <summary>1 / 0.9 is no bfloat16, and the nearest one would make every value smaller by 0.16 %: only the product is rounded.</summary>
    [Fact]
    public void In_bfloat16_what_is_kept_is_the_rounded_product_with_the_exact_scale()
    {
        using var scope = NewDisposeScope();
        using var layer = new CounterDropout(0.1);
        var input = (1 + rand(64, 256)).to(ScalarType.BFloat16);
        using var _ = _random.Enter(1, 0, 0, true, DataSplit.Train, 0, 64);
        var output = layer.forward(input).to(ScalarType.Float64);
        var exact = input.to(ScalarType.Float64) / 0.9;
        var kept = output.ne(0);
        Assert.Equal(ScalarType.BFloat16, layer.forward(input).dtype);
        Assert.Equal(0, ((output - exact).masked_select(kept) / exact.masked_select(kept)).mean().item<double>(), 2e-4);
        Assert.True(((output - exact).masked_select(kept) / exact.masked_select(kept)).abs().max().item<double>() <= 1 / 256.0);
    }

    [Fact]
    public void Outside_a_step_it_drops_as_torch_does()
    {
        using var scope = NewDisposeScope();
        using var layer = new CounterDropout(0.5);
        float[] output = layer.forward(ones(100, 100)).data<float>().ToArray();
        Assert.InRange(output.Count(v => v == 0), 4500, 5500);
    }

    [Fact]
    public void A_tensor_whose_first_dimension_is_not_the_samples_is_refused()
    {
        using var scope = NewDisposeScope();
        using var layer = new CounterDropout(0.5);
        using var _ = _random.Enter(1, 0, 0, true, DataSplit.Train, 0, 4);
        var error = Assert.Throws<InvalidOperationException>(() => layer.forward(ones(8, 5)));
        Assert.StartsWith("dropout got a tensor of shape [8, 5], but the batch has 4 samples", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => layer.forward(ones(4, 5, dtype: ScalarType.Float64)));
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1)]
    [InlineData(double.NaN)]
    public void A_probability_outside_the_range_is_refused(double probability) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new CounterDropout(probability));

    [Fact]
    public void A_network_with_dropout_trains_on_one_mask_whatever_the_cut_of_the_batch()
    {
        using var scope = NewDisposeScope();
        using var model = new Mlp(12, 3, new MlpOptions { Hidden = [32, 16], Dropout = 0.5 });
        var input = rand(10, 12);
        Tensor Forward(int first, int rows)
        {
            using var _ = _random.Enter(11, 2, 40, true, DataSplit.Train, 50 + first, rows);
            return model.forward(input.narrow(0, first, rows));
        }
        var whole = Forward(0, 10);
        var parts = cat([Forward(0, 3), Forward(3, 5), Forward(8, 2)]);
        Assert.True(allclose(whole, parts, 1e-5, 1e-6));
        model.eval();
        Assert.False(allclose(whole, Forward(0, 10), 1e-3, 1e-3));
    }

    private float[] Mask(double probability, long step, long first, int rows, int width, int epoch = 0, long seed = 1)
    {
        using var scope = NewDisposeScope();
        using var layer = new CounterDropout(probability);
        using var _ = _random.Enter(seed, epoch, step, true, DataSplit.Train, first, rows);
        return layer.forward(ones(rows, width)).data<float>().ToArray();
    }

    private static double Correlation(float[] values, int lag)
    {
        double mean = values.Average(v => (double)v), variance = 0, covariance = 0;
        for (int i = 0; i < values.Length; i++) variance += (values[i] - mean) * (values[i] - mean);
        for (int i = 0; i + lag < values.Length; i++) covariance += (values[i] - mean) * (values[i + lag] - mean);
        return covariance / variance;
    }
}
