using System.Globalization;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Plots;

/// <summary>The panels of one or more runs: loss, every metric, learning rate, batch size; noise scale and AdaScale's gain where they were measured.</summary>
internal sealed class RunFigure(IReadOnlyList<RunCurves> runs, bool byEpoch, bool logLoss)
{
    private const string LearningRate = "learning_rate", BatchSize = "batch_size", NoiseScale = "noise_scale", Gain = "adascale_gain";

    /// <summary>A learning rate that covers more than a decade is drawn on a logarithmic axis.</summary>
    private const double Decade = 10;

    /// <summary>Of which so much is shown: a schedule that ends near 0 would fill the panel with its last steps.</summary>
    private const double ShownDecades = 1e-4;

    private const int SelectedColor = 7;

    private readonly Func<double, double>[] _epochsAt = [.. runs.Select(r => r.EpochsAt())];

    /// <summary>What can be drawn, in order.</summary>
    public IReadOnlyList<string> Names { get; } =
        [.. runs.SelectMany(r => r.Metrics).Distinct().OrderBy(n => n == MetricSums.Loss ? 0 : 1), LearningRate, BatchSize,
            .. runs.Any(r => r.Rows.Any(row => row.NoiseScale is not null)) ? [NoiseScale] : Array.Empty<string>(),
            .. runs.Any(r => r.Rows.Any(row => row.AdascaleGain is not null)) ? [Gain] : Array.Empty<string>()];

    /// <exception cref="SpecException">A name is none of <see cref="Names"/>.</exception>
    public IReadOnlyList<PlotPanel> Panels(IReadOnlyList<string>? names)
    {
        foreach (string name in names ?? [])
        {
            if (!Names.Contains(name))
                throw new SpecException("--panels", $"'{name}' is not in the metrics of the {(runs.Count == 1 ? "run" : "runs")}. Available: {string.Join(", ", Names)}");
        }
        return [.. (names ?? Names).Select((name, i) => Panel(name, isFirst: i == 0))];
    }

    private PlotPanel Panel(string name, bool isFirst)
    {
        List<PlotSeries> series = [];
        for (int i = 0; i < runs.Count; i++) series.AddRange(IsSetting(name) ? [Setting(i, name, isFirst)] : Metric(i, name, isFirst));
        double[] positive = [.. series.SelectMany(s => s.Y).Where(v => v > 0 && double.IsFinite(v))];
        bool spans = name is LearningRate or NoiseScale && positive.Length > 0 && positive.Max() >= Decade * positive.Min();
        bool falls = name == MetricSums.Loss || TrainingSpecRules.UsualDirection(name) == Direction.Minimize;
        return new PlotPanel(byEpoch ? "epoch" : "step", Label(name), series)
        {
            YMin = spans ? positive.Max() * ShownDecades : null,
            IsLogY = spans || (name == MetricSums.Loss && logLoss),
            LegendPlace = falls || IsSetting(name) ? LegendPlace.UpperRight : LegendPlace.LowerRight,
            Marks = IsSetting(name) ? [] : [.. Enumerable.Range(0, runs.Count).Select(i => Mark(i, name, isFirst)).OfType<PlotMark>()],
        };
    }

    private static bool IsSetting(string name) => name is LearningRate or BatchSize or NoiseScale or Gain;

    private PlotSeries Setting(int run, string name, bool isFirst)
    {
        var (x, y) = name switch
        {
            LearningRate => runs[run].Curve(DataSplit.Train, r => r.LearningRate),
            NoiseScale => runs[run].Curve(DataSplit.Train, r => r.NoiseScale),
            Gain => runs[run].Curve(DataSplit.Train, r => r.AdascaleGain),
            _ => runs[run].BatchSizes(),
        };
        return new PlotSeries(runs.Count > 1 && isFirst ? runs[run].Name : null, X(run, x), y) { Color = run, IsStaircase = name == BatchSize };
    }

    private IEnumerable<PlotSeries> Metric(int run, string name, bool isFirst)
    {
        bool isOverlaid = runs.Count > 1;
        var train = runs[run].Curve(DataSplit.Train, r => r.Get(name));
        var validation = runs[run].Curve(DataSplit.Validation, r => r.Get(name));
        bool hasValidation = validation.Steps.Length > 0;
        // one legend is enough for several runs, whose colors are the same in every panel
        string? Named(string part, bool isMain) => isOverlaid ? isFirst && isMain ? runs[run].Name : null : part;
        if (train.Steps.Length > 0)
        {
            yield return new PlotSeries(Named("train", !hasValidation), X(run, train.Steps), train.Values)
            {
                Color = isOverlaid ? run : 0,
                IsFaint = isOverlaid && hasValidation,
            };
        }
        if (hasValidation)
            yield return new PlotSeries(Named("validation", true), X(run, validation.Steps), validation.Values) { Color = isOverlaid ? run : 1 };
    }

    private PlotMark? Mark(int run, string name, bool isFirst)
    {
        if (runs[run].Selected is not { } step) return null;
        var row = runs[run].Rows.FirstOrDefault(r => r.Split == DataSplit.Validation && r.Step == step);
        if (row?.Get(name) is not { } value) return null;
        string? text = runs.Count == 1 ? string.Create(CultureInfo.InvariantCulture, $"selected (step {step:#,0})")
            : isFirst && run == runs.Count - 1 ? "selected" : null;
        return new PlotMark(text, X(run, [step])[0], value, runs.Count == 1 ? SelectedColor : run);
    }

    private double[] X(int run, double[] steps) => byEpoch ? [.. steps.Select(_epochsAt[run])] : steps;

    private string Label(string name) => name switch
    {
        LearningRate => "learning rate",
        BatchSize => "batch size (samples)",
        NoiseScale => "noise scale (samples)",
        Gain => "AdaScale gain",
        _ when runs.Count > 1 && runs.Any(r => r.Rows.Any(row => row.Split == DataSplit.Validation && row.Get(name) is not null))
            && runs.Any(r => r.Rows.Any(row => row.Split == DataSplit.Train && row.Get(name) is not null)) => $"{Spoken(name)} (pale: training)",
        _ => Spoken(name),
    };

    private static string Spoken(string name) => name.Replace('_', ' ');
}
