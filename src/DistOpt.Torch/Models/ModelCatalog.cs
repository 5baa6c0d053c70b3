using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using TorchSharp;

namespace DistOpt.Torch.Models;

/// <summary>The built-in models. Adding one is one file and one line here.</summary>
public static class ModelCatalog
{
    /// <summary>
    /// A new catalogue, for an application to add its own to. A factory takes the entry's options record and what is known of the data, and
    /// makes a module with initial weights from libtorch's generator; it throws <see cref="SpecException"/> for options that do not fit
    /// the data.
    /// </summary>
    public static Catalog<Func<object, DataInfo, torch.nn.Module>> Create() => new Catalog<Func<object, DataInfo, torch.nn.Module>>("model")
        .Add(new("linear", typeof(LinearOptions), (o, data) => new LinearModel(data.InputLength, Outputs(data), (LinearOptions)o),
            "one linear map: linear or logistic regression", "torch.nn.Linear; Cox 1958"))
        .Add(new("mlp", typeof(MlpOptions), (o, data) => new Mlp(data.InputLength, Outputs(data), (MlpOptions)o),
            "multi-layer perceptron", "Rumelhart, Hinton and Williams 1986; torchvision.ops.MLP"))
        .Add(new("residual-mlp", typeof(ResidualMlpOptions),
            (o, data) => new ResidualMlp(data.InputLength, Outputs(data), (ResidualMlpOptions)o),
            "perceptron with residual blocks", "Gorishniy et al. 2021, section 3.2"))
        .Add(new("cnn", typeof(CnnOptions), CreateCnn,
            "convolutions and max-pools, then a perceptron; for images", "LeCun et al. 1998, section II"))
        .Add(new("lenet", typeof(LeNetOptions), CreateLeNet,
            "LeNet-5 with the choices that are usual now; for images", "LeCun et al. 1998, section II.B"))
        .Add(new("resnet", typeof(ResNetOptions), CreateResNet,
            "ResNet of depth 6n + 2 for small images", "He et al. 2016, section 4.2"));

    /// <summary>Width of a model's output: the classes, 1 for two of them where the loss reads single scores, or the values of a target.</summary>
    /// <exception cref="SpecException">The data is neither for classification nor for regression.</exception>
    public static long Outputs(DataInfo data) => data.Task switch
    {
        TaskKind.Classification => data is { SingleScore: true, Classes.Length: 2 } ? 1 : data.Classes.Length,
        TaskKind.Regression => data.TargetLength,
        _ => throw new SpecException("model.kind", "the built-in models need data for classification or regression, and "
            + $"'{data.Name}' is neither; use a model of your own"),
    };

    private static Cnn CreateCnn(object options, DataInfo data)
    {
        RequireImages("cnn", data);
        return new Cnn(data.InputShape[0], data.InputShape[1], data.InputShape[2], Outputs(data), (CnnOptions)options);
    }

    private static LeNet CreateLeNet(object options, DataInfo data)
    {
        RequireImages("lenet", data);
        return new LeNet(data.InputShape[0], data.InputShape[1], data.InputShape[2], Outputs(data), (LeNetOptions)options);
    }

    private static ResNet CreateResNet(object options, DataInfo data)
    {
        RequireImages("resnet", data);
        return new ResNet(data.InputShape[0], Outputs(data), (ResNetOptions)options);
    }

    private static void RequireImages(string name, DataInfo data)
    {
        if (data.InputShape.Length == 3) return;
        throw new SpecException("model.kind", $"{name} needs images (channels, height, width), but an input of '{data.Name}' is "
            + $"[{string.Join(", ", data.InputShape)}]; use mlp");
    }
}
