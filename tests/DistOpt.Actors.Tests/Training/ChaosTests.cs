using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Actors.Tests.Training;

/// <summary>
/// Random nodes and coordinators die at random moments and others join, by a seed: the run ends by itself with the bits of the undisturbed one. More seeds:
/// the environment variable <c>DISTOPT_CHAOS_SEEDS</c>, as in <c>1000-1999</c>. Every fifth seed runs with delays (see
/// <see cref="DelayingExecutorConfigurator"/>); with <c>DISTOPT_CHAOS_DELAYS=1</c> all do, several seconds each.
/// </summary>
public sealed class ChaosTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<int> Seeds()
    {
        var range = (Environment.GetEnvironmentVariable("DISTOPT_CHAOS_SEEDS") ?? "0-19").Split('-').Select(int.Parse).ToArray();
        return [.. Enumerable.Range(range[0], range[^1] - range[0] + 1)];
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Whatever_dies_whenever_the_bits_are_the_same(int seed)
    {
        ulong drawn = 0;
        int servers = 1 + Next(3), shards = 1 + Next(7), workers = 1 + Next(Math.Min(4, shards)), kills = 1 + Next(5);
        bool hasBackups = Next(2) == 1, evaluatesOften = Next(2) == 1, losesCoordinators = Next(2) == 1;
        var spec = JobHarness.SpecOf(workers, servers, shards, epochs: 8);
        spec = spec with
        {
            Training = spec.Training with { Replicas = hasBackups ? 1 : 0, WorkerTimeout = 60 },
            Checkpoint = new CheckpointSection { EverySteps = 1 + Next(15), Keep = 1 + Next(3) },
            Evaluate = evaluatesOften ? new EvaluateSection { EveryEpochs = null, EverySteps = 1 + Next(5), BatchSize = 3 } : spec.Evaluate,
        };
        // an update for which servers exchange norms, beside one that looks at each element alone
        if (seed % 3 == 2) spec = JobHarness.WithNorms(spec);
        RunSummary expected;
        RecordingSink kept;
        var (right, seen) = (new WeightsSeen(), new WeightsSeen());
        await using (var calm = new JobHarness([new LinearRuntime(buffers: true) { Uses = right.Add }], isAlone: true))
        {
            var (undisturbed, calmSink) = await calm.RunAsync(spec with { Training = spec.Training with { Replicas = 0 } }, Token);
            (expected, kept) = (undisturbed.Summary, calmSink);
        }
        bool isDelayed = seed % 5 == 4 || Environment.GetEnvironmentVariable("DISTOPT_CHAOS_DELAYS") == "1";

        string folder = Directory.CreateTempSubdirectory("distopt-").FullName;
        string[][] kinds = [["worker"], ["server"], ["worker", "server"]];
        // one of each at least, beside the coordinator that takes no part
        var roles = new List<string[]> { Array.Empty<string>(), kinds[0], kinds[1], kinds[2] };
        for (int i = Next(3); i > 0; i--) roles.Add(kinds[Next(3)]);
        var moments = Enumerable.Range(0, kills).Select(_ => 1 + Next(expected.Steps * shards * 9 / 10)).Order().ToList();
        long leaves = 0;
        var reached = moments.Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).ToList();
        void Count(StepPlan plan, int shard)
        {
            long now = Interlocked.Increment(ref leaves);
            for (int i = 0; i < moments.Count; i++)
                if (now >= moments[i]) reached[i].TrySetResult();
        }
        LinearRuntime Runtime() => new(buffers: true) { BeforeLeaf = Count, Uses = seen.Add };
        // with a coordinator's disk, or on storage to which servers write
        if (seed % 2 == 1) spec = spec with { Storage = new StorageSection { Kind = StorageSection.Shared, Path = folder } };
        try
        {
            var harness = new JobHarness([.. roles.Select(_ => Runtime())], slots: 2, isDelayed ? DelayingExecutorConfigurator.Hocon : "", roles: roles,
                isJournaled: losesCoordinators)
            {
                CheckpointDirectory = losesCoordinators ? null : folder,
            };
            await using var owned = harness;
            var run = losesCoordinators ? harness.RunDurableAsync(spec, folder, Token) : RunAsync();
            var alive = Enumerable.Range(1, roles.Count - 1).ToList();
            for (int k = 0; k < kills; k++)
            {
                await MovesAsync(Task.WhenAny(reached[k].Task, run));
                if (run.IsCompleted) break;
                bool losesCoordinator = losesCoordinators && Next(3) > 0;
                if (losesCoordinator)
                {
                    await harness.KillCoordinatorAsync();
                    // alone, or with somebody else at once
                    if (Next(2) == 1)
                    {
                        Restart();
                        continue;
                    }
                }
                int victim = alive[Next(alive.Count)];
                bool joinsFirst = Next(2) == 1;
                if (joinsFirst) Replace(victim);
                // some go in good order: with whatever died before not yet replaced, and nobody to hand over to but who is there
                bool inOrder = !losesCoordinator && new CounterRandom(seed, RandomPurpose.Shuffle, k).NextInt64(3) == 0;
                if (inOrder) await MovesAsync(harness.LeaveAsync(victim, Token));
                else await harness.KillAsync(victim);
                if (!joinsFirst) Replace(victim);
                if (losesCoordinator) Restart();
            }
            await MovesAsync(run);
            var (end, sink) = await run;
            Assert.True(end.Status == RunStatus.Completed, $"seed {seed}: {end.Error}{Environment.NewLine}{string.Join(Environment.NewLine, harness.Trace.TakeLast(100))}");
            // going on after the limit hides that somebody was not told what to do
            Assert.True(!sink.Lines.Any(l => l.Text.Contains("no progress")), $"seed {seed}: {string.Join(Environment.NewLine, sink.Lines.Select(l => l.Text).Concat(harness.Trace))}");
            string traced = $"{string.Join(Environment.NewLine, harness.Trace)}";
            Assert.True(expected.WeightsSha256 == end.WeightsSha256, $"seed {seed}: other bits{Environment.NewLine}{traced}");
            Assert.True(!seen.Unlike(right).Any(), $"seed {seed}: {string.Join(Environment.NewLine, seen.Unlike(right))}{Environment.NewLine}{traced}");
            Assert.True(kept.LastBuffers.AsSpan().SequenceEqual(sink.LastBuffers), $"seed {seed}: other buffers{Environment.NewLine}{traced}");
            Assert.True(kept.Selected.AsSpan().SequenceEqual(sink.Selected), $"seed {seed}: other selected weights{Environment.NewLine}{traced}");
            Assert.True(expected.Selected == end.Selected, $"seed {seed}: {end.Selected} in place of {expected.Selected}{Environment.NewLine}{traced}");
            foreach (var (wanted, found) in new[] { (expected.Validation, end.Validation), (expected.Test, end.Test), (expected.Train, end.Train) })
                Assert.True(wanted.OrderBy(m => m.Key).SequenceEqual(found.OrderBy(m => m.Key)), $"seed {seed}: {Text(found)} in place of {Text(wanted)}{Environment.NewLine}{traced}");

            static string Text(IEnumerable<KeyValuePair<string, double>> metrics) => string.Join(" ", metrics);

            async Task<(RunSummary, RecordingSink)> RunAsync()
            {
                var (ended, recorded) = await harness.RunAsync(spec, Token);
                return (ended.Summary, recorded);
            }

            async Task MovesAsync(Task what)
            {
                try
                {
                    await what.WaitAsync(Eventually.Patience, Token);
                }
                catch (TimeoutException)
                {
                    Assert.Fail($"seed {seed}: it hangs{Environment.NewLine}{string.Join(Environment.NewLine, harness.Trace)}");
                }
            }

            void Restart()
            {
                harness.RestartCoordinator(Runtime());
                roles.Add([]);
            }

            void Replace(int victim)
            {
                alive.Remove(victim);
                int joined = harness.Join(Runtime(), roles[victim]);
                roles.Add(roles[victim]);
                alive.Add(joined);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        int Next(long below) => (int)new CounterRandom(seed, RandomPurpose.Data, (long)drawn++).NextInt64(below);
    }
}
