using DistOpt.Core.Metrics;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Training;

/// <summary>What is known when a run begins.</summary>
/// <param name="Job">Id of the job.</param>
/// <param name="Spec">The resolved spec.</param>
/// <param name="Data">Sizes of the splits.</param>
/// <param name="TotalSteps">Steps if nothing stops the run earlier.</param>
/// <param name="Nodes">Names of the nodes that take part.</param>
/// <param name="Warnings">For the user, from opening model and data.</param>
public sealed record RunStarted(string Job, TrainingSpec Spec, DataCounts Data, long TotalSteps, ParameterLayout Layout,
    IReadOnlyList<string> Nodes, IReadOnlyList<string> Warnings)
{
    /// <summary>Whether <see cref="TotalSteps"/> is known; where the batch varies it is an estimate.</summary>
    public bool TotalIsExact { get; init; } = true;

    /// <summary>Set when the run goes on from a checkpoint or under another coordinator.</summary>
    public RunResumed? Resumed { get; init; }
}

/// <summary>Where a run goes on.</summary>
/// <param name="Step">Updates applied.</param>
/// <param name="TrainRows">Training rows up to this step, inclusive, stay; later ones are told again.</param>
/// <param name="ValidationRows">Likewise for rows of evaluations.</param>
public sealed record RunResumed(long Step, long TrainRows, long ValidationRows);

/// <summary>Progress between rows: cheap, many a second, may be dropped.</summary>
/// <param name="Step">Updates applied so far.</param>
/// <param name="Loss">Mean training loss of the latest step.</param>
public sealed record RunProgress(long Step, int Epoch, double Loss, double SamplesPerSecond, double WallSeconds);

/// <summary>Weights that a run hands over for keeping: "last" or "selected".</summary>
/// <param name="Step">Their version.</param>
public sealed record RunWeights(bool Selected, long Step, ReadOnlyMemory<float> Parameters, ReadOnlyMemory<float> Buffers)
{
    /// <summary>Of last weights: whether they are the running average (<c>averaging</c>) of that version.</summary>
    public bool IsAverage { get; init; }
}

/// <summary>A confusion matrix with the names of its classes by index (empty where they have none).</summary>
/// <param name="Split">What was measured on: the test part, or the validation part where there is none.</param>
public sealed record RunConfusion(DataSplit Split, ConfusionMatrix Matrix, IReadOnlyList<string> Classes);

/// <summary>
/// Receives what happens in a run, in order, from one thread at a time: the run directory, the progress display, observers. An exception
/// fails the run.
/// </summary>
public interface IRunSink
{
    void Started(RunStarted run) { }

    void Progress(RunProgress progress) { }

    void Row(MetricRow row) { }

    void Log(LogLine line) { }

    /// <summary>The confusion matrix of the selected weights, where the spec asks for it; at the end of a run that was not interrupted.</summary>
    void Confusion(RunConfusion confusion) { }

    /// <summary>
    /// Called at a regular end for the last weights, for their running average where there is one, and for the selected weights. The memory is valid
    /// during the call.
    /// </summary>
    void Weights(RunWeights weights) { }

    /// <summary>
    /// What was told so far must outlive the machine: called before a checkpoint takes its place, from which nothing before it would be told again.
    /// </summary>
    void Flush() { }

    void Ended(RunSummary summary) { }
}
