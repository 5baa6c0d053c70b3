using DistOpt.Core.Specs;
using static DistOpt.Core.Tests.Specs.TestCatalogs;

namespace DistOpt.Core.Tests.Specs;

public sealed class SpecIdentityTests
{
    [Theory]
    [InlineData("name=other")]
    [InlineData("training.workers=1")]
    [InlineData("training.servers=3")]
    [InlineData("training.worker_timeout=5")]
    [InlineData("training.start_timeout=5")]
    [InlineData("training.coordinator_grace=5")]
    [InlineData("training.bit_exact=false")]
    [InlineData("data.prefetch=0")]
    [InlineData("data.path=/elsewhere")]
    public void Placement_and_paths_do_not_change_the_identity(string setting) => Assert.Equal(Hash(), Hash(setting));

    [Theory]
    [InlineData("seed=1")]
    [InlineData("training.gradient_shards=2")]
    [InlineData("training.epochs=21")]
    [InlineData("data.split_seed=1")]
    [InlineData("model.hidden=[256, 129]")]
    [InlineData("optimizer=adamw")]
    [InlineData("optimizer.learning_rate=0.0010000000000000002")]
    [InlineData("batch.size=33")]
    [InlineData("averaging=ema")]
    [InlineData("evaluate.every_steps=7")]
    public void What_decides_the_bits_changes_the_identity(string setting) => Assert.NotEqual(Hash(), Hash(setting));

    [Fact]
    public void Shards_that_follow_the_workers_are_part_of_the_identity()
    {
        Assert.NotEqual(SpecIdentity.Hash(Binder.Default(["training.workers=1"])),
            SpecIdentity.Hash(Binder.Default(["training.workers=2"])));
        Assert.Equal(SpecIdentity.Text(Binder.Default()), SpecIdentity.Text(Binder.Default().Resolve()));
        Assert.Matches("^[0-9a-f]{64}$", Hash());
    }

    private static string Hash(params string[] settings) =>
        SpecIdentity.Hash(Binder.Default(["data=mnist", "training.gradient_shards=4", .. settings]));
}
