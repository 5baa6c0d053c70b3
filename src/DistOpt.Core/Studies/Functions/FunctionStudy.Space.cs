using System.Collections.Immutable;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies.Functions;

/// <summary>The spaces of a study: the one that it was begun with, and wider ones.</summary>
public sealed partial class FunctionStudy
{
    /// <summary>By their versions, with the program's choices.</summary>
    private readonly List<SearchSpace> _spaces;

    /// <summary>
    /// Replaces the space by one that contains it: ranges at least as wide, choices and parameters only added. The next trial is the first one that is drawn
    /// from it; those that run keep what they have. Kept with the study: opened again with the space that it was begun with, or with the wider one, it goes on
    /// over the wider one.
    /// </summary>
    /// <param name="space">The whole of it.</param>
    /// <param name="defaults">Of parameters that are added, by name: what earlier trials are taken to have had, numbers and choices as they are.</param>
    /// <exception cref="SpecException">
    /// The space does not contain the one in force, or sampler or trial scheduler cannot go on with another one: all that is wrong.
    /// </exception>
    public CommandAnswer Widen(SearchSpace space, IReadOnlyDictionary<string, object?>? defaults = null)
    {
        ArgumentNullException.ThrowIfNull(space);
        var violations = new List<SpecViolation>();
        var values = FunctionStudyOptions.ValuesOf(space, defaults ?? ImmutableDictionary<string, object?>.Empty, violations);
        StudyContext.Demand(violations);
        return Settled(() => _engine.Widen(null, space, values));
    }

    /// <summary>The setup over the space that the study was begun with, from which its events go on.</summary>
    private static StudySetup AsBegun(StudySetup setup, SearchSpace begun)
    {
        if (setup.Context.IsDefinedByRun || IsSame(begun, setup.Context.Space)) return setup;
        if (!setup.Enqueued.IsEmpty)
        {
            throw new SpecException("study.enqueue", "has points of another space than the one that the study was begun with; open it with that, and widen it by "
                + $"{nameof(FunctionStudy)}.{nameof(Widen)}");
        }
        return setup.Widened(new StudyEvent.SpaceWidened(null, 0, 0, StudyDeclaration.Own(begun, setup.Context.Space),
            ImmutableSortedDictionary<string, double>.Empty));
    }

    /// <summary>A study that goes on with a setup over a space that it has not had is widened to that.</summary>
    private void WidenTo(StudySetup setup)
    {
        if (IsWider(setup) && _engine.Widen(null, setup.Context.Space, Defaults(setup)).Refusal is { } refusal)
            throw new SpecException("space", $"is none that the study has had, and it cannot be widened: {refusal}; open it with the space that it has had");
    }

    /// <summary>Whether it may be widened so, if it has not ended: nothing happens yet.</summary>
    private void CheckWidening(StudySetup setup)
    {
        if (IsWider(setup)) _engine.CheckWidening(setup.Context.Space, Defaults(setup));
    }

    private ImmutableSortedDictionary<string, double> Defaults(StudySetup setup) =>
        setup.Defaults.Where(d => _spaces[^1].IndexOf(d.Key) < 0).ToImmutableSortedDictionary(StringComparer.Ordinal);

    private bool IsWider(StudySetup setup) => !setup.Context.IsDefinedByRun && !_spaces.Exists(s => IsSame(s, setup.Context.Space));

    /// <summary>As it is read again: with the program's choices.</summary>
    private StudyEvent.SpaceWidened Own(StudyEvent.SpaceWidened stored, StudySetup setup)
    {
        var own = stored with { Space = StudyDeclaration.Own(stored.Space, setup.Context.Space) };
        _spaces.Add(own.Space);
        return own;
    }

    /// <summary>As it is stored.</summary>
    private StudyEvent.SpaceWidened Stored(StudyEvent.SpaceWidened widened)
    {
        _spaces.Add(widened.Space);
        return widened with { Space = StudyDeclaration.Kept(widened.Space) };
    }

    private static bool IsSame(SearchSpace one, SearchSpace other) =>
        StudyIdentity.Of(StudyDeclaration.Kept(one)).SequenceEqual(StudyIdentity.Of(StudyDeclaration.Kept(other)));
}
