using System.CommandLine;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Plots;

namespace DistOpt;

/// <summary>
/// <c>plot RUN...</c>: loss, metrics, learning rate and batch size as a picture. <c>plot STUDY</c>: pictures of a study (<see cref="StudyPlotCommand"/>).
/// </summary>
internal sealed class PlotCommand
{
    private readonly Argument<string[]> _runs = new("runs")
    {
        Description = "Run directories, or ids of runs below runs/; several are drawn over each other. Or one study: its folder, its name below studies/, the journal of one over a function (FILE.db), or its id on the cluster",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string> _out = new("--out") { Description = "File to write; default: plot.png or plot.svg in the run's folder, of a study a file for each kind in its folder plots (FILE-plots for FILE.db)", HelpName = "file" };

    private readonly Option<string[]> _label = new("--label")
    {
        Description = "Name of a run in the legend, in the order of the runs; repeatable",
        HelpName = "text",
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string> _panels = new("--panels")
    {
        Description = "What to draw, such as loss,accuracy; default: loss, every metric, learning_rate, batch_size",
        HelpName = "names",
    };

    private readonly Option<bool> _epochs = new("--epochs") { Description = "Epochs instead of steps below" };
    private readonly Option<bool> _logLoss = new("--log-loss") { Description = "Loss on a logarithmic axis" };

    private readonly StudyPlotCommand _study = new();

    public static Command Create(Bind bind)
    {
        var plot = new PlotCommand();
        var command = new FormatCommand("plot", "Draws a run's metrics, or a study, as PNG or SVG (--format png, --format svg)", "png", "svg")
        {
            plot._runs, plot._out, plot._label, plot._panels, plot._epochs, plot._logLoss, plot._study.Kind, plot._study.Params, plot._study.Metric,
            plot._study.Cluster,
        };
        bind(command, plot.Run);
        return command;
    }

    /// <summary>The format of a picture by what was asked for and by the name of its file.</summary>
    /// <exception cref="SpecException">The two contradict each other, or neither tells.</exception>
    internal static PlotFormat FormatOf(string format, string? path)
    {
        PlotFormat? asked = format switch { "png" => PlotFormat.Png, "svg" => PlotFormat.Svg, _ => null };
        if (path is null) return asked ?? PlotFormat.Png;
        PlotFormat? named = Path.GetExtension(path).ToLowerInvariant() switch { ".png" => PlotFormat.Png, ".svg" => PlotFormat.Svg, _ => null };
        if (named is null && asked is null) throw new SpecException("--out", $"'{path}' does not end in .png or .svg; let it, or give --format png or svg");
        if (named is not null && asked is not null && named != asked) throw new SpecException("--out", $"'{path}' does not end in .{format}, but --format is {format}");
        return asked ?? named!.Value;
    }

    /// <summary>That a picture can be written there.</summary>
    internal static void CheckFile(string path, ViolationCollector violations)
    {
        if (Directory.Exists(path)) violations.Add("--out", $"'{path}' is a folder; name a file in it");
        else if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder && !Directory.Exists(folder))
            violations.Add("--out", $"'{path}' is in a folder that is not there; make it first");
    }

    /// <summary>A name that is neither a run nor a study here is a study's on the cluster, if there is one.</summary>
    private static bool IsStudy(string name, CommandInvocation invocation) => StudySource.IsJournal(name)
        || StudyDirectoryReader.IsStudy(name, invocation.Console.StudiesRoot)
        || (StudyPlace.IsOfCluster(name, null, invocation.Console) && !RunDirectoryReader.IsRun(name, invocation.Console.RunsRoot));

    /// <summary>A cross-validation is drawn as the runs of its folds.</summary>
    private static IEnumerable<RunDirectoryReader?> WithFolds(RunDirectoryReader? run)
    {
        if (run is null || FoldFiles.Runs(run.Directory.Path) is not { Count: > 0 } folds) return [run];
        return folds.Select(fold => RunDirectoryReader.Open(fold));
    }

    private Task<int> Run(CommandInvocation invocation)
    {
        var parse = invocation.Parse;
        string[] names = parse.GetRequiredValue(_runs), labels = parse.GetValue(_label) ?? [];
        string? path = parse.GetValue(_out);
        var violations = new ViolationCollector();
        if (_study.IsAsked(parse) || names.Any(n => IsStudy(n, invocation)))
        {
            if (names.Length > 1) violations.Add("runs", $"are {names.Length}, one of them a study: name one study alone, or runs");
            foreach (var option in (Option[])[_label, _panels, _epochs, _logLoss])
                if (parse.GetResult(option) is { Implicit: false }) violations.Add(option.Name, "is for runs; leave it away for a study");
            return _study.RunAsync(invocation, names[0], path, violations);
        }
        var readers = names.Select(name => violations.Try(() => RunDirectoryReader.Open(name, invocation.Console.RunsRoot))).ToArray();
        if (path is null && readers is [{ Directory.Path: var whole }] && FoldFiles.Runs(whole).Count > 0)
            path = Path.Combine(whole, violations.Try(() => FormatOf(invocation.Format, null)) == PlotFormat.Png ? "plot.png" : "plot.svg");
        readers = [.. readers.SelectMany(WithFolds)];
        names = [.. readers.Select(reader => reader?.Directory.Path ?? "")];
        var runs = readers.Select((reader, i) => reader is null ? null : violations.Try(() => RunCurves.Read(reader, labels.ElementAtOrDefault(i)))).ToArray();
        if (labels.Length > 0 && labels.Length != names.Length)
            violations.Add("--label", $"is given {Format.Plural(labels.Length, "time")} for {Format.Plural(names.Length, "run")}; give one for each run");
        if (path is null && names.Length > 1) violations.Add("--out", "is needed for several runs; name the file to write");
        if (path is not null) CheckFile(path, violations);
        var format = violations.Try(() => FormatOf(invocation.Format, path));
        violations.ThrowIfAny();

        var figure = new RunFigure(runs!, parse.GetValue(_epochs), parse.GetValue(_logLoss));
        var panels = figure.Panels(parse.GetValue(_panels)?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries));
        path ??= Path.Combine(readers[0]!.Directory.Path, format == PlotFormat.Png ? "plot.png" : "plot.svg");
        AtomicFile.Write(path, Figure.Draw(panels, format));
        invocation.Write(
            json =>
            {
                json.WriteStartObject();
                json.WriteString("file", path);
                json.WriteStartArray("panels");
                foreach (var panel in panels) json.WriteStringValue(panel.YLabel);
                json.WriteEndArray();
                json.WriteEndObject();
            },
            writer => writer.WriteLine($"written: {path}"));
        return Task.FromResult(ExitCode.Done);
    }
}
