using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Functions;

/// <summary>A study over a small space of every kind.</summary>
internal static class SomeStudy
{
    public static readonly SearchSpace Space = new(
    [
        new("x", new FloatDomain(-2, 2)), new("n", new IntDomain(1, 9)), new("kind", new ChoiceDomain(["a", "b"])),
        new("m", new FloatDomain(0, 1), new Condition("kind", Among: [1])),
    ]);

    public static StudySetup Setup(int trials = 40, int parallel = 3) => new()
    {
        Context = new StudyContext { Space = Space, Directions = [Direction.Minimize], Seed = 1, Trials = trials, TrialLength = 16 },
        Sampler = () => new TpeSampler(new TpeOptions()),
        Parallel = parallel,
    };
}
