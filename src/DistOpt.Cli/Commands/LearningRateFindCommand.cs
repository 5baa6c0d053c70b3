using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Runs;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Plots;

namespace DistOpt;

/// <summary><c>lr-find SPEC</c>: a short run over which the learning rate grows, and the rate that it suggests.</summary>
internal sealed class LearningRateFindCommand
{
    private const int StepsMin = 20, ShownRows = 10;

    private readonly Argument<string?> _spec = new("spec") { Description = "A training spec, which is left as it is; without it the digits MLP", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<double> _from = new("--from") { Description = "First rate", HelpName = "rate", DefaultValueFactory = _ => 1e-7 };
    private readonly Option<double> _to = new("--to") { Description = "Last rate", HelpName = "rate", DefaultValueFactory = _ => 10 };
    private readonly Option<int> _steps = new("--steps") { Description = "Steps from the first rate to the last", HelpName = "n", DefaultValueFactory = _ => 100 };
    private readonly Option<string> _out = new("--out") { Description = "Folder for table and picture; default: runs/<name>-lr-find-<id>", HelpName = "folder" };
    private readonly Option<string> _workers = new("--workers") { Description = "Worker actors (training.workers)", HelpName = "n" };
    private readonly Option<string[]> _set = GlobalOptions.Set();

    public static Command Create(Bind bind)
    {
        var find = new LearningRateFindCommand();
        var command = new Command("lr-find", "Suggests a learning rate: trains while the rate grows until the loss explodes")
        {
            find._spec, find._from, find._to, find._steps, find._out, find._workers, find._set,
        };
        bind(command, find.RunAsync);
        return command;
    }

    /// <summary>
    /// The spec of the sweep: the same model, data, optimizer and batch (where its size varies, the one that it begins with); an exponential
    /// schedule instead of the spec's own; a row for every step; no evaluation and no end, since the sweep ends the run.
    /// </summary>
    internal static TrainingSpec SweepSpec(TrainingSpec spec, double from, double factor, DistOptAppDefinition app) => SpecFiles.Binder(app).Check(
        spec with
        {
            Batch = BatchOf(spec.Batch),
            Optimizer = OptimizerOf(spec.Optimizer, from),
            Schedule = new ScheduleSpec { Kind = "exponential", Options = new ExponentialScheduleOptions { Gamma = factor, Unit = ScheduleUnit.Steps } },
            // it may have a rate of its own
            Averaging = new PluginSpec("none"),
            Training = spec.Training with { Epochs = 1_000_000, LogEverySteps = 1 },
            Evaluate = spec.Evaluate with { EveryEpochs = null, EverySteps = null },
            Stop = new StopSection(),
            Checkpoint = new CheckpointSection { Auto = false },
            Storage = new StorageSection(),
        },
        [$"optimizer.learning_rate={from.ToString("0.0###############e-0", CultureInfo.InvariantCulture)}"]).Resolve();

    /// <summary>What of an optimizer has a rate of its own keeps its ratio to the one that is tried.</summary>
    private static OptimizerSpec OptimizerOf(OptimizerSpec optimizer, double from) => optimizer.Options is MuonOptions muon
        ? optimizer with { Options = muon with { AdamwLearningRate = muon.AdamwLearningRate / muon.LearningRate * from } } : optimizer;

    /// <summary>A batch of one size, by which no rate is scaled: one rate is tried in each step.</summary>
    private static BatchSpec BatchOf(BatchSpec batch)
    {
        var strategy = BatchCatalog.Default.Get(batch.Kind)(batch.Options!);
        return strategy.Varies ? new BatchSpec("fixed", new FixedBatchOptions { Size = strategy.Nominal(long.MaxValue) })
            : new BatchSpec(batch.Kind, batch.Options);
    }

    private async Task<int> RunAsync(CommandInvocation invocation)
    {
        var (parse, console, app) = (invocation.Parse, invocation.Console, invocation.App);
        var (from, to, steps) = (parse.GetValue(_from), parse.GetValue(_to), parse.GetValue(_steps));
        var violations = new ViolationCollector();
        if (!(from > 0)) violations.Add("--from", $"is {from}, but must be above 0");
        if (!(to > from) || !double.IsFinite(to)) violations.Add("--to", $"is {to}, but must be above {from}, the first rate");
        if (steps < StepsMin) violations.Add("--steps", $"is {steps}, but must be at least {StepsMin}");
        var settings = TrainCommand.Settings(parse.GetValue(_set), parse.GetValue(_workers), null);
        var spec = violations.Try(() => SpecFiles.Read(parse.GetValue(_spec), settings, app));
        // a fold is as good as another for it
        if (spec is { Data: { Folds: not null, Fold: null } }) spec = FoldsRunner.SpecOf(spec, 0);
        string id = Training.NewId(console.Time);
        var place = violations.Try(() => RunDirectory.Plan(parse.GetValue(_out), $"{spec?.Name ?? "run"}-lr-find", id, console.RunsRoot));
        violations.ThrowIfAny();

        var sweep = new LearningRateSweep();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(invocation.Interrupt);
        var observer = new SweepObserver(sweep, steps, end.Cancel, console.Error);
        try
        {
            await TrainingRunner.RunAsync(new RunPlan
            {
                Job = $"{spec!.Name}-lr-find-{id}",
                Spec = SweepSpec(spec, from, LearningRateSweep.Factor(from, to, steps), app),
                App = app,
                Runtimes = Hosts.Runtimes(app, Hosts.Data(console.Environment)),
                Host = Hosts.For(app, processes: 1),
                Observers = [observer],
                CapturesConsole = console.CapturesSystemConsole,
                Time = console.Time,
            }, end.Token).ConfigureAwait(false);
        }
        catch (TrainingFailedException e) when (observer.IsDone || e.Summary.StopReason == StopReason.Diverged)
        {
            // that a rate far too high makes the loss explode is what the sweep waits for
            sweep.Diverge();
        }
        if (invocation.Interrupt.IsCancellationRequested) return ExitCode.Interrupted;
        if (!observer.IsDone)
            throw new CommandException(ExitCode.Failed, $"the run ended after {sweep.Points.Count} of {Format.Plural(steps, "step")}");
        return Report(invocation, spec!, sweep, place!.Path);
    }

    private static int Report(CommandInvocation invocation, TrainingSpec spec, LearningRateSweep sweep, string folder)
    {
        var suggestion = sweep.Suggestion();
        string? rate = suggestion is null ? null : Rounded(suggestion.LearningRate);
        Directory.CreateDirectory(folder);
        string csv = Path.Combine(folder, "lr-find.csv"), png = Path.Combine(folder, "lr-find.png"), svg = Path.Combine(folder, "lr-find.svg");
        File.WriteAllText(csv, Csv(sweep));
        PlotPanel[] panels = [SweepFigure.Panel(sweep, suggestion, rate)];
        File.WriteAllBytes(png, Figure.Draw(panels, PlotFormat.Png));
        File.WriteAllBytes(svg, Figure.Draw(panels, PlotFormat.Svg));
        string? line = rate is null ? null : Line(spec, rate, invocation.App);
        invocation.Write(json => WriteJson(json, sweep, rate, line, [csv, png, svg]), writer => WriteText(writer, sweep, rate, line, [csv, png, svg]));
        if (suggestion is not null) return ExitCode.Done;
        invocation.Console.Error.WriteLine("error: the loss fell nowhere, so no rate can be suggested; try --from and --to further apart, or more --steps");
        return ExitCode.Failed;
    }

    /// <summary>The optimizer with the rate that is suggested: what else the spec says of it stays.</summary>
    private static string Line(TrainingSpec spec, string rate, DistOptAppDefinition app)
    {
        double number = double.Parse(rate, CultureInfo.InvariantCulture);
        var found = SpecFiles.Binder(app).Check(spec with { Optimizer = OptimizerOf(spec.Optimizer, number) }, [$"optimizer.learning_rate={rate}"]);
        return $"optimizer: {SpecWriter.Plugin(found, "optimizer", "learning_rate")}";
    }

    /// <summary>Two significant digits: the sweep does not tell more.</summary>
    internal static string Rounded(double rate) => rate.ToString("0.0e-0", CultureInfo.InvariantCulture);

    private static string Csv(LearningRateSweep sweep)
    {
        var text = new StringBuilder("step,learning_rate,loss,smoothed_loss\n");
        foreach (var p in sweep.Curve()) text.Append(CultureInfo.InvariantCulture, $"{p.Step},{p.LearningRate:R},{p.Loss:R},{p.Smoothed:R}\n");
        return text.ToString();
    }

    private static void WriteText(TextWriter writer, LearningRateSweep sweep, string? rate, string? line, string[] files)
    {
        int every = Math.Max(1, sweep.Points.Count / ShownRows);
        var rows = new List<IReadOnlyList<string>> { (string[])["step", "learning rate", "loss", "smoothed"] };
        foreach (var p in sweep.Curve().Where((_, i) => i % every == 0 || i == sweep.Points.Count - 1))
        {
            rows.Add([p.Step.ToString(CultureInfo.InvariantCulture), p.LearningRate.ToString("0.00e-0", CultureInfo.InvariantCulture), Format.Metric(p.Loss),
                Format.Metric(p.Smoothed)]);
        }
        foreach (string row in Format.Table(rows)) writer.WriteLine(row);
        writer.WriteLine(sweep.HasDiverged ? $"the loss exploded after {Format.Plural(sweep.Points.Count, "step")}" : "the loss did not explode up to the last rate");
        if (line is not null)
        {
            writer.WriteLine($"suggestion, where the loss fell fastest: {rate}. For the spec:");
            writer.WriteLine("  " + line);
        }
        foreach (string file in files) writer.WriteLine($"written: {file}");
    }

    private static void WriteJson(Utf8JsonWriter json, LearningRateSweep sweep, string? rate, string? line, string[] files)
    {
        json.WriteStartObject();
        if (rate is null) json.WriteNull("suggestion");
        else json.WriteNumber("suggestion", double.Parse(rate, CultureInfo.InvariantCulture));
        json.WriteString("spec", line);
        json.WriteBoolean("diverged", sweep.HasDiverged);
        json.WriteStartArray("points");
        foreach (var point in sweep.Curve())
        {
            json.WriteStartObject();
            json.WriteNumber("step", point.Step);
            RunJson.WriteValue(json, "learning_rate", point.LearningRate);
            RunJson.WriteValue(json, "loss", point.Loss);
            RunJson.WriteValue(json, "smoothed_loss", point.Smoothed);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("files");
        foreach (string file in files) json.WriteStringValue(file);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
