using DistOpt.Core.Runs;
using DistOpt.Core.Training;

namespace DistOpt.Examples.Tests;

/// <summary>
/// Commands of the program of the examples in this process. Classes side by side: a run of one worker leaves a core to others.
/// </summary>
public abstract class ExampleRuns : IDisposable
{
    /// <summary>The test's own.</summary>
    protected string Folder { get; } = Directory.CreateTempSubdirectory("distopt-examples-").FullName;

    protected static string Root { get; } = FindRoot();

    public void Dispose()
    {
        Directory.Delete(Folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    protected async Task<RunSummary> TrainAsync(string spec, params string[] args)
    {
        string folder = Path.Combine(Folder, $"run{Directory.GetDirectories(Folder).Length}");
        var result = await RunAsync(["train", Spec(spec), "--out", folder, .. args]);
        Assert.True(result.Code == 0, result.Error);
        return RunDirectoryReader.Open(folder).Summary()!;
    }

    protected async Task<(int Code, string Out, string Error)> RunAsync(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await DistOptApp.RunAsync(args, DistOptApp.Define(ExampleApp.Configure), new AppConsole
        {
            In = TextReader.Null,
            Out = output,
            Error = error,
            RunsRoot = Folder,
        }, TestContext.Current.CancellationToken);
        return (code, output.ToString(), error.ToString());
    }

    protected static string[] Here(string file) =>
        file == "iris.yaml" ? ["--set", $"data.path={Path.Combine(Root, "src/DistOpt.Examples/specs/iris.csv")}"] : [];

    protected static string Spec(string file) => Path.Combine(Root, "src/DistOpt.Examples/specs", file);

    protected static bool HasMnist() => Directory.Exists(Path.Combine(Core.Datasets.DataEnvironment.DefaultRoot(), "mnist"));

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "DistOpt.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the repository's root was not found above the tests");
    }
}
