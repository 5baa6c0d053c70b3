using System.Buffers;
using System.Collections.Concurrent;
using DistOpt.Actors.Tensors;
using DistOpt.Actors.Tests.Support;
using DistOpt.Protocol;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>Nobody writes what somebody computes with or sends, however late that one is.</summary>
public sealed class WeightsInUseTests
{
    private static readonly TimeSpan Limit = Eventually.Patience;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Weights_stay_while_a_gradient_is_computed_though_an_evaluation_with_them_ends()
    {
        const int barrier = 11;
        var spec = JobHarness.SpecOf(workers: 2, servers: 1, shards: 4, epochs: 3);
        spec = spec with { Training = spec.Training with { WorkersMin = 1 } };
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(2, slots: 1, roles: [["server"], ["worker"]]);
        var (early, late) = (new EvaluationGate(), new EvaluationGate());
        harness.Runtimes[1].BeforeEvaluation = early.Pass;
        var leaf = new StepGate(barrier);
        var newcomer = new LinearRuntime(buffers: true) { BeforeEvaluation = late.Pass, BeforeLeaf = leaf.Pass };
        var isAnswered = Signal();

        var run = harness.Jobs.RunAsync(spec, Token);
        await early.Reached;
        // it joins at the barrier, and evaluates what the other one has under way already
        int joined = harness.Jobs.Join(newcomer, "worker");
        var id = harness.Jobs.IdOf(joined);
        harness.Jobs.OnFrame = (_, to, header, _, _) =>
        {
            if (header is { Kind: TensorKind.Answer, Step: barrier + 1 } && to.Node == id) isAnswered.TrySetResult();
        };
        await late.Reached;
        // the other one passes the barrier alone and computes the whole step, of which the newcomer computes a part as well
        early.Release();
        await isAnswered.Task.WaitAsync(Limit, Token);
        await harness.Jobs.TakenInAsync(joined, NodeActors.Replica, Token);
        late.Release();
        // the evaluation is over, the gradient has begun
        await leaf.Reached(Token);
        await harness.Jobs.TakenInAsync(joined, NodeActors.Replica, Token);
        leaf.Release();
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
        Assert.Equal(0, end.Summary.WorkerFailures);
    }

    [Fact]
    public async Task What_is_left_of_a_barriers_evaluation_is_not_taken_for_the_test_that_follows()
    {
        var spec = JobHarness.SpecOf(workers: 2, servers: 1, shards: 4, epochs: 1);
        spec = spec with { Training = spec.Training with { WorkersMin = 1 } };
        var expected = await Undisturbed(spec);
        await using var harness = LinearCluster.Of(2, slots: 1, roles: [["server"], ["worker"]]);
        var (early, late) = (new EvaluationGate(), new EvaluationGate());
        harness.Runtimes[1].BeforeEvaluation = early.Pass;

        var run = harness.Jobs.RunAsync(spec, Token);
        await early.Reached;
        int joined = harness.Jobs.Join(new LinearRuntime(buffers: true) { BeforeEvaluation = late.Pass }, "worker");
        await late.Reached;
        // training ends with the weights that the newcomer still evaluates
        early.Release();
        await harness.Jobs.HeardAsync(w => w.Body is EvaluateSplits, 2, Token);
        await harness.Jobs.TakenInAsync(joined, NodeActors.Replica, Token);
        late.Release();
        var (end, _) = await run;

        AssertSame(expected, end.Summary);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Whoever_joins_never_computes_with_weights_of_a_later_step_than_they_are_called(int servers)
    {
        var spec = JobHarness.SpecOf(workers: 2, servers, shards: 4, epochs: 3);
        spec = spec with { Training = spec.Training with { WorkersMin = 1 } };
        var (right, seen) = (new WeightsSeen(), new WeightsSeen());
        await using var calm = new JobHarness([new LinearRuntime(buffers: true) { Uses = right.Add }], isAlone: true);
        var (expected, _) = await calm.RunAsync(spec, Token);
        await using var harness = LinearCluster.Of(3, slots: 1, roles: [["server"], ["worker"], ["server"]]);
        harness.Runtimes[1].Uses = seen.Add;
        const int step = 5;
        var (isAnswered, isAhead, gate) = (Signal(), Signal(), new StepGate(step));
        harness.Runtimes[1].BeforeLeaf = gate.Pass;
        // its first weights are on their way for as long as the others need for three steps, which do not count on it until then
        harness.Jobs.HoldsMessage = body => body is UseAssignment;
        harness.Jobs.Holds = header =>
        {
            bool isMeant = header is { Kind: TensorKind.Answer or TensorKind.AnswerBuffers, To.Index: 1 };
            if (isMeant) isAnswered.TrySetResult();
            return isMeant;
        };
        harness.Jobs.OnFrame = (_, _, header, _, _) =>
        {
            if (header is { Kind: TensorKind.Answer, To.Index: 0, Step: step + 3 }) isAhead.TrySetResult();
        };

        var run = harness.Jobs.RunAsync(spec, Token);
        await gate.Reached(Token);
        harness.Jobs.Join(new LinearRuntime(buffers: true) { Uses = seen.Add }, "worker");
        await isAnswered.Task.WaitAsync(Limit, Token);
        gate.Release();
        await isAhead.Task.WaitAsync(Limit, Token);
        harness.Jobs.LetGo(_ => true);
        harness.Jobs.LetGoMessages();
        var (end, _) = await run;

        AssertSame(expected.Summary, end.Summary);
        Assert.Empty(seen.Unlike(right));
    }

    /// <summary>Over a network the later one is read while the actor that copies the earlier one is held up.</summary>
    [Fact]
    public async Task A_later_version_that_comes_while_an_earlier_one_is_copied_does_not_end_up_below_it()
    {
        const int step = 5;
        var spec = JobHarness.SpecOf(workers: 2, servers: 1, shards: 4, epochs: 3);
        spec = spec with { Training = spec.Training with { WorkersMin = 1 } };
        var (right, seen) = (new WeightsSeen(), new WeightsSeen());
        await using var calm = new JobHarness([new LinearRuntime { Uses = right.Add }], isAlone: true);
        var (expected, _) = await calm.RunAsync(spec, Token);
        var gate = new StepGate(step);
        await using var harness = new JobHarness([new LinearRuntime(), new LinearRuntime { Uses = seen.Add, BeforeLeaf = gate.Pass }], slots: 1,
            roles: [["server"], ["worker"]]);
        var versions = new ConcurrentDictionary<long, (TensorHeader Header, IWireMessage? Meta, float[] Values)>();
        var (isAnswered, isAhead) = (Signal(), Signal());
        var listening = new TaskCompletionSource<ITensorReceiver>(TaskCreationOptions.RunContinuationsAsynchronously);
        harness.OnListen = (address, receiver) =>
        {
            if (address is { Target: TensorTarget.Replica, Index: 1 }) listening.TrySetResult(receiver);
        };
        // all that the newcomer is sent waits until it is told here; the others do not count on it until then
        harness.HoldsMessage = body => body is UseAssignment;
        harness.Holds = header => header is { Kind: TensorKind.Answer, To.Index: 1 };
        harness.OnFrame = (_, _, header, meta, payload) =>
        {
            if (header is not { Kind: TensorKind.Answer, To.Index: 1 }) return;
            versions[header.Step] = (header, meta, payload.Memory.ToArray());
            (header.Step == step ? isAnswered : header.Step == step + 1 ? isAhead : null)?.TrySetResult();
        };

        var run = harness.RunAsync(spec, Token);
        await gate.Reached(Token);
        int joined = harness.Join(new LinearRuntime { Uses = seen.Add }, "worker");
        await isAnswered.Task.WaitAsync(Limit, Token);
        gate.Release();
        await isAhead.Task.WaitAsync(Limit, Token);
        var (earlier, later) = (versions[step], versions[step + 1]);
        var newcomer = await listening.Task.WaitAsync(Limit, Token);
        newcomer.Received(earlier.Header, earlier.Meta, new TensorLease(new ReadMemory(earlier.Values, () =>
        {
            var place = newcomer.Accept(later.Header)!;
            later.Values.CopyTo(place.Memory);
            newcomer.Received(later.Header, later.Meta, place);
        }).All));
        await harness.TakenInAsync(joined, NodeActors.Replica, Token);
        await harness.TakenInAsync(joined, NodeActors.Replica, Token);
        harness.LetGo(_ => true);
        harness.LetGoMessages();
        var (end, _) = await run;

        AssertSame(expected.Summary, end.Summary);
        Assert.Empty(seen.Unlike(right));
    }

    [Fact]
    public async Task Buffers_on_their_way_to_a_server_stay_though_a_recovery_that_was_given_up_ends_late()
    {
        const int step = 5;
        var spec = JobHarness.SpecOf(workers: 5, servers: 3, shards: 10, epochs: 3);
        await using var calm = new JobHarness([new LinearRuntime(buffers: true)], isAlone: true);
        var (expected, kept) = await calm.RunAsync(spec, Token);
        string[] server = ["server"], worker = ["worker"];
        await using var harness = LinearCluster.Of(8, slots: 1, roles: [server, server, server, worker, worker, worker, worker, worker]);
        var (isAhead, isTaken, isHeld, hasEnded) = (Signal(), Signal(), Signal(), Signal());
        var gate = new StepGate(step);
        int leaves = 0;
        harness.Runtimes[4].BeforeLeaf = (plan, shard) =>
        {
            if (plan.Step != step || shard != 0 || Interlocked.Increment(ref leaves) > 1) return;
            isTaken.TrySetResult();
            gate.Pass(plan, shard);
        };
        harness.Runtimes[4].AfterLeaf = (plan, shard, _) =>
        {
            if (plan.Step == step && shard == 0 && isHeld.Task.IsCompleted) hasEnded.TrySetResult();
        };
        harness.Jobs.OnFrame = (_, _, header, _, _) =>
        {
            if (header is { Kind: TensorKind.Answer, Step: step + 1, Range.Begin: 0 }) isAhead.TrySetResult();
        };
        harness.Jobs.Holds = header =>
        {
            if (header is not { Kind: TensorKind.PushBuffers, Step: step + 1 }) return false;
            isHeld.TrySetResult();
            return true;
        };
        // the owner of shard 0 dies after one server of three has its gradient
        var dying = harness.Jobs.IdOf(3);
        harness.Jobs.Loses = (from, header) => from == dying && header.Kind == TensorKind.Push && header.Step >= step && header.Range.Begin > 0;

        var run = harness.Jobs.RunAsync(spec, Token);
        await isAhead.Task.WaitAsync(Limit, Token);
        await harness.Jobs.KillAsync(3);
        await isTaken.Task.WaitAsync(Limit, Token);
        // more are lost: the heir begins anew with shards that it has not had, and goes on to the next step
        await harness.Jobs.KillAsync(7);
        await harness.Jobs.KillAsync(6);
        await isHeld.Task.WaitAsync(Limit, Token);
        gate.Release();
        await hasEnded.Task.WaitAsync(Limit, Token);
        harness.Jobs.LetGo(_ => true);
        var (end, sink) = await run;

        AssertSame(expected.Summary, end.Summary);
        AssertSame(kept, sink);
        Assert.Equal((3, 0), (end.Summary.WorkerFailures, end.Summary.Rollbacks));
    }

    /// <summary>Memory that does something when it is read for the first time.</summary>
    private sealed class ReadMemory(float[] values, Action onRead) : MemoryManager<float>
    {
        private int _reads;

        /// <summary>Asking for it is no read, unlike <see cref="MemoryManager{T}.Memory"/>.</summary>
        public Memory<float> All => CreateMemory(values.Length);

        public override Span<float> GetSpan()
        {
            if (Interlocked.Increment(ref _reads) == 1) onRead();
            return values;
        }

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin() => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            // nothing is held
        }
    }

    private static TaskCompletionSource Signal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
