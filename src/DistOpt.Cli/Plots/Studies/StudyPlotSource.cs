using System.Globalization;
using DistOpt.Core.Importance;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Plots;

/// <summary>What pictures of a study are made from.</summary>
internal sealed class StudyPlotSource
{
    private readonly string[] _shortNames;

    /// <param name="study">The study.</param>
    /// <param name="parameters">Names of the parameters to show; empty = all that are searched.</param>
    /// <param name="metric">The objective to show where a picture shows one; null = the first one.</param>
    /// <exception cref="SpecException">A name that the study does not have.</exception>
    public StudyPlotSource(StudyReading study, IReadOnlyList<string> parameters, string? metric)
    {
        (Study, Trials) = (study, study.All);
        var violations = new List<SpecViolation>();
        int[] chosen = ChosenParameters.Of(Outline, parameters, violations);
        string[] metrics = [.. Outline.Objectives.Select(o => o.Metric)];
        int objective = metric is null ? 0 : Array.IndexOf(metrics, metric);
        if (objective < 0) violations.Add(new SpecViolation("--metric", $"'{metric}' is no objective of the study. Available: {string.Join(", ", metrics)}"));
        if (violations.Count > 0) throw new SpecException(violations);
        Objectives = metric is null ? [.. Enumerable.Range(0, metrics.Length)] : [objective];
        Compared = ComparedTrials.Of(Outline, Trials, objective);
        _shortNames = ShortNames([.. Outline.Space.Parameters.Select(p => p.Name)]);
        if (Unexplained is null)
        {
            Explanation = StudyExplanation.Of(Compared, chosen, Outline.Seed);
            Parameters = [.. Explanation.Parameters.Select(p => p.Parameter)];
        }
        else Parameters = chosen;
    }

    public StudyReading Study { get; }

    public StudyOutline Outline => Study.Outline;

    /// <summary>Those that have ended, and where they are known the others as far as they have come; by number.</summary>
    public IReadOnlyList<TrialRecord> Trials { get; }

    /// <summary>Indices of the objectives to show where a picture has a panel for each.</summary>
    public int[] Objectives { get; }

    /// <summary>Trials that can be compared by the first of the objectives.</summary>
    public ComparedTrials Compared { get; }

    /// <summary>Parameters to show, those that matter most first where that is known.</summary>
    public int[] Parameters { get; }

    /// <summary>Of <see cref="Compared"/>; null where there is <see cref="Unexplained"/>.</summary>
    public ObjectiveExplanation? Explanation { get; }

    /// <summary>Why nothing can be said of what mattered; null = it can.</summary>
    public string? Unexplained => Compared.Trials.Length < 2 ? "needs two trials that have ended with a value"
        : Compared.Trials.All(t => t.Value == Compared.Trials[0].Value) ? $"all trials have the same {Compared.Metric}" : null;

    /// <summary>The name of what trials are compared by, as an axis has it.</summary>
    public string ValueLabel => Compared.Step is { } step ? $"{Compared.Metric} at {Unit} {Format.Count(step)}" : Compared.Metric;

    /// <summary>What reports count: epoch, step, sample or second.</summary>
    public string Unit => Outline.Unit;

    /// <summary>The last parts of a parameter's path, as many as tell it from the others and are not too short to be understood.</summary>
    public string ShortName(int parameter) => _shortNames[parameter];

    public Domain Domain(int parameter) => Outline.Space.Parameters[parameter].Domain;

    /// <summary>Whether an axis of the parameter is logarithmic.</summary>
    public bool IsLog(int parameter) => Domain(parameter) is NumericDomain { Log: true };

    /// <summary>Names of choices where they are; empty for numbers.</summary>
    public IReadOnlyList<PlotTick> Ticks(int parameter) => Domain(parameter) is ChoiceDomain choices
        ? [.. Enumerable.Range(0, choices.Choices.Length).Select(i => new PlotTick(i, Shown(parameter, i)))] : [];

    public string Shown(int parameter, double value) => ParametersText.Short(Outline, parameter, value);

    /// <summary>Where the value is better.</summary>
    public bool IsBetter(double value, double than, int objective) =>
        Outline.Objectives[objective].Direction == Direction.Maximize ? value > than : value < than;

    /// <summary>
    /// Whether values above 0 spread so far that only a logarithmic axis shows the smaller ones: to twenty times the median and more, or, where less is
    /// better, down to a twentieth of it.
    /// </summary>
    public static bool Spreads(IEnumerable<double> values, Direction direction)
    {
        double[] sorted = [.. values.Where(double.IsFinite).Order()];
        if (sorted.Length == 0 || sorted[0] <= 0) return false;
        double median = sorted[sorted.Length / 2];
        return sorted[^1] > 20 * median || (direction == Direction.Minimize && median > 20 * sorted[0]);
    }

    /// <summary>A place beside an integer, the same for the same trial, so that points of one choice do not lie upon each other.</summary>
    public static double Beside(double at, int trial) => at + 0.5 * (trial * 0.6180339887498949 % 1 - 0.5);

    internal static string[] ShortNames(string[] names)
    {
        // size, kind, length ... of what?
        const int Least = 7;
        return [.. names.Select(name =>
        {
            string[] parts = name.Split('.');
            for (int from = parts.Length - 1; from > 0; from--)
            {
                string last = string.Join('.', parts[from..]);
                if (last.Length >= Least && names.Count(n => n == last || n.EndsWith("." + last, StringComparison.Ordinal)) == 1) return last;
            }
            return name;
        })];
    }

    internal static string Number(double value) => value.ToString("G3", CultureInfo.InvariantCulture);
}
