using DistOpt.Core.Runs;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>What a cluster's job shows of a node that is no more.</summary>
public sealed class LastLinesTests
{
    [Fact]
    public async Task The_last_lines_of_a_worker_that_was_killed_and_what_user_code_threw_are_shown_with_the_job()
    {
        await using var cluster = new KillableCluster(workers: 2, servers: 1, ProgramProcess.Fixture);
        await cluster.JoinedAsync(4);
        string id = await cluster.SubmitAsync($$"""
            model: { kind: crasher, once: "{{cluster.Folder.In("once")}}" }
            training: { epochs: 100000, workers: 2, gradient_shards: 4 }
            """);
        await cluster.JobAsync(id, j => j.GetProperty("step").GetInt64() > 30, "steps after the exception");
        var victim = cluster.Processes.First(p => p.Kind == NodeKind.Worker);
        await cluster.KillAsync(victim);
        var job = await cluster.JobAsync(id, j => j.TryGetProperty(FailureJson.Field, out var f) && f.GetArrayLength() == 2, "two failures");
        await using var show = await ProgramProcess.RunAsync(ProgramProcess.Cli, cluster.Folder.Path, cluster.ClientEnvironment, "show", id);

        var failures = FailureJson.Parse(job);
        Assert.True(failures.Count == 2, $"{job}\n{cluster.Describe()}");
        Assert.Equal(20, failures[0].Step);
        Assert.Contains("System.InvalidOperationException: the crasher has had enough", failures[0].Why);
        Assert.Contains("Crasher.Step", failures[0].Stack);
        Assert.Equal(victim.Name, failures[1].Node);
        Assert.StartsWith("worker ", failures[1].Roles);
        Assert.Contains($"process {victim.Process.Pid} has begun", failures[1].LastLines);
        Assert.True(show.ExitCode == 0, show.Describe());
        Assert.Contains($"{victim.Name} ({failures[1].Roles}): {failures[1].Why}", show.Out);
        Assert.Contains($"process {victim.Process.Pid} has begun", show.Out);
        Assert.Contains("Crasher.Step", show.Out);
        Assert.DoesNotContain("\nfailures", show.Out);
    }
}
