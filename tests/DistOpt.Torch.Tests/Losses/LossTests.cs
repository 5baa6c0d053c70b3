using DistOpt.Core.Training;
using DistOpt.Torch.Losses;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Losses;

public sealed class LossTests
{
    private static readonly double[] Scores = [0.3, -1.2, 2.0, 0.1, 0.4, -0.5];
    private static readonly double[] Values = [0.1, 0.9, 0.8, 0.0, 0.75, 0.2];

    public static TheoryData<string> Names => [.. LossCatalog.Create().Entries.Select(e => e.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_gradient_agrees_with_finite_differences_in_float64(string name)
    {
        using var scope = NewDisposeScope();
        var loss = Build(name);
        var target = Target(name);
        var output = tensor(Scores).reshape(2, 3).requires_grad_();
        loss.Sum(output, target).backward();
        double[] gradient = output.grad!.data<double>().ToArray();
        for (int i = 0; i < Scores.Length; i++)
        {
            const double step = 1e-6;
            double[] up = [.. Scores], down = [.. Scores];
            up[i] += step;
            down[i] -= step;
            double slope = (At(loss, up, target) - At(loss, down, target)) / (2 * step);
            Assert.Equal(slope, gradient[i], 7);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_sum_over_a_batch_is_the_sum_over_its_parts(string name)
    {
        using var scope = NewDisposeScope();
        var loss = Build(name);
        var output = tensor(Scores).reshape(2, 3);
        var target = Target(name);
        double parts = 0, weight = 0;
        for (int row = 0; row < 2; row++)
        {
            parts += loss.Sum(output.narrow(0, row, 1), target.narrow(0, row, 1)).item<double>();
            weight += loss.Weight(target.narrow(0, row, 1));
        }
        Assert.Equal(loss.Sum(output, target).item<double>(), parts, 12);
        Assert.Equal(loss.Weight(target), weight);
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
