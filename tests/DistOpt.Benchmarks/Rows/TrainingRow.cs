using System.Diagnostics;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Benchmarks.Rows;

/// <summary>
/// The MLP 784-512-256-10 with Adam: one worker against the same loop written by hand in TorchSharp with torch's optimizer; two workers on
/// two cores against one, at 64 samples each (weak scaling) and at 64 in all (strong scaling). Everything counts: batches, steps, updates.
/// As many servers as workers, so that updates use all the cores that gradients use.
/// </summary>
internal sealed class TrainingRow : IBenchmarkRow
{
    private const int Samples = 12_800;
    private const int Epochs = 5;

    /// <summary>
    /// So small that nothing is learned: where the classes of random pixels are learned by heart, gradients become denormal, and whatever computes
    /// with them several times as slow.
    /// </summary>
    private const double Rate = 1e-6;

    public string Name => "training";

    public string Summary => "MLP 784-512-256-10, Adam: one worker against a loop by hand, two workers against one";

    public IEnumerable<BenchmarkLine> Run(BenchmarkContext context)
    {
        var (hand, one, weak, strong) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (int round = -1; round < Math.Min(context.Rounds, 9); round++)
        {
            context.CancellationToken.ThrowIfCancellationRequested();
            double byHand = ByHand();
            double single = Ours(Workers(1), 64, context.CancellationToken);
            double pair = Ours(Workers(2), 128, context.CancellationToken);
            double split = Ours(Workers(2), 64, context.CancellationToken);
            if (round < 0) continue;
            hand.Add(byHand);
            one.Add(single);
            weak.Add(pair);
            strong.Add(split);
            context.Log($"  by hand {byHand:0}, one worker {single:0}, two workers at 128 {pair:0}, two workers at 64 {split:0} samples/s");
        }
        yield return new BenchmarkLine("one worker, batch 64, vs the loop by hand with torch.optim.Adam", Median(one), Median(hand), "samples/s", 1.0);
        yield return new BenchmarkLine("two workers, 64 samples each, vs one worker at 64", Median(weak), Median(one), "samples/s", 1.9);
        yield return new BenchmarkLine("two workers, 64 samples in all, vs one worker at 64", Median(strong), Median(one), "samples/s", null);
    }

    private static double Median(List<double> values) => Timing.Of(values).Median;

    private static TrainingSection Workers(int count) => new() { Workers = count, Servers = count, GradientShards = count };

    /// <summary>Samples a second over all epochs but the first.</summary>
    /// <param name="training">All but the number of epochs.</param>
    internal static double Ours(TrainingSection training, int batch, CancellationToken cancellationToken)
    {
        var app = DistOptApp.Define(builder => builder.AddDataset<ImagesInMemory.NoOptions, SupervisedBatch>("images-in-memory", (_, _) => new ImagesInMemory(Samples)));
        var spec = new TrainingSpec
        {
            Data = new DataSpec { Kind = "images-in-memory", ValidationFraction = 0, TestFraction = 0 },
            Model = new ModelSpec { Kind = "mlp", Options = new Torch.Models.MlpOptions { Hidden = [512, 256] } },
            Optimizer = new OptimizerSpec("adam", new Core.Optimizers.AdamOptions { LearningRate = Rate }),
            Batch = new BatchSpec("fixed", new Core.Batching.FixedBatchOptions { Size = batch }),
            Training = training with { Epochs = Epochs },
            Select = new SelectSection { Metric = "train.loss" },
        };
        var run = Training.Start(spec, app, new TrainingOptions { WritesRunDirectory = false }, cancellationToken);
        var rows = run.Rows(cancellationToken).ToBlockingEnumerable(cancellationToken).Where(r => r.Split == DataSplit.Train).ToList();
        run.Result.GetAwaiter().GetResult();
        return Samples * (Epochs - 1) / (rows[^1].WallSeconds - rows[0].WallSeconds);
    }

    /// <summary>What a TorchSharp user writes today.</summary>
    private static double ByHand()
    {
        set_num_threads(1);
        using var all = NewDisposeScope();
        using var data = new ImagesInMemory(Samples);
        using var model = nn.Sequential(
            ("0", nn.Linear(784, 512)), ("1", nn.ReLU()), ("2", nn.Linear(512, 256)), ("3", nn.ReLU()), ("4", nn.Linear(256, 10)));
        using var optimizer = optim.Adam(model.parameters(), lr: Rate);
        var order = Enumerable.Range(0, Samples).Select(i => (long)i).ToArray();
        long start = 0;
        for (int epoch = 0; epoch < Epochs; epoch++)
        {
            if (epoch == 1) start = Stopwatch.GetTimestamp();
            new Random(epoch).Shuffle(order);
            for (int at = 0; at < Samples; at += 64)
            {
                using var scope = NewDisposeScope();
                var (input, target) = data.Load(order.AsSpan(at, 64), default);
                optimizer.zero_grad();
                using var loss = nn.functional.cross_entropy(model.forward(input.view(64, 784)), target);
                loss.backward();
                optimizer.step();
                _ = loss.item<float>();
            }
        }
        return Samples * (Epochs - 1) / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
