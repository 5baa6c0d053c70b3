using DistOpt.Core.Batching;
using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Losses;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Losses;

public sealed class LossTests
{
    private static readonly double[] Scores = [0.3, -1.2, 2.0, 0.1, 0.4, -0.5];
    private static readonly double[] Values = [0.1, 0.9, 0.8, 0.0, 0.75, 0.2];

    [Theory]
    [MemberData(nameof(LossSamples.Cases), MemberType = typeof(LossSamples))]
    public void Every_gradient_agrees_with_finite_differences_in_float64(string name, int sample)
    {
        using var scope = NewDisposeScope();
        var (loss, batch) = LossSamples.Of(name, sample);
        var target = batch.Target();
        var output = batch.Output().contiguous().requires_grad_();
        loss.Sum(output, target).backward();
        double[] at = output.data<double>().ToArray(), gradient = output.grad!.data<double>().ToArray();
        Assert.Contains(gradient, g => g != 0);
        for (int i = 0; i < at.Length; i++)
        {
            const double step = 1e-6;
            double[] up = [.. at], down = [.. at];
            up[i] += step;
            down[i] -= step;
            double slope = (Sum(up) - Sum(down)) / (2 * step);
            Assert.Equal(slope, gradient[i], 1e-7);
        }

        double Sum(double[] values) => loss.Sum(tensor(values).reshape(output.shape), target).item<double>();
    }

    /// <summary>Below 0 and above 1 these losses have no least value: training would go on and on.</summary>
    [Theory]
    [InlineData(5.0)]
    [InlineData(-0.25)]
    public void A_target_that_is_no_probability_is_refused_by_its_value(double wrong)
    {
        using var scope = NewDisposeScope();
        var (output, target) = (tensor(Scores).reshape(2, 3), tensor([0.2, 0.3, 0.5, wrong, 0, 0]).reshape(2, 3));
        (string, ILoss)[] losses = [("bce-with-logits", new BceWithLogitsLoss(new())), ("kl", new KlLoss(new() { Input = LossInput.Scores }))];
        foreach (var (name, loss) in losses)
        {
            var error = Assert.Throws<SpecException>(() => loss.Sum(output, target));
            string expected = FormattableString.Invariant($"is {name}, whose targets are probabilities from 0 to 1, but a target of the data is {wrong}");
            Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        }
        // logarithms of probabilities are below 0
        var logs = new KlLoss(new() { Input = LossInput.Scores, LogTarget = true });
        Assert.True(double.IsFinite(logs.Sum(output, nn.functional.log_softmax(output, 1)).item<double>()));
    }

    /// <summary>The server divides the shards' sums by their weights: PyTorch's mean over the whole batch.</summary>
    [Theory]
    [MemberData(nameof(LossSamples.Cases), MemberType = typeof(LossSamples))]
    public void The_sum_over_gradient_shards_divided_by_their_weights_is_torchs_mean_over_the_batch(string name, int sample)
    {
        using var scope = NewDisposeScope();
        var (loss, batch) = LossSamples.Of(name, sample);
        var (output, target) = (batch.Output(), batch.Target());
        double whole = loss.Sum(output, target).item<double>() / loss.Weight(target);
        if (batch.TorchMean is { } mean) Assert.Equal(mean(output, target).item<double>(), whole, 1e-12);
        foreach (int shards in (int[])[1, 3, 5])
        {
            double sum = 0, weight = 0;
            for (int i = 0; i < shards; i++)
            {
                var part = GradientShards.Part(LossSamples.Rows, shards, i);
                var own = target.narrow(0, part.Begin, part.Length);
                sum += loss.Sum(output.narrow(0, part.Begin, part.Length), own).item<double>();
                weight += loss.Weight(own);
            }
            Assert.Equal(whole, sum / weight, 1e-12);
        }
    }

    [Fact]
    public void Class_weights_count_in_the_sum_and_in_the_divisor_and_ignored_targets_in_neither()
    {
        using var scope = NewDisposeScope();
        var loss = new CrossEntropyLoss(new CrossEntropyOptions { Weight = [2, 5, 0.5] });
        var target = tensor(new long[] { 2, -100 });
        double logTotal = Math.Log(Enumerable.Range(0, 3).Sum(c => Math.Exp(Scores[c])));
        Assert.Equal(-0.5 * (Scores[2] - logTotal), At(loss, Scores, target), 12);
        Assert.Equal(0.5, loss.Weight(target));
        Assert.Equal(0, loss.Weight(tensor(new long[] { -100, -100 })));
        var sums = new MetricSums();
        loss.Measure(tensor(Scores).reshape(2, 3), target, new StepContext(sums));
        Assert.Equal(new MetricSum(1, 1), sums["accuracy"]);
    }

    [Fact]
    public void Hinge_is_its_closed_form_for_many_classes_and_for_two_sides()
    {
        double expected = 0;
        int[] target = [2, 1];
        for (int row = 0; row < 2; row++)
            for (int c = 0; c < 3; c++)
                if (c != target[row]) expected += Math.Max(0, 1 - Scores[3 * row + target[row]] + Scores[3 * row + c]) / 3;
        Assert.Equal(expected, At(Build("hinge"), Scores, tensor(new long[] { 2, 1 })), 12);

        using var scope = NewDisposeScope();
        double[] sides = [1, -1, 1, -1, -1, 1];
        double both = Scores.Zip(sides, (s, y) => Math.Max(0, 1 - y * s)).Sum();
        var output = tensor(Scores).reshape(6, 1);
        Assert.Equal(both, Build("hinge").Sum(output, tensor(sides)).item<double>(), 12);
        Assert.Equal(both, Build("hinge").Sum(output, tensor(sides.Select(y => y > 0 ? 1.0 : 0).ToArray())).item<double>(), 12);
        Assert.Equal(both, Build("hinge").Sum(output, tensor(sides.Select(y => y > 0 ? 1L : 0).ToArray())).item<double>(), 12);
    }

    [Theory]
    [InlineData("nll")]
    [InlineData("kl")]
    public void Scores_given_as_log_probabilities_are_refused_with_what_to_do(string name)
    {
        using var scope = NewDisposeScope();
        var target = name == "nll" ? tensor(new long[] { 2, 1 }) : tensor(Values).reshape(2, 3);
        var error = Assert.Throws<SpecException>(() => Build(name).Sum(tensor(Scores).reshape(2, 3), target));
        Assert.Contains("loss.input: is log-probabilities, but", error.Message, StringComparison.Ordinal);
        Assert.Contains("set it to scores", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_that_do_not_fit_the_classes_are_told_before_training()
    {
        var data = DataInfo.Classification("three", [2], ["a", "b", "c"]);
        var table = DataInfo.Regression("table", [2], [3]);
        Assert.Contains("has 2 weights, but data set 'three' has 3 classes", Told(new CrossEntropyLoss(new CrossEntropyOptions { Weight = [1, 2] }), data));
        Assert.Contains("has 4 weights, but data set 'three' has 3 classes", Told(new HingeLoss(new HingeOptions { Weight = [1, 1, 1, 1] }), data));
        Assert.Contains("is 0 for every class", Told(new NllLoss(new NllOptions { Weight = [0, 0, 0] }), data));
        Assert.Contains("nll needs classes", Told(new NllLoss(new NllOptions()), table));
        Assert.Contains("targets of 3 values", Told(new BceWithLogitsLoss(new BceWithLogitsOptions { PosWeight = [1, 2] }), table));
        Assert.Empty(new CrossEntropyLoss(new CrossEntropyOptions { Weight = [1, 2, 3] }).Check(data));

        static string Told(ILoss loss, DataInfo data) => Assert.Single(loss.Check(data)).Message;
    }

    [Fact]
    public void Cross_entropy_is_minus_the_log_of_the_softmax_at_the_target()
    {
        double expected = 0;
        int[] target = [2, 1];
        for (int row = 0; row < 2; row++)
        {
            double total = Enumerable.Range(0, 3).Sum(c => Math.Exp(Scores[3 * row + c]));
            expected -= Math.Log(Math.Exp(Scores[3 * row + target[row]]) / total);
        }
        Assert.Equal(expected, At(Build("cross-entropy"), Scores, Target("cross-entropy")), 12);
    }

    [Fact]
    public void Label_smoothing_mixes_the_target_with_the_even_distribution()
    {
        const double smoothing = 0.2;
        double expected = 0;
        int[] target = [2, 1];
        for (int row = 0; row < 2; row++)
        {
            double logTotal = Math.Log(Enumerable.Range(0, 3).Sum(c => Math.Exp(Scores[3 * row + c])));
            for (int c = 0; c < 3; c++)
                expected -= ((c == target[row] ? 1 - smoothing : 0) + smoothing / 3) * (Scores[3 * row + c] - logTotal);
        }
        var loss = new CrossEntropyLoss(new CrossEntropyOptions { LabelSmoothing = smoothing });
        Assert.Equal(expected, At(loss, Scores, Target("cross-entropy")), 12);
    }

    [Fact]
    public void Losses_between_values_are_their_closed_forms()
    {
        var errors = Scores.Zip(Values, (s, v) => Math.Abs(s - v)).ToArray();
        Assert.Equal(errors.Sum(e => e * e), At(Build("mse"), Scores, Target("mse")), 12);
        Assert.Equal(errors.Sum(), At(Build("mae"), Scores, Target("mae")), 12);
        Assert.Equal(errors.Sum(e => e <= 0.5 ? e * e / 2 : 0.5 * (e - 0.25)),
            At(new HuberLoss(new HuberOptions { Delta = 0.5 }), Scores, Target("huber")), 12);
        Assert.Equal(Scores.Zip(Values, (s, v) => Math.Max(s, 0) - s * v + Math.Log(1 + Math.Exp(-Math.Abs(s)))).Sum(),
            At(Build("bce-with-logits"), Scores, Target("bce-with-logits")), 12);
    }

    [Fact]
    public void A_target_of_one_value_fits_an_output_column_and_is_not_broadcast()
    {
        using var scope = NewDisposeScope();
        var loss = Build("mse");
        var column = tensor(new float[] { 1, 2, 4 }).reshape(3, 1);
        Assert.Equal(1 + 4 + 16, loss.Sum(column, zeros(3)).item<float>());
        var error = Assert.Throws<InvalidOperationException>(() => loss.Sum(column, zeros(3, 3)));
        Assert.StartsWith("the model gives [3, 1], but the targets are [3, 3]", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => loss.Sum(zeros(3, 2), zeros(2, 3)));
    }

    [Theory]
    [InlineData("mse")]
    [InlineData("bce-with-logits")]
    public void Class_indices_are_values_for_a_model_with_one_score(string name)
    {
        using var scope = NewDisposeScope();
        var (indices, values) = (tensor(new long[] { 1, 0, 1 }), tensor(new float[] { 1, 0, 1 }));
        var column = tensor(new float[] { 0.5f, -1, 2 }).reshape(3, 1);
        Assert.Equal(Build(name).Sum(column, values).item<float>(), Build(name).Sum(column, indices).item<float>());
        var error = Assert.Throws<SpecException>(() => Build(name).Sum(zeros(3, 2), indices));
        Assert.StartsWith($"loss.kind: is {name}, which", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Cross_entropy_refuses_targets_that_are_no_class_indices()
    {
        using var scope = NewDisposeScope();
        var error = Assert.Throws<InvalidOperationException>(() => Build("cross-entropy").Sum(zeros(2, 3), zeros(2)));
        Assert.Contains("needs class indices", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Task_metrics_are_accuracy_for_classes_and_errors_for_values()
    {
        using var scope = NewDisposeScope();
        var output = tensor(Scores).to(ScalarType.Float32).reshape(2, 3);
        var sums = Measure("cross-entropy", output, Target("cross-entropy"));
        Assert.Equal(new MetricSum(2, 2), sums["accuracy"]);
        sums = Measure("cross-entropy", output, tensor(new long[] { 2, 0 }));
        Assert.Equal(new MetricSum(1, 2), sums["accuracy"]);

        sums = Measure("mse", output, tensor(Values).to(ScalarType.Float32).reshape(2, 3));
        Assert.Equal(Scores.Zip(Values, (s, v) => (s - v) * (s - v)).Average(), sums["mse"].Value, 6);
        Assert.Equal(Scores.Zip(Values, (s, v) => Math.Abs(s - v)).Average(), sums["mae"].Value, 6);

        sums = Measure("bce-with-logits", output, tensor(new float[] { 1, 0, 0, 1, 0, 1 }).reshape(2, 3));
        Assert.Equal(new MetricSum(3, 6), sums["accuracy"]);
    }

    private static MetricSums Measure(string name, Tensor output, Tensor target)
    {
        var sums = new MetricSums();
        Build(name).Measure(output, target, new StepContext(sums));
        return sums;
    }

    private static ILoss Build(string name)
    {
        var entry = LossCatalog.Create().Entries.Single(e => e.Name == name);
        return entry.Factory(Activator.CreateInstance(entry.OptionsType)!);
    }

    private static Tensor Target(string name) =>
        name == "cross-entropy" ? tensor(new long[] { 2, 1 }) : tensor(Values).reshape(2, 3);

    private static double At(ILoss loss, double[] scores, Tensor target)
    {
        using var scope = NewDisposeScope();
        return loss.Sum(tensor(scores).reshape(2, 3), target).item<double>();
    }
}
