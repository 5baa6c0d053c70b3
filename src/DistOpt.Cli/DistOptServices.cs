using DistOpt.Hosting.Cluster;
using Microsoft.Extensions.DependencyInjection;

namespace DistOpt;

/// <summary>DistOpt in a program with a generic host (ASP.NET, a worker service).</summary>
public static class DistOptServices
{
    /// <summary>
    /// Hosts a node in this process, with the models, data sets and plug-ins of <paramref name="configure"/>. The node is there as
    /// <see cref="NodeService"/>; it joins when the host starts and leaves when it stops.
    /// </summary>
    public static IServiceCollection AddDistOpt(this IServiceCollection services, NodeOptions? options = null, Action<DistOptAppBuilder>? configure = null)
    {
        var app = DistOptApp.Define(configure);
        var settings = options ?? new NodeOptions();
        var runtimes = Hosts.Runtimes(app, Hosts.Data(dataRoot: settings.DataRoot));
        return services.AddDistOptNode(settings, Hosts.Parts(app, runtimes), new AppSpecReader(app));
    }
}
