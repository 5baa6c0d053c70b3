using System.Globalization;
using DistOpt.Core.Importance;
using DistOpt.Core.Runs;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies;

namespace DistOpt;

/// <summary>What mattered in a study, as a person reads it.</summary>
internal static class ExplanationText
{
    /// <summary>A forest that explains less of what it has not seen is no ground for a sentence without a warning.</summary>
    private const double FitMin = 0.3;

    /// <summary>A share that is worth a sentence.</summary>
    private const double ShareMin = 0.05;

    public static void Write(TextWriter writer, StudyOutline study, IReadOnlyList<ObjectiveExplanation> explanations)
    {
        for (int i = 0; i < explanations.Count; i++)
        {
            if (i > 0) writer.WriteLine();
            Write(writer, study, explanations[i]);
        }
    }

    private static void Write(TextWriter writer, StudyOutline study, ObjectiveExplanation explanation)
    {
        writer.WriteLine(Compared(study, explanation));
        writer.WriteLine(Trust(explanation));
        writer.WriteLine();
        var rows = new List<IReadOnlyList<string>>
        {
            (string[])["parameter", "fANOVA", "PED-ANOVA", $"in the best {Format.Plural(explanation.Best, "trial")}", "searched"],
        };
        foreach (var parameter in explanation.Parameters)
        {
            rows.Add([Name(study, parameter.Parameter), Share(parameter.Variance), Share(parameter.Ped), Region(study, parameter.Region),
                Searched(study, parameter.Parameter)]);
        }
        foreach (string line in Format.Table(rows)) writer.WriteLine(line);
        writer.WriteLine();
        foreach (string sentence in Sentences(study, explanation)) writer.WriteLine("- " + sentence);
    }

    /// <summary>What was found, in the order of what one would want to know first.</summary>
    internal static IEnumerable<string> Sentences(StudyOutline study, ObjectiveExplanation explanation)
    {
        string metric = explanation.Trials.Metric;
        ParameterExplanation[] mattering = [.. explanation.Parameters.Where(p => p.Variance.Mean >= ShareMin)];
        if (mattering.Length == 0) yield return $"No parameter by itself accounts for {Percent(ShareMin)} of how {metric} varies over the space.";
        else
        {
            yield return $"{Name(study, mattering[0].Parameter)} matters most: {Share(mattering[0].Variance)} of how {metric} varies over the space is its doing alone"
                + (mattering.Length > 1 ? "; then " + string.Join(", ", mattering.Skip(1).Select(p => $"{Name(study, p.Parameter)} ({Share(p.Variance)})")) : "") + ".";
        }
        InteractionExplanation[] pairs = [.. explanation.Interactions.Where(i => i.Matters)];
        if (explanation.Interactions.Length > 0)
        {
            yield return pairs.Length == 0 ? "No two parameters have a share together that is larger than its uncertainty and at least 2 %: they can be set one by one."
                : "Together, beyond what each does alone: " + string.Join(", ", pairs.Take(5).Select(i =>
                    $"{Name(study, i.First)} with {Name(study, i.Second)} ({Share(i.Variance)})")) + (pairs.Length > 5 ? $", and {pairs.Length - 5} other pairs" : "") + ".";
        }
        foreach (var region in explanation.Parameters.Select(p => p.Region).Where(r => r.End != RangeEnd.None))
        {
            yield return $"The best trials have {Name(study, region.Parameter)} at the {(region.End == RangeEnd.High ? "upper" : "lower")} end of its range "
                + $"(median {Shown(study, region.Parameter, region.Median)}): a wider range may have better ones.";
        }
        yield return Change(study, explanation);
        var estimated = explanation.Estimated;
        if (explanation.Observed is not null && estimated.Gain.Mean > 0) yield return Estimate(study, explanation.Trials, estimated);
    }

    private static string Change(StudyOutline study, ObjectiveExplanation explanation)
    {
        if (explanation.Observed is not { } change)
        {
            return explanation.Estimated.Gain.Mean > 0 ? "No two trials differ in one setting alone. " + Estimate(study, explanation.Trials, explanation.Estimated)
                : "No two trials differ in one setting alone, and the forest expects a gain from none.";
        }
        int p = change.Parameter;
        return $"The one change that gained most, as measured: {Name(study, p)} from {Shown(study, p, change.Worse.Parameters[p])} to "
            + $"{Shown(study, p, change.Better.Parameters[p])}, {explanation.Trials.Metric} {Format.Metric(change.Worse.Value)} to {Format.Metric(change.Better.Value)} "
            + $"(trials {change.Worse.Number} and {change.Better.Number}, alike in all else; {(study.Repeats > 1 ? $"means of {study.Repeats} runs" : "one run")} each, so chance is in it).";
    }

    private static string Estimate(StudyOutline study, ComparedTrials trials, EstimatedChange change) =>
        $"The one change that gains most, as the forest estimates it: {Name(study, change.Parameter)} at {Shown(study, change.Parameter, change.Value)}, where "
        + $"{trials.Metric} is {Format.Metric(change.To)} on average over the rest of the space, and {Format.Metric(change.From)} over all of it: "
        + $"{Format.Metric(change.Gain.Mean)} ± {Format.Metric(change.Gain.Deviation)} better"
        + (change.Gain.Mean <= change.Gain.Deviation ? ", which may be chance." : ".");

    private static string Compared(StudyOutline study, ObjectiveExplanation explanation)
    {
        var trials = explanation.Trials;
        string by = $"{study.Name}: {Format.Plural(trials.Trials.Length, "trial")} compared by {trials.Metric} ({RunJson.Name(trials.Direction)})";
        string complete = trials.Step is not { } step ? ""
            : $" at {study.Unit} {Format.Count(step)}; {Format.Count(trials.Complete)} are complete"
                + (trials.Complete < trials.Enough ? $", fewer than the {trials.Enough} that would be compared by their values" : "");
        return by + complete + Failed(trials);
    }

    /// <summary>Those that figures tell nothing of, although where they are may be what one should know.</summary>
    private static string Failed(ComparedTrials trials) => trials switch
    {
        { Failed: 0 } => "",
        { Failed: 1 } => $"; 1 failed{(trials.Diverged == 1 ? " (it diverged)" : "")} and is not compared",
        _ => $"; {Format.Count(trials.Failed)} failed ({(trials.Diverged == trials.Failed ? "all" : trials.Diverged == 0 ? "none" : Format.Count(trials.Diverged))} "
            + "of them diverged) and are not compared",
    };

    private static string Trust(ObjectiveExplanation explanation) => explanation.Fit switch
    {
        null => "too few trials to check the forest behind these figures on any that it has not seen",
        < FitMin and var fit => $"beware: the forest behind these figures explains {Percent(Math.Max(0, fit))} of how trials vary that it has not seen: "
            + "they are little more than a guess; more trials help, and random ones more than those of a sampler that has found its place",
        { } fit => $"the forest behind these figures explains {Percent(fit)} of how trials vary that it has not seen",
    };

    private static string Region(StudyOutline study, ParameterRegion region)
    {
        if (region.Best == 0) return "none has it";
        if (!double.IsNaN(region.Low) && region.Choices.IsEmpty)
            return $"{Shown(study, region.Parameter, region.Low)} .. {Shown(study, region.Parameter, region.High)} ({Percent(region.Share)} of the range)";
        return string.Join(", ", region.Choices.Where(c => c.Best > 0).OrderByDescending(c => c.Best).ThenBy(c => c.Choice)
            .Select(c => $"{Shown(study, region.Parameter, c.Choice)}: {c.Best} of {c.All}"));
    }

    private static string Searched(StudyOutline study, int parameter) => study.Space.Parameters[parameter].Domain switch
    {
        NumericDomain numbers => $"{Shown(study, parameter, numbers.Low)} .. {Shown(study, parameter, numbers.Last)}{(numbers.Log ? ", log" : "")}",
        ChoiceDomain { Choices.Length: <= 6 } choices => string.Join(", ", Enumerable.Range(0, choices.Choices.Length).Select(i => Shown(study, parameter, i))),
        var domain => $"{domain.Count} choices",
    };

    private static string Share(Uncertain share) => $"{Percent(share.Mean)} ± {Percent(share.Deviation)}";

    /// <summary>Whole percents; tenths below ten.</summary>
    private static string Percent(double share) => (100 * share).ToString(Math.Abs(share) is > 0 and < 0.0995 ? "0.0" : "0", CultureInfo.InvariantCulture) + " %";

    private static string Name(StudyOutline study, int parameter) => study.Space.Parameters[parameter].Name;

    private static string Shown(StudyOutline study, int parameter, double value) => ParametersText.Short(study, parameter, value);
}
