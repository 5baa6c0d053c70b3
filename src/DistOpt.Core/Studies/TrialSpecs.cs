using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Studies;

/// <summary>
/// The training specs of a study's trials: the values of a configuration are put into the training spec's tree at their paths, and the result is bound
/// as <c>train</c> binds a file. Where a searched plug-in is chosen, fields in the file that only other candidates have are left out.
/// </summary>
public sealed class TrialSpecs(SpecBinder binder, StudySpec study)
{
    private const string SeedPath = "seed";

    /// <summary>Seeds are below it, so that they are exact as numbers of JSON.</summary>
    private const int SeedBits = 53;

    private readonly bool _isSeedSearched = study.Space.Space.IndexOf(SeedPath) >= 0;

    /// <summary>What it makes specs of.</summary>
    public StudySpec Study => study;

    internal SpecBinder Binder => binder;

    /// <summary>The same for the study over another space.</summary>
    public TrialSpecs Over(StudySpec other) => new(binder, other);

    /// <summary>The resolved spec of a trial's run.</summary>
    /// <param name="number">The trial's.</param>
    /// <param name="values">Its configuration.</param>
    /// <param name="repeat">Which of <c>study.repeats</c>, from 0.</param>
    /// <exception cref="SpecException">The values do not go together (rules over several fields).</exception>
    /// <exception cref="ArgumentException">The values are no configuration of the space.</exception>
    public TrainingSpec Of(int number, ReadOnlySpan<double> values, int repeat = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(number);
        double[] configuration = [.. values];
        if (study.Space.Space.Check(configuration).FirstOrDefault() is { } wrong) throw new ArgumentException(wrong.ToString(), nameof(values));
        return Bind(configuration, _isSeedSearched ? null : Seed(number, repeat));
    }

    /// <summary>
    /// The random seed of a run: the first 53 bits of stream (study seed, <see cref="RandomPurpose.Trial"/>, number, repeat), whatever the parameters.
    /// </summary>
    public long Seed(int number, int repeat = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(repeat);
        return (long)(new CounterRandom(study.Seed, RandomPurpose.Trial, number, repeat).NextUInt64() >> (64 - SeedBits));
    }

    /// <summary>
    /// The text of <c>best.yaml</c>: the trial's training spec with every field, which <c>train</c> takes as it is, and as comments what was chosen. Of a
    /// trial that has copied others (pbt, pb2) it is the last part of what the trial did, and the comments say so.
    /// </summary>
    /// <param name="number">The trial's.</param>
    /// <param name="values">Its configuration.</param>
    /// <param name="results">Its value for each objective; empty = none known.</param>
    /// <param name="repeat">The run whose seed it has.</param>
    /// <param name="exploits">What it has copied of other trials, in that order.</param>
    public string BestYaml(int number, ReadOnlySpan<double> values, ReadOnlySpan<double> results = default, int repeat = 0,
        ImmutableArray<TrialExploit> exploits = default)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# Trial {number} of study {study.Name}");
        for (int i = 0; i < results.Length; i++)
            text.Append(i == 0 ? ": " : ", ").Append(CultureInfo.InvariantCulture, $"{study.Study.Objectives[i].Metric} {FieldRules.Display(results[i])}");
        if (study.Study.Repeats > 1 && results.Length > 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n# (means of {study.Study.Repeats} runs, of which this is the first; trials.jsonl has the values of each)");
        }
        if (exploits.IsDefaultOrEmpty) text.Append("\n# 'distopt train FILE' trains it. Chosen:\n");
        else AppendSchedule(text, exploits);
        for (int i = 0; i < values.Length; i++)
            if (!double.IsNaN(values[i])) text.Append(CultureInfo.InvariantCulture, $"#   {study.Space.Space.Parameters[i].Name}: {study.Space.Show(i, values[i])}\n");
        return text.Append(SpecWriter.Write(Of(number, values, repeat))).ToString();
    }

    private void AppendSchedule(StringBuilder text, ImmutableArray<TrialExploit> exploits)
    {
        string unit = study.Outline.Unit;
        text.Append("\n# It came to that on the weights of other trials, and its parameters changed on the way. 'distopt train FILE' trains those of its end from\n"
            + "# new weights, which is another run and comes to another value; the trained weights are in the study's folder, in best/. Its schedule:\n");
        foreach (var exploit in exploits)
            text.Append(CultureInfo.InvariantCulture, $"#   from trial {exploit.Donor} as it was at {unit} {exploit.Step}, with {exploit.Show(study.Outline)}\n");
        text.Append("# What those trials had done until then is in their own lines of trials.jsonl (exploits). At its end:\n");
    }

    internal TrainingSpec Bind(double[] values, long? seed) => binder.BindTraining(FieldsOf(values, seed)).Resolve();

    /// <summary>What can be bound of it, with what is wrong.</summary>
    /// <param name="values">A configuration.</param>
    /// <param name="seed">Null: the configuration's.</param>
    /// <param name="found">Takes what is wrong.</param>
    /// <param name="hides">Paths of which nothing is known: no rule that reads them is asked.</param>
    internal TrainingSpec Read(double[] values, long? seed, Violations found, Func<string, bool> hides)
    {
        var spec = binder.ReadTraining(FieldsOf(values, seed), found, hides);
        return found.Any ? spec : spec.Resolve();
    }

    private MappingNode FieldsOf(double[] values, long? seed)
    {
        var fields = SectionFields.KeepChosen(study.Fields, study.Space.Sections, values, binder.Catalogs);
        fields = new SpecOverrides(binder.Catalogs, new Violations()).Apply(fields, RecordShape.Of(typeof(TrainingSpec)), study.Space.Settings(values));
        if (seed is { } given) fields = fields.With(SeedPath, new ScalarNode(given.ToString(CultureInfo.InvariantCulture), plain: true));
        return fields;
    }
}
