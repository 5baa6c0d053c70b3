using System.Text.Json;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Exchange;

namespace DistOpt.Core.Tests.Studies.Exchange;

public sealed class OptunaJournalTests
{
    [Fact]
    public void A_study_comes_back_as_it_was_written()
    {
        foreach (var study in (ExchangedStudy[])[ExchangeFixture.Study, ExchangeFixture.Pareto])
        {
            var read = Assert.Single(Read(Write(study)));
            Assert.Equal(study.Name, read.Name);
            Assert.Equal(study.Directions, read.Directions);
            Assert.Equal(study.Metrics, read.Metrics);
            Assert.Equal(study.Constraints, read.Constraints);
            Assert.Equal(study.Attributes.Select(a => a.Key).Order(StringComparer.Ordinal), read.Attributes.Select(a => a.Key));
            Assert.Equal(ExchangeFixture.Text(study), ExchangeFixture.Text(read));
        }
    }

    [Fact]
    public void A_line_has_the_fields_of_the_format_and_bare_words_for_what_is_not_finite()
    {
        string[] lines = Write(ExchangeFixture.Study).Split('\n');
        Assert.Equal("""{"op_code":0,"worker_id":"distopt","study_name":"small-20260101","directions":[2]}""", lines[0]);
        Assert.Equal("""{"op_code":2,"worker_id":"distopt","study_id":0,"user_attr":{"sampler":"tpe"}}""", lines[1]);
        Assert.Equal("""{"op_code":3,"worker_id":"distopt","study_id":0,"system_attr":{"study:metric_names":["validation.accuracy"]}}""", lines[3]);
        Assert.Equal("""
            {"op_code":3,"worker_id":"distopt","study_id":0,"system_attr":{"distopt:constraint_names":["validation.loss at most 0.5","validation.recall at least 0.25"]}}
            """, lines[4]);
        Assert.Equal("", lines[^1]);
        Assert.Contains("""
            "datetime_start":"2026-01-02T03:04:05.678901+00:00","datetime_complete":"2026-01-02T03:05:00.000000+00:00","value":0.75,"values":null
            """, lines[5]);
        Assert.Contains("\"intermediate_values\":{\"1\":NaN,\"3\":Infinity,\"9\":0.75}", lines[5]);
        Assert.Contains("\"system_attrs\":{\"constraints\":[-0.5,0]}", lines[5]);
        Assert.Contains("\"user_attrs\":{\"seconds\":54.5,\"cause\":\"done\",\"attempts\":2,\"enqueued\":true,\"lost\":[", lines[5]);
        Assert.Contains("\"value\":-Infinity", lines[8]);
        // steps do not lead to 8: Optuna would cut the range itself, with a warning
        using var pruned = JsonDocument.Parse(lines[6]);
        Assert.Equal("""{"name":"IntDistribution","attributes":{"step":2,"low":1,"high":7,"log":false}}""",
            pruned.RootElement.GetProperty("distributions").GetProperty("depth").GetString());
    }

    /// <summary>As Optuna writes a trial that it runs itself: one operation after the other.</summary>
    [Fact]
    public void Operations_add_up_as_Optuna_adds_them_up()
    {
        string distribution = JsonSerializer.Serialize("""{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}""");
        var studies = Read($$$"""
            {"op_code": 0, "worker_id": "a", "study_name": "gone", "directions": [1]}
            {"op_code": 0, "worker_id": "a", "study_name": "kept", "directions": [2]}
            {"op_code": 0, "worker_id": "b", "study_name": "kept", "directions": [1]}
            {"op_code": 4, "worker_id": "a", "study_id": 0, "datetime_start": "2026-01-01T00:00:00.000000"}
            {"op_code": 4, "worker_id": "a", "study_id": 1, "datetime_start": "2026-01-01T00:00:00.000000"}
            {"op_code": 4, "worker_id": "a", "study_id": 1, "datetime_start": null, "state": 4, "value": null, "values": null, "distributions": {}, "params": {}, "user_attrs": {}, "system_attrs": {}, "intermediate_values": {}}
            {"op_code": 1, "worker_id": "a", "study_id": 0}
            {"op_code": 5, "worker_id": "a", "trial_id": 1, "param_name": "x", "param_value_internal": 0.25, "distribution": {{{distribution}}}}
            {"op_code": 7, "worker_id": "a", "trial_id": 1, "step": 2, "intermediate_value": NaN}
            {"op_code": 8, "worker_id": "a", "trial_id": 1, "user_attr": {"NaN \"Infinity\"": "NaN"}}
            {"op_code": 9, "worker_id": "a", "trial_id": 1, "system_attr": {"constraints": [0.5]}}
            {"op_code": 6, "worker_id": "a", "trial_id": 1, "state": 1, "values": [Infinity], "datetime_complete": "2026-01-01T00:00:01.000000"}
            {"op_code": 6, "worker_id": "b", "trial_id": 1, "state": 3, "values": null, "datetime_complete": "2026-01-01T00:00:02.000000"}
            {"op_code": 7, "worker_id": "b", "trial_id": 1, "step": 3, "intermediate_value": 1.0}
            {"op_code": 6, "worker_id": "a", "tri
            """);
        var study = Assert.Single(studies);
        Assert.Equal(("kept", Direction.Maximize), (study.Name, study.Directions[0]));
        Assert.Equal([ExchangedState.Complete, ExchangedState.Waiting], study.Trials.Select(t => t.State));
        Assert.Equal("0 | Complete | x=Double 0.25 | Infinity | 2:NaN | 0.5", ExchangeFixture.Text(study with { Trials = [study.Trials[0]] }, domains: false));
        Assert.Equal(new FloatDomain(0, 1), study.Trials[0].Parameters[0].Domain);
    }

    /// <summary>As Optuna 5 has them: each an attribute of its own. Their order is that of their names.</summary>
    [Fact]
    public void Constraints_by_name_are_read_in_the_order_of_their_names()
    {
        const string begin = """
            {"op_code": 0, "worker_id": "a", "study_name": "s", "directions": [1]}
            {"op_code": 4, "worker_id": "a", "study_id": 0, "datetime_start": "2026-01-01T00:00:00.000000"}
            {"op_code": 9, "worker_id": "a", "trial_id": 0, "system_attr": {"constraints:size": 0.5}}
            {"op_code": 9, "worker_id": "a", "trial_id": 0, "system_attr": {"constraints:latency": -2, "constraint": 7, "constraints": [9]}}
            {"op_code": 9, "worker_id": "a", "trial_id": 0, "system_attr": {"constraints:odd": null}}
            {"op_code": 9, "worker_id": "a", "trial_id": 0, "system_attr": {"constraints:size": NaN}}
            {"op_code": 4, "worker_id": "a", "study_id": 0, "datetime_start": null, "state": 1, "value": 1, "system_attrs": {"constraints:b": 2.5, "constraints:a": 1, "grid_id": 3}}

            """;
        var trials = Assert.Single(Read(begin)).Trials;
        Assert.Equal([-2, double.NaN], trials[0].Constraints);
        Assert.Equal([1, 2.5], trials[1].Constraints);
        // of the study they are only where all trials have the same
        Assert.Empty(Assert.Single(Read(begin)).Constraints);
        Assert.Equal(["latency", "size"], Assert.Single(Read(begin.Replace("constraints:b", "constraints:size").Replace("constraints:a", "constraints:latency"))).Constraints);
    }

    [Theory]
    [InlineData("{\"op_code\": 0}\n{}\n", 1, "lacks a field")]
    [InlineData("{\"op_code\": 77}\n{}\n", 1, "op_code 77")]
    [InlineData("{\"op_code\": 0, \"study_name\": \"s\", \"directions\": [1]}\n{\"op_c\n{\"op_code\": 1, \"study_id\": 0}\n", 2, "is no JSON")]
    [InlineData("{\"a\": 1}\n", 1, "has no op_code")]
    [InlineData("{\"op_code\": 0, \"study_name\": \"s\", \"directions\": [1]}\n{\"op_code\": 7, \"trial_id\": 5, \"step\": 1, \"intermediate_value\": 1}\n", 2, "lacks a field or has a wrong one")]
    public void What_is_no_operation_is_named_with_its_line(string text, int line, string expected)
    {
        var violation = Assert.Single(Assert.Throws<SpecException>(() => Read(text)).Violations);
        Assert.Equal(("file.log", line), (violation.Path, violation.Line));
        Assert.Contains(expected, violation.Message);
    }

    [Theory]
    [InlineData("""{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 2.0}}""", """{"name":"FloatDistribution","attributes":{"step":null,"low":0,"high":2,"log":false}}""")]
    [InlineData("""{"name": "LogUniformDistribution", "attributes": {"low": 0.1, "high": 2.0}}""", """{"name":"FloatDistribution","attributes":{"step":null,"low":0.1,"high":2,"log":true}}""")]
    [InlineData("""{"name": "DiscreteUniformDistribution", "attributes": {"low": 0.0, "high": 2.0, "q": 0.5}}""", """{"name":"FloatDistribution","attributes":{"step":0.5,"low":0,"high":2,"log":false}}""")]
    [InlineData("""{"name": "IntLogUniformDistribution", "attributes": {"low": 1, "high": 9, "step": 1}}""", """{"name":"IntDistribution","attributes":{"step":1,"low":1,"high":9,"log":true}}""")]
    [InlineData("""{"type": "int", "low": 1, "high": 9}""", """{"name":"IntDistribution","attributes":{"step":1,"low":1,"high":9,"log":false}}""")]
    [InlineData("""{"type": "categorical", "choices": [1, 1.0, NaN]}""", """{"name":"CategoricalDistribution","attributes":{"choices":[1,1,NaN]}}""")]
    public void Distributions_of_before_are_known(string json, string now) => Assert.Equal(now, OptunaJson.Distribution(OptunaJson.Distribution(json)));

    private static string Write(ExchangedStudy study)
    {
        using var writer = new StringWriter();
        OptunaJournal.Write(writer, study);
        return writer.ToString();
    }

    private static IReadOnlyList<ExchangedStudy> Read(string text)
    {
        using var reader = new StringReader(text);
        return OptunaJournal.Read(reader, "file.log");
    }
}
