using System.Globalization;
using System.Text.RegularExpressions;
using DistOpt.Core.Batching;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Benchmarks.Rows;

/// <summary>
/// Steps of a job of 50 M parameters (Adam: 600 MB a checkpoint) while one of ten checkpoints is copied and written, against its other steps. One worker,
/// on the disk of the temporary folder.
/// </summary>
internal sealed partial class CheckpointRow : IBenchmarkRow
{
    private const int Batch = 64;
    private const int StepsBetween = 16;
    private const int Checkpoints = 10;

    public string Name => "checkpoint";

    public string Summary => "median step of a 50 M parameter job while a checkpoint is written, against its other steps";

    public IEnumerable<BenchmarkLine> Run(BenchmarkContext context)
    {
        string folder = Directory.CreateTempSubdirectory("distopt-bench-").FullName;
        try
        {
            // an epoch of one batch: every step has a row with its time
            var app = DistOptApp.Define(builder =>
                builder.AddDataset<ImagesInMemory.NoOptions, Torch.SupervisedBatch>("images-in-memory", (_, _) => new ImagesInMemory(Batch)));
            var spec = new TrainingSpec
            {
                Data = new DataSpec { Kind = "images-in-memory", ValidationFraction = 0, TestFraction = 0 },
                Model = new ModelSpec { Kind = "mlp", Options = new Torch.Models.MlpOptions { Hidden = [6000, 6000, 1500] } },
                Batch = new BatchSpec("fixed", new FixedBatchOptions { Size = Batch }),
                Training = new TrainingSection { Workers = 1, Servers = 1, GradientShards = 1, Epochs = StepsBetween * (Checkpoints + 1) },
                Select = new SelectSection { Metric = "train.loss" },
                Checkpoint = new CheckpointSection { EverySteps = StepsBetween, Keep = 1 },
            };
            string run = Path.Combine(folder, "run");
            var training = Training.Start(spec, app, new TrainingOptions { Out = run }, context.CancellationToken);
            double[] ends = [.. training.Rows(context.CancellationToken).ToBlockingEnumerable(context.CancellationToken)
                .Where(r => r.Split == DataSplit.Train).Select(r => r.WallSeconds)];
            training.Result.GetAwaiter().GetResult();
            var writing = RunDirectoryReader.Open(run).Logs().Select(l => (l.Seconds, Match: Written().Match(l.Text))).Where(l => l.Match.Success)
                .Select(l => (Begin: l.Seconds - Seconds(l.Match, 1) - Seconds(l.Match, 2), End: l.Seconds)).ToList();
            var (during, otherwise) = (new List<double>(), new List<double>());
            for (int i = 1; i < ends.Length; i++)
            {
                bool isDuring = writing.Any(w => w.Begin < ends[i] && ends[i - 1] < w.End);
                (isDuring ? during : otherwise).Add(ends[i] - ends[i - 1]);
            }
            var (slow, usual) = (Timing.Of(during), Timing.Of(otherwise));
            context.Log($"  {writing.Count} checkpoints, written in {writing.Average(w => w.End - w.Begin):0.00} s on average; {during.Count} steps meanwhile, "
                + $"quartiles {slow.LowerQuartile * 1e3:0} to {slow.UpperQuartile * 1e3:0} ms; {otherwise.Count} others, {usual.LowerQuartile * 1e3:0} to {usual.UpperQuartile * 1e3:0} ms");
            yield return new BenchmarkLine("median step, 50 M parameters, Adam, while a checkpoint is written vs otherwise",
                slow.Median * 1e3, usual.Median * 1e3, "ms", 1.10, LessIsBetter: true);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static double Seconds(Match match, int group) => double.Parse(match.Groups[group].Value, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^checkpoint of step \d+ written in ([\d.]+) s, copied in ([\d.]+) s")]
    private static partial Regex Written();
}
