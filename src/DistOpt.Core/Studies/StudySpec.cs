using System.Collections.Immutable;
using DistOpt.Core.Samplers;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Studies;

/// <summary>
/// What to search (DESIGN section 7): a training spec, <c>study:</c> and <c>space:</c>, as <see cref="SpecBinder.ParseStudy"/> has checked them.
/// Immutable. <see cref="TrialSpecs"/> makes the training specs of its trials.
/// </summary>
public sealed record StudySpec
{
    /// <summary>The training spec's tree with settings applied, and without what is searched; names what a file names, and what a study fixes once:
    /// seed, gradient shards, and the metric of <c>select</c>, which is that of the first objective unless the file gives one.</summary>
    public required MappingNode Fields { get; init; }

    /// <summary>The training spec of one configuration: what is not searched is as in every trial.</summary>
    public required TrainingSpec Training { get; init; }

    /// <summary><c>study:</c> with objectives, directions and seed filled in, and the short form for one objective written out.</summary>
    public required StudySection Study { get; init; }

    /// <summary><c>space:</c> as it was written.</summary>
    public required MappingNode SpaceFields { get; init; }

    /// <summary>What it means.</summary>
    public required StudySpace Space { get; init; }

    /// <summary>Constraints on parameters.</summary>
    public required ImmutableArray<ParameterConstraint> Constraints { get; init; }

    /// <summary>The points of <c>study.enqueue</c>: NaN where a parameter has no value or is left to the sampler.</summary>
    public required ImmutableArray<ImmutableArray<double>> Enqueued { get; init; }

    /// <summary>The path of the metric that weights are selected by.</summary>
    internal const string Selected = "select.metric";

    /// <summary>Where the file says by which metric trials are judged, of several the first.</summary>
    internal string Metric { get; init; } = "study.metric";

    /// <summary>Where it says by which metric weights are selected: <see cref="Metric"/>, where that is a copy.</summary>
    internal string SelectMetric { get; init; } = Selected;

    /// <summary>Name of the study: that of the training spec.</summary>
    public string Name => Training.Name;

    /// <summary>The random seed of the study.</summary>
    public long Seed => Study.Seed ?? Training.Seed;

    /// <summary>
    /// Errors of a trial's training spec as the study's file has it: where weights are selected by the objective, that is to blame, and not its copy in
    /// <c>select</c>.
    /// </summary>
    public SpecException Blamed(SpecException error)
    {
        ArgumentNullException.ThrowIfNull(error);
        // a study that is kept has the copy written out
        bool isObjective = Training.Select.Metric == Study.Objectives[0].Metric;
        return new SpecException([.. error.Violations.Select(v => isObjective && v.Path == Selected ? v with { Path = Metric } : v)]);
    }

    /// <summary>The path of the file that is to blame for one of a trial's training spec.</summary>
    internal string Blamed(string path) => SelectMetric != Selected && path.StartsWith("select.", StringComparison.Ordinal) ? SelectMetric : path;

    /// <summary>One for each objective.</summary>
    public ImmutableArray<Direction> Directions => [.. Study.Objectives.Select(o => o.Direction ?? Direction.Minimize)];

    /// <summary>What is to be known of it to compare and draw its trials.</summary>
    public StudyOutline Outline => StudyOutline.Of(this);

    /// <summary>Its sampler, which keeps to the constraints on parameters.</summary>
    /// <param name="catalog">The samplers that the spec was bound with.</param>
    public ISampler CreateSampler(Catalog<Func<object, ISampler>> catalog)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        return ConstrainedSampler.Of(catalog.Get(Study.Sampler.Kind)(Study.Sampler.Options!), Constraints);
    }
}
