using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;

namespace DistOpt.Core.Tests.Studies.Exchange;

public sealed class StudyImportTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-import-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static readonly StudySpec s_spec = StudyFixture.Parse("""
        model: { kind: mlp }
        study: { metric: validation.accuracy, constraints: [{ parameters: "batch.size - 1000 * optimizer.learning_rate", at_least: 0 }] }
        space:
          optimizer.learning_rate: { float: [1e-4, 1e-1], log: true }
          batch.size: { choices: [16, 32, 64] }
          model.hidden: { choices: [[64], [64, 32]] }
        """);

    private static readonly Dictionary<string, string> s_same = [];

    [Fact]
    public void Trials_that_were_pruned_by_another_measure_are_not_taken()
    {
        var (complete, pruned) = (Trial(0, ("optimizer.learning_rate", 0.01), ("batch.size", 32L), ("model.hidden", "[64, 32]")),
            Trial(1, ("optimizer.learning_rate", 0.01), ("batch.size", 64L), ("model.hidden", "[64]")) with
            {
                State = ExchangedState.Pruned,
                Intermediate = [new Report(500, 0.5)],
            });
        StudyImport Of(string? resource) => StudyImport.Of(s_spec,
            Study(complete, pruned) with { Attributes = resource is null ? [] : [new("resource", resource)] }, "old.db", s_same);

        Assert.Equal([2, 2], new[] { Of(null), Of("epochs") }.Select(i => i.Trials.Length));
        var other = Of("steps");
        Assert.Equal("old.db, trial 0", Assert.Single(other.Trials).Source);
        Assert.Equal("was pruned where it had computed so many steps, but reports of this study count epochs: it cannot be compared (trial 1)",
            Assert.Single(other.Misfits).ToString());
    }

    [Fact]
    public void Trials_that_fit_are_taken_and_all_that_do_not_are_named_with_their_numbers()
    {
        var import = StudyImport.Of(s_spec, Study(
            Trial(0, ("optimizer.learning_rate", 0.01), ("batch.size", 32L), ("model.hidden", "[64, 32]")),
            Trial(1, ("optimizer.learning_rate", 0.5), ("batch.size", 48L), ("model.hidden", "[64]")),
            Trial(2, ("optimizer.learning_rate", 0.5), ("batch.size", 32L), ("model.hidden", "[64]")),
            Trial(3, ("optimizer.learning_rate", 0.5), ("batch.size", 32L), ("model.hidden", "[64]")),
            Trial(4, ("optimizer.learning_rate", 0.1), ("batch.size", 16L), ("model.hidden", "[64]")),
            Trial(5, ("batch.size", 16L), ("model.hidden", "[64]"), ("momentum", 0.5)),
            Trial(6, ("optimizer.learning_rate", 0.001), ("batch.size", 64.0), ("model.hidden", "[64]")) with
            {
                State = ExchangedState.Pruned,
                Values = [0.25],
                Intermediate = [new Report(1, 0.5), new Report(3, 0.25)],
            },
            Trial(7, ("optimizer.learning_rate", 0.001), ("batch.size", 64L), ("model.hidden", "[64]")) with { State = ExchangedState.Fail, Values = [] },
            Trial(8, ("optimizer.learning_rate", 0.001), ("batch.size", 64L), ("model.hidden", "[64]")) with { Values = [double.NaN] },
            Trial(9, ("optimizer.learning_rate", 0.001), ("batch.size", 64L), ("model.hidden", "[64]")) with { Values = [] }), "old.db", s_same);

        Assert.Equal([(TrialState.Complete, "old.db, trial 0"), (TrialState.Pruned, "old.db, trial 6")], import.Trials.Select(t => (t.State, t.Source)));
        Assert.Equal([0.01, 1, 1], import.Trials[0].Parameters);
        Assert.Equal([0.75], import.Trials[0].Values);
        Assert.Equal((0, new Report(3, 0.25)), (import.Trials[1].Values.Length, import.Trials[1].Last!.Value));
        string[] misfits = [.. import.Misfits.Select(m => m.ToString())];
        string[] expected =
        [
            "optimizer.learning_rate is 0.5, but must be between 0.0001 and 0.1 (trials 1-3)", "batch.size is 48, but must be one of 16, 32, 64 (trial 1)",
            "breaks the constraint on 'batch.size - 1000 * optimizer.learning_rate' (trial 4)",
            "state FAIL: there is nothing to learn from it (trial 7)", "has a value that is NaN (trial 8)", "has 0 values for 1 objectives (trial 9)",
        ];
        Assert.All(expected, e => Assert.Contains(e, misfits));
        Assert.Contains(misfits, m => m.StartsWith("momentum is no parameter of the space", StringComparison.Ordinal) && m.EndsWith("(trial 5)", StringComparison.Ordinal));
    }

    [Fact]
    public void Names_of_the_other_study_may_be_translated()
    {
        var other = Study(Trial(0, ("lr", 0.01), ("bs", 32L), ("model.hidden", "[64]"))) with { Metrics = ["acc"] };
        var names = new Dictionary<string, string> { ["lr"] = "optimizer.learning_rate", ["bs"] = "batch.size", ["acc"] = "validation.accuracy" };
        Assert.Equal([0.01, 1, 0], Assert.Single(StudyImport.Of(s_spec, other, "old.db", names).Trials).Parameters);

        names["momentum"] = "optimizer.momentum";
        Assert.Contains("names 'momentum', which is neither a parameter nor an objective nor a constraint of old.db; there are acc, bs, lr, model.hidden",
            Assert.Single(Errors(other, names)));
    }

    [Fact]
    public void A_study_of_something_else_is_refused_with_everything_that_is_wrong()
    {
        var other = Study(Trial(0, ("lr", 0.01))) with { Directions = [Direction.Minimize], Metrics = ["validation.loss"] };
        string[] errors = Errors(other, s_same);
        Assert.Equal("--import: the other study is to minimize objective 0, but this one is to maximize validation.accuracy", errors[0]);
        Assert.Contains("add --import-as validation.loss=validation.accuracy", errors[1]);
        Assert.Equal("--import: no trial of old.db fits the study", errors[2]);
        Assert.Contains("lr is no parameter of the space", errors[3]);

        Assert.Equal(["--import: the other study has 2 objectives, but this one has 1"], Errors(ExchangeFixture.Pareto, s_same));
        Assert.Equal(["--import: old.db has no trial"], Errors(Study(), s_same));
    }

    [Fact]
    public void Of_a_trial_without_the_constraints_on_metrics_it_is_not_known_whether_it_is_feasible()
    {
        var spec = StudyFixture.Parse("""
            study: { metric: validation.accuracy, constraints: [{ metric: validation.loss, at_most: 1 }] }
            space: { optimizer.learning_rate: { float: [1e-4, 1e-1] } }
            """);
        var import = StudyImport.Of(spec, Study(Trial(0, ("optimizer.learning_rate", 0.01)), Trial(1, ("optimizer.learning_rate", 0.01)) with { Constraints = [0.5] }), "f", s_same);
        Assert.Equal([0.5], Assert.Single(import.Trials).Constraints);
        Assert.Contains("has 0 constraints, but the study has 1 on metrics", Assert.Single(import.Misfits).ToString());
        import = StudyImport.Of(spec, Study(Trial(0, ("optimizer.learning_rate", 0.01)) with { Constraints = [double.PositiveInfinity] },
            Trial(1, ("optimizer.learning_rate", 0.01)) with { Constraints = [double.NaN] }), "f", s_same);
        Assert.Equal([double.PositiveInfinity], Assert.Single(import.Trials).Constraints);
        Assert.Equal("has a constraint that is NaN: whether it is feasible is not known (trial 1)", Assert.Single(import.Misfits).ToString());
    }

    /// <summary>In whatever order the other study has them, and among others; without names by their places.</summary>
    [Fact]
    public void Constraints_that_have_names_are_taken_by_them()
    {
        var spec = StudyFixture.Parse("""
            study:
              metric: validation.accuracy
              constraints:
                - { metric: validation.loss, at_most: 1 }
                - { parameters: optimizer.learning_rate, at_most: 1 }
                - { metric: validation.loss, at_least: 1e-3, at_most: 1 }
                - { metric: validation.loss, at_most: 1 }
            space: { optimizer.learning_rate: { float: [1e-4, 1e-1] } }
            """);
        string[] own = ["validation.loss at most 1", "validation.loss at least 0.001 at most 1", "validation.loss at most 1 #2"];
        var trial = Trial(0, ("optimizer.learning_rate", 0.01)) with { Constraints = [1, 2, 3, 4] };
        var other = Study(trial) with { Constraints = [own[2], "more", own[0], own[1]] };

        Assert.Equal([3, 4, 1], Assert.Single(StudyImport.Of(spec, other, "f", s_same).Trials).Constraints);
        Assert.Equal([1, 2, 3], Assert.Single(StudyImport.Of(spec, Study(trial with { Constraints = [1, 2, 3] }), "f", s_same).Trials).Constraints);
        var error = Assert.Throws<SpecException>(() => StudyImport.Of(spec, other with { Constraints = ["a", "more", own[0], own[1]] }, "f", s_same));
        Assert.Contains("has no constraint validation.loss at most 1 #2, but a, more, ", error.Message);
        Assert.Equal([3, 4, 1], Assert.Single(StudyImport.Of(spec, other with { Constraints = ["a", "more", own[0], own[1]] }, "f",
            new Dictionary<string, string> { ["a"] = own[2] }).Trials).Constraints);
        var lacking = Study(trial with { Constraints = [1, 2, 3] }) with { Constraints = other.Constraints };
        error = Assert.Throws<SpecException>(() => StudyImport.Of(spec, lacking, "f", s_same));
        Assert.Contains("has 3 constraints, but the study has 3 on metrics", error.Message);
    }

    [Fact]
    public void A_study_tells_the_names_of_its_constraints_on_metrics()
    {
        var spec = StudyFixture.Parse("""
            study: { metric: validation.accuracy, constraints: [{ metric: validation.loss, at_most: 0.5 }] }
            space: { optimizer.learning_rate: { float: [1e-4, 1e-1] } }
            """);
        Assert.Equal(["validation.loss at most 0.5"], StudyExport.Of("s", spec, []).Constraints);
        var directory = new StudyDirectory(_folder);
        directory.Create(spec);
        Assert.Equal(["validation.loss at most 0.5"], StudyExport.Of(StudyDirectoryReader.Open(_folder, StudyFixture.Binder)).Constraints);
    }

    [Fact]
    public void The_file_of_what_was_imported_reads_back_as_the_same()
    {
        var directory = new StudyDirectory(_folder);
        Assert.Empty(ImportedTrials.Read(s_spec, directory));
        ImportedTrial[] trials =
        [
            new(TrialState.Complete, [0.012345678901234567, 2, 1], [double.NegativeInfinity], [0.5, -1], new Report(7, double.NaN), "old.db, trial 3"),
            new(TrialState.Pruned, [1e-4, 0, 0], [], [], null, "x"),
        ];
        directory.Create(s_spec, trials);
        var read = ImportedTrials.Read(s_spec, directory);
        Assert.Equal(trials.Select(Text), read.Select(Text));
        Assert.Contains("\"model.hidden\":\"[64, 32]\"", File.ReadAllText(directory.ImportedFile));

        // a study that is there keeps what it was given
        directory.Create(s_spec, [trials[1]]);
        Assert.Equal(2, ImportedTrials.Read(s_spec, directory).Count);
        File.AppendAllText(directory.ImportedFile, "{");
        Assert.Equal(3, Assert.Single(Assert.Throws<SpecException>(() => ImportedTrials.Read(s_spec, directory)).Violations).Line);

        static string Text(ImportedTrial t) => $"{t.State} {string.Join(' ', t.Parameters)} {string.Join(' ', t.Values)} {string.Join(' ', t.Constraints)} {t.Last} {t.Source}";
    }

    private static string[] Errors(ExchangedStudy other, Dictionary<string, string> names) =>
        [.. Assert.Throws<SpecException>(() => StudyImport.Of(s_spec, other, "old.db", names)).Violations.Select(v => v.ToString())];

    private static ExchangedStudy Study(params ExchangedTrial[] trials) => new() { Name = "old", Directions = [Direction.Maximize], Trials = [.. trials] };

    private static ExchangedTrial Trial(int number, params (string Name, object Value)[] parameters) => new()
    {
        Number = number,
        State = ExchangedState.Complete,
        Parameters = [.. parameters.Select(p => new ExchangedParameter(p.Name, p.Value))],
        Values = [0.75],
    };
}
