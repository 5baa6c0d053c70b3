using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Studies.Functions;

/// <summary>
/// What makes a study the same one when it goes on: seed, objectives and space, which may become wider. Number of trials, trials at a time and the sampler may
/// be others; a trial scheduler or pruner that decides otherwise is noticed when the events are read again.
/// </summary>
internal static class StudyIdentity
{
    /// <summary>How lines of parameters begin.</summary>
    public const string OfParameter = "parameter '";

    public static IReadOnlyList<string> Of(StudySetup setup)
    {
        var context = setup.Context;
        return
        [
            Invariant($"seed is {context.Seed}"),
            Invariant($"objectives are {string.Join(", ", context.Directions.Select(d => d.ToString().ToLowerInvariant()))}"),
            Invariant($"runs of a configuration are {setup.Repeats}"),
            context.IsDefinedByRun ? "parameters are defined by trials" : "parameters are declared",
            .. Of(context.Space),
        ];
    }

    /// <summary>A line for each parameter.</summary>
    public static IEnumerable<string> Of(SearchSpace space) =>
        space.Parameters.Select(p => $"{OfParameter}{p.Name}' is {Show(p.Domain)}{string.Concat(p.Conditions.Select(Show))}");

    /// <summary>A domain for people: <c>float [0, 1]</c>.</summary>
    public static string Show(Domain domain) => domain switch
    {
        ChoiceDomain choices => $"{(choices.IsOrdered ? "one in the order" : "one")} of {string.Join(", ", choices.Choices.Select(Show))}",
        NumericDomain numbers => Invariant($"{(domain is IntDomain ? "int" : "float")} [{numbers.Low:R}, {numbers.High:R}]")
            + (numbers.Log ? " log" : "") + (numbers.Step is { } step && !(domain is IntDomain && step == 1) ? Invariant($" step {step:R}") : ""),
        _ => domain.ToString(),
    };

    private static string Show(object? choice) => choice switch
    {
        null => "null",
        string text => $"'{text}'",
        bool truth => truth ? "true" : "false",
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        _ => Convert.ToString(choice, CultureInfo.InvariantCulture) ?? "",
    };

    private static string Show(Condition when) => Invariant($" when '{when.Parameter}' is from {when.Least:R} to {when.Most:R}")
        + (when.Among is { } among ? $" among {string.Join(", ", among.Select(v => v.ToString("R", CultureInfo.InvariantCulture)))}" : "");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
