using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using DistOpt.Core.Training;
using DistOpt.Torch;

namespace DistOpt.Examples.Tests;

/// <summary>User code that is trained.</summary>
public sealed class ExampleTrainingTests : ExampleRuns
{
    [Fact]
    public async Task Spirals_are_learned_by_four_workers_with_the_bits_of_one()
    {
        var four = await TrainAsync("spirals.yaml", "--workers", "4", "--set", "training.gradient_shards=4", "--set", "model.width=64");
        var one = await TrainAsync("spirals.yaml", "--workers", "1", "--set", "training.gradient_shards=4", "--set", "model.width=64");

        Assert.True(four.Test["accuracy"] > 0.9, $"test accuracy is {four.Test["accuracy"]}");
        Assert.Equal(one.WeightsSha256, four.WeightsSha256);
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
        Assert.Equal(5, Directory.GetDirectories(Directory.GetDirectories(Folder).Single(), "fold-*").Length);
    }

    [Fact]
    public async Task A_served_run_answers_as_its_predictor_does()
    {
        await TrainAsync("spirals.yaml", "--set", "training.epochs=2");
        using var predictor = Predictor.Load(Directory.GetDirectories(Folder).Single(), DistOptApp.Define(ExampleApp.Configure).Catalog);
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
        var run = Training.Start(InCode.Spec, app, new TrainingOptions { Out = Path.Combine(Folder, "run") }, TestContext.Current.CancellationToken);
        int rows = 0;
        await foreach (var row in run.Rows(TestContext.Current.CancellationToken)) rows++;
        var result = await run.Result;

        Assert.Equal(RunStatus.Completed, result.Summary.Status);
        Assert.True(rows >= 2 * result.Summary.Epochs);
    }
}
