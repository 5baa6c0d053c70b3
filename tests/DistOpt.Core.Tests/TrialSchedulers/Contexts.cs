using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.TrialSchedulers;

/// <summary>Studies to make trial schedulers and pruners for.</summary>
internal static class Contexts
{
    public static SearchSpace Space { get; } = new(
    [
        new("rate", new FloatDomain(1e-5, 1, log: true)),
        new("momentum", new FloatDomain(0, 0.99)),
        new("width", new IntDomain(8, 512)),
        new("size", new ChoiceDomain([16, 32, 64, 128], IsOrdered: true)),
        new("kind", new ChoiceDomain(["relu", "gelu", "tanh"])),
    ]);

    public static StudyContext Of(long? length = null, Direction direction = Direction.Minimize, bool deterministic = false) =>
        new() { Space = Space, Directions = [direction], Seed = 3, TrialLength = length, IsDeterministic = deterministic };
}
