using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Specs.Binding;

/// <summary>An entry of <c>space:</c> while it is being read.</summary>
internal sealed class SpaceDraft(string path, ParameterSpec spec, MappingNode node)
{
    /// <summary>Path into the training spec.</summary>
    public string Path { get; } = path;

    public ParameterSpec Spec { get; } = spec;

    public MappingNode Node { get; } = node;

    /// <summary>Where errors say that it stands.</summary>
    public string Place => "space." + Path;

    /// <summary>Where the path leads, for every plug-in that may stand on its way whatever the conditions.</summary>
    public IReadOnlyList<FieldTarget> Targets { get; set; } = [];

    /// <summary>The first field that it leads to.</summary>
    public TargetField? Field => Targets.FirstOrDefault(t => t.Field is not null)?.Field;

    /// <summary>For a section whose plug-in it chooses: the plug-in of each choice.</summary>
    public ImmutableArray<string> Kinds { get; set; } = [];

    /// <summary>Its parameters (one; for a list length and elements) with the conditions among themselves.</summary>
    public List<DraftParameter> Parameters { get; } = [];

    /// <summary>Whether a condition is not there, since it or its parent is wrong.</summary>
    public bool LacksConditions { get; set; }

    /// <summary>Its own conditions.</summary>
    public List<(SpaceDraft Parent, Condition When)> Conditions { get; } = [];
}

/// <summary>A parameter while its space is being read.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Domain">Its values.</param>
/// <param name="Choices">Choices as they stand in the file.</param>
/// <param name="Type">The field's type.</param>
/// <param name="Own">A condition on another parameter of the same entry (an element's, on the length); null = those of the entry.</param>
internal sealed record DraftParameter(string Name, Domain Domain, ImmutableArray<SpecNode> Choices, FieldType? Type, Condition? Own = null);
