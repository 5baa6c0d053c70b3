using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.BadInput;

/// <summary>G10: bad input never starts a run: exit code 2, a clear line for each violation, nothing left behind.</summary>
public sealed class BadInputTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("optimzer: adam", "optimzer", "did you mean 'optimizer'")]
    [InlineData("training: { workers: two }", "training.workers", "two")]
    [InlineData("batch: { size: 0 }", "batch.size", "at least 1")]
    [InlineData("training: { epochs: -3 }", "training.epochs", "at least 1")]
    [InlineData("optimizer: { kind: adam, learning_rate: .nan }", "optimizer.learning_rate", "")]
    [InlineData("training: { workers: 0 }", "training.workers", "at least 1")]
    [InlineData("training: { servers: 50 }", "training.servers", "1024")]
    [InlineData("model: transformer", "model", "linear, mlp, residual-mlp, cnn")]
    [InlineData("optimizer: adan", "optimizer", "adagrad, adadelta, rmsprop, adam, adamw")]
    [InlineData("data: imagenet", "data", "digits, mnist, csv, images")]
    [InlineData("model: { weights: nowhere.safetensors }", "model.weights", "nowhere.safetensors")]
    [InlineData("data: { name: csv, path: nowhere.csv }", "data.path", "nowhere.csv")]
    [InlineData("data: { name: mnist, path: nowhere }", "data.path", "nowhere")]
    [InlineData("loss: mse", "loss.kind", "is mse")]
    [InlineData("loss: { kind: kl, input: scores }", "loss.kind", "is kl")]
    [InlineData("name: [", "spec.yaml", "line")]
    public async Task One_violation_is_one_line(string yaml, string path, string says)
    {
        var result = await TrainAsync(yaml);

        string line = Assert.Single(result.ErrorLines);
        Assert.Contains(path, line);
        Assert.Contains(says, line);
    }

    [Fact]
    public async Task Several_violations_are_told_together()
    {
        var result = await TrainAsync("optimzer: adam\nbatch: { size: 0 }\ntraining: { workers: 0, epochs: 1.5 }\nmodel: transformer");

        Assert.Equal(5, result.ErrorLines.Length);
    }

    [Fact]
    public async Task A_missing_spec_file_is_named()
    {
        var result = await _folder.RunAsync("train", _folder.In("nowhere.yaml"));

        Check(result);
        Assert.Contains("nowhere.yaml", Assert.Single(result.ErrorLines));
    }

    [Fact]
    public async Task A_csv_with_a_short_row_names_line_and_column()
    {
        _folder.Write("d.csv", "a,b,label\n1,2,x\n3,4,y\n5,x\n6,7,y\n");

        string line = Assert.Single((await TrainAsync($"data: {{ name: csv, path: {_folder.In("d.csv")} }}")).ErrorLines);

        Assert.Contains("line 4", line);
        Assert.Contains("column", line);
    }

    [Fact]
    public async Task A_truncated_IDX_file_names_file_and_sizes()
    {
        Directory.CreateDirectory(_folder.In("mnist"));
        foreach (var (name, items) in new[] { ("train", 20), ("t10k", 10) })
        {
            File.WriteAllBytes(_folder.In($"mnist/{name}-images-idx3-ubyte"), [0, 0, 8, 3, 0, 0, 0, (byte)items, 0, 0, 0, 2, 0, 0, 0, 2, .. new byte[items * 4]]);
            File.WriteAllBytes(_folder.In($"mnist/{name}-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, (byte)items, .. new byte[items]]);
        }
        using (var cut = File.OpenWrite(_folder.In("mnist/train-images-idx3-ubyte"))) cut.SetLength(50);

        string line = Assert.Single((await TrainAsync($"data: {{ name: mnist, path: {_folder.In("mnist")} }}")).ErrorLines);

        Assert.Contains("train-images-idx3-ubyte", line);
        Assert.Contains("96", line);
        Assert.Contains("50", line);
    }

    [Fact]
    public async Task A_corrupt_image_is_named()
    {
        foreach (string file in new[] { "cats/1.png", "dogs/2.png" }) _folder.Write($"pictures/{file}", "this is no picture");

        var result = await TrainAsync($"data: {{ name: images, path: {_folder.In("pictures")}, size: [4, 4] }}");

        Assert.Contains("1.png", result.Error);
    }

    [Fact]
    public async Task A_folder_that_is_not_empty_is_not_written_to()
    {
        _folder.Write("out/precious.txt", "mine");

        var result = await _folder.RunAsync("train", "--out", _folder.In("out"));

        Check(result);
        Assert.Contains("--resume", Assert.Single(result.ErrorLines));
        Assert.Single(Directory.GetFiles(_folder.In("out")));
    }

    [Fact]
    public async Task An_unknown_option_names_the_nearest()
    {
        var result = await _folder.RunAsync("train", "--worker", "3");

        Check(result);
        Assert.Contains("--workers", result.Error);
    }

    [Fact]
    public async Task A_cluster_that_does_not_answer_is_named()
    {
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        string url = $"http://127.0.0.1:{((IPEndPoint)closed.LocalEndpoint).Port}";
        closed.Stop();
        string spec = _folder.Write("s.yaml", "seed: 1");
        _folder.Environment["DISTOPT_PATIENCE"] = "0"; // otherwise it says so and tries again for a minute

        var result = await _folder.RunAsync("submit", spec, "--cluster", url);

        Check(result);
        Assert.Contains(url, Assert.Single(result.ErrorLines));
    }

    [Fact]
    public async Task A_port_in_use_is_named()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;

        var result = await _folder.RunAsync("node", "--port", port.ToString(), "--tensor-port", "0", "--api-port", "0");

        Check(result);
        Assert.Contains($"{port} is in use", Assert.Single(result.ErrorLines));
    }

    [Fact]
    public async Task Under_the_json_format_stdout_has_one_document_with_the_violations()
    {
        var result = await _folder.RunAsync("train", "--set", "batch.size=0", "--format", "json");

        Assert.Equal(2, result.ExitCode);
        Assert.Equal("batch.size", result.Json.GetProperty("violations")[0].GetProperty("path").GetString());
    }

    private async Task<CommandResult> TrainAsync(string yaml)
    {
        var result = await _folder.RunAsync("train", _folder.Write("spec.yaml", yaml));
        Check(result);
        return result;
    }

    private void Check(CommandResult result)
    {
        Assert.True(result.ExitCode == 2, result.ToString());
        Assert.All(result.ErrorLines, line => Assert.StartsWith("error: ", line));
        Assert.Equal("", result.Out);
        Assert.Empty(_folder.RunFolders);
    }
}
