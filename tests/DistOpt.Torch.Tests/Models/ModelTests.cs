using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Datasets;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Torch.Losses;
using DistOpt.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Models;

public sealed class ModelTests
{
    private static readonly DataInfo Digits = Images("digits", 1, 8, 8);
    private static readonly DataInfo Mnist = Images("mnist", 1, 28, 28);

    public static TheoryData<string> Names => [.. ModelCatalog.Create().Entries.Select(e => e.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_model_maps_images_to_one_score_a_class(string name)
    {
        using var scope = NewDisposeScope();
        foreach (var data in new[] { Digits, Mnist, Images("colour", 3, 20, 33) })
        {
            using var model = Build(name, data);
            var output = model.forward(rand([5, .. data.InputShape]));
            Assert.Equal([5L, 10], output.shape);
            Assert.Equal(ScalarType.Float32, output.dtype);
            Assert.All(model.parameters(), p => Assert.True(p.requires_grad));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_model_gives_a_row_the_same_output_alone_and_in_a_batch(string name)
    {
        using var scope = NewDisposeScope();
        using var model = Build(name, Digits);
        model.eval();
        var input = rand(7, 1, 8, 8);
        var whole = model.forward(input);
        var row = model.forward(input.narrow(0, 4, 1));
        Assert.True(allclose(whole.narrow(0, 4, 1), row, 1e-5, 1e-6));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_parameter_of_every_model_gets_a_gradient_also_with_dropout_off(string name)
    {
        using var scope = NewDisposeScope();
        using var model = Build(name, Digits);
        nn.functional.cross_entropy(model.forward(rand(6, 1, 8, 8)), arange(6)).backward();
        foreach (var (parameterName, parameter) in model.named_parameters())
        {
            Assert.True(parameter.grad is not null, parameterName);
            Assert.True(parameter.grad!.abs().sum().item<float>() > 0, parameterName);
        }
    }

    [Fact]
    public void Linear_has_one_weight_and_one_bias()
    {
        using var model = new LinearModel(64, 10, new LinearOptions());
        Assert.Equal(["linear.weight", "linear.bias"], StateNames(model));
        Assert.Equal(650, Count(model));
        using var without = new LinearModel(64, 10, new LinearOptions { Bias = false });
        Assert.Equal(["linear.weight"], StateNames(without));
    }

    [Fact]
    public void Mlp_has_the_names_and_the_number_of_parameters_of_its_layers()
    {
        using var model = new Mlp(784, 10, new MlpOptions { Hidden = [256, 128], Dropout = 0.5 });
        Assert.Equal(
            ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias", "layers.2.weight", "layers.2.bias"],
            StateNames(model));
        Assert.Equal(784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10, Count(model));
        Assert.Equal([128L, 256], model.state_dict()["layers.1.weight"].shape);
    }

    [Fact]
    public void Cnn_with_defaults_is_as_large_as_lenet()
    {
        using var model = (Cnn)Build("cnn", Mnist);
        Assert.Equal(
            [
                "convs.0.weight", "convs.0.bias", "convs.1.weight", "convs.1.bias", "layers.0.weight", "layers.0.bias",
                "layers.1.weight", "layers.1.bias", "layers.2.weight", "layers.2.bias",
            ],
            StateNames(model));
        Assert.Equal((25 * 6 + 6) + (25 * 6 * 16 + 16) + (784 * 120 + 120) + (120 * 84 + 84) + (84 * 10 + 10), Count(model));
    }

    [Theory]
    [InlineData(Activations.Relu)]
    [InlineData(Activations.Tanh)]
    [InlineData(Activations.Sigmoid)]
    [InlineData(Activations.Gelu)]
    [InlineData(Activations.LeakyRelu)]
    [InlineData(Activations.Elu)]
    [InlineData(Activations.Silu)]
    [InlineData(Activations.Softplus)]
    public void Mlp_equals_the_same_layers_built_from_torchsharps_modules(string activation)
    {
        using var scope = NewDisposeScope();
        using var model = new Mlp(20, 3, new MlpOptions { Hidden = [16, 8], Activation = activation });
        using var reference = nn.Sequential(
            ("first", nn.Linear(20, 16)), ("a", Reference(activation)), ("second", nn.Linear(16, 8)), ("b", Reference(activation)),
            ("third", nn.Linear(8, 3)));
        Copy(model, reference);
        var input = randn(9, 20);
        var target = randint(0, 3, [9], ScalarType.Int64);
        Assert.Equal(Floats(reference.forward(input)), Floats(model.forward(input)));

        nn.functional.cross_entropy(model.forward(input), target).backward();
        nn.functional.cross_entropy(reference.forward(input), target).backward();
        foreach (var (a, b) in model.parameters().Zip(reference.parameters()))
            Assert.True(allclose(a.grad!, b.grad!, 1e-5, 1e-7));
    }

    [Fact]
    public void Cnn_equals_the_same_layers_built_from_torchsharps_modules()
    {
        using var scope = NewDisposeScope();
        using var model = new Cnn(1, 8, 8, 10, new CnnOptions { Channels = [4, 6], Kernel = 3, Hidden = [12] });
        using var reference = nn.Sequential(
            ("c1", nn.Conv2d(1, 4, 3, padding: 1)), ("r1", nn.ReLU()), ("p1", nn.MaxPool2d(2)),
            ("c2", nn.Conv2d(4, 6, 3, padding: 1)), ("r2", nn.ReLU()), ("p2", nn.MaxPool2d(2)),
            ("f", nn.Flatten()), ("l1", nn.Linear(24, 12)), ("r3", nn.ReLU()), ("l2", nn.Linear(12, 10)));
        Copy(model, reference);
        var input = randn(3, 1, 8, 8);
        Assert.Equal(Floats(reference.forward(input)), Floats(model.forward(input)));
    }

    [Fact]
    public void Initial_weights_are_those_of_pytorchs_linear_layer()
    {
        // kaiming_uniform(a = sqrt 5): uniform within 1 / sqrt(inputs), weight and bias
        using var scope = NewDisposeScope();
        using var model = new Mlp(400, 10, new MlpOptions { Hidden = [300] });
        var weight = model.state_dict()["layers.0.weight"];
        double bound = 1 / Math.Sqrt(400);
        Assert.InRange(weight.abs().max().item<float>(), 0.99 * bound, bound);
        Assert.InRange(weight.std().item<float>(), 0.98 * bound / Math.Sqrt(3), 1.02 * bound / Math.Sqrt(3));
        Assert.InRange(model.state_dict()["layers.0.bias"].abs().max().item<float>(), 0.9 * bound, bound);
    }

    [Fact]
    public void Cnn_refuses_data_that_has_no_rows_and_columns()
    {
        var table = new DataInfo { Name = "table", Task = TaskKind.Classification, InputShape = [13], Classes = ["a", "b"] };
        var error = Assert.Throws<SpecException>(() => Build("cnn", table));
        Assert.Equal("model.kind: cnn needs images (channels, height, width), but an input of 'table' is [13]; use mlp", error.Message);
    }

    [Fact]
    public void Cnn_refuses_more_pools_than_the_picture_has_halves()
    {
        var error = Assert.Throws<SpecException>(() => new Cnn(1, 8, 8, 10, new CnnOptions { Channels = [4, 4, 4, 4] }));
        Assert.Equal("model.channels: 4 convolutions halve a picture of 8 x 8 to nothing; give at most 3", error.Message);
        using var fits = new Cnn(1, 8, 8, 10, new CnnOptions { Channels = [4, 4, 4] });
    }

    [Fact]
    public void Regression_gives_as_many_outputs_as_a_target_has_values()
    {
        using var scope = NewDisposeScope();
        var data = new DataInfo { Name = "table", Task = TaskKind.Regression, InputShape = [4], TargetShape = [2] };
        using var model = Build("mlp", data);
        Assert.Equal([3L, 2], model.forward(rand(3, 4)).shape);
    }

    [Fact]
    public void Ranges_of_options_name_the_element_that_is_wrong()
    {
        var binder = new SpecBinder(new SpecCatalogs
        {
            Models = ModelCatalog.Create(),
            Datasets = DatasetCatalog.Create(),
            Losses = LossCatalog.Create(),
            Optimizers = OptimizerCatalog.Default,
            Schedules = ScheduleCatalog.Default
        });
        var error = Assert.Throws<SpecException>(() => binder.ParseTraining("model: { kind: mlp, hidden: [8, 0], dropout: 1, activation: relo }"));
        Assert.Equal(["model.activation", "model.dropout", "model.hidden[1]"], error.Violations.Select(v => v.Path).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Options_with_the_same_values_are_equal()
    {
        Assert.Equal(new MlpOptions { Hidden = [1, 2] }, new MlpOptions { Hidden = [1, 2] });
        Assert.NotEqual(new MlpOptions { Hidden = [1, 2] }, new MlpOptions { Hidden = [1, 3] });
        Assert.Equal(new CnnOptions { Channels = [1] }, new CnnOptions { Channels = [1] });
    }

    private static nn.Module<Tensor, Tensor> Build(string name, DataInfo data)
    {
        var catalog = ModelCatalog.Create();
        var entry = catalog.Entries.Single(e => e.Name == name);
        return (nn.Module<Tensor, Tensor>)entry.Factory(Activator.CreateInstance(entry.OptionsType)!, data);
    }

    private static DataInfo Images(string name, int channels, int height, int width) => new()
    {
        Name = name,
        Task = TaskKind.Classification,
        InputShape = [channels, height, width],
        Classes = [.. Enumerable.Range(0, 10).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture))],
    };

    private static nn.Module<Tensor, Tensor> Reference(string activation) => activation switch
    {
        Activations.Relu => nn.ReLU(),
        Activations.Tanh => nn.Tanh(),
        Activations.Sigmoid => nn.Sigmoid(),
        Activations.Gelu => nn.GELU(),
        Activations.LeakyRelu => nn.LeakyReLU(0.01),
        Activations.Elu => nn.ELU(),
        Activations.Softplus => nn.Softplus(),
        _ => nn.SiLU(),
    };

    private static void Copy(nn.Module from, nn.Module to)
    {
        using var off = no_grad();
        foreach (var (a, b) in from.parameters().Zip(to.parameters())) b.copy_(a);
    }

    private static float[] Floats(Tensor tensor) => tensor.data<float>().ToArray();

    private static string[] StateNames(nn.Module module) => [.. module.state_dict().Keys];

    private static long Count(nn.Module module) => module.parameters().Sum(p => p.numel());
}
