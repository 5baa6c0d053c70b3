using System.Collections.Immutable;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Specs.Binding;

/// <summary>What there is of a space beside its mistakes, by which the rest of a study is judged, so that all that is wrong is said at once.</summary>
/// <param name="Space">Parameters that are sound, and hang on none that is not.</param>
/// <param name="Domains">Parameters whose values are sound, whatever is wrong with their conditions: without conditions.</param>
/// <param name="Entries">Paths of the entries that are not in <paramref name="Space"/>.</param>
/// <param name="Fields">Fields of the training spec of which nothing is known for that.</param>
/// <param name="Misnamed">Those of <paramref name="Entries"/> that are no fields: whoever names the right one elsewhere is not wrong.</param>
/// <param name="KnowsNames">Whether it is known which parameters there are.</param>
internal sealed record SoundSpace(StudySpace Space, StudySpace Domains, ImmutableArray<string> Entries, ImmutableArray<string> Fields,
    ImmutableArray<string> Misnamed, bool KnowsNames)
{
    /// <summary>A space without mistakes.</summary>
    public static SoundSpace Of(StudySpace space) => new(space, space, [], [], [], KnowsNames: true);

    /// <summary>Whether there are no mistakes.</summary>
    public bool IsWhole => KnowsNames && Entries.IsEmpty;

    /// <summary>Whether it may be for a mistake alone that there is no parameter of that name.</summary>
    public bool Lacks(string name) => !KnowsNames || Entries.Any(e => Violations.Covers(e, name)) || FieldNames.Nearest(name, Misnamed) is not null;

    /// <summary>Whether a field of the training spec cannot be judged.</summary>
    public bool Hides(string path) => Fields.Any(f => Violations.Covers(f, path) || Violations.Covers(path, f));
}
