using DistOpt.Core.Specs;
using DistOpt.Torch.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Models;

/// <summary>Names and numbers of parameters, shapes, and the definitions that the papers give.</summary>
public sealed class ModelLayoutTests
{
    [Fact]
    public void LeNet_has_the_61706_parameters_of_the_paper_with_full_connections()
    {
        using var model = new LeNet(1, 28, 28, 10, new LeNetOptions());
        Assert.Equal(61_706, Count(model));
        Assert.Equal((25 * 6 + 6) + (25 * 6 * 16 + 16) + (400 * 120 + 120) + (120 * 84 + 84) + (84 * 10 + 10), Count(model));
        Assert.Equal(["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
            "fc3.weight", "fc3.bias"], model.state_dict().Keys);
    }

    [Theory]
    [InlineData(8)]
    [InlineData(20)]
    [InlineData(56)]
    public void ResNet_has_the_parameters_of_its_depth(int depth)
    {
        using var model = new ResNet(3, 10, new ResNetOptions { Depth = depth });
        int n = (depth - 2) / 6;
        long convolutions = 9 * (3 * 16 + 2 * n * 16 * 16 + (16 * 32 + (2 * n - 1) * 32 * 32) + (32 * 64 + (2 * n - 1) * 64 * 64));
        long norms = 2 * (16 + 2 * n * (16 + 32 + 64));
        Assert.Equal(convolutions + norms + 64 * 10 + 10, Count(model));
        // section 4.2, table 6, in millions
        if (depth == 20) Assert.Equal(0.27, Math.Round(Count(model) / 1e6, 2));
        if (depth == 56) Assert.Equal(0.85, Math.Round(Count(model) / 1e6, 2));
        Assert.Equal(depth, model.named_modules().Count(m => m.module is TorchSharp.Modules.Conv2d or TorchSharp.Modules.Linear));
        Assert.Contains("layer1.0.conv1.weight", model.state_dict().Keys);
        Assert.Contains("layer3.0.bn2.running_var", model.state_dict().Keys);
        Assert.Contains("fc.bias", model.state_dict().Keys);
    }

    [Fact]
    public void Convolutions_of_a_resnet_start_with_the_deviation_of_He_2015()
    {
        using var scope = NewDisposeScope();
        using var model = new ResNet(3, 10, new ResNetOptions { Depth = 8, Widths = [64, 64, 64] });
        double expected = Math.Sqrt(2.0 / (9 * 64));
        Assert.Equal(expected, model.state_dict()["layer2.0.conv2.weight"].std().item<float>(), 0.02 * expected);
        Assert.Equal(1f, model.state_dict()["bn1.weight"].min().item<float>());
    }

    [Fact]
    public void ResNet_refuses_other_depths_and_stages_that_grow_narrower()
    {
        var error = Assert.Throws<SpecException>(() => new ResNet(1, 10, new ResNetOptions { Depth = 18, Widths = [16, 8, 32] }));
        Assert.Equal(["model.depth: is 18, but must be 6n + 2; take 14 or 20", "model.widths[1]: is 8, but must be at least 16, the width before "
            + "it: a shortcut adds channels and cannot take them away"], error.Violations.Select(v => v.ToString()));
    }

    [Fact]
    public void A_shortcut_of_a_resnet_keeps_every_second_pixel_and_adds_empty_channels()
    {
        using var scope = NewDisposeScope();
        using var model = new ResNet(1, 2, new ResNetOptions { Depth = 8, Widths = [2, 4, 4] });
        model.eval();
        using (no_grad())
        {
            // with blocks that give nothing, a stage is its shortcut
            foreach (var (name, parameter) in model.named_parameters())
            {
                if (name.StartsWith("layer", StringComparison.Ordinal)) parameter.zero_();
            }
        }
        var stem = (nn.Module<Tensor, Tensor>)model.named_modules().Single(m => m.name == "layer2.0").module;
        var input = rand(1, 2, 5, 4);
        var output = stem.forward(input);
        Assert.Equal([1L, 4, 3, 2], output.shape);
        Assert.Equal(0f, output[0, 0].abs().sum().item<float>());
        Assert.Equal(0f, output[0, 3].abs().sum().item<float>());
        for (int row = 0; row < 3; row++)
            for (int column = 0; column < 2; column++)
                Assert.Equal(input[0, 1, 2 * row, 2 * column].item<float>(), output[0, 2, row, column].item<float>());
    }

    [Theory]
    [InlineData(Norms.None, 0)]
    [InlineData(Norms.Batch, 2 * 6)]
    [InlineData(Norms.Layer, 2 * 6)]
    public void Residual_mlp_has_the_parameters_of_its_blocks(string norm, int perNorm)
    {
        using var model = new ResidualMlp(20, 3, new ResidualMlpOptions { Width = 6, Blocks = 4, Expansion = 2.5, Norm = norm });
        Assert.Equal(20 * 6 + 6 + 4 * (6 * 15 + 15 + 15 * 6 + 6) + 5 * perNorm + 6 * 3 + 3, Count(model));
        Assert.Contains("blocks.3.linear2.bias", model.state_dict().Keys);
        Assert.Equal(norm != Norms.None, model.state_dict().ContainsKey("norm.weight"));
    }

    [Theory]
    [InlineData(Norms.Batch)]
    [InlineData(Norms.Layer)]
    public void Norms_of_mlp_and_cnn_stand_beside_their_layers(string norm)
    {
        using var mlp = new Mlp(20, 3, new MlpOptions { Hidden = [7, 5], Norm = norm });
        int biases = norm == Norms.Batch ? 0 : 7 + 5; // batch norm takes a constant away, so there is none in front of it
        Assert.Equal(20 * 7 + 7 * 5 + biases + 2 * (7 + 5) + 5 * 3 + 3, Count(mlp));
        Assert.Contains("norms.1.weight", mlp.state_dict().Keys);
        using var cnn = new Cnn(1, 8, 8, 3, new CnnOptions { Channels = [4, 6], Kernel = 3, Hidden = [5], Norm = norm });
        biases = norm == Norms.Batch ? 0 : 4 + 6 + 5;
        Assert.Equal(9 * 4 + 9 * 4 * 6 + 24 * 5 + biases + 2 * (4 + 6 + 5) + 5 * 3 + 3, Count(cnn));
        Assert.Contains("conv_norms.0.bias", cnn.state_dict().Keys);
    }

    [Fact]
    public void Mlp_with_batch_norm_equals_the_same_layers_built_from_torchsharps_modules()
    {
        using var scope = NewDisposeScope();
        using var model = new Mlp(9, 3, new MlpOptions { Hidden = [6], Norm = Norms.Batch });
        using var reference = nn.Sequential(nn.Linear(9, 6, hasBias: false), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3));
        var names = new Dictionary<string, string> { ["layers.0"] = "0", ["norms.0"] = "1", ["layers.1"] = "3" };
        var to = reference.state_dict();
        using (no_grad())
        {
            foreach (var (name, tensor) in model.state_dict())
            {
                int dot = name.LastIndexOf('.');
                to[$"{names[name[..dot]]}{name[dot..]}"].copy_(tensor);
            }
        }
        var input = randn(11, 9);
        Assert.Equal(reference.forward(input).data<float>().ToArray(), model.forward(input).data<float>().ToArray());
        Assert.Equal(reference.state_dict()["1.running_var"].data<float>().ToArray(), model.state_dict()["norms.0.running_var"].data<float>().ToArray());
    }

    [Theory]
    [InlineData(Norms.Batch)]
    [InlineData(Norms.Layer)]
    public void Norms_start_with_scale_1_and_shift_0(string name)
    {
        using var scope = NewDisposeScope();
        for (int repeat = 0; repeat < 5; repeat++)
        {
            // memory that was used before, where a layer leaves its parameters as they are
            using (NewDisposeScope()) _ = full(64, float.NaN);
            foreach (var norm in new[] { Norms.OfRows(name, 64)!, Norms.OfPictures(name, 64)! })
            {
                Assert.All(norm.state_dict()["weight"].data<float>().ToArray(), v => Assert.Equal(1f, v));
                Assert.All(norm.state_dict()["bias"].data<float>().ToArray(), v => Assert.Equal(0f, v));
            }
        }
    }

    [Fact]
    public void LeNet_puts_small_pictures_into_the_middle_of_32_by_32_pixels()
    {
        using var scope = NewDisposeScope();
        using var small = new LeNet(1, 28, 28, 10, new LeNetOptions());
        using var whole = new LeNet(1, 32, 32, 10, new LeNetOptions());
        // not by a seed: other tests draw from the same generator meanwhile
        whole.load_state_dict(small.state_dict());
        var picture = randn(2, 1, 28, 28);
        var framed = zeros(2, 1, 32, 32);
        framed.narrow(2, 2, 28).narrow(3, 2, 28).copy_(picture);
        Assert.Equal(whole.forward(framed).data<float>().ToArray(), small.forward(picture).data<float>().ToArray());
    }

    private static long Count(nn.Module module) => module.parameters().Sum(p => p.numel());
}
