namespace DistOpt.Actors.Tests.Support;

/// <summary>A harness and the runtimes of its nodes, by which tests hold up and watch what is computed.</summary>
internal sealed record LinearCluster(JobHarness Jobs, IReadOnlyList<LinearRuntime> Runtimes) : IAsyncDisposable
{
    /// <param name="nodes">Nodes at the beginning; the first one coordinates.</param>
    /// <param name="slots">Workers that each may run.</param>
    /// <param name="roles">Roles of each node; null = worker and server for all.</param>
    public static LinearCluster Of(int nodes, int slots = 100, string[][]? roles = null, bool logsSamples = false)
    {
        var runtimes = Enumerable.Range(0, nodes).Select(_ => new LinearRuntime(buffers: true) { LogsSamples = logsSamples }).ToList();
        return new LinearCluster(new JobHarness(runtimes, slots, roles: roles), runtimes);
    }

    public ValueTask DisposeAsync() => Jobs.DisposeAsync();
}
