using System.Collections.Immutable;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Net;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Tensors;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Cluster;

/// <summary>Which side of a cluster that has fallen apart goes on; the other side's nodes end with exit code 3.</summary>
public enum SplitBrain
{
    /// <summary>
    /// Coordinators decide by <see cref="DowningRule"/>. With one, the others stay while it is away, and it can come back; with two that share
    /// a journal, the one that is left takes over.
    /// </summary>
    KeepOldest,

    /// <summary>
    /// The side with more coordinators, by Akka's own resolver: every other node ends, workers too. For three or more of them: with two, the
    /// loss of the one with the lower address takes the other down too.
    /// </summary>
    KeepMajority,
}

/// <summary>How a node writes its log on stderr.</summary>
public enum LogFormat
{
    /// <summary>Lines for people.</summary>
    Text,

    /// <summary>One JSON object a line.</summary>
    Json,
}

/// <summary>Settings of a node: command line, environment or <c>node.yaml</c>, under the same names.</summary>
public sealed record NodeOptions
{
    public const string Coordinator = "coordinator";
    public const string Server = "server";
    public const string Worker = "worker";

    /// <summary>The role of a child process of a worker node that runs attempts at trials; nobody else can have it.</summary>
    internal const string Trial = "trial";

    /// <summary>What <see cref="Journal"/> says where nothing is kept.</summary>
    public const string NoJournal = "none";

    internal const int WorkerSlotsMax = 100_000;
    internal const int TrialProcessesMax = 10_000;
    internal const long LeastMemoryBytes = 64L << 20;

    /// <summary>Share of the machine's memory that is left to workers where nothing is said.</summary>
    private const double MemoryPart = 0.8;

    /// <summary>What the node says it runs: tests let nodes of one process pass for different builds.</summary>
    internal NodeBuild Build { get; init; } = NodeBuild.Current;

    /// <summary>The node that this one is a child process of, to run attempts at trials; null for every other node.</summary>
    internal NodeId? Parent { get; init; }

    /// <summary>Where the node keeps what it notes for itself, in <c>node</c>; null = in <see cref="DataRoot"/>.</summary>
    internal string? StateRoot { get; init; }

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

    /// <summary>What happens when the cluster falls apart; the same on all nodes.</summary>
    public SplitBrain SplitBrain { get; init; } = SplitBrain.KeepOldest;

    /// <summary>File of Akka's own settings (HOCON) over the built-in ones, see cluster-config/akka; null = none.</summary>
    public string? Akka { get; init; }

    /// <summary>
    /// Where metrics are sent by OTLP, as the collector's base address such as <c>http://collector:4318</c>; null = nowhere, unless
    /// <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> names one. Over HTTP with protobuf, unless <c>OTEL_EXPORTER_OTLP_PROTOCOL</c> is <c>grpc</c>.
    /// </summary>
    public string? Otlp { get; init; }

    /// <summary>How <c>distopt node</c> writes its log; a program that hosts a node has loggers of its own.</summary>
    public LogFormat LogFormat { get; init; } = LogFormat.Text;

    /// <summary>Workers that may run here at once; null = number of cores.</summary>
    [Range(1, WorkerSlotsMax)]
    public int? WorkerSlots { get; init; }

    /// <summary>
    /// Child processes in which attempts at trials run (<c>study.isolation: process</c>), at most; their workers count as this node's. They are started
    /// when a study wants them. 0 = none; null = one for each worker slot.
    /// </summary>
    [Range(0, TrialProcessesMax)]
    public int? TrialProcesses { get; init; }

    /// <summary>
    /// Memory that workers may take here, in bytes, those of trials among them: a job that says what a worker takes (<c>training.worker_memory</c>) is placed
    /// only where so much is left. Null = 80 % of the memory of the machine, or of the container.
    /// </summary>
    [Range((double)LeastMemoryBytes, 1L << 50)]
    public long? MemoryBytes { get; init; }

    /// <summary>
    /// Physical memory of each of these processes, in bytes, where <c>training.worker_memory</c> does not say how much it may have: one that has more is
    /// killed, and its attempt alone is lost. Null = an equal share of <see cref="MemoryBytes"/>.
    /// </summary>
    [Range((double)LeastMemoryBytes, 1L << 50)]
    public long? TrialMemoryBytes { get; init; }

    /// <summary>
    /// GPUs that workers may take here, those of trials among them: a job that says how many a worker takes (<c>training.worker_gpus</c>) is placed only where
    /// so many are free. Null = those that <c>CUDA_VISIBLE_DEVICES</c> lists, or where it is not set, those that the NVIDIA driver has; fewer = the first ones.
    /// They are counted, and handed to child processes for trials by that variable; 0 leaves it alone.
    /// </summary>
    [Range(0, 1024)]
    public int? Gpus { get; init; }

    /// <summary>Ports of these processes as FIRST-LAST, two for each, where a firewall wants to know them; null = any free ones.</summary>
    public string? TrialPorts { get; init; }

    /// <summary>
    /// This node's certificate, for control plane, tensor channel and HTTP API: a PFX file with its key, or a PEM file. Null = no TLS, which
    /// only loopback allows.
    /// </summary>
    public string? Certificate { get; init; }

    /// <summary>PEM file with the certificate's private key; null = it is in <see cref="Certificate"/>.</summary>
    public string? CertificateKey { get; init; }

    /// <summary>Password of the PFX file or the PEM key; null = none.</summary>
    public string? CertificatePassword { get; init; }

    /// <summary>
    /// PEM file of the cluster's own CA (and its intermediates, if any). It alone is trusted, never the machine's store: whoever has a
    /// certificate of this CA is a node of the cluster.
    /// </summary>
    public string? Ca { get; init; }

    /// <summary>
    /// Whether a node's certificate must name the host under which it is reached. Only without can nodes share a certificate that names none
    /// of them; each of them can then pass for any other.
    /// </summary>
    public bool VerifyNames { get; init; } = true;

    /// <summary>
    /// Shared secret of the cluster's tensor channels, at least 16 characters where there is one; null = none: with TLS the certificates
    /// suffice, and a cluster without TLS is confined to loopback.
    /// </summary>
    public string? Secret { get; init; }

    /// <summary>Bearer token of the HTTP API, at least 16 characters beyond loopback; null = none, which only loopback allows.</summary>
    public string? Token { get; init; }

    /// <summary>File that holds the <see cref="Token"/>; null = none.</summary>
    public string? TokenFile { get; init; }

    /// <summary>Seconds after which a node that could not join gives up (exit code 4).</summary>
    [Range(1.0, 3600.0)]
    public double JoinTimeout { get; init; } = 30;

    /// <summary>
    /// Seconds after which a node that reaches no coordinator ends (exit code 3), so that whoever supervises it starts it anew. Longer than
    /// <c>training.coordinator_grace</c> of its jobs.
    /// </summary>
    [Range(10.0, 604_800.0)]
    public double CoordinatorTimeout { get; init; } = 3600;

    /// <summary>
    /// Seconds within which a node that leaves hands over what it has of jobs; after that it leaves nevertheless. Whoever stops it must have
    /// more patience.
    /// </summary>
    [Range(0.0, 86_400.0)]
    public double LeaveTimeout { get; init; } = 60;

    /// <summary>Largest message of the control plane, in bytes. A job's spec must fit.</summary>
    [Range(32_000, 16 << 20)]
    public int ControlFrameBytes { get; init; } = 128_000;

    /// <summary>Most control connections from other nodes.</summary>
    [Range(1, 65_535)]
    public int ControlConnections { get; init; } = 1024;

    /// <summary>Most control connections that have not yet proved who they are.</summary>
    [Range(1, 65_535)]
    public int ControlHandshakes { get; init; } = 64;

    /// <summary>Largest payload of the tensor channel, in bytes: one server's part of the weights. Nothing is allocated by it.</summary>
    [Range(4096.0, 4.0 * int.MaxValue)]
    public long TensorFrameBytes { get; init; } = TcpTensorChannelOptions.LargestFrame;

    /// <summary>Bytes that one sender may have on the way to one actor of this node.</summary>
    [Range(65_536.0, 1L << 40)]
    public long TensorWindowBytes { get; init; } = 64L << 20;

    /// <summary>Most frames that wait for one node.</summary>
    [Range(16, 1_000_000)]
    public int TensorQueue { get; init; } = 4096;

    /// <summary>Most tensor connections from other nodes.</summary>
    [Range(1, 65_535)]
    public int TensorConnections { get; init; } = 1024;

    /// <summary>Most tensor connections that have not yet proved who they are.</summary>
    [Range(1, 65_535)]
    public int TensorHandshakes { get; init; } = 64;

    /// <summary>Most connections to the HTTP API.</summary>
    [Range(1, 65_535)]
    public int ApiConnections { get; init; } = 256;

    /// <summary>Most jobs that run or wait; more are rejected (coordinators).</summary>
    [Range(1, 100_000)]
    public int JobsMax { get; init; } = 1000;

    /// <summary>Ended jobs that can still be shown, and whose idempotency keys are known (coordinators).</summary>
    [Range(0, 100_000)]
    public int EndedJobsKept { get; init; } = 1000;

    public string AdvertisedHost => Advertise ?? Bind;

    /// <summary>What workers may take, in bytes.</summary>
    internal long WorkerMemoryBytes => MemoryBytes ?? (long)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes * MemoryPart);

    /// <summary>Ids of the node's GPUs.</summary>
    internal ImmutableArray<string> Devices => VisibleDevices.Of(Gpus, MachineDevices.Listed, MachineDevices.Installed());

    /// <summary>How many trial processes there may be.</summary>
    internal int TrialProcessesAtOnce
    {
        get
        {
            int slots = WorkerSlots ?? Environment.ProcessorCount;
            int most = Math.Min(TrialProcesses ?? slots, slots);
            return TrialPortRange is { } ports ? Math.Min(most, (ports.Last - ports.First + 1) / 2) : most;
        }
    }

    /// <summary><see cref="TrialPorts"/> as numbers; null where it names none.</summary>
    internal (int First, int Last)? TrialPortRange => TrialPorts?.Split('-') is [var from, var to]
        && int.TryParse(from, NumberStyles.None, CultureInfo.InvariantCulture, out int first)
        && int.TryParse(to, NumberStyles.None, CultureInfo.InvariantCulture, out int last) && first > 0 && last > first && last <= 65535 ? (first, last) : null;

    public bool UsesTls => !string.IsNullOrEmpty(Certificate);

    /// <summary>All violations at once.</summary>
    public IReadOnlyList<SpecViolation> Validate()
    {
        var violations = new List<SpecViolation>();
        foreach (string role in Roles)
        {
            if (role is not (Coordinator or Server or Worker) && !(role == Trial && Parent is not null))
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
        if (Otlp is not null && !(Uri.TryCreate(Otlp, UriKind.Absolute, out var collector) && collector.Scheme is "http" or "https"))
            violations.Add(new SpecViolation("otlp", $"is '{Otlp}', but must be the address of a collector, such as http://127.0.0.1:4318"));
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
        NodeOptionsRules.Ranges(this, violations);
        NodeOptionsRules.TrialMemory(this, violations);
        NodeOptionsRules.Gpus(this, MachineDevices.Listed, violations);
        NodeOptionsRules.TrialPorts(this, violations);
        NodeOptionsRules.Security(this, violations);
        if (!IsLoopback(Bind))
        {
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
