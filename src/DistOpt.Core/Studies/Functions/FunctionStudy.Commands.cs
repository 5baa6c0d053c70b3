using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies.Functions;

/// <summary>
/// What is asked of a study while it runs: from any thread, also by its function and by <see cref="TrialEnded"/>. Each method returns once it is stored, with
/// why nothing was done where the study cannot do it, or has ended.
/// </summary>
public sealed partial class FunctionStudy
{
    /// <summary>
    /// Pauses the study, or a trial: nothing of it begins, and <see cref="FunctionTrial.ReportAsync(double, long)"/> waits until it is resumed. A function that
    /// calls <see cref="FunctionTrial.Report(double, long)"/>, which does not wait, goes on to its end. Kept with the study: one that is opened again is paused
    /// still (<see cref="StudyStatus.IsSuspended"/>).
    /// </summary>
    /// <param name="trial">Its number; null = the study.</param>
    public CommandAnswer Pause(int? trial = null) => Settled(() => _engine.Pause(null, trial));

    /// <summary>Goes on with what was paused; a function that waits does at once where <c>RunAsync</c> runs it, else with the next <see cref="Ask"/>.</summary>
    /// <param name="trial">Its number; null = the study.</param>
    public CommandAnswer Resume(int? trial = null) => Settled(() => _engine.Resume(null, trial));

    /// <summary>Ends a trial: its slot is free, and its function's next report says so.</summary>
    /// <param name="trial">Its number.</param>
    public CommandAnswer Cancel(int trial) => Settled(() => _engine.Cancel(null, trial));

    /// <summary>Ends the study, and with it the trials that run: their next report says so.</summary>
    public CommandAnswer Stop() => Settled(() => _engine.Cancel(null));

    /// <summary>How many trials run at a time; those that run are not ended for it.</summary>
    /// <param name="parallel">At least 1.</param>
    /// <param name="fromTrial">Of a deterministic study: the number of the next trial from which on it holds; null = of the one that is next now.</param>
    public CommandAnswer SetParallel(int parallel, int? fromTrial = null) => Settled(() => _engine.SetParallel(null, parallel, fromTrial));

    /// <summary>How many trials the study is to have in all.</summary>
    /// <param name="trials">At least those that have begun.</param>
    public CommandAnswer SetTrials(int trials) => Settled(() => _engine.SetTrials(null, trials));

    /// <summary>A point to try before others are suggested: NaN where a parameter is left to the sampler.</summary>
    public CommandAnswer Enqueue(params double[] point) => Enqueue(point, null);

    /// <param name="point">One for each parameter.</param>
    /// <param name="fromTrial">
    /// The number of the first trial that may be that one, by which a deterministic study comes to the same whenever it is told; null = the next one.
    /// </param>
    /// <inheritdoc cref="Enqueue(double[])"/>
    public CommandAnswer Enqueue(double[] point, int? fromTrial)
    {
        ArgumentNullException.ThrowIfNull(point);
        return Settled(() => _engine.Enqueue(null, [.. point], fromTrial));
    }

    /// <summary>A point to try before others are suggested, of a study whose trials define their parameters.</summary>
    /// <param name="point">Values by name: numbers and choices as they are. What it does not name is left to the sampler; where a value turns out not to be in
    /// its parameter's domain, the trial fails with that.</param>
    public CommandAnswer Enqueue(IReadOnlyDictionary<string, object?> point) => Settled(() => _engine.Enqueue(null, point));

    /// <summary>The parameters of a trial to be tried once more, or some of them, of a study whose space is declared.</summary>
    /// <param name="trial">Its number.</param>
    /// <param name="instead">Values in place of the trial's, NaN where it keeps its own; null = it keeps all.</param>
    /// <param name="fromTrial">As for <see cref="Enqueue(double[], int?)"/>.</param>
    public CommandAnswer EnqueueTrial(int trial, double[]? instead = null, int? fromTrial = null) => Settled(() =>
        _engine.EnqueueTrial(null, trial, instead is null ? [.. Enumerable.Repeat(double.NaN, _engine.History.Space.Count)] : [.. instead], fromTrial));

    /// <summary>Something that is to be known of the study, or of a trial, also of one that has ended.</summary>
    /// <param name="name">What it is; one that is there already is replaced.</param>
    /// <param name="value">Becomes JSON.</param>
    /// <param name="trial">Its number; null = the study.</param>
    /// <exception cref="ArgumentException">There is no such trial, or no name.</exception>
    public void SetUserAttribute<T>(string name, T value, int? trial = null) => Settled(() =>
    {
        SetAttribute(trial, name, value);
        return true;
    });
}
