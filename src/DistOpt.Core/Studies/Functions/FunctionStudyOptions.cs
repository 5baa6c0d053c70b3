using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Pruners;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Studies.Functions;

/// <summary>The usual things to say of a study over a function; what is left away is as in a study spec, but for the sampler.</summary>
public sealed record FunctionStudyOptions
{
    /// <summary>
    /// What is searched; null = trials define their parameters while they run (<see cref="FunctionTrial.SuggestFloat"/> and the like). A study that is opened
    /// again may be given a wider one (<see cref="FunctionStudy.Widen"/>).
    /// </summary>
    public SearchSpace? Space { get; init; }

    /// <summary>
    /// Of parameters by which <see cref="Space"/> is wider than what a study was begun with, by name: what its earlier trials are taken to have had, numbers
    /// and choices as they are.
    /// </summary>
    public IReadOnlyDictionary<string, object?> Defaults { get; init; } = ImmutableDictionary<string, object?>.Empty;

    /// <summary>One for each objective.</summary>
    public ImmutableArray<Direction> Directions { get; init; } = [Direction.Minimize];

    /// <summary>Of the sampler.</summary>
    public long Seed { get; init; }

    /// <summary>Trials in all, those of before it was opened again among them; null = no bound, and where it had one it keeps that.</summary>
    public int? Trials { get; init; }

    /// <summary>Trials that run at a time; may be another number when a study is opened again, which holds from its next trial on.</summary>
    public int Parallel { get; init; } = 1;

    /// <summary>Who chooses parameters, by its name in the catalogue; where trials define them, auto, tpe or random.</summary>
    public PluginSpec Sampler { get; init; } = new("tpe");

    /// <summary>Who pauses and stops trials at rungs, by its name in the catalogue.</summary>
    public PluginSpec TrialScheduler { get; init; } = new("fifo");

    /// <summary>Who ends trials early, by its name in the catalogue.</summary>
    public PluginSpec Pruner { get; init; } = new("none");

    /// <summary>The last step that a trial reports, where all have the same: for trial schedulers and pruners that need it.</summary>
    public long? TrialLength { get; init; }

    /// <summary>What ends the study before its trials are done.</summary>
    public StudyStopSection Stop { get; init; } = new();

    /// <summary>Whether any timing gives the same study; see <see cref="StudyEngine"/> for what it costs. Of a declared space.</summary>
    public bool Deterministic { get; init; }

    /// <summary>Runs of a configuration (<see cref="FunctionTrial.Repeat"/>), whose mean is the trial's value.</summary>
    public int Repeats { get; init; } = 1;

    /// <summary>Seconds that a trial may compute, all its runs together; then it has failed. Needs <see cref="FunctionStudy.Time"/>. Null = no limit.</summary>
    public double? TrialTimeout { get; init; }

    /// <summary>
    /// Identity of the code that trials run, kept with a study that has a journal; null = that of the function's assembly (<see cref="FunctionStudy.CodeOf"/>)
    /// where <c>RunAsync</c> is given one, and none where trials are asked for.
    /// </summary>
    public string? Code { get; init; }

    /// <summary>
    /// Whether a study that is opened again goes on where that is another one: trials say in exports which code they ran. Else it is refused.
    /// </summary>
    public bool AcceptNewCode { get; init; }

    /// <summary>
    /// Bounds on expressions over parameters (<see cref="ConstraintSection.Parameters"/>): what breaks one is not tried. For bounds on what a trial brings
    /// there is <see cref="FunctionTrial.SetConstraints"/>.
    /// </summary>
    public ImmutableArray<ConstraintSection> Constraints { get; init; } = [];

    /// <summary>The setup that says the same.</summary>
    /// <exception cref="SpecException">A plug-in is not known, or numbers or constraints cannot be: all of it.</exception>
    public StudySetup ToSetup()
    {
        var violations = Check();
        var defaults = ValuesOf(Space ?? new SearchSpace([]), Defaults, violations);
        var bound = ParameterConstraints(violations);
        return Setup(Space ?? new SearchSpace([]), bound, Over) with { Defaults = defaults };

        // what is on a parameter that a space does not have yet, or not any more, says nothing of it
        StudySetup Over(StudyEvent.SpaceWidened widened)
        {
            var kept = Constraints.Where((_, i) => bound[i].Parameters.All(p => widened.Space.IndexOf(Space!.Parameters[p].Name) >= 0));
            var over = this with { Space = widened.Space, Constraints = [.. kept] };
            return Setup(widened.Space, over.ParameterConstraints([]), Over);
        }
    }

    /// <summary>Values by name as they are kept.</summary>
    internal static ImmutableSortedDictionary<string, double> ValuesOf(
        SearchSpace space, IReadOnlyDictionary<string, object?> values, List<SpecViolation> violations)
    {
        var kept = ImmutableSortedDictionary.CreateBuilder<string, double>(StringComparer.Ordinal);
        foreach (var (name, value) in values.OrderBy(v => v.Key, StringComparer.Ordinal))
        {
            string path = $"space.{name}", shown = Convert.ToString(value ?? "null", CultureInfo.InvariantCulture)!;
            if (space.IndexOf(name) is var place && place < 0) violations.Add(new(path, "has a default, but is no parameter of the space; leave the default away"));
            else if (space.Parameters[place].Domain is ChoiceDomain choices)
            {
                if (choices.Choices.IndexOf(value) is >= 0 and var index) kept[name] = index;
                else violations.Add(new(path, $"has default {shown}, which is none of its choices; give one of them"));
            }
            else if (value is double or float or decimal or sbyte or byte or short or ushort or int or uint or long)
                kept[name] = Convert.ToDouble(value, CultureInfo.InvariantCulture);
            else violations.Add(new(path, $"has default {shown}, which is no number; give one of its range"));
        }
        return kept.ToImmutable();
    }

    private StudySetup Setup(SearchSpace space, ImmutableArray<ParameterConstraint> constraints, Func<StudyEvent.SpaceWidened, StudySetup> over)
    {
        var (sampler, samplerOptions) = Find(SamplerCatalog.Default, Sampler);
        var (scheduler, schedulerOptions) = Find(TrialSchedulerCatalog.Default, TrialScheduler);
        var (pruner, prunerOptions) = Find(PrunerCatalog.Default, Pruner);
        return new StudySetup
        {
            Context = new StudyContext
            {
                Space = space,
                Constraints = constraints,
                IsDefinedByRun = Space is null,
                Directions = Directions,
                Seed = Seed,
                Trials = Trials,
                TrialLength = TrialLength,
                IsDeterministic = Deterministic,
                Repeats = Repeats,
            },
            Sampler = () => ConstrainedSampler.Of(sampler(samplerOptions), constraints),
            TrialScheduler = context => scheduler(schedulerOptions, context),
            Pruners = context => new ObjectivePruners(pruner, prunerOptions, context),
            Parallel = Parallel,
            Stop = Stop,
            Repeats = Repeats,
            TrialTimeout = TrialTimeout,
            Code = Code,
            AcceptsNewCode = AcceptNewCode,
            Over = over,
        };
    }

    private List<SpecViolation> Check()
    {
        var violations = new List<SpecViolation>();
        if (Directions.IsDefaultOrEmpty) violations.Add(new("study.directions", "are none; give one for each objective"));
        if (Parallel < 1) violations.Add(new("study.parallel", $"is {Parallel}, below 1; one trial at a time is the least"));
        if (Trials < 0) violations.Add(new("study.trials", $"is {Trials}, below 0; null means no bound"));
        if (Repeats < 1) violations.Add(new("study.repeats", $"is {Repeats}, below 1; every configuration is run once at least"));
        if (!(TrialTimeout is null or > 0)) violations.Add(new("study.trial_timeout", FormattableString.Invariant($"is {TrialTimeout}, not above 0; null means no limit")));
        return violations;
    }

    private ImmutableArray<ParameterConstraint> ParameterConstraints(List<SpecViolation> violations)
    {
        var constraints = ImmutableArray.CreateBuilder<ParameterConstraint>();
        for (int i = 0; i < Constraints.Length; i++)
        {
            var section = Constraints[i];
            string path = $"study.constraints[{i}]";
            if (section.Metric is not null)
                violations.Add(new(path, $"is on the metric '{section.Metric}', which a function does not have; tell it by {nameof(FunctionTrial.SetConstraints)}"));
            else
            {
                var wrong = section.Validate(new(section)).ToList();
                violations.AddRange(wrong.Select(w => new SpecViolation(path, w.ErrorMessage!)));
                if (wrong.Count > 0) continue;
                var (constraint, error) = ParameterConstraint.Of(section, Space ?? new SearchSpace([]));
                if (constraint is null) violations.Add(new($"{path}.parameters", error!));
                else constraints.Add(constraint);
            }
        }
        StudyContext.Demand(violations);
        return constraints.DrainToImmutable();
    }

    private static (T Factory, object Options) Find<T>(Catalog<T> catalog, PluginSpec plugin) =>
        (catalog.Get(plugin.Kind), plugin.Options ?? Activator.CreateInstance(catalog.Entries.First(e => e.Name == plugin.Kind).OptionsType)!);
}
