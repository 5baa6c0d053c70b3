using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Exchange;

namespace DistOpt.Core.Tests.Studies.Exchange;

/// <summary>A study with everything that the formats have to carry.</summary>
internal static class ExchangeFixture
{
    public static readonly FloatDomain Rate = new(1e-5, 0.1, log: true);
    public static readonly FloatDomain Momentum = new(0, 0.93, step: 0.1);
    public static readonly IntDomain Width = new(8, 512, log: true);
    public static readonly IntDomain Depth = new(1, 8, step: 2);
    public static readonly ChoiceDomain Kind = new(["relu", "a, \"b\"", "1", "null", null, true, 7L, 0.5, "[64, 32]", "\u00e4"]);
    public static readonly ChoiceDomain Size = new([16L, 32L, 64L], IsOrdered: true);
    public static readonly ChoiceDomain Bias = new([true, false]);

    public static ExchangedStudy Study { get; } = new()
    {
        Name = "small-20260101",
        Directions = [Direction.Maximize],
        Metrics = ["validation.accuracy"],
        Constraints = ["validation.loss at most 0.5", "validation.recall at least 0.25"],
        Attributes = [new("sampler", "tpe"), new("seed", 7L)],
        Trials =
        [
            new ExchangedTrial
            {
                Number = 0,
                State = ExchangedState.Complete,
                Started = new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc).AddMicroseconds(678901),
                Ended = new DateTime(2026, 1, 2, 3, 5, 0, DateTimeKind.Utc),
                Parameters = [Of("rate", Rate, 0.0123456789012345678), Of("momentum", Momentum, 0.3), Of("width", Width, 65), Of("kind", Kind, 0), Of("size", Size, 1)],
                Values = [0.75],
                Intermediate = [new Report(1, double.NaN), new Report(3, double.PositiveInfinity), new Report(9, 0.75)],
                Constraints = [-0.5, 0],
                Seconds = 54.5,
                Attributes = [new("cause", "done"), new("attempts", 2L), new("enqueued", true), new("lost", new[] { "its node, \"n1\", is gone" })],
            },
            new ExchangedTrial
            {
                Number = 1,
                State = ExchangedState.Pruned,
                Started = new DateTime(2026, 1, 2, 3, 4, 6, DateTimeKind.Utc),
                Ended = new DateTime(2026, 1, 2, 3, 4, 7, DateTimeKind.Utc),
                Parameters = [Of("rate", Rate, 1e-5), Of("depth", Depth, 7), Of("kind", Kind, 4), Of("bias", Bias, 1)],
                Values = [-0.25],
                Intermediate = [new Report(1, -0.25)],
            },
            new ExchangedTrial
            {
                Number = 2,
                State = ExchangedState.Fail,
                Started = new DateTime(2026, 1, 2, 3, 4, 6, DateTimeKind.Utc),
                Parameters = [Of("rate", Rate, 0.1), Of("kind", Kind, 2)],
                Attributes = [new("error", "two\nlines")],
            },
            .. Enumerable.Range(3, 7).Select(i => new ExchangedTrial
            {
                Number = i,
                State = ExchangedState.Complete,
                Parameters = [Of("rate", Rate, 0.001 * i), Of("kind", Kind, i)],
                Values = [i == 3 ? double.NegativeInfinity : i == 4 ? 0.99 : 0.1 * i],
            }),
            new ExchangedTrial { Number = 10, State = ExchangedState.Running, Parameters = [Of("rate", Rate, 0.002), Of("kind", Kind, 1)] },
        ],
    };

    /// <summary>Two objectives, one of them to be maximized.</summary>
    public static ExchangedStudy Pareto { get; } = new()
    {
        Name = "two",
        Directions = [Direction.Minimize, Direction.Maximize],
        Metrics = ["validation.loss", "validation.accuracy"],
        Trials = [.. Enumerable.Range(0, 4).Select(i => new ExchangedTrial
        {
            Number = i,
            State = ExchangedState.Complete,
            Parameters = [Of("rate", Rate, 0.01)],
            Values = [i, i % 2 == 0 ? double.PositiveInfinity : i / 3.0],
        })],
    };

    /// <summary>What a format may carry of a study, without times and attributes: they are for other programs, and are not read.</summary>
    /// <param name="study">The study.</param>
    /// <param name="domains">Whether the format has them.</param>
    public static string Text(ExchangedStudy study, bool domains = true) => string.Join('\n', study.Trials.Select(t => string.Join(" | ",
        t.Number.ToString(CultureInfo.InvariantCulture), t.State,
        string.Join(", ", t.Parameters.OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => Text(p, domains))),
        Text(t.Values), string.Join(", ", t.Intermediate.Select(r => $"{r.Step}:{Text([r.Value])}")), Text(t.Constraints))));

    private static string Text(IEnumerable<double> values) => string.Join(", ", values.Select(v => v.ToString("R", CultureInfo.InvariantCulture)));

    private static string Text(ExchangedParameter parameter, bool domains)
    {
        string value = $"{parameter.Name}={parameter.Value?.GetType().Name} {Convert.ToString(parameter.Value, CultureInfo.InvariantCulture)}";
        return domains ? $"{value} of {OptunaJson.Distribution(parameter.Domain!)}" : value;
    }

    private static ExchangedParameter Of(string name, Domain domain, double value) => ExchangedParameter.Of(name, domain, value);
}
