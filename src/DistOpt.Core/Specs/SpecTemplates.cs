using System.Text;
using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs;

/// <summary>Spec files to start from.</summary>
public static class SpecTemplates
{
    private const int CommentColumn = 32;

    /// <summary>
    /// The text of <c>distopt init</c>: every field with its default and what it means. It reads back as the default spec with the
    /// settings.
    /// </summary>
    /// <param name="binder">The catalogues.</param>
    /// <param name="dataset">Name of a data set; null for the default.</param>
    /// <param name="model">Name of a model; null for the default.</param>
    /// <param name="overrides">Further settings, as on the command line.</param>
    /// <exception cref="SpecException">An unknown name, or a data set with a field that must be given and is not.</exception>
    public static string Init(SpecBinder binder, string? dataset = null, string? model = null, IReadOnlyList<string>? overrides = null)
    {
        ArgumentNullException.ThrowIfNull(binder);
        List<string> settings = [.. overrides ?? []];
        if (dataset is not null)
            settings.Insert(0, $"data.name={SpecYamlText.Text(dataset)}");
        if (model is not null)
            settings.Insert(0, $"model.kind={SpecYamlText.Text(model)}");
        if ((dataset ?? model) is not null && !settings.Exists(s => s.StartsWith("name=", StringComparison.Ordinal)))
            settings.Add($"name={dataset ?? "digits"}-{model ?? "mlp"}");
        var spec = binder.Default(settings);
        var text = new StringBuilder();
        text.Append("# A training spec: 'distopt train FILE' runs it. Every field may be left out; the values here are the defaults.\n");
        text.Append("# 'distopt list KIND' shows what else a field can be, '--set path.to.field=value' changes one for a run.\n\n");
        WriteFields(text, binder.Catalogs, RecordShape.Of(typeof(TrainingSpec)), spec, 0);
        return text.ToString();
    }

    private static void WriteFields(StringBuilder text, SpecCatalogs catalogs, RecordShape shape, object record, int depth)
    {
        foreach (var field in shape.Fields)
        {
            var value = field.Property.GetValue(record);
            if (field.Type.Kind == FieldKind.Record && value is not null)
            {
                if (depth == 0)
                    text.Append('\n');
                Line(text, depth, $"{field.Name}:", field.Description);
                WriteFields(text, catalogs, RecordShape.Of(field.Type.Clr), value, depth + 1);
            }
            else if (value is PluginSpec plugin)
            {
                WritePlugin(text, catalogs, field, plugin, depth);
            }
            else
            {
                Line(text, depth, $"{field.Name}: {SpecYamlText.Inline(new NodeWriter().WriteValue(field.Type, value))}", Comment(field));
            }
        }
    }

    private static void WritePlugin(StringBuilder text, SpecCatalogs catalogs, FieldShape field, PluginSpec plugin, int depth)
    {
        var names = string.Join(", ", catalogs.Get(field.Type.Plugin!.Catalog).Entries.Select(e => e.Name));
        if (depth == 0)
            text.Append('\n');
        Line(text, depth, $"{field.Name}:", field.Description);
        Line(text, depth + 1, $"{field.Type.Plugin.Key}: {SpecYamlText.Text(plugin.Kind)}", names);
        if (plugin.Options is { } options)
            WriteFields(text, catalogs, RecordShape.Of(options.GetType()), options, depth + 1);
        if (field.Type.Clr != typeof(PluginSpec))
            WriteFields(text, catalogs, RecordShape.Of(field.Type.Clr), plugin, depth + 1);
    }

    private static string? Comment(FieldShape field)
    {
        var choices = field.Type.Kind == FieldKind.Enum ? string.Join(", ", FieldType.EnumNames(field.Type.Clr))
            : field.Type.Kind == FieldKind.Record
                ? "{ " + string.Join(", ", RecordShape.Of(field.Type.Clr).Fields.Select(f => f.Name)) + " }"
            : field.Rules.Allowed.Length > 1 ? string.Join(", ", field.Rules.Allowed) : field.Rules.RangeText;
        return (field.Description, choices) switch
        {
            (null, _) => choices,
            (_, null) => field.Description,
            _ => $"{field.Description}; {choices}",
        };
    }

    private static void Line(StringBuilder text, int depth, string content, string? comment)
    {
        content = new string(' ', 2 * depth) + content;
        text.Append(comment is null ? content : $"{content.PadRight(CommentColumn)}  # {comment.ReplaceLineEndings(" ")}").Append('\n');
    }
}
