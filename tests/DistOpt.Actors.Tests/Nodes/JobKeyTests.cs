using DistOpt.Actors.Nodes;
using DistOpt.Core.Runs;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Nodes;

public sealed class JobKeyTests
{
    /// <summary>The parts of two trials' ids that tell them apart are short; those of two jobs of one second even shorter.</summary>
    [Fact]
    public void Ids_that_differ_little_have_different_keys()
    {
        var second = new DateTimeOffset(2026, 1, 24, 15, 30, 12, TimeSpan.Zero);
        string study = RunDirectory.NewId(second, 7);
        var ids = Enumerable.Range(0, ushort.MaxValue + 1).Select(i => RunDirectory.NewId(second, (ushort)i))
            .Concat(Enumerable.Range(0, 3600).Select(i => RunDirectory.NewId(second.AddSeconds(i), 0x4f2a)))
            .Concat(from trial in Enumerable.Range(0, 1000)
                    from attempt in Enumerable.Range(0, 10)
                    from part in new[] { "", "-2", "-3" }
                    select $"{study}-trial-{trial}-0-{attempt}-1{part}")
            .Distinct(StringComparer.Ordinal).ToList();

        Assert.Equal(ids.Count, ids.Select(id => JobKey.Of(new JobId(id))).Distinct().Count());
    }
}
