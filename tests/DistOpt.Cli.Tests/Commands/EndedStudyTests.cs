using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Runs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Cli.Tests.Commands;

/// <summary>What is told of a study that has ended: why it has no best trial, which trials are infeasible, and what can be done with it still.</summary>
public sealed class EndedStudyTests : IDisposable
{
    private readonly CliRun _cli = new() { UsesRealHost = true };

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task Trials_that_miss_a_constraint_are_told_from_others_with_its_name()
    {
        string spec = _cli.Write("study.yaml", """
            name: strict
            data: { name: digits, validation_fraction: 0.15, test_fraction: 0.15 }
            model: { kind: mlp, hidden: [8] }
            training: { epochs: 1, workers: 1 }
            study:
              metric: validation.accuracy
              sampler: random
              trials: 2
              parallel: 1
              constraints: [{ metric: validation.loss, at_most: 0.0001 }, { metric: train.loss, at_most: 1000 }]
            space: { optimizer.learning_rate: { float: [1e-4, 1e-2], log: true } }
            """), folder = _cli.In("out");
        Assert.Equal(1, await _cli.RunAsync("sweep", spec, "--out", folder));

        string[] trials = [.. _cli.Out.Split('\n').Where(l => l.StartsWith("trial ", StringComparison.Ordinal))];
        Assert.Equal(2, trials.Length);
        Assert.All(trials, l => Assert.Matches("^trial    [01]   complete  validation.accuracy \\S+  infeasible "
            + "\\(misses validation.loss at most 0.0001 by \\S+\\)  optimizer.learning_rate=", l));
        Assert.Contains("no trial is feasible: each of the 2 that are complete misses a constraint\n", _cli.Out);
        Assert.Contains($"give it more trials, N in all: distopt sweep --resume {folder} --trials N\n", _cli.Out);

        Assert.Equal(0, await _cli.RunAsync("show", folder));
        Assert.Matches("\nbest +none: no trial is feasible: each of the 2 that are complete misses a constraint\n", _cli.Out);
        Assert.Contains($"give it more trials, N in all: distopt sweep --resume {folder} --trials N\n", _cli.Out);
        Assert.Equal(0, await _cli.RunAsync("show", folder, "--trial", "1"));
        Assert.Matches("\nstate +complete \\(done\\), infeasible\n", _cli.Out);
        Assert.Matches("\nconstraint +validation.loss at most 0.0001: missed by \\S+\n", _cli.Out);
        Assert.Matches("\nconstraint +train.loss at most 1000: kept, with \\S+ to spare\n", _cli.Out);
        Assert.Equal(0, await _cli.RunAsync("show", folder, "--top", "5"));
        Assert.Matches("^trial +constraints +validation.accuracy +optimizer.learning_rate\n[01] +missed ", _cli.Out);

        foreach (string[] command in (string[][])[["pause", folder], ["cancel", folder], ["enqueue", folder, "--of-trial", "0"], ["set", folder, "--parallel", "2"]])
        {
            Assert.Equal(2, await _cli.RunAsync(command));
            Assert.Equal($"error: the study '{folder}' has ended (trials) and takes no more commands; "
                + $"'distopt sweep --resume {folder} --trials N' gives it more trials, N in all", Assert.Single(_cli.ErrorLines()));
        }
        // as it says
        Assert.Equal(1, await _cli.RunAsync("sweep", "--resume", folder, "--trials", "3"));
        Assert.Contains("ended (trials): 3 trials (3 complete)", _cli.Out);
    }

    [Theory]
    [InlineData(StudyStopReason.Cancelled, "has ended (cancelled) and takes no more commands")]
    [InlineData(StudyStopReason.Target, "has ended (target) and takes no more commands")]
    [InlineData(StudyStopReason.Failures, "has ended (failures) and takes no more commands; once what its trials failed by is mended, 'distopt sweep --resume FOLDER' goes on with it")]
    [InlineData(null, "no process of yours on this machine runs the study 'FOLDER'; 'distopt sweep --resume FOLDER' goes on with it")]
    public async Task How_it_has_ended_says_what_can_be_done_still(StudyStopReason? end, string said)
    {
        string folder = Ended(end, 9, _ => false);
        Assert.Equal(2, await _cli.RunAsync("pause", folder));
        Assert.EndsWith(said.Replace("FOLDER", folder, StringComparison.Ordinal), Assert.Single(_cli.ErrorLines()));
    }

    [Fact]
    public async Task Where_asha_has_ended_all_trials_early_it_is_said_what_to_do()
    {
        const string Why = "no trial is complete: asha has ended 8 early and has sent none on to the last rung; "
            + "with more trials, a smaller reduction_factor or a lower max_resource some come there";
        string folder = Ended(StudyStopReason.Trials, 8, t => t.State == TrialState.Pruned), more = $"give it more trials, N in all: distopt sweep --resume {folder} --trials N";
        using var end = new StringWriter { NewLine = "\n" };
        StudyText.Write(end, Summary(folder, StudyStopReason.Trials));
        Assert.Contains($"\n{Why}\n", end.ToString());
        Assert.EndsWith($"\n{more}\n", end.ToString());

        Assert.True(await _cli.RunAsync("show", folder) == 0, _cli.Error);
        Assert.Matches($"\nbest +none: {Why}\n", _cli.Out);
        Assert.EndsWith($"\n{more}\n", _cli.Out);
        Assert.True(await _cli.RunAsync("show", folder, "--format", "json") == 0, _cli.Error);
        Assert.Equal(Why, _cli.Json().GetProperty("no_best").GetString());

        // of a copy nobody here can go on with it
        File.Delete(Path.Combine(folder, "journal.db"));
        Assert.True(await _cli.RunAsync("show", folder) == 0, _cli.Error);
        Assert.DoesNotContain("sweep --resume", _cli.Out);
    }

    [Fact]
    public async Task The_best_of_several_objectives_are_told_front_by_front_and_infeasible_ones_last()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.TwoObjectives);
        TrialRecord[] trials =
            [.. ExampleStudy.Complete(spec, (0.1, 0.95), (0.6, 0.7), (1, 0.9), (0.5, 0.8), (0.2, 0.3), (0.05, 0.99), (1.5, 0.1), (0.9, 0.5))];
        trials[0] = trials[0] with { Constraints = [0.5, -1] };
        trials[5] = trials[5] with { Constraints = [0.125, 0.25] };
        string folder = ExampleStudy.Write(_cli.In("two"), spec, [.. trials, .. ExampleStudy.Failed(trials[1], 8, 1, 1)]);
        _cli.Write("two/summary.json", "{}");

        // front: 2, 3, 4; behind it 1, then 7, then 6; of the others 5 misses by less
        Assert.True(await _cli.RunAsync("show", folder, "--top", "100") == 0, _cli.Error);
        string[][] rows = [.. _cli.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        Assert.Equal(["trial", "front", "constraints", "validation.loss", "validation.accuracy"], rows[0][..5]);
        Assert.Equal(["2 1 kept 1 0.9", "3 1 kept 0.5 0.8", "4 1 kept 0.2 0.3", "1 2 kept 0.6 0.7", "7 3 kept 0.9 0.5", "6 4 kept 1.5 0.1", "5 - missed 0.05 0.99",
            "0 - missed 0.1 0.95"], rows[1..].Select(r => string.Join(' ', r[..5])));
        Assert.True(await _cli.RunAsync("show", folder, "--top", "4") == 0, _cli.Error);
        rows = [.. _cli.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        Assert.Equal(["trial front validation.loss", "2 1 1", "3 1 0.5", "4 1 0.2", "1 2 0.6"], rows.Select(r => string.Join(' ', r[..3])));
        Assert.True(await _cli.RunAsync("show", folder, "--top", "7", "--format", "json") == 0, _cli.Error);
        Assert.Equal([2, 3, 4, 1, 7, 6, 5], _cli.Json().GetProperty("trials").EnumerateArray().Select(t => t.GetProperty("number").GetInt32()));
    }

    /// <summary>A study that was run here, of which only some of its first trials are kept.</summary>
    private string Ended(StudyStopReason? end, int trials, Func<TrialRecord, bool> isKept)
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        string folder = ExampleStudy.Write(_cli.In("made"), spec, ExampleStudy.Trials(spec, trials).Where(isKept));
        _cli.Write("made/journal.db", "");
        _cli.Write("made/summary.json", RunJson.Text(true, json => StudyJson.WriteSummary(json, Summary(folder, end))));
        return folder;
    }

    private static StudySummary Summary(string folder, StudyStopReason? end)
    {
        var reader = StudyDirectoryReader.Open(folder, SpecFiles.Binder(DistOptApp.Define()));
        return new StudySummary(reader.Spec, folder, reader.Status() with { End = end }, null);
    }
}
