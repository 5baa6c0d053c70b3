using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace DistOpt.Core.Specs.Binding;

/// <summary>One field of a spec: a public property that can be set.</summary>
internal sealed record FieldShape(string Name, PropertyInfo Property, FieldType Type, FieldRules Rules)
{
    public string? Description { get; init; }

    public bool OutsideIdentity { get; init; }

    /// <summary>Whether it is not written at its default (<see cref="AddedInAttribute"/>).</summary>
    public bool LeftOutAtDefault { get; init; }

    /// <summary>Whether the file has to give it.</summary>
    public bool Required { get; init; }
}

/// <summary>The fields of a record type, base types first, in the order of declaration. Cached for each type.</summary>
internal sealed class RecordShape
{
    private static readonly ConcurrentDictionary<Type, RecordShape> Cache = new();

    private readonly Func<object> _create;
    private readonly MethodInfo? _clone;

    private RecordShape(Type type)
    {
        Type = type;
        var constructor = Constructor(type);
        _create = Creator(type, constructor);
        _clone = type.GetMethod("<Clone>$", BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic);
        Fields = [.. Properties(type).Select(p => Field(p, constructor))];
    }

    public Type Type { get; }

    public ImmutableArray<FieldShape> Fields { get; }

    /// <exception cref="ArgumentException">The type cannot be a record of a spec; the text says why.</exception>
    public static RecordShape Of(Type type) => Cache.GetOrAdd(type, t => new RecordShape(t));

    /// <summary>A new record with the defaults.</summary>
    public object Create() => _create();

    /// <summary>A copy whose properties may be set; a class that is no record is created anew with its defaults.</summary>
    public object Copy(object? basis) =>
        basis is null || _clone is null || basis.GetType() != Type ? Create() : _clone.Invoke(basis, null)!;

    public FieldShape? Find(string name)
    {
        foreach (var field in Fields)
        {
            if (field.Name == name)
                return field;
        }

        return null;
    }

    private static ConstructorInfo? Constructor(Type type) =>
        type.GetConstructors().OrderBy(c => c.GetParameters().Length).FirstOrDefault(c => c.GetParameters().All(p => p.HasDefaultValue));

    private static Func<object> Creator(Type type, ConstructorInfo? constructor)
    {
        if (type.IsAbstract || constructor is null)
        {
            throw new ArgumentException(
                $"{type.Name} cannot hold the fields of a spec: it needs a public constructor without parameters, or with "
                + "a default for each");
        }

        var defaults = constructor.GetParameters()
            .Select(p => p.DefaultValue ?? (p.ParameterType.IsValueType ? Activator.CreateInstance(p.ParameterType) : null)).ToArray();
        return () => constructor.Invoke(defaults);
    }

    private static IEnumerable<PropertyInfo> Properties(Type type)
    {
        var chain = new Stack<Type>();
        for (var t = type; t is not null && t != typeof(object) && t != typeof(PluginSpec); t = t.BaseType)
            chain.Push(t);
        return chain
            .SelectMany(t => t.GetProperties(BindingFlags.Instance | BindingFlags.Public | BindingFlags.DeclaredOnly)
                .OrderBy(p => p.MetadataToken))
            .Where(p => p.SetMethod is { IsPublic: true } && p.GetMethod is { IsPublic: true } && p.GetIndexParameters().Length == 0)
            .DistinctBy(p => p.Name);
    }

    private static FieldShape Field(PropertyInfo property, ConstructorInfo? constructor)
    {
        // [Range] on a parameter of a positional record stays on the parameter
        var parameter = constructor?.GetParameters().FirstOrDefault(p => p.Name == property.Name);
        Attribute[] attributes = [.. property.GetCustomAttributes(), .. parameter?.GetCustomAttributes() ?? []];
        var type = FieldType.Of(property, attributes.OfType<PluginAttribute>().FirstOrDefault())
            with
        { NullName = attributes.OfType<NullNameAttribute>().FirstOrDefault()?.Name };
        var name = FieldNames.Snake(property.Name);
        return new FieldShape(name, property, type, new FieldRules(type, [.. attributes.OfType<ValidationAttribute>()]))
        {
            Description = attributes.OfType<DescriptionAttribute>().FirstOrDefault()?.Description,
            OutsideIdentity = attributes.OfType<OutsideIdentityAttribute>().Any() || name is "path"
                || name.EndsWith("_path", StringComparison.Ordinal),
            LeftOutAtDefault = attributes.OfType<AddedInAttribute>().Any(),
            Required = attributes.Any(a => a is RequiredAttribute or RequiredMemberAttribute),
        };
    }
}
