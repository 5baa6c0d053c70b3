using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>What is in a column.</summary>
public enum StudyColumnKind
{
    /// <summary><see cref="long"/>.</summary>
    Whole,

    /// <summary><see cref="double"/>.</summary>
    Real,

    /// <summary><see cref="bool"/>.</summary>
    Truth,

    /// <summary><see cref="string"/>.</summary>
    Text,

    /// <summary><see cref="DateTime"/>, UTC.</summary>
    Time,
}

/// <summary>A column of a study's table.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What is in it.</param>
/// <param name="Cells">One for each trial; null = the trial has none.</param>
public sealed record StudyColumn(string Name, StudyColumnKind Kind, ImmutableArray<object?> Cells);

/// <summary>
/// A study as a table with a row for each trial, for CSV and Parquet. Columns and states are named as Optuna's <c>trials_dataframe()</c> names them, which can
/// be read too: <c>number</c>, <c>state</c>, <c>value</c> (several objectives: <c>values_METRIC</c>), <c>params_NAME</c>,
/// <c>intermediate_values_STEP</c>, <c>constraints_NAME</c> (<c>constraints_I</c> where they have no names), <c>seconds</c>, <c>datetime_start</c> and
/// <c>datetime_complete</c> (UTC), <c>user_attrs_NAME</c>.
/// Choices that are not all numbers or all truth values stand in their column as in YAML: <c>relu</c>, <c>null</c>, <c>"1"</c>.
/// </summary>
public static class StudyTable
{
    private const string Value = "value", Values = "values_", Parameters = "params_", Intermediate = "intermediate_values_", Constraints = "constraints_";

    public static IReadOnlyList<StudyColumn> Of(ExchangedStudy study)
    {
        ArgumentNullException.ThrowIfNull(study);
        var trials = study.Trials;
        var columns = new List<StudyColumn>
        {
            Column("number", StudyColumnKind.Whole, t => (long)t.Number),
            Column("state", StudyColumnKind.Text, t => t.State.ToString().ToUpperInvariant()),
        };
        for (int i = 0; i < study.Directions.Length; i++)
        {
            int objective = i;
            string name = study.Directions.Length == 1 ? Value : Values + (study.Metrics.IsEmpty ? i.ToString(CultureInfo.InvariantCulture) : study.Metrics[i]);
            columns.Add(Column(name, StudyColumnKind.Real, t => objective < t.Values.Length ? t.Values[objective] : null));
        }
        columns.AddRange(ParameterColumns(trials));
        columns.AddRange(ReportColumns(trials));
        for (int i = 0; i < trials.Select(t => t.Constraints.Length).DefaultIfEmpty().Max(); i++)
        {
            int constraint = i;
            string name = i < study.Constraints.Length ? study.Constraints[i] : i.ToString(CultureInfo.InvariantCulture);
            columns.Add(Column(Constraints + name, StudyColumnKind.Real,
                t => constraint < t.Constraints.Length ? t.Constraints[constraint] : null));
        }
        columns.Add(Column("seconds", StudyColumnKind.Real, t => t.Seconds));
        columns.Add(Column("datetime_start", StudyColumnKind.Time, t => t.Started));
        columns.Add(Column("datetime_complete", StudyColumnKind.Time, t => t.Ended));
        foreach (string key in trials.SelectMany(t => t.Attributes).Select(a => a.Key).Distinct())
        {
            object?[] cells = [.. trials.Select(t => t.Attributes.FirstOrDefault(a => a.Key == key).Value)];
            columns.Add(Uniform("user_attrs_" + key, cells, OptunaJson.Text));
        }
        return columns;

        StudyColumn Column(string name, StudyColumnKind kind, Func<ExchangedTrial, object?> cell) => new(name, kind, [.. trials.Select(cell)]);
    }

    /// <summary>The study of a table.</summary>
    /// <param name="name">What it is to be called.</param>
    /// <param name="columns">Names of the columns.</param>
    /// <param name="rows">For each trial its cells in that order: null, or empty, where there is none; text is read where it is no value yet.</param>
    /// <param name="line">Tells the line of a row, from 0, for errors; null = there are no lines.</param>
    /// <exception cref="SpecException">It is none, or has cells that cannot be read: all of them.</exception>
    public static ExchangedStudy Read(string name, IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<object?>> rows, Func<int, int>? line = null)
    {
        ArgumentNullException.ThrowIfNull(columns);
        ArgumentNullException.ThrowIfNull(rows);
        int state = Find("state");
        int[] values = Find(Value) is >= 0 and var single ? [single] : Those(Values);
        int[] parameters = Those(Parameters);
        if (state < 0 || values.Length == 0 || parameters.Length == 0)
        {
            string lacking = state < 0 ? "state" : values.Length == 0 ? "value or values_METRIC" : "params_NAME";
            throw new SpecException(name, $"is no table of trials: it has no column {lacking}; "
                + "'distopt export' and Optuna's trials_dataframe() write such tables");
        }
        int number = Find("number");
        int[] constraints = Those(Constraints);
        var reports = Those(Intermediate).Select(c => (Column: c, Step: StepOf(c))).OrderBy(c => c.Step).ToList();
        var (violations, trials) = (new List<SpecViolation>(), new List<ExchangedTrial>());
        foreach (var row in rows)
        {
            int place = trials.Count;
            string? text = Text(row[state])?.Trim();
            var known = StateOf(text);
            if (known is null) Wrong(place, state, text, "a state: COMPLETE, PRUNED, FAIL, RUNNING or WAITING");
            trials.Add(new ExchangedTrial
            {
                Number = number < 0 ? place : (int)(Number(row, number, place) ?? place),
                State = known ?? ExchangedState.Fail,
                Values = [.. values.Select(v => Number(row, v, place)).OfType<double>()],
                Parameters = [.. parameters.Where(p => !IsNone(row[p])).Select(p => new ExchangedParameter(columns[p][Parameters.Length..], Scalar(row[p])))],
                Intermediate = [.. reports.Where(r => !IsNone(row[r.Column])).Select(r => new Report(r.Step, Number(row, r.Column, place) ?? double.NaN))],
                // one that is missing beside others is not known
                Constraints = constraints.All(c => IsNone(row[c])) ? [] : [.. constraints.Select(c => Number(row, c, place) ?? double.NaN)],
            });
        }
        if (violations.Count > 0) throw new SpecException(violations);
        return new ExchangedStudy
        {
            Name = name,
            Directions = [.. new Direction?[values.Length]],
            Metrics = values.Length == 1 ? [] : [.. Named(values.Select(v => columns[v][Values.Length..]))],
            Constraints = [.. Named(constraints.Select(c => columns[c][Constraints.Length..]))],
            Trials = [.. trials],
        };

        // numbers are no names
        static IEnumerable<string> Named(IEnumerable<string> names) => names.All(n => int.TryParse(n, CultureInfo.InvariantCulture, out _)) ? [] : names;

        int Find(string column)
        {
            for (int i = 0; i < columns.Count; i++)
                if (columns[i] == column) return i;
            return -1;
        }

        int[] Those(string prefix) =>
            [.. Enumerable.Range(0, columns.Count).Where(i => columns[i].Length > prefix.Length && columns[i].StartsWith(prefix, StringComparison.Ordinal))];

        long StepOf(int column) => long.TryParse(columns[column].AsSpan(Intermediate.Length), CultureInfo.InvariantCulture, out long step) ? step
            : throw new SpecException(name, $"has a column '{columns[column]}', whose name must end in a step, a whole number");

        double? Number(IReadOnlyList<object?> row, int column, int place)
        {
            if (IsNone(row[column])) return null;
            if (row[column] is not string text) return Convert.ToDouble(row[column], CultureInfo.InvariantCulture);
            if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)) return value;
            string sign = text.TrimStart('+', '-');
            if (sign.Equals("inf", StringComparison.OrdinalIgnoreCase)) return text[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
            Wrong(place, column, text, "a number");
            return null;
        }

        void Wrong(int place, int column, string? text, string wanted) =>
            violations.Add(new SpecViolation(name, $"column {columns[column]}: is '{text}', but must be {wanted}", line?.Invoke(place)));
    }

    /// <summary>A cell as text: what stands in CSV.</summary>
    public static string? Text(object? cell) => cell switch
    {
        null => null,
        string text => text,
        bool truth => truth ? "true" : "false",
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        DateTime time => time.ToString("yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture),
        _ => Convert.ToString(cell, CultureInfo.InvariantCulture),
    };

    private static ExchangedState? StateOf(string? text) => text?.ToUpperInvariant() switch
    {
        "COMPLETE" => ExchangedState.Complete,
        "PRUNED" => ExchangedState.Pruned,
        "FAIL" or "FAILED" => ExchangedState.Fail,
        "RUNNING" => ExchangedState.Running,
        "WAITING" => ExchangedState.Waiting,
        _ => null,
    };

    private static bool IsNone(object? cell) => cell is null or "" or DBNull;

    /// <summary>A value as YAML spells it.</summary>
    private static object? Scalar(object? cell)
    {
        if (cell is not string text) return cell is int whole ? (long)whole : cell;
        if (text[0] == '"' && SpecYaml.Parse(text, "", lines: false) is ScalarNode quoted) return quoted.Text;
        if (SpecScalars.IsNull(text)) return null;
        if (SpecScalars.IsBool(text, out bool truth)) return truth;
        if (SpecScalars.IsInteger(text, out var integer) && integer >= long.MinValue && integer <= long.MaxValue) return (long)integer;
        return SpecScalars.IsNumber(text, out double number) ? number : text;
    }

    private static IEnumerable<StudyColumn> ParameterColumns(ImmutableArray<ExchangedTrial> trials)
    {
        // by name, so that rows of other trials than the first have their place too
        var places = new Dictionary<string, int>();
        var (names, domains, cells) = (new List<string>(), new List<Domain?>(), new List<object?[]>());
        for (int row = 0; row < trials.Length; row++)
        {
            foreach (var parameter in trials[row].Parameters)
            {
                if (!places.TryGetValue(parameter.Name, out int place))
                {
                    places.Add(parameter.Name, place = names.Count);
                    names.Add(parameter.Name);
                    domains.Add(parameter.Domain);
                    cells.Add(new object?[trials.Length]);
                }
                cells[place][row] = parameter.Domain is NumericDomain || IsPlain(parameter.Domain) ? parameter.Value : Spelled(parameter.Value);
            }
        }
        for (int i = 0; i < names.Count; i++) yield return Uniform(Parameters + names[i], cells[i], c => Text(c)!, KindOf(domains[i]));
    }

    /// <summary>Whether all choices are numbers, or all truth values.</summary>
    private static bool IsPlain(Domain? domain) =>
        domain is ChoiceDomain { Choices: var choices } && (choices.All(c => c is long or double) || choices.All(c => c is bool));

    private static StudyColumnKind? KindOf(Domain? domain) => domain switch
    {
        FloatDomain => StudyColumnKind.Real,
        IntDomain => StudyColumnKind.Whole,
        ChoiceDomain { Choices: var choices } when IsPlain(domain) =>
            choices.All(c => c is bool) ? StudyColumnKind.Truth : choices.All(c => c is long) ? StudyColumnKind.Whole : StudyColumnKind.Real,
        _ => StudyColumnKind.Text,
    };

    private static string Spelled(object? value) => value switch
    {
        null => "null",
        string text => SpecYamlText.Text(text),
        double number => SpecScalars.Format(number),
        _ => Text(value)!,
    };

    private static IEnumerable<StudyColumn> ReportColumns(ImmutableArray<ExchangedTrial> trials)
    {
        var columns = new SortedDictionary<long, object?[]>();
        for (int row = 0; row < trials.Length; row++)
        {
            foreach (var (step, value) in trials[row].Intermediate)
            {
                if (!columns.TryGetValue(step, out object?[]? cells)) columns.Add(step, cells = new object?[trials.Length]);
                cells[row] = value;
            }
        }
        return columns.Select(c => new StudyColumn(FormattableString.Invariant($"{Intermediate}{c.Key}"), StudyColumnKind.Real, [.. c.Value]));
    }

    /// <summary>A column of one kind: that of its cells, or text where they differ.</summary>
    private static StudyColumn Uniform(string name, object?[] cells, Func<object?, string> text, StudyColumnKind? kind = null)
    {
        object?[] values = [.. cells.Select(c => c is int whole ? (long)whole : c)];
        var given = values.Where(v => v is not null).ToList();
        kind ??= given.All(v => v is bool) && given.Count > 0 ? StudyColumnKind.Truth : given.All(v => v is long) && given.Count > 0 ? StudyColumnKind.Whole
            : given.All(v => v is long or double) && given.Count > 0 ? StudyColumnKind.Real : StudyColumnKind.Text;
        return new StudyColumn(name, kind.Value, [.. values.Select(v => v is null ? null : kind switch
        {
            StudyColumnKind.Real => Convert.ToDouble(v, CultureInfo.InvariantCulture),
            StudyColumnKind.Text => v as string ?? text(v),
            _ => v,
        })]);
    }
}
