using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Specs.Binding;

/// <summary>The tree of a study spec to the spec. For one document.</summary>
internal sealed class StudyBinder(SpecBinder binder)
{
    /// <summary>The section of what is looked for.</summary>
    public const string Study = "study";

    /// <summary>The section of what is searched.</summary>
    public const string Space = "space";

    private static readonly RecordShape s_training = RecordShape.Of(typeof(TrainingSpec));
    private static readonly RecordShape s_study = RecordShape.Of(typeof(StudySection));

    private readonly Violations _violations = new();

    /// <exception cref="SpecException">All violations.</exception>
    public StudySpec Bind(MappingNode root, IReadOnlyList<string> overrides)
    {
        root = (MappingNode)SpaceForms.Quoted(root);
        foreach (var entry in root.Entries) _violations.Place(entry.Key, entry.Line ?? entry.Value.Line);
        var (fields, sectionNode, spaceNode) = Override(root, overrides);
        var section = (StudySection)new NodeBinder(binder.Catalogs, _violations, new FieldFinder(binder.Catalogs, s_training))
            .BindRecord(s_study, sectionNode ?? MappingNode.Empty, null, Study);
        var spaceBinder = new SpaceBinder(binder.Catalogs, _violations, fields);
        // where it has mistakes the rest is judged by what is left of it
        var space = spaceBinder.Bind(spaceNode) is { } whole ? SoundSpace.Of(whole) : spaceBinder.Sound();
        string metric = MetricOf(section, fields);
        section = Fill(section, fields);
        var (constraints, enqueued) = BindPoints(section, sectionNode, space);
        var (filled, selects) = FillSelect(fields, section);
        var draft = new StudySpec
        {
            Fields = filled,
            // of the first configuration that is bound, below
            Training = new TrainingSpec(),
            Study = section,
            SpaceFields = spaceNode as MappingNode ?? MappingNode.Empty,
            Space = space.Space,
            Constraints = constraints,
            Enqueued = enqueued,
            Metric = metric,
            SelectMetric = selects ? metric : StudySpec.Selected,
        };
        var spec = Fix(draft, space);
        new StudyChecks(binder.Catalogs, _violations, space).Check(spec);
        _violations.ThrowIfAny();
        return spec;
    }

    /// <summary>The three parts of the document with settings applied.</summary>
    private (MappingNode Fields, SpecNode? Study, SpecNode? Space) Override(MappingNode root, IReadOnlyList<string> overrides)
    {
        var fields = new MappingNode([.. root.Entries.Where(e => e.Key is not (Study or Space))], root.Line);
        foreach (var stray in fields.Entries.Where(e => s_training.Find(e.Key) is null && s_study.Find(e.Key) is not null))
        {
            _violations.Add(stray.Key, $"unknown field '{stray.Key}': did you mean 'study.{stray.Key}'?", stray.Line);
            fields = new MappingNode([.. fields.Entries.Where(e => e.Key != stray.Key)], fields.Line);
        }
        var (study, space) = (root.Get(Study), root.Get(Space));
        var (own, others) = (new List<(string[] Path, SpecNode Value)>(), new List<(string[] Path, SpecNode Value)>());
        var settings = new SpecOverrides(binder.Catalogs, _violations);
        foreach (string text in overrides)
        {
            if (settings.Parse(text) is not { } setting) continue;
            var (path, value) = setting;
            if (path is [Study or Space]) _violations.Add(path[0], $"is a section; set its fields, such as {(path[0] == Study ? "study.trials=20" : "space.training.epochs=5")}");
            else if (path[0] == Study) others.Add((path[1..], value));
            else if (path[0] != Space) own.Add(setting);
            else space = SetParameter(space as MappingNode ?? MappingNode.Empty, string.Join('.', path[1..]), value);
        }
        foreach (var (path, _) in own.Where(s => (space as MappingNode)?.Get(string.Join('.', s.Path)) is not null))
        {
            string name = string.Join('.', path);
            _violations.Add(name, $"is set, but it is searched; to keep it at one value, set space.{name} to that value");
        }
        fields = settings.Apply(WorkersForm.Expand(fields, _violations), s_training, own);
        if (others.Count > 0) study = settings.Apply(study as MappingNode ?? MappingNode.Empty, s_study, others);
        return ((MappingNode)SpaceForms.Quoted(fields), study, space is null ? null : SpaceForms.Quoted(space));
    }

    private static MappingNode SetParameter(MappingNode space, string name, SpecNode value) => value is ScalarNode { IsNull: true }
        ? new MappingNode([.. space.Entries.Where(e => e.Key != name)], space.Line) : space.With(name, value);

    /// <summary>Objectives with their directions, and the seed.</summary>
    private StudySection Fill(StudySection section, MappingNode fields)
    {
        if (section.Metric is not null && section.Objectives.Length > 0)
            _violations.Add("study.metric", "is given, and so is objectives; leave one of them out");
        if (section.Direction is not null && section.Metric is null && section.Objectives.Length > 0)
            _violations.Add("study.direction", "belongs to metric; give each of objectives its own direction");
        string metric = section.Metric ?? ((fields.Get("select") as MappingNode)?.Get("metric") as ScalarNode)?.Text ?? new SelectSection().Metric;
        bool wasEmpty = section.Objectives.IsEmpty;
        if (wasEmpty) section = section with { Objectives = [new ObjectiveSection { Metric = metric, Direction = section.Direction }] };
        var (filled, isShort) = (new List<ObjectiveSection>(), section.Metric is not null || wasEmpty);
        for (int i = 0; i < section.Objectives.Length; i++)
        {
            var objective = section.Objectives[i];
            string path = isShort ? "study.direction" : $"study.objectives[{i}].direction";
            var usual = TrainingSpecRules.UsualDirection(objective.Metric);
            // of a metric that is wrong itself, or is given twice, nothing is known
            if (_violations.Touches(isShort ? "study.metric" : $"study.objectives[{i}]") || (wasEmpty && _violations.Touches("study.objectives"))) { }
            else if ((objective.Direction ?? usual) is null)
                _violations.Add(path, $"must be given, minimize or maximize: the name '{objective.Metric}' does not tell");
            else if (objective.Direction is { } given && usual is { } other && other != given)
                _violations.Add(path, $"is {Name(given)}, which would look for the worst {objective.Metric}; set it to {Name(other)}");
            filled.Add(objective with { Direction = usual ?? objective.Direction });
        }
        long seed = section.Seed ?? ((fields.Get("seed") as ScalarNode)?.Text is { } text && long.TryParse(text, CultureInfo.InvariantCulture, out long own)
            ? own : new TrainingSpec().Seed);
        return section with { Metric = null, Direction = null, Objectives = [.. filled], Seed = seed };
    }

    /// <summary>Where the file says by which metric trials are judged, of several the first.</summary>
    private static string MetricOf(StudySection section, MappingNode fields) => section.Metric is null && section.Objectives.Length > 0 ? "study.objectives[0].metric"
        : section.Metric is null && (fields.Get("select") as MappingNode)?.Get("metric") is not null ? StudySpec.Selected : "study.metric";

    /// <summary>Constraints on parameters, and the points to try first.</summary>
    private (ImmutableArray<ParameterConstraint> Constraints, ImmutableArray<ImmutableArray<double>> Points) BindPoints(StudySection section, SpecNode? node,
        SoundSpace space)
    {
        // in the values alone, and in the space that trials are drawn from
        var (constraints, kept, points) = (new List<ParameterConstraint>(), new List<ParameterConstraint>(), new List<ImmutableArray<double>>());
        for (int i = 0; i < section.Constraints.Length; i++)
        {
            if (section.Constraints[i].Parameters is null || _violations.Touches($"study.constraints[{i}]")) continue;
            var (constraint, error) = ParameterConstraint.Of(section.Constraints[i], space.Domains.Space, space.Lacks);
            if (constraint is not null) constraints.Add(constraint);
            if (error is not null) _violations.Add($"study.constraints[{i}].parameters", error);
            if (constraint is not null && ParameterConstraint.Of(section.Constraints[i], space.Space.Space).Constraint is { } own) kept.Add(own);
        }
        foreach (var (place, named) in Points(section, node))
        {
            double[]? point = null;
            Try(() => point = space.IsWhole ? space.Space.Configuration(named, place, partly: true) : space.Domains.Configuration(named, place, space.Lacks));
            if (point is null) continue;
            points.Add([.. point]);
            if (constraints.Find(c => !c.Holds(point)) is { } broken)
                _violations.Add(place, $"breaks the constraint on '{broken.Text}'; change the point or the constraint");
        }
        return ([.. kept], [.. points]);
    }

    /// <summary>The points of <c>study.enqueue</c> with their places; where some are none, those that are.</summary>
    private static IEnumerable<(string Place, MappingNode Named)> Points(StudySection section, SpecNode? node)
    {
        bool isSound = section.Enqueue.Length > 0;
        var points = isSound ? section.Enqueue.Select(p => (SpecNode)new MappingNode([.. p.Select(v => new MappingEntry(v.Key, v.Value))]))
            : (node as MappingNode)?.Get("enqueue") is SequenceNode several ? several.Items : [];
        return points.Select((p, i) => (Place: $"study.enqueue[{i}]", Named: p)).Where(p => p.Named is MappingNode).Select(p => (p.Place, (MappingNode)p.Named));
    }

    /// <summary>
    /// Weights are selected, where the file does not say by what, by what is optimized; where it says the same, in that direction.
    /// </summary>
    /// <returns>The tree, and whether the metric there is a copy.</returns>
    private static (MappingNode Fields, bool IsCopied) FillSelect(MappingNode fields, StudySection section)
    {
        var select = fields.Get("select") as MappingNode ?? MappingNode.Empty;
        var (optimized, given) = (section.Objectives[0], select.Get("metric"));
        if (given is not null && (given as ScalarNode)?.Text != optimized.Metric) return (fields, false);
        if (given is null) select = select.With("metric", new ScalarNode(optimized.Metric, plain: SpecScalars.IsUnmistakablyText(optimized.Metric)));
        // one that is missing here too has been told of
        if (select.Get("direction") is null) select = select.With("direction", new ScalarNode(Name(optimized.Direction ?? Direction.Minimize), plain: true));
        return (fields.With("select", select), given is null);
    }

    /// <summary>The study with what is fixed once; with violations what there is of it.</summary>
    private StudySpec Fix(StudySpec draft, SoundSpace space)
    {
        var (middle, training, isSound) = new StudyProbes(binder, draft, _violations, space).Run();
        if (!isSound || !space.IsWhole) return draft with { Training = training };
        var fields = draft.Fields.With("seed", Number(draft.Seed));
        var section = fields.Get("training") as MappingNode;
        if (draft.Space.Space.IndexOf("training.gradient_shards") < 0 && section?.Get("gradient_shards") is null or ScalarNode { Text: "auto" })
        {
            // as many as the most workers that a trial may have
            (string[], SpecNode) shards = (["training", "gradient_shards"], Number(Math.Max(training.Training.Workers, WorkersMax(draft.Space, section))));
            fields = new SpecOverrides(binder.Catalogs, _violations).Apply(fields, s_training, [shards]);
        }
        draft = draft with { Fields = fields };
        return draft with { Training = new TrialSpecs(binder, draft).Bind(middle, draft.Seed) };
    }

    private static long WorkersMax(StudySpace space, MappingNode? training)
    {
        int index = space.Space.IndexOf("training.workers");
        if (index < 0) return 0;
        var parameter = space.Space.Parameters[index];
        long otherwise = parameter.When is null ? 0
            : training?.Get("workers") is ScalarNode { Text: var text } && long.TryParse(text, CultureInfo.InvariantCulture, out long given) ? given
            : new TrainingSection().Workers;
        return Math.Max(otherwise, parameter.Domain is ChoiceDomain choices ? choices.Choices.OfType<long>().DefaultIfEmpty().Max()
            : (long)((NumericDomain)parameter.Domain).Last);
    }

    private void Try(Action action)
    {
        try
        {
            action();
        }
        catch (SpecException e)
        {
            // reported with the rest
            foreach (var (path, message, line) in e.Violations) _violations.Add(path, message, line);
        }
    }

    private static ScalarNode Number(long value) => new(value.ToString(CultureInfo.InvariantCulture), plain: true);

    private static string Name(Direction direction) => direction == Direction.Minimize ? "minimize" : "maximize";
}
