using System.CommandLine;
using System.Globalization;

namespace DistOpt;

/// <summary>Options of <c>sweep</c> and <c>submit</c> that say how many trials a study has, and how many run at a time.</summary>
internal sealed class StudyBudgetOptions
{
    private readonly Option<int?> _trials = new("--trials") { Description = "Trials in all (study.trials)", HelpName = "n" };
    private readonly Option<int?> _parallel = new("--parallel") { Description = "Trials that run at a time (study.parallel)", HelpName = "n" };

    public void AddTo(Command command)
    {
        command.Add(_trials);
        command.Add(_parallel);
    }

    /// <summary>The settings of a study spec with them.</summary>
    /// <param name="settings">Those that were given one by one.</param>
    public IReadOnlyList<string> Settings(ParseResult parse, IEnumerable<string> settings)
    {
        List<string> all = [.. settings];
        if (Trials(parse) is { } trials) all.Add(string.Create(CultureInfo.InvariantCulture, $"study.trials={trials}"));
        if (Parallel(parse) is { } parallel) all.Add(string.Create(CultureInfo.InvariantCulture, $"study.parallel={parallel}"));
        return all;
    }

    /// <summary>What is wrong with them, where there is no spec that they are checked with.</summary>
    public void Check(ParseResult parse, ViolationCollector violations)
    {
        if (Trials(parse) is < 1 or > 100_000_000) violations.Add("--trials", $"is {Trials(parse)}, but must be between 1 and 100000000");
        if (Parallel(parse) is < 1 or > 100_000) violations.Add("--parallel", $"is {Parallel(parse)}, but must be between 1 and 100000");
    }

    /// <summary>Says of each that it is for a study, where there is none.</summary>
    public void Refuse(ParseResult parse, ViolationCollector violations)
    {
        foreach (var option in (Option<int?>[])[_trials, _parallel])
            if (parse.GetValue(option) is { } value) violations.Add(option.Name, $"is {value}, but the spec is none of a study; leave it away");
    }

    public int? Trials(ParseResult parse) => parse.GetValue(_trials);

    public int? Parallel(ParseResult parse) => parse.GetValue(_parallel);
}
