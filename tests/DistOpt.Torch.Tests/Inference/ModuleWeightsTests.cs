using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using DistOpt.Torch.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Inference;

public sealed class ModuleWeightsTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), "distopt-" + Guid.NewGuid().ToString("n") + ".safetensors");

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Saved_and_loaded_weights_give_the_same_outputs_to_the_bit()
    {
        using var scope = NewDisposeScope();
        using var saved = new Cnn(1, 8, 8, 10, new CnnOptions());
        saved.SaveSafetensors(_path);
        using var loaded = new Cnn(1, 8, 8, 10, new CnnOptions()).LoadSafetensors(_path);
        var input = randn(5, 1, 8, 8);
        Assert.Equal(saved.forward(input).data<float>().ToArray(), loaded.forward(input).data<float>().ToArray());
        foreach (var (name, tensor) in saved.state_dict()) Assert.True(tensor.Equals(loaded.state_dict()[name]), name);
    }

    [Fact]
    public void Buffers_of_other_types_are_loaded_too()
    {
        using var scope = NewDisposeScope();
        using var saved = nn.BatchNorm1d(6);
        for (int i = 0; i < 3; i++) saved.forward(randn(10, 6) * 4 + 1);
        saved.SaveSafetensors(_path);
        using var loaded = nn.BatchNorm1d(6).LoadSafetensors(_path);
        Assert.Equal(3, loaded.state_dict()["num_batches_tracked"].item<long>());
        Assert.True(saved.running_var!.Equals(loaded.running_var!));
    }

    [Fact]
    public void Missing_unexpected_and_misshapen_tensors_are_told_at_once_and_nothing_is_changed()
    {
        using var scope = NewDisposeScope();
        using var other = new Mlp(4, 3, new MlpOptions { Hidden = [8, 8] });
        other.SaveSafetensors(_path);
        using var module = new Mlp(4, 2, new MlpOptions { Hidden = [8] });
        float[] before = module.state_dict()["layers.0.weight"].data<float>().ToArray();
        var error = Assert.Throws<SpecException>(() => module.LoadSafetensors(_path));
        Assert.Equal(
            [
                "has tensors that the model does not: layers.2.bias, layers.2.weight",
                "'layers.1.weight' has shape [8, 8], but the model's is [2, 8]",
                "'layers.1.bias' has shape [8], but the model's is [2]",
            ],
            error.Violations.Select(v => v.Message));
        Assert.Equal(before, module.state_dict()["layers.0.weight"].data<float>().ToArray());

        using var deeper = new Mlp(4, 3, new MlpOptions { Hidden = [8, 8, 8] });
        error = Assert.Throws<SpecException>(() => deeper.LoadSafetensors(_path));
        Assert.Equal($"{_path}: lacks tensors of the model: layers.3.weight, layers.3.bias", error.Violations[0].ToString());
    }

    [Fact]
    public void Other_floating_point_types_are_converted_and_other_types_refused()
    {
        using var scope = NewDisposeScope();
        using var module = nn.Linear(2, 1);
        Half[] halves = [(Half)0.5, (Half)(-3)];
        SafetensorsWriter.Write(_path,
            [
                SafetensorsTensor.Raw<Half>("weight", SafetensorsType.F16, [1, 2], halves),
                SafetensorsTensor.Raw<double>("bias", SafetensorsType.F64, [1], new[] { 0.25 }),
            ]);
        module.LoadSafetensors(_path);
        Assert.Equal([0.5f, -3f], module.weight!.data<float>().ToArray());
        Assert.Equal(0.25f, module.bias!.item<float>());

        SafetensorsWriter.Write(_path,
            [
                SafetensorsTensor.Raw<int>("weight", SafetensorsType.I32, [1, 2], new[] { 1, 2 }),
                SafetensorsTensor.Raw<double>("bias", SafetensorsType.F64, [1], new[] { 0.25 }),
            ]);
        var error = Assert.Throws<SpecException>(() => module.LoadSafetensors(_path));
        Assert.Equal($"{_path}: 'weight' is I32, but the model's is Float32", error.Message);
    }

    [Fact]
    public void Tied_tensors_are_written_under_both_names_and_found_under_either()
    {
        using var scope = NewDisposeScope();
        using var saved = new Tied();
        saved.SaveSafetensors(_path);
        using (var file = SafetensorsFile.Open(_path))
            Assert.Equal(["first.weight", "second.weight"], file.Tensors.Select(t => t.Name));
        float[] values = [.. Enumerable.Range(0, 9).Select(i => (float)i)];
        foreach (string name in new[] { "first.weight", "second.weight" })
        {
            SafetensorsWriter.Write(_path, [SafetensorsTensor.Float32(name, [3, 3], values)]);
            using var loaded = new Tied().LoadSafetensors(_path);
            Assert.Equal(values, loaded.second.weight!.data<float>().ToArray());
        }
    }

    [Fact]
    public void A_file_that_is_missing_or_no_safetensors_is_bad_input()
    {
        using var module = nn.Linear(2, 1);
        Assert.Equal($"{_path}: does not exist", Assert.Throws<SpecException>(() => module.LoadSafetensors(_path)).Message);
        File.WriteAllText(_path, "this is no safetensors file at all");
        Assert.Contains(_path, Assert.Throws<SpecException>(() => module.LoadSafetensors(_path)).Message, StringComparison.Ordinal);
    }

    private sealed class Tied : nn.Module<Tensor, Tensor>
    {
        internal readonly Linear first = nn.Linear(3, 3, hasBias: false);
        internal readonly Linear second = nn.Linear(3, 3, hasBias: false);

        public Tied()
            : base(nameof(Tied))
        {
            second.weight = first.weight;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => second.forward(first.forward(input));
    }
}
