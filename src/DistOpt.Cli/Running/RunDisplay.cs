using System.Globalization;
using DistOpt.Core.Functions;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>
/// What a person sees of a run: one line for each evaluation. This plain form is for pipes and files; <see cref="LiveRunDisplay"/> adds a
/// line that redraws itself.
/// </summary>
internal class RunDisplay(TextWriter writer) : IRunSink
{
    private MetricRow? _train;
    private bool _evaluates;
    private FunctionTable? _function;

    protected RunStarted? Run { get; private set; }

    public virtual void Started(RunStarted run)
    {
        Run = run;
        _evaluates = run.Data.Validation > 0 && run.Spec.Evaluate is not { EveryEpochs: null, EverySteps: null };
        var (spec, training) = (run.Spec, run.Spec.Training);
        if (spec.Model.Options is FunctionOptions function) _function = new FunctionTable(function, run.TotalSteps, WriteLine);
        string what = _function is not null ? Format.Plural(run.Layout.ParameterCount, "variable") : Format.Plural(run.Layout.ParameterCount, "parameter");
        string data = _function is not null ? "" : string.Create(CultureInfo.InvariantCulture,
            $", data {spec.Data.Kind} ({run.Data.Train} train, {run.Data.Validation} validation, {run.Data.Test} test)");
        WriteLine($"{run.Job}: model {spec.Model.Kind} ({what}){data}");
        WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Format.Plural(training.Workers, "worker")}, {Format.Plural(training.Servers, "server")}, {Format.Plural(training.GradientShards ?? 0, "gradient shard")}, optimizer {spec.Optimizer.Kind}, {(run.TotalIsExact ? "" : "about ")}{Format.Plural(run.TotalSteps, "step")}, seed {spec.Seed}"));
        foreach (string warning in run.Warnings) WriteLine("warning: " + warning);
        _function?.Header();
    }

    public virtual void Progress(RunProgress progress) { }

    public void Row(MetricRow row)
    {
        if (_function is not null)
        {
            _function.Row(row);
            return;
        }
        if (row.Split == DataSplit.Train)
        {
            _train = row;
            if (_evaluates) return; // told with the evaluation that belongs to it
            WriteLine(Line(row, Format.Metrics(row.Metrics, "train.")));
            return;
        }
        if (row.Split == DataSplit.Test)
        {
            WriteLine(string.Create(CultureInfo.InvariantCulture, $"test of step {row.Step}: {Format.Metrics(row.Metrics)}"));
            return;
        }
        var parts = new List<string>();
        if (_train is { } train) parts.Add($"train.loss {Format.Metric(train.Get("loss") ?? double.NaN)}");
        parts.Add(Format.Metrics(row.Metrics, "validation."));
        WriteLine(Line(row, string.Join("  ", parts)));
    }

    /// <summary>User code's own lines; the job's warnings at the start are shown already.</summary>
    public void Log(LogLine line)
    {
        if (line is { Source: "distopt", Seconds: 0 } or { Level: "debug" }) return;
        WriteLine(line.Source is "stdout" or "stderr" ? line.Text : $"{line.Level}: {line.Text}");
    }

    public void Weights(RunWeights weights) { }

    public virtual void Ended(RunSummary summary) { }

    protected virtual void WriteLine(string text) => writer.WriteLine(text);

    /// <summary>Steps of the run, marked where they are an estimate.</summary>
    protected string Total => Run is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{(Run.TotalIsExact ? "" : "~")}{Run.TotalSteps}");

    private string Line(MetricRow row, string metrics)
    {
        string speed = (row.SamplesPerSecond ?? _train?.SamplesPerSecond) is { } s ? $"  {Format.Count(s)} samples/s" : "";
        string batch = _train is { BatchReason: not null, BatchSize: { } size } ? $"  batch {size}" : "";
        int width = Run is null ? 1 : Run.TotalSteps.ToString(CultureInfo.InvariantCulture).Length;
        return string.Create(CultureInfo.InvariantCulture,
            $"step {row.Step.ToString(CultureInfo.InvariantCulture).PadLeft(width)}/{Total}  epoch {row.Epoch}  {metrics}{batch}{speed}");
    }
}
