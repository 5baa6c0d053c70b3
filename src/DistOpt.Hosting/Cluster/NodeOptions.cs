using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using System.Net;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Journal;

namespace DistOpt.Hosting.Cluster;

/// <summary>Settings of a node: command line, environment or <c>node.yaml</c>, under the same names.</summary>
public sealed record NodeOptions
{
    public const string Coordinator = "coordinator";
    public const string Server = "server";
    public const string Worker = "worker";

    /// <summary>What <see cref="Journal"/> says where nothing is kept.</summary>
    public const string NoJournal = "none";

    /// <summary>What the node does: any of coordinator, server, worker.</summary>
    public ImmutableArray<string> Roles { get; init; } = [Coordinator, Server, Worker];

    /// <summary>Address to listen on.</summary>
    public string Bind { get; init; } = "127.0.0.1";

    /// <summary>Name or address under which others reach this node; null = <see cref="Bind"/>.</summary>
    public string? Advertise { get; init; }

    /// <summary>Port of the control plane; 0 = any free one.</summary>
    [Range(0, 65535)]
    public int Port { get; init; } = 4053;

    /// <summary>Port of the tensor channel; 0 = any free one.</summary>
    [Range(0, 65535)]
    public int TensorPort { get; init; } = 4054;

    /// <summary>Port of the HTTP API; 0 = any free one.</summary>
    [Range(0, 65535)]
    public int ApiPort { get; init; } = 4055;

    /// <summary>Nodes to join, as <c>host:port</c> of their control plane; a coordinator without any begins a cluster of its own.</summary>
    public ImmutableArray<string> Join { get; init; } = [];

    /// <summary>Where runs and data are kept; null = the current directory.</summary>
    public string? DataRoot { get; init; }

    /// <summary>
    /// Where a coordinator keeps its journal: a SQLite file on this machine, a PostgreSQL connection string (<c>Host=...;Database=...</c>), or
    /// <c>none</c>: jobs then end with the process. Null = <c>coordinator/journal.db</c> under the data root.
    /// </summary>
    public string? Journal { get; init; }

    /// <summary>Workers that may run here at once; null = number of cores.</summary>
    [Range(1, 100_000)]
    public int? WorkerSlots { get; init; }

    /// <summary>Shared secret of the cluster's tensor channels; null = none, which only loopback allows.</summary>
    public string? Secret { get; init; }

    /// <summary>Bearer token of the HTTP API; null = none, which only loopback allows.</summary>
    public string? Token { get; init; }

    /// <summary>Seconds after which a node that could not join gives up (exit code 4).</summary>
    [Range(1.0, 3600.0)]
    public double JoinTimeout { get; init; } = 30;

    /// <summary>
    /// Seconds after which a node that reaches no coordinator ends (exit code 3), so that whoever supervises it starts it anew. Longer than
    /// <c>training.coordinator_grace</c> of its jobs.
    /// </summary>
    [Range(10.0, 604_800.0)]
    public double CoordinatorTimeout { get; init; } = 3600;

    public string AdvertisedHost => Advertise ?? Bind;

    /// <summary>All violations at once.</summary>
    public IReadOnlyList<SpecViolation> Validate()
    {
        var violations = new List<SpecViolation>();
        foreach (string role in Roles)
        {
            if (role is not (Coordinator or Server or Worker))
                violations.Add(new SpecViolation("roles", $"'{role}' is no role: use any of coordinator, server, worker"));
        }
        if (Roles.IsDefaultOrEmpty) violations.Add(new SpecViolation("roles", "are empty: use any of coordinator, server, worker"));
        if (!Roles.Contains(Coordinator) && Join.IsDefaultOrEmpty)
            violations.Add(new SpecViolation("join", "is empty: a node that is no coordinator needs HOST:PORT of one to join"));
        foreach (string seed in Join)
        {
            if (!TryParseEndpoint(seed, out _, out _))
                violations.Add(new SpecViolation("join", $"'{seed}' is not HOST:PORT, such as 10.0.0.5:4053"));
        }
        Port_(violations, "port", Port);
        Port_(violations, "tensor-port", TensorPort);
        Port_(violations, "api-port", ApiPort);
        foreach (var (one, other, value) in new[] { ("port", "tensor-port", Port), ("port", "api-port", Port), ("tensor-port", "api-port", TensorPort) })
        {
            int second = other == "tensor-port" ? TensorPort : ApiPort;
            if (value != 0 && value == second) violations.Add(new SpecViolation(other, $"is {value}, which is the {one} too: use three different ports"));
        }
        if (Journal is { } journal && PostgresJournal.Check(journal) is { } violation) violations.Add(violation);
        if (Journal is not null && string.IsNullOrWhiteSpace(Journal))
            violations.Add(new SpecViolation("journal", "is empty: name a file, give a PostgreSQL connection string, or say none"));
        if (WorkerSlots is < 1) violations.Add(new SpecViolation("worker-slots", $"is {WorkerSlots}, but must be at least 1"));
        if (!IsLoopback(Bind))
        {
            if (string.IsNullOrEmpty(Token)) violations.Add(new SpecViolation("token", $"is not set, but bind is {Bind}: give a token (DISTOPT_TOKEN), or bind to 127.0.0.1"));
            if (string.IsNullOrEmpty(Secret)) violations.Add(new SpecViolation("secret", $"is not set, but bind is {Bind}: give the cluster's secret (DISTOPT_SECRET), or bind to 127.0.0.1"));
            if (Advertise is null && IPAddress.TryParse(Bind, out var any) && (any.Equals(IPAddress.Any) || any.Equals(IPAddress.IPv6Any)))
                violations.Add(new SpecViolation("advertise", $"is not set, but bind is {Bind}, which no other node can reach: give the name or address of this machine"));
        }
        return violations;
    }

    public static bool TryParseEndpoint(string text, out string host, out int port)
    {
        int colon = text.LastIndexOf(':');
        host = colon > 0 ? text[..colon] : "";
        port = 0;
        return colon > 0 && int.TryParse(text.AsSpan(colon + 1), out port) && port is > 0 and <= 65535;
    }

    public static bool IsLoopback(string host) => host == "localhost" || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    private static void Port_(List<SpecViolation> violations, string name, int value)
    {
        if (value is < 0 or > 65535) violations.Add(new SpecViolation(name, $"is {value}, but must be from 0 (any free port) to 65535"));
    }
}
