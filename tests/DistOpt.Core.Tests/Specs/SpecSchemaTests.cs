using System.Text.Json.Nodes;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;
using static DistOpt.Core.Tests.Specs.TestCatalogs;

namespace DistOpt.Core.Tests.Specs;

public sealed class SpecSchemaTests
{
    private static readonly JsonObject Schema = SpecSchema.Json(All);

    [Theory]
    [InlineData("{}", true)]
    [InlineData("training:", true)]
    [InlineData("optimizer: sgd", true)]
    [InlineData("optimizer: rmsprop", false)]
    [InlineData("optimizer: { kind: sgd, momentum: 0.9 }", true)]
    [InlineData("optimizer: { kind: adam, momentum: 0.9 }", false)]
    [InlineData("optimizer: { momentum: 0.9 }", false)]
    [InlineData("optimizer: { beta1: 0.8 }", true)]
    [InlineData("optimizer: { beta1: 1.0 }", false)]
    [InlineData("optimizer: { learning_rate: 0 }", false)]
    [InlineData("model: { kind: mlp, hidden: [64], freeze: [a] }", true)]
    [InlineData("model: { hidden: [0] }", false)]
    [InlineData("model: { hidden: [] }", false)]
    [InlineData("model: { hidden: 64 }", false)]
    [InlineData("model: { activation: leaky-relu }", true)]
    [InlineData("model: { activation: swish }", false)]
    [InlineData("data: { name: csv, path: x, label: 3 }", true)]
    [InlineData("data: { name: csv, label: 3 }", false)]
    [InlineData("data: { name: mnist, path: null, prefetch: 65 }", false)]
    [InlineData("training: { gradient_shards: auto }", true)]
    [InlineData("training: { gradient_shards: 4, workers: 4 }", true)]
    [InlineData("training: { gradient_shards: some }", false)]
    [InlineData("training: { workers: 0 }", false)]
    [InlineData("training: { epochs: 1.5 }", false)]
    [InlineData("training: { device: cuda }", false)]
    [InlineData("epochs: 5", false)]
    [InlineData("name: a b", false)]
    [InlineData("stop: { target: null, max_seconds: 1.5 }", true)]
    [InlineData("stop: { target: { metric: train.loss, at_most: 1 } }", true)]
    [InlineData("stop: { target: { at_most: 1 } }", false)]
    public void The_schema_accepts_what_the_binder_accepts(string yaml, bool good)
    {
        Assert.Equal(good, Accepts(yaml));
        Assert.Equal(good, JsonSchema.IsValid(Schema, JsonSchema.Json(SpecYaml.Parse(yaml, ""))));
    }

    [Fact]
    public void The_schema_accepts_every_default_written_out() =>
        Assert.True(JsonSchema.IsValid(Schema, JsonSchema.Json(SpecYaml.Parse(SpecWriter.Write(Binder.Default()), ""))));

    [Fact]
    public void Fields_carry_description_default_and_bounds()
    {
        var workers = Schema["properties"]!["training"]!["properties"]!["workers"]!;
        Assert.Equal(
            """{"type":"integer","minimum":1,"maximum":100000,"description":"Worker actors","default":2}""", workers.ToJsonString());
        var rate = Schema["$defs"]!["optimizers.adam"]!["properties"]!["learning_rate"]!;
        Assert.Equal("""{"type":"number","exclusiveMinimum":0,"description":"Step size","default":0.001}""", rate.ToJsonString());
        Assert.Equal("adam", Schema["properties"]!["optimizer"]!["default"]!.GetValue<string>());
        Assert.Equal("[256,128]", Schema["$defs"]!["models.mlp"]!["properties"]!["hidden"]!["default"]!.ToJsonString());
        Assert.Equal("https://json-schema.org/draft/2020-12/schema", Schema["$schema"]!.GetValue<string>());
    }

    private static bool Accepts(string yaml)
    {
        try
        {
            Binder.ParseTraining(yaml);
            return true;
        }
        catch (SpecException)
        {
            return false;
        }
    }
}
