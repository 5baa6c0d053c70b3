using System.Globalization;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt;

/// <summary>What a person sees of a study: one line for each trial that has ended, with a star where it is the best so far.</summary>
internal class StudyDisplay(TextWriter writer) : IStudyDisplay
{
    private StudySpec _spec = null!;
    private double _best = double.NaN;

    public virtual void Began(StudyPlan plan, IReadOnlyList<TrialRecord> before)
    {
        _spec = plan.Spec;
        var (study, space) = (plan.Spec.Study, plan.Spec.Space.Space);
        WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{plan.Id}: {Format.Plural(space.Count, "parameter")}, {((plan.Trials ?? study.Trials) is { } most ? Format.Plural(most, "trial") : "trials without end")}, {plan.Parallel ?? study.Parallel} at a time, "
            + $"sampler {study.Sampler.Kind}, trial scheduler {study.TrialScheduler.Kind}, pruner {study.Pruner.Kind}, seed {plan.Spec.Seed}"));
        foreach (var objective in study.Objectives)
            WriteLine($"objective: {RunJson.Name(objective.Direction ?? Direction.Minimize)} {objective.Metric}");
        if (plan.Imported is [var first, ..])
            WriteLine($"the sampler begins with {Format.Plural(plan.Imported.Count, "trial")} of {first.Source.Split(", trial ")[0]}");
        foreach (var trial in before) IsBest(trial);
        if (before.Count > 0) WriteLine($"goes on after {Format.Plural(before.Count, "trial")} that had ended");
    }

    public virtual void Ended(TrialRecord trial, StudySpec spec)
    {
        string mark = IsBest(trial) ? "*" : " ";
        WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"trial {trial.Number,4} {mark} {RunJson.Name(trial.State),-9} {Result(trial)}  {ParametersText.Line(spec, trial.Parameters)}  {Format.Duration(trial.Seconds)}"));
        if (trial.Error is { } error) WriteLine($"           {CommandLine.FirstLine(error)}");
    }

    public void Widened(StudyEvent.SpaceWidened widened) =>
        WriteLine($"{StudyText.Space(widened.Version, widened.FromTrial)}: {Format.Plural(widened.Space.Count, "parameter")}");

    public virtual void Stands(Func<StudyStatus> status) { }

    protected virtual void WriteLine(string text) => writer.WriteLine(text);

    private string Result(TrialRecord trial)
    {
        var objectives = _spec.Study.Objectives;
        if (!trial.Values.IsEmpty) return string.Join("  ", objectives.Select((o, i) => $"{o.Metric} {Format.Metric(trial.Values[i])}")) + Infeasible(trial);
        if (trial.Reports is [.., var last])
            return string.Create(CultureInfo.InvariantCulture, $"{objectives[0].Metric} {Format.Metric(last.Value)} at {RunJson.Name(_spec.Study.Resource)[..^1]} {last.Step}");
        return RunJson.Name(trial.Cause);
    }

    /// <summary>Which constraints a trial misses, and by how much; empty = none.</summary>
    private string Infeasible(TrialRecord trial)
    {
        if (trial.KeepsConstraints) return "";
        var study = _spec.Outline;
        var missed = trial.Constraints.Select((c, i) => (Miss: c, Name: study.ConstraintName(i))).Where(c => !(c.Miss <= 0));
        return $"  infeasible ({string.Join(", ", missed.Select(c => $"misses {c.Name} by {Format.Metric(c.Miss)}"))})";
    }

    /// <summary>Of one objective; constraints are not looked at.</summary>
    private bool IsBest(TrialRecord trial)
    {
        if (_spec.Study.Objectives.Length > 1 || trial.Values is not [var value] || !trial.KeepsConstraints) return false;
        bool isBetter = double.IsNaN(_best) || (_spec.Directions[0] == Direction.Maximize ? value > _best : value < _best);
        if (isBetter) _best = value;
        return isBetter;
    }
}

/// <summary>The parameters of a trial in a line.</summary>
internal static class ParametersText
{
    public static string Line(StudySpec spec, ReadOnlySpan<double> parameters)
    {
        var outline = spec.Outline;
        var parts = new List<string>();
        for (int i = 0; i < parameters.Length; i++)
            if (!double.IsNaN(parameters[i])) parts.Add($"{outline.Space.Parameters[i].Name}={Short(outline, i, parameters[i])}");
        return string.Join(" ", parts);
    }

    /// <summary>Four significant digits say enough to a person.</summary>
    public static string Short(StudyOutline study, int index, double value) => study.Value(index, value) is double number
        ? number.ToString("G4", CultureInfo.InvariantCulture) : study.Show(index, value);

    public static string Line(StudySpec spec, System.Collections.Immutable.ImmutableArray<double> parameters) => Line(spec, parameters.AsSpan());
}

/// <summary>The end of a study as a person reads it.</summary>
internal static class StudyText
{
    /// <summary>Which space holds from where on.</summary>
    public static string Space(int version, int fromTrial) => string.Create(CultureInfo.InvariantCulture, $"space version {version} from trial {fromTrial}");

    /// <summary>How a study that has had all its trials goes on after all.</summary>
    public static string MoreTrials(string directory) => $"give it more trials, N in all: distopt sweep --resume {directory} --trials N";

    public static void Write(TextWriter writer, StudySummary summary)
    {
        var (spec, status) = (summary.Spec, summary.Status);
        var counts = status.Counts;
        var parts = new List<string>();
        foreach (var (count, name) in ((int, string)[])[(counts.Complete, "complete"), (counts.Pruned, "pruned"), (counts.Failed, "failed"), (counts.Cancelled, "cancelled"),
            (counts.Running + counts.Waiting, "to be gone on with"), (counts.Paused, "paused"), (counts.Suspended, "suspended")])
            if (count > 0) parts.Add($"{Format.Count(count)} {name}");
        string imported = status.Imported > 0 ? $", beside {Format.Plural(status.Imported, "imported trial")}" : "";
        writer.WriteLine($"{(status.End is { } end ? $"ended ({RunJson.Name(end)})" : "interrupted")}: {Format.Plural(status.Started, "trial")} "
            + $"({string.Join(", ", parts)}){imported} in {Format.Duration(status.Seconds)}");
        if (summary.Error is { } error) writer.WriteLine(CommandLine.FirstLine(error));
        if (status.SpaceVersion > 0) writer.WriteLine(Space(status.SpaceVersion, status.SpaceFrom));
        if (!status.Front.IsEmpty && spec.Study.Objectives.Length > 1) WriteFront(writer, summary);
        else if (status.Best is { } best) WriteBest(writer, summary, best);
        else writer.WriteLine(NoBest.Of(status, spec) ?? "no trial is complete");
        writer.WriteLine($"results in {summary.Directory}");
        if (status.End is null) writer.WriteLine($"go on with it: distopt sweep --resume {summary.Directory}");
        else if (status.Front.Length > 0 && spec.Study.Objectives.Length > 1)
            writer.WriteLine($"train one of the front: distopt train {new StudyDirectory(summary.Directory).FrontSpecFile(status.Front[0].Number)}");
        else if (status.Best is not null) writer.WriteLine($"train the best: distopt train {new StudyDirectory(summary.Directory).BestSpecFile}");
        else if (status.End == StudyStopReason.Trials) writer.WriteLine(MoreTrials(summary.Directory));
    }

    private static void WriteBest(TextWriter writer, StudySummary summary, TrialResult best)
    {
        var spec = summary.Spec;
        writer.WriteLine($"best: trial {best.Number}, {spec.Study.Objectives[0].Metric} {Format.Metric(best.Values[0])}");
        var rows = new List<IReadOnlyList<string>>();
        for (int i = 0; i < best.Parameters.Length; i++)
            if (!double.IsNaN(best.Parameters[i])) rows.Add(["  " + spec.Space.Space.Parameters[i].Name, spec.Space.Show(i, best.Parameters[i])]);
        foreach (string line in Format.Table(rows)) writer.WriteLine(line);
        if (summary.Test is { } test) writer.WriteLine($"its test: {Format.Metrics(test)}");
    }

    private static void WriteFront(TextWriter writer, StudySummary summary)
    {
        var objectives = summary.Spec.Study.Objectives;
        writer.WriteLine($"front: {Format.Plural(summary.Status.Front.Length, "trial")} that no other one is better than in everything");
        var rows = new List<IReadOnlyList<string>> { (string[])["trial", .. objectives.Select(o => o.Metric), "parameters"] };
        foreach (var trial in summary.Status.Front)
        {
            string number = trial.Number.ToString(CultureInfo.InvariantCulture);
            rows.Add([number, .. trial.Values.Select(v => Format.Metric(v)), ParametersText.Line(summary.Spec, trial.Parameters)]);
        }
        foreach (string line in Format.Table(rows)) writer.WriteLine(line);
        if (FrontVolume.Of(summary.Spec.Outline, summary.Status) is { } dominated)
            writer.WriteLine($"its hypervolume is {Format.Metric(dominated.Volume)}, measured from {string.Join(", ", dominated.Reference.Select(r => Format.Metric(r)))}");
    }
}
