using DistOpt.Torch.Losses;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Losses;

/// <summary>A loss with a batch that fits it, in float64.</summary>
/// <param name="Output">[N, ...].</param>
/// <param name="TorchMean">PyTorch's own mean over the whole batch; null where it has no such loss.</param>
internal sealed record LossSample(object Options, Func<Tensor> Output, Func<Tensor> Target, Func<Tensor, Tensor, Tensor>? TorchMean);

/// <summary>Batches for every loss of the catalogue. A loss without one fails the tests over the catalogue.</summary>
internal static class LossSamples
{
    public const int Rows = 7, Columns = 4;

    private static readonly double[] ClassWeights = [0.5, 2, 1, 3];

    private static readonly long[] Classes = [2, 0, 3, 3, 1, 0, 2];

    private static readonly long[] WithIgnored = [2, -100, 3, 3, -100, 0, 2];

    private static readonly Dictionary<string, LossSample[]> All = new(StringComparer.Ordinal)
    {
        ["cross-entropy"] =
        [
            new(new CrossEntropyOptions(), Scores, () => tensor(Classes), (o, t) => nn.functional.cross_entropy(o, t)),
            new(new CrossEntropyOptions { LabelSmoothing = 0.3, Weight = [.. ClassWeights] }, Scores, () => tensor(WithIgnored),
                (o, t) => nn.functional.cross_entropy(o, t, tensor(ClassWeights), label_smoothing: 0.3)),
            new(new CrossEntropyOptions { IgnoreIndex = 3 }, Scores, () => tensor(Classes),
                (o, t) => nn.functional.cross_entropy(o, t, ignore_index: 3)),
        ],
        ["nll"] =
        [
            new(new NllOptions { Weight = [.. ClassWeights] }, LogProbabilities, () => tensor(WithIgnored),
                (o, t) => nn.functional.nll_loss(o, t, tensor(ClassWeights))),
            new(new NllOptions { Input = LossInput.Scores, IgnoreIndex = 3 }, Scores, () => tensor(Classes),
                (o, t) => nn.functional.cross_entropy(o, t, ignore_index: 3)),
        ],
        ["hinge"] =
        [
            new(new HingeOptions(), Scores, () => tensor(Classes), (o, t) => nn.functional.multi_margin_loss(o, t)),
            new(new HingeOptions { P = 2, Margin = 0.7, Weight = [.. ClassWeights] }, Scores, () => tensor(Classes),
                (o, t) => nn.functional.multi_margin_loss(o, t, 2, 0.7, tensor(ClassWeights))),
            new(new HingeOptions { Weight = [0.5, 2] }, () => Scores().narrow(1, 0, 1), () => tensor(new double[] { 1, 0, 0, 1, 1, 0, 1 }), null),
        ],
        ["kl"] =
        [
            new(new KlOptions(), LogProbabilities, Probabilities, (o, t) => nn.functional.kl_div(o, t, log_target: false)),
            new(new KlOptions { Input = LossInput.Scores, LogTarget = true }, Scores, () => Probabilities().log(),
                (o, t) => nn.functional.kl_div(nn.functional.log_softmax(o, 1), t, log_target: true)),
            new(new KlOptions { Reduction = KlReduction.Batchmean }, LogProbabilities, Probabilities,
                (o, t) => nn.functional.kl_div(o, t, log_target: false, reduction: nn.Reduction.Sum) / Rows),
        ],
        ["mse"] = [new(new NoLossOptions(), Scores, Values, (o, t) => nn.functional.mse_loss(o, t))],
        ["mae"] = [new(new NoLossOptions(), Scores, Values, (o, t) => nn.functional.l1_loss(o, t))],
        ["huber"] = [new(new HuberOptions { Delta = 0.5 }, Scores, Values, (o, t) => nn.functional.huber_loss(o, t, 0.5))],
        ["bce-with-logits"] =
        [
            new(new BceWithLogitsOptions(), Scores, Values, (o, t) => nn.functional.binary_cross_entropy_with_logits(o, t)),
            new(new BceWithLogitsOptions { PosWeight = [.. ClassWeights] }, Scores, Values,
                (o, t) => nn.functional.binary_cross_entropy_with_logits(o, t, pos_weights: tensor(ClassWeights))),
            new(new BceWithLogitsOptions { PosWeight = [3] }, Scores, Values,
                (o, t) => nn.functional.binary_cross_entropy_with_logits(o, t, pos_weights: tensor(new double[] { 3 }))),
        ],
    };

    /// <summary>Every loss of the catalogue with the numbers of its samples; number 0 exists for a loss that has none.</summary>
    public static TheoryData<string, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, int>();
            foreach (var entry in LossCatalog.Create().Entries)
                for (int i = 0; i < Math.Max(1, All.GetValueOrDefault(entry.Name)?.Length ?? 0); i++) cases.Add(entry.Name, i);
            return cases;
        }
    }

    public static (ILoss Loss, LossSample Sample) Of(string name, int number)
    {
        Assert.True(All.TryGetValue(name, out var samples), $"loss '{name}' has no sample input: add one to {nameof(LossSamples)}");
        return (LossCatalog.Create().Get(name)(samples[number].Options), samples[number]);
    }

    private static double[] Numbers(int salt) => [.. Enumerable.Range(0, Rows * Columns).Select(i => 2.5 * Math.Sin(1.7 * i + 0.3 * i * i + salt))];

    private static Tensor Scores() => tensor(Numbers(1)).reshape(Rows, Columns);

    private static Tensor LogProbabilities() => nn.functional.log_softmax(Scores(), 1);

    private static Tensor Probabilities() => nn.functional.softmax(tensor(Numbers(5)).reshape(Rows, Columns), 1);

    private static Tensor Values() => tensor(Numbers(9).Select(v => 0.5 + v / 6).ToArray()).reshape(Rows, Columns);
}
