using Akka.Actor;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Training;

/// <summary><c>stop.max_seconds</c>, by a clock that the tests put forward.</summary>
public sealed class MaxSecondsTests : IDisposable
{
    private const double Limit = 1000;
    private const int StepsOfEpoch = 11;

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    public async Task A_run_ends_once_its_seconds_are_over_and_not_before(int nodes, int servers)
    {
        await using var harness = LinearCluster.Of(nodes);
        StepGate before = new(StepsOfEpoch + 3), after = new(2 * StepsOfEpoch + 3);
        foreach (var runtime in harness.Runtimes) runtime.BeforeLeaf = (plan, shard) =>
        {
            before.Pass(plan, shard);
            after.Pass(plan, shard);
        };

        var run = harness.Jobs.RunAsync(Spec(servers), Token);
        await before.Reached(Token);
        harness.Jobs.Time.Advance(TimeSpan.FromSeconds(Limit - 200));
        before.Release();
        await after.Reached(Token); // it went on for an epoch
        Assert.DoesNotContain(harness.Jobs.Wires, w => w.Body is RequestStop);
        harness.Jobs.Time.Advance(TimeSpan.FromSeconds(200));
        await harness.Jobs.HeardAsync(w => w.Body is RequestStop { Reason: (int)StopReason.MaxSeconds }, 1, Token);
        await harness.Jobs.StopIsKnownAsync(Token);
        after.Release();
        var (end, sink) = await run;

        var summary = end.Summary;
        Assert.Equal((RunStatus.Completed, StopReason.MaxSeconds), (summary.Status, summary.StopReason!.Value));
        // at one of the next steps, with the evaluation that every run ends with
        Assert.InRange(summary.Steps, 2 * StepsOfEpoch + 4, 3 * StepsOfEpoch - 1);
        Assert.InRange(summary.WallSeconds, Limit, Limit + 100);
        Assert.Equal(summary.Steps, sink.Rows.Last(r => r.Split == DataSplit.Validation).Step);
        Assert.Contains(sink.Rows, r => r.Split == DataSplit.Test);
    }

    [Fact]
    public async Task A_run_that_is_resumed_has_the_seconds_that_are_left()
    {
        var runtime = new LinearRuntime(buffers: true);
        await using (var first = new JobHarness([runtime], isAlone: true) { CheckpointDirectory = _folder })
        {
            var gate = new StepGate(3);
            runtime.BeforeLeaf = gate.Pass;
            var run = first.RunAsync(Spec(1), Token);
            await gate.Reached(Token);
            first.Time.Advance(TimeSpan.FromSeconds(Limit - 200));
            await first.InterruptAsync(Token);
            gate.Release();
            Assert.Equal(RunStatus.Interrupted, (await run).End.Summary.Status);
        }

        await using var second = new JobHarness([runtime], isAlone: true) { CheckpointDirectory = _folder, Resumes = true };
        var next = new StepGate(2 * StepsOfEpoch);
        runtime.BeforeLeaf = next.Pass;
        var resumed = second.RunAsync(Spec(1), Token);
        await next.Reached(Token);
        Assert.DoesNotContain(second.Wires, w => w.Body is RequestStop);
        second.Time.Advance(TimeSpan.FromSeconds(200));
        await second.HeardAsync(w => w.Body is RequestStop { Reason: (int)StopReason.MaxSeconds }, 1, Token);
        next.Release();

        var summary = (await resumed).End.Summary;
        Assert.Equal((RunStatus.Completed, StopReason.MaxSeconds), (summary.Status, summary.StopReason!.Value));
        Assert.InRange(summary.WallSeconds, Limit, Limit + 100);
    }

    /// <summary>Of a hundred epochs; nobody is given up while the clock jumps.</summary>
    private static TrainingSpec Spec(int servers)
    {
        var spec = JobHarness.SpecOf(servers: servers, epochs: 100);
        return spec with
        {
            Training = spec.Training with { WorkerTimeout = 86_400 },
            Stop = new StopSection { MaxSeconds = Limit },
        };
    }
}
