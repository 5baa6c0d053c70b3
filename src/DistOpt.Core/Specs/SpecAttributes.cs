namespace DistOpt.Core.Specs;

/// <summary>Says which catalogue a <see cref="PluginSpec"/> property (or the elements of a list of them) refers to.</summary>
/// <param name="catalog">A name of <see cref="SpecCatalogs.All"/>: "optimizers".</param>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class PluginAttribute(string catalog) : Attribute
{
    public string Catalog { get; } = catalog;

    /// <summary>The field that holds the plug-in's name.</summary>
    public string Key { get; init; } = "kind";
}

/// <summary>The word that stands for null in a file, such as <c>auto</c>.</summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class NullNameAttribute(string name) : Attribute
{
    public string Name { get; } = name;
}

/// <summary>
/// The field has no influence on the weights of a run (placement, limits), so that <see cref="SpecIdentity"/> leaves it out. Fields called
/// <c>path</c> or <c>..._path</c> are left out without it: what counts is what the file holds.
/// </summary>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class OutsideIdentityAttribute : Attribute;

/// <summary>
/// The field came with a later minor version than 1.0. It is written only where it differs from its default: nodes of the minor version before do
/// not know it and refuse it, and a job that does not use it runs on them all the same. For the same reason its default must mean what was before.
/// </summary>
/// <param name="version">The protocol's version, such as "1.1".</param>
[AttributeUsage(AttributeTargets.Property | AttributeTargets.Parameter)]
public sealed class AddedInAttribute(string version) : Attribute
{
    public string Version { get; } = version;
}
