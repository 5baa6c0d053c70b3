using System.Xml.Linq;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Cli.Tests.Commands;

public sealed class StudyPlotCommandTests : IDisposable
{
    private readonly CliRun _cli = new();

    public void Dispose() => _cli.Dispose();

    [Fact]
    public async Task A_study_becomes_a_file_for_each_kind_that_it_has_and_the_others_are_left_out_with_a_reason()
    {
        string study = Made(30);
        Assert.True(await _cli.RunAsync("plot", study) == 0, _cli.Error);
        string[] expected = ["history", "intermediate", "parallel", "slice", "contour", "importance", "edf", "timeline", "rungs"];
        Assert.Equal([.. expected.Select(k => $"written: {Path.Combine(study, "plots", k + ".png")}"), "left out: pareto (needs two objectives)", ""], _cli.Out.Split('\n'));
        Assert.All(expected, k => Assert.Equal([0x89, 0x50, 0x4E, 0x47], File.ReadAllBytes(Path.Combine(study, "plots", k + ".png"))[..4]));
    }

    [Fact]
    public async Task Kinds_that_are_asked_for_are_put_into_one_file()
    {
        string file = _cli.In("both.svg"), study = Made(30);
        Assert.True(await _cli.RunAsync("plot", study, "--kind", "importance, edf", "--out", file) == 0, _cli.Error);
        string[] texts = [.. XDocument.Load(file).Descendants().Where(e => e.Name.LocalName == "text").Select(e => e.Value.Trim())];
        Assert.Superset(new HashSet<string>(["learning_rate", "dropout", "activation", "fANOVA: share of the variance, ± over trees"]), new HashSet<string>(texts));
        Assert.False(Directory.Exists(Path.Combine(study, "plots")));
    }

    [Fact]
    public async Task Of_a_study_that_is_not_over_paused_trials_are_drawn_too()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        string study = ExampleStudy.Write(_cli.In("made"), spec), file = _cli.In("all.svg");
        ExampleStudy.WriteJournal(study, ExampleStudy.Halfway(spec, 54));
        Assert.True(await _cli.RunAsync("plot", study, "--kind", "history,intermediate,timeline,rungs", "--out", file, "--format", "json") == 0, _cli.Error);
        Assert.Equal((48, 1), (_cli.Json().GetProperty("not_ended").GetProperty("paused").GetInt32(), _cli.Json().GetProperty("not_ended").GetProperty("under_way").GetInt32()));
        Assert.StartsWith("note: 49 trials have not ended (48 paused, 1 under way)", Assert.Single(_cli.ErrorLines()));
        string[] texts = [.. XDocument.Load(file).Descendants().Where(e => e.Name.LocalName == "text").Select(e => e.Value.Trim())];
        Assert.Superset(new HashSet<string>(["paused (last report)", "paused", "running", "complete", "ended or paused there", "1 (54)", "3 (18)", "9 (6)"]), new HashSet<string>(texts));
    }

    /// <summary>Of 18 parameters: a list's length, 16 or 17, and its elements.</summary>
    [Fact]
    public async Task Where_not_all_parameters_are_drawn_that_is_said()
    {
        var spec = ExampleStudy.Parse("""
            name: wide
            model: { kind: mlp }
            study: { metric: validation.loss, trials: 40 }
            space: { model.hidden: { list: { length: { int: [16, 17] }, each: { int: [1, 64] } } } }
            """);
        string study = ExampleStudy.Write(_cli.In("wide"), spec, Enumerable.Range(0, 30).Select(t => new TrialRecord(t, TrialState.Complete, TrialEndCause.Done,
            [.. spec.Space.Space.Parameters.Select((p, i) => p.Name == "model.hidden.length" ? 16 + t % 2
                : p.Name == "model.hidden[16]" && t % 2 == 0 ? double.NaN : 1 + (7 * t + 11 * i * t) % 64)], [t % 7 + 0.1 * t], [], [], 1, [], 1, null)));
        string[] all = ["--kind", "history,importance,slice,parallel,contour", "--out", _cli.In("all.png")];
        Assert.True(await _cli.RunAsync(["plot", study, .. all]) == 0, _cli.Error);
        string[] expected = [.. new[] { ("importance", "16 of 18 parameters"), ("slice", "12 of 18 parameters"), ("parallel", "8 of 18 parameters"), ("contour", "4 of 153 pairs of parameters") }
            .Select(k => $"{k.Item1}: {k.Item2}, those that matter most; --params chooses others")];
        Assert.Equal([$"written: {_cli.In("all.png")}", .. expected, ""], _cli.Out.Split('\n'));
        Assert.True(await _cli.RunAsync(["plot", study, .. all, "--format", "json"]) == 0, _cli.Error);
        Assert.Equal(expected, _cli.Json().GetProperty("partial").EnumerateObject().Select(p => $"{p.Name}: {p.Value.GetString()}"));
        Assert.True(await _cli.RunAsync(["plot", study, .. all, "--params", "model.hidden[3],model.hidden[16]"]) == 0, _cli.Error);
        Assert.Equal([$"written: {_cli.In("all.png")}", ""], _cli.Out.Split('\n'));
    }

    [Fact]
    public async Task All_that_is_wrong_is_named_at_once_and_nothing_is_written()
    {
        string study = Made(12);
        Assert.Equal(2, await _cli.RunAsync("plot", study, "run", "--kind", "histery,pareto", "--params", "model.dropuot", "--epochs", "--out", _cli.In("x.pdf")));
        foreach (string part in (string[])["runs: are 2, one of them a study", "--kind: 'histery' is not known. Available: history, ", "--params: 'model.dropuot'",
            "--epochs: is for runs", "does not end in .png or .svg"])
            Assert.Contains(_cli.ErrorLines(), l => l.Contains(part, StringComparison.Ordinal));
        Assert.Equal(2, await _cli.RunAsync("plot", study, "--kind", "pareto,history", "--metric", "test.loss"));
        Assert.Equal("error: --metric: 'test.loss' is no objective of the study. Available: validation.accuracy", Assert.Single(_cli.ErrorLines()));
        Assert.Equal(2, await _cli.RunAsync("plot", study, "--out", _cli.In("nowhere/x.png")));
        Assert.Equal($"error: --out: '{_cli.In("nowhere/x.png")}' is in a folder that is not there; make it first", Assert.Single(_cli.ErrorLines()));
        Assert.Equal(2, await _cli.RunAsync("plot", study, "--kind", "pareto"));
        Assert.Equal("error: --kind: 'pareto' cannot be drawn: needs two objectives", Assert.Single(_cli.ErrorLines()));
        Assert.Equal(2, await _cli.RunAsync("plot", "nowhere", "--kind", "history"));
        Assert.StartsWith("error: study: 'nowhere' is no study", Assert.Single(_cli.ErrorLines()));
        Assert.Equal(2, await _cli.RunAsync("plot", Made(0)));
        Assert.Contains("has no trial that has ended", Assert.Single(_cli.ErrorLines()));
        Assert.False(Directory.Exists(Path.Combine(study, "plots")));
    }

    [Fact]
    public async Task Kinds_are_of_studies_alone()
    {
        Assert.Equal(2, await _cli.RunAsync("plot", "nowhere"));
        Assert.Contains("run 'nowhere' does not exist", _cli.Error);
    }

    private string Made(int trials)
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        return ExampleStudy.Write(_cli.In($"made-{trials}"), spec, ExampleStudy.Trials(spec, trials));
    }
}
