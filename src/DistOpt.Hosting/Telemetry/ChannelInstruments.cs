using System.Diagnostics.Metrics;
using System.Text.Json;
using DistOpt.Hosting.Tensors;

namespace DistOpt.Hosting.Telemetry;

/// <summary>The tensor channel's own figures as instruments: read when somebody looks, at no cost to the channel.</summary>
internal static class ChannelInstruments
{
    private static readonly KeyValuePair<string, object?> s_sent = new("direction", "sent");
    private static readonly KeyValuePair<string, object?> s_received = new("direction", "received");
    private static readonly KeyValuePair<string, object?> s_outbound = new("queue", "outbound");
    private static readonly KeyValuePair<string, object?> s_unclaimed = new("queue", "unclaimed");

    public static void Add(Meter meter, TcpTensorChannel channel)
    {
        meter.CreateObservableCounter("distopt.tensor.bytes", () =>
        {
            var now = channel.Statistics;
            return new Measurement<long>[] { new(now.BytesSent, s_sent), new(now.BytesReceived, s_received) };
        }, "By", "Payload bytes over the network: acknowledged by, and received from other nodes");
        meter.CreateObservableCounter("distopt.tensor.frames", () =>
        {
            var now = channel.Statistics;
            return new Measurement<long>[] { new(now.FramesSent, s_sent), new(now.FramesReceived, s_received) };
        }, "{frame}", "Tensors over the network");
        meter.CreateObservableCounter("distopt.tensor.frames.dropped", () =>
        {
            var now = channel.Statistics;
            return new[] { Reason(now.FramesRepeated, "repeated"), Reason(now.FramesDiscarded, "discarded"), Reason(now.FramesRefused, "refused"),
                Reason(now.FramesAbandoned, "abandoned"), Reason(now.FramesOutOfDate, "out_of_date"), Reason(now.ReceiverFaults, "receiver_fault") };
        }, "{frame}", "Frames that were not delivered, by reason; refused and abandoned ones come again");
        meter.CreateObservableCounter("distopt.tensor.connections", () => channel.Statistics.Connections, "{connection}", "Connections made to other nodes");
        meter.CreateObservableCounter("distopt.tensor.connections.lost", () => channel.Statistics.Reconnects, "{connection}", "Connections to other nodes that were lost");
        meter.CreateObservableCounter("distopt.tensor.connections.rejected", () =>
        {
            var rejected = channel.Statistics.Rejected;
            return Enum.GetValues<TensorRejection>().Select(reason =>
                Reason(rejected.GetValueOrDefault(reason), JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString())));
        }, "{connection}", "Incoming connections closed, by reason");
        meter.CreateObservableGauge("distopt.tensor.queue", () =>
        {
            var (outbound, unclaimed) = channel.FramesWaiting;
            return new Measurement<long>[] { new(outbound, s_outbound), new(unclaimed, s_unclaimed) };
        }, "{frame}", "Frames that wait: for the acknowledgement of another node, or for somebody to listen");
    }

    private static Measurement<long> Reason(long count, string reason) => new(count, new KeyValuePair<string, object?>("reason", reason));
}
