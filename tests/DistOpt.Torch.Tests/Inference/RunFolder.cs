using DistOpt.Core.Datasets;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Torch.Inference;
using DistOpt.Torch.Models;
using TorchSharp;

namespace DistOpt.Torch.Tests.Inference;

/// <summary>A run directory with the two files that inference needs, in a temporary folder.</summary>
internal sealed class RunFolder : IDisposable
{
    public RunFolder()
    {
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "distopt-run-" + Guid.NewGuid().ToString("n"));
        Directory.CreateDirectory(Path);
        Files = new RunDirectory(Path);
    }

    public string Path { get; }

    public RunDirectory Files { get; }

    /// <summary>Saves a module as the run's model.</summary>
    public void Save(torch.nn.Module module, PluginSpec model, DataInfo data, Normalization? normalization = null,
        string loss = "cross-entropy", int batchSize = 256)
    {
        var spec = new TrainingSpec
        {
            Model = new ModelSpec { Kind = model.Kind, Options = model.Options },
            Loss = new PluginSpec(loss, new NoOptions()),
            Data = new DataSpec { Kind = data.Name, Options = new NoOptions() },
            Evaluate = new EvaluateSection { BatchSize = batchSize },
        };
        InferenceDocument.Create(spec, data, normalization).Save(Files.InferenceFile);
        module.SaveSafetensors(Files.ModelFile);
    }

    /// <summary>A run of a perceptron on four values with three classes.</summary>
    public static RunFolder OfMlp(out Mlp module, Normalization? normalization = null, int batchSize = 256, double dropout = 0)
    {
        var folder = new RunFolder();
        var options = new MlpOptions { Hidden = [32, 16], Dropout = dropout };
        module = new Mlp(4, 3, options);
        folder.Save(module, new PluginSpec("mlp", options), Flowers, normalization, batchSize: batchSize);
        return folder;
    }

    public static DataInfo Flowers { get; } = new()
    {
        Name = "flowers",
        Task = TaskKind.Classification,
        InputShape = [4],
        Classes = ["setosa", "versicolor", "virginica"],
        Columns = ["a", "b", "c", "d"],
    };

    public void Dispose() => Directory.Delete(Path, recursive: true);

    private sealed record NoOptions;
}
