using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using DistOpt.Torch.Inference;
using DistOpt.Torch.Losses;
using DistOpt.Torch.Models;

namespace DistOpt.Torch.Tests.Inference;

public sealed class InferenceDocumentTests
{
    [Fact]
    public void What_is_written_is_read_again()
    {
        var document = Example();
        var read = InferenceDocument.Parse(document.ToJson(), "inference.json");
        Assert.Equal(document.ToJson(), read.ToJson());
        Assert.Equal(new MlpOptions { Hidden = [7, 5], Activation = Activations.LeakyRelu, Dropout = 0.1 },
            read.Model.OptionsAs(typeof(MlpOptions)));
        Assert.Equal(new CrossEntropyOptions { LabelSmoothing = 0.1 }, read.Loss.OptionsAs(typeof(CrossEntropyOptions)));
        Assert.Equal(document.Normalization!.Mean, read.Normalization!.Mean);
        Assert.Equal(document.Normalization.Std, read.Normalization.Std);
        var info = read.ToDataInfo();
        Assert.Equal("flowers", info.Name);
        Assert.Equal([4L], info.InputShape);
        Assert.Equal(["setosa", "versicolor", "virginica"], info.Classes);
        Assert.Equal(["a", "b", "c", "d"], info.Columns);
        Assert.Equal(NormalizationKind.PerFeature, info.Normalization);
        Assert.Equal(100, read.BatchSize);
    }

    [Fact]
    public void Field_names_are_snake_case_and_the_format_has_a_number()
    {
        string json = Example().ToJson();
        Assert.Contains("\"format_version\": 1", json, StringComparison.Ordinal);
        Assert.Contains("\"activation\": \"leaky-relu\"", json, StringComparison.Ordinal);
        Assert.Contains("\"label_smoothing\": 0.1", json, StringComparison.Ordinal);
        Assert.Contains("\"kind\": \"per_feature\"", json, StringComparison.Ordinal);
        Assert.Contains("\"task\": \"classification\"", json, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Catalogued))]
    public void The_options_of_every_built_in_model_and_loss_survive(string kind, string name)
    {
        ICatalog catalog = kind == "model" ? TorchCatalog.Default().Models : TorchCatalog.Default().Losses;
        Assert.True(catalog.TryGet(name, out var entry));
        object options = Activator.CreateInstance(entry.OptionsType)!;
        Assert.Equal(options, SavedPlugin.From(new PluginSpec(name, options)).OptionsAs(entry.OptionsType));
    }

    public static TheoryData<string, string> Catalogued
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var entry in TorchCatalog.Default().Models.Entries) data.Add("model", entry.Name);
            foreach (var entry in TorchCatalog.Default().Losses.Entries) data.Add("loss", entry.Name);
            return data;
        }
    }

    [Fact]
    public void A_newer_format_is_refused_before_its_fields_are_looked_at()
    {
        var error = Assert.Throws<SpecException>(() => InferenceDocument.Parse("""{"format_version": 2, "architecture": "x"}""", "f"));
        Assert.Equal("f: has format version 2, but this build reads 1 to 1; update DistOpt", error.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("not json")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("""{"format_version": "1"}""")]
    [InlineData("""{"format_version": 0}""")]
    [InlineData("""{"format_version": 1}""")]
    [InlineData("""{"format_version": 1, "model": null}""")]
    public void Garbage_is_refused_with_the_files_name(string text)
    {
        var error = Assert.Throws<SpecException>(() => InferenceDocument.Parse(text, "runs/x/inference.json"));
        Assert.Equal("runs/x/inference.json", Assert.Single(error.Violations).Path);
    }

    [Theory]
    [InlineData("\"input_shape\": [\n    4\n  ]", "\"input_shape\": [0]", "input_shape must be a list of sizes")]
    [InlineData("\"input_shape\": [\n    4\n  ]", "\"input_shape\": [5]", "normalization does not fit input_shape")]
    [InlineData("\"input_shape\": [\n    4\n  ]", "\"input_shape\": [4000000000000, 4000000000000]", "input_shape must be a list of sizes")]
    [InlineData("\"batch_size\": 100", "\"batch_size\": 0", "batch_size is 0")]
    [InlineData("\"task\": \"classification\"", "\"task\": \"regression\"", "target_shape is empty")]
    [InlineData("\"task\": \"classification\"", "\"task\": \"guessing\"", "is damaged")]
    [InlineData("\"batch_size\": 100", "\"batch_sise\": 100", "is damaged")]
    [InlineData("\"std\": [\n      1,", "\"std\": [\n      -1,", "normalization is damaged")]
    public void Values_that_do_not_fit_are_refused(string from, string to, string expected)
    {
        string json = Example().ToJson();
        Assert.Contains(from, json, StringComparison.Ordinal);
        var error = Assert.Throws<SpecException>(() => InferenceDocument.Parse(json.Replace(from, to, StringComparison.Ordinal), "f"));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_violations_are_told_together()
    {
        string json = Example().ToJson().Replace("\"batch_size\": 100", "\"batch_size\": 0", StringComparison.Ordinal)
            .Replace("\"classification\"", "\"regression\"", StringComparison.Ordinal);
        Assert.Equal(2, Assert.Throws<SpecException>(() => InferenceDocument.Parse(json, "f")).Violations.Length);
    }

    [Fact]
    public void Saved_options_that_the_program_does_not_know_are_refused()
    {
        string json = Example().ToJson().Replace("\"dropout\"", "\"drop_path\"", StringComparison.Ordinal);
        var document = InferenceDocument.Parse(json, "f");
        var error = Assert.Throws<SpecException>(() => document.Model.OptionsAs(typeof(MlpOptions)));
        Assert.Contains("drop_path", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_is_bad_input()
    {
        string path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString(), "none.json");
        Assert.Equal(path, Assert.Single(Assert.Throws<SpecException>(() => InferenceDocument.Load(path)).Violations).Path);
    }

    private static InferenceDocument Example()
    {
        var spec = new TrainingSpec
        {
            Model = new ModelSpec
            {
                Kind = "mlp",
                Options = new MlpOptions { Hidden = [7, 5], Activation = Activations.LeakyRelu, Dropout = 0.1 },
            },
            Loss = new PluginSpec("cross-entropy", new CrossEntropyOptions { LabelSmoothing = 0.1 }),
            Data = new DataSpec { Kind = "flowers", Options = new CsvOptions { Path = "flowers.csv" } },
            Evaluate = new EvaluateSection { BatchSize = 100 },
        };
        return InferenceDocument.Create(spec, RunFolder.Flowers,
            new Normalization(NormalizationKind.PerFeature, [0.1, 1.0 / 3, -2, 5e10], [1, 0.3, 1e-7, 4]));
    }
}
