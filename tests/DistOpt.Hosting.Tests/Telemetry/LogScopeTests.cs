using System.Collections.Concurrent;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Tests.Telemetry;

public sealed class LogScopeTests
{
    [Fact]
    public async Task What_actors_log_carries_the_ids_of_job_and_worker_as_a_scope()
    {
        var log = new ScopeLog();
        var runtime = new LinearRuntime { BeforeLeaf = (plan, _) => { if (plan.Step == 2) throw new InvalidOperationException("the user's mistake"); } };
        var options = new NodeOptions { Port = 0, TensorPort = 0, ApiPort = 0, Journal = NodeOptions.NoJournal };
        await using (var node = await ClusterNode.StartAsync(options, LinearParts.Of(runtime),
            new TestLoggers(log), TimeProvider.System, TestContext.Current.CancellationToken))
        {
            while ((await node.NodesAsync()).Count < 1) await Task.Yield();
            var summary = await node.RunJobAsync(new JobId("job-9"), new LinearParts().Read(LinearParts.Yaml(workers: 1)), _ => new RecordingSink(), JobStorage.None);
            Assert.Equal(RunStatus.Failed, summary.Status);
        }

        // it is tried twice, here by the same worker
        var thrown = log.Lines.Where(l => l.Text.Contains("user code threw", StringComparison.Ordinal)).ToList();
        Assert.Equal(2, thrown.Count);
        Assert.All(thrown, line =>
        {
            Assert.Equal(LogLevel.Error, line.Level);
            Assert.Equal("the user's mistake", line.Error?.Message);
            Assert.Equal(["job=job-9", "worker=0"], line.Scope);
        });
        Assert.Equal(["job=job-9"], Assert.Single(log.Lines, l => l.Text == "job begins on this node").Scope);
        Assert.Contains(log.Lines, l => l.Text == "job ended: failed" && l.Scope.SequenceEqual(["job=job-9"]));
    }

    private sealed class ScopeLog : ILogger
    {
        private readonly LoggerExternalScopeProvider _scopes = new();

        public ConcurrentQueue<(LogLevel Level, string Text, Exception? Error, string[] Scope)> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => _scopes.Push(state);

        public bool IsEnabled(LogLevel level) => level >= LogLevel.Information;

        public void Log<TState>(LogLevel level, EventId id, TState state, Exception? error, Func<TState, Exception?, string> format)
        {
            if (!IsEnabled(level)) return;
            var scope = new List<string>();
            _scopes.ForEachScope((s, all) =>
            {
                if (s is IEnumerable<KeyValuePair<string, object>> pairs) all.AddRange(pairs.Select(p => $"{p.Key}={p.Value}"));
            }, scope);
            Lines.Enqueue((level, format(state, error), error, [.. scope.Order(StringComparer.Ordinal)]));
        }
    }
}
