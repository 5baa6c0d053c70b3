using DistOpt.Actors.Studies;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Training;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Studies;

namespace DistOpt;

/// <summary>What a study needs beside its spec.</summary>
internal sealed record StudyPlan
{
    /// <summary>Names its trials' jobs, and its events in the journal.</summary>
    public required string Id { get; init; }

    public required StudySpec Spec { get; init; }

    public required DistOptAppDefinition App { get; init; }

    /// <summary>Opens model and data.</summary>
    public required IJobRuntimeFactory Runtimes { get; init; }

    public required StudyDirectory Directory { get; init; }

    /// <summary>Trials of another study that the sampler of a new one is given; one that is gone on with has those that it was given.</summary>
    public IReadOnlyList<ImportedTrial> Imported { get; init; } = [];

    /// <summary>Trials in all of one that is gone on with, from now on; null = as the spec or the latest command says.</summary>
    public int? Trials { get; init; }

    /// <summary>Trials of one that is gone on with that run at a time from now on; null = as the spec or the latest command says.</summary>
    public int? Parallel { get; init; }

    /// <summary>Whether it goes on where the program's own code has changed.</summary>
    public bool AcceptsNewCode { get; init; }

    /// <summary>What shows the study; null = nothing does.</summary>
    public IStudyDisplay? Display { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Gives it commands while it runs.</summary>
    public StudyCommands Commands { get; init; } = new();
}

/// <summary>Shows a study that runs. Called from one thread at a time.</summary>
internal interface IStudyDisplay
{
    /// <param name="before">Trials that had ended before it was gone on with.</param>
    void Began(StudyPlan plan, IReadOnlyList<TrialRecord> before);

    /// <param name="trial">The trial.</param>
    /// <param name="spec">The study over the space that the trial was drawn from.</param>
    void Ended(TrialRecord trial, StudySpec spec);

    /// <summary>The space is another one from a trial on.</summary>
    void Widened(StudyEvent.SpaceWidened widened);

    void Stands(Func<StudyStatus> status);
}

/// <summary>Runs a study in this process, with everything that belongs to it: directory, journal, trials' runs, the test of the best one.</summary>
internal static class StudyRunner
{
    /// <exception cref="SpecException">Bad input.</exception>
    public static async Task<StudySummary> RunAsync(StudyPlan plan, CancellationToken interrupt)
    {
        try
        {
            return await RunOpenAsync(plan, interrupt).ConfigureAwait(false);
        }
        finally
        {
            // whatever it ends by: nobody waits for an answer
            plan.Commands.End(null);
        }
    }

    private static async Task<StudySummary> RunOpenAsync(StudyPlan plan, CancellationToken interrupt)
    {
        var parts = Hosts.Parts(plan.App, plan.Runtimes);
        if (LocalStudyNode.Violations(plan.Spec).ToList() is { Count: > 0 } violations) throw new SpecException(violations);
        // before anything else, so that a study which dies at whatever moment can be gone on with
        plan.Directory.Create(plan.Spec, plan.Imported, hasJournal: true);
        var watch = plan.Display is { } display ? new Shown(plan, display) : null;
        using var session = new StudySession(plan.Id, plan.Spec, plan.Directory, parts.Studies!, plan.Time, watch);
        var run = session.Run with { Parallel = plan.Parallel };
        run = run with { Reopening = new StudyReopening(engine => GoOn(engine, plan.Trials)) };
        if (plan.AcceptsNewCode) run = run with { NewCode = NewCode.Accept };
        var commands = plan.Commands;
        await using var control = StudyControlServer.Start(plan.Directory, plan.Spec, commands, plan.Time);
        var status = await LocalStudyHost.RunAsync(run, plan.Directory.JournalFile, parts, commands, interrupt).ConfigureAwait(false);
        return session.Summarize(status, interrupt);
    }

    private static CommandAnswer GoOn(StudyEngine engine, int? trials)
    {
        // whoever has mended what trials failed by
        if (engine.End == StudyStopReason.Failures) engine.Resume(null);
        if (trials is not { } most || most == engine.Status().Trials) return new();
        var answer = engine.SetTrials(null, most);
        return answer.Refusal is { } why ? throw new SpecException("--trials", why) : answer;
    }

    private sealed class Shown(StudyPlan plan, IStudyDisplay display) : IStudyWatch
    {
        public void Began(IReadOnlyList<TrialRecord> before) => display.Began(plan, before);

        public void Ended(TrialRecord trial, StudySpec spec) => display.Ended(trial, spec);

        public void Widened(StudyEvent.SpaceWidened widened) => display.Widened(widened);

        public void Stands(Func<StudyStatus> status) => display.Stands(status);
    }
}
