using System.Text.Json.Nodes;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Tests.Studies;

namespace DistOpt.Core.Tests.Specs;

/// <summary>The JSON schema of study specs.</summary>
public sealed class StudySchemaTests
{
    private const string Space = "space: { model.dropout: { float: [0, 0.5] } }";

    private static readonly JsonObject s_schema = SpecSchema.Study(StudyFixture.Binder.Catalogs);

    [Theory]
    [InlineData(Space, true)]
    [InlineData("{}", false)]
    [InlineData("space: {}", false)]
    [InlineData("space: { model.dropout: 0.25 }", true)]
    [InlineData("space: { model.dropout: { value: 0.25 } }", true)]
    [InlineData("space: { model.dropout: { low: 0, high: 1 } }", false)]
    [InlineData("space: { model.dropout: { float: [0] } }", false)]
    [InlineData("space: { model.dropout: { float: [0, 0.5], int: [0, 1] } }", false)]
    [InlineData("space: { model.dropout: { log: true } }", false)]
    [InlineData("space: { training.epochs: { int: [1, 8], step: 0 } }", false)]
    [InlineData("space: { model.activation: { choices: [relu, gelu] }, model.hidden: [32] }", true)]
    [InlineData("space: { model.activation: { choices: [] } }", false)]
    [InlineData("space: { model.hidden: { list: { length: 2, each: { int: [4, 8] } } } }", true)]
    [InlineData("space: { model.hidden: { list: { length: { int: [1, 2] }, each: 8 } } }", true)]
    [InlineData("space: { model.hidden: { list: { length: 2 } } }", false)]
    [InlineData("space: { optimizer.kind: { choices: [adam, sgd] }, optimizer.momentum: { float: [0, 0.9], when: { optimizer.kind: sgd } } }", true)]
    [InlineData("{ optimizer: { kind: adam, momentum: 0.5 }, space: { optimizer.kind: { choices: [adam, sgd] } } }", true)]
    [InlineData("{ optimizer: { kind: adam, momentun: 0.5 }, space: { optimizer.kind: { choices: [adam, sgd] } } }", false)]
    [InlineData("{ optimizer: { kind: adam, momentum: 0.5 }, space: { model.dropout: { float: [0, 0.5] } } }", false)]
    [InlineData("{ trials: 5, space: { model.dropout: { float: [0, 0.5] } } }", false)]
    [InlineData("{ study: { sampler: bohb, trial_scheduler: { kind: hyperband, max_resource: 9 } }, space: { model.dropout: { float: [0, 0.5] } } }", true)]
    [InlineData("{ study: { sampler: { kind: tpe, candidates: 0 } }, space: { model.dropout: { float: [0, 0.5] } } }", false)]
    [InlineData("{ study: { sampler: { kind: tpe, population: 9 } }, space: { model.dropout: { float: [0, 0.5] } } }", false)]
    [InlineData("{ study: { trials: 0 }, space: { model.dropout: { float: [0, 0.5] } } }", false)]
    [InlineData("{ study: { trials: null, stop: { expected_improvement: { at_most: 0.01 } } }, space: { model.dropout: { float: [0, 0.5] } } }", true)]
    [InlineData("{ study: { stop: { target: 0.9, patience: { trials: 0 } } }, space: { model.dropout: { float: [0, 0.5] } } }", false)]
    [InlineData("{ study: { enqueue: [{ model.dropout: 0.25 }], isolation: auto }, space: { model.dropout: { float: [0, 0.5] } } }", true)]
    [InlineData("{ study: { isolation: docker }, space: { model.dropout: { float: [0, 0.5] } } }", false)]
    [InlineData("{ study: { constraints: [{ metric: validation.loss, at_most: 1 }] }, space: { model.dropout: { float: [0, 0.5] } } }", true)]
    public void The_schema_accepts_what_the_binder_accepts(string yaml, bool good)
    {
        Assert.Equal(good, Accepts(yaml));
        Assert.Equal(good, IsValid(yaml));
    }

    /// <summary>A field that a data set requires may be searched.</summary>
    [Fact]
    public void What_is_required_of_a_training_spec_may_be_in_the_space()
    {
        const string yaml = "{ data: { name: csv }, space: { data.path: { choices: [a.csv, b.csv] } } }";
        Assert.True(JsonSchema.IsValid(SpecSchema.Study(TestCatalogs.All), JsonSchema.Json(SpecYaml.Parse(yaml, ""))));
        Assert.False(JsonSchema.IsValid(SpecSchema.Json(TestCatalogs.All), JsonSchema.Json(SpecYaml.Parse("data: { name: csv }", ""))));
    }

    [Fact]
    public void The_schema_accepts_what_a_study_is_written_back_as()
    {
        Assert.True(IsValid(StudyFixture.Digits));
        Assert.True(IsValid(StudySpecWriterText(StudyFixture.Digits)));
    }

    private static string StudySpecWriterText(string yaml) => Core.Studies.StudySpecWriter.Write(StudyFixture.Parse(yaml));

    private static bool IsValid(string yaml) => JsonSchema.IsValid(s_schema, JsonSchema.Json(SpecYaml.Parse(yaml, "")));

    private static bool Accepts(string yaml)
    {
        try
        {
            StudyFixture.Parse(yaml);
            return true;
        }
        catch (SpecException)
        {
            return false;
        }
    }
}
