using DistOpt.Core.Batching;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Schedules;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Checkpoints;

/// <summary>States of a small model with buffers and two optimizer slots, whose values tell their step.</summary>
internal static class CheckpointFixture
{
    public static readonly ParameterLayout Layout = new(
        [new TensorSlot("w", [40, 60], 0, 2400), new TensorSlot("b", [40], 2400, 40)],
        [new TensorSlot("mean", [7], 0, 7), new TensorSlot("count", [], 7, 2, ElementType.Int64)]);

    public static readonly string[] Slots = ["exp_avg", "exp_avg_sq"];

    public static readonly StateLayout Vectors = new(Layout, new UpdateRule(new Adam(new AdamOptions())), hasAverage: true);

    public static CheckpointManifest Template { get; } = new()
    {
        Job = "job-1",
        State = new TrainingState { Step = 0 },
        Epoch = 0,
        BatchStart = 0,
        BatchSize = 10,
        TrainSamples = 103,
        Seed = 42,
        GradientShards = 4,
        SpecIdentity = "abc",
        Parameters = CheckpointManifest.Tensors(Layout.Parameters),
        Buffers = CheckpointManifest.Tensors(Layout.Buffers),
        Optimizer = "adam",
        Slots = [.. Slots],
    };

    public static TrainingState State(long step, long? selected = 3)
    {
        var since = new MetricSums();
        since.Add("loss", 1.0 / 3, 10);
        return new TrainingState
        {
            Step = step,
            Samples = step * 10,
            SelectedStep = selected,
            SelectedValue = 0.1 + step,
            EvaluationsWithoutGain = 2,
            PatienceBest = double.NegativeInfinity,
            Evaluated = true,
            DecidedStop = StopReason.Target,
            Plateau = new PlateauState { Scale = 0.01, BadEvaluations = 2, CooldownLeft = 1 },
            Batch = new BatchState
            {
                Size = 48,
                Reason = BatchReason.NoiseScale,
                RateFactor = 0.5,
                Progress = 1.0 / 3,
                Noise = new NoiseState { Trace = 1e9, SquaredNorm = -1e-9, Weight = 0.1, Count = 7, PreviousSquares = 2, PreviousSize = 32 },
                Applied = new AppliedBatch(9, 1e-3, BatchReason.EpochEnd, null, 1.25),
                Whole = new AppliedBatch(48, 2e-3, BatchReason.ChangeBound, 12.5, 1.5),
            },
            LastEpoch = 1,
            SinceRow = since,
        };
    }

    public static float Value(long step, int part, long position) => step * 1000f + part * 100f + position;

    /// <summary>Writes a checkpoint as servers do: slices of two key ranges, in mixed order.</summary>
    public static string Write(CheckpointStore store, long step, int jobEpoch = 1)
    {
        using var draft = store.Begin(jobEpoch, step, Vectors);
        var ranges = new[] { new KeyRange(1024, 2048), new KeyRange(0, 1024), new KeyRange(2048, 2440) };
        bool described = false;
        foreach (int part in new[] { 16, 0, 17, 2, 4 })
        {
            foreach (var range in ranges) draft.Write(part, range, Values(step, part, range));
            if (described) continue;
            draft.Describe(Template.With(State(step)));
            described = true;
        }
        foreach (int part in new[] { 1, 3, 5 }) draft.Write(part, new KeyRange(0, 9), Values(step, part, new KeyRange(0, 9)));
        return draft.Commit(new ManifestRun { WallSeconds = 1.5, StepsComputed = step });
    }

    public static float[] Values(long step, int part, KeyRange range) =>
        [.. Enumerable.Range(0, (int)range.Length).Select(i => Value(step, part, range.Begin + i))];

    /// <summary>Whether every value is that of the step.</summary>
    public static void AssertHolds(Checkpoint checkpoint, long step)
    {
        Assert.Equal(step, checkpoint.Step);
        checkpoint.CheckLayout(Vectors);
        foreach (var vector in checkpoint.Vectors)
        {
            var range = new KeyRange(0, Vectors.Length(vector.Part));
            var read = new float[range.Length];
            checkpoint.Read(vector.Part, range, read);
            Assert.Equal(Values(step, vector.Part, range), read);
        }
    }
}
