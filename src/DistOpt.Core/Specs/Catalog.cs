using System.Diagnostics.CodeAnalysis;

namespace DistOpt.Core.Specs;

/// <summary>What the binder, <c>distopt list</c> and the schema need to know about a plug-in.</summary>
public interface ICatalogEntry
{
    string Name { get; }

    /// <summary>The record whose properties are the entry's fields in a spec; has a parameterless constructor with the defaults.</summary>
    Type OptionsType { get; }

    /// <summary>One line: what it is.</summary>
    string Summary { get; }

    /// <summary>Paper, or file (of a library, or of ours), that the definition comes from; every built-in plug-in has one, a user's may have none.</summary>
    string? Source { get; }
}

/// <summary>A closed set of named plug-ins of one kind ("optimizer", "model", ...).</summary>
public interface ICatalog
{
    /// <summary>Singular, as in error texts: "optimizer".</summary>
    string Kind { get; }

    IReadOnlyList<ICatalogEntry> Entries { get; }

    bool TryGet(string name, [NotNullWhen(true)] out ICatalogEntry? entry);
}

public sealed record CatalogEntry<TFactory>(string Name, Type OptionsType, TFactory Factory, string Summary, string? Source = null)
    : ICatalogEntry;

/// <summary>
/// Name to factory. Adding a plug-in is one line here; it is then listed, offered in the error text for unknown names, part of the
/// schema, and under its folder's contract tests.
/// </summary>
public sealed class Catalog<TFactory>(string kind) : ICatalog
{
    private readonly List<CatalogEntry<TFactory>> _entries = [];

    public string Kind { get; } = kind;

    public IReadOnlyList<CatalogEntry<TFactory>> Entries => _entries;

    IReadOnlyList<ICatalogEntry> ICatalog.Entries => _entries;

    /// <exception cref="ArgumentException">The name is taken.</exception>
    public Catalog<TFactory> Add(CatalogEntry<TFactory> entry)
    {
        if (_entries.Any(e => e.Name == entry.Name))
            throw new ArgumentException($"{Kind} '{entry.Name}' is already registered; choose another name");
        _entries.Add(entry);
        return this;
    }

    public bool TryGet(string name, [NotNullWhen(true)] out ICatalogEntry? entry)
    {
        entry = _entries.Find(e => e.Name == name);
        return entry is not null;
    }

    /// <summary>The factory of a name that the binder has checked.</summary>
    /// <exception cref="SpecException">Unknown name; the message lists what exists.</exception>
    public TFactory Get(string name)
    {
        var entry = _entries.Find(e => e.Name == name) ?? throw new SpecException(Kind, UnknownName(name));
        return entry.Factory;
    }

    /// <summary>The one error text for unknown names.</summary>
    public string UnknownName(string name) => UnknownName(this, name);

    /// <inheritdoc cref="UnknownName(string)"/>
    public static string UnknownName(ICatalog catalog, string name) =>
        $"{catalog.Kind} '{name}' is not known. Available: {string.Join(", ", catalog.Entries.Select(e => e.Name))}";
}
