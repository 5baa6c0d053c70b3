using System.Globalization;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>Nodes that die in the middle of a job, and nodes that join it: the bits are those of the undisturbed run.</summary>
public sealed class LossOfNodesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Shards_of_a_lost_worker_fall_to_others_without_going_back(int servers)
    {
        var spec = JobHarness.SpecOf(workers: 3, servers: servers, shards: 5, epochs: 4);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(4, roles: [["server"], ["worker"], ["worker"], ["worker"]]);
        var gate = new StepGate(step: 9);
        harness.Runtimes[2].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await Task.WhenAll(harness.Jobs.KillAsync(2), Task.Run(gate.Release, Token));
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal(1, end.Summary.WorkerFailures);
        Assert.Equal(0, end.Summary.Rollbacks);
        Assert.True(end.Summary.StepsComputed > end.Summary.Steps);
    }

    [Fact]
    public async Task Whoever_takes_over_shards_of_a_step_that_one_server_has_left_behind_gets_its_previous_version()
    {
        const long step = 9;
        var spec = JobHarness.SpecOf(workers: 3, servers: 3, shards: 5, epochs: 4);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(6, roles: [["server"], ["server"], ["server"], ["worker"], ["worker"], ["worker"]]);
        var dying = harness.Jobs.IdOf(4);
        var isAhead = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var versions = new System.Collections.Concurrent.ConcurrentQueue<(long Begin, long Step)>();
        harness.Jobs.OnFrame = (_, _, header, _, _) =>
        {
            if (header is { Kind: TensorKind.Answer, Step: step + 1, Range.Begin: 0 }) isAhead.TrySetResult();
            if (header.Kind == TensorKind.Version) versions.Enqueue((header.Range.Begin, header.Step));
        };
        // its sums of the step reach one server of three
        harness.Jobs.Loses = (from, header) => from == dying && header.Kind == TensorKind.Push && header.Step >= step && header.Range.Begin > 0;

        var run = harness.Jobs.RunAsync(spec, Token);
        await isAhead.Task.WaitAsync(Eventually.Patience, Token);
        // everyone else has its answer by then, and so no longer the version before it
        await harness.Jobs.TakenInAsync(0, NodeActors.Server(0), Token);
        await harness.Jobs.KillAsync(4);
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal((1, 0), (end.Summary.WorkerFailures, end.Summary.Rollbacks));
        Assert.Contains((0, step), versions);
        Assert.Equal(3, versions.Where(v => v.Step == step).Select(v => v.Begin).Distinct().Count());
    }

    [Fact]
    public async Task A_version_that_was_sent_to_a_recovery_which_was_stopped_is_thrown_away()
    {
        const long step = 9;
        var spec = JobHarness.SpecOf(workers: 3, servers: 3, shards: 6, epochs: 4);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(6, roles: [["server"], ["server"], ["server"], ["worker"], ["worker"], ["worker"]]);
        var dying = harness.Jobs.IdOf(4);
        var isAhead = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        harness.Jobs.OnFrame = (_, _, header, _, _) =>
        {
            if (header is { Kind: TensorKind.Answer, Step: step + 1, Range.Begin: 0 }) isAhead.TrySetResult();
        };
        // its sums of the step reach one server of three
        harness.Jobs.Loses = (from, header) => from == dying && header.Kind == TensorKind.Push && header.Step >= step && header.Range.Begin > 0;
        harness.Jobs.Holds = header => header.Kind == TensorKind.Version;
        var gate = new StepGate(step: 20);
        harness.Runtimes[3].BeforeLeaf = gate.Pass;
        var survivor = harness.Jobs.IdOf(3);
        bool Asks(NodeDelivery d, int recovery) => d.Body is FetchVersion fetch && d.From == survivor && fetch.Address % 64 == recovery;

        var run = harness.Jobs.RunAsync(spec, Token);
        await isAhead.Task.WaitAsync(TimeSpan.FromSeconds(30), Token);
        await harness.Jobs.KillAsync(4);
        await harness.Jobs.HeardAsync(d => Asks(d, recovery: 0), 3, Token);
        // the other one that recovers is lost too: the recovery begins anew with its shards
        await harness.Jobs.KillAsync(5);
        await harness.Jobs.HeardAsync(d => Asks(d, recovery: 1), 3, Token);
        harness.Jobs.Holds = null;
        harness.Jobs.LetGo(_ => true);
        await gate.Reached(Token);
        int unclaimed = harness.Jobs.Unclaimed(3);
        gate.Release();
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal((2, 0), (end.Summary.WorkerFailures, end.Summary.Rollbacks));
        Assert.Equal(0, unclaimed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_lost_server_sends_everyone_back_to_the_last_checkpoint_or_to_the_beginning(bool checkpoints)
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 3, shards: 5, epochs: 4) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(4, roles: [["worker"], ["worker", "server"], ["server"], ["server"]]);
        if (checkpoints) harness.Jobs.CheckpointDirectory = _folder;
        var gate = new StepGate(step: 23);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        // steps are faster than the disk
        if (checkpoints) await harness.Jobs.StatusAsync(j => j.Checkpoint is not null, Token);
        await harness.Jobs.KillAsync(2);
        gate.Release();
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal(1, end.Summary.ServerFailures);
        Assert.Equal(1, end.Summary.Rollbacks);
        if (checkpoints) Assert.InRange(end.Summary.StepsComputed, end.Summary.Steps + 1, end.Summary.Steps + 22);
    }

    [Fact]
    public async Task A_worker_that_is_lost_on_the_way_back_to_a_checkpoint_makes_it_no_second_return()
    {
        var spec = JobHarness.SpecOf(workers: 3, servers: 1, shards: 6, epochs: 4) with { Checkpoint = new CheckpointSection { EverySteps = 5 } };
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(5, roles: [["worker"], ["worker"], ["server"], ["server"], ["worker"]]);
        harness.Jobs.CheckpointDirectory = _folder;
        var gate = new StepGate(step: 23);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;
        var isStarting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        harness.Jobs.HoldsMessage = body =>
        {
            if (body is not JobStarted { JobEpoch: 2 }) return false;
            isStarting.TrySetResult();
            return true;
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await harness.Jobs.StatusAsync(j => j.Checkpoint is not null, Token);
        await harness.Jobs.KillAsync(2);
        gate.Release();
        await isStarting.Task.WaitAsync(Eventually.Patience, Token);
        await harness.Jobs.KillAsync(4);
        harness.Jobs.LetGoMessages();
        var (end, sink) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal((1, 1, 1), (end.Summary.ServerFailures, end.Summary.WorkerFailures, end.Summary.Rollbacks));
        // a checkpoint that was complete only after the first plan is what the second goes back to, and says so
        string back = sink.Lines.Last(l => l.Text.Contains("goes back to")).Text;
        long step = long.Parse(back[(back.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture);
        // step 23 was under way; a node that was lost there may have computed a part of it
        Assert.InRange(end.Summary.StepsComputed, end.Summary.Steps + 22 - step, end.Summary.Steps + 25 - step);
    }

    [Theory]
    [InlineData(1, 0, false)]
    [InlineData(3, 0, false)]
    [InlineData(3, 2, false)]
    [InlineData(1, 0, true)]
    [InlineData(3, 0, true)]
    [InlineData(3, 2, true)]
    public async Task A_backup_takes_the_place_of_a_lost_server_without_going_back(int servers, int server, bool norms)
    {
        var spec = Replicated(JobHarness.SpecOf(workers: 2, servers: servers, shards: 5, epochs: 4));
        if (norms) spec = JobHarness.WithNorms(spec);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(5, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"]]);
        var gate = new StepGate(step: 23);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await harness.Jobs.KillAsync(2 + server);
        gate.Release();
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal(0, end.Summary.Rollbacks);
        Assert.InRange(end.Summary.ServerFailures, 1, servers);
    }

    [Fact]
    public async Task What_was_evaluated_before_a_successor_has_begun_is_told_to_it_when_it_asks()
    {
        var spec = Replicated(JobHarness.SpecOf(workers: 1, servers: 1, shards: 2, epochs: 4));
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(3, slots: 1, roles: [["worker"], ["server"], ["server"]]);
        var evaluation = new EvaluationGate();
        harness.Runtimes[0].BeforeEvaluation = evaluation.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await evaluation.Reached;
        harness.Jobs.HoldsMessage = body => body is BeginTraining;
        await harness.Jobs.KillAsync(1);
        // the worker knows of the new server, which does not answer yet
        await harness.Jobs.HeardAsync(w => w.Body is JobStarted { JobEpoch: 2 } && w.From == harness.Jobs.IdOf(0), 1, Token);
        evaluation.Release();
        await harness.Jobs.HeardAsync(w => w.Body is EvaluationSlices, 1, Token);
        harness.Jobs.LetGoMessages();
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal((1, 0), (end.Summary.ServerFailures, end.Summary.Rollbacks));
    }

    [Fact]
    public async Task A_successors_plan_is_followed_in_place_of_the_one_that_came_with_the_weights()
    {
        const int step = 20;
        var spec = Replicated(JobHarness.SpecOf(workers: 2, servers: 2, shards: 4, epochs: 4));
        await using var harness = LinearCluster.Of(6, slots: 1, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"], ["server"]]);
        var gate = new StepGate(step);
        harness.Runtimes[0].BeforeLeaf = gate.Pass;
        var (stopper, late) = (harness.Jobs.IdOf(2), harness.Jobs.IdOf(1));
        var isToldToStop = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        harness.Jobs.OnFrame = (channel, to, header, meta, _) =>
        {
            if (channel.Self.Node == stopper && to.Node == late && meta is AnswerMeta { Plan.Stop: >= 0 }) isToldToStop.TrySetResult();
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await harness.Jobs.InterruptAsync(Token);
        // the plan to stop, which is nobody's but this server's, reaches a worker together with one half of the weights
        harness.Jobs.Holds = header => header.Kind == TensorKind.Answer && header.Step == step + 1 && header.Range.Begin > 0 && header.To.Index == 1;
        gate.Release();
        await isToldToStop.Task.WaitAsync(Eventually.Patience, Token);
        int told = harness.Jobs.Wires.Count(w => w.Body is Proceed);
        await harness.Jobs.KillAsync(2);
        await harness.Jobs.HeardAsync(w => w.Body is Proceed, told + 2, Token);
        harness.Jobs.LetGo(_ => true);
        var (end, sink) = await run;

        Assert.True(end.Summary.Status == RunStatus.Interrupted, end.Summary.Error);
        Assert.Equal((0, 0), (end.Summary.WorkerFailures, end.Summary.Rollbacks));
        Assert.DoesNotContain(sink.Lines, l => l.Text.Contains("no progress"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_server_that_is_only_thought_dead_answers_nobody_though_it_gets_every_push_as_before(int servers)
    {
        var spec = Replicated(JobHarness.SpecOf(workers: 2, servers: servers, shards: 4, epochs: 10));
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(6, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"], ["server"]]);
        var former = harness.Jobs.IdOf(2);
        var answers = new System.Collections.Concurrent.ConcurrentQueue<(NodeId Server, long Begin, int Epoch, long Step)>();
        var twins = 0;
        harness.Jobs.OnFrame = (channel, to, header, meta, payload) =>
        {
            if (header.Kind == TensorKind.Answer) answers.Enqueue((channel.Self.Node, header.Range.Begin, header.JobEpoch, header.Step));
            if (header.Kind is not (TensorKind.Push or TensorKind.PushBuffers) || header.JobEpoch < 2 || header.Range.Begin > 0) return;
            // a worker that has heard nothing of the new epoch would still send this to the former server of key 0
            Interlocked.Increment(ref twins);
            channel.Send(new TensorPeer(former, "", 0), header with { JobEpoch = 1 }, meta, new TensorLease(payload.Memory.ToArray()));
        };
        var gate = new StepGate(step: 23);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        harness.Jobs.Suspect(2);
        // or it would be over with the former server before the coordinator has looked for another one
        await harness.Jobs.HeardAsync(w => w.Body is Assign { Placement.JobEpoch: 2 }, 1, Token);
        gate.Release();
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal(0, end.Summary.Rollbacks);
        Assert.True(twins > 2 * 80, $"only {twins} pushes were doubled");
        long begun = answers.Where(a => a.Epoch == 2).Min(a => a.Step);
        var late = answers.Where(a => a.Server == former && a.Step > begun).ToList();
        Assert.True(late.Count == 0, $"the former server answered {string.Join(", ", late)}, though the new epoch began with step {begun}");
        // within an epoch nobody else ever answers for the same keys
        Assert.All(answers.GroupBy(a => (a.Epoch, a.Begin)), keys => Assert.Single(keys.Select(k => k.Server).Distinct()));
    }

    [Fact]
    public async Task Servers_are_lost_one_after_the_other_and_each_new_backup_is_seeded_while_steps_go_on()
    {
        var spec = Replicated(JobHarness.SpecOf(workers: 2, servers: 2, shards: 4, epochs: 40));
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(5, roles: [["worker"], ["worker"], ["server"], ["server"], ["server"]]);
        var gates = Enumerable.Range(1, 3).Select(i => new StepGate(step: 100 * i)).ToList();
        harness.Runtimes[1].BeforeLeaf = (plan, shard) => gates.ForEach(g => g.Pass(plan, shard));

        var run = harness.Jobs.RunAsync(spec, Token);
        for (int i = 0; i < gates.Count; i++)
        {
            await gates[i].Reached(Token);
            int joined = harness.Jobs.Join(new LinearRuntime(buffers: true), "server");
            gates[i].Release();
            await harness.Jobs.SeededAsync(Token);
            await harness.Jobs.KillAsync(2 + i);
            await harness.Jobs.SeededAsync(Token);
            Assert.Equal(5 + i, joined);
        }
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal(0, end.Summary.Rollbacks);
        Assert.InRange(end.Summary.ServerFailures, 1, 6);
    }

    [Fact]
    public async Task A_node_that_joins_gets_work_and_the_bits_stay()
    {
        var spec = JobHarness.SpecOf(workers: 4, servers: 2, shards: 8, epochs: 30);
        spec = spec with { Training = spec.Training with { WorkersMin = 1 } };
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(1, slots: 2);
        var gate = new StepGate(step: 10);
        harness.Runtimes[0].BeforeLeaf = gate.Pass;
        var works = new StepGate(step: 0);
        var late = new LinearRuntime(buffers: true) { BeforeLeaf = works.Pass };

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        int joined = harness.Jobs.Join(late);
        // or it would be over before anybody has taken notice
        await harness.Jobs.HeardAsync(w => w.Body is JobStarted && w.From == harness.Jobs.IdOf(joined), 1, Token);
        gate.Release();
        await works.Reached(Token);
        works.Release();
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.NotEmpty(late.Visits);
        Assert.Equal(0, end.Summary.WorkerFailures);
    }

    [Fact]
    public async Task Without_anybody_left_the_job_waits_and_a_node_that_comes_brings_it_to_its_end()
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 1, shards: 4, epochs: 4);
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(2, roles: [[], ["worker", "server"]]);
        harness.Jobs.CheckpointDirectory = _folder;
        var gate = new StepGate(step: 17);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await Task.WhenAll(harness.Jobs.KillAsync(1), Task.Run(gate.Release, Token));
        harness.Jobs.Join(new LinearRuntime(buffers: true));
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal(1, end.Summary.Rollbacks);
    }

    [Fact]
    public async Task A_worker_that_hangs_is_left_behind_after_the_limit()
    {
        var spec = JobHarness.SpecOf(workers: 2, shards: 4, epochs: 3);
        spec = spec with { Training = spec.Training with { WorkerTimeout = 3600 } };
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(2);
        var gate = new StepGate(step: 7);
        harness.Runtimes[1].BeforeLeaf = gate.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        await harness.Jobs.WaitingAsync(whom => whom.Contains("worker 1 on node-1 (step 7)"), Token);
        harness.Jobs.Time.Advance(TimeSpan.FromSeconds(3600));
        var (end, sink) = await run;
        gate.Release();

        AssertSame(expected, end.Summary);
        Assert.Equal(1, end.Summary.WorkerFailures);
        Assert.Contains(sink.Lines, l => l.Text.Contains("name-1") && l.Text.Contains("no progress"));
    }

    private static TrainingSpec Replicated(TrainingSpec spec) => spec with { Training = spec.Training with { Replicas = 1 } };
}
