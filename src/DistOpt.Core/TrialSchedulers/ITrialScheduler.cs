using System.Collections.Immutable;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>What becomes of a trial after a report.</summary>
public enum ReportAction
{
    /// <summary>It goes on.</summary>
    Continue,

    /// <summary>It goes on, and leaves a checkpoint that others may be sent on from until its next one.</summary>
    Checkpoint,

    /// <summary>It writes a checkpoint and gives up its slot.</summary>
    Pause,

    /// <summary>It ends early: others were better.</summary>
    Prune,

    /// <summary>It ends: it has had all that a trial gets.</summary>
    Complete,
}

/// <summary>What a free slot is for.</summary>
public enum SlotAction
{
    /// <summary>Nothing now: only a report or an end may change that.</summary>
    Wait,

    /// <summary>A new trial.</summary>
    Start,

    /// <summary>A paused trial goes on from its checkpoint, or from another trial's.</summary>
    Promote,
}

/// <summary>A trial goes on from another one's checkpoint with other parameters.</summary>
/// <param name="Donor">The trial whose checkpoint it is.</param>
/// <param name="Resource">The resource at which the donor left it.</param>
/// <param name="Parameters">One value for each parameter of the space; NaN where it has none.</param>
public sealed record Exploit(int Donor, long Resource, ImmutableArray<double> Parameters);

/// <summary>A decision on a free slot.</summary>
/// <param name="Action">What it is for.</param>
/// <param name="Trial">The trial's number; 0 where there is nothing to do.</param>
/// <param name="Until">Resource of the first report that may pause or end it; <see cref="long.MaxValue"/> = it runs to its own end.</param>
/// <param name="Bracket">The trial's bracket, from 0.</param>
/// <param name="Exploit">Where it goes on from, if not from its own checkpoint.</param>
public readonly record struct SlotDecision(SlotAction Action, int Trial = 0, long Until = 0, int Bracket = 0, Exploit? Exploit = null);

/// <summary>A rung as <c>watch</c> shows it.</summary>
/// <param name="Bracket">From 0.</param>
/// <param name="Index">From 0, the lowest.</param>
/// <param name="Resource">Where it lies.</param>
/// <param name="Entered">Trials that have reached it.</param>
/// <param name="Promoted">Those that were sent on.</param>
public readonly record struct RungStatus(int Bracket, int Index, long Resource, int Entered, int Promoted);

/// <summary>
/// Decides which trial gets how much: what becomes of a trial after a report, and what a free slot is for. An instance belongs to one study, and is
/// called by one thread at a time. It has no clock, and draws by the study's seed alone: the same calls give the same decisions, so that a study that
/// has been interrupted gives a new instance the calls of its journal. A slot that waited need not be among them, a start is repeated by
/// <see cref="Next"/> with its number, a promotion by <see cref="Next"/> with null. Resources are counts of anything that grows while a trial runs.
/// An attempt that is repeated on another node is no event here: reports that come twice change nothing.
/// </summary>
public interface ITrialScheduler
{
    /// <summary>Whether trials are paused or copied, so that their weights must be kept.</summary>
    bool NeedsCheckpoints { get; }

    /// <summary>
    /// Whether any timing of the same trials' reports leads to the same trials with the same resources: what <c>deterministic: true</c> asks for.
    /// </summary>
    bool IsOrderIndependent { get; }

    /// <summary>
    /// Resource at which a report completes a trial; <see cref="long.MaxValue"/> = none does. Where <see cref="IsOrderIndependent"/>, reports below a
    /// decision's <see cref="SlotDecision.Until"/> change nothing, and those from there on pause the trial, or complete it at this resource: what its
    /// trial is told need not wait for those that are to be counted before it.
    /// </summary>
    long TrialEnd => long.MaxValue;

    /// <summary>
    /// Resource of the next report that may pause or end a trial that goes on, or of which others may go on; null = it is not known, or none does before its
    /// end. Changes nothing.
    /// </summary>
    /// <param name="trial">One that has not ended.</param>
    long? UntilOf(int trial) => null;

    /// <summary>Whether it changes the parameters of trials, so that the space has to stay as it is.</summary>
    bool ChangesParameters => false;

    /// <summary>Whether a trial may still be sent on, by itself or as another one, from its checkpoint at a resource; if not, it can be deleted.</summary>
    bool MayNeed(int trial, long resource) => false;

    /// <summary>The rungs, bracket by bracket from the lowest; none where there are none.</summary>
    ImmutableArray<RungStatus> Rungs => [];

    /// <summary>What a free slot is for. Everything but <see cref="SlotAction.Wait"/> counts as done from then on.</summary>
    /// <param name="newTrial">The number that a new trial would have, by count from 0; null = none may be started.</param>
    SlotDecision Next(int? newTrial);

    /// <summary>The study is to have another number of trials than <see cref="StudyContext.Trials"/> says; also after all of those have ended.</summary>
    /// <param name="trials">At least as many as have been started.</param>
    void SetTrials(int trials) { }

    /// <summary>The parameters of a trial that <see cref="Next"/> has started; before its first report.</summary>
    void Begin(int trial, ImmutableArray<double> parameters) { }

    /// <summary>What becomes of a trial that has got so far. A trial that does not run (any more) is not counted again.</summary>
    /// <param name="trial">Its number.</param>
    /// <param name="resource">How much it has had by now.</param>
    /// <param name="value">Of the first objective, as it is measured; NaN is worse than any.</param>
    ReportAction Report(int trial, long resource, double value);

    /// <summary>A trial has ended, in whatever way and by whatever cause. Twice is as once.</summary>
    /// <param name="trial">Its number.</param>
    /// <param name="state">Complete, pruned or failed.</param>
    void End(int trial, TrialState state);
}
