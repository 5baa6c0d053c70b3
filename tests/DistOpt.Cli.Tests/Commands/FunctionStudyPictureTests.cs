using System.Xml.Linq;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Functions;
using DistOpt.Core.TrialSchedulers;
using DistOpt.Hosting.Journal;

namespace DistOpt.Cli.Tests.Commands;

/// <summary><c>plot FILE.db</c>, <c>explain FILE.db</c>: the journal of a study over a function.</summary>
public sealed class FunctionStudyPictureTests : IDisposable
{
    private static readonly SearchSpace s_declared = new(
    [
        new("kind", new ChoiceDomain(["plain", "fast"])), new("x", new FloatDomain(1e-3, 1, log: true)), new("n", new IntDomain(1, 9), new Condition("kind", Among: [1])),
    ]);

    private readonly CliRun _cli = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task Trials_that_define_their_parameters_are_drawn_in_every_kind_that_they_have()
    {
        string file = await DefinedAsync(24);
        Assert.True(await _cli.RunAsync("plot", file) == 0, _cli.Error);
        string[] expected = ["history", "intermediate", "parallel", "slice", "contour", "importance", "edf", "timeline"];
        Assert.Equal([.. expected.Select(k => $"written: {Path.Combine(_cli.In("defined-plots"), k + ".png")}"), "left out: pareto (needs two objectives)",
            "left out: rungs (the study's trial scheduler has no rungs)", ""], _cli.Out.Split('\n'));
        Assert.All(expected, k => Assert.Equal([0x89, 0x50, 0x4E, 0x47], File.ReadAllBytes(Path.Combine(_cli.In("defined-plots"), k + ".png"))[..4]));

        string svg = _cli.In("some.svg");
        Assert.True(await _cli.RunAsync("plot", file, "--kind", "slice,parallel,intermediate", "--params", "rate,beta", "--out", svg) == 0, _cli.Error);
        Assert.Superset(new HashSet<string>(["rate", "beta", "none", "step", "value"]), Texts(svg));
        Assert.DoesNotContain("method", Texts(svg));
        Assert.Equal(2, await _cli.RunAsync("plot", file, "--params", "rat", "--metric", "loss", "--kind", "history"));
        Assert.Equal(["error: --params: 'rat' is no parameter of the space; did you mean 'rate'?", "error: --metric: 'loss' is no objective of the study. Available: value"],
            _cli.ErrorLines());
    }

    [Fact]
    public async Task Several_objectives_have_a_front_and_paused_functions_are_at_their_rungs()
    {
        string two = _cli.In("two.db");
        using (var journal = StudyJournal.Open(two))
        {
            var study = new FunctionStudy(
                new FunctionStudyOptions { Space = s_declared, Directions = [Direction.Minimize, Direction.Maximize], Trials = 20, Sampler = new("random") }, journal);
            while (study.Ask() is { } trial) study.Tell(trial, trial.Float("x"), trial.Has("n") ? trial.Int("n") : 0);
        }
        Assert.True(await _cli.RunAsync("plot", two, "--kind", "pareto,history", "--out", _cli.In("two.svg")) == 0, _cli.Error);
        Assert.Superset(new HashSet<string>(["values_0", "values_1", "dominated", "hypervolume"]), Texts(_cli.In("two.svg")));
        Assert.True(await _cli.RunAsync("plot", two, "--kind", "edf", "--metric", "values_1", "--out", _cli.In("one.svg")) == 0, _cli.Error);
        Assert.DoesNotContain("values_0", Texts(_cli.In("one.svg")));

        string halving = _cli.In("halving.db");
        using (var journal = StudyJournal.Open(halving))
        {
            var halves = new AshaOptions { MaxResource = 9, ReductionFactor = 3 };
            var options = new FunctionStudyOptions { Space = s_declared, Trials = 9, Sampler = new("random"), TrialScheduler = new("asha", halves) };
            await new FunctionStudy(options, journal).RunAsync(async (trial, token) =>
            {
                for (int step = 1; step <= 9; step++)
                    if (!await trial.ReportAsync(trial.Float("x") / step, step)) break;
                return trial.Float("x") / 9;
            }, cancellationToken: Token);
        }
        Assert.True(await _cli.RunAsync("plot", halving, "--kind", "rungs", "--out", _cli.In("rungs.svg")) == 0, _cli.Error);
        Assert.Superset(new HashSet<string>(["1 (9)", "3 (3)", "9 (1)", "rung at step (trials)"]), Texts(_cli.In("rungs.svg")));
    }

    [Fact]
    public async Task What_mattered_is_told_in_words_and_in_numbers_also_while_its_program_runs()
    {
        string file = _cli.In("declared.db");
        using var journal = StudyJournal.Open(file);
        var study = new FunctionStudy(new FunctionStudyOptions { Space = s_declared, Trials = 80, Sampler = new("random"), Seed = 4 }, journal);
        for (int i = 0; i < 60; i++)
        {
            var trial = study.Ask()!;
            study.Tell(trial, Math.Log10(trial.Float("x")) + (trial.Has("n") ? 0.02 * trial.Int("n") : 0));
        }
        study.Enqueue(0, 0.5, double.NaN);
        study.Ask();
        Assert.True(await _cli.RunAsync("explain", file) == 0, _cli.Error);
        string[] lines = _cli.Out.Split('\n');
        Assert.Equal("declared: 60 trials compared by value (minimize)", lines[0]);
        Assert.Matches("^x +(9\\d|100) % .* 0.001 \\.\\. 1, log$", lines[4]);
        Assert.Contains(lines, l => l.StartsWith("- x matters most: ", StringComparison.Ordinal));
        Assert.Matches("kind .* plain, fast", _cli.Out);
        Assert.StartsWith("note: 1 trial has not ended (1 under way)", Assert.Single(_cli.ErrorLines()));

        Assert.True(await _cli.RunAsync("explain", file, "--format", "json", "--params", "kind,n") == 0, _cli.Error);
        var json = _cli.Json();
        Assert.Equal((file, "declared"), (json.GetProperty("study").GetString(), json.GetProperty("name").GetString()));
        var parameters = json.GetProperty("objectives")[0].GetProperty("parameters").EnumerateArray().ToDictionary(p => p.GetProperty("name").GetString()!);
        Assert.Equal(["kind", "n"], parameters.Keys.Order());
        Assert.All(parameters["kind"].GetProperty("best").GetProperty("choices").EnumerateArray(),
            c => Assert.Contains(c.GetProperty("choice").GetString(), new[] { "plain", "fast" }));
        Assert.InRange(parameters["n"].GetProperty("best").GetProperty("low").GetInt64(), 1, 9);
    }

    [Fact]
    public async Task Parameters_that_only_some_trials_define_are_explained_by_those_trials()
    {
        string file = await DefinedAsync(40);
        Assert.True(await _cli.RunAsync("explain", file, "--format", "json") == 0, _cli.Error);
        var parameters = _cli.Json().GetProperty("objectives")[0].GetProperty("parameters").EnumerateArray().ToDictionary(p => p.GetProperty("name").GetString()!);
        Assert.Equal(["beta", "method", "rate"], parameters.Keys.Order());
        Assert.Equal(20, parameters["beta"].GetProperty("best").GetProperty("of").GetInt32());
        Assert.Equal(40, parameters["rate"].GetProperty("best").GetProperty("of").GetInt32());
    }

    [Fact]
    public async Task How_it_stands_is_shown_with_its_best_trial_and_those_under_way()
    {
        string file = _cli.In("shown.db");
        using var journal = StudyJournal.Open(file);
        var study = new FunctionStudy(new FunctionStudyOptions { Space = s_declared, Trials = 6, Sampler = new("random"), Seed = 4 }, journal);
        for (int i = 0; i < 4; i++) study.Tell(study.Ask()!, 4 - i);
        var open = study.Ask()!;
        open.Report(0.25, 7);
        study.SetUserAttribute("stored", true);
        Assert.True(await _cli.RunAsync("show", file) == 0, _cli.Error);
        Assert.Matches("status +open\nresults in +.*shown.db\ntrials +4 complete, 1 running\n", _cli.Out);
        Assert.Matches("best +trial 3, 1.000.* kind=(plain|fast) x=", _cli.Out);
        Assert.Matches("\n4 +running +1 +7 +0.2500 ", _cli.Out);

        study.Tell(open, 0.5);
        study.Tell(study.Ask()!, 9);
        Assert.Null(study.Ask());
        Assert.True(await _cli.RunAsync("show", file, "--format", "json") == 0, _cli.Error);
        var json = _cli.Json();
        Assert.Equal(("ended", "trials", 4), (json.GetProperty("status").GetString(), json.GetProperty("stop_reason").GetString(),
            json.GetProperty("best").GetProperty("number").GetInt32()));
        Assert.Equal(study.BestTrial!.Parameters["x"], json.GetProperty("best").GetProperty("params").GetProperty("x").GetDouble());
    }

    [Theory]
    [InlineData("plot")]
    [InlineData("explain")]
    [InlineData("show")]
    public async Task What_has_no_trial_yet_or_is_a_journal_of_something_else_is_refused_in_one_line(string command)
    {
        string empty = _cli.In("empty.db"), other = _cli.Write("other.db", "nothing");
        StudyJournal.Open(empty).Dispose();
        Assert.Equal(2, await _cli.RunAsync(command, empty));
        string option = command == "show" ? "run" : "study";
        Assert.StartsWith($"error: {option}: '{empty}' has nothing of its study yet", Assert.Single(_cli.ErrorLines()));
        if (command == "show") return;
        string[] args = command == "plot" ? [command, other, "--kind", "history"] : [command, other];
        Assert.Equal(2, await _cli.RunAsync(args));
        Assert.StartsWith($"error: study: '{other}' is no study: name the folder of one, or the journal of one over a function", Assert.Single(_cli.ErrorLines()));
    }

    private static HashSet<string> Texts(string svg) =>
        [.. XDocument.Load(svg).Descendants().Where(e => e.Name.LocalName == "text").Select(e => e.Value.Trim())];

    /// <summary>A study whose bounds change from trial to trial, and of which only every second trial has one of its parameters.</summary>
    private async Task<string> DefinedAsync(int trials)
    {
        string file = _cli.In("defined.db");
        using var journal = StudyJournal.Open(file);
        await new FunctionStudy(new FunctionStudyOptions { Trials = trials, Seed = 3, Sampler = new("random") }, journal).RunAsync(trial =>
        {
            double rate = trial.SuggestFloat("rate", 1e-3, 0.5 + 0.01 * trial.Number, log: true);
            string method = trial.SuggestCategorical("method", "plain", "momentum");
            double beta = trial.Number % 2 == 1 ? trial.SuggestFloat("beta", 0, 1) : 0;
            for (int step = 1; step <= 3; step++) trial.Report(rate / step, step);
            return Math.Log10(rate) + (method == "plain" ? 0.1 : 0) + 0.1 * beta;
        }, cancellationToken: Token);
        return file;
    }
}
