using System.Reflection;
using Akka.Actor;
using DistOpt.Actors.Nodes;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Tensors;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace DistOpt.Hosting.Telemetry;

/// <summary>
/// The metrics of one node: its own instruments and those of the .NET runtime (GC, thread pool, locks), to be scraped by Prometheus and,
/// where an address is given, sent by OTLP every minute (<c>OTEL_METRIC_EXPORT_INTERVAL</c>, in ms) and once more at the end.
/// </summary>
internal sealed class NodeTelemetry : IDisposable
{
    public const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";
    private const string ProtocolVariable = "OTEL_EXPORTER_OTLP_PROTOCOL";

    /// <summary>Room for every job label with every phase.</summary>
    private const int SeriesOfAnInstrument = (TrainingMeter.JobLabelsMax + 1) * 8;

    public NodeTelemetry(NodeOptions options, string node)
    {
        var version = typeof(NodeTelemetry).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        var builder = Sdk.CreateMeterProviderBuilder()
            .ConfigureResource(resource => resource
                .AddService("distopt", serviceVersion: version, serviceInstanceId: node)
                .AddAttributes([new("distopt.roles", string.Join(",", options.Roles))]))
            .AddMeter(TrainingMeter.MeterName)
            .AddRuntimeInstrumentation()
            // several nodes of one process have a meter each, under one name
            .AddView(instrument => instrument.Meter.Name != TrainingMeter.MeterName ? null
                : ReferenceEquals(instrument.Meter, Meter.Meter) ? new MetricStreamConfiguration { CardinalityLimit = SeriesOfAnInstrument }
                : MetricStreamConfiguration.Drop)
            .AddPrometheusExporter();
        if ((options.Otlp ?? Environment.GetEnvironmentVariable(EndpointVariable)) is { Length: > 0 } collector)
            builder.AddOtlpExporter(exporter => Configure(exporter, new Uri(collector)));
        Provider = builder.Build();
    }

    /// <summary>What the actors record with.</summary>
    public TrainingMeter Meter { get; } = new();

    public MeterProvider Provider { get; }

    /// <summary>Adds what the tensor channel and the cluster tell.</summary>
    public void Observe(TcpTensorChannel channel, ActorSystem system, Akka.Cluster.Cluster cluster)
    {
        ChannelInstruments.Add(Meter.Meter, channel);
        ClusterInstruments.Add(Meter.Meter, system, cluster);
    }

    /// <summary>Sends what was not sent yet, for at most some seconds, and ends.</summary>
    public void Dispose()
    {
        Provider.Dispose();
        Meter.Dispose();
    }

    private static void Configure(OtlpExporterOptions exporter, Uri collector)
    {
        bool isGrpc = Environment.GetEnvironmentVariable(ProtocolVariable) == "grpc";
        exporter.Protocol = isGrpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
        exporter.Endpoint = isGrpc ? collector : new Uri(collector.AbsoluteUri.TrimEnd('/') + "/v1/metrics");
    }
}
