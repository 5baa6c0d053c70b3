using DistOpt.Core.Batching;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Batching;

public sealed class BatchBoundsTests
{
    public static TheoryData<string> Names => [.. BatchCatalog.Default.Entries.Select(e => e.Name)];

    /// <summary>One test for all strategies: whatever one chooses lies within.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Every_batch_lies_within_the_bounds_of_its_strategy(string name)
    {
        var spec = new BatchSpec(name, Activator.CreateInstance(BatchCatalog.Default.Entries.Single(e => e.Name == name).OptionsType));
        foreach (int train in (int[])[1, 20, 1000, 50_000])
        {
            var (least, most) = BatchBounds.Of(spec, train);
            var planner = BatchPlanner.Of(new TrainingSpec { Batch = spec }, train);
            long samples = 0;
            for (int step = 0; step < 400 && samples < 30L * train; step++)
            {
                int size = planner.Foresee(step, samples, planner.Nominal);
                // the last one of an epoch is what is left
                if ((samples + size) % train != 0) Assert.InRange(size, least, most);
                samples += size;
            }
        }
        Assert.True(BatchBounds.Of(spec, 50_000).Most < 50_000 || name == "full", $"nothing is known of '{name}'");
    }

    [Theory]
    [InlineData(64, 4, null, 16, 16)]
    [InlineData(65, 4, null, 17, 16)]
    [InlineData(9, 8, null, 2, 1)]
    [InlineData(3, 4, null, 1, 1)]
    [InlineData(64, 4, 5, 5, 1)] // 5, 5, 5 and 1
    [InlineData(64, 4, 8, 8, 8)]
    public void Rows_of_a_pass_are_those_of_a_shard_or_micro_batch(long batch, int shards, int? micro, long most, long least)
    {
        var spec = new TrainingSpec { Training = new TrainingSection { GradientShards = shards, MicroBatch = micro } };
        Assert.Equal((most, least), (BatchBounds.RowsOf(spec, batch), BatchBounds.LeastRowsOf(spec, batch)));
    }
}
