using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>Options of <c>gp</c>; defaults as Optuna's GPSampler.</summary>
public sealed record GpOptions
{
    [Description("Complete trials, or such at a rung, before the model is used; until then values are random")]
    [Range(1, 1_000_000)]
    public int StartupTrials { get; init; } = 10;
}

/// <summary>
/// Bayesian optimization with a Gaussian process (<see cref="GaussianProcess"/>: Matern 5/2, a length scale for each parameter, fitted anew for each
/// suggestion) and the logarithm of expected improvement (<see cref="GpExpectedImprovement"/>). Learns from complete trials, and from those that have
/// diverged as if they were as bad as the worst of them. Running, paused and waiting
/// ones count by 128 fantasies of their values, drawn from the process at fixed Sobol points, over which the improvement is averaged. Constraints have a
/// process each (<see cref="GpAcquisition"/>). Models the parameters that always have a value, choices by whether they are the same, or in an order by how
/// far they are apart; those under conditions are random. Time for a suggestion grows with the cube of the number of trials.
/// <para>Several objectives, at most <see cref="MaxObjectives"/>, have a process each, and the improvement is that of the hypervolume which feasible trials
/// dominate up to a tenth beyond the worst of them, over 128 samples of what a point may bring (<see cref="GpHypervolumeImprovement"/>). Pending trials
/// belong to the front of each sample by their fantasies, as with one objective.</para>
/// <para>Where trials pause at rungs, it learns as BOHB does: from what they were worth at the highest rung that enough of them have come to, of whatever
/// bracket. Trials that are paused below that one are then neither seen nor pending. What is reported at a rung is one value: of several objectives only
/// complete trials are learned from.</para>
/// </summary>
public sealed class GpSampler(GpOptions options) : ISampler
{
    /// <summary>Objectives up to which there are few enough boxes to sum up improvements over.</summary>
    public const int MaxObjectives = 4;

    /// <summary>Samples of what pending trials, and with several objectives a new one, may give.</summary>
    private const int Samples = 128;

    /// <summary>Pending trials that count; those with the greatest numbers.</summary>
    private const int MaxPending = 128;

    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives)
    {
        if (objectives > MaxObjectives)
        {
            yield return new SpecViolation("study.sampler",
                $"is gp, which is for at most {MaxObjectives} objectives, but the study has {objectives}; use tpe or nsga2");
        }
        int modelled = GpStudyModel.Modelled(space).Length;
        if (modelled == 0) yield return new SpecViolation("study.sampler", "is gp, but the space has no parameter that always has a value: use tpe");
        if (modelled <= SobolSequence.MaxDimensions) yield break;
        yield return new SpecViolation("study.sampler", $"is gp, which is for at most {SobolSequence.MaxDimensions} parameters, but the space has {modelled}");
    }

    public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
    {
        var random = new CounterRandom(seed, RandomPurpose.Search, number);
        var (seen, losses, isByRung) = Observed(history);
        if (seen.Length < options.StartupTrials)
        {
            RandomSampler.Fill(history.Space, ref random, values);
            return;
        }
        values.Fill(double.NaN);
        StudyTrial[] pending = [.. history.Trials.Where(t => IsPending(t, isByRung) && t.Number != number).TakeLast(MaxPending)];
        // at a rung it is not known yet whether a trial keeps to constraints
        int constraints = seen.Max(t => t.Constraints.Length);
        int normals = losses.Length == 1 ? pending.Length : losses.Length * (pending.Length + 1);
        var (learned, worth) = WithDiverged(history, seen, losses);
        var model = new GpStudyModel(history.Space, worth, learned, pending, Normal(normals, seed, number),
            isByRung || learned.Length > seen.Length ? t => !t.HasDiverged && t.Constraints.Length == constraints : null);
        double[] found = model.Maximize(seed, number, ref random);
        for (int j = 0; j < found.Length; j++)
            values[model.Parameters[j]] = model.Domains[j] is ChoiceDomain ? found[j] : model.Domains[j].FromUnit(found[j]);
        RandomSampler.FillRest(history.Space, ref random, values);
    }

    /// <summary>What there is to learn from, and whether it is by a rung.</summary>
    private (StudyTrial[] Trials, double[][] Losses, bool IsByRung) Observed(StudyHistory history)
    {
        if (history.HasRungs && history.Directions.Length == 1)
        {
            var counts = new SortedDictionary<long, int>();
            foreach (var trial in history.Trials.Where(t => t.State != TrialState.Failed))
                foreach (var rung in trial.Rungs) counts[rung.Step] = counts.GetValueOrDefault(rung.Step) + 1;
            foreach (var (rung, count) in counts.Reverse())
            {
                if (count < options.StartupTrials) continue;
                StudyTrial[] there = [.. history.Trials.Where(t => t.State != TrialState.Failed && t.Rungs.Any(r => r.Step == rung))];
                double sign = history.Directions[0] == Direction.Maximize ? -1 : 1;
                return (there, [[.. there.Select(t => sign * t.Rungs.First(r => r.Step == rung).Value)]], true);
            }
        }
        StudyTrial[] complete = [.. history.Trials.Where(t => t.State == TrialState.Complete)];
        return (complete, [.. history.Directions.Select((_, k) => complete.Select(t => history.Loss(t, k)).ToArray())], false);
    }

    /// <summary>Those that have diverged are as bad as the worst of the others, in each objective, and none of the best.</summary>
    private static (StudyTrial[] Trials, double[][] Losses) WithDiverged(StudyHistory history, StudyTrial[] seen, double[][] losses)
    {
        StudyTrial[] diverged = [.. history.Trials.Where(t => t.HasDiverged)];
        if (diverged.Length == 0) return (seen, losses);
        return ([.. seen, .. diverged], [.. losses.Select(l => l.Concat(Enumerable.Repeat(Worst(l), diverged.Length)).ToArray())]);

        static double Worst(double[] losses) => losses.Where(double.IsFinite).DefaultIfEmpty(0).Max();
    }

    private static bool IsPending(StudyTrial trial, bool isByRung) =>
        trial.State is TrialState.Running or TrialState.Waiting || (trial.State == TrialState.Paused && !isByRung);

    /// <summary>Standard normal vectors of some length, even as Sobol points are.</summary>
    private static double[][] Normal(int length, long seed, int number)
    {
        if (length == 0) return [[]];
        RandomKey[] keys = [.. Enumerable.Range(0, length).Select(j => RandomKey.Of(seed, RandomPurpose.Search, number, j, 1))];
        return [.. Enumerable.Range(0, Samples).Select(i => Enumerable.Range(0, length).Select(j =>
            NormalDistribution.Quantile(Math.Max(SobolSequence.At((uint)i, j, Scrambling.Owen, keys[j]), 0.5 / (1L << 53)))).ToArray())];
    }
}
