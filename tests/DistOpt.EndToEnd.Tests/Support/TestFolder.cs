using System.Text.Json;
using DistOpt.EndToEnd.Tests.UserCode;

namespace DistOpt.EndToEnd.Tests.Support;

/// <summary>A folder of a test's own, and commands that run there in this process.</summary>
internal sealed class TestFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("distopt-e2e-").FullName;

    public string Runs => In("runs");

    /// <summary>Run directories that exist.</summary>
    public string[] RunFolders => Directory.Exists(Runs) ? Directory.GetDirectories(Runs) : [];

    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>How long a command may take.</summary>
    public TimeSpan Patience { get; init; } = ProgramProcess.Patience;

    public string In(string name) => System.IO.Path.Combine(Path, name);

    public string Write(string name, string text)
    {
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(In(name))!);
        File.WriteAllText(In(name), text);
        return In(name);
    }

    /// <summary>Runs a command of the program with user code in this process.</summary>
    public async Task<CommandResult> RunAsync(params string[] args)
    {
        var (output, error) = (new StringWriter { NewLine = "\n" }, new StringWriter { NewLine = "\n" });
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        int code = await DistOptApp.RunAsync(args, DistOptApp.Define(UserApp.Configure), new AppConsole
        {
            In = TextReader.Null,
            Out = output,
            Error = error,
            Environment = name => Environment.GetValueOrDefault(name),
            RunsRoot = Runs,
            StudiesRoot = In("studies"),
        }, limit.Token);
        return new CommandResult(string.Join(' ', args), code, output.ToString(), error.ToString());
    }

    /// <summary>Runs a command that must succeed, and reads the JSON document that it prints.</summary>
    public async Task<JsonElement> JsonAsync(params string[] args)
    {
        var result = await RunAsync([.. args, "--format", "json"]);
        Assert.True(result.ExitCode == 0, result.ToString());
        return result.Json;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}

internal sealed record CommandResult(string Command, int ExitCode, string Out, string Error)
{
    public JsonElement Json => JsonDocument.Parse(Out).RootElement;

    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public override string ToString() => $"'{Command}' ended with {ExitCode}\n--- stdout\n{Out}\n--- stderr\n{Error}";
}

internal static class JsonExtensions
{
    public static string Text(this JsonElement json, string name) =>
        json.TryGetProperty(name, out var value) ? value.GetString()! : throw new InvalidOperationException($"no '{name}' in {json}");

    public static double Number(this JsonElement json, params string[] path)
    {
        foreach (string name in path)
            json = json.TryGetProperty(name, out var value) ? value : throw new InvalidOperationException($"no '{name}' in {json}");
        return json.GetDouble();
    }
}
