using System.Buffers.Binary;
using System.Net;
using System.Text.RegularExpressions;
using DistOpt.Actors.Tests.Support;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Telemetry;

/// <summary>A collector that speaks gRPC (<c>OTEL_EXPORTER_OTLP_PROTOCOL=grpc</c>): HTTP/2 without TLS, frames and trailers as gRPC wants them.</summary>
[Collection(nameof(WholeProcess))]
public sealed class OtlpOverGrpcTests
{
    private const string ProtocolVariable = "OTEL_EXPORTER_OTLP_PROTOCOL";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_gets_every_metric_that_is_documented()
    {
        var received = new List<(string Path, string Protocol, string? Type, byte[] Message)>();
        await using var collector = await CollectorAsync(received);
        string url = collector.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        string? before = Environment.GetEnvironmentVariable(ProtocolVariable);
        Environment.SetEnvironmentVariable(ProtocolVariable, "grpc");
        try
        {
            var node = await ClusterNode.StartAsync(
                new NodeOptions { Port = 0, TensorPort = 0, ApiPort = 0, Journal = NodeOptions.NoJournal, Otlp = url },
                LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token);
            while ((await node.NodesAsync()).Count < 1) await Task.Yield();
            await node.RunJobAsync(new JobId("job-7"), new LinearParts().Read(LinearParts.Yaml()), _ => new RecordingSink(), JobStorage.None);
            await node.StopAsync();
        }
        finally
        {
            Environment.SetEnvironmentVariable(ProtocolVariable, before);
        }

        (string Path, string Protocol, string? Type, byte[] Message) last;
        lock (received) last = received[^1];
        Assert.Equal(("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "HTTP/2", "application/grpc"), (last.Path, last.Protocol, last.Type));
        var metrics = OtlpMetrics.Parse(last.Message);
        Assert.Superset(new HashSet<string> { "service.name", "service.instance.id", "distopt.roles" }, metrics.Attributes.ToHashSet());
        // units and "total" are what Prometheus appends
        var names = metrics.Names.Select(n => n.Replace('.', '_')).ToList();
        var documented = Documented();
        Assert.True(documented.Count >= 15, string.Join(", ", documented));
        Assert.DoesNotContain(documented, d => !names.Contains(d) && !names.Contains(Regex.Replace(d, "_bytes$", "")));
        Assert.Contains("dotnet_gc_collections", names);
    }

    /// <summary>Names in the table of <c>cluster-config/README.md</c>, where <c>_frames_total</c> goes on from the name before it.</summary>
    private static List<string> Documented()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "DistOpt.sln"))) folder = Path.GetDirectoryName(folder);
        var names = new List<string>();
        foreach (string row in File.ReadLines(Path.Combine(folder!, "cluster-config", "README.md")))
        {
            if (!row.StartsWith("| `distopt_", StringComparison.Ordinal)) continue;
            string stem = "";
            foreach (string name in Regex.Matches(row.Split('|')[1], "`([a-z_]+)`").Select(m => m.Groups[1].Value))
            {
                string whole = name[0] == '_' ? stem + name : name;
                stem = string.Join('_', whole.Split('_').Take(2));
                names.Add(Regex.Replace(whole, "(_seconds|_total)$", ""));
            }
        }
        return names;
    }

    private static async Task<WebApplication> CollectorAsync(List<(string Path, string Protocol, string? Type, byte[] Message)> received)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        var app = builder.Build();
        app.MapPost("/{**path}", async (HttpContext context) =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body, context.RequestAborted);
            byte[] frame = body.ToArray();
            // one message: not compressed, its length, itself
            Assert.Equal((0, (uint)frame.Length - 5), (frame[0], BinaryPrimitives.ReadUInt32BigEndian(frame.AsSpan(1))));
            lock (received) received.Add((context.Request.Path, context.Request.Protocol, context.Request.ContentType, frame[5..]));
            context.Response.ContentType = "application/grpc";
            context.Response.DeclareTrailer("grpc-status");
            // an empty ExportMetricsServiceResponse
            await context.Response.Body.WriteAsync(new byte[5], context.RequestAborted);
            context.Response.AppendTrailer("grpc-status", "0");
        });
        await app.StartAsync(Token);
        return app;
    }
}
