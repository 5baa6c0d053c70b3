using System.CommandLine;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch;

namespace DistOpt.Examples;

/// <summary><c>in-code</c>: training from C# without a spec file; metrics as they come, and the model at the end.</summary>
internal static class InCode
{
    public static readonly TrainingSpec Spec = new()
    {
        Name = "in-code",
        Data = new DataSpec { Kind = "spirals", Options = new SpiralOptions { Noise = 0.05 } },
        Model = new ModelSpec { Kind = "spiral-net", Options = new SpiralNetOptions { Width = 64 } },
        Optimizer = new OptimizerSpec("adam", new AdamOptions { LearningRate = 0.01 }),
        Batch = new BatchSpec("fixed", new FixedBatchOptions { Size = 64 }),
        Training = new TrainingSection { Epochs = 10, Workers = 2 },
    };

    public static async Task RunAsync(TrainingSpec spec, TextWriter output, string? folder = null, CancellationToken stop = default)
    {
        var app = DistOptApp.Define(builder => builder
            .AddModel<SpiralNetOptions>("spiral-net", (options, data) => new SpiralNet(options.Width, data.Classes.Length))
            .AddDataset<SpiralOptions>("spirals", (options, _) => new Spirals(options)));
        var run = Training.Start(spec, app, new TrainingOptions { Out = folder }, stop);
        await foreach (MetricRow row in run.Rows(stop))
        {
            if (row.Split == DataSplit.Validation)
                output.WriteLine($"epoch {row.Epoch + 1}: loss {row.Get("loss"):F3}, accuracy {row.Get("accuracy"):P1}");
        }
        RunResult result = await run.Result;

        using var predictor = Predictor.Load(result.Directory!, app.Catalog);
        Prediction center = predictor.Predict([0.3f, 0.1f]);
        output.WriteLine($"test accuracy {result.Summary.Test["accuracy"]:P1}; (0.3, 0.1) is {center.ClassName} "
            + $"with probability {center.Probabilities[center.ClassIndex!.Value]:P0}");
    }

    public static Command CreateCommand()
    {
        var command = new Command("in-code", "Trains from C# code, without a spec file");
        command.SetAction((parse, stop) => RunAsync(Spec, parse.InvocationConfiguration.Output, stop: stop));
        return command;
    }
}
