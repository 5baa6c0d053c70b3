using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;

namespace DistOpt.Actors.Tests.Support;

/// <summary>With which weights each step was computed. Thread-safe.</summary>
internal sealed class WeightsSeen
{
    private readonly ConcurrentDictionary<(long Step, string Weights), int> _seen = [];

    /// <summary>For <see cref="LinearRuntime.Uses"/>.</summary>
    public void Add(StepPlan plan, FlatBuffer weights) =>
        _seen.AddOrUpdate((plan.Step, Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(weights.Span)))), 1, (_, times) => times + 1);

    /// <summary>What was seen of steps that the other has seen too, but with other weights; in order of steps.</summary>
    public IEnumerable<string> Unlike(WeightsSeen other)
    {
        var steps = other._seen.Keys.Select(k => k.Step).ToHashSet();
        return _seen.Where(s => steps.Contains(s.Key.Step) && !other._seen.ContainsKey(s.Key)).OrderBy(s => s.Key.Step)
            .Select(s => $"step {s.Key.Step} was computed {s.Value} times with weights that are not those of that step");
    }
}
