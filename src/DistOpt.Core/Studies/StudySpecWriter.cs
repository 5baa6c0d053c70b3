using DistOpt.Core.Specs.Binding;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Studies;

/// <summary>Study specs as YAML text that reads back as the same study: <c>study.yaml</c>.</summary>
public static class StudySpecWriter
{
    /// <summary>The training spec's fields that are given or fixed, then <c>study:</c> with every field, then <c>space:</c>.</summary>
    public static string Write(StudySpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return SpecYamlText.Write(Fields(spec));
    }

    /// <summary>The same as a tree.</summary>
    internal static MappingNode Fields(StudySpec spec) =>
        spec.Fields.With(StudyBinder.Study, new NodeWriter().WriteRecord(spec.Study)).With(StudyBinder.Space, spec.SpaceFields);
}
