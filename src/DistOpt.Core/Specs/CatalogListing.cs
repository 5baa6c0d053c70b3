using System.Collections.Immutable;
using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs;

/// <summary>One field as <c>distopt list</c> shows it.</summary>
/// <param name="Name">Path from the plug-in or section: "learning_rate".</param>
/// <param name="Type">"int", "float", "bool", "text", "relu | gelu", "list of int", "optimizer", with "or null" or "or auto".</param>
/// <param name="Default">The default as it stands in YAML; null where the field must be given.</param>
/// <param name="Range">"at least 1", "between 0 and 1"; null without bounds.</param>
/// <param name="Description">What it means, in one line; may be null.</param>
public sealed record FieldListing(string Name, string Type, string? Default, string? Range, string? Description);

/// <summary>One plug-in.</summary>
public sealed record EntryListing(string Name, string Summary, string? Source, ImmutableArray<FieldListing> Fields);

/// <summary>A catalogue as <c>distopt list KIND</c> shows it: facts alone, for any rendering.</summary>
/// <param name="Name">Plural, as in the command: "optimizers".</param>
/// <param name="Kind">Singular: "optimizer".</param>
/// <param name="Entries">In the order of the catalogue.</param>
/// <param name="CommonFields">
/// Fields that stand beside every plug-in's own (under <c>data:</c>, <c>model:</c>, <c>optimizer:</c>, <c>schedule:</c> and <c>batch:</c>).
/// </param>
public sealed record CatalogListing(string Name, string Kind, ImmutableArray<EntryListing> Entries,
    ImmutableArray<FieldListing> CommonFields)
{
    /// <summary>Every catalogue.</summary>
    public static ImmutableArray<CatalogListing> All(SpecCatalogs catalogs)
    {
        ArgumentNullException.ThrowIfNull(catalogs);
        return [.. catalogs.All.Select(c => Of(c.Name, c.Catalog))];
    }

    /// <summary>The catalogue of that name; singular and plural are both understood.</summary>
    /// <exception cref="SpecException">No catalogue has the name; the text lists those that exist.</exception>
    public static CatalogListing Find(SpecCatalogs catalogs, string name)
    {
        ArgumentNullException.ThrowIfNull(catalogs);
        ArgumentNullException.ThrowIfNull(name);
        foreach (var (plural, catalog) in catalogs.All)
        {
            if (name == plural || name == catalog.Kind || name + "s" == plural)
                return Of(plural, catalog);
        }

        var sections = Sections(catalogs);
        if (sections.Entries.FirstOrDefault(s => s.Name == name) is { } section) return sections with { Entries = [section] };
        if (name == sections.Name || name == sections.Kind) return sections;
        string[] names = [.. catalogs.All.Select(c => c.Name), sections.Name];
        string[] parts = [.. sections.Entries.Select(s => s.Name)];
        var nearest = FieldNames.Nearest(name, [.. names, .. parts]) is { } near ? $". Did you mean '{near}'?" : "";
        throw new SpecException("", $"'{name}' is neither a kind of plug-in nor a section of a spec. Available: {string.Join(", ", names)}, and by "
            + $"themselves {string.Join(", ", parts)}{nearest}");
    }

    /// <summary>The sections of training specs that are no plug-ins, and <c>study:</c>, each as an entry with its fields.</summary>
    public static CatalogListing Sections(SpecCatalogs catalogs)
    {
        ArgumentNullException.ThrowIfNull(catalogs);
        var sections = RecordShape.Of(typeof(TrainingSpec)).Fields.Where(f => f.Type.Kind == FieldKind.Record)
            .Select(f => (f.Name, f.Description, f.Type.Clr))
            .Append((Name: StudyBinder.Study, Description: "What a study looks for, and how", Clr: typeof(Studies.StudySection)));
        return new CatalogListing("sections", "section",
            [.. sections.Select(s => new EntryListing(s.Name, s.Description ?? "", null, [.. Fields(RecordShape.Of(s.Clr), null, "", catalogs)]))], []);
    }

    /// <summary>
    /// The fields of a spec or of another record, nested ones with their paths; plug-ins' options are left to their catalogues.
    /// </summary>
    public static ImmutableArray<FieldListing> FieldsOf(SpecCatalogs catalogs, Type type)
    {
        ArgumentNullException.ThrowIfNull(catalogs);
        return [.. Fields(RecordShape.Of(type), null, "", catalogs)];
    }

    private static CatalogListing Of(string name, ICatalog catalog)
    {
        var common = name switch
        {
            "models" => typeof(ModelSpec),
            "datasets" => typeof(DataSpec),
            "optimizers" => typeof(OptimizerSpec),
            "schedules" => typeof(ScheduleSpec),
            "batches" => typeof(BatchSpec),
            _ => null,
        };
        return new CatalogListing(name, catalog.Kind,
            [.. catalog.Entries.Select(e => new EntryListing(
                e.Name, e.Summary, e.Source, [.. Fields(RecordShape.Of(e.OptionsType), null, "", null)]))],
            common is null ? [] : [.. Fields(RecordShape.Of(common), null, "", null)]);
    }

    private static IEnumerable<FieldListing> Fields(RecordShape shape, object? defaults, string prefix, SpecCatalogs? catalogs)
    {
        defaults ??= shape.Create();
        foreach (var field in shape.Fields)
        {
            var value = field.Property.GetValue(defaults);
            if (field.Type.Kind == FieldKind.Record)
            {
                foreach (var inner in Fields(RecordShape.Of(field.Type.Clr), value, prefix + field.Name + ".", catalogs))
                    yield return inner;
                continue;
            }

            yield return Listing(prefix, field, value, catalogs);
            if (field.Type is { Kind: FieldKind.List, Element: { Kind: FieldKind.Record, Clr: var element } })
            {
                foreach (var inner in Fields(RecordShape.Of(element), null, prefix + field.Name + "[].", catalogs))
                    yield return inner;
            }
            if (catalogs is not null && field.Type.Kind == FieldKind.Plugin && field.Type.Clr != typeof(PluginSpec))
            {
                foreach (var inner in Fields(RecordShape.Of(field.Type.Clr), value, prefix + field.Name + ".", catalogs))
                    yield return inner;
            }
        }
    }

    private static FieldListing Listing(string prefix, FieldShape field, object? value, SpecCatalogs? catalogs)
    {
        var text = value is PluginSpec plugin ? plugin.Kind : SpecYamlText.Inline(new NodeWriter().WriteValue(field.Type, value));
        var missing = field.Required && (value is null or "" || text == "[]");
        return new FieldListing(prefix + field.Name, TypeText(field.Type, field.Rules, catalogs), missing ? null : text, field.Rules.RangeText,
            field.Description);
    }

    private static string TypeText(FieldType type, FieldRules rules, SpecCatalogs? catalogs)
    {
        var text = type.Kind switch
        {
            _ when !rules.Allowed.IsEmpty && type.Element is null => string.Join(" | ", rules.Allowed),
            FieldKind.Bool => "bool",
            FieldKind.Integer => "int",
            FieldKind.Number => "float",
            FieldKind.Text => "text",
            FieldKind.Enum => string.Join(" | ", FieldType.EnumNames(type.Clr)),
            FieldKind.List => "list of " + TypeText(type.Element!, rules, catalogs),
            FieldKind.Map => "map of " + TypeText(type.Element!, rules, catalogs),
            FieldKind.Plugin => catalogs?.Get(type.Plugin!.Catalog).Kind ?? type.Plugin!.Catalog.TrimEnd('s'),
            FieldKind.Record => "fields",
            _ => "any",
        };
        return type.NullName is { } name ? $"{text} or {name}" : type.Nullable ? $"{text} or null" : text;
    }
}
