using System.Globalization;
using DistOpt.Core.Datasets;
using DistOpt.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Models;

/// <summary>Every model of the catalogue at a size that costs nothing, with batch norm and dropout where it has them.</summary>
internal static class TinyModels
{
    /// <summary>Options of an entry: small, smooth, with what the options can switch on.</summary>
    public static object Options(string name, string norm = Norms.Batch, double dropout = 0.5)
    {
        object options = name switch
        {
            "mlp" => new MlpOptions { Hidden = [6, 5] },
            "residual-mlp" => new ResidualMlpOptions { Width = 6, Blocks = 2, Expansion = 1.5 },
            "cnn" => new CnnOptions { Channels = [3, 4], Kernel = 3, Hidden = [5] },
            "resnet" => new ResNetOptions { Depth = 8, Widths = [3, 4, 5] },
            _ => Activator.CreateInstance(ModelCatalog.Create().Entries.Single(e => e.Name == name).OptionsType)!,
        };
        Set(options, "Norm", norm);
        Set(options, "Dropout", dropout);
        // no kinks, so that finite differences are what they should be
        Set(options, "Activation", Activations.Tanh);
        Set(options, "Pooling", LeNetOptions.Average);
        return options;
    }

    public static nn.Module<Tensor, Tensor> Build(string name, object options, DataInfo data) =>
        (nn.Module<Tensor, Tensor>)ModelCatalog.Create().Entries.Single(e => e.Name == name).Factory(options, data);

    public static DataInfo Images(int channels, int height, int width, int classes = 10) => new()
    {
        Name = "pictures",
        Task = TaskKind.Classification,
        InputShape = [channels, height, width],
        Classes = [.. Enumerable.Range(0, classes).Select(i => i.ToString(CultureInfo.InvariantCulture))],
    };

    private static void Set(object options, string property, object value) => options.GetType().GetProperty(property)?.SetValue(options, value);
}
