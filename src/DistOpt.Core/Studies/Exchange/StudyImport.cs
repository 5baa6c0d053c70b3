using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>Why trials do not fit a study.</summary>
/// <param name="Problem">What is wrong.</param>
/// <param name="Trials">Their numbers.</param>
public sealed record ImportMisfit(string Problem, ImmutableArray<int> Trials)
{
    /// <summary>The problem and the trials that have it, runs of numbers by their ends.</summary>
    public override string ToString()
    {
        var runs = new List<string>();
        for (int i = 0, end; i < Trials.Length; i = end)
        {
            end = i + 1;
            while (end < Trials.Length && Trials[end] == Trials[end - 1] + 1) end++;
            runs.Add(end - i == 1 ? Trials[i].ToString(CultureInfo.InvariantCulture) : FormattableString.Invariant($"{Trials[i]}-{Trials[end - 1]}"));
        }
        return $"{Problem} (trial{(Trials.Length > 1 ? "s" : "")} {string.Join(", ", runs)})";
    }
}

/// <summary>What a study takes of another one.</summary>
/// <param name="Trials">Those that fit.</param>
/// <param name="Misfits">All that does not fit, each problem once: a trial that has one is left out.</param>
public sealed record StudyImport(ImmutableArray<ImportedTrial> Trials, ImmutableArray<ImportMisfit> Misfits)
{
    /// <summary>
    /// Looks for the trials that are ones of this study's space and objectives: complete and pruned ones with a value for each parameter that has one, and
    /// for no other. Steps of what they have reported are taken for this study's resource, unless the other study says that they count something else.
    /// </summary>
    /// <param name="spec">This study.</param>
    /// <param name="other">The one to take from.</param>
    /// <param name="source">Its file, for errors and as where trials are from.</param>
    /// <param name="names">
    /// What parameters, objectives and constraints of the other are called in this one; those that it does not name are called the same. Constraints without
    /// names go by their places.
    /// </param>
    /// <exception cref="SpecException">It has other objectives, a name means nothing, or no trial fits: everything that is wrong.</exception>
    public static StudyImport Of(StudySpec spec, ExchangedStudy other, string source, IReadOnlyDictionary<string, string> names)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(other);
        ArgumentNullException.ThrowIfNull(names);
        var violations = ObjectiveViolations(spec, other, names).ToList();
        var known = other.Trials.SelectMany(t => t.Parameters).Select(p => p.Name).Concat(other.Metrics).Concat(other.Constraints)
            .ToHashSet(StringComparer.Ordinal);
        foreach (string name in names.Keys.Where(n => !known.Contains(n)))
        {
            violations.Add(new("--import-as", $"names '{name}', which is neither a parameter nor an objective nor a constraint of {source}; there are "
                + string.Join(", ", known.Order(StringComparer.Ordinal).Take(20))));
        }
        // what follows from another number of objectives is not said of every trial
        if (other.Directions.Length != spec.Study.Objectives.Length) throw new SpecException(violations);
        var (trials, problems) = (new List<ImportedTrial>(), new Dictionary<string, List<int>>());
        string? otherSteps = OtherSteps(spec, other);
        var bounds = Bounds.Of(spec, other, names);
        foreach (var trial in other.Trials)
        {
            var (imported, wrong) = Fit(spec, bounds, trial, $"{source}, trial {trial.Number}", names);
            if (imported is { State: TrialState.Pruned } && otherSteps is not null) (imported, wrong) = (null, [otherSteps]);
            if (imported is not null) trials.Add(imported);
            foreach (string problem in wrong)
            {
                if (!problems.TryGetValue(problem, out var numbers)) problems.Add(problem, numbers = []);
                numbers.Add(trial.Number);
            }
        }
        ImmutableArray<ImportMisfit> misfits = [.. problems.Select(p => new ImportMisfit(p.Key, [.. p.Value]))];
        if (trials.Count > 0 && violations.Count == 0) return new StudyImport([.. trials], misfits);
        if (trials.Count == 0) violations.Add(new("--import", other.Trials.IsEmpty ? $"{source} has no trial" : $"no trial of {source} fits the study"));
        throw new SpecException([.. violations, .. misfits.Select(m => new SpecViolation("--import", m.ToString()))]);
    }

    /// <summary>Why what trials have reported on their way is not comparable; null where it is, or the other study does not say what its steps count.</summary>
    private static string? OtherSteps(StudySpec spec, ExchangedStudy other)
    {
        string own = RunJson.Name(spec.Study.Resource);
        return other.Attributes.FirstOrDefault(a => a.Key == StudyExport.ResourceAttribute).Value is string theirs && theirs != own
            ? $"was pruned where it had computed so many {theirs}, but reports of this study count {own}: it cannot be compared" : null;
    }

    private static IEnumerable<SpecViolation> ObjectiveViolations(StudySpec spec, ExchangedStudy other, IReadOnlyDictionary<string, string> names)
    {
        var objectives = spec.Study.Objectives;
        if (other.Directions.Length != objectives.Length)
        {
            yield return new("--import", $"the other study has {other.Directions.Length} objectives, but this one has {objectives.Length}");
            yield break;
        }
        for (int i = 0; i < objectives.Length; i++)
        {
            if (other.Directions[i] is { } direction && direction != spec.Directions[i])
            {
                yield return new("--import", $"the other study is to {RunJson.Name(direction)} objective {i}, but this one is to "
                    + $"{RunJson.Name(spec.Directions[i])} {objectives[i].Metric}");
            }
            if (i >= other.Metrics.Length) continue;
            string metric = other.Metrics[i];
            if (names.GetValueOrDefault(metric, metric) != objectives[i].Metric)
            {
                yield return new("--import", $"objective {i} of the other study is '{metric}', but this one's is '{objectives[i].Metric}'; "
                    + $"if they mean the same, add --import-as {metric}={objectives[i].Metric}");
            }
        }
    }

    private static (ImportedTrial? Trial, List<string> Wrong) Fit(StudySpec spec, Bounds bounds, ExchangedTrial trial, string source,
        IReadOnlyDictionary<string, string> names)
    {
        var wrong = new List<string>();
        if (trial.State is not (ExchangedState.Complete or ExchangedState.Pruned))
            return (null, [$"state {trial.State.ToString().ToUpperInvariant()}: there is nothing to learn from it"]);
        bool isComplete = trial.State == ExchangedState.Complete;
        int objectives = spec.Study.Objectives.Length;
        if (isComplete && trial.Values.Length != objectives) wrong.Add($"has {trial.Values.Length} values for {objectives} objectives");
        else if (isComplete && trial.Values.Any(double.IsNaN)) wrong.Add("has a value that is NaN");
        var (constraints, missing) = isComplete ? bounds.Read(trial) : ([], null);
        if (missing is not null) wrong.Add($"{missing}: whether it is feasible is not known");
        double[] parameters = [];
        try
        {
            parameters = spec.Space.Configuration(trial.Parameters.Select(p => KeyValuePair.Create(names.GetValueOrDefault(p.Name, p.Name), p.Value)), "");
            if (spec.Constraints.FirstOrDefault(c => !c.Holds(parameters)) is { } broken) wrong.Add($"breaks the constraint on '{broken.Text}'");
        }
        catch (SpecException e)
        {
            wrong.AddRange(e.Violations.Select(v => $"{v.Path} {v.Message}"));
        }
        if (wrong.Count > 0) return (null, wrong);
        Report? last = trial.Intermediate is [.., var reported] ? reported : null;
        var state = isComplete ? TrialState.Complete : TrialState.Pruned;
        return (new ImportedTrial(state, [.. parameters], isComplete ? trial.Values : [], constraints, last, source), wrong);
    }

    /// <summary>Where a trial of the other study has what this one's constraints on metrics need: by their names where it has some.</summary>
    /// <param name="Own">This study's.</param>
    /// <param name="Places">Their places in the other's; null = it has no names, so that they are the same ones in the same order.</param>
    /// <param name="Lacking">One that the other does not have; null = it has all of them.</param>
    private sealed record Bounds(ImmutableArray<string> Own, ImmutableArray<int>? Places, string? Lacking)
    {
        public static Bounds Of(StudySpec spec, ExchangedStudy other, IReadOnlyDictionary<string, string> names)
        {
            var own = ConstraintNames.Of(spec.Study);
            if (own.IsEmpty || other.Constraints.IsEmpty) return new(own, null, null);
            string[] theirs = [.. other.Constraints.Select(n => names.GetValueOrDefault(n, n))];
            ImmutableArray<int> places = [.. own.Select(n => Array.IndexOf(theirs, n))];
            return new(own, places, places.IndexOf(-1) is >= 0 and var lacking ? own[lacking] + $", but {string.Join(", ", other.Constraints)}; if one of them "
                + "means the same, add --import-as THEIRS=OURS" : null);
        }

        /// <summary>What a complete trial misses this study's constraints by, or why that is not known.</summary>
        public (ImmutableArray<double> Constraints, string? Missing) Read(ExchangedTrial trial)
        {
            if (Own.IsEmpty) return ([], null);
            if (Lacking is not null) return ([], $"has no constraint {Lacking}");
            int count = trial.Constraints.Length;
            if (Places is { } needed ? count <= needed.Max() : count != Own.Length) return ([], $"has {count} constraints, but the study has {Own.Length} on metrics");
            ImmutableArray<double> read = Places is { } places ? [.. places.Select(p => trial.Constraints[p])] : trial.Constraints;
            return read.Any(double.IsNaN) ? ([], "has a constraint that is NaN") : (read, null);
        }
    }
}
