using System.Collections.Immutable;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>
/// Whether trials report at every rung. A report that passes several rungs at once puts its trial among those of the highest of them, and nobody is judged at
/// the others: halving that a study spec asks for does not take place.
/// </summary>
internal static class RungReports
{
    /// <summary>
    /// Where a bracket has two rungs with no evaluation from the one on that comes before the other. Told where rungs and evaluations count the same (epochs,
    /// or steps), and where there is none before the end; not where it is searched how often a trial is evaluated.
    /// </summary>
    /// <param name="spec">The study.</param>
    /// <param name="rungs">Of its trial scheduler.</param>
    public static IEnumerable<SpecViolation> Check(StudySpec spec, ImmutableArray<RungStatus> rungs)
    {
        const string epochs = "evaluate.every_epochs", steps = "evaluate.every_steps";
        var evaluate = spec.Training.Evaluate;
        string scheduler = spec.Study.TrialScheduler.Kind;
        if (spec.Space.Space.IndexOf(epochs) >= 0 || spec.Space.Space.IndexOf(steps) >= 0) yield break;
        var (path, every) = (spec.Study.Resource, evaluate) switch
        {
            (TrialResource.Epochs, { EverySteps: null, EveryEpochs: { } k }) => (epochs, (long)k),
            (TrialResource.Steps, { EveryEpochs: null, EverySteps: { } k }) => (steps, k),
            (_, { EveryEpochs: null, EverySteps: null }) => (epochs, 0L),
            _ => ("", 0L),
        };
        if (path.Length == 0) yield break;
        string unit = path == epochs ? "epochs" : "steps";
        if (Passed(rungs, every) is not { } passed) yield break;
        if (every == 0)
        {
            yield return new(path, $"is null like every_steps, so that a trial reports once, at its end, and passes all rungs of {scheduler} with that; "
                + "set one of the two, or use fifo");
            yield break;
        }
        long often = every - 1;
        while (often > 1 && Passed(rungs, often) is not null) often--;
        yield return new(path, $"is {every}, but {scheduler} has rungs at {passed.Low} and {passed.High} {unit}, which one report passes both, so that nobody is judged "
            + $"at the first; evaluate every {Math.Max(1, often)} {unit} or more often, or raise study.trial_scheduler.min_resource to {every}");
    }

    /// <summary>Two rungs of a bracket, one after the other, that one report passes; null = there are none.</summary>
    private static (long Low, long High)? Passed(ImmutableArray<RungStatus> rungs, long every)
    {
        foreach (var bracket in rungs.GroupBy(r => r.Bracket))
        {
            long[] at = [.. bracket.Select(r => r.Resource).Order()];
            for (int i = 0; i + 1 < at.Length; i++)
                if (every == 0 || (at[i] + every - 1) / every * every >= at[i + 1]) return (at[i], at[i + 1]);
        }
        return null;
    }
}
