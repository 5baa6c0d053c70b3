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
public sealed class GridSampler : ISampler
{
    private readonly HashSet<long> _seen = [];
    private StudyHistory? _history;
    private SpaceEnumeration? _all;
    private int _counted;

    public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives)
    {
        var continuous = space.Parameters.Where(p => p.Domain.Count is null).ToList();
        foreach (var parameter in continuous)
        {
            yield return new SpecViolation($"space.{parameter.Name}",
                "is a continuum, of which sampler grid cannot try every value: give it a step, or list its values as choices");
        }
        if (continuous.Count == 0 && SpaceEnumeration.Problem(space) is { } problem) yield return new SpecViolation("space", $"{problem}, and sampler grid counts them");
    }

    public bool HasMore(StudyHistory history) => Seen(history).Count < _all!.Count;

    /// <exception cref="InvalidOperationException">Every configuration has been suggested.</exception>
    public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
    {
        if (!HasMore(history)) throw new InvalidOperationException($"all {_all!.Count} configurations of the grid have been suggested");
        var order = new KeyedPermutation(RandomKey.Of(seed, RandomPurpose.Search, SamplerStreams.Grid, 0), _all!.Count);
        long place = number % _all.Count;
        while (_seen.Contains(order[place])) place = (place + 1) % _all.Count;
        _all.At(order[place], values);
    }

    /// <summary>Ranks of the configurations that trials have.</summary>
    private HashSet<long> Seen(StudyHistory history)
    {
        if (history != _history)
        {
            (_history, _all, _counted) = (history, new SpaceEnumeration(history.Space), 0);
            _seen.Clear();
        }
        for (; _counted < history.Trials.Count; _counted++) _seen.Add(_all!.RankOf(history.Trials[_counted].Parameters.AsSpan()));
        return _seen;
    }
}
