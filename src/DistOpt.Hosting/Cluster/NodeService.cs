using DistOpt.Hosting.Api;
using DistOpt.Hosting.Local;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace DistOpt.Hosting.Cluster;

/// <summary>A node as a service of a generic host: joins when the host starts, leaves when it stops; the host stops when the cluster downs the node.</summary>
public sealed class NodeService(NodeOptions options, JobParts parts, ISpecReader specs, ILoggerFactory loggers,
    IHostApplicationLifetime lifetime, TimeProvider time) : IHostedService
{
    private ApiServer? _api;

    /// <summary>The node, once the host has started.</summary>
    public ClusterNode? Node { get; private set; }

    /// <summary>Port of the node's HTTP API, once the host has started.</summary>
    public int? ApiPort => _api?.Port;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        Node = await ClusterNode.StartAsync(options, parts, loggers, time, cancellationToken).ConfigureAwait(false);
        _api = await ApiServer.StartAsync(Node, specs, loggers, time, cancellationToken).ConfigureAwait(false);
        // a node that the cluster has downed can only come back as a new process
        _ = Task.WhenAny(Node.Ended, Node.DrainAsked).ContinueWith(_ => lifetime.StopApplication(), TaskScheduler.Default);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        // while the API still answers
        if (Node is not null) await HandOverAsync(Node, cancellationToken).ConfigureAwait(false);
        if (_api is not null) await _api.DisposeAsync().ConfigureAwait(false);
        if (Node is not null) await Node.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task HandOverAsync(ClusterNode node, CancellationToken cancellationToken)
    {
        try
        {
            await node.HandOverAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // the host's own patience has ended before the node's
        }
    }
}

/// <summary>Registers a node with a host's services.</summary>
public static class NodeServiceExtensions
{
    /// <summary>Hosts a node in this process. The program's catalogues come as <paramref name="parts"/> and <paramref name="specs"/>.</summary>
    public static IServiceCollection AddDistOptNode(this IServiceCollection services, NodeOptions options, JobParts parts, ISpecReader specs)
    {
        services.AddSingleton(provider => new NodeService(options, parts, specs, provider.GetRequiredService<ILoggerFactory>(),
            provider.GetRequiredService<IHostApplicationLifetime>(), provider.GetService<TimeProvider>() ?? TimeProvider.System));
        services.AddHostedService(provider => provider.GetRequiredService<NodeService>());
        return services;
    }
}
