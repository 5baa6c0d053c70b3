using DistOpt.Core.Checkpoints;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Inference;
using TorchSharp;
using TorchSharp.Modules;

using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Engine;

[Collection(EngineCollection.Name)]
public sealed class WeightFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-weights-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Saved_weights_hold_every_state_dict_name_and_are_loaded_again()
    {
        var catalog = TestJobs.Catalog().AddModel<NoOptions>("mixed", (_, _) => new MixedNet());
        var spec = TestJobs.Spec("mixed", new NoOptions());
        spec = spec with { Model = spec.Model with { Freeze = ["frozen.*"] } };
        string path = Path.Combine(_folder, "model.safetensors");
        float[] trained;
        using (var job = TestJobs.Open(spec, catalog))
        {
            var (weights, buffers) = TestJobs.Initial(job);
            for (int i = 0; i < weights.Length; i++) weights.Span[i] += i;
            buffers.AsSpan(0, 6).Fill(5);
            trained = weights.Span.ToArray();
            job.SaveModel(path, weights.Memory, buffers);
        }
        using (var file = SafetensorsFile.Open(path))
        {
            using var module = new MixedNet();
            Assert.Equal(module.state_dict().Keys.Order(), file.Tensors.Select(t => t.Name).Order());
            Assert.Equal(SafetensorsType.I64, file.Get("norm.num_batches_tracked").Type);
            Assert.Equal(SafetensorsType.BOOL, file.Get("mask").Type);
            Assert.Equal([6, 6], file.Get("b.weight").Shape);
        }
        using var again = TestJobs.Open(spec with { Seed = 3, Model = spec.Model with { Weights = path } }, catalog);
        var (loaded, statistics) = TestJobs.Initial(again);
        Assert.Equal(trained, loaded.Span.ToArray());
        Assert.All(statistics[..6], v => Assert.Equal(5, v));
    }

    [Fact]
    public void A_frozen_weight_comes_from_the_file_for_every_worker()
    {
        var spec = TestJobs.Mlp();
        string path = Path.Combine(_folder, "model.safetensors");
        using var source = TestJobs.Open(spec);
        var (weights, buffers) = TestJobs.Initial(source);
        source.SaveModel(path, weights.Memory, buffers);
        using var evaluator = source.CreateWorker(weights);
        double expected = evaluator.Evaluate(DataSplit.Test, new(0, source.Data.Test), buffers)["loss"].Sum;

        var model = spec.Model with { Weights = path, Freeze = ["layers.0.*", "layers.1.weight"] };
        using var frozen = TestJobs.Open(spec with { Seed = 99, Model = model });
        var (rest, none) = TestJobs.Initial(frozen);
        for (int i = 0; i < 2; i++)
        {
            using var worker = frozen.CreateWorker(rest);
            Assert.Equal(expected, worker.Evaluate(DataSplit.Test, new(0, frozen.Data.Test), none)["loss"].Sum);
        }
    }

    [Fact]
    public void Everything_that_does_not_fit_is_reported_at_once()
    {
        string path = Path.Combine(_folder, "other.safetensors");
        SafetensorsWriter.Write(path,
        [
            SafetensorsTensor.Float32("layers.0.weight", [2], new float[2]),
            SafetensorsTensor.Float32("stray", [1], new float[1]),
        ]);
        var spec = TestJobs.Mlp();
        var e = Assert.Throws<SpecException>(() => TestJobs.Open(spec with { Model = spec.Model with { Weights = path } }));
        Assert.All(e.Violations, v => Assert.Equal("model.weights", v.Path));
        foreach (string name in new[] { "layers.0.weight", "stray", "layers.2.bias" })
            Assert.Contains(name, e.Message, StringComparison.Ordinal);
        var missing = spec with { Model = spec.Model with { Weights = Path.Combine(_folder, "none") } };
        e = Assert.Throws<SpecException>(() => TestJobs.Open(missing));
        Assert.Equal("model.weights", Assert.Single(e.Violations).Path);
    }

    [Fact]
    public void The_inference_document_names_model_and_data()
    {
        string path = Path.Combine(_folder, "inference.json");
        using (var job = TestJobs.Open(TestJobs.Mlp())) job.SaveInference(path);
        var document = InferenceDocument.Load(path);
        Assert.Equal("mlp", document.Model.Kind);
        Assert.Equal("toy", document.Data.Kind);
        Assert.Equal([6], document.InputShape);
        Assert.Equal(["a", "b", "c"], document.Classes);
    }

    private sealed class MixedNet : nn.Module<Tensor, Tensor>
    {
        private readonly Linear frozen;
        private readonly Linear a;
        private readonly Linear b;
        private readonly BatchNorm1d norm;
        private readonly Linear last;

        public MixedNet() : base(nameof(MixedNet))
        {
            frozen = nn.Linear(6, 6);
            a = nn.Linear(6, 6);
            b = nn.Linear(6, 6);
            b.weight = a.weight;
            norm = nn.BatchNorm1d(6);
            last = nn.Linear(6, 3);
            register_buffer("mask", ones(6, ScalarType.Bool));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => last.forward(norm.forward(b.forward(a.forward(frozen.forward(input)))));
    }
}
