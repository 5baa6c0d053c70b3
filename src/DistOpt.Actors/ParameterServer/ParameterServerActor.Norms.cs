using System.Runtime.InteropServices;
using DistOpt.Actors.Nodes;
using DistOpt.Actors.Tensors;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.ParameterServer;

/// <summary>
/// Norms of whole tensors, for clipping and for optimizers that want them. Every server measures its range and sends what it found to the server
/// of key 0, which adds up in the order of the vector and sends the sums to all; then everyone applies. Measuring changes nothing, and both sides
/// keep what they sent for the step before, so that whoever takes over in between is told again.
/// </summary>
internal sealed partial class ParameterServerActor
{
    private readonly Dictionary<(long Step, int Round), TensorNormReducer> _collected = [];
    private readonly Stack<TensorNormReducer> _idle = new();

    // by the step's parity and the round; a frame of the step before the last one has been sent when its memory is used again, since the server of
    // key 0 needed the ones after it
    private readonly FlatBuffer?[] _measured = new FlatBuffer?[4];
    private readonly FlatBuffer?[] _told = new FlatBuffer?[4];

    // a backup's: of the step that is applied next
    private FlatBuffer? _measuredByServer;

    // of the step that is applied next, or was applied last, and of the one before it
    private TensorNormSums _norms;
    private TensorNormSums _normsBefore;
    private PendingStep? _pending;

    // as many places as the pieces of all ranges can fill six times, for two places each
    private long MostNorms => 12 * (_setup.Layout.ParameterCount / KeyRangePartitioner.Block + 2L * _setup.Layout.Parameters.Length + 2);

    private void BeginNorms(PendingStep step)
    {
        _pending = step;
        (_norms, _normsBefore) = (_normsBefore, _norms);
        MeasureRound(step);
    }

    private void MeasureRound(PendingStep step)
    {
        Measure(step.Plan, step.Gradient.Memory.Span, step.Result.Weight, step.Round);
        TellMeasured(step.Plan.Step, step.Round);
    }

    /// <summary>What this range adds to the norms of a round; kept until the step after the next one.</summary>
    private void Measure(StepPlan plan, ReadOnlySpan<float> gradient, double weight, int round)
    {
        ref var buffer = ref _measured[NormPlace(plan.Step, round)];
        buffer ??= new FlatBuffer(2 * _shard.NormCount(round));
        _shard.Measure(round, plan, gradient, weight, _norms, MemoryMarshal.Cast<float, double>(buffer.Span));
    }

    private static int NormPlace(long step, int round) => (int)(step & 1) * 2 + round;

    private void TellMeasured(long step, int round)
    {
        if (_measured[NormPlace(step, round)] is not { } buffer) return;
        if (_setup.Index == 0) Collect(0, step, round, buffer.Span);
        else SendNorms(TensorKind.Norms, 0, step, round, buffer);
    }

    private void SendNorms(TensorKind kind, int server, long step, int round, FlatBuffer values)
    {
        var to = new TensorAddress(JobKey.Of(_setup.Job), TensorTarget.Server, server);
        var header = new TensorHeader(kind, to, _placement.JobEpoch, step, new TreeNode(0, _setup.Index), new KeyRange(0, values.Length), round);
        _services.Channel.Send(_placement.Servers[server].Peer.ToPeer(), header, null, new TensorLease(values.Memory));
    }

    /// <summary>In a new epoch somebody may be new: what was sent for the step under way, and for the one before, is sent again.</summary>
    private void TellNormsAgain()
    {
        if (_shard.NormRounds == 0) return;
        for (int round = 0; round < _shard.NormRounds && _shard.Version > 0; round++) TellMeasured(_shard.Version - 1, round);
        for (int round = 0; _pending is { } step && round <= step.Round; round++) TellMeasured(step.Plan.Step, round);
    }

    private bool OnNorms(TensorArrived frame)
    {
        var header = frame.Header;
        int server = header.Node.Index;
        if (_setup.Index != 0 || server <= 0 || server >= _placement.Servers.Length || header.Part < 0 || header.Part >= _shard.NormRounds) return false;
        Collect(server, header.Step, header.Part, frame.Payload.Memory.Span);
        return false; // copied
    }

    private void Collect(int server, long step, int round, ReadOnlySpan<float> values)
    {
        if (step == _shard.Version - 1 || (_pending is { } begun && begun.Plan.Step == step && round < begun.Round))
        {
            // it is behind: whoever it replaces may never have got the sums
            if (server != 0) SendSums(server, step, round);
            return;
        }
        // nobody is further ahead than the next step: only a hostile peer would fill the memory with others
        if (step < _shard.Version || step > _shard.Version + 1) return;
        if (!_collected.TryGetValue((step, round), out var reducer))
        {
            reducer = _idle.TryPop(out var idle) ? idle : new TensorNormReducer(_setup.Layout, _placement.Servers.Select(s => s.Range()), _setup.Rule.Noise);
            _collected[(step, round)] = reducer;
        }
        var partials = MemoryMarshal.Cast<float, double>(values);
        if (partials.Length != reducer.Count(server, round)) return;
        reducer.Add(server, round, partials);
        if (_pending is { } pending && pending.Plan.Step == step && pending.Round == round && reducer.IsComplete) Sum(pending, reducer);
    }

    private void Sum(PendingStep pending, TensorNormReducer reducer)
    {
        _collected.Remove((pending.Plan.Step, pending.Round));
        reducer.Take(pending.Round, _norms);
        _idle.Push(reducer);
        for (int server = 1; server < _placement.Servers.Length; server++) SendSums(server, pending.Plan.Step, pending.Round);
        Continue(pending);
    }

    /// <summary>The sums of a round of the step under way or of the one before.</summary>
    private void SendSums(int server, long step, int round)
    {
        var sums = (_pending is not null && step < _pending.Plan.Step ? _normsBefore : _norms).Round(round);
        ref var buffer = ref _told[NormPlace(step, round)];
        buffer ??= new FlatBuffer(2 * sums.Length);
        sums.CopyTo(MemoryMarshal.Cast<float, double>(buffer.Span));
        SendNorms(TensorKind.NormSums, server, step, round, buffer);
    }

    private bool OnNormSums(TensorArrived frame)
    {
        var header = frame.Header;
        if (_setup.Index == 0 || _pending is not { } pending || header.Step != pending.Plan.Step || header.Part != pending.Round) return false;
        var values = MemoryMarshal.Cast<float, double>(frame.Payload.Memory.Span);
        var sums = _norms.Round(header.Part);
        if (values.Length != sums.Length) return false;
        values.CopyTo(sums);
        Continue(pending);
        return false; // copied
    }

    private void Continue(PendingStep step)
    {
        if (++step.Round < _shard.NormRounds)
        {
            MeasureRound(step);
            return;
        }
        _pending = null;
        Apply(step.Plan, step.Gradient, step.Result);
    }

    /// <summary>The norms of a step that the server has applied, for its backup, which must be able to tell them in its place.</summary>
    private WireNorms? NormsForBackup => _shard.NormRounds == 0 ? null
        : new WireNorms([.. Enumerable.Range(0, _shard.NormRounds).Select(round => _norms.Round(round).ToArray())]);

    /// <summary>Likewise what this server measured of the leaves, which its backup does not see. Server 0 tells its own to nobody.</summary>
    private FlatBuffer? NormsOfLeavesAt(long step) =>
        _setup.Index != 0 && _setup.Rule.MeasuresLeavesAt(step) ? _measured[NormPlace(step, 0)] : null;

    private void TakeNorms(ReplicateMeta meta, ReadOnlySpan<float> gradient)
    {
        if (_shard.NormRounds == 0) return;
        (_norms, _normsBefore) = (_normsBefore, _norms);
        var plan = meta.Plan.ToPlan();
        for (int round = 0; round < _shard.NormRounds; round++)
        {
            meta.Norms!.Rounds[round].CopyTo(_norms.Round(round));
            Measure(plan, gradient, meta.Weight, round);
        }
        if (NormsOfLeavesAt(plan.Step) is { } own && _measuredByServer is { } told)
            _shard.NormsOfLeaves(MemoryMarshal.Cast<float, double>(told.Span)).CopyTo(_shard.NormsOfLeaves(MemoryMarshal.Cast<float, double>(own.Span)));
    }

    private IEnumerable<(string Whom, string? Node)> WaitingForNorms()
    {
        var (step, round) = (_pending!.Plan.Step, _pending.Round);
        if (_setup.Index != 0)
        {
            // which waits itself, and says for whom: it may be for this one
            yield return ($"server 0 on {_placement.Servers[0].Peer.Node} (norms of step {step})", null);
            yield break;
        }
        if (!_collected.TryGetValue((step, round), out var reducer)) yield break;
        foreach (int server in reducer.Missing)
            yield return ($"server {server} on {_placement.Servers[server].Peer.Node} (norms of step {step})", _placement.Servers[server].Peer.Node.Value);
    }

    /// <summary>A step whose gradient is complete, while its norms are collected.</summary>
    private sealed record PendingStep(StepPlan Plan, TensorLease Gradient, LeafResult Result)
    {
        /// <summary>The round under way, from 0.</summary>
        public int Round { get; set; }
    }
}
