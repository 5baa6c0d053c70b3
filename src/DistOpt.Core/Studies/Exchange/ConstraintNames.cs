using System.Collections.Immutable;
using System.Globalization;

namespace DistOpt.Core.Studies.Exchange;

/// <summary>
/// What the constraints on metrics of a study are called beside the numbers by which trials miss them: the metric and its bounds, such as
/// <c>validation.loss at most 0.5</c>, since by another bound the same metric is missed by another number.
/// </summary>
internal static class ConstraintNames
{
    /// <summary>One for each constraint on a metric, in the order of a trial's constraints; none has the name of another one.</summary>
    public static ImmutableArray<string> Of(StudySection study)
    {
        var names = ImmutableArray.CreateBuilder<string>();
        foreach (var constraint in study.Constraints)
        {
            if (constraint.Metric is not { } metric) continue;
            string name = metric + (constraint.AtLeast is { } least ? FormattableString.Invariant($" at least {least}") : "")
                + (constraint.AtMost is { } most ? FormattableString.Invariant($" at most {most}") : "");
            int same = names.Count(n => n == name || n.StartsWith(name + " #", StringComparison.Ordinal));
            names.Add(same == 0 ? name : string.Create(CultureInfo.InvariantCulture, $"{name} #{same + 1}"));
        }
        return names.ToImmutable();
    }
}
