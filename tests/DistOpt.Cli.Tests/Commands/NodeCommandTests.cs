using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using DistOpt.Cli.Tests.Cluster;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Runs;

namespace DistOpt.Cli.Tests.Commands;

public sealed class NodeCommandTests
{
    [Fact]
    public async Task All_wrong_settings_are_told_at_once()
    {
        using var cli = new CliRun();
        cli.Environment["DISTOPT_TENSOR_PORT"] = "70000";
        Assert.Equal(2, await cli.RunAsync("node", "--port", "many", "--worker-slots", "0"));
        string[] lines = cli.ErrorLines();
        Assert.Contains(lines, l => l.Contains("port") && l.Contains("many"));
        Assert.Contains(lines, l => l.Contains("tensor_port") && l.Contains("70000"));
        Assert.Contains(lines, l => l.Contains("worker_slots") && l.Contains('0'));
        Assert.Equal(3, lines.Length);
    }

    [Fact]
    public async Task Settings_of_telemetry_and_split_brain_are_checked()
    {
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("node", "--split-brain", "keep-youngest", "--log-format", "xml"));
        Assert.Contains(cli.ErrorLines(), l => l.Contains("split_brain") && l.Contains("keep-youngest") && l.Contains("keep-oldest, keep-majority"));
        Assert.Contains(cli.ErrorLines(), l => l.Contains("log_format") && l.Contains("xml") && l.Contains("text, json"));

        string akka = cli.Write("akka.conf", "akka.cluster.gossip-intervall = 1s");
        Assert.Equal(2, await cli.RunAsync("node", "--port", "0", "--tensor-port", "0", "--api-port", "0", "--otlp", "collector", "--akka", akka));
        Assert.Contains(cli.ErrorLines(), l => l.Contains("otlp") && l.Contains("'collector'"));
        Assert.Contains(cli.ErrorLines(), l => l.Contains("akka.cluster.gossip-intervall is no setting of Akka"));
    }

    [Fact]
    public async Task The_log_of_a_node_is_JSON_lines_where_that_is_asked_for()
    {
        using var stop = new CancellationTokenSource();
        using var log = new StringWriter();
        string[] args = ["node", "--port", "0", "--tensor-port", "0", "--api-port", "0", "--journal", "none", "--log-format", "json"];
        int code = await DistOptApp.RunAsync(args, DistOptApp.Define(_ => { }),
            new AppConsole { In = TextReader.Null, Out = new StopsAtFirstLine(stop), Error = log }, stop.Token);
        Assert.Equal(0, code);
        string[] lines = log.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.NotEmpty(lines);
        Assert.All(lines, line => Assert.Equal("information", JsonDocument.Parse(line).RootElement.GetProperty("level").GetString()));
    }

    [Fact]
    public async Task A_whole_run_is_downloaded_from_the_node_that_has_it()
    {
        using var stop = new CancellationTokenSource();
        using var node = new CliRun { UsesRealHost = true, Interrupt = stop.Token };
        using var cli = new CliRun { UsesRealHost = true };
        string[] ports = [.. Enumerable.Range(0, 3).Select(_ => $"{FakeCluster.FreePort()}")];
        var running = node.RunAsync("node", "--port", ports[0], "--tensor-port", ports[1], "--api-port", ports[2], "--data-root", node.Folder);
        cli.Environment["DISTOPT_CLUSTER"] = $"http://127.0.0.1:{ports[2]}";
        cli.Environment.Remove("DISTOPT_PATIENCE");
        string spec = cli.Write("spec.yaml", "model: { kind: function, expression: \"x^2\", variables: { x: 2 } }\ntraining: { epochs: 3, workers: 1 }\n");

        Assert.True(await cli.RunAsync("submit", spec, "--watch") == 0, cli.Error + node.Error);
        string id = cli.Out.Split('\n')[0];
        Assert.True(await cli.RunAsync("download", id, "--out", cli.In("there"), "--format", "json") == 0, cli.Error);

        string run = Assert.Single(Directory.GetDirectories(node.Folder, $"*-{id}", SearchOption.AllDirectories));
        var there = Directory.GetFiles(cli.In("there")).ToDictionary(f => Path.GetFileName(f)!, File.ReadAllBytes);
        var here = Directory.GetFiles(run).Where(f => there.ContainsKey(Path.GetFileName(f))).ToDictionary(f => Path.GetFileName(f)!, File.ReadAllBytes);
        foreach (string file in (string[])["spec.yaml", "metrics.jsonl", "model.safetensors", "last.safetensors", "log.jsonl", "summary.json"])
            Assert.Contains(file, there.Keys);
        Assert.Equal(here, there);
        Assert.Equal(there.Count, cli.Json().GetProperty("files").GetInt32());
        Assert.Equal(there.Values.Sum(b => (long)b.Length), cli.Json().GetProperty("bytes").GetInt64());
        Assert.Empty(Directory.GetDirectories(cli.In("there")));
        Assert.Equal(0, await cli.RunAsync("show", cli.In("there")));
        await stop.CancelAsync();
        Assert.Equal(0, await running);
    }

    [Fact]
    public async Task A_whole_study_is_downloaded_with_the_files_in_its_folders_whatever_they_are_called()
    {
        using var stop = new CancellationTokenSource();
        using var node = new CliRun { UsesRealHost = true, Interrupt = stop.Token };
        using var cli = new CliRun { UsesRealHost = true };
        string[] ports = [.. Enumerable.Range(0, 3).Select(_ => $"{FakeCluster.FreePort()}")];
        var running = node.RunAsync("node", "--port", ports[0], "--tensor-port", ports[1], "--api-port", ports[2], "--data-root", node.Folder);
        cli.Environment["DISTOPT_CLUSTER"] = $"http://127.0.0.1:{ports[2]}";
        cli.Environment.Remove("DISTOPT_PATIENCE");
        string spec = cli.Write("study.yaml", """
            model: { kind: function, expression: "x^2", variables: { x: 2 } }
            training: { epochs: 2, workers: 1 }
            study: { metric: train.loss, sampler: random, trials: 2, isolation: none }
            space: { optimizer.learning_rate: { float: [1e-3, 1e-2] } }
            """);

        Assert.True(await cli.RunAsync("submit", spec, "--watch") == 0, cli.Error + node.Error);
        string id = cli.Out.Split('\n')[0];
        string study = Assert.Single(Directory.GetDirectories(Path.Combine(node.Folder, "studies")));
        foreach (string name in (string[])["a b.txt", "50% & more+#1.txt", "%2F.txt"]) File.WriteAllText(Path.Combine(study, "trials", "1", name), name);
        Assert.True(await cli.RunAsync("download", id, "--out", cli.In("there"), "--format", "json") == 0, cli.Error);

        var listed = RunFileList.OfStudy(study);
        Assert.Superset(new HashSet<string>(["trials/1/a b.txt", "trials/1/50% & more+#1.txt", "trials/1/%2F.txt", "trials/0/metrics.jsonl", "best/model.safetensors"]),
            listed.Select(f => f.Path).ToHashSet());
        Assert.All(listed, f => Assert.Equal(File.ReadAllBytes(Path.Combine(study, f.Path)), File.ReadAllBytes(Path.Combine(cli.In("there"), f.Path))));
        Assert.Equal(listed.Count, cli.Json().GetProperty("files").GetInt32());
        Assert.Empty(cli.Error);
        Assert.True(await cli.RunAsync("download", id, "--best", "--out", cli.In("best"), "--format", "json") == 0, cli.Error);
        Assert.Equal(File.ReadAllBytes(Path.Combine(study, "best", "model.safetensors")), File.ReadAllBytes(cli.In("best/model.safetensors")));
        Assert.Equal(4, cli.Json().GetProperty("files").GetInt32());
        await stop.CancelAsync();
        Assert.Equal(0, await running);
    }

    [Fact]
    public async Task A_port_in_use_is_bad_input()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        using var cli = new CliRun();
        Assert.Equal(2, await cli.RunAsync("node", "--port", $"{port}", "--tensor-port", "0", "--api-port", "0"));
        Assert.Contains($"{port} is in use", Assert.Single(cli.ErrorLines()));
    }

    /// <summary>A node writes its first line when it has joined.</summary>
    private sealed class StopsAtFirstLine(CancellationTokenSource stop) : StringWriter
    {
        public override void WriteLine(string? value) => stop.Cancel();
    }

    [Fact]
    public async Task A_node_that_cannot_join_exits_with_4()
    {
        using var cli = new CliRun();
        int code = await cli.RunAsync("node", "--roles", "worker", "--join", $"127.0.0.1:{FakeCluster.FreePort()}", "--port", "0", "--tensor-port", "0", "--api-port", "0", "--join-timeout", "1");
        Assert.Equal(4, code);
        Assert.Contains(cli.ErrorLines(), l => l.StartsWith("error: could not join 127.0.0.1:", StringComparison.Ordinal));
    }
}
