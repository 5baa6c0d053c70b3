using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Specs.Binding;

/// <summary>
/// Whether the trials of a population (pbt, pb2) can go on from each other's states: which vectors the state of a run has beside its weights is asked of the
/// optimizer itself, and of what stands round it, for each value that is tried.
/// </summary>
internal sealed class CopiedStates(SpecCatalogs catalogs, StudySpec study)
{
    private const int ShownMax = 4;

    /// <summary>What the state of a run consists of beside weights and buffers: equal texts are equal states.</summary>
    public string Of(TrainingSpec spec)
    {
        string[] vectors = [.. Slots(spec.Optimizer), .. BatchPlanner.SourceOf(spec).IsOfConsecutive() ? ["the gradient before"] : Array.Empty<string>()];
        return $"{spec.Optimizer.Kind} {(vectors.Length == 0 ? "without vectors" : "with " + string.Join(", ", vectors))}"
            + (spec.Averaging.Kind == "none" ? "" : $" and an average by {spec.Averaging.Kind}");
    }

    /// <summary>Why a parameter cannot be explored; null where its values have states alike.</summary>
    /// <param name="index">Of the parameter.</param>
    /// <param name="states">By value.</param>
    public string? Problem(int index, IReadOnlyList<(double Value, string State)> states)
    {
        var kinds = states.DistinctBy(s => s.State).ToList();
        if (kinds.Count < 2) return null;
        string shown = string.Join(", ", kinds.Take(ShownMax).Select(s => $"with {study.Space.Show(index, s.Value)} of {s.State}")) + (kinds.Count > ShownMax ? ", ..." : "");
        bool isAtZero = study.Space.Space.Parameters[index].Domain is NumericDomain && states.Where(s => s.Value != 0).DistinctBy(s => s.State).Count() == 1;
        return $"changes what a trial's state consists of ({shown}), but {study.Study.TrialScheduler.Kind} lets a trial go on from another one's; "
            + $"{(isAtZero ? "give it a lower bound above 0" : "keep to values with the same state")}, leave it out of the space, or use asha";
    }

    private IReadOnlyList<string> Slots(OptimizerSpec optimizer) => catalogs.Optimizers is Catalog<Func<object, IOptimizer>> optimizers
        ? optimizers.Get(optimizer.Kind)(optimizer.Options!).Slots : [];
}
