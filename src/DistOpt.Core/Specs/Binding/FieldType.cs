using System.Collections;
using System.Collections.Immutable;
using System.Reflection;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs.Binding;

internal enum FieldKind
{
    Bool,
    Integer,
    Number,
    Text,
    Enum,
    Record,
    List,
    Map,
    Plugin,
    Node,
}

/// <summary>What a field may hold.</summary>
/// <param name="Kind">The sort of value.</param>
/// <param name="Clr">The property's type, without Nullable.</param>
/// <param name="Nullable">Whether null is a value.</param>
/// <param name="Element">Type of a list's or map's elements.</param>
/// <param name="Plugin">The catalogue of a plug-in field.</param>
/// <param name="NullName">The word for null, such as auto.</param>
internal sealed record FieldType(
    FieldKind Kind, Type Clr, bool Nullable, FieldType? Element = null, PluginAttribute? Plugin = null, string? NullName = null)
{
    private static readonly Type[] ListTypes =
    [
        typeof(ImmutableArray<>), typeof(IReadOnlyList<>), typeof(IReadOnlyCollection<>), typeof(IEnumerable<>), typeof(IList<>),
        typeof(List<>), typeof(ImmutableList<>), typeof(IImmutableList<>),
    ];

    private static readonly Type[] MapTypes =
    [
        typeof(IReadOnlyDictionary<,>), typeof(IDictionary<,>), typeof(Dictionary<,>), typeof(ImmutableDictionary<,>),
        typeof(ImmutableSortedDictionary<,>), typeof(IImmutableDictionary<,>),
    ];

    /// <summary>The type as an error says it: "a whole number".</summary>
    public string Expectation => ExpectationOfValue + (NullName is null ? "" : $" or {NullName}");

    private string ExpectationOfValue => Kind switch
    {
        FieldKind.Bool => "true or false",
        FieldKind.Integer => "a whole number",
        FieldKind.Number => "a number",
        FieldKind.Text => "text",
        FieldKind.Enum => "one of " + string.Join(", ", EnumNames(Clr)),
        FieldKind.List => $"a list such as [{Element!.Example}]",
        FieldKind.Plugin => $"a name or a mapping with '{Plugin!.Key}'",
        FieldKind.Node => "a value",
        _ => "a mapping of fields",
    };

    private string Example => Kind switch
    {
        FieldKind.Integer => "1, 2",
        FieldKind.Number => "0.1, 0.2",
        FieldKind.Bool => "true, false",
        FieldKind.Enum => EnumNames(Clr)[0],
        FieldKind.Text => "a, b",
        _ => "...",
    };

    /// <summary>Names of an enum's values as they are written: kebab-case.</summary>
    public static string[] EnumNames(Type type) => [.. Enum.GetNames(type).Select(n => FieldNames.Snake(n).Replace('_', '-'))];

    /// <exception cref="ArgumentException">The property has a type that a field of a spec cannot have.</exception>
    public static FieldType Of(PropertyInfo property, PluginAttribute? plugin)
    {
        // the context caches without locks, so each call has its own; shapes are built once per type
        var type = Of(property.PropertyType, new NullabilityInfoContext().Create(property), plugin);
        return type ?? throw new ArgumentException(
            $"{property.DeclaringType?.Name}.{property.Name} has type {property.PropertyType.Name}, which a field of a spec cannot have; "
            + "use bool, int, long, float, double, string, an enum, a record of such properties, ImmutableArray or IReadOnlyList of them, "
            + "a dictionary with string keys, or PluginSpec with [Plugin]");
    }

    private static FieldType? Of(Type declared, NullabilityInfo nullability, PluginAttribute? plugin)
    {
        var type = System.Nullable.GetUnderlyingType(declared) ?? declared;
        var nullable = type != declared || (!declared.IsValueType && nullability.ReadState != NullabilityState.NotNull);
        if (type == typeof(bool))
            return new FieldType(FieldKind.Bool, type, nullable);
        if (type == typeof(int) || type == typeof(long))
            return new FieldType(FieldKind.Integer, type, nullable);
        if (type == typeof(double) || type == typeof(float))
            return new FieldType(FieldKind.Number, type, nullable);
        if (type == typeof(string))
            return new FieldType(FieldKind.Text, type, nullable);
        if (type.IsEnum)
            return new FieldType(FieldKind.Enum, type, nullable);
        if (type == typeof(SpecNode))
            return new FieldType(FieldKind.Node, type, nullable);
        if (typeof(PluginSpec).IsAssignableFrom(type))
            return plugin is null ? null : new FieldType(FieldKind.Plugin, type, nullable, null, plugin);
        if (type.IsArray && type.GetArrayRank() == 1)
            return Collection(FieldKind.List, type.GetElementType()!, nullability.ElementType!);
        if (type.IsGenericType && ListTypes.Contains(type.GetGenericTypeDefinition()))
            return Collection(FieldKind.List, type.GetGenericArguments()[0], nullability.GenericTypeArguments[0]);
        if (type.IsGenericType && MapTypes.Contains(type.GetGenericTypeDefinition()) && type.GetGenericArguments()[0] == typeof(string))
            return Collection(FieldKind.Map, type.GetGenericArguments()[1], nullability.GenericTypeArguments[1]);
        var isRecord = type is { IsClass: true, IsAbstract: false } && type.GetMethod("<Clone>$") is not null;
        return isRecord && !typeof(IEnumerable).IsAssignableFrom(type) ? new FieldType(FieldKind.Record, type, nullable) : null;

        FieldType? Collection(FieldKind kind, Type element, NullabilityInfo elementNullability) =>
            Of(element, elementNullability, plugin) is { } inner ? new FieldType(kind, type, nullable, inner) : null;
    }

    /// <summary>Values as the property's collection type.</summary>
    public object MakeList(IReadOnlyList<object?> items)
    {
        var array = Array.CreateInstance(Element!.Declared, items.Count);
        for (var i = 0; i < items.Count; i++)
            array.SetValue(items[i], i);
        if (Clr.IsArray || Clr.IsInterface && Clr.IsInstanceOfType(array) && Clr.GetGenericTypeDefinition() != typeof(IList<>))
            return array;
        var name = Clr.GetGenericTypeDefinition() switch
        {
            var t when t == typeof(ImmutableArray<>) => nameof(ImmutableArray<>),
            var t when t == typeof(List<>) || t == typeof(IList<>) => nameof(List<>),
            _ => nameof(ImmutableList<>),
        };
        var factory = typeof(FieldType).GetMethod(name == nameof(List<>) ? nameof(ToList) : name == nameof(ImmutableArray<>)
            ? nameof(ToImmutableArray) : nameof(ToImmutableList), BindingFlags.Static | BindingFlags.NonPublic)!;
        return factory.MakeGenericMethod(Element.Declared).Invoke(null, [array])!;
    }

    /// <inheritdoc cref="MakeList"/>
    public object MakeMap(IReadOnlyList<KeyValuePair<string, object?>> items)
    {
        var definition = Clr.GetGenericTypeDefinition();
        var name = definition == typeof(ImmutableSortedDictionary<,>) ? nameof(ToSortedMap)
            : definition == typeof(ImmutableDictionary<,>) || definition == typeof(IImmutableDictionary<,>) ? nameof(ToImmutableMap)
                : nameof(ToMap);
        return typeof(FieldType).GetMethod(name, BindingFlags.Static | BindingFlags.NonPublic)!
            .MakeGenericMethod(Element!.Declared).Invoke(null, [items])!;
    }

    /// <summary>The type with its Nullable.</summary>
    private Type Declared => Nullable && Clr.IsValueType ? typeof(Nullable<>).MakeGenericType(Clr) : Clr;

    private static List<T> ToList<T>(T[] items) => [.. items];

    private static ImmutableArray<T> ToImmutableArray<T>(T[] items) => [.. items];

    private static ImmutableList<T> ToImmutableList<T>(T[] items) => [.. items];

    private static Dictionary<string, T?> ToMap<T>(IReadOnlyList<KeyValuePair<string, object?>> items) =>
        items.ToDictionary(i => i.Key, i => (T?)i.Value, StringComparer.Ordinal);

    private static ImmutableDictionary<string, T?> ToImmutableMap<T>(IReadOnlyList<KeyValuePair<string, object?>> items) =>
        items.ToImmutableDictionary(i => i.Key, i => (T?)i.Value, StringComparer.Ordinal);

    private static ImmutableSortedDictionary<string, T?> ToSortedMap<T>(IReadOnlyList<KeyValuePair<string, object?>> items) =>
        items.ToImmutableSortedDictionary(i => i.Key, i => (T?)i.Value, StringComparer.Ordinal);
}
