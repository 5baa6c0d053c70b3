using DistOpt.Core.Samplers;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Studies;
using DistOpt.Core.Tests.Specs;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

/// <summary>Configurations as names and values, as in trials.jsonl and in points to try first.</summary>
public sealed class StudySpaceTests
{
    private static readonly StudySpec s_spec = Parse(Digits);

    [Fact]
    public void A_configuration_has_names_and_values_as_they_stand_in_the_file()
    {
        double[] values = [0.001, 0, 0.35, double.NaN, 2, 16, 17, double.NaN, 2, 3, 0];
        Assert.Equal<KeyValuePair<string, object?>>(
        [
            new("optimizer.learning_rate", 0.001), new("optimizer.kind", "sgd"), new("optimizer.momentum", 0.35), new("model.hidden.length", 2L),
            new("model.hidden[0]", 16L), new("model.hidden[1]", 17L), new("model.activation", "leaky-relu"), new("batch.size", 128L), new("training.epochs", 5L),
        ], s_spec.Space.Named(values));
        Assert.Equal(values, s_spec.Space.Configuration(s_spec.Space.Named(values), ""));
    }

    /// <summary>With all bits, also of numbers that are not short.</summary>
    [Fact]
    public void Every_random_configuration_comes_back_by_its_names_also_through_text()
    {
        double[] values = new double[s_spec.Space.Space.Count];
        for (int i = 0; i < 200; i++)
        {
            new RandomSampler().Suggest(new StudyHistory(s_spec.Space.Space, s_spec.Directions), 3, i, values);
            var named = s_spec.Space.Named(values);
            Assert.Equal(values, s_spec.Space.Configuration(named, ""));
            string json = System.Text.Json.JsonSerializer.Serialize(named.ToDictionary(n => n.Key, n => n.Value));
            Assert.Equal(values, s_spec.Space.Configuration((MappingNode)SpecYaml.Parse(json, "trials.jsonl"), "params"));
        }
    }

    [Fact]
    public void Null_truth_values_texts_and_lists_are_choices_that_come_back()
    {
        var space = OfSpace("""
            clip.norm: { choices: [null, 1, 0.5] }
            optimizer.amsgrad: { choices: [true, false] }
            model.hidden: { choices: [[8], [16, 8]] }
            name: { choices: ["1", a-b, "true"] }
            """).Space;
        for (int i = 0; i < 3; i++)
        {
            double[] values = [i, i % 2, 1 - i % 2, i];
            Assert.Equal(values, space.Configuration(space.Named(values), ""));
        }
        Assert.Equal([null, true, "[16, 8]", "1"], space.Named([0, 0, 1, 0]).Select(n => n.Value));
        Assert.Equal([0.5, false, "[8]", "true"], space.Named([2, 1, 0, 2]).Select(n => n.Value));
        Assert.Equal([1, 0, 1, 1], space.Configuration((MappingNode)SpecYaml.Parse("{ clip.norm: 1.0, optimizer.amsgrad: true, model.hidden: [16, 8], name: a-b }", ""), ""));
    }

    [Fact]
    public void A_configuration_that_lacks_or_doubles_something_is_refused()
    {
        Assert.Equal(["optimizer.learning_rate: is missing", "model.hidden[1]: is missing", "batch.size: is missing"],
            TestCatalogs.Errors(() => s_spec.Values(("optimizer.kind", "adam"), ("model.hidden.length", 2), ("model.hidden[0]", 20), ("model.activation", "relu"))));
        Assert.Equal(["params.optimizer.kind: is given twice; remove one"], TestCatalogs.Errors(() =>
            s_spec.Space.Configuration([new KeyValuePair<string, object?>("optimizer.kind", "adam"), new("optimizer.kind", "sgd")], "params", partly: true)));
        Assert.Equal(["p.optimizer.momentum: is 0.37, but must be between 0 and 0.95 in steps of 0.05", "p.batch.size: is 17, but must be one of 16, 32, 64, 128"],
            TestCatalogs.Errors(() => s_spec.Space.Configuration([new KeyValuePair<string, object?>("optimizer.momentum", 0.37), new("batch.size", 17)], "p", partly: true)));
    }

    /// <summary>momentum needs sgd, which the point says; the second width is there since the point has two layers.</summary>
    [Fact]
    public void A_point_that_is_given_partly_is_completed_by_a_suggestion()
    {
        Assert.Equal([double.NaN, 0, 0.5, double.NaN, 2, 64, 32, double.NaN, double.NaN, double.NaN, double.NaN], s_spec.Enqueued[0][..10].Append(double.NaN));
        Assert.Equal(0.001, s_spec.Enqueued[1][0]);

        double[] suggested = [0.01, 1, double.NaN, 0, 1, 128, double.NaN, double.NaN, 2, 1, 0];
        double[] values = s_spec.Space.Space.Complete(s_spec.Enqueued[0].AsSpan(), suggested, _ => 0.5);
        Assert.Equal([0.01, 0, 0.5, double.NaN, 2, 64, 32, double.NaN, 2, 1, 0], values);
        Assert.Empty(s_spec.Space.Space.Check(values));
        // nothing is suggested for the momentum of sgd, so it is random
        double[] point = s_spec.Space.Configuration([new KeyValuePair<string, object?>("optimizer.kind", "sgd")], "", partly: true);
        Assert.Equal([0.01, 0, 0.45, double.NaN, 1, 128], s_spec.Space.Space.Complete(point, suggested, i => i == 2 ? 0.5 : 2)[..6]);
    }

    /// <summary>A study goes on with a wider space: trials of before keep their values by name.</summary>
    [Fact]
    public void Values_of_a_narrower_space_are_values_of_a_wider_one()
    {
        var wider = Parse(Digits, "space.optimizer.kind={ choices: [lion, sgd, adam, adamw] }", "space.optimizer.learning_rate={ float: [1e-6, 1], log: true }");
        double[] values = [0.001, 0, 0.35, double.NaN, 2, 16, 17, double.NaN, 2, 3, 0];
        Assert.Equal([0.001, 1, 0.35, double.NaN, 2, 16, 17, double.NaN, 2, 3, 0], wider.Space.Configuration(s_spec.Space.Named(values), ""));
    }
}
