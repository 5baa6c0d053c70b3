using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Studies;

/// <summary>At which weights of a trial its metrics are its values.</summary>
public enum TrialValue
{
    /// <summary>At those that <c>select</c> keeps.</summary>
    Best,

    /// <summary>At those of the last evaluation.</summary>
    Last,
}

/// <summary>What trial schedulers and pruners count.</summary>
public enum TrialResource
{
    Epochs,
    Steps,
    Samples,
    Seconds,
}

/// <summary>Where an attempt at a trial runs.</summary>
public enum TrialIsolation
{
    /// <summary>In the process of the node: quicker to begin, but a native crash takes the node along.</summary>
    None,

    /// <summary>In a child process, so that a crash or lack of memory ends that attempt alone.</summary>
    Process,
}

/// <summary><c>study:</c>: what is looked for, by which means and how long (DESIGN section 7).</summary>
public sealed record StudySection
{
    /// <summary>Most values of <see cref="Objectives"/>.</summary>
    public const int ObjectivesMax = 8;

    [Description("The metric to optimize, as split.name: short for objectives with one entry; null = that of objectives, or select.metric where there are none")]
    public string? Metric { get; init; }

    [Description("Whether a smaller or a larger value of metric is better; null: by the name, as select.direction")]
    public Direction? Direction { get; init; }

    [Description("What is optimized, where metric does not say it; several of them = the Pareto front")]
    [MaxLength(ObjectivesMax)]
    public ImmutableArray<ObjectiveSection> Objectives { get; init; } = [];

    [Description("Who chooses the parameters of trials")]
    [Plugin("samplers")]
    public PluginSpec Sampler { get; init; } = new("auto");

    [Description("Who divides the budget among trials: pauses, promotes and stops them at rungs")]
    [Plugin("trial-schedulers")]
    public PluginSpec TrialScheduler { get; init; } = new("fifo");

    [Description("What the resources of trial_scheduler and the steps of pruner count: epochs, steps, samples or seconds (whole ones) of a trial's run")]
    public TrialResource Resource { get; init; } = TrialResource.Epochs;

    [Description("Who ends trials early that fall behind others")]
    [Plugin("pruners")]
    public PluginSpec Pruner { get; init; } = new("none");

    [Description("Trials in all, those of before a resume and enqueued ones among them; null = until something under stop ends the study")]
    [Range(1, 100_000_000)]
    public int? Trials { get; init; } = 100;

    [Description("Trials that run at a time")]
    [Range(1, 100_000)]
    public int Parallel { get; init; } = 1;

    [Description("A trial's values: best = the metrics of the weights that select keeps, last = those of the last evaluation")]
    public TrialValue Value { get; init; } = TrialValue.Best;

    [Description("Runs of each configuration, with different seeds; a trial's values are the means over them")]
    [Range(1, 1000)]
    public int Repeats { get; init; } = 1;

    [Description("The same study at any timing: a suggestion uses exactly the trials up to parallel before its own; slots may wait for that")]
    public bool Deterministic { get; init; }

    [Description("Seed of the sampler, and of the trials' seeds; null = the training spec's seed")]
    [Range(0, long.MaxValue)]
    public long? Seed { get; init; }

    [Description("What ends the study before its trials are done")]
    public StudyStopSection Stop { get; init; } = new();

    [Description("What a configuration (parameters) or a trial's metrics have to keep to")]
    [MaxLength(100)]
    public ImmutableArray<ConstraintSection> Constraints { get; init; } = [];

    [Description("Points to try first, each as path: value; what a point leaves out is suggested")]
    [MaxLength(100_000)]
    public ImmutableArray<ImmutableSortedDictionary<string, SpecNode>> Enqueue { get; init; } = [];

    [Description("Where attempts run: process = each in a child process, none = in the node's or the sweep's own; auto = process on a cluster, none for sweep")]
    [NullName("auto")]
    public TrialIsolation? Isolation { get; init; }

    [Description("Attempts at a trial whose node or process is lost, before it counts as failed")]
    [Range(1, 1000)]
    public int MaxAttempts { get; init; } = 3;

    [Description("Seconds that a trial may compute, over all its attempts, before it counts as failed; null = no limit")]
    [Range(0.001, 1e9)]
    public double? TrialTimeout { get; init; }

    [Description("GiB that the weights of paused trials may take; above it those of the worst go, which begin anew if they are sent on after all; null = no "
        + "limit; not for pbt and pb2, which need all that they keep")]
    [Range(0.0, 1e9)]
    public double? DiskLimit { get; init; }
}

/// <summary>One of <c>study.objectives</c>.</summary>
public sealed record ObjectiveSection
{
    [Description("Metric as split.name")]
    [Required]
    public string Metric { get; init; } = "";

    [Description("Whether a smaller or a larger value is better; null: by the name (a loss or an error is minimized, an accuracy, f1, auc ... maximized)")]
    public Direction? Direction { get; init; }

    [Description("Of several objectives: the value from which on the hypervolume is measured, and which a trial has to beat to add to it; null = a tenth beyond the worst trial's")]
    public double? Reference { get; init; }
}

/// <summary><c>study.stop:</c>. Whichever comes first; running trials are ended with it.</summary>
public sealed record StudyStopSection
{
    [Description("End when the objective of a trial is at least (with minimize: at most) this; for one objective")]
    public double? Target { get; init; }

    [Description("End after so many seconds, those before a resume included; null = not by time")]
    [Range(0.001, 1e9)]
    public double? MaxSeconds { get; init; }

    [Description("End when the objective no longer improves; for one objective")]
    public StudyPatienceSection? Patience { get; init; }

    [Description("End when a Gaussian process of all complete trials expects hardly any improvement; for one objective and parameters without conditions")]
    public ExpectedImprovementSection? ExpectedImprovement { get; init; }

    [Description("End, as a study that has failed, when so many trials in a row have failed, and none was complete, pruned or paused at a rung; null = never for that")]
    [Range(1, 100_000_000)]
    public int? MaxFailures { get; init; } = 100;
}

/// <summary>End the study when so many trials in a row have brought nothing better.</summary>
public sealed record StudyPatienceSection
{
    [Description("Trials that ended, complete or pruned, without an improvement")]
    [Range(1, 100_000_000)]
    public int Trials { get; init; } = 50;

    [Description("An improvement that is not larger than this does not count")]
    [Range(0.0, double.MaxValue)]
    public double MinDelta { get; init; }
}

/// <summary>
/// One of <c>study.constraints</c>. On <c>metric</c>: trials that break it are infeasible, and behind all others (at their selected weights). On
/// <c>parameters</c>: a configuration that breaks it is not tried, another one is drawn in its place; where a parameter of the expression has no
/// value, it holds.
/// </summary>
public sealed record ConstraintSection : IValidatableObject
{
    [Description("Metric as split.name, which a trial has to keep within the bounds")]
    public string? Metric { get; init; }

    [Description("Expression over parameters of the space that have numbers, such as 'model.hidden[0] - model.hidden[1]', to be within the bounds")]
    public string? Parameters { get; init; }

    [Description("Least value that is feasible; null = no lower bound")]
    public double? AtLeast { get; init; }

    [Description("Greatest value that is feasible; null = no upper bound")]
    public double? AtMost { get; init; }

    /// <summary>By how much a value misses the bounds: 0 or less where it keeps to them; NaN is infinitely far.</summary>
    public double Violation(double value) => double.IsNaN(value) ? double.PositiveInfinity
        : Math.Max(AtLeast is { } least ? least - value : double.NegativeInfinity, AtMost is { } most ? value - most : double.NegativeInfinity);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Metric is null == Parameters is null) yield return new ValidationResult("must have one of metric and parameters");
        if (AtLeast is null && AtMost is null) yield return new ValidationResult("has no bound; set at_least, at_most or both");
        if (AtLeast > AtMost) yield return new ValidationResult($"is {AtLeast}, above at_most: nothing would be feasible", [nameof(AtLeast)]);
    }
}
