using Akka.Actor;
using DistOpt.Actors.Tests.Support;
using DistOpt.Actors.Training;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Processes;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Protocol;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Processes;

/// <summary>The child processes that a worker node keeps for attempts at trials. The real ones are in the end-to-end tests; these never join.</summary>
public sealed class TrialProcessesTests : IDisposable
{
    private const long SmallestMemory = 64L << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_child_with_more_memory_than_its_limit_is_killed_and_that_is_why_the_attempt_waits()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the program that grows is that of Linux");
        // keeps a line that never ends
        await using var node = await StartAsync("/usr/bin/tail", "/dev/zero");

        string waiting = await WaitingAsync(node, "memory limit");

        Assert.Matches(@"^a child process that starts: on node 127\.0\.0\.1:\d+ the last one did not join: process 0 \(pid \d+\) was killed "
            + @"with \d+ MiB of memory: over its memory limit of 64 MiB \(trial_memory_bytes\)", waiting);
    }

    [Fact]
    public async Task Of_a_child_that_a_signal_ends_the_signal_and_the_last_line_are_told_and_another_is_started()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there are no signals");
        string file = Path.Combine(_folder, "pids");
        await using var node = await StartAsync("/bin/sh", "-c", $"echo $$ >> {file}; echo its last word; kill -ABRT $$");

        string waiting = await WaitingAsync(node, "SIGABRT");
        await Eventually.Until(() => File.ReadAllLines(file).Length >= 2);

        Assert.Matches(@"ended with exit code 134 \(SIGABRT\); its last word", waiting);
    }

    [Fact]
    public async Task Children_end_with_the_node()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no sh");
        string file = Path.Combine(_folder, "pid"), ended = Path.Combine(_folder, "ended");
        await using (var node = await StartAsync("/bin/sh", "-c", $"echo $$ > {file}; cat; touch {ended}"))
        {
            await WaitingAsync(node, "a child process on node");
            await Eventually.Until(() => File.Exists(file));
            Assert.False(File.Exists(ended));
        }

        Assert.True(File.Exists(ended));
    }

    [Fact]
    public async Task A_child_sees_the_GPUs_that_it_was_given_which_no_other_has_and_one_that_was_given_none_sees_none()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no sh");
        string file = Path.Combine(_folder, "seen");
        await using var node = await StartAsync(Options with { Gpus = 3, WorkerSlots = 3 }, "/bin/sh", "-c", Sees(file) + "cat");

        await WaitingAsync(node, "a child process with 2 GPUs on node", "trial-1", gpus: 2);
        await WaitingAsync(node, "room behind job trial-1", "trial-2", gpus: 1);
        await WaitingAsync(node, "room behind job trial-1", "trial-3");
        await Eventually.Until(() => Seen(file).Length == 3);

        // which of those that begin together comes first is not said
        string[] seen = Seen(file);
        Assert.Contains("[]", seen);
        Assert.Equal(["0", "1", "2"], seen.SelectMany(s => s.Trim('[', ']').Split(',', StringSplitOptions.RemoveEmptyEntries)).Order());
        Assert.Equal([0, 1, 3], seen.Select(s => s.Trim('[', ']').Length).Order());
    }

    [Fact]
    public async Task GPUs_of_a_child_that_has_ended_are_the_next_ones()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there are no signals");
        string file = Path.Combine(_folder, "seen");
        await using var node = await StartAsync(Options with { Gpus = 1 }, "/bin/sh", "-c", Sees(file) + "kill -KILL $$");

        await WaitingAsync(node, "SIGKILL", gpus: 1);
        await Eventually.Until(() => Seen(file).Length >= 2);

        Assert.All(Seen(file), s => Assert.Equal("[0]", s));
    }

    [Fact]
    public async Task What_children_of_a_node_without_GPUs_see_is_nobodys_business()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no sh");
        string file = Path.Combine(_folder, "seen");
        await using var node = await StartAsync(Options with { Gpus = 0 }, "/bin/sh", "-c", Sees(file) + "cat");

        await WaitingAsync(node, "a child process on node");
        await Eventually.Until(() => Seen(file).Length == 1);

        Assert.Equal(["[unset]"], Seen(file));
    }

    [Fact]
    public void GPUs_that_are_not_listed_cannot_be_offered()
    {
        var violations = new List<SpecViolation>();
        NodeOptionsRules.Gpus(new NodeOptions { Gpus = 3 }, "4,5", violations);
        NodeOptionsRules.Gpus(new NodeOptions { Gpus = 2 }, "4,5", violations);
        NodeOptionsRules.Gpus(new NodeOptions { Gpus = 3 }, null, violations);
        NodeOptionsRules.Gpus(new NodeOptions(), "4,5", violations);

        Assert.Equal("gpus: is 3, but CUDA_VISIBLE_DEVICES is '4,5', which lists 2: lower it, or list more", Assert.Single(violations).ToString());
        Assert.Equal("gpus: is 2000, but must be from 0 to 1024", Assert.Single(new NodeOptions { Gpus = 2000 }.Validate()).ToString());
    }

    [Fact]
    public void GPUs_of_a_machine_are_those_of_its_driver()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "0000:01:00.0"));
        Directory.CreateDirectory(Path.Combine(_folder, "0000:02:00.0"));

        Assert.Equal(2, MachineDevices.Installed(_folder));
        Assert.Equal(0, MachineDevices.Installed(Path.Combine(_folder, "nothing")));
    }

    [Fact]
    public async Task A_node_that_may_have_no_children_starts_none()
    {
        await using var node = await ClusterNode.StartAsync(Options with { TrialProcesses = 0 }, LinearParts.Of(new LinearRuntime()),
            NullLoggerFactory.Instance, TimeProvider.System, Token, new ProgramStart(Path.Combine(_folder, "nothing"), []));

        Assert.StartsWith("a worker node that runs trials in child processes (study.isolation: process)", await WaitingAsync(node, "child process"));
    }

    [Fact]
    public void A_child_is_a_node_of_the_same_cluster_with_the_settings_of_its_parent_but_no_API_and_ports_of_its_own()
    {
        var options = new NodeOptions
        {
            Roles = [NodeOptions.Worker, NodeOptions.Server],
            Bind = "0.0.0.0",
            Advertise = "10.0.0.5",
            Join = ["10.0.0.1:4053", "10.0.0.2:4053"],
            Certificate = "/etc/node.pem",
            CertificatePassword = "pass: 'word'",
            Ca = "/etc/ca.pem",
            Secret = "0123456789abcdef",
            Token = "0123456789abcdef",
            DataRoot = "/data",
            TensorWindowBytes = 1 << 20,
            WorkerSlots = 8,
            TrialProcesses = 4,
            TrialPorts = "4100-4107",
        };
        Assert.Empty(options.Validate());
        var settings = TrialProcessSettings.Of(options, Host)!;

        string text = SpecWriter.Write(settings.Child("10.0.0.5:4073", index: 3, gpus: 2));
        var child = new SpecBinder(new SpecCatalogs()).Bind<NodeOptions>(text, "settings") with { Parent = new NodeId("10.0.0.5:4073#1") };

        Assert.Empty(child.Validate());
        Assert.Equal(["trial"], child.Roles);
        Assert.Equal(["10.0.0.5:4073", "10.0.0.1:4053", "10.0.0.2:4053"], child.Join);
        Assert.Equal((4106, 4107, 0), (child.Port, child.TensorPort, child.ApiPort));
        Assert.Equal((null, null, 8, 2), (child.Token, child.TrialPorts, child.WorkerSlots, child.Gpus));
        Assert.Equal((options.Bind, options.Advertise, options.Secret, options.DataRoot, options.TensorWindowBytes),
            (child.Bind, child.Advertise, child.Secret, child.DataRoot, child.TensorWindowBytes));
        Assert.Equal((options.Certificate, options.CertificatePassword, options.Ca), (child.Certificate, child.CertificatePassword, child.Ca));
        Assert.Null(TrialProcessSettings.Of(child, Host));
    }

    [Fact]
    public void A_node_has_as_many_children_as_slots_or_ports_allow_and_each_its_share_of_the_memory()
    {
        var options = new NodeOptions { WorkerSlots = 8 };
        TrialProcessSettings Of(NodeOptions o) => TrialProcessSettings.Of(o, Host)!;

        Assert.Equal(8, Of(options).Count);
        Assert.Equal(8, Of(options with { TrialProcesses = 100 }).Count);
        Assert.Equal(3, Of(options with { TrialProcesses = 3 }).Count);
        Assert.Equal(2, Of(options with { TrialPorts = "4100-4104" }).Count);
        long all = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        Assert.InRange(Of(options).MemoryBytes * 8, all / 2, all);
        Assert.Equal(SmallestMemory, Of(options with { TrialMemoryBytes = SmallestMemory }).MemoryBytes);
        Assert.Equal(1L << 30, Of(options with { MemoryBytes = 8L << 30 }).MemoryBytes);
        var more = Of(options with { MemoryBytes = 8L << 30, TrialMemoryBytes = 2L << 30 });
        Assert.Equal((2L << 30, 1L << 30), (more.MemoryBytes, more.ShareBytes));
        Assert.Equal("trial-memory-bytes: is 9663676416, but all workers together may take 8589934592 (memory_bytes): lower it, or raise memory_bytes",
            Assert.Single((options with { MemoryBytes = 8L << 30, TrialMemoryBytes = 9L << 30 }).Validate()).ToString());
        Assert.Null(TrialProcessSettings.Of(options with { Roles = [NodeOptions.Coordinator, NodeOptions.Server] }, Host));
        Assert.Null(TrialProcessSettings.Of(options, new NodeHost()));
    }

    [Theory]
    [InlineData("4100", null, "trial-ports: is '4100', but must be FIRST-LAST, such as 4100-4115, with ports from 1 to 65535")]
    [InlineData("4107-4100", null, "trial-ports: is '4107-4100', but must be FIRST-LAST, such as 4100-4115, with ports from 1 to 65535")]
    [InlineData("65530-65540", null, "trial-ports: is '65530-65540', but must be FIRST-LAST, such as 4100-4115, with ports from 1 to 65535")]
    [InlineData("4100-4106", 4, "trial-ports: is '4100-4106', 7 ports, but 4 trial processes need two each: give at least 8")]
    [InlineData("4050-4060", null, "trial-ports: is '4050-4060', which has a port of the node itself: use others")]
    [InlineData("4100-4107", 4, "")]
    public void Ports_of_children_are_checked(string ports, int? processes, string violation)
    {
        var violations = new NodeOptions { TrialPorts = ports, TrialProcesses = processes }.Validate();

        Assert.Equal(violation, string.Join('\n', violations));
    }

    [Fact]
    public void Nobody_but_a_child_has_the_role_of_children()
    {
        Assert.Equal("roles: 'trial' is no role: use any of coordinator, server, worker",
            Assert.Single(new NodeOptions { Roles = ["trial"], Join = ["10.0.0.1:4053"] }.Validate()).ToString());
    }

    private static NodeHost Host => new() { Program = new ProgramStart("x", []) };

    private static NodeOptions Options => new()
    {
        Port = 0,
        TensorPort = 0,
        ApiPort = 0,
        WorkerSlots = 1,
        Journal = NodeOptions.NoJournal,
        TrialMemoryBytes = SmallestMemory,
    };

    private static string Sees(string file) => $"echo \"[${{CUDA_VISIBLE_DEVICES-unset}}]\" >> {file}; ";

    /// <summary>Of each child that has started, which devices it sees.</summary>
    private static string[] Seen(string file) => File.Exists(file) ? [.. File.ReadAllText(file).Split('\n')[..^1]] : [];

    private static Task<ClusterNode> StartAsync(string program, params string[] arguments) => StartAsync(Options, program, arguments);

    private static Task<ClusterNode> StartAsync(NodeOptions options, string program, params string[] arguments) => ClusterNode.StartAsync(options,
        LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token, new ProgramStart(program, arguments));

    /// <summary>For what an attempt that wants a child waits, once that is said.</summary>
    private static async Task<string> WaitingAsync(ClusterNode node, string said, string trial = "trial-1", int gpus = 0)
    {
        var spec = new LinearParts().Read(LinearParts.Yaml(workers: 1));
        spec = spec with { Training = spec.Training with { WorkerGpus = gpus } };
        var submit = new SubmitJob(new JobId(trial), spec, _ => new RecordingSink())
        {
            Trial = new TrialPart { IsIsolated = true },
        };
        await node.Coordinator!.Ask<JobAccepted>(submit, Token);
        while (true)
        {
            var job = await node.Coordinator!.Ask<JobFound>(new FindJob(submit.Job), Token);
            if (job.Status!.Waiting is { } waiting && waiting.Contains(said, StringComparison.Ordinal)) return waiting;
        }
    }
}
