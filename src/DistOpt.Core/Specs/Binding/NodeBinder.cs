using System.ComponentModel.DataAnnotations;
using System.Reflection;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs.Binding;

/// <summary>Nodes to records. Goes on after an error, so that all violations are found; what failed keeps its default.</summary>
internal sealed class NodeBinder(SpecCatalogs catalogs, Violations violations, FieldFinder finder)
{
    private static readonly object Failed = new();

    /// <param name="shape">The record's fields.</param>
    /// <param name="node">Its mapping.</param>
    /// <param name="basis">The record whose values stand where the file says nothing; null for the type's defaults.</param>
    /// <param name="path">Path of the record.</param>
    public object BindRecord(RecordShape shape, SpecNode node, object? basis, string path)
    {
        var record = shape.Copy(basis);
        // a section whose fields are all commented out reads as null
        if (node is ScalarNode { IsNull: true })
            node = new MappingNode([], node.Line);
        if (node is MappingNode mapping)
            BindFields([(shape, record)], mapping, path, null);
        else
            violations.Add(path, $"is {ScalarBinder.Show(node)}, but must be a mapping of fields: {Names(shape)}", node.Line);
        return record;
    }

    private void BindFields(ReadOnlySpan<(RecordShape Shape, object Record)> targets, MappingNode mapping, string path,
        PluginContext? plugin)
    {
        foreach (var entry in mapping.Entries)
        {
            if (entry.Key == plugin?.Key)
                continue;
            var fieldPath = Join(path, entry.Key);
            violations.Place(fieldPath, entry.Line ?? entry.Value.Line);
            var found = false;
            foreach (var (shape, record) in targets)
            {
                if (shape.Find(entry.Key) is not { } field)
                    continue;
                found = true;
                var value = BindValue(field, entry.Value, field.Property.GetValue(record), fieldPath);
                if (value != Failed)
                    Set(field, record, value, fieldPath);
                break;
            }

            if (!found && plugin is not { KindIsKnown: false })
                violations.Add(fieldPath, violations.Full ? "" : finder.Unknown(entry.Key, [.. Shapes(targets)], plugin));
        }

        foreach (var (shape, record) in targets)
        {
            foreach (var field in shape.Fields)
            {
                if (mapping.Get(field.Name) is null)
                    BindAbsent(field, record, Join(path, field.Name));
            }

            CheckFields(shape, record, path);
        }

        // a plug-in's own rules and those of the fields beside its own are asked together, or the first would hide the others
        if (path.Length > 0 && violations.Touches(path))
            return;
        foreach (var (_, record) in targets) CheckRecord(record, path);
    }

    /// <summary>Plug-ins need their options, and plug-ins may stand deep inside a section that the file leaves out.</summary>
    private void BindAbsent(FieldShape field, object record, string path)
    {
        var value = field.Property.GetValue(record);
        if (field.Required && value is null or "")
            violations.Add(path, $"is missing; it must be given ({field.Type.Expectation})");
        else if (value is not null && field.Type.Kind is FieldKind.Record or FieldKind.Plugin)
            Set(field, record, BindValue(field, MappingNode.Empty, value, path), path);
    }

    /// <summary>Finds what is wrong with a value for a field, without a record.</summary>
    public void CheckValue(FieldType type, FieldRules rules, SpecNode node, string path)
    {
        if (node is ScalarNode scalar && (scalar.Text == type.NullName || (scalar.IsNull && type is { Nullable: true, Kind: not FieldKind.Node })))
            return;
        BindValue(type, rules, node, null, path);
    }

    private object? BindValue(FieldShape field, SpecNode node, object? basis, string path)
    {
        if (node is ScalarNode scalar)
        {
            if (field.Type.NullName is { } name && scalar.Text == name)
                return null;
            if (scalar.IsNull && field.Type is { Nullable: true, Kind: not FieldKind.Node })
                return field.Required ? Fail(path, "is null, but must be " + field.Type.Expectation, node) : null;
        }

        return BindValue(field.Type, field.Rules, node, basis, path);
    }

    private object? BindValue(FieldType type, FieldRules rules, SpecNode node, object? basis, string path)
    {
        violations.Place(path, node.Line);
        switch (type.Kind)
        {
            case FieldKind.Node:
                return node;
            case FieldKind.Record:
                return BindRecord(RecordShape.Of(type.Clr), node, basis, path);
            case FieldKind.Plugin:
                return BindPlugin(type, node, (PluginSpec?)basis, path) ?? Failed;
            case FieldKind.List:
                return BindList(type, rules, node, path);
            case FieldKind.Map:
                return BindMap(type, rules, node, path);
        }

        if (node is not ScalarNode scalar || scalar.IsNull)
            return Fail(path, $"is {ScalarBinder.Show(node)}, but must be {type.Expectation}", node);
        var (value, error) = ScalarBinder.Bind(type, scalar);
        error ??= rules.CheckValue(value!, ScalarBinder.Show(scalar));
        return error is null ? value : Fail(path, error, node);
    }

    private object? BindList(FieldType type, FieldRules rules, SpecNode node, string path)
    {
        if (node is not SequenceNode sequence)
        {
            var remedy = node is ScalarNode { IsNull: false } ? $"; write [{SpecYamlText.Inline(node)}] for one value" : "";
            return Fail(path, $"is {ScalarBinder.Show(node)}, but must be {type.Expectation}{remedy}", node);
        }

        var items = new List<object?>(sequence.Items.Length);
        for (var i = 0; i < sequence.Items.Length; i++)
            items.Add(BindElement(type.Element!, rules.OfElement, sequence.Items[i], $"{path}[{i}]"));
        if (items.Contains(Failed))
            return Failed;
        var list = type.MakeList(items);
        return rules.CheckCount(list) is { } error ? Fail(path, error, node) : list;
    }

    private object? BindMap(FieldType type, FieldRules rules, SpecNode node, string path)
    {
        if (node is not MappingNode mapping)
            return Fail(path, $"is {ScalarBinder.Show(node)}, but must be a mapping of names to values", node);
        var items = new List<KeyValuePair<string, object?>>(mapping.Entries.Length);
        foreach (var entry in mapping.Entries)
            items.Add(new(entry.Key, BindElement(type.Element!, rules.OfElement, entry.Value, Join(path, entry.Key))));
        if (items.Exists(i => i.Value == Failed))
            return Failed;
        var map = type.MakeMap(items);
        return rules.CheckCount(map) is { } error ? Fail(path, error, node) : map;
    }

    private object? BindElement(FieldType element, FieldRules rules, SpecNode node, string path) =>
        element.Nullable && node is ScalarNode { IsNull: true } ? null : BindValue(element, rules, node, null, path);

    private PluginSpec? BindPlugin(FieldType type, SpecNode node, PluginSpec? basis, string path)
    {
        var catalog = catalogs.Get(type.Plugin!.Catalog);
        var key = type.Plugin.Key;
        var name = node is MappingNode fields ? fields.Get(key) : node;
        if (node is SequenceNode || name is not (null or ScalarNode { IsNull: false }) || (name is null && basis is null))
        {
            var names = string.Join(", ", catalog.Entries.Select(e => e.Name));
            var what = name is null ? $"names no {catalog.Kind}: '{key}' is missing"
                : $"is {ScalarBinder.Show(name)}, but must be {type.Expectation}";
            violations.Add(path, $"{what}. Available: {names}", node.Line);
            return null;
        }

        var kind = (name as ScalarNode)?.Text ?? basis!.Kind;
        var known = catalog.TryGet(kind, out var entry);
        if (!known)
        {
            var nearest = FieldNames.Nearest(kind, catalog.Entries.Select(e => e.Name)) is { } near ? $". Did you mean '{near}'?" : "";
            violations.Add(node is MappingNode ? Join(path, key) : path, Catalog<object>.UnknownName(catalog, kind) + nearest, name?.Line);
        }

        var shape = RecordShape.Of(entry?.OptionsType ?? typeof(NoOptions));
        var options = shape.Copy(basis?.Kind == kind ? basis.Options : null);
        PluginSpec plugin;
        (RecordShape, object)[] targets;
        if (type.Clr == typeof(PluginSpec))
        {
            plugin = new PluginSpec(kind, options);
            targets = [(shape, options)];
        }
        else
        {
            var common = RecordShape.Of(type.Clr);
            plugin = (PluginSpec)common.Copy(basis);
            typeof(PluginSpec).GetProperty(nameof(PluginSpec.Kind))!.SetValue(plugin, kind);
            typeof(PluginSpec).GetProperty(nameof(PluginSpec.Options))!.SetValue(plugin, known ? options : null);
            targets = [(common, plugin), (shape, options)];
        }

        BindFields(targets, node as MappingNode ?? MappingNode.Empty, path, new PluginContext(catalog, kind, key, known));
        return plugin;
    }

    private void Set(FieldShape field, object record, object? value, string path)
    {
        if (value == Failed)
            return;
        try
        {
            field.Property.SetValue(record, value);
        }
        catch (TargetInvocationException e) when (e.InnerException is ArgumentException or ValidationException)
        {
            // the record's own setter refuses the value: its text is the violation's
            violations.Add(path, OneLine(e.InnerException.Message));
        }
    }

    /// <summary>ValidationAttributes of the record's author beyond the known ones.</summary>
    private void CheckFields(RecordShape shape, object record, string path)
    {
        foreach (var field in shape.Fields)
        {
            foreach (var rule in field.Rules.Other)
            {
                var fieldPath = Join(path, field.Name);
                var context = new ValidationContext(record) { MemberName = field.Property.Name, DisplayName = field.Name };
                if (!violations.Touches(fieldPath) && rule.GetValidationResult(field.Property.GetValue(record), context) is { } result)
                    violations.Add(fieldPath, OneLine(result.ErrorMessage ?? "is not valid"));
            }
        }
    }

    /// <summary>Rules of the record's author over several fields; not asked while one of them is wrong by itself.</summary>
    private void CheckRecord(object record, string path)
    {
        if (record is not IValidatableObject validatable)
            return;
        foreach (var result in validatable.Validate(new ValidationContext(record)).Where(r => r != ValidationResult.Success))
        {
            var member = result.MemberNames.FirstOrDefault();
            violations.Add(member is null ? path : Join(path, FieldNames.Snake(member)), OneLine(result.ErrorMessage ?? "is not valid"));
        }
    }

    private object Fail(string path, string message, SpecNode node)
    {
        violations.Add(path, message, node.Line);
        return Failed;
    }

    private static IEnumerable<RecordShape> Shapes(ReadOnlySpan<(RecordShape Shape, object)> targets)
    {
        var shapes = new List<RecordShape>();
        foreach (var (shape, _) in targets)
            shapes.Add(shape);
        return shapes;
    }

    private static string Names(RecordShape shape) => string.Join(", ", shape.Fields.Select(f => f.Name));

    private static string OneLine(string text) => text.ReplaceLineEndings(" ");

    internal static string Join(string path, string field) => path.Length == 0 ? field : $"{path}.{field}";

    private sealed record NoOptions;
}
