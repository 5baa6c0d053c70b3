using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Pruners;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;
using DistOpt.Core.TrialSchedulers;

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
    private bool _selects;
    private string _metric = "study.metric";

    /// <exception cref="SpecException">All violations.</exception>
    public StudySpec Bind(MappingNode root, IReadOnlyList<string> overrides)
    {
        root = (MappingNode)SpaceForms.Quoted(root);
        foreach (var entry in root.Entries) _violations.Place(entry.Key, entry.Line ?? entry.Value.Line);
        var (fields, sectionNode, spaceNode) = Override(root, overrides);
        var section = (StudySection)new NodeBinder(binder.Catalogs, _violations, new FieldFinder(binder.Catalogs, s_training))
            .BindRecord(s_study, sectionNode ?? MappingNode.Empty, null, Study);
        var spaceBinder = new SpaceBinder(binder.Catalogs, _violations, fields);
        var space = spaceBinder.Bind(spaceNode);
        section = Fill(section, fields);
        if (space is null)
        {
            // with plug-ins that are searched the tree alone need not be a training spec
            if (!spaceBinder.ChoosesPlugins) Try(() => binder.BindTraining(fields));
            throw _violations.Thrown();
        }
        var (constraints, enqueued) = BindPoints(section, space);
        var draft = new StudySpec
        {
            Fields = FillSelect(fields, section),
            // of the first configuration that is bound, below
            Training = new TrainingSpec(),
            Study = section,
            SpaceFields = (MappingNode)spaceNode!,
            Space = space,
            Constraints = constraints,
            Enqueued = enqueued,
        };
        var spec = Fix(draft);
        CheckRules(spec ?? draft, isDraft: spec is null);
        _violations.ThrowIfAny();
        return spec!;
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
        if (!isShort) _metric = "study.objectives[0].metric";
        for (int i = 0; i < section.Objectives.Length; i++)
        {
            var objective = section.Objectives[i];
            string path = isShort ? "study.direction" : $"study.objectives[{i}].direction";
            var usual = TrainingSpecRules.UsualDirection(objective.Metric);
            if ((objective.Direction ?? usual) is null)
                _violations.Add(path, $"must be given, minimize or maximize: the name '{objective.Metric}' does not tell");
            else if (objective.Direction is { } given && usual is { } other && other != given)
                _violations.Add(path, $"is {Name(given)}, which would look for the worst {objective.Metric}; set it to {Name(other)}");
            filled.Add(objective with { Direction = usual ?? objective.Direction });
        }
        long seed = section.Seed ?? ((fields.Get("seed") as ScalarNode)?.Text is { } text && long.TryParse(text, CultureInfo.InvariantCulture, out long own)
            ? own : new TrainingSpec().Seed);
        return section with { Metric = null, Direction = null, Objectives = [.. filled], Seed = seed };
    }

    /// <summary>Constraints on parameters, and the points to try first.</summary>
    private (ImmutableArray<ParameterConstraint> Constraints, ImmutableArray<ImmutableArray<double>> Points) BindPoints(StudySection section, StudySpace space)
    {
        var (constraints, points) = (new List<ParameterConstraint>(), new List<ImmutableArray<double>>());
        for (int i = 0; i < section.Constraints.Length; i++)
        {
            if (section.Constraints[i].Parameters is null || _violations.Touches($"study.constraints[{i}]")) continue;
            var (constraint, error) = ParameterConstraint.Of(section.Constraints[i], space.Space);
            if (constraint is not null) constraints.Add(constraint);
            else _violations.Add($"study.constraints[{i}].parameters", error!);
        }
        for (int i = 0; i < section.Enqueue.Length; i++)
        {
            double[]? point = null;
            int index = i;
            Try(() => point = space.Configuration(section.Enqueue[index], $"study.enqueue[{index}]", partly: true));
            if (point is null) continue;
            points.Add([.. point]);
            if (constraints.Find(c => !c.Holds(point)) is { } broken)
                _violations.Add($"study.enqueue[{i}]", $"breaks the constraint on '{broken.Text}'; change the point or the constraint");
        }
        return ([.. constraints], [.. points]);
    }

    /// <summary>
    /// Weights are selected, where the file does not say by what, by what is optimized; where it says the same, in that direction.
    /// </summary>
    private MappingNode FillSelect(MappingNode fields, StudySection section)
    {
        var select = fields.Get("select") as MappingNode ?? MappingNode.Empty;
        var (optimized, given) = (section.Objectives[0], select.Get("metric"));
        if (given is not null && (given as ScalarNode)?.Text != optimized.Metric) return fields;
        if (given is null)
        {
            _selects = true;
            select = select.With("metric", new ScalarNode(optimized.Metric, plain: SpecScalars.IsUnmistakablyText(optimized.Metric)));
        }
        // one that is missing here too has been told of
        if (select.Get("direction") is null) select = select.With("direction", new ScalarNode(Name(optimized.Direction ?? Direction.Minimize), plain: true));
        return fields.With("select", select);
    }

    /// <summary>The study with what is fixed once; null, and violations, where no configuration can be bound.</summary>
    private StudySpec? Fix(StudySpec draft)
    {
        if (new StudyProbes(binder, draft, _violations, Blamed).Run() is not var (middle, training)) return null;
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

    /// <summary>What has put a metric there, and not its copy in <c>select</c>, is to blame.</summary>
    private string Blamed(string path) => _selects && path.StartsWith("select.", StringComparison.Ordinal) ? _metric : path;

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

    private void CheckRules(StudySpec spec, bool isDraft)
    {
        foreach (var rule in StudySpecRules.All.Where(r => !r.Reads.Any(_violations.Touches)).ToList())
            foreach (var (path, message, line) in rule.Check(spec)) _violations.Add(path, message, line);
        if (!_violations.Touches("study.sampler"))
        {
            var sampler = binder.Catalogs.Samplers.Get(spec.Study.Sampler.Kind)(spec.Study.Sampler.Options!);
            Add(sampler.Check(spec.Space.Space, spec.Study.Objectives.Length));
        }
        // without a training spec the length of a trial is not known
        if (isDraft) return;
        var context = StudyContext.Of(spec);
        if (!_violations.Touches("study.trial_scheduler")) CheckTrialScheduler(spec.Study.TrialScheduler, context);
        if (!_violations.Touches("study.pruner")) CheckPruner(spec.Study.Pruner, context);
        if (!_violations.Touches("study.sampler") && !_violations.Touches("study.trial_scheduler")) CheckRungs(spec, context);
        if (!_violations.Touches("study.pruner") && !_violations.Touches("study.trial_scheduler")) CheckCopies(spec, context);
    }

    private void CheckRungs(StudySpec spec, StudyContext context)
    {
        var sampler = binder.Catalogs.Samplers.Get(spec.Study.Sampler.Kind)(spec.Study.Sampler.Options!);
        var (kind, options) = (spec.Study.TrialScheduler.Kind, spec.Study.TrialScheduler.Options!);
        if (!sampler.NeedsRungs && _violations.Touches("evaluate")) return;
        ITrialScheduler? scheduler = null;
        Try(() => scheduler = binder.Catalogs.TrialSchedulers.Get(kind)(options, context));
        if (scheduler is null) return;
        Add(ISampler.Check(sampler, scheduler));
        if (!_violations.Touches("evaluate")) Add(RungReports.Check(spec, scheduler.Rungs));
    }

    private void CheckCopies(StudySpec spec, StudyContext context)
    {
        var (scheduler, pruner) = (spec.Study.TrialScheduler, spec.Study.Pruner);
        if (scheduler.Options is not PopulationOptions) return;
        Add(new ObjectivePruners(binder.Catalogs.Pruners.Get(pruner.Kind), pruner.Options!, context)
            .Check(binder.Catalogs.TrialSchedulers.Get(scheduler.Kind)(scheduler.Options, context)));
    }

    private void CheckTrialScheduler(PluginSpec plugin, StudyContext context)
    {
        if (plugin.Options is AshaOptions asha) Add(asha.CheckTrials(context));
        if (plugin.Options is TrialSchedulerOptions options) Add(options.Check(context));
        // one of a program that says so only when it is made
        else Try(() => binder.Catalogs.TrialSchedulers.Get(plugin.Kind)(plugin.Options!, context));
    }

    private void CheckPruner(PluginSpec plugin, StudyContext context)
    {
        if (plugin.Options is PrunerOptions options) Add(ObjectivePruners.Check(options, context));
        else Try(() => _ = new ObjectivePruners(binder.Catalogs.Pruners.Get(plugin.Kind), plugin.Options!, context));
    }

    private void Add(IEnumerable<SpecViolation> violations)
    {
        foreach (var (path, message, line) in violations) _violations.Add(path, message, line);
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
