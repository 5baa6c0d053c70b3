using DistOpt.Core.Batching;
using DistOpt.Core.Functions;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;

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
        if (root is ScalarNode { IsNull: true })
            root = MappingNode.Empty;
        if (root is not MappingNode mapping)
            throw new SpecException([new SpecViolation(source,
                $"is {ScalarBinder.Show(root)}, but must be fields such as '{shape.Fields[0].Name}: ...'", root.Line)]);

        var violations = new Violations();
        if (typeof(T) == typeof(TrainingSpec)) mapping = WorkersForm.Expand(mapping, violations);
        mapping = new SpecOverrides(Catalogs, violations).Apply(mapping, shape, overrides ?? []);
        if (typeof(T) == typeof(TrainingSpec)) mapping = GradientDescent.FillBatch(FunctionModel.FillData(mapping, Catalogs), Catalogs);
        var record = (T)new NodeBinder(Catalogs, violations, new FieldFinder(Catalogs, shape)).BindRecord(shape, mapping, null, "");
        var found = (rules ?? []).Where(rule => !rule.Reads.Any(violations.Touches)).SelectMany(rule => rule.Check(record)).ToList();
        foreach (var (path, message, line) in found)
            violations.Add(path, message, line);
        violations.ThrowIfAny();
        return record;
    }
}
