using DistOpt.Core.Training;
using MessagePack;

namespace DistOpt.Protocol;

/// <summary>Server of key 0 to training coordinator: averages over the steps since the last such row.</summary>
/// <param name="Step">Updates applied so far.</param>
/// <param name="Epoch">Epoch of the last of them; so in the records below.</param>
[MessagePackObject]
public sealed record TrainRow(
    [property: Key(0)] long Step,
    [property: Key(1)] int Epoch,
    [property: Key(2)] WireMetrics Metrics,
    [property: Key(3)] double LearningRate,
    [property: Key(4)] int BatchSize,
    [property: Key(5)] long Samples) : IWireMessage
{
    /// <summary>Number of a <see cref="Core.Batching.BatchReason"/>; null where every batch has the same size.</summary>
    [Key(6)]
    public int? BatchReason { get; init; }

    /// <summary>Null where none is measured or none is known.</summary>
    [Key(7)]
    public double? NoiseScale { get; init; }

    /// <summary>Null without AdaScale.</summary>
    [Key(8)]
    public double? Gain { get; init; }
}

/// <summary>Server of key 0 to training coordinator: result of an evaluation barrier.</summary>
/// <param name="Selected">Whether these weights are now the selected ones.</param>
[MessagePackObject]
public sealed record ValidationRow(
    [property: Key(0)] long Step,
    [property: Key(1)] int Epoch,
    [property: Key(2)] WireMetrics Metrics,
    [property: Key(3)] bool Selected) : IWireMessage;

/// <summary>
/// What the server of key 0 keeps of the rows that it has told, for whoever comes after it or after the coordinator. To the training coordinator
/// when an epoch begins; and to the server's backup with every step.
/// </summary>
/// <param name="StoredTrain">Rows of training up to this step are known to be stored; -1 = none.</param>
/// <param name="StoredValidation">Likewise for evaluations.</param>
/// <param name="Train">The latest row of training; null = there is none.</param>
/// <param name="Validation">The row of the selected weights, or the first one; null = there is none.</param>
/// <param name="NewTrain">Rows that are not known to be stored, in order.</param>
/// <param name="NewValidation">Likewise.</param>
[MessagePackObject]
public sealed record RowsKept(
    [property: Key(0)] long StoredTrain,
    [property: Key(1)] long StoredValidation,
    [property: Key(2)] TrainRow? Train,
    [property: Key(3)] ValidationRow? Validation,
    [property: Key(4)] TrainRow[] NewTrain,
    [property: Key(5)] ValidationRow[] NewValidation) : IWireMessage;

/// <summary>Server of key 0 to training coordinator, at most every tenth of a second: progress between rows.</summary>
[MessagePackObject]
public sealed record StepProgress(
    [property: Key(0)] long Step,
    [property: Key(1)] int Epoch,
    [property: Key(2)] double Loss,
    [property: Key(3)] long Samples) : IWireMessage;

/// <summary>Server of key 0 to training coordinator: no more steps; weights of this version are the last.</summary>
/// <param name="SelectedStep">Version of the selected weights; equal to <paramref name="Step"/> where nothing was selected before.</param>
/// <param name="SelectedValue">Value of the selecting metric there; NaN where none was measured.</param>
/// <param name="KeepLast">Whether the last weights are the selected ones.</param>
/// <param name="JobEpoch">Epoch in which it ended; where another has begun since, steps may have to be done again.</param>
[MessagePackObject]
public sealed record TrainingEnded(
    [property: Key(0)] long Step,
    [property: Key(1)] int Epoch,
    [property: Key(2)] int Reason,
    [property: Key(3)] long Samples,
    [property: Key(4)] long SelectedStep,
    [property: Key(5)] double SelectedValue,
    [property: Key(6)] bool KeepLast,
    [property: Key(7)] int JobEpoch = 0) : IWireMessage
{
    /// <summary>Mean loss of the step at which training diverged; null = not told.</summary>
    [Key(8)]
    public double? Loss { get; init; }

    /// <summary>Whether the running average stands for the last weights.</summary>
    [Key(9)]
    public bool UsesAverage { get; init; }

    /// <summary>First position at which the gradient of that step is not finite; null = it is.</summary>
    [Key(10)]
    public long? NonFinite { get; init; }

    /// <summary>Whether it was the evaluation at the end that showed it; the loss is then that of the validation part.</summary>
    [Key(11)]
    public bool DivergedAtEnd { get; init; }

    /// <summary>Whether the selected weights are the running average of their step.</summary>
    [Key(12)]
    public bool SelectsAverage { get; init; }
}

/// <summary>Any actor of a job to the training coordinator: user code or the job itself failed.</summary>
/// <param name="Who">Actor and node, for people.</param>
/// <param name="Type">Exception type.</param>
/// <param name="Stack">Stack trace.</param>
[MessagePackObject]
public sealed record JobFailed(
    [property: Key(0)] string Who,
    [property: Key(1)] long Step,
    [property: Key(2)] string Type,
    [property: Key(3)] string Message,
    [property: Key(4)] string Stack) : IWireMessage
{
    /// <summary>What was not done, where somebody else may try it once more; null where the job cannot go on.</summary>
    [Key(5)]
    public WireWork? Work { get; init; }

    /// <summary>Index of the worker that failed; null = it was none.</summary>
    [Key(6)]
    public int? Worker { get; init; }
}

/// <summary><see cref="FailedWork"/> on the wire.</summary>
/// <param name="Split">Part of the data whose slices are meant; -1 = gradient shards.</param>
[MessagePackObject]
public sealed record WireWork([property: Key(0)] int JobEpoch, [property: Key(1)] long Step, [property: Key(2)] int Split, [property: Key(3)] int[] Parts)
{
    public static WireWork From(FailedWork work) => new(work.JobEpoch, work.Step, work.Split is { } split ? (int)split : -1, [.. work.Parts]);

    public FailedWork ToWork() => new(JobEpoch, Step, Split < 0 ? null : (DataSplit)Split, Parts);
}

/// <summary>
/// Training coordinator to a replica: user code failed at this work elsewhere, or by another worker here; try it once. The results go where
/// they always go, a failure is answered by <see cref="JobFailed"/>.
/// </summary>
/// <param name="Avoid">Index of the worker that failed: another one tries it where there is one.</param>
[MessagePackObject]
public sealed record TryWork([property: Key(0)] WireWork Work, [property: Key(1)] int Avoid) : ICoordinatorMessage;

/// <summary>
/// Node to training coordinator: lines that user code or the node wrote. The node keeps the latest ones until <see cref="LinesSeen"/> says that
/// they are logged, and sends them again to a coordinator that takes over.
/// </summary>
[MessagePackObject]
public sealed record LogLines([property: Key(0)] WireLogLine[] Lines) : IWireMessage
{
    /// <summary>Number of the first of the lines, which count up from 1; 0 = they are not numbered, nor kept.</summary>
    [Key(1)]
    public long First { get; init; }

    /// <summary>Whose numbers they are: a node that has part in a job a second time counts anew.</summary>
    [Key(2)]
    public long Stream { get; init; }
}

/// <summary>Training coordinator to a node: the lines up to this number are in the job's log.</summary>
[MessagePackObject]
public sealed record LinesSeen([property: Key(0)] long Stream, [property: Key(1)] long Last) : IWireMessage;

[MessagePackObject]
public sealed record WireLogLine(
    [property: Key(0)] string Node,
    [property: Key(1)] string Source,
    [property: Key(2)] string Level,
    [property: Key(3)] string Text);
