using System.Text.Json;

namespace DistOpt.Cli.Tests.Support;

/// <summary>Runs commands in this process with captured streams and a folder of their own.</summary>
internal sealed class CliRun : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("distopt-cli-").FullName;

    public TestHost Host { get; init; } = new();

    public TestRuntimes Runtimes { get; init; } = new();

    /// <summary>Trains for real instead of with <see cref="Host"/>.</summary>
    public bool UsesRealHost { get; init; }

    public Dictionary<string, string> Environment { get; } = new() { ["DISTOPT_PATIENCE"] = "0" };

    public Action<DistOptAppBuilder> Configure { get; init; } = _ => { };

    public CancellationToken Interrupt { get; init; }

    public bool IsTerminal { get; init; }

    public bool CapturesSystemConsole { get; init; }

    public string Out { get; private set; } = "";

    public string Error { get; private set; } = "";

    public string Runs => Path.Combine(Folder, "runs");

    /// <summary>The one run directory below <see cref="Runs"/>.</summary>
    public string RunFolder => Assert.Single(Directory.GetDirectories(Runs));

    public string In(string name) => Path.Combine(Folder, name);

    public string Write(string name, string text)
    {
        File.WriteAllText(In(name), text);
        return In(name);
    }

    public Task<int> RunAsync(params string[] args) => RunAsync(null, args);

    /// <param name="onError">Is called whenever a line was written to stderr.</param>
    public async Task<int> RunAsync(Action? onError, params string[] args)
    {
        var (output, error) = (new StringWriter { NewLine = "\n" }, new TellingWriter(onError) { NewLine = "\n" });
        var app = DistOptApp.Define(builder =>
        {
            if (!UsesRealHost) builder.UseHost(Host).UseRuntimes(Runtimes);
            Configure(builder);
        });
        int code = await DistOptApp.RunAsync(args, app, new AppConsole
        {
            In = TextReader.Null,
            Out = output,
            Error = error,
            IsOutputTerminal = IsTerminal,
            Environment = name => Environment.GetValueOrDefault(name),
            RunsRoot = Runs,
            StudiesRoot = In("studies"),
            CapturesSystemConsole = CapturesSystemConsole,
        }, Interrupt);
        (Out, Error) = (output.ToString(), error.ToString());
        return code;
    }

    /// <summary>The only JSON document on stdout.</summary>
    public JsonElement Json() => JsonDocument.Parse(Out).RootElement;

    public string[] ErrorLines() => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private sealed class TellingWriter(Action? told) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            told?.Invoke();
        }
    }
}
