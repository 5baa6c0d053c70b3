using DistOpt.Protocol;

namespace DistOpt.Actors.Tensors;

/// <summary>
/// The nodes of one process that reach each other by reference: usually a single node <c>local</c>, in tests several.
/// Thread-safe.
/// </summary>
public sealed class LocalTensorNetwork : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<NodeId, TensorMailboxes> _nodes = [];
    private readonly int _kept;
    private bool _closed;

    /// <param name="kept">Most frames that wait for one address where nobody listens yet, at least 1.</param>
    public LocalTensorNetwork(int kept = TensorMailboxes.DefaultKept)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(kept, 1);
        _kept = kept;
    }

    /// <summary>A channel for one node of this network. Two of the same node share their listeners.</summary>
    public LocalTensorChannel Open(NodeId node) => new(this, node);

    /// <summary>Frames that wait at addresses of a node where nobody listens yet.</summary>
    public int Unclaimed(NodeId node) => Of(node).Unclaimed;

    /// <summary>Ends listening on all nodes and disposes the frames that are kept.</summary>
    public void Dispose()
    {
        TensorMailboxes[] all;
        lock (_gate)
        {
            _closed = true;
            all = [.. _nodes.Values];
        }

        foreach (var node in all) node.Dispose();
    }

    // a node exists from the first frame sent to it: it may open after its peers do
    internal TensorMailboxes Of(NodeId node)
    {
        lock (_gate)
        {
            if (_nodes.TryGetValue(node, out var boxes)) return boxes;
            boxes = new TensorMailboxes(_kept);
            _nodes.Add(node, boxes);
            if (_closed) boxes.Dispose();
            return boxes;
        }
    }

    internal void Forget(NodeId node)
    {
        TensorMailboxes? boxes;
        lock (_gate) boxes = _nodes.GetValueOrDefault(node);
        boxes?.Forget();
    }
}

/// <summary>
/// Tensor channel within a process: <see cref="Send"/> calls the receiver directly, on the sender's thread and with the sender's own
/// lease. Nothing is copied and there is no credit: the memory is the sender's.
/// </summary>
public sealed class LocalTensorChannel : ITensorChannel
{
    private readonly LocalTensorNetwork _network;
    private readonly TensorMailboxes _own;

    internal LocalTensorChannel(LocalTensorNetwork network, NodeId node)
    {
        _network = network;
        _own = network.Of(node);
        Self = new TensorPeer(node, "", 0);
    }

    public TensorPeer Self { get; }

    public IDisposable Listen(TensorAddress address, ITensorReceiver receiver) => _own.Listen(address, receiver);

    public void Send(TensorPeer to, in TensorHeader header, IWireMessage? meta, TensorLease payload)
    {
        ArgumentNullException.ThrowIfNull(to);
        ArgumentNullException.ThrowIfNull(payload);
        if (payload.Memory.Length != header.Range.Length)
            throw new ArgumentException($"payload has {payload.Memory.Length} elements, its range {header.Range} has {header.Range.Length}", nameof(payload));
        (to.Node == Self.Node ? _own : _network.Of(to.Node)).Deliver(header, meta, payload);
    }

    public void Forget(NodeId node) => _network.Forget(node);

    public void ForgetJob(ulong job) => _own.ForgetJob(job);
}
