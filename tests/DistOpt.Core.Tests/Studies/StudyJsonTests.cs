using System.Collections.Immutable;
using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

/// <summary>The JSON of a study's files, as people and scripts read it.</summary>
public sealed class StudyJsonTests
{
    private static readonly StudySpec s_one = OfSpace("optimizer.learning_rate: { float: [0.001, 1] }");

    private static readonly StudySpec s_two = Parse("""
        name: two
        study: { objectives: [{ metric: validation.loss }, { metric: validation.accuracy }] }
        space: { optimizer.learning_rate: { float: [0.001, 1] } }
        """);

    private static readonly TrialRecord s_trial = new(7, TrialState.Complete, TrialEndCause.Done, [0.25], [0.75], [],
        [new(1, 0.5), new(2, 0.75)], 1, [], 1.23456, null);

    [Fact]
    public void A_trial_is_one_line_with_the_documented_fields() => Assert.Equal(
        """
        {"number":7,"state":"complete","cause":"done","params":{"optimizer.learning_rate":0.25},"value":0.75,
        "intermediate":[[1,0.5],[2,0.75]],"attempts":1,"seconds":1.235,"node":"local"}
        """.ReplaceLineEndings(""), StudyJson.TrialLine(s_trial, s_one, "local"));

    [Fact]
    public void What_a_trial_has_copied_of_others_is_its_schedule_and_reads_back()
    {
        var copied = s_trial with { Exploits = [new(1, 3, [0.5], [0.125]), new(2, 0, [0.125], [0.25])] };
        string line = StudyJson.TrialLine(copied, s_one, "local");
        Assert.Equal(
            """
            [{"step":1,"donor":3,"from":{"optimizer.learning_rate":0.5},"to":{"optimizer.learning_rate":0.125}},
            {"step":2,"donor":0,"from":{"optimizer.learning_rate":0.125},"to":{"optimizer.learning_rate":0.25}}]
            """.ReplaceLineEndings(""), Read(line).GetProperty("exploits").GetRawText());
        var read = StudyJson.ParseTrial(line, new StudyVersions(new TrialSpecs(Binder, s_one))).Exploits;
        Assert.Equal([(1, 3), (2, 0)], read.Select(e => ((int)e.Step, e.Donor)));
        Assert.Equal([0.5, 0.125, 0.125, 0.25], read.SelectMany(e => (double[])[e.From[0], e.To[0]]));
        string torn = line.Replace("\"donor\":3,", "", StringComparison.Ordinal);
        Assert.Contains("'exploits.donor' is missing",
            Assert.Throws<JsonException>(() => StudyJson.ParseTrial(torn, new StudyVersions(new TrialSpecs(Binder, s_one)))).Message);
    }

    /// <summary>A reader can tell a trial without a value from one whose value is 0.</summary>
    [Fact]
    public void A_trial_that_has_failed_has_no_value_its_error_and_what_was_lost_of_it()
    {
        var failed = s_trial with
        {
            State = TrialState.Failed,
            Cause = TrialEndCause.TimedOut,
            Values = [],
            Reports = [new(1, double.NaN), new(2, double.PositiveInfinity)],
            Attempts = 3,
            Losses = ["its \"node\"\nis gone", "b"],
            Error = "computed für too long",
        };
        Assert.Equal(
            """
            {"number":7,"state":"failed","cause":"timed_out","params":{"optimizer.learning_rate":0.25},"value":null,
            "intermediate":[[1,"NaN"],[2,"Infinity"]],"attempts":3,"lost":["its \"node\"\nis gone","b"],"seconds":1.235,
            "node":"n1","error":"computed für too long"}
            """.ReplaceLineEndings(""), StudyJson.TrialLine(failed, s_one, "n1"));
    }

    [Fact]
    public void The_values_of_single_runs_are_told_and_read_again()
    {
        string line = StudyJson.TrialLine(s_trial with { Runs = [[0.5], [double.NaN], [1]] }, s_one, "local");
        Assert.Contains("\"value\":0.75,\"runs\":[[0.5],[\"NaN\"],[1]],\"intermediate\"", line);
        Assert.Equal([0.5, double.NaN, 1], StudyJson.ParseTrial(line, new StudyVersions(new TrialSpecs(Binder, s_one))).Runs.Select(r => r[0]));
    }

    [Fact]
    public void Of_several_objectives_there_are_values_and_constraints_are_told_where_there_are_some()
    {
        var line = Read(StudyJson.TrialLine(s_trial with { Values = [0.5, double.NaN], Constraints = [-1, double.PositiveInfinity, 2] }, s_two, "local"));
        Assert.False(line.TryGetProperty("value", out _));
        Assert.Equal("[0.5,\"NaN\"]", line.GetProperty("values").GetRawText());
        Assert.Equal("[-1,\"Infinity\",2]", line.GetProperty("constraints").GetRawText());
        Assert.Equal("[]", Read(StudyJson.TrialLine(s_trial with { Values = [] }, s_two, "local")).GetProperty("values").GetRawText());
    }

    [Fact]
    public void Parameters_have_the_types_that_they_have_in_the_file_and_those_without_a_value_are_left_out()
    {
        var spec = OfSpace("""
            clip.norm: { choices: [null, 1, 0.5] }
            optimizer.amsgrad: { choices: [true, false] }
            model.hidden: { choices: [[8], [16, 8]] }
            name: { choices: ["1", a-b, "true"] }
            optimizer.learning_rate: { float: [0.001, 1] }
            optimizer.beta1: { float: [0, 0.9], when: { optimizer.amsgrad: true } }
            training.epochs: { int: [1, 9] }
            """);
        string[] expected =
        [
            """
            {"clip.norm":null,"optimizer.amsgrad":true,"model.hidden":"[16, 8]","name":"1",
            "optimizer.learning_rate":0.1,"optimizer.beta1":0.5,"training.epochs":3}
            """,
            """{"clip.norm":0.5,"optimizer.amsgrad":false,"model.hidden":"[8]","name":"true","optimizer.learning_rate":1,"training.epochs":9}""",
        ];
        ImmutableArray<double>[] values = [[0, 0, 1, 0, 0.1, 0.5, 3], [2, 1, 0, 2, 1, double.NaN, 9]];
        for (int i = 0; i < 2; i++)
        {
            var parameters = Read(StudyJson.TrialLine(s_trial with { Parameters = Ordered(spec, values[i]) }, spec, "local")).GetProperty("params");
            Assert.Equal(Sorted(Read(expected[i])), Sorted(parameters));
        }
    }

    [Theory]
    [InlineData("no data\nat line 3", TrialEndCause.Threw, "no data\nat line 3")]
    [InlineData(null, TrialEndCause.Lost, "lost")]
    public void The_summary_of_a_study_that_has_failed_says_why(string? error, TrialEndCause cause, string why)
    {
        var status = Status(StudyStopReason.Failures) with { LastFailure = new TrialFailure(107, cause, error) };
        var summary = Read(RunJson.Text(false, json => StudyJson.WriteSummary(json, new StudySummary(s_one, "d", status, null))));
        Assert.Equal(("failed", "failures"), (summary.GetProperty("status").GetString(), summary.GetProperty("stop_reason").GetString()));
        Assert.Equal($"100 trials in a row have failed (study.stop.max_failures), trial 107 as the last one: {why}", summary.GetProperty("error").GetString());
    }

    [Fact]
    public void The_summary_of_one_objective_names_the_best_trial_and_where_it_is()
    {
        var best = new TrialResult(7, [0.25], [0.75]);
        var summary = new StudySummary(s_one, "d", Status(StudyStopReason.MaxSeconds) with { Best = best, Front = [best] },
            new Dictionary<string, double> { ["loss"] = 0.5, ["f1"] = double.NaN });
        Assert.Equal(
            $$"""
            {
              "study": "d",
              "name": "{{s_one.Name}}",
              "status": "completed",
              "stop_reason": "max_seconds",
              "objectives": [
                {
                  "metric": "validation.accuracy",
                  "direction": "maximize"
                }
              ],
              "trials": {
                "complete": 4,
                "pruned": 5,
                "failed": 6,
                "cancelled": 7,
                "running": 2,
                "paused": 3,
                "waiting": 1
              },
              "best": {
                "number": 7,
                "value": 0.75,
                "params": {
                  "optimizer.learning_rate": 0.25
                },
                "run": "{{Path.Combine("d", "trials", "7")}}",
                "spec": "{{Path.Combine("d", "best.yaml")}}"
              },
              "test": {
                "loss": 0.5,
                "f1": "NaN"
              },
              "seconds": 12.346,
              "interruptions": 2
            }
            """, RunJson.Text(true, json => StudyJson.WriteSummary(json, summary)));
    }

    [Theory]
    [InlineData(null, "interrupted", null)]
    [InlineData(StudyStopReason.Cancelled, "cancelled", "cancelled")]
    [InlineData(StudyStopReason.Trials, "completed", "trials")]
    public void A_study_without_a_best_trial_says_so_and_how_it_stands(StudyStopReason? end, string status, string? reason)
    {
        var summary = Read(RunJson.Text(false, json => StudyJson.WriteSummary(json, new StudySummary(s_one, "d", Status(end), null))));
        Assert.Equal((status, reason), (summary.GetProperty("status").GetString(), summary.GetProperty("stop_reason").GetString()));
        Assert.Equal(JsonValueKind.Null, summary.GetProperty("best").ValueKind);
        Assert.False(summary.TryGetProperty("front", out _) || summary.TryGetProperty("test", out _));
    }

    [Fact]
    public void The_summary_of_several_objectives_has_the_front_and_no_best_trial()
    {
        var status = Status(StudyStopReason.Trials) with { Front = [new(1, [0.5], [0.25, 0.5]), new(3, [0.125], [0.5, 0.75])], Worst = [0.5, 0.5] };
        var summary = Read(RunJson.Text(false, json => StudyJson.WriteSummary(json, new StudySummary(s_two, "d", status, null))));

        Assert.Equal(JsonValueKind.Null, summary.GetProperty("best").ValueKind);
        Assert.Equal(
        [
            $$$"""{"number":1,"values":[0.25,0.5],"params":{"optimizer.learning_rate":0.5},"run":"{{{Path.Combine("d", "trials", "1")}}}","spec":"{{{Path.Combine("d", "front", "1.yaml")}}}"}""",
            $$$"""{"number":3,"values":[0.5,0.75],"params":{"optimizer.learning_rate":0.125},"run":"{{{Path.Combine("d", "trials", "3")}}}","spec":"{{{Path.Combine("d", "front", "3.yaml")}}}"}""",
        ], summary.GetProperty("front").EnumerateArray().Select(r => r.GetRawText()));
        // 0.3 * 0.05 + 0.05 * 0.25
        Assert.Equal(0.0275, summary.GetProperty("hypervolume").GetDouble(), 1e-12);
        Assert.Equal([0.55, 0.45], summary.GetProperty("reference").EnumerateArray().Select(v => Math.Round(v.GetDouble(), 12)));
    }

    private static StudyStatus Status(StudyStopReason? end) => new()
    {
        Counts = new TrialCounts(1, 2, 3, 4, 5, 6, 7),
        Started = 28,
        Trials = 100,
        Parallel = 2,
        Enqueued = 0,
        Refused = 0,
        RefusedLast = null,
        Best = null,
        Front = [],
        Live = [],
        Rungs = [],
        Wait = null,
        WaitsFor = null,
        IsSuspended = false,
        Seconds = 12.3456,
        Sessions = 2,
        End = end,
    };

    /// <summary>Values that are given in the order of the file; the space has parents before children.</summary>
    private static ImmutableArray<double> Ordered(StudySpec spec, ImmutableArray<double> values)
    {
        string[] names = ["clip.norm", "optimizer.amsgrad", "model.hidden", "name", "optimizer.learning_rate", "optimizer.beta1", "training.epochs"];
        return [.. spec.Space.Space.Parameters.Select(p => values[Array.IndexOf(names, p.Name)])];
    }

    private static JsonElement Read(string json) => JsonDocument.Parse(json).RootElement;

    private static string[] Sorted(JsonElement json) => [.. json.EnumerateObject().Select(p => $"{p.Name} {p.Value.GetRawText()}").Order()];
}
