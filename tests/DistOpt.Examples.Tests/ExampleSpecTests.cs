using System.Text.Json.Nodes;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Tests.Specs;

namespace DistOpt.Examples.Tests;

/// <summary>Spec files, and what the documentation says of examples.</summary>
public sealed class ExampleSpecTests : ExampleRuns
{
    public static TheoryData<string> Specs() => [.. Directory.GetFiles(Path.Combine(Root, "src/DistOpt.Examples/specs"), "*.yaml").Select(f => Path.GetFileName(f)!)];

    [Theory]
    [MemberData(nameof(Specs))]
    public async Task Every_spec_file_opens_its_model_and_data(string file)
    {
        Assert.SkipWhen(file.StartsWith("mnist", StringComparison.Ordinal) && !HasMnist(), "MNIST is not on this machine (distopt data get mnist)");
        string command = file.EndsWith("-sweep.yaml", StringComparison.Ordinal) ? "sweep" : "train";
        var result = await RunAsync([command, Spec(file), "--dry-run", .. Here(file)]);

        Assert.True(result.Code == 0, result.Error);
        Assert.Contains("parameters", result.Out);
    }

    [Fact]
    public async Task Every_study_is_as_the_schema_of_studies_says_and_with_a_mistake_it_is_not()
    {
        var schema = JsonNode.Parse((await RunAsync(["schema", "--study"])).Out)!.AsObject();
        string[] studies = [.. Specs().Select(s => s.Data).Where(f => f.EndsWith("-sweep.yaml", StringComparison.Ordinal))];
        Assert.NotEmpty(studies);
        foreach (string file in studies)
        {
            string text = File.ReadAllText(Spec(file));
            Assert.True(JsonSchema.IsValid(schema, JsonSchema.Json(SpecYaml.Parse(text, file))), file);
            string wrong = text.Replace("  trials: ", "  trails: ", StringComparison.Ordinal);
            Assert.False(JsonSchema.IsValid(schema, JsonSchema.Json(SpecYaml.Parse(wrong, file))), file);
        }
    }

    [Fact]
    public void The_custom_model_and_data_set_take_less_than_forty_lines() =>
        Assert.InRange(File.ReadAllLines(Path.Combine(Root, "src/DistOpt.Examples/Spirals.cs")).Length, 20, 39);

    /// <summary>What README shows of a study's file is what runs here.</summary>
    [Fact]
    public async Task The_study_file_of_README_is_an_example_that_runs_with_everything_in_it()
    {
        string text = File.ReadAllText(Spec("digits-space-sweep.yaml")).ReplaceLineEndings("\n");
        string readme = File.ReadAllText(Path.Combine(Root, "README.md")).ReplaceLineEndings("\n");
        Assert.Contains($"```yaml\n{text[text.IndexOf("study:", StringComparison.Ordinal)..]}```\n", readme, StringComparison.Ordinal);
        Assert.Contains(" -- sweep src/DistOpt.Examples/specs/digits-space-sweep.yaml --out ", readme, StringComparison.Ordinal);

        string folder = Path.Combine(Folder, "study");
        var result = await RunAsync(["sweep", Spec("digits-space-sweep.yaml"), "--out", folder]);
        Assert.True(result.Code == 0, result.Error);
        var trials = File.ReadAllLines(Path.Combine(folder, "trials.jsonl")).Select(l => JsonNode.Parse(l)!).OrderBy(t => t["number"]!.GetValue<int>()).ToList();
        Assert.Equal(10, trials.Count);
        Assert.All(trials, t => Assert.Equal("complete", t["state"]!.GetValue<string>()));
        var first = trials[0]["params"]!;
        Assert.Equal(("sgd", 0.9, 2, 64, 32, 4), (first["optimizer.kind"]!.GetValue<string>(), first["optimizer.momentum"]!.GetValue<double>(),
            first["model.hidden.length"]!.GetValue<int>(), first["model.hidden[0]"]!.GetValue<int>(), first["model.hidden[1]"]!.GetValue<int>(),
            first["training.epochs"]!.GetValue<int>()));
        Assert.All(trials, t => Assert.Equal(t["params"]!["model.hidden.length"]!.GetValue<int>() == 2, t["params"]!["model.dropout"] is not null));
        Assert.All(trials, t => Assert.Equal(t["params"]!["optimizer.kind"]!.GetValue<string>() == "sgd", t["params"]!["optimizer.beta1"] is null));
    }

    /// <summary>What README shows of studies in code is what runs here.</summary>
    [Fact]
    public void The_studies_of_README_are_those_of_the_examples()
    {
        static string Lines(string text) => string.Join('\n', text.ReplaceLineEndings("\n").Split('\n').Select(l => l.Trim()));
        string code = Lines(File.ReadAllText(Path.Combine(Root, "src/DistOpt.Examples/Studies/FunctionStudies.cs")));
        string readme = File.ReadAllText(Path.Combine(Root, "README.md")).ReplaceLineEndings("\n");
        string section = readme[readme.IndexOf("### From C#", StringComparison.Ordinal)..readme.IndexOf("### What mattered", StringComparison.Ordinal)];
        string[] blocks = [.. section.Split("```csharp\n").Skip(1).Select(b => b[..b.IndexOf("```", StringComparison.Ordinal)].Trim())];
        Assert.Equal(4, blocks.Length);
        Assert.All(blocks, block => Assert.Contains(Lines(block), code));
    }
}
