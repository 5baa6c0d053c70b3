using System.Net.Sockets;
using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Remote;

namespace DistOpt.Hosting.Cluster;

/// <summary>
/// Notices that another node's process has ended sooner than heartbeats do: its connections close, and its machine says that nobody listens on its
/// port. A node that is cut off or slow is never taken for one that has ended; that is what heartbeats are for. Coordinators are left to
/// <see cref="DowningRule"/>: a wall that answers in their place must not split the cluster.
/// </summary>
internal sealed class EndedProcessActor : ReceiveActor
{
    private static readonly TimeSpan ProbeTime = TimeSpan.FromSeconds(1);

    /// <summary>Asked twice: a process that is being started again on its port may be between two listeners.</summary>
    private static readonly TimeSpan BetweenProbes = TimeSpan.FromMilliseconds(100);

    private readonly Akka.Cluster.Cluster _cluster = Akka.Cluster.Cluster.Get(Context.System);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly HashSet<UniqueAddress> _probed = [];

    public EndedProcessActor(TimeProvider time)
    {
        Receive<AssociationEvent>(e =>
        {
            if (e is not (DisassociatedEvent or AssociationErrorEvent) || Find(e.RemoteAddress) is not { } member || !_probed.Add(member.UniqueAddress)) return;
            var address = member.UniqueAddress;
            ProbeAsync(address.Address, time).PipeTo(Self, success: refused => new Probed(address, refused));
        });
        Receive<Probed>(probed =>
        {
            _probed.Remove(probed.Address);
            if (!probed.Refused || Find(probed.Address.Address) is not { } member || !member.UniqueAddress.Equals(probed.Address)) return;
            _log.Info("The process of {0} has ended: its connections are closed and nobody listens on its port", member.Address);
            _cluster.Down(member.Address);
        });
    }

    private sealed record Probed(UniqueAddress Address, bool Refused);

    protected override void PreStart() => Context.System.EventStream.Subscribe(Self, typeof(AssociationEvent));

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    private Member? Find(Address address) => _cluster.State.Members.FirstOrDefault(m => m.Address.Equals(address)
        && !m.HasRole(NodeOptions.Coordinator) && m.Status is not (MemberStatus.Down or MemberStatus.Removed));

    private static async Task<bool> ProbeAsync(Address address, TimeProvider time)
    {
        if (!await IsRefusedAsync(address).ConfigureAwait(false)) return false;
        await Task.Delay(BetweenProbes, time).ConfigureAwait(false);
        return await IsRefusedAsync(address).ConfigureAwait(false);
    }

    private static async Task<bool> IsRefusedAsync(Address address)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        using var limit = new CancellationTokenSource(ProbeTime);
        try
        {
            await socket.ConnectAsync(address.Host!, address.Port!.Value, limit.Token).ConfigureAwait(false);
            return false;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.ConnectionRefused;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
