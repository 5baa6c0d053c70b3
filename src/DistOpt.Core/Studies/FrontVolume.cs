using System.Collections.Immutable;
using DistOpt.Core.MultiObjective;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies;

/// <summary>How much the front of a study with several objectives dominates: its hypervolume, which grows as trials get better in any of them.</summary>
/// <param name="Volume">In the product of the objectives' units.</param>
/// <param name="Reference">From where it is measured: a value for each objective.</param>
public sealed record FrontVolume(double Volume, ImmutableArray<double> Reference)
{
    /// <summary>Of a study where it stands; null with one objective, while no trial is complete and feasible, or while all are infinite in one.</summary>
    public static FrontVolume? Of(StudyOutline study, StudyStatus status)
    {
        ArgumentNullException.ThrowIfNull(study);
        ArgumentNullException.ThrowIfNull(status);
        if (study.Objectives.Length < 2 || status.Front.IsEmpty) return null;
        var reference = ReferenceOf(study, status.Worst);
        // nothing finite says from where to measure
        if (!reference.All(double.IsFinite)) return null;
        return new FrontVolume(Measure(study, status.Front.Select(t => t.Values), reference), reference);
    }

    /// <summary>The volume that trials dominate.</summary>
    /// <param name="study">Says which way is better.</param>
    /// <param name="values">One for each objective of each feasible trial; infinite ones make it infinite.</param>
    /// <param name="reference">From where on.</param>
    public static double Measure(StudyOutline study, IEnumerable<ImmutableArray<double>> values, ImmutableArray<double> reference)
    {
        ArgumentNullException.ThrowIfNull(study);
        return Hypervolume.Of(values.Select(v => Losses(study, v)), Losses(study, reference));
    }

    /// <summary>What the objectives' sections say, or a tenth beyond the worst value (<see cref="HypervolumeSubset.ReferenceOf"/>).</summary>
    /// <param name="study">With those sections.</param>
    /// <param name="worst">For each objective the worst finite value of any feasible trial.</param>
    public static ImmutableArray<double> ReferenceOf(StudyOutline study, ImmutableArray<double> worst)
    {
        ArgumentNullException.ThrowIfNull(study);
        double[] usual = Losses(study, [.. HypervolumeSubset.ReferenceOf([Losses(study, worst)])]);
        return [.. study.Objectives.Select((o, i) => o.Reference ?? usual[i])];
    }

    /// <summary>With signs such that less is better; twice is none.</summary>
    private static double[] Losses(StudyOutline study, ImmutableArray<double> values) =>
        [.. values.Select((v, i) => study.Directions[i].Loss(v))];
}
