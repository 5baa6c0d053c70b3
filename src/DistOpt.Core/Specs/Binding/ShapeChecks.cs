namespace DistOpt.Core.Specs.Binding;

/// <summary>Finds options records that cannot work when the program starts, not when somebody uses them.</summary>
internal static class ShapeChecks
{
    /// <exception cref="ArgumentException">A type, a name or a nesting that the binder cannot handle.</exception>
    public static void Check(SpecCatalogs catalogs, Type root)
    {
        foreach (var (_, catalog) in catalogs.All)
        {
            foreach (var entry in catalog.Entries)
            {
                try
                {
                    CheckRecord(RecordShape.Of(entry.OptionsType), catalogs, []);
                }
                catch (ArgumentException e)
                {
                    throw new ArgumentException($"{catalog.Kind} '{entry.Name}': {e.Message}", e);
                }
            }
        }

        CheckRecord(RecordShape.Of(root), catalogs, []);
    }

    private static void CheckRecord(RecordShape shape, SpecCatalogs catalogs, HashSet<Type> outer)
    {
        if (!outer.Add(shape.Type))
            throw new ArgumentException($"{shape.Type.Name} contains itself; the fields of a spec have a fixed depth");
        foreach (var field in shape.Fields)
        {
            for (var type = field.Type; type is not null; type = type.Element)
            {
                if (type.Kind == FieldKind.Record)
                    CheckRecord(RecordShape.Of(type.Clr), catalogs, outer);
                else if (type.Kind == FieldKind.Plugin)
                    CheckPlugin(type, catalogs);
            }
        }

        outer.Remove(shape.Type);
    }

    private static void CheckPlugin(FieldType type, SpecCatalogs catalogs)
    {
        var catalog = catalogs.Get(type.Plugin!.Catalog);
        var common = type.Clr == typeof(PluginSpec) ? null : RecordShape.Of(type.Clr);
        foreach (var entry in catalog.Entries)
        {
            foreach (var field in RecordShape.Of(entry.OptionsType).Fields)
            {
                if (field.Name == type.Plugin.Key || common?.Find(field.Name) is not null)
                {
                    throw new ArgumentException(
                        $"{catalog.Kind} '{entry.Name}': the field '{field.Name}' of {entry.OptionsType.Name} is taken by every "
                        + $"{catalog.Kind}; rename the property");
                }
            }
        }
    }
}
