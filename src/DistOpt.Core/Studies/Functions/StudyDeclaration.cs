using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies.Functions;

/// <summary>What a study over a function searches, as it is kept beside its events: enough to read them without the program that runs it.</summary>
/// <param name="Space">What is searched; empty where trials define their parameters. Choices are null, truth values, numbers and texts: members of an enum are
/// their names, and what else a program may have as choices is the text of it.</param>
/// <param name="IsDefinedByRun">Whether trials define their parameters while they run.</param>
/// <param name="Directions">One for each objective.</param>
/// <param name="Seed">Of the sampler.</param>
/// <param name="Repeats">Runs of a configuration.</param>
public sealed record StudyDeclaration(SearchSpace Space, bool IsDefinedByRun, ImmutableArray<Direction> Directions, long Seed, int Repeats)
{
    /// <summary>The same for people, a line for each thing: by these a study is the same one when it goes on.</summary>
    public required IReadOnlyList<string> Lines { get; init; }

    /// <summary>
    /// Resources of the rungs of each bracket of the trial scheduler, ascending; none where it has none, or where a version wrote it that did not tell of them.
    /// </summary>
    public ImmutableArray<ImmutableArray<long>> Brackets { get; init; } = [];

    internal static StudyDeclaration Of(StudySetup setup)
    {
        var context = setup.Context;
        return new StudyDeclaration(Kept(context.Space), context.IsDefinedByRun, context.Directions, context.Seed, setup.Repeats)
        {
            Lines = StudyIdentity.Of(setup),
            Brackets = setup.Brackets,
        };
    }

    /// <summary>Whether one of the lines is of a parameter: a study that goes on may have a wider space.</summary>
    public static bool IsOfSpace(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        return line.StartsWith(StudyIdentity.OfParameter, StringComparison.Ordinal);
    }

    /// <summary>A space with choices as they are stored.</summary>
    internal static SearchSpace Kept(SearchSpace space) => new(space.Parameters.Select(Kept));

    /// <summary>A space that was stored, with the choices that a program has for those that are stored alike.</summary>
    internal static SearchSpace Own(SearchSpace stored, SearchSpace program) => new(stored.Parameters.Select(parameter =>
    {
        int place = program.IndexOf(parameter.Name);
        if (parameter.Domain is not ChoiceDomain choices || place < 0 || program.Parameters[place].Domain is not ChoiceDomain own) return parameter;
        var choice = own.Choices.DistinctBy(Kept).ToDictionary(c => Kept(c) ?? s_null, c => c);
        return parameter with { Domain = choices with { Choices = [.. choices.Choices.Select(c => choice.GetValueOrDefault(c ?? s_null, c))] } };
    }));

    private static readonly object s_null = new();

    private static SearchParameter Kept(SearchParameter parameter) => parameter.Domain is not ChoiceDomain choices ? parameter
        : parameter with { Domain = new ChoiceDomain([.. choices.Choices.Select(Kept)], choices.IsOrdered) };

    private static object? Kept(object? choice) =>
        ChoiceValues.IsKnown(choice) ? ChoiceValues.Canonical(choice, "") : Convert.ToString(choice, CultureInfo.InvariantCulture);
}
