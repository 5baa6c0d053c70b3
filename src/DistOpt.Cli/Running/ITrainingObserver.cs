using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>
/// Sees what happens in a run. Called in order, one call at a time, in the process that started the run; a slow observer slows the run,
/// and an exception fails it.
/// </summary>
public interface ITrainingObserver
{
    void Started(RunStarted run, TrainingContext context) { }

    /// <summary>Progress between rows. Steps that follow each other closely may be told as one.</summary>
    void Step(RunProgress progress, TrainingContext context) { }

    /// <summary>A metric row: of training, or of an evaluation.</summary>
    void Evaluated(MetricRow row, TrainingContext context) { }

    /// <summary>Weights were written to the run directory.</summary>
    void Checkpointed(RunWeights weights, TrainingContext context) { }

    void Ended(RunSummary summary) { }
}

/// <summary>What an observer may ask for.</summary>
public sealed class TrainingContext(Action stop, Action checkpoint)
{
    /// <summary>Asks that training ends at the next step that is not planned yet; the run ends regularly, with stop reason <c>observer</c>.</summary>
    public void RequestStop() => stop();

    /// <summary>
    /// Asks for a checkpoint after the next step that is not planned yet, beside those that are due. One that is asked for while another is being
    /// written follows it; several at once are one. Of a run without a directory and without shared storage there are none: its log says so.
    /// </summary>
    public void RequestCheckpoint() => checkpoint();
}
