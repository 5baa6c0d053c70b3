using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Actors.Tests.Training;

/// <summary>State vectors that are shorter than the parameters: in checkpoints, on other numbers of servers, and with backups.</summary>
public sealed class FactoredSlotsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_run_is_resumed_on_another_number_of_servers(bool isShared)
    {
        var spec = Spec(servers: 3);
        if (isShared) spec = spec with { Storage = new StorageSection { Kind = StorageSection.Shared, Path = _folder } };
        string expected = await Alone(Spec(servers: 1));
        LinearRuntime[] runtimes = [Runtime(), Runtime()];
        await using (var first = new JobHarness(runtimes) { CheckpointDirectory = isShared ? null : _folder })
            await first.InterruptAsync(spec, runtimes[0], step: 23, Token);
        var store = isShared ? CheckpointStore.Shared(_folder, "job-1") : new CheckpointStore(_folder);
        using (var file = SafetensorsFile.Open(Path.Combine(store.PathOf(store.Steps()[0]), "optimizer-variance.safetensors")))
            Assert.Equal([70, 500, 80], file.Tensors.Select(t => (t.End - t.Begin) / 4));

        await using var second = new JobHarness([Runtime()]) { CheckpointDirectory = isShared ? null : _folder, Resumes = true };
        var (end, _) = await second.RunAsync(spec with { Training = spec.Training with { Servers = 2, Workers = 4 } }, Token);
        Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
        Assert.Equal(expected, end.Summary.WeightsSha256);
    }

    [Fact]
    public async Task A_backup_takes_over()
    {
        string expected = await Alone(Spec(servers: 1));
        LinearRuntime[] runtimes = [.. Enumerable.Range(0, 5).Select(_ => Runtime())];
        await using var harness = new JobHarness(runtimes, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"]]);
        var gate = new StepGate(step: 23);
        runtimes[1].BeforeLeaf = gate.Pass;
        var spec = Spec(servers: 3);
        var run = harness.RunAsync(spec with { Training = spec.Training with { Replicas = 1 } }, Token);
        await gate.Reached(Token);
        await harness.KillAsync(4);
        gate.Release();
        var (end, _) = await run;
        Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
        Assert.Equal((expected, 0), (end.Summary.WeightsSha256, end.Summary.Rollbacks));
    }

    private static TrainingSpec Spec(int servers) =>
        JobHarness.SpecOf(servers: servers, epochs: 4) with { Optimizer = new OptimizerSpec("adafactor", new AdafactorOptions()) };

    private static LinearRuntime Runtime() => new(layout: new ParameterLayout(
        [new TensorSlot("a", [20, 50], 0, 1000), new TensorSlot("b", [500], 1000, 500), new TensorSlot("c", [30, 50], 1500, 1500)], []));

    private static async Task<string> Alone(TrainingSpec spec)
    {
        await using var harness = new JobHarness([Runtime()], isAlone: true);
        var (end, _) = await harness.RunAsync(spec, Token);
        Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
        return end.Summary.WeightsSha256!;
    }
}
