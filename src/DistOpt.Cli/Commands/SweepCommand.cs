using System.CommandLine;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Training;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Local;

namespace DistOpt;

/// <summary><c>sweep [SPEC]</c>.</summary>
internal sealed class SweepCommand
{
    private readonly Argument<string?> _spec = new("spec") { Description = "A study spec: a training spec with study: and space:", Arity = ArgumentArity.ZeroOrOne };
    private readonly StudyBudgetOptions _budget = new();
    private readonly Option<string> _out = new("--out") { Description = "Folder for the results; default: studies/<name>-<id>", HelpName = "folder" };
    private readonly Option<string> _resume = new("--resume") { Description = "Goes on with a study that has not ended: its folder, or that folder's name", HelpName = "study" };
    private readonly Option<bool> _acceptNewCode = new("--accept-new-code") { Description = "With --resume: go on although the program's own code has changed since" };
    private readonly StudyImportOptions _import = new();
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Check everything, show the study and its parameters, run nothing" };
    private readonly Option<string[]> _set = GlobalOptions.Set();
    private readonly Option<string[]> _require = GlobalOptions.Require();

    public static Command Create(Bind bind)
    {
        var sweep = new SweepCommand();
        var command = new Command("sweep", "Searches settings of a training spec: a study of many trials")
        {
            sweep._spec, sweep._out, sweep._resume, sweep._acceptNewCode, sweep._dryRun, sweep._set, sweep._require,
        };
        sweep._budget.AddTo(command);
        sweep._import.AddTo(command);
        bind(command, sweep.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(CommandInvocation invocation)
    {
        var (parse, console, app) = (invocation.Parse, invocation.Console, invocation.App);
        var violations = new ViolationCollector();
        var requirements = violations.Try(() => Requirement.ParseAll(parse.GetValue(_require) ?? []));
        var (spec, directory, id) = parse.GetValue(_resume) is { } study
            ? Resumed(study, parse, console, app, violations) : Begun(parse, console, app, violations);
        var imported = violations.Try(() => _import.Read(parse, parse.GetValue(_resume) is null ? spec : null, app, console.Error)) ?? [];
        if (spec is not null) foreach (var violation in LocalStudyNode.Violations(spec)) violations.Add(violation.Path, violation.Message);
        violations.ThrowIfAny();
        var runtimes = Hosts.Runtimes(app, Hosts.Data(console.Environment));
        if (parse.GetValue(_dryRun))
        {
            WriteDryRun(invocation, spec!, runtimes);
            return ExitCode.Done;
        }
        bool redraws = console.CanRedraw(onError: invocation.Json);
        var display = redraws
            ? new LiveStudyDisplay(LiveRunDisplay.Terminal(invocation.Out, console.Width, !console.NoColor), console.Time) : new StudyDisplay(invocation.Out);
        StudySummary summary;
        try
        {
            summary = await StudyRunner.RunAsync(new StudyPlan
            {
                Id = id!,
                Spec = spec!,
                App = app,
                Runtimes = runtimes,
                Directory = directory!,
                Imported = imported,
                Trials = parse.GetValue(_resume) is null ? null : _budget.Trials(parse),
                Parallel = parse.GetValue(_resume) is null ? null : _budget.Parallel(parse),
                AcceptsNewCode = parse.GetValue(_acceptNewCode),
                Display = display,
                Time = console.Time,
            }, invocation.Interrupt).ConfigureAwait(false);
        }
        finally
        {
            (display as IDisposable)?.Dispose();
        }
        invocation.Write(json => StudyJson.WriteSummary(json, summary), writer => StudyText.Write(writer, summary));
        if (summary.Status.End is null) return ExitCode.Interrupted;
        // failed, cancelled, or nothing to be had from it: as watch has it
        bool isDone = summary.Status is { HasFailed: false, End: not StudyStopReason.Cancelled, Front.IsEmpty: false };
        return isDone && Met(requirements!, summary, console.Error) ? ExitCode.Done : ExitCode.Failed;
    }

    private (StudySpec? Spec, StudyDirectory? Directory, string? Id) Begun(ParseResult parse, AppConsole console, DistOptAppDefinition app,
        ViolationCollector violations)
    {
        if (parse.GetValue(_acceptNewCode)) violations.Add("--accept-new-code", "is given without --resume: a new study begins with the code that there is; leave it away");
        if (parse.GetValue(_spec) is not { } file)
        {
            violations.Add("spec", "is missing: name a file with a training spec, study: and space:, or --resume a study");
            return default;
        }
        var spec = violations.Try(() => SpecFiles.Binder(app).ReadStudy(file, _budget.Settings(parse, parse.GetValue(_set) ?? [])));
        var directory = violations.Try(() => StudyDirectory.Plan(parse.GetValue(_out), spec?.Name ?? "study", Training.NewId(console.Time), console.StudiesRoot));
        return (spec, directory, directory?.Name);
    }

    private (StudySpec? Spec, StudyDirectory? Directory, string? Id) Resumed(string study, ParseResult parse, AppConsole console, DistOptAppDefinition app,
        ViolationCollector violations)
    {
        if (parse.GetValue(_spec) is { } file) violations.Add("spec", $"'{file}' is given beside --resume: a study is gone on with its own spec; leave it away");
        if (parse.GetValue(_out) is { } folder) violations.Add("--out", $"'{folder}' is given beside --resume: a study stays in its folder; leave it away");
        if (parse.GetValue(_set) is { Length: > 0 }) violations.Add("--set", "is given beside --resume: what a study searches is fixed; begin a new one for it");
        if (_import.IsGiven(parse))
            violations.Add("--import", "is given beside --resume: a study has the trials that it was given at its beginning; leave it away");
        _budget.Check(parse, violations);
        var directory = violations.Try(() => StudyDirectory.Find(study, console.StudiesRoot));
        var spec = directory is null ? null : violations.Try(() => directory.ReadSpec(SpecFiles.Binder(app)));
        return (spec, directory, directory is null ? null : violations.Try(() => StudyJournalFile.IdToResume(directory)));
    }

    /// <summary>The study as it would be kept, and below it, as comments, what a configuration in the middle of the space has.</summary>
    private static void WriteDryRun(CommandInvocation invocation, StudySpec spec, IJobRuntimeFactory runtimes)
    {
        using var runtime = Open(spec, runtimes);
        var (data, parameters) = (runtime.Data, runtime.Layout.ParameterCount);
        string yaml = StudySpecWriter.Write(spec);
        invocation.Write(
            json =>
            {
                json.WriteStartObject();
                json.WriteString("spec", yaml);
                json.WriteStartObject("data");
                json.WriteNumber("train", data.Train);
                json.WriteNumber("validation", data.Validation);
                json.WriteNumber("test", data.Test);
                json.WriteEndObject();
                json.WriteNumber("parameters", parameters);
                json.WriteEndObject();
            },
            writer =>
            {
                writer.Write(yaml);
                writer.WriteLine($"# data: {Format.Count(data.Train)} train, {Format.Count(data.Validation)} validation, {Format.Count(data.Test)} test");
                writer.WriteLine($"# a configuration in the middle of the space has {Format.Plural(parameters, "parameter")}");
            });
    }

    private static IJobRuntime Open(StudySpec spec, IJobRuntimeFactory runtimes)
    {
        try
        {
            return runtimes.Open(spec.Training);
        }
        catch (SpecException e)
        {
            throw spec.Blamed(e);
        }
    }

    /// <summary>On the test metrics of the best trial, or on an objective of it.</summary>
    private static bool Met(IReadOnlyList<Requirement> requirements, StudySummary summary, TextWriter error)
    {
        var metrics = summary.Spec.Study.Objectives.Select((o, i) => (Name: o.Metric, Value: summary.Status.Best?.Values[i]))
            .Where(m => m.Value is not null).ToDictionary(m => m.Name, m => m.Value!.Value);
        foreach (var (name, value) in summary.Test ?? new Dictionary<string, double>()) metrics[$"{RunJson.Name(DataSplit.Test)}.{name}"] = value;
        return Requirement.Met(requirements, metrics, error);
    }
}
