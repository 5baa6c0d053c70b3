using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Hosting.Tests.Tensors;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tests.Cluster;

/// <summary>The end of a node on which user code does not return.</summary>
public sealed class NodeEndTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_node_whose_user_code_hangs_says_so_after_its_time_and_ends_without_it()
    {
        using var release = new ManualResetEventSlim();
        var hangs = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var runtime = new LinearRuntime
        {
            BeforeOpen = () =>
            {
                hangs.TrySetResult();
                release.Wait(Token);
            },
        };
        var (log, time) = (new TestLog(), new HeldTimers(TimeSpan.FromSeconds(60)));
        var options = new NodeOptions { Port = 0, TensorPort = 0, ApiPort = 0, Journal = NodeOptions.NoJournal };
        var node = await ClusterNode.StartAsync(options, LinearParts.Of(runtime), new TestLoggers(log), time, Token);
        var run = node.RunJobAsync(new JobId("job"), new LinearParts().Read(LinearParts.Yaml(workers: 1)), _ => new RecordingSink(), JobStorage.None);
        await hangs.Task.WaitAsync(Eventually.Patience, Token);

        var stop = node.StopAsync(leave: false);
        await time.Asked.WaitAsync(Eventually.Patience, Token);
        Assert.False(stop.IsCompleted);
        time.Fire();
        await stop.WaitAsync(Eventually.Patience, Token);

        Assert.False(node.Ended.IsCompleted);
        Assert.Contains(log.Lines, l => l is { Level: LogLevel.Error, Text: "The actors of this node have not stopped within 60 s: what is left of them ends with the process" });
        // the process would end now; here it goes on
        release.Set();
        Assert.Equal(NodeEnd.Stopped, await node.Ended.WaitAsync(Eventually.Patience, Token));
        // by the job coordinator, or by whoever waits for it: they stop side by side
        var error = await Record.ExceptionAsync(() => run.WaitAsync(Eventually.Patience, Token));
        Assert.True(error is InvalidOperationException { Message: "the node was stopped before the job had ended" }
            || (error is null && (await run).Status == RunStatus.Failed), $"{error}");
    }

    /// <summary>The system's time, but for timers of a certain length.</summary>
    private sealed class HeldTimers(TimeSpan length) : TimeProvider
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Action? _fire;

        public Task Asked => _asked.Task;

        public void Fire() => _fire!();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime != length) return base.CreateTimer(callback, state, dueTime, period);
            _fire = () => callback(state);
            _asked.TrySetResult();
            return base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, period);
        }
    }
}
