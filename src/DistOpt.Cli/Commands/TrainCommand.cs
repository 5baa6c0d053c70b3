using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary><c>train [SPEC]</c>.</summary>
internal sealed class TrainCommand
{
    private readonly Argument<string?> _spec = new("spec")
    {
        Description = "A training spec; without it the digits MLP",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string> _workers = new("--workers") { Description = "Worker actors (training.workers)", HelpName = "n" };
    private readonly Option<string> _servers = new("--servers") { Description = "Parameter servers (training.servers)", HelpName = "n" };
    private readonly Option<int> _processes = new("--processes") { Description = "Processes on this machine; 1 = this one alone", HelpName = "n", DefaultValueFactory = _ => 1 };
    private readonly Option<int> _maxRestarts = new("--max-restarts") { Description = "How often each process that dies is started again", HelpName = "n", DefaultValueFactory = _ => 10 };
    private readonly Option<string> _out = new("--out") { Description = "Folder for the results; default: runs/<name>-<id>", HelpName = "folder" };
    private readonly Option<string> _resume = new("--resume") { Description = "Goes on with a run that did not end by itself: its folder, or its id", HelpName = "run" };
    private readonly Option<int?> _parallel = new("--parallel") { Description = "With data.folds: folds that run at the same time; default: as many as the cores have room for", HelpName = "n" };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Check everything, show spec, data, parameters and layout, train nothing" };
    private readonly Option<string[]> _set = GlobalOptions.Set();
    private readonly Option<string[]> _require = GlobalOptions.Require();

    public static Command Create(Bind bind)
    {
        var train = new TrainCommand();
        var command = new Command("train", "Trains a model")
        {
            train._spec, train._workers, train._servers, train._processes, train._maxRestarts, train._out, train._resume, train._parallel,
                train._dryRun, train._set, train._require,
        };
        bind(command, train.RunAsync);
        return command;
    }

    /// <summary><c>--set</c> and its short forms as settings; the short forms win.</summary>
    internal static List<string> Settings(IEnumerable<string>? set, string? workers, string? servers)
    {
        List<string> settings = [.. set ?? []];
        if (workers is not null) settings.Add($"training.workers={workers}");
        if (servers is not null) settings.Add($"training.servers={servers}");
        return settings;
    }

    private async Task<int> RunAsync(CommandInvocation invocation)
    {
        var (parse, console, app) = (invocation.Parse, invocation.Console, invocation.App);
        var settings = Settings(parse.GetValue(_set), parse.GetValue(_workers), parse.GetValue(_servers));
        int processes = parse.GetValue(_processes);
        string id = Training.NewId(console.Time);
        var violations = new ViolationCollector();
        var resumed = parse.GetValue(_resume) is { } run
            ? violations.Try(() => ResumedRun.Open(run, parse.GetValue(_spec), parse.GetValue(_out), settings, console.RunsRoot, app)) : null;
        var spec = parse.GetValue(_resume) is not null ? resumed?.Spec : violations.Try(() => SpecFiles.Read(parse.GetValue(_spec), settings, app));
        var requirements = violations.Try(() => Requirement.ParseAll(parse.GetValue(_require) ?? []));
        if (processes is < 1 or > 1000) violations.Add("--processes", $"is {processes}, but must be between 1 and 1000");
        if (parse.GetValue(_maxRestarts) < 0) violations.Add("--max-restarts", $"is {parse.GetValue(_maxRestarts)}, but must be 0 or more");
        bool isFolds = spec is not null && FoldsRunner.IsAsked(spec);
        if (parse.GetValue(_parallel) is { } most and (< 1 or > 1000)) violations.Add("--parallel", $"is {most}, but must be between 1 and 1000");
        else if (parse.GetValue(_parallel) is not null && spec is not null && !isFolds) violations.Add("--parallel", "is given, but the spec has no data.folds to run; leave it away");
        var directory = parse.GetValue(_resume) is not null ? resumed?.Directory : violations.Try(() =>
            RunDirectory.Plan(parse.GetValue(_out), spec?.Name ?? "run", id, console.RunsRoot));
        var host = violations.Try(() => Hosts.For(app, processes));
        violations.ThrowIfAny();

        var runtimes = Hosts.Runtimes(app, Hosts.Data(console.Environment));
        if (parse.GetValue(_dryRun))
        {
            DryRunReport.Write(invocation, isFolds ? FoldsRunner.SpecOf(spec!, 0) : spec!, runtimes);
            return ExitCode.Done;
        }

        var plan = new RunPlan
        {
            Job = resumed?.Job ?? $"{spec!.Name}-{id}",
            Spec = spec!,
            Resumes = resumed is not null,
            MaxRestarts = parse.GetValue(_maxRestarts),
            App = app,
            Runtimes = runtimes,
            Host = host!,
            Directory = directory,
            Processes = processes,
            CapturesConsole = console.CapturesSystemConsole,
            Time = console.Time,
        };
        return isFolds ? await FoldsCommand.RunAsync(invocation, plan, parse.GetValue(_parallel), requirements!).ConfigureAwait(false)
            : await RunOneAsync(invocation, plan, requirements!).ConfigureAwait(false);
    }

    private static async Task<int> RunOneAsync(CommandInvocation invocation, RunPlan plan, IReadOnlyList<Requirement> requirements)
    {
        var console = invocation.Console;
        bool redraws = console.CanRedraw(onError: invocation.Json);
        var display = redraws ? new LiveRunDisplay(LiveRunDisplay.Terminal(invocation.Out, console.Width, !console.NoColor)) : new RunDisplay(invocation.Out);
        RunResult result;
        try
        {
            result = await TrainingRunner.RunAsync(plan with { Sinks = [display] }, invocation.Interrupt).ConfigureAwait(false);
        }
        catch (TrainingFailedException e)
        {
            (display as IDisposable)?.Dispose();
            e.WasReported = true;
            Report(invocation, e.Summary, e.Directory);
            throw;
        }
        finally
        {
            (display as IDisposable)?.Dispose();
        }
        Report(invocation, result.Summary, result.Directory);
        if (result.Summary.Status == RunStatus.Interrupted) return ExitCode.Interrupted;
        if (result.Summary.Status != RunStatus.Completed) return ExitCode.Failed;
        return Requirement.Met(requirements, result.Summary, console.Error) ? ExitCode.Done : ExitCode.Failed;
    }

    private static void Report(CommandInvocation invocation, RunSummary summary, string? directory) => invocation.Write(
        json =>
        {
            json.WriteStartObject();
            json.WriteString("run", directory);
            RunJson.WriteSummaryFields(json, summary);
            json.WriteEndObject();
        },
        writer => SummaryText.Write(writer, summary, directory));
}

/// <summary>What <c>train --dry-run</c> shows.</summary>
internal static class DryRunReport
{
    public static void Write(CommandInvocation invocation, TrainingSpec spec, IJobRuntimeFactory runtimes)
    {
        using var runtime = runtimes.Open(spec);
        string yaml = SpecFiles.Write(spec);
        if (RunRules.Violations(spec, runtime.Data.Train).ToList() is { Count: > 0 } violations) throw new SpecException(violations);
        string[] warnings = [.. runtime.Warnings, .. UpdateRule.Warnings(spec.Optimizer, runtime.Layout), .. RunRules.Warnings(spec, runtime.Data.Train)];
        invocation.Write(json => WriteJson(json, yaml, runtime, warnings), writer => WriteText(writer, yaml, runtime, warnings));
    }

    private static void WriteText(TextWriter writer, string yaml, IJobRuntime runtime, string[] warnings)
    {
        writer.Write(yaml);
        writer.WriteLine();
        writer.WriteLine($"data: {Format.Count(runtime.Data.Train)} train, {Format.Count(runtime.Data.Validation)} validation, {Format.Count(runtime.Data.Test)} test");
        writer.WriteLine($"parameters: {Format.Count(runtime.Layout.ParameterCount)} ({Format.Bytes(4.0 * runtime.Layout.ParameterCount)})");
        var rows = new List<IReadOnlyList<string>> { (string[])["tensor", "shape", "offset", "length"] };
        foreach (var slot in runtime.Layout.Parameters)
            rows.Add([slot.Name, $"[{string.Join(", ", slot.Shape)}]", slot.Offset.ToString(CultureInfo.InvariantCulture), slot.Length.ToString(CultureInfo.InvariantCulture)]);
        foreach (var slot in runtime.Layout.Buffers)
            rows.Add([slot.Name, $"[{string.Join(", ", slot.Shape)}]", slot.Offset.ToString(CultureInfo.InvariantCulture), slot.Length.ToString(CultureInfo.InvariantCulture), "buffer"]);
        foreach (var (name, target) in runtime.Layout.Ties) rows.Add([name, $"tied to {target}"]);
        foreach (string line in Format.Table(rows)) writer.WriteLine(line);
        foreach (string warning in warnings) writer.WriteLine("warning: " + warning);
    }

    private static void WriteJson(Utf8JsonWriter json, string yaml, IJobRuntime runtime, string[] warnings)
    {
        json.WriteStartObject();
        json.WriteString("spec", yaml);
        json.WriteStartObject("data");
        json.WriteNumber("train", runtime.Data.Train);
        json.WriteNumber("validation", runtime.Data.Validation);
        json.WriteNumber("test", runtime.Data.Test);
        json.WriteEndObject();
        json.WriteNumber("parameters", runtime.Layout.ParameterCount);
        json.WriteNumber("buffers", runtime.Layout.BufferCount);
        json.WriteStartArray("layout");
        foreach (var (slot, section) in runtime.Layout.Parameters.Select(s => (s, "parameters")).Concat(runtime.Layout.Buffers.Select(s => (s, "buffers"))))
        {
            json.WriteStartObject();
            json.WriteString("name", slot.Name);
            json.WriteString("section", section);
            json.WriteStartArray("shape");
            foreach (long size in slot.Shape) json.WriteNumberValue(size);
            json.WriteEndArray();
            json.WriteNumber("offset", slot.Offset);
            json.WriteNumber("length", slot.Length);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("warnings");
        foreach (string warning in warnings) json.WriteStringValue(warning);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
