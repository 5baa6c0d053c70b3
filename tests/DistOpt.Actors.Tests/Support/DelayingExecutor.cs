using Akka.Configuration;
using Akka.Dispatch;

namespace DistOpt.Actors.Tests.Support;

/// <summary>
/// Runs the turns of all actors on the thread pool, some of them later than they could: what a machine does whose processors are busy, without the load.
/// Finds in minutes what only overload finds otherwise. Not by a seed: threads would not keep to it, and a test must hold for any delays.
/// </summary>
internal sealed class DelayingExecutorConfigurator(Config config, IDispatcherPrerequisites prerequisites) : ExecutorServiceConfigurator(config, prerequisites)
{
    /// <summary>HOCON that gives it to every actor, those that compute included.</summary>
    public const string Hocon = """
        akka.actor.default-dispatcher {
          type = Dispatcher
          throughput = 1
          executor = "DistOpt.Actors.Tests.Support.DelayingExecutorConfigurator, DistOpt.Actors.Tests"
        }
        distopt.compute-dispatcher {
          type = Dispatcher
          throughput = 1
          executor = "DistOpt.Actors.Tests.Support.DelayingExecutorConfigurator, DistOpt.Actors.Tests"
        }
        """;

    public override ExecutorService Produce(string id) => new DelayingExecutor(id);

    private sealed class DelayingExecutor(string id) : ExecutorService(id)
    {
        public override void Execute(IRunnable run)
        {
            // most at once, one in four a little later, few so late that others are several steps ahead
            double most = Random.Shared.Next(1000) switch { < 700 => 0, < 950 => 3, < 995 => 30, _ => 300 };
            if (most == 0) ThreadPool.UnsafeQueueUserWorkItem(static r => r.Run(), run, preferLocal: false);
            else _ = LaterAsync(run, TimeSpan.FromMilliseconds(Random.Shared.NextDouble() * most));
        }

        public override void Shutdown()
        {
        }

        private static async Task LaterAsync(IRunnable run, TimeSpan delay)
        {
            await Task.Delay(delay).ConfigureAwait(false);
            run.Run();
        }
    }
}
