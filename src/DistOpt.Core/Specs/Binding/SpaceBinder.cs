using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Specs.Binding;

/// <summary>
/// <c>space:</c> to parameters. Goes on after an error, so that all violations are found: names, forms, bounds of the fields (for every plug-in that
/// a parameter's conditions leave), conditions.
/// </summary>
/// <param name="catalogs">The plug-ins.</param>
/// <param name="violations">Takes what is wrong.</param>
/// <param name="fields">The training spec's tree.</param>
internal sealed class SpaceBinder(SpecCatalogs catalogs, Violations violations, MappingNode fields)
{
    private readonly FieldPaths _paths = new(catalogs, fields);
    private readonly DomainBinder _domains = new(violations);
    private readonly List<SpaceDraft> _drafts = [];
    private readonly List<string> _unread = [];
    private readonly Dictionary<string, SpaceDraft> _sections = [];
    private readonly Dictionary<string, (SpaceDraft Draft, DraftParameter? Parameter)> _names = [];

    /// <summary>The space; null where there are violations that leave none.</summary>
    public StudySpace? Bind(SpecNode? node)
    {
        if (node is not MappingNode { Entries.IsEmpty: false } mapping)
        {
            violations.Add("space", node is null or MappingNode or ScalarNode { IsNull: true }
                ? "names no parameter: write paths of the training spec with their values, such as optimizer.learning_rate: { float: [1e-5, 1e-1], log: true }"
                : $"is {ScalarBinder.Show(node)}, but must be paths of the training spec with their values", node?.Line);
            return null;
        }
        violations.Place("space", mapping.Line);
        int before = violations.Count;
        foreach (var entry in mapping.Entries) Read(entry);
        // what chooses plug-ins comes before what stands in them
        foreach (var draft in _drafts.OrderBy(d => d.Path.Count(c => c == '.'))) Locate(draft);
        foreach (var draft in _drafts) Expand(draft);
        foreach (var draft in _drafts) BindConditions(draft);
        var conditions = new SpaceConditions(_sections);
        foreach (var draft in _drafts) new SpaceFieldChecks(catalogs, violations, _paths, conditions).Check(draft);
        return Order(_drafts) is { } ordered && Build(ordered) is { } space && violations.Count == before ? space : null;
    }

    /// <summary>What is sound where <see cref="Bind"/> has found none; says what shows only now.</summary>
    public SoundSpace Sound()
    {
        while (true)
        {
            int before = violations.Count;
            var (wrong, valueless) = Wrong();
            var domains = Build([.. _drafts.Where(d => !valueless.Contains(d))], isFlat: true);
            // among sound ones nothing goes round in a circle
            var sound = Build(Order(_drafts.FindAll(d => !wrong.Contains(d)))!);
            if (domains is null || sound is null)
            {
                // beyond those that are listed nobody knows whose they are
                if (violations.Count > before && !violations.Full) continue;
                return new SoundSpace(Build([])!, Build([])!, [], [], [], KnowsNames: false);
            }
            string[] entries = [.. wrong.Select(d => d.Path), .. _unread];
            var sections = _sections.Where(s => wrong.Contains(s.Value)).Select(s => s.Key);
            return new SoundSpace(sound, domains, [.. entries], [.. entries, .. sections],
                [.. wrong.Where(d => d.Field is null).Select(d => d.Path)], KnowsNames: _drafts.Count + _unread.Count > 0);
        }
    }

    /// <summary>Entries that cannot be searched, those that hang on others of the kind included; and those whose values are not known.</summary>
    private (HashSet<SpaceDraft> Wrong, HashSet<SpaceDraft> Valueless) Wrong()
    {
        HashSet<SpaceDraft> wrong = [.. _drafts.Where(d => d.LacksConditions)], valueless = [.. _drafts.Where(d => d.Parameters.Count == 0)];
        foreach (var violation in violations.Listed)
        {
            // of optimizer and optimizer.learning_rate it is the longer one's
            if (_drafts.Where(d => Violations.Covers(d.Place, violation.Path)).MaxBy(d => d.Place.Length) is not { } draft) continue;
            wrong.Add(draft);
            if (violation.Path != draft.Place + ".when") valueless.Add(draft);
        }
        wrong.UnionWith(valueless);
        while (_drafts.Exists(d => d.Conditions.Exists(c => wrong.Contains(c.Parent)) && wrong.Add(d))) { }
        return (wrong, valueless);
    }

    private void Read(MappingEntry entry)
    {
        string place = "space." + entry.Key;
        violations.Place(place, entry.Line ?? entry.Value.Line);
        if (!FieldPaths.IsPath(entry.Key))
        {
            violations.Add(place, "is no path: write names with points between them, such as optimizer.learning_rate");
            _unread.Add(entry.Key);
            return;
        }
        var node = SpaceForms.Long(entry.Value);
        var shape = RecordShape.Of(typeof(ParameterSpec));
        if (SpaceForms.Unknown(entry.Key, node, shape) is { } wrong)
        {
            violations.Add(place, wrong, entry.Line);
            _unread.Add(entry.Key);
            return;
        }
        foreach (var (at, message) in SpaceForms.Mistakes(node)) violations.Add($"{place}.{at}", message);
        node = SpaceForms.WithoutMistakes(node);
        var spec = (ParameterSpec)new NodeBinder(catalogs, violations, new FieldFinder(catalogs, shape)).BindRecord(shape, node, null, place);
        var draft = new SpaceDraft(entry.Key, spec, node);
        _drafts.Add(draft);
        _names[entry.Key] = (draft, null);
    }

    /// <summary>Where the path leads, and whether it chooses a plug-in.</summary>
    private void Locate(SpaceDraft draft)
    {
        draft.Targets = _paths.Find(draft.Path, section => _sections.TryGetValue(section, out var chooser) ? [.. chooser.Kinds.Distinct()] : null);
        if (draft.Field?.Section is not { } section) return;
        if (_sections.TryGetValue(section, out var other))
        {
            violations.Add(draft.Place, $"chooses what '{other.Path}' chooses too; remove one of them");
            return;
        }
        string key = draft.Field.Chosen!.Plugin!.Key;
        IReadOnlyList<SpecNode> choices = draft.Spec.Choices ?? (draft.Spec.Value is { } one ? [one] : []);
        draft.Kinds = [.. choices.Select(c => FieldPaths.KindOf(c, key) ?? "")];
        _sections[section] = draft;
    }

    private void Expand(SpaceDraft draft)
    {
        bool isList = draft.Spec.List is not null;
        if (_domains.Build(draft.Spec, draft.Field?.Type, draft.Place, isList) is var (domain, choices))
            draft.Parameters.Add(new DraftParameter(draft.Path, domain, choices, draft.Field?.Type));
        else if (draft.Spec.List is { Length: { } length, Each: { } each })
            ExpandList(draft, length, each);
        foreach (var parameter in draft.Parameters) _names[parameter.Name] = (draft, parameter);
    }

    private void ExpandList(SpaceDraft draft, DomainSpec length, DomainSpec each)
    {
        string place = draft.Place + ".list";
        var element = draft.Field?.Type.Element;
        var elements = _domains.Build(each, element, place + ".each");
        if (_domains.Build(length, null, place + ".length") is not var (lengths, _) || elements is not var (domain, choices)) return;
        if (lengths is not IntDomain { Low: >= 0, High: <= DomainBinder.LengthMax } numbers || numbers.Last < 1 || numbers.Problems().Any())
        {
            violations.Add(place + ".length", $"must be a number from 1 to {DomainBinder.LengthMax}, or int: [low, high] with low from 0 and such a high");
            return;
        }
        string name = draft.Path + ".length";
        if (!numbers.IsSingle) draft.Parameters.Add(new DraftParameter(name, numbers, [], null));
        for (int i = 0; i < numbers.Last; i++)
        {
            var own = i < numbers.Low ? null : new Condition(name, Least: i + 1);
            draft.Parameters.Add(new DraftParameter($"{draft.Path}[{i}]", domain, choices, element, own));
        }
    }

    private void BindConditions(SpaceDraft draft)
    {
        foreach (var (name, node) in draft.Spec.When ?? ImmutableSortedDictionary<string, SpecNode>.Empty)
        {
            var (when, parent, error) = Condition(draft, name, node);
            if (when is not null) draft.Conditions.Add((parent!, when));
            draft.LacksConditions |= when is null || error is not null;
            if (error is not null) violations.Add(draft.Place + ".when", error);
        }
    }

    private (Condition? When, SpaceDraft? Parent, string? Error) Condition(SpaceDraft draft, string name, SpecNode node)
    {
        if (!_names.TryGetValue(name, out var parent))
        {
            // one of an entry that is wrong itself has its violation
            if (_unread.Exists(e => Violations.Covers(e, name))) return default;
            if (_drafts.Exists(d => d.Parameters.Count == 0 && Violations.Covers(d.Path, name))) return default;
            string near = FieldNames.Nearest(name, _names.Keys) is { } nearest ? $"; did you mean '{nearest}'?" : "; give it a line there, or leave the condition away";
            return (null, null, $"has a condition on '{name}', which is no parameter of the space{near}");
        }
        if (parent.Draft == draft) return (null, null, "has a condition on itself; leave it away");
        if (parent is { Parameter: null, Draft.Spec.List: not null })
            return (null, null, $"has a condition on '{name}', which is a list; name {name}.length, or an element such as {name}[0]");
        // a parent that is wrong itself has its violation
        if (parent.Parameter is not { } parameter) return default;
        var (when, error) = SpaceConditions.Of(parameter, parent.Draft, node);
        return (when, parent.Draft, error is null ? null : $"has a condition on '{name}' that {error}");
    }

    /// <summary>Parents before children, else as in the file; null, and a violation, where conditions go round in a circle.</summary>
    private List<SpaceDraft>? Order(IEnumerable<SpaceDraft> drafts)
    {
        var (ordered, open) = (new List<SpaceDraft>(), new List<SpaceDraft>(drafts));
        while (open.Count > 0)
        {
            int next = open.FindIndex(d => d.Conditions.All(c => !open.Contains(c.Parent)));
            if (next < 0)
            {
                // what only stands behind the circle is none of it
                while (open.RemoveAll(d => !open.Exists(o => o.Conditions.Exists(c => c.Parent == d))) > 0) { }
                violations.Add(open[0].Place, $"hangs on itself: the conditions of {string.Join(", ", open.Select(d => d.Path))} go round in a circle; break it");
                return null;
            }
            ordered.Add(open[next]);
            open.RemoveAt(next);
        }
        return ordered;
    }

    private StudySpace? Build(List<SpaceDraft> ordered, bool isFlat = false)
    {
        var (parameters, described, spaceFields) = (new List<SearchParameter>(), new List<SpaceParameter>(), new List<SpaceField>());
        foreach (var draft in ordered.Where(d => d.Parameters.Count > 0))
        {
            int first = parameters.Count;
            foreach (var parameter in draft.Parameters)
            {
                ImmutableArray<Condition> when = isFlat ? [] : parameter.Own is { } own ? [own] : [.. draft.Conditions.Select(c => c.When)];
                parameters.Add(new SearchParameter(parameter.Name, parameter.Domain, when.FirstOrDefault()) { AndWhen = [.. when.Skip(1)] });
                described.Add(new SpaceParameter(parameter.Choices, parameter.Type));
            }
            int length = draft.Parameters[0].Name == draft.Path + ".length" ? first : -1;
            spaceFields.Add(draft.Spec.List is null ? new SpaceField(draft.Path, first)
                : new SpaceField(draft.Path, -1, new SpaceList(length, [.. Enumerable.Range(first, draft.Parameters.Count).Skip(length < 0 ? 0 : 1)])));
        }
        try
        {
            var space = new SearchSpace(parameters);
            var sections = _sections.Where(s => ordered.Contains(s.Value)).Select(s => Section(space, s.Key, s.Value));
            return new StudySpace(space, [.. described], [.. spaceFields], [.. sections]);
        }
        catch (SpecException e)
        {
            // reported with the rest
            foreach (var violation in e.Violations) violations.Add(violation.Path, violation.Message);
            return null;
        }
    }

    private static SpaceSection Section(SearchSpace space, string path, SpaceDraft chooser) =>
        new(path, space.IndexOf(chooser.Path), chooser.Kinds, chooser.Field!.Chosen!, chooser.Field.IsName);
}
