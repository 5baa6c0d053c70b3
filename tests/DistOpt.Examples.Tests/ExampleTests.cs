using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs.Yaml;
using DistOpt.Core.Tests.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace DistOpt.Examples.Tests;

public sealed class ExampleTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-examples-").FullName;

    private static string Root { get; } = FindRoot();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

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

    [Fact]
    public async Task Spirals_are_learned_by_four_workers_with_the_bits_of_one()
    {
        var four = await TrainAsync("spirals.yaml", "--workers", "4", "--set", "training.gradient_shards=4", "--set", "model.width=64");
        var one = await TrainAsync("spirals.yaml", "--workers", "1", "--set", "training.gradient_shards=4", "--set", "model.width=64");

        Assert.True(four.Test["accuracy"] > 0.9, $"test accuracy is {four.Test["accuracy"]}");
        Assert.Equal(one.WeightsSha256, four.WeightsSha256);
    }

    [Fact]
    public async Task A_sweep_over_an_option_of_the_users_own_model_finds_one_that_learns_the_spirals()
    {
        var result = await RunAsync(["sweep", Spec("spirals-sweep.yaml"), "--out", Path.Combine(_folder, "study"), "--format", "json"]);

        Assert.True(result.Code == 0, result.Error);
        var json = System.Text.Json.JsonDocument.Parse(result.Out).RootElement;
        Assert.InRange(json.GetProperty("best").GetProperty("params").GetProperty("model.width").GetInt32(), 4, 128);
        double test = json.GetProperty("test").GetProperty("accuracy").GetDouble();
        Assert.True(test > 0.9, $"test accuracy is {test}");
    }

    [Fact]
    public async Task Verses_are_learned_by_four_workers_with_the_bits_of_one()
    {
        string[] settings = ["--set", "training.gradient_shards=4", "--set", "training.epochs=1"];
        var four = await TrainAsync("verses.yaml", ["--workers", "4", .. settings]);
        var one = await TrainAsync("verses.yaml", ["--workers", "1", .. settings]);

        // 4.7 bits is what guessing among the characters costs
        Assert.True(four.Validation["bits_per_character"] < 4, $"{four.Validation["bits_per_character"]} bits a character");
        Assert.Equal(one.WeightsSha256, four.WeightsSha256);
    }

    [Fact]
    public async Task Digits_in_five_folds_reach_a_mean_accuracy_of_0_97()
    {
        var folds = await TrainAsync("digits-folds.yaml", "--require", "validation.accuracy>=0.97");

        Assert.InRange(folds.Validation["accuracy"], 0.97, 1);
        Assert.Equal(5, Directory.GetDirectories(Directory.GetDirectories(_folder).Single(), "fold-*").Length);
    }

    [Theory]
    [InlineData("digits-gd.yaml")]
    [InlineData("digits-random-batch.yaml")]
    [InlineData("digits-growing-batch.yaml")]
    [InlineData("digits-noise-scale.yaml")]
    [InlineData("digits-adascale.yaml")]
    public async Task Every_batch_strategy_learns_digits_with_the_bits_of_one_worker(string file)
    {
        string[] settings = ["--set", $"training.gradient_shards={(file is "digits-noise-scale.yaml" or "digits-adascale.yaml" ? 8 : 2)}"];
        var two = await TrainAsync(file, ["--workers", "2", "--servers", "2", "--require", "validation.accuracy>=0.93", .. settings]);
        var one = await TrainAsync(file, ["--workers", "1", .. settings]);

        Assert.Equal(one.WeightsSha256, two.WeightsSha256);
    }

    [Fact]
    public async Task A_served_run_answers_as_its_predictor_does()
    {
        await TrainAsync("spirals.yaml", "--set", "training.epochs=2");
        using var predictor = Predictor.Load(Directory.GetDirectories(_folder).Single(), DistOptApp.Define(ExampleApp.Configure).Catalog);
        await using var server = PredictionServer.Build(predictor, "http://127.0.0.1:0");
        await server.StartAsync(TestContext.Current.CancellationToken);
        using var http = new HttpClient { BaseAddress = new Uri(server.Urls.Single()) };

        using var good = await http.PostAsJsonAsync("/predict", new { inputs = new[] { new[] { 0.1f, 0.7f }, new[] { -0.4f, -0.2f } } },
            TestContext.Current.CancellationToken);
        using var bad = await http.PostAsJsonAsync("/predict", new { inputs = new[] { new[] { 0.1f } } }, TestContext.Current.CancellationToken);
        var answer = await good.Content.ReadFromJsonAsync<JsonElement>(TestContext.Current.CancellationToken);

        var expected = predictor.Predict([0.1f, 0.7f, -0.4f, -0.2f], 2);
        Assert.Equal(expected.Select(p => p.ClassName), answer.GetProperty("predictions").EnumerateArray().Select(p => p.GetProperty("class").GetString()));
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
    }

    [Fact]
    public async Task Training_in_code_gives_rows_and_a_result()
    {
        var app = DistOptApp.Define(ExampleApp.Configure);
        var run = Training.Start(InCode.Spec, app, new TrainingOptions { Out = Path.Combine(_folder, "run") }, TestContext.Current.CancellationToken);
        int rows = 0;
        await foreach (var row in run.Rows(TestContext.Current.CancellationToken)) rows++;
        var result = await run.Result;

        Assert.Equal(RunStatus.Completed, result.Summary.Status);
        Assert.True(rows >= 2 * result.Summary.Epochs);
    }

    [Fact]
    public async Task A_study_over_a_function_finds_the_minimum_and_goes_on_from_its_journal()
    {
        string file = Path.Combine(_folder, "study.db");
        var first = await RunAsync(["study-function", file]);
        Assert.True(first.Code == 0, first.Error);
        Assert.Contains("100 trials; the least value is 0.", first.Out);
        Assert.Equal(100, first.Out.Split('\n').Count(l => l.Contains(" Complete: best so far ", StringComparison.Ordinal)));
        // it has ended: nothing is computed again
        var again = await RunAsync(["study-function", file]);
        Assert.Equal(first.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1], again.Out.Trim());
    }

    [Fact]
    public async Task A_study_that_is_asked_and_told_finds_the_minimum()
    {
        var result = await RunAsync(["study-ask-tell"]);
        Assert.True(result.Code == 0, result.Error);
        Assert.Matches("the least value is [01]\\.", result.Out);
    }

    [Fact]
    public async Task A_study_whose_trials_define_their_parameters_prunes_and_keeps_attributes()
    {
        var result = await RunAsync(["study-define-by-run"]);
        Assert.True(result.Code == 0, result.Error);
        Assert.Contains("trials are Pruned", result.Out);
        Assert.Contains("trials are Complete", result.Out);
        Assert.DoesNotContain("Failed", result.Out);
        Assert.Contains(", x = ", result.Out);
    }

    [Fact]
    public async Task A_study_over_training_specs_is_run_from_code()
    {
        var result = await RunAsync(["study-training", "--out", Path.Combine(_folder, "study")]);
        Assert.True(result.Code == 0, result.Error);
        Assert.Contains("best: trial ", result.Out);
        Assert.True(File.Exists(Path.Combine(_folder, "study", "best.yaml")));
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

    private async Task<RunSummary> TrainAsync(string spec, params string[] args)
    {
        string folder = Path.Combine(_folder, $"run{Directory.GetDirectories(_folder).Length}");
        var result = await RunAsync(["train", Spec(spec), "--out", folder, .. args]);
        Assert.True(result.Code == 0, result.Error);
        return RunDirectoryReader.Open(folder).Summary()!;
    }

    private async Task<(int Code, string Out, string Error)> RunAsync(params string[] args)
    {
        var (output, error) = (new StringWriter(), new StringWriter());
        int code = await DistOptApp.RunAsync(args, DistOptApp.Define(ExampleApp.Configure), new AppConsole
        {
            In = TextReader.Null,
            Out = output,
            Error = error,
            RunsRoot = _folder,
        }, TestContext.Current.CancellationToken);
        return (code, output.ToString(), error.ToString());
    }

    private static string[] Here(string file) =>
        file == "iris.yaml" ? ["--set", $"data.path={Path.Combine(Root, "src/DistOpt.Examples/specs/iris.csv")}"] : [];

    private static string Spec(string file) => Path.Combine(Root, "src/DistOpt.Examples/specs", file);

    private static bool HasMnist() => Directory.Exists(Path.Combine(Core.Datasets.DataEnvironment.DefaultRoot(), "mnist"));

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "DistOpt.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the repository's root was not found above the tests");
    }
}
