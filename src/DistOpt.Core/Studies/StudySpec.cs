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

    /// <summary>Name of the study: that of the training spec.</summary>
    public string Name => Training.Name;

    /// <summary>The random seed of the study.</summary>
    public long Seed => Study.Seed ?? Training.Seed;

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
