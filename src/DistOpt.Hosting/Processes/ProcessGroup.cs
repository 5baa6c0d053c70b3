using DistOpt.Protocol;

namespace DistOpt.Hosting.Processes;

/// <summary>
/// The children of one run. Those that die are reported and started again, each as often as is allowed; beyond that the run is failed with
/// what is known of the last end.
/// </summary>
/// <param name="start">Starts the child of an index.</param>
/// <param name="count">Number of children.</param>
/// <param name="maxRestarts">Restarts of each child.</param>
/// <param name="gone">Told the node of a child that died, and how it ended.</param>
/// <param name="told">Told, for the log, the index of a child and what was done about it.</param>
/// <param name="failed">Told once a child may not be started again.</param>
internal sealed class ProcessGroup(Func<int, NodeProcess> start, int count, int maxRestarts, Action<NodeId, NodeProcess> gone, Action<int, string> told,
    Action<string> failed) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly NodeProcess[] _children = [.. Enumerable.Range(0, count).Select(start)];
    private readonly int[] _restarts = new int[count];
    private readonly List<NodeProcess> _ended = [];
    private bool _ending;

    /// <summary>Waits until every child has joined; their ids.</summary>
    public async Task<IReadOnlyCollection<NodeId>> AllAnnouncedAsync() =>
        await Task.WhenAll(_children.Select(c => c.Announced)).ConfigureAwait(false);

    /// <summary>From now on children that die are started again.</summary>
    public void Supervise()
    {
        lock (_lock)
            foreach (var child in _children) Watch(child);
    }

    public async ValueTask DisposeAsync()
    {
        NodeProcess[] all;
        lock (_lock)
        {
            if (_ending) return;
            _ending = true;
            all = [.. _children, .. _ended];
        }
        await Task.WhenAll(all.Select(c => c.DisposeAsync().AsTask())).ConfigureAwait(false);
    }

    private void Watch(NodeProcess child) => _ = child.Exited.ContinueWith(_ => OnExit(child), TaskScheduler.Default);

    private void OnExit(NodeProcess child)
    {
        lock (_lock)
        {
            if (_ending || !child.Died) return;
            string how = child.Describe();
            if (child.Announced.IsCompletedSuccessfully) gone(child.Announced.Result, child);
            _ended.Add(child);
            if (_restarts[child.Index] >= maxRestarts)
            {
                failed($"process {child.Index} died after {_restarts[child.Index]} restarts of at most {maxRestarts} (--max-restarts): {how}");
                return;
            }
            _restarts[child.Index]++;
            told(child.Index, $"started again, {_restarts[child.Index]} of {maxRestarts} times, after this: {how}");
            _children[child.Index] = start(child.Index);
            Watch(_children[child.Index]);
        }
    }
}
