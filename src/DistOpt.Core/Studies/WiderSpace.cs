using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Studies;

/// <summary>
/// A study over a space that contains the one that it had, from a file with the new <c>space:</c>. There an added parameter may say with <c>default:</c> what
/// earlier trials are taken to have had; where it does not, that is what the training spec has at its path.
/// </summary>
public sealed record WiderSpace
{
    private const string Default = "default";
    private const string FromTrial = "from_trial";

    private WiderSpace() { }

    /// <summary>The study over the new space.</summary>
    public required StudySpec Spec { get; init; }

    /// <summary>From the old space to the new one.</summary>
    public required SpaceWidening Widening { get; init; }

    /// <summary>By the names of added parameters: what earlier trials are taken to have had.</summary>
    public required ImmutableSortedDictionary<string, double> Defaults { get; init; }

    /// <summary>The new space, with every default.</summary>
    public required MappingNode Fields { get; init; }

    /// <summary>The study over the space of a file.</summary>
    /// <param name="before">The study over the space in force.</param>
    /// <param name="yaml">The file.</param>
    /// <param name="binder">With the catalogues of the study.</param>
    /// <exception cref="SpecException">All violations.</exception>
    public static WiderSpace Of(StudySpec before, string yaml, SpecBinder binder)
    {
        var (wider, violations) = Read(before, yaml, binder);
        return wider ?? throw new SpecException(violations);
    }

    /// <summary>The study over the space of a file, or everything that is wrong with it.</summary>
    /// <inheritdoc cref="Of"/>
    public static (WiderSpace? Wider, ImmutableArray<SpecViolation> Violations) Read(StudySpec before, string yaml, SpecBinder binder)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(yaml);
        ArgumentNullException.ThrowIfNull(binder);
        var violations = new List<SpecViolation>();
        var fields = MappingNode.Empty;
        try
        {
            (fields, var given) = Split(SpaceOf(yaml, violations));
            if (fields.Entries.IsEmpty) return (null, [.. violations]);
            var (spec, space) = Bind(before, fields, binder, violations);
            if (space is null) return (null, WithLines(violations, fields));
            var defaults = new WideningDefaults(before, space, fields);
            defaults.Give(given, violations);
            try
            {
                var widening = new SpaceWidening(before.Space.Space, space.Space, defaults.Values);
                if (violations.Count > 0) return (null, WithLines(violations, fields));
                return (new WiderSpace
                {
                    Spec = spec!,
                    Widening = widening,
                    Defaults = defaults.Values.ToImmutableSortedDictionary(StringComparer.Ordinal),
                    Fields = With(fields, defaults.Nodes),
                }, []);
            }
            catch (SpecException e)
            {
                // what is wrong itself has its violation
                var wrong = fields.Entries.Where(entry => violations.Exists(v => IsOf(v.Path, "space." + entry.Key))).ToList();
                violations.AddRange(defaults.Explained(e.Violations).Where(v => !wrong.Exists(entry => IsOf(v.Path, "space." + entry.Key))).ToList());
            }
        }
        catch (SpecException e)
        {
            violations.AddRange(e.Violations);
        }
        return (null, WithLines(violations, fields));
    }

    /// <summary>What is wrong with a parameter is on its line, where it is not told more closely.</summary>
    private static ImmutableArray<SpecViolation> WithLines(IEnumerable<SpecViolation> violations, MappingNode fields) =>
    [
        .. violations.Select(v => v.Line is not null ? v
            : v with { Line = fields.Entries.FirstOrDefault(e => IsOf(v.Path, $"{StudyBinder.Space}.{e.Key}"))?.Line }),
    ];

    /// <summary>The text of <c>space-1.yaml</c> and so on, which <see cref="Of"/> reads.</summary>
    /// <param name="fromTrial">The number of the first trial that is drawn from it.</param>
    public string Write(int fromTrial) => SpecYamlText.Write(new MappingNode(
    [
        new MappingEntry(FromTrial, new ScalarNode(FormattableString.Invariant($"{fromTrial}"), plain: true)), new MappingEntry(StudyBinder.Space, Fields),
    ]));

    private static MappingNode SpaceOf(string yaml, List<SpecViolation> violations)
    {
        var root = SpecYaml.Parse(yaml, "") as MappingNode ?? MappingNode.Empty;
        foreach (var stray in root.Entries.Where(e => e.Key is not (StudyBinder.Space or FromTrial)))
            violations.Add(new(stray.Key, "cannot be changed while the study goes on; leave only space in the file", stray.Line));
        if (root.Get(StudyBinder.Space) is MappingNode { Entries.IsEmpty: false } space) return space;
        const string missing = "is missing: write the whole space, with the parameters that it had and those that are added";
        violations.Add(new(StudyBinder.Space, missing));
        return MappingNode.Empty;
    }

    /// <summary>The space as a study spec has it, and what its parameters say of earlier trials.</summary>
    private static (MappingNode Fields, Dictionary<string, SpecNode> Defaults) Split(MappingNode space)
    {
        var defaults = new Dictionary<string, SpecNode>(StringComparer.Ordinal);
        var fields = new MappingNode([.. space.Entries.Select(entry =>
        {
            if (entry.Value is not MappingNode parameter || parameter.Get(Default) is not { } value) return entry;
            defaults[entry.Key] = value;
            return entry with { Value = new MappingNode([.. parameter.Entries.Where(e => e.Key != Default)], parameter.Line) };
        })], space.Line);
        return (fields, defaults);
    }

    private static MappingNode With(MappingNode space, IReadOnlyDictionary<string, SpecNode> defaults) => new([.. space.Entries.Select(entry =>
        defaults.TryGetValue(entry.Key, out var value) ? entry with { Value = SpaceForms.Long(entry.Value).With(Default, value) } : entry)], space.Line);

    /// <summary>The study over the space; where it cannot be, the space by itself, so that all that is wrong with it is said.</summary>
    private static (StudySpec? Spec, StudySpace? Space) Bind(StudySpec before, MappingNode space, SpecBinder binder, List<SpecViolation> violations)
    {
        try
        {
            var spec = new StudyBinder(binder).Bind(StudySpecWriter.Fields(before with { SpaceFields = space }), []);
            return (spec, spec.Space);
        }
        catch (SpecException e)
        {
            // lines of all but the space are of another file
            violations.AddRange(e.Violations.Select(v => v.Path.StartsWith(StudyBinder.Space, StringComparison.Ordinal) ? v : v with { Line = null }));
            var sound = new MappingNode([.. space.Entries.Where(entry => !violations.Exists(v => IsOf(v.Path, "space." + entry.Key)))], space.Line);
            return (null, new SpaceBinder(binder.Catalogs, new Violations(), before.Fields).Bind(SpaceForms.Quoted(sound)));
        }
    }

    /// <summary>Whether a path is that of an entry, or is below it.</summary>
    internal static bool IsOf(string path, string entry) =>
        path.StartsWith(entry, StringComparison.Ordinal) && (path.Length == entry.Length || path[entry.Length] is '.' or '[');
}

/// <summary>What earlier trials are taken to have had of the parameters that are added to a space.</summary>
/// <param name="before">The study over the old space.</param>
/// <param name="space">The new one.</param>
/// <param name="fields">Its entries.</param>
internal sealed class WideningDefaults(StudySpec before, StudySpace space, MappingNode fields)
{
    private readonly Dictionary<string, double> _values = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SpecNode> _nodes = new(StringComparer.Ordinal);

    // what is wrong with the values of the training spec, and parameters whose default is wrong
    private readonly Dictionary<string, string> _unfit = new(StringComparer.Ordinal);
    private readonly HashSet<string> _wrong = new(StringComparer.Ordinal);

    /// <summary>By the names of parameters.</summary>
    public IReadOnlyDictionary<string, double> Values => _values;

    /// <summary>By the names of entries, as they stand in a spec.</summary>
    public IReadOnlyDictionary<string, SpecNode> Nodes => _nodes;

    /// <summary>Takes what the file gives, and for the others what the training spec has.</summary>
    public void Give(IReadOnlyDictionary<string, SpecNode> given, List<SpecViolation> violations)
    {
        foreach (var (entry, node) in given)
        {
            foreach (var (name, value, error) in space.Parse(entry, node))
            {
                if (error is null)
                {
                    _values[name] = value;
                    continue;
                }
                _wrong.Add(entry);
                _wrong.Add(name);
                violations.Add(new($"space.{entry}.default", error, node.Line));
            }
            if (!_wrong.Contains(entry)) _nodes[entry] = node;
        }
        var known = before.Space.Paths.ToHashSet(StringComparer.Ordinal);
        var training = new NodeWriter().WriteRecord(before.Training);
        // each trial has a seed of its own
        foreach (var entry in fields.Entries.Where(e => !known.Contains(e.Key) && !given.ContainsKey(e.Key) && e.Key != "seed"))
        {
            if (Find(training, entry.Key) is not { } node) continue;
            var parsed = space.Parse(entry.Key, node).ToList();
            if (parsed.Find(p => p.Error is not null) is { Error: { } error }) _unfit[entry.Key] = error;
            else foreach (var (name, value, _) in parsed) _values[name] = value;
            if (!_unfit.ContainsKey(entry.Key)) _nodes[entry.Key] = node;
        }
    }

    /// <summary>What is wrong with a widening, without what follows from a default that is wrong itself, and with the reasons that are known.</summary>
    public IEnumerable<SpecViolation> Explained(IEnumerable<SpecViolation> violations)
    {
        foreach (var violation in violations)
        {
            string name = violation.Path["space.".Length..];
            if (_wrong.Contains(name)) continue;
            yield return !_unfit.TryGetValue(name, out string? why) ? violation : violation with
            {
                Message = $"is added, and for earlier trials {why}; make it so wide, or say with default: what they are taken to have had",
            };
        }
    }

    private static SpecNode? Find(SpecNode node, string path)
    {
        foreach (string part in path.Split('.'))
        {
            if ((node as MappingNode)?.Get(part) is not { } inner) return null;
            node = inner;
        }
        return node;
    }
}
