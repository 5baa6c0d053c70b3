using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Samplers;

/// <summary>Options of <c>grid</c>: there are none, since the steps stand in the space.</summary>
public sealed record GridOptions;

/// <summary>
/// Every configuration of the space once, in an order shuffled by the study's seed: trial n has the n-th of that order, or the next one after it that
/// no trial has yet, such as one that was asked for by hand. Of a conditional space no configuration is tried again that differs only in parameters
/// without a value.
/// </summary>
/// <param name="holds">Whether a configuration keeps to the study's constraints on parameters: others are left out; null = all do.</param>
public sealed class GridSampler(Func<ReadOnlySpan<double>, bool>? holds = null) : ISampler
{
    private readonly HashSet<long> _seen = [];
    private StudyHistory? _history;
    private SpaceEnumeration? _all;
    private int _counted;
    private long _done;

    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives)
    {
        var continuous = space.Parameters.Where(p => p.Domain.Count is null).ToList();
        foreach (var parameter in continuous)
        {
            yield return new SpecViolation($"space.{parameter.Name}",
                "is a continuum, of which sampler grid cannot try every value: give it a step, or list its values as choices");
        }
        if (continuous.Count == 0 && SpaceEnumeration.Problem(space) is { } problem)
            yield return new SpecViolation("space", $"{problem}, and sampler grid counts them");
    }

    public bool KeepsCourse(StudyHistory history) => true;

    public bool HasMore(StudyHistory history)
    {
        Follow(history);
        // what is done stays so: all ranks are looked at once in a study
        double[] values = new double[history.Space.Count];
        while (_done < _all!.Count && !IsOpen(_done, values)) _done++;
        return _done < _all.Count;
    }

    /// <exception cref="InvalidOperationException">Every configuration has been suggested.</exception>
    public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
    {
        if (!HasMore(history)) throw new InvalidOperationException($"all {_seen.Count} configurations of the grid have been suggested");
        var order = new KeyedPermutation(RandomKey.Of(seed, RandomPurpose.Search, SamplerStreams.Grid, 0), _all!.Count);
        long place = number % _all.Count;
        while (!IsOpen(order[place], values)) place = (place + 1) % _all.Count;
        _all.At(order[place], values);
    }

    /// <summary>Whether a configuration is to be tried and has not been yet.</summary>
    private bool IsOpen(long rank, Span<double> values)
    {
        if (_seen.Contains(rank)) return false;
        if (holds is null) return true;
        _all!.At(rank, values);
        return holds(values);
    }

    /// <summary>Notes the ranks of the configurations that trials have.</summary>
    private void Follow(StudyHistory history)
    {
        if (history != _history)
        {
            (_history, _all, _counted, _done) = (history, new SpaceEnumeration(history.Space), 0, 0);
            _seen.Clear();
        }
        for (; _counted < history.Trials.Count; _counted++) _seen.Add(_all!.RankOf(history.Trials[_counted].Drawn.AsSpan()));
    }
}
