using System.Collections.Immutable;

namespace DistOpt.Core.Studies.Engine;

/// <summary>
/// A trial of another study that this one's sampler is to learn from. It was not run here: it is never the best, ends no study, and neither trial
/// schedulers nor pruners compare with it.
/// </summary>
/// <param name="State">Complete or pruned.</param>
/// <param name="Parameters">One for each parameter of the space; NaN where it has no value.</param>
/// <param name="Values">One for each objective where it is complete, else empty.</param>
/// <param name="Constraints">At most 0 where it is feasible; empty where there are none.</param>
/// <param name="Last">What it has last reported; null = nothing.</param>
/// <param name="Source">Where it is from: file, study and number.</param>
public sealed record ImportedTrial(TrialState State, ImmutableArray<double> Parameters, ImmutableArray<double> Values, ImmutableArray<double> Constraints,
    Report? Last, string Source);
