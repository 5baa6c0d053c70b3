using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Training;

public sealed class TrainingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_job_runs_to_its_last_epoch_and_learns()
    {
        var runtime = new LinearRuntime();
        await using var harness = new JobHarness([runtime]);

        var (end, sink) = await harness.RunAsync(JobHarness.SpecOf(), Token);

        Assert.Equal(RunStatus.Completed, end.Summary.Status);
        Assert.Equal(StopReason.Epochs, end.Summary.StopReason);
        Assert.Equal(22, end.Summary.Steps);
        Assert.Equal(206, end.Summary.Samples);
        Assert.Equal(2, end.Summary.Epochs);
        var losses = sink.Rows.Where(r => r.Split == DataSplit.Validation).Select(r => r.Get("loss")!.Value).ToList();
        Assert.Equal(2, losses.Count);
        Assert.True(losses[1] < losses[0], $"validation loss went from {losses[0]} to {losses[1]}");
        Assert.Equal(sink.Summary, end.Summary);
        Assert.Equal(end.Summary.Selected!.Value, losses.Min());
        Assert.Single(sink.Rows, r => r.Split == DataSplit.Test);
    }

    [Theory]
    [InlineData(TrainingSection.Float32)]
    [InlineData(TrainingSection.Bf16)]
    public async Task The_bits_depend_on_gradient_shards_alone(string gradients)
    {
        string? expected = null;
        foreach (var (workers, servers, nodes) in new[] { (1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 3, 1), (2, 3, 2), (3, 2, 3), (4, 1, 2), (4, 3, 3), (7, 2, 2) })
        {
            var runtimes = Enumerable.Range(0, nodes).Select(_ => new LinearRuntime(buffers: true)).ToList();
            await using var harness = new JobHarness(runtimes);
            var spec = JobHarness.SpecOf(workers, servers);
            var (end, sink) = await harness.RunAsync(spec with { Training = spec.Training with { GradientPrecision = gradients } }, Token);
            Assert.Equal(RunStatus.Completed, end.Summary.Status);
            expected ??= end.Summary.WeightsSha256;
            Assert.True(expected == end.Summary.WeightsSha256, $"other bits with {workers} workers, {servers} servers, {nodes} nodes");
            // the buffer counts what shard 0 saw: floor(b/4) of each batch, 2 of the ten of ten, 0 of the last three
            Assert.Equal([2 * 10 * 2, 21], sink.LastBuffers!);
        }
    }

    [Fact]
    public async Task Gradients_in_bfloat16_give_other_bits_and_nearly_the_same_loss()
    {
        var losses = new List<double>();
        var bits = new HashSet<string>();
        foreach (string gradients in new[] { TrainingSection.Float32, TrainingSection.Bf16 })
        {
            await using var harness = new JobHarness([new LinearRuntime(), new LinearRuntime()]);
            var spec = JobHarness.SpecOf();
            var (end, _) = await harness.RunAsync(spec with { Training = spec.Training with { GradientPrecision = gradients } }, Token);
            losses.Add(end.Summary.Validation["loss"]);
            bits.Add(end.Summary.WeightsSha256!);
        }
        Assert.Equal(2, bits.Count);
        Assert.InRange(losses[1] / losses[0], 0.99, 1.01);
    }

    /// <summary>Servers and workers in one memory answer each other so fast that every order of their messages comes up.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Short_jobs_always_come_to_their_end(bool isAlone)
    {
        await using var harness = new JobHarness([new LinearRuntime(features: 1100, samples: 4, validation: 2, test: 1)], isAlone: isAlone);
        var spec = JobHarness.SpecOf(workers: 2, servers: 2, shards: 2, epochs: 2, batch: 2);
        string? bits = null;
        for (int i = 0; i < 60; i++)
        {
            var (end, _) = await harness.RunAsync(spec, Token, $"job-{i}");
            Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
            Assert.Equal(bits ??= end.Summary.WeightsSha256, end.Summary.WeightsSha256);
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    [InlineData(3, 2)]
    public async Task Norms_of_whole_tensors_are_the_same_on_any_number_of_servers(int nodes, int servers)
    {
        var spec = JobHarness.WithNorms(JobHarness.SpecOf(workers: 3, servers: 1, shards: 5));
        await using var alone = new JobHarness([new LinearRuntime(features: 3000)]);
        var expected = (await alone.RunAsync(spec, Token)).End.Summary;
        await using var harness = new JobHarness([.. Enumerable.Range(0, nodes).Select(_ => new LinearRuntime(features: 3000))]);

        var (end, _) = await harness.RunAsync(spec with { Training = spec.Training with { Servers = servers } }, Token);

        Assert.True(end.Summary.Status == RunStatus.Completed, end.Summary.Error);
        Assert.Equal(expected.WeightsSha256, end.Summary.WeightsSha256);
    }

    [Fact]
    public async Task Every_sample_is_visited_once_an_epoch()
    {
        var runtime = new LinearRuntime();
        await using var harness = new JobHarness([runtime]);

        await harness.RunAsync(JobHarness.SpecOf(workers: 3, shards: 5), Token);

        foreach (int epoch in new[] { 0, 1 })
        {
            var visited = runtime.Visits.Where(v => v.Step / 11 == epoch).Select(v => v.Sample).Order();
            Assert.Equal(Enumerable.Range(0, 103).Select(i => (long)i), visited);
        }
    }

    [Fact]
    public async Task The_selected_weights_are_those_of_the_best_evaluation()
    {
        var spec = JobHarness.SpecOf(epochs: 6) with
        {
            // so large a rate that later epochs are worse than earlier ones
            Optimizer = new OptimizerSpec("sgd", new Core.Optimizers.SgdOptions { LearningRate = 2e-3, Momentum = 0.99 }),
            Evaluate = new EvaluateSection { EveryEpochs = null, EverySteps = 3, BatchSize = 4 },
        };
        await using var harness = new JobHarness([new LinearRuntime(features: 40), new LinearRuntime(features: 40)]);

        var (end, sink) = await harness.RunAsync(spec, Token);

        var evaluations = sink.Rows.Where(r => r.Split == DataSplit.Validation).ToList();
        var best = evaluations.MinBy(r => r.Get("loss"))!;
        Assert.True(best.Step < end.Summary.Steps, "the test wants a run whose last weights are not its best");
        Assert.Equal(best.Step, end.Summary.Selected!.Step);
        Assert.Equal(best.Step, sink.SelectedStep);
        Assert.NotEqual(sink.Last, sink.Selected);
        // the same run ended at that very step has these weights as its last ones
        await using var shorter = new JobHarness([new LinearRuntime(features: 40)]);
        var (_, reference) = await shorter.RunAsync(spec with { Stop = new StopSection { MaxSteps = best.Step } }, Token);
        Assert.Equal(reference.Last, sink.Selected);
        Assert.Equal(reference.Rows.Single(r => r.Split == DataSplit.Test).Get("loss"), sink.Rows.Single(r => r.Split == DataSplit.Test).Get("loss"));
    }

    [Fact]
    public async Task Work_that_throws_once_is_done_by_another_worker()
    {
        int failures = 0;
        var runtime = new LinearRuntime
        {
            BeforeLeaf = (plan, shard) =>
            {
                if (plan.Step == 3 && shard == 0 && Interlocked.Increment(ref failures) == 1) throw new InvalidOperationException("a passing fault");
            },
        };
        await using var harness = new JobHarness([runtime]);
        var (end, _) = await harness.RunAsync(JobHarness.SpecOf(), Token);

        await using var calm = new JobHarness([new LinearRuntime()]);
        var (expected, _) = await calm.RunAsync(JobHarness.SpecOf(), Token);
        Assert.Equal(1, failures - 1);
        Assert.Equal(expected.Summary.WeightsSha256, end.Summary.WeightsSha256);
    }

    [Fact]
    public async Task An_exception_of_user_code_fails_the_job_with_type_message_and_stack()
    {
        int tries = 0;
        var runtime = new LinearRuntime
        {
            BeforeLeaf = (plan, shard) =>
            {
                if (plan.Step != 3 || shard != 0) return;
                Interlocked.Increment(ref tries);
                throw new InvalidOperationException("the loss is no number");
            },
        };
        await using var harness = new JobHarness([runtime]);

        var (end, sink) = await harness.RunAsync(JobHarness.SpecOf(), Token);

        Assert.Equal(RunStatus.Failed, end.Summary.Status);
        Assert.Equal(2, tries);
        Assert.Contains("System.InvalidOperationException: the loss is no number", end.Summary.Error);
        Assert.Contains("step 3", end.Summary.Error);
        Assert.Contains(nameof(TrainingTests), end.Summary.Error);
        Assert.Equal(end.Summary, sink.Summary);
    }

    [Fact]
    public async Task A_run_that_is_stopped_hands_over_its_weights()
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var runtime = new LinearRuntime { BeforeLeaf = (plan, _) => { if (plan.Step == 5) reached.TrySetResult(); } };
        await using var harness = new JobHarness([runtime]);

        var run = harness.RunAsync(JobHarness.SpecOf(epochs: 100_000), Token);
        await reached.Task.WaitAsync(Token);
        harness.Coordinator.Tell(new StopJob(new JobId("job-1"), StopReason.Interrupted), Akka.Actor.ActorRefs.NoSender);
        var (end, sink) = await run;

        Assert.Equal(RunStatus.Interrupted, end.Summary.Status);
        Assert.NotNull(sink.Last);
        Assert.NotNull(sink.Selected);
        Assert.InRange(end.Summary.Steps, 5, 1_000_000);
        Assert.DoesNotContain(sink.Rows, r => r.Split == DataSplit.Test);
    }

    [Fact]
    public async Task A_node_with_another_build_is_refused_by_name_and_with_both_values()
    {
        var other = new LinearRuntime
        {
            Fingerprint = new JobFingerprint(new Dictionary<string, string> { ["user code"] = "b2" }, new Dictionary<string, string> { ["CPU"] = "y" }),
        };
        await using var harness = new JobHarness([new LinearRuntime(), other]);

        var (end, sink) = await harness.RunAsync(JobHarness.SpecOf(), Token);

        Assert.NotNull(end.BadInput);
        Assert.Contains(end.BadInput.Violations, v => v.Message.Contains("name-1") && v.Message.Contains("'b2'") && v.Message.Contains("'a1'"));
        Assert.Contains(end.BadInput.Violations, v => v.Message.Contains("CPU"));
        Assert.Null(sink.Start);
    }

    [Fact]
    public async Task A_node_with_another_build_of_the_engine_takes_part_and_is_told_of()
    {
        var other = new LinearRuntime();
        other = new LinearRuntime { Fingerprint = other.Fingerprint with { Engine = "Core 2" } };
        var own = new LinearRuntime { Fingerprint = other.Fingerprint with { Engine = "Core 1" } };
        await using var harness = new JobHarness([own, other]);

        var (end, sink) = await harness.RunAsync(JobHarness.SpecOf(), Token);

        Assert.Equal(RunStatus.Completed, end.Summary.Status);
        Assert.Contains(sink.Start!.Warnings, w => w.Contains("name-1") && w.Contains("Core 2 there") && w.Contains("Core 1 here"));
    }

    [Fact]
    public async Task Without_bit_exact_only_the_exact_part_of_the_fingerprint_counts()
    {
        var other = new LinearRuntime
        {
            Fingerprint = new JobFingerprint(new Dictionary<string, string> { ["user code"] = "a1" }, new Dictionary<string, string> { ["CPU"] = "y" }),
        };
        await using var harness = new JobHarness([new LinearRuntime(), other]);
        var spec = JobHarness.SpecOf();

        var (end, _) = await harness.RunAsync(spec with { Training = spec.Training with { BitExact = false } }, Token);

        Assert.Equal(RunStatus.Completed, end.Summary.Status);
    }

    [Fact]
    public async Task More_servers_than_blocks_are_bad_input()
    {
        await using var harness = new JobHarness([new LinearRuntime(features: 1025)]);

        var (end, sink) = await harness.RunAsync(JobHarness.SpecOf(servers: 3), Token);

        var violation = Assert.Single(end.BadInput!.Violations);
        Assert.Equal("training.servers", violation.Path);
        Assert.Contains("at most 2 servers", violation.Message);
        Assert.Null(sink.Start);
    }

    [Fact]
    public async Task A_job_that_does_not_move_names_whom_it_waits_for()
    {
        using var release = new ManualResetEventSlim();
        var runtime = new LinearRuntime
        {
            BeforeLeaf = (plan, shard) => { if (plan.Step == 2 && shard == 3) release.Wait(Eventually.Patience); },
        };
        await using var harness = new JobHarness([runtime]);
        var spec = JobHarness.SpecOf();

        var run = harness.RunAsync(spec with { Training = spec.Training with { WorkerTimeout = 3600 } }, Token);
        await harness.WaitingAsync(whom => whom.Contains("worker 1 on node-0 (step 2)"), Token);
        harness.Time.Advance(TimeSpan.FromSeconds(3600));
        var (end, _) = await run;
        release.Set();

        Assert.Equal(RunStatus.Failed, end.Summary.Status);
        Assert.Contains("worker 1 on node-0 (step 2)", end.Summary.Error);
    }

    [Fact]
    public async Task Jobs_wait_for_free_slots_in_order()
    {
        await using var harness = new JobHarness([new LinearRuntime()], slots: 2);

        var first = harness.RunAsync(JobHarness.SpecOf(workers: 2), Token, "job-1");
        var second = harness.RunAsync(JobHarness.SpecOf(workers: 2), Token, "job-2");

        Assert.Equal(RunStatus.Completed, (await first).End.Summary.Status);
        Assert.Equal(RunStatus.Completed, (await second).End.Summary.Status);
    }
}
