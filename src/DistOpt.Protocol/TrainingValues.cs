using DistOpt.Core.Batching;
using DistOpt.Core.Schedules;
using DistOpt.Core.Training;
using MessagePack;

namespace DistOpt.Protocol;

/// <summary><see cref="StepPlan"/> on the wire.</summary>
[MessagePackObject]
public sealed record WirePlan(
    [property: Key(0)] long Step,
    [property: Key(1)] int Epoch,
    [property: Key(2)] long BatchStart,
    [property: Key(3)] int BatchSize,
    [property: Key(4)] double LearningRate,
    [property: Key(5)] bool Evaluate,
    [property: Key(6)] int Stop,
    [property: Key(7)] bool Keep,
    [property: Key(8)] bool Checkpoint,
    [property: Key(9)] int Assignment)
{
    [Key(10)]
    public bool MeasuresLeaves { get; init; }

    public static WirePlan From(StepPlan plan) => new(plan.Step, plan.Epoch, plan.BatchStart, plan.BatchSize, plan.LearningRate,
        plan.Evaluate, plan.Stop is { } stop ? (int)stop : -1, plan.Keep,
        plan.Checkpoint, plan.Assignment)
    {
        MeasuresLeaves = plan.MeasuresLeaves,
        PushesLeaves = plan.PushesLeaves,
        AverageShare = plan.AverageShare,
        UsesAverage = plan.UsesAverage,
        Momentum = plan.Momentum,
    };

    [Key(11)]
    public double AverageShare { get; init; }

    [Key(12)]
    public bool UsesAverage { get; init; }

    [Key(13)]
    public double? Momentum { get; init; }

    [Key(14)]
    public bool PushesLeaves { get; init; }

    public StepPlan ToPlan() => new(Step, Epoch, BatchStart, BatchSize, LearningRate, Evaluate, Stop < 0 ? null : (StopReason)Stop, Keep)
    {
        Checkpoint = Checkpoint,
        Assignment = Assignment,
        MeasuresLeaves = MeasuresLeaves,
        PushesLeaves = PushesLeaves,
        AverageShare = AverageShare,
        UsesAverage = UsesAverage,
        Momentum = Momentum,
    };
}

/// <summary><see cref="MetricSums"/> on the wire: three columns of equal length.</summary>
[MessagePackObject]
public sealed record WireMetrics([property: Key(0)] string[] Names, [property: Key(1)] double[] Sums, [property: Key(2)] double[] Weights)
{
    public static WireMetrics From(MetricSums metrics)
    {
        var (names, sums, weights) = (new string[metrics.Count], new double[metrics.Count], new double[metrics.Count]);
        int i = 0;
        foreach (var (name, sum) in metrics) (names[i], sums[i], weights[i++]) = (name, sum.Sum, sum.Weight);
        return new(names, sums, weights) { Counts = metrics.Counts.Count == 0 ? null : [.. metrics.Counts.Select(c => WireCounts.From(c.Key, c.Value))] };
    }

    /// <summary>Counts, which evaluations alone have; null = there are none.</summary>
    [Key(3)]
    public WireCounts[]? Counts { get; init; }

    /// <exception cref="WireException">Columns differ in length.</exception>
    public MetricSums ToMetrics()
    {
        if (Names.Length != Sums.Length || Names.Length != Weights.Length) throw new WireException("metric columns differ in length");
        var metrics = new MetricSums();
        for (int i = 0; i < Names.Length; i++) metrics.Add(Names[i], Sums[i], Weights[i]);
        foreach (var counts in Counts ?? []) counts.AddTo(metrics);
        return metrics;
    }
}

/// <summary><see cref="MetricCounts"/> on the wire.</summary>
/// <param name="Steps">The first key, and from each key to the next; all but the first above 0.</param>
[MessagePackObject]
public sealed record WireCounts([property: Key(0)] string Name, [property: Key(1)] long[] Steps, [property: Key(2)] long[] Counts)
{
    /// <summary>Most bytes of a key with its count.</summary>
    public const int EntryBytes = 18;

    public static WireCounts From(string name, MetricCounts counts) => From(name, counts.Sorted());

    /// <param name="sorted">Ascending by key.</param>
    public static WireCounts From(string name, ReadOnlySpan<(long Key, long Count)> sorted)
    {
        var (steps, values) = (new long[sorted.Length], new long[sorted.Length]);
        for (int i = 0; i < sorted.Length; i++)
            (steps[i], values[i]) = (i == 0 ? sorted[0].Key : sorted[i].Key - sorted[i - 1].Key, sorted[i].Count);
        return new(name, steps, values);
    }

    /// <exception cref="WireException">The columns differ in length.</exception>
    public void AddTo(MetricSums metrics)
    {
        if (Steps.Length != Counts.Length) throw new WireException("columns of counts differ in length");
        var counts = metrics.CountsFor(Name);
        long key = 0;
        for (int i = 0; i < Steps.Length; i++) counts.Add(key = unchecked(key + Steps[i]), Counts[i]);
    }
}

/// <summary>A name and what it stands for, where order does not matter.</summary>
[MessagePackObject]
public sealed record NamedText([property: Key(0)] string Name, [property: Key(1)] string Text);

/// <summary><see cref="TrainingState"/> on the wire.</summary>
[MessagePackObject]
public sealed record WireState(
    [property: Key(0)] long Step,
    [property: Key(1)] long Samples,
    [property: Key(2)] long SelectedStep,
    [property: Key(3)] double SelectedValue,
    [property: Key(4)] int EvaluationsWithoutGain,
    [property: Key(5)] double PatienceBest,
    [property: Key(6)] bool Evaluated,
    [property: Key(7)] bool Keep,
    [property: Key(8)] int DecidedStop,
    [property: Key(9)] int LastEpoch,
    [property: Key(10)] WireMetrics SinceRow)
{
    /// <summary>Null without a schedule that learns of evaluations.</summary>
    [Key(13)]
    public WirePlateau? Plateau { get; init; }

    /// <summary>Null in a state of a build before there were batch strategies.</summary>
    [Key(16)]
    public WireBatch? Batch { get; init; }

    public static WireState From(TrainingState state) => new(state.Step, state.Samples, state.SelectedStep ?? -1, state.SelectedValue,
        state.EvaluationsWithoutGain, state.PatienceBest, state.Evaluated, state.Keep, state.DecidedStop is { } stop ? (int)stop : -1,
        state.LastEpoch, WireMetrics.From(state.SinceRow))
    {
        Plateau = state.Plateau is { } plateau ? new WirePlateau(plateau.Scale, plateau.Best, plateau.BadEvaluations, plateau.CooldownLeft) : null,
        Batch = state.Batch is { } batch ? WireBatch.From(batch) : null,
        FirstLoss = double.IsNaN(state.FirstLoss) ? null : state.FirstLoss,
        Diverged = state.Divergence is not null,
        DivergedLoss = state.Divergence?.Loss,
        NonFinite = state.Divergence?.NonFinite,
        DivergedAtEnd = state.Divergence?.IsAtEnd ?? false,
        PatienceStep = state.PatienceStep,
    };

    /// <summary>Null = there was no step.</summary>
    [Key(11)]
    public double? FirstLoss { get; init; }

    [Key(12)]
    public bool Diverged { get; init; }

    /// <summary>Null = the step at which it diverged had none.</summary>
    [Key(14)]
    public double? DivergedLoss { get; init; }

    /// <summary>Null = the gradient there was finite.</summary>
    [Key(15)]
    public long? NonFinite { get; init; }

    [Key(17)]
    public bool DivergedAtEnd { get; init; }

    /// <summary>Null before the first evaluation.</summary>
    [Key(18)]
    public long? PatienceStep { get; init; }

    public TrainingState ToState() => new()
    {
        Step = Step,
        Samples = Samples,
        SelectedStep = SelectedStep < 0 ? null : SelectedStep,
        SelectedValue = SelectedValue,
        EvaluationsWithoutGain = EvaluationsWithoutGain,
        PatienceBest = PatienceBest,
        PatienceStep = PatienceStep,
        Evaluated = Evaluated,
        Keep = Keep,
        DecidedStop = DecidedStop < 0 ? null : (StopReason)DecidedStop,
        LastEpoch = LastEpoch,
        SinceRow = SinceRow.ToMetrics(),
        Plateau = Plateau is { } plateau ? new PlateauState
        {
            Scale = plateau.Scale,
            Best = plateau.Best,
            BadEvaluations = plateau.BadEvaluations,
            CooldownLeft = plateau.CooldownLeft,
        } : null,
        Batch = Batch?.ToState(),
        FirstLoss = FirstLoss ?? double.NaN,
        Divergence = Diverged ? new DivergedStep(DivergedLoss, NonFinite) { IsAtEnd = DivergedAtEnd } : null,
    };
}

/// <summary><see cref="PlateauState"/> on the wire.</summary>
[MessagePackObject]
public sealed record WirePlateau(
    [property: Key(0)] double Scale,
    [property: Key(1)] double Best,
    [property: Key(2)] int BadEvaluations,
    [property: Key(3)] int CooldownLeft);

/// <summary><see cref="BatchState"/> on the wire.</summary>
/// <param name="Reason">Number of a <see cref="BatchReason"/>.</param>
[MessagePackObject]
public sealed record WireBatch(
    [property: Key(0)] int Size,
    [property: Key(1)] int Reason,
    [property: Key(2)] double RateFactor,
    [property: Key(3)] double Progress,
    [property: Key(4)] WireNoise Noise,
    [property: Key(5)] WireApplied? Applied,
    [property: Key(6)] WireApplied? Whole)
{
    public static WireBatch From(BatchState state) => new(state.Size, (int)state.Reason, state.RateFactor, state.Progress, WireNoise.From(state.Noise),
        WireApplied.From(state.Applied), WireApplied.From(state.Whole));

    public BatchState ToState() => new()
    {
        Size = Size,
        Reason = (BatchReason)Reason,
        RateFactor = RateFactor,
        Progress = Progress,
        Noise = Noise.ToState(),
        Applied = Applied?.ToApplied(),
        Whole = Whole?.ToApplied(),
    };
}

/// <summary><see cref="NoiseState"/> on the wire.</summary>
[MessagePackObject]
public sealed record WireNoise(
    [property: Key(0)] double Trace,
    [property: Key(1)] double SquaredNorm,
    [property: Key(2)] double Weight,
    [property: Key(3)] long Count,
    [property: Key(4)] double PreviousSquares,
    [property: Key(5)] double PreviousSize)
{
    public static WireNoise From(NoiseState state) =>
        new(state.Trace, state.SquaredNorm, state.Weight, state.Count, state.PreviousSquares, state.PreviousSize);

    public NoiseState ToState() => new()
    {
        Trace = Trace,
        SquaredNorm = SquaredNorm,
        Weight = Weight,
        Count = Count,
        PreviousSquares = PreviousSquares,
        PreviousSize = PreviousSize,
    };
}

/// <summary><see cref="AppliedBatch"/> on the wire.</summary>
[MessagePackObject]
public sealed record WireApplied(
    [property: Key(0)] int Size,
    [property: Key(1)] double LearningRate,
    [property: Key(2)] int Reason,
    [property: Key(3)] double? NoiseScale,
    [property: Key(4)] double? Gain)
{
    public static WireApplied? From(AppliedBatch? applied) => applied is null ? null
        : new(applied.Size, applied.LearningRate, (int)applied.Reason, applied.NoiseScale, applied.Gain);

    public AppliedBatch ToApplied() => new(Size, LearningRate, (BatchReason)Reason, NoiseScale, Gain);
}
