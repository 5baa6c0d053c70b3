using System.Text.Json;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Cluster;

/// <summary>Nodes that run the program of the examples.</summary>
public sealed class ExamplesCluster : ClusterFixture
{
    private protected override string Program => ProgramProcess.Examples;
}

/// <summary>User code (own models, data sets, steps) in several processes of one run, and on nodes that get the job by <c>submit</c>.</summary>
public sealed class ExamplesTests(ExamplesCluster cluster) : IClassFixture<ExamplesCluster>
{
    [Fact]
    public Task An_example_has_the_same_bits_in_one_process_in_three_and_as_a_submitted_job() => SameBitsAsync("spirals.yaml");

    [Fact]
    [Trait("Category", "Long")]
    public Task The_example_with_a_step_of_its_own_has_the_same_bits_in_one_process_in_three_and_as_a_submitted_job() => SameBitsAsync("verses.yaml");

    private async Task SameBitsAsync(string file)
    {
        string spec = Path.Combine(ProgramProcess.Root, "src/DistOpt.Examples/specs", file);
        string[] args = [spec, "--set", "training.epochs=1", "--set", "stop.max_steps=12", "--set", "training.workers=4", "--set", "training.servers=2"];

        var local = await ProgramProcess.JsonAsync(ProgramProcess.Examples, cluster.Folder.Path, ["train", .. args]);
        var three = await ProgramProcess.JsonAsync(ProgramProcess.Examples, cluster.Folder.Path, ["train", .. args, "--processes", "3"]);
        await using var submit = await ProgramProcess.RunAsync(ProgramProcess.Examples, cluster.Folder.Path, cluster.Folder.Environment, ["submit", .. args, "--watch"]);
        Assert.True(submit.ExitCode == 0, submit.Describe());
        var job = await cluster.Folder.JsonAsync("show", submit.Out.Split('\n')[0]);

        Assert.Equal(3, three.GetProperty("processes").GetInt32());
        Assert.Equal(Hash(local), Hash(three));
        Assert.Equal(Hash(local), Hash(job.GetProperty("summary")));
    }

    private static string Hash(JsonElement summary) => summary.GetProperty("weights_sha256").GetString()!;
}
