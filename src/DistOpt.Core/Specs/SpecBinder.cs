using DistOpt.Core.Batching;
using DistOpt.Core.Functions;
using DistOpt.Core.Optimizers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Specs;

/// <summary>
/// Turns YAML text into the records of a spec. All that is wrong is reported at once: unknown fields with the nearest known one, wrong
/// types, values out of range, unknown plug-ins, rules over several fields; each with its path and line.
/// </summary>
public sealed class SpecBinder
{
    /// <param name="catalogs">What the plug-in fields refer to.</param>
    /// <exception cref="ArgumentException">An options record cannot hold fields of a spec; the text names entry and property.</exception>
    public SpecBinder(SpecCatalogs catalogs)
    {
        ArgumentNullException.ThrowIfNull(catalogs);
        Catalogs = catalogs;
        ShapeChecks.Check(catalogs, typeof(TrainingSpec));
        ShapeChecks.Check(catalogs, typeof(StudySection));
    }

    public SpecCatalogs Catalogs { get; }

    /// <summary>The training spec of a file; what the file does not say has its default, and plug-ins have their options records.</summary>
    /// <param name="yaml">The text.</param>
    /// <param name="fileName">What errors of the whole file call it.</param>
    /// <param name="overrides"><c>path.to.field=value</c>, which win over the file.</param>
    /// <exception cref="SpecException">All violations.</exception>
    public TrainingSpec ParseTraining(string yaml, string? fileName = null, IReadOnlyList<string>? overrides = null) =>
        Bind(yaml, fileName, overrides, TrainingSpecRules.All);

    /// <summary>The training spec of a file on disk (UTF-8, at most 1 MiB).</summary>
    /// <exception cref="SpecException">All violations; also a file that does not exist or cannot be read.</exception>
    public TrainingSpec ReadTraining(string path, IReadOnlyList<string>? overrides = null) =>
        ParseTraining(SpecFile.Read(path), path, overrides);

    /// <summary>The default training spec with settings.</summary>
    /// <exception cref="SpecException">All violations.</exception>
    public TrainingSpec Default(IReadOnlyList<string>? overrides = null) => ParseTraining("", null, overrides);

    /// <summary>
    /// Checks a spec that was made in code as if it came from a file, and fills in the options of plug-ins that have none. With settings:
    /// a copy in which they are applied.
    /// </summary>
    /// <exception cref="SpecException">All violations, with paths.</exception>
    public TrainingSpec Check(TrainingSpec spec, IReadOnlyList<string>? overrides = null)
    {
        ArgumentNullException.ThrowIfNull(spec);
        // in code the data set that nobody named is the default one
        if (spec.Model.Options is FunctionOptions && spec.Data == new DataSpec()) spec = spec with { Data = new DataSpec { Kind = FunctionModel.NoData } };
        // and so is the batch of gradient descent
        if (spec.Optimizer.Kind == GradientDescent.Name && spec.Batch == new BatchSpec()) spec = spec with { Batch = new BatchSpec(FullBatch.Name) };
        return BindNodes(new NodeWriter().WriteRecord(spec), "", overrides, TrainingSpecRules.All);
    }

    /// <summary>
    /// The study spec of a file: a training spec with <c>study:</c> and <c>space:</c>. Configurations in the middle of the space and at each end of each
    /// parameter are bound as training specs, so that what cannot run is named before anything does.
    /// </summary>
    /// <param name="yaml">The text.</param>
    /// <param name="fileName">What errors of the whole file call it.</param>
    /// <param name="overrides">
    /// <c>path.to.field=value</c>, which win over the file: of the training spec, of the study (<c>study.trials=20</c>), and whole parameters
    /// (<c>space.optimizer.learning_rate={ float: [1e-4, 1e-2] }</c>; null takes the parameter out of the space).
    /// </param>
    /// <exception cref="SpecException">All violations.</exception>
    public StudySpec ParseStudy(string yaml, string? fileName = null, IReadOnlyList<string>? overrides = null)
    {
        ArgumentNullException.ThrowIfNull(yaml);
        return new StudyBinder(this).Bind(Root(SpecYaml.Parse(yaml, fileName ?? ""), fileName ?? "", RecordShape.Of(typeof(TrainingSpec))), overrides ?? []);
    }

    /// <summary>The study spec of a file on disk (UTF-8, at most 1 MiB).</summary>
    /// <exception cref="SpecException">All violations; also a file that does not exist or cannot be read.</exception>
    public StudySpec ReadStudy(string path, IReadOnlyList<string>? overrides = null) => ParseStudy(SpecFile.Read(path), path, overrides);

    /// <summary>Whether a text is the spec of a study, sound or not: it has <c>study:</c> or <c>space:</c>.</summary>
    /// <exception cref="SpecException">The text is no YAML.</exception>
    public static bool IsStudy(string yaml, string? fileName = null)
    {
        ArgumentNullException.ThrowIfNull(yaml);
        return SpecYaml.Parse(yaml, fileName ?? "") is MappingNode root && root.Entries.Any(e => e.Key is StudyBinder.Study or StudyBinder.Space);
    }

    /// <summary>A study spec that is made in code, checked as if it came from a file.</summary>
    /// <param name="training">What is not searched.</param>
    /// <param name="study">What is looked for.</param>
    /// <param name="space">Parameters by their paths.</param>
    /// <exception cref="SpecException">All violations, with paths.</exception>
    public StudySpec CheckStudy(TrainingSpec training, StudySection study, IEnumerable<KeyValuePair<string, ParameterSpec>> space)
    {
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(study);
        ArgumentNullException.ThrowIfNull(space);
        var writer = new NodeWriter();
        var parameters = new MappingNode([.. space.Select(p => new MappingEntry(p.Key, SpaceForms.Write(p.Value)))]);
        var fields = writer.WriteRecord(Check(training)).With(StudyBinder.Study, writer.WriteRecord(study)).With(StudyBinder.Space, parameters);
        return new StudyBinder(this).Bind(fields, []);
    }

    /// <summary>
    /// Any record of fields (settings of a node, a study): nested records, lists, ranges, plug-ins as in a training spec.
    /// </summary>
    /// <exception cref="SpecException">All violations.</exception>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> has a property that a field cannot have.</exception>
    public T Bind<T>(
        string yaml, string? fileName = null, IReadOnlyList<string>? overrides = null, IReadOnlyList<SpecRule<T>>? rules = null)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(yaml);
        return BindNodes(SpecYaml.Parse(yaml, fileName ?? ""), fileName ?? "", overrides, rules);
    }

    private T BindNodes<T>(SpecNode root, string source, IReadOnlyList<string>? overrides, IReadOnlyList<SpecRule<T>>? rules)
        where T : class
    {
        var shape = RecordShape.Of(typeof(T));
        var mapping = Root(root, source, shape);
        var violations = new Violations();
        if (typeof(T) == typeof(TrainingSpec)) mapping = WorkersForm.Expand(WithoutStudy(mapping, violations), violations);
        mapping = new SpecOverrides(Catalogs, violations).Apply(mapping, shape, overrides ?? []);
        return BindMapping(mapping, violations, rules);
    }

    /// <summary>A training spec from its tree, with settings applied.</summary>
    /// <exception cref="SpecException">All violations.</exception>
    internal TrainingSpec BindTraining(MappingNode fields) => BindMapping(fields, new Violations(), TrainingSpecRules.All);

    /// <summary>What can be bound of a training spec's tree; what is wrong keeps its default.</summary>
    /// <param name="fields">The tree.</param>
    /// <param name="violations">Takes what is wrong.</param>
    /// <param name="hides">Paths of which nothing is known: no rule that reads them is asked.</param>
    internal TrainingSpec ReadTraining(MappingNode fields, Violations violations, Func<string, bool> hides) =>
        ReadMapping(fields, violations, TrainingSpecRules.All, hides);

    private T BindMapping<T>(MappingNode mapping, Violations violations, IReadOnlyList<SpecRule<T>>? rules)
        where T : class
    {
        var record = ReadMapping(mapping, violations, rules, _ => false);
        violations.ThrowIfAny();
        return record;
    }

    private T ReadMapping<T>(MappingNode mapping, Violations violations, IReadOnlyList<SpecRule<T>>? rules, Func<string, bool> hides)
        where T : class
    {
        var shape = RecordShape.Of(typeof(T));
        if (typeof(T) == typeof(TrainingSpec)) mapping = GradientDescent.FillBatch(FunctionModel.FillData(mapping, Catalogs), Catalogs);
        var record = (T)new NodeBinder(Catalogs, violations, new FieldFinder(Catalogs, shape)).BindRecord(shape, mapping, null, "");
        var found = (rules ?? []).Where(rule => !rule.Reads.Any(r => violations.Touches(r) || hides(r))).SelectMany(rule => rule.Check(record)).ToList();
        foreach (var (path, message, line) in found)
            violations.Add(path, message, line);
        return record;
    }

    /// <summary>A study spec is no training spec, but has all of one.</summary>
    private static MappingNode WithoutStudy(MappingNode mapping, Violations violations)
    {
        foreach (var entry in mapping.Entries.Where(e => e.Key is StudyBinder.Study or StudyBinder.Space))
            violations.Add(entry.Key, "makes this the spec of a study; run it with 'distopt sweep', or remove the section to train once", entry.Line);
        return new MappingNode([.. mapping.Entries.Where(e => e.Key is not (StudyBinder.Study or StudyBinder.Space))], mapping.Line);
    }

    private static MappingNode Root(SpecNode root, string source, RecordShape shape)
    {
        if (root is ScalarNode { IsNull: true })
            return MappingNode.Empty;
        return root as MappingNode ?? throw new SpecException([new SpecViolation(source,
            $"is {ScalarBinder.Show(root)}, but must be fields such as '{shape.Fields[0].Name}: ...'", root.Line)]);
    }
}
