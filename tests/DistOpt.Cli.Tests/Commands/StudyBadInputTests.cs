using DistOpt.Cli.Tests.Support;

namespace DistOpt.Cli.Tests.Commands;

/// <summary>G10 for studies: exit code 2, a clear line for each violation, all at once, and nothing is begun, here or on a cluster.</summary>
public sealed class StudyBadInputTests : IDisposable
{
    private const string TwoObjectives = "objectives: [{ metric: validation.accuracy }, { metric: validation.loss }], ";

    private readonly CliRun _cli = new() { UsesRealHost = true };

    public void Dispose() => _cli.Dispose();

    [Theory]
    [InlineData("sweep")]
    [InlineData("sweep", "--dry-run")]
    [InlineData("submit", "--cluster", "http://127.0.0.1:9")]
    public async Task All_that_is_wrong_with_a_space_is_named_at_once(params string[] command)
    {
        await RefusedAsync(command, """
            name: wrong
            data: digits
            study: { metric: validation.accuracy, trials: 5 }
            space:
              optimizer.learning_rat: { float: [1e-4, 1e-1], log: true }
              model.dropout: { float: [0.0, 1.5] }
              optimizer.kind: { choices: [sgd, adam] }
              optimizer.momentum: { float: [0.0, 0.9], when: { optimizer.kind: rmsprop } }
            """,
            ("space.optimizer.learning_rat", "learning_rate"),
            ("space.model.dropout", "1"),
            ("space.optimizer.momentum", "rmsprop"));
    }

    [Theory]
    [InlineData("metric: validation.accuracy, sampler: grid", "{ optimizer.learning_rate: { float: [1e-4, 1e-1] }, model.dropout: { float: [0, 0.5] } }",
        "space.optimizer.learning_rate", "sampler grid cannot try every value: give it a step", "space.model.dropout", "sampler grid cannot try every value")]
    [InlineData("objectives: [{ metric: validation.accuracy }, { metric: validation.loss }, { metric: train.accuracy }, { metric: train.loss }, "
            + "{ metric: train.x, direction: minimize }], sampler: gp", "{ optimizer.learning_rate: { float: [1e-4, 1e-1] } }",
        "study.sampler", "is gp, which is for at most 4 objectives, but the study has 5; use tpe or nsga2")]
    [InlineData(TwoObjectives + "sampler: cma-es", "{ model.activation: { choices: [relu, tanh] } }",
        "study.sampler", "is cma-es, which is for one objective", "study.sampler", "is cma-es, which is for numbers, but the space has no number that always has a value: use tpe")]
    public async Task A_sampler_that_cannot_handle_the_study_is_named_with_every_reason(string study, string space, params string[] violations)
    {
        string[] lines = await RefusedAsync(["sweep"], $"""
            name: wrong
            data: digits
            study: {OneLine(study)}
            space: {space}
            """, [.. violations.Chunk(2).Select(v => (v[0], v[1]))]);
        Assert.Equal(violations.Length / 2, lines.Length);

        static string OneLine(string fields) => "{ trials: 5, " + fields + " }";
    }

    [Fact]
    public async Task Sampler_space_and_options_are_told_together()
    {
        var lines = await RefusedAsync(["sweep", "--trials", "0", "--require", "best", "--import", "nowhere.db"], """
            name: wrong
            data: digits
            study: { metric: validation.accuracy, sampler: gird }
            space: { model.widht: { int: [1, 9] } }
            """, ("study.trials", "is 0"), ("study.sampler", "grid"), ("space.model.widht", ""), ("--require", "best"), ("--import", "nowhere.db"));
        Assert.Equal(5, lines.Length);
    }

    [Fact]
    public async Task A_metric_that_is_not_measured_is_said_of_the_study_that_names_it() =>
        Assert.Single(await RefusedAsync(["sweep", "--dry-run", "--set", "study.metric=validation.acc"], """
            name: wrong
            data: digits
            study: { trials: 5 }
            space: { model.dropout: { float: [0, 0.5] } }
            """, ("study.metric: is 'validation.acc'", "accuracy")));

    private async Task<string[]> RefusedAsync(string[] command, string yaml, params (string Path, string Says)[] violations)
    {
        Assert.Equal(2, await _cli.RunAsync([command[0], _cli.Write("study.yaml", yaml), .. command[1..]]));
        string[] lines = _cli.ErrorLines();
        foreach (var (path, says) in violations)
            Assert.True(lines.Any(l => l.Contains(path, StringComparison.Ordinal) && l.Contains(says, StringComparison.Ordinal)), $"{path} ({says}) is not in:\n{_cli.Error}");
        Assert.All(lines, l => Assert.StartsWith("error: ", l));
        Assert.Equal("", _cli.Out);
        Assert.False(Directory.Exists(_cli.In("studies")));
        return lines;
    }
}
