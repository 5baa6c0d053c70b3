using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Specs.Binding;

/// <summary>
/// Binds the training specs of a few configurations before any is tried: one in the middle of the space, and for each parameter those in which it
/// stands at its ends, or is each of its choices, and the others are as in the middle. So rules over several fields are asked where they are likely
/// to break.
/// </summary>
/// <param name="binder">Binds them.</param>
/// <param name="study">Its space, and the training spec's tree.</param>
/// <param name="violations">Takes what is wrong.</param>
/// <param name="sound">What is known of the space.</param>
internal sealed class StudyProbes(SpecBinder binder, StudySpec study, Violations violations, SoundSpace sound)
{
    /// <summary>Choices of one parameter that are tried.</summary>
    private const int ChoicesMax = 200;

    /// <summary>Random configurations among which one is looked for that keeps to the constraints.</summary>
    private const int Drawn = 10_000;

    private readonly SearchSpace _space = study.Space.Space;
    private readonly TrialSpecs _trials = new(binder, study);
    private readonly HashSet<(string, string)> _known = [];
    private readonly CopiedStates? _states = study.Study.TrialScheduler.Options is PopulationOptions ? new(binder.Catalogs, study) : null;

    /// <summary>The configuration in the middle with its training spec, or what there is of that beside violations.</summary>
    public (double[] Values, TrainingSpec Training, bool IsSound) Run()
    {
        var (middle, isPossible) = Middle();
        var (training, isSound) = Bind(middle, (path, message, line) =>
        {
            if (SearchedFrom(path) is { } searched) violations.Add("space." + searched, $"in the middle of the space, {Shown(middle)}: {path} {message}");
            else violations.Add(path, message, line);
        });
        for (int i = 0; i < _space.Count; i++)
        {
            string place = "space." + _space.Parameters[i].Name;
            var states = new List<(double Value, string State)>();
            foreach (double value in Values(_space.Parameters[i].Domain))
            {
                double[] values = Around(i, value);
                if (!Holds(values)) continue;
                string shown = $"where it is {study.Space.Show(i, value)}: ";
                var (bound, isBound) = Bind(values, (path, message, _) => violations.Add(place, $"{shown}{path} {message}"));
                if (isBound && _states is not null) states.Add((value, _states.Of(bound)));
            }
            if (_states is null) continue;
            if (Zero(_space.Parameters[i].Domain) is { } zero && Quietly(Around(i, zero)) is { } atZero) states.Add((zero, _states.Of(atZero)));
            if (_states.Problem(i, states) is { } problem) violations.Add(place, problem);
        }
        return (middle, training, isPossible && isSound);
    }

    /// <summary>In the middle; where that breaks a constraint, the first random configuration that does not.</summary>
    private (double[] Values, bool IsPossible) Middle()
    {
        double[] values = Around(-1, 0);
        for (int i = 0; !Holds(values); i++)
        {
            if (i == Drawn)
            {
                violations.Add("study.constraints", $"leave no configuration: {Drawn} random ones all break one; widen them, or the space");
                return (Around(-1, 0), false);
            }
            var random = new CounterRandom(study.Seed, RandomPurpose.Search, i);
            RandomSampler.Fill(_space, ref random, values);
        }
        return (values, true);
    }

    private (TrainingSpec Training, bool IsSound) Bind(double[] values, Action<string, string, int?> report)
    {
        var found = new Violations();
        var training = _trials.Read(values, study.Seed, found, sound.Hides);
        if (!found.Any) return (training, true);
        // what is wrong in many configurations is told of the first
        foreach (var (path, message, line) in found.Thrown().Violations)
            if (!sound.Hides(path) && _known.Add((path, message))) report(study.Blamed(path), message, line);
        return (training, false);
    }

    /// <summary>A configuration in which a parameter has a value, those that it hangs on are as that wants, and all others in the middle.</summary>
    private double[] Around(int index, double value)
    {
        double[] values = new double[_space.Count];
        Array.Fill(values, double.NaN);
        var required = index < 0 ? [] : _space.Required(index);
        for (int i = 0; i < values.Length; i++)
        {
            if (!_space.IsActive(i, values)) continue;
            var domain = _space.Parameters[i].Domain;
            values[i] = i == index ? value
                : required.TryGetValue(i, out var when) && when.First(domain) is { } first ? first
                : domain is ChoiceDomain ? 0 : domain.FromUnit(0.5);
        }
        return values;
    }

    /// <summary>The field at or around a path that is searched; null = none is.</summary>
    private string? SearchedFrom(string path)
    {
        foreach (string field in study.Space.Paths)
            if (path.StartsWith(field, StringComparison.Ordinal) && (path.Length == field.Length || path[field.Length] is '.' or '[')) return field;
        return null;
    }

    private string Shown(double[] values)
    {
        string[] all = [.. Enumerable.Range(0, values.Length).Where(i => !double.IsNaN(values[i])).Select(i => $"{_space.Parameters[i].Name} {study.Space.Show(i, values[i])}")];
        return string.Join(", ", all.Take(8)) + (all.Length > 8 ? ", ..." : "");
    }

    private static IEnumerable<double> Values(Domain domain) => domain switch
    {
        NumericDomain numbers => new[] { numbers.Low, numbers.Last }.Distinct(),
        _ => Enumerable.Range(0, (int)Math.Min(domain.Count!.Value, ChoicesMax)).Select(i => (double)i),
    };

    /// <summary>0, where a range has it between its ends: what is multiplied by it is not there.</summary>
    private static double? Zero(Domain domain) => domain is NumericDomain { Low: < 0, Last: > 0 } numbers && numbers.Contains(0) ? 0 : null;

    private TrainingSpec? Quietly(double[] values)
    {
        var found = new Violations();
        var training = Holds(values) ? _trials.Read(values, study.Seed, found, sound.Hides) : null;
        return found.Any ? null : training;
    }

    private bool Holds(double[] values) => study.Constraints.All(c => c.Holds(values));
}
