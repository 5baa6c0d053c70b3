using DistOpt.Core.Batching;
using DistOpt.Core.Datasets;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Models;
using DistOpt.Torch.Tests.Engine;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Models;

/// <summary>What every model of the catalogue is held to, with batch norm and dropout where it has them.</summary>
[Collection(EngineCollection.Name)]
public sealed class ModelContractTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-models-").FullName;

    public static TheoryData<string> Names => [.. ModelCatalog.Create().Entries.Select(e => e.Name)];

    public static TheoryData<string, string> NamesAndNorms
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var entry in ModelCatalog.Create().Entries)
                foreach (string norm in entry.OptionsType.GetProperty("Norm") is null ? [Norms.None] : Norms.Names) data.Add(entry.Name, norm);
            return data;
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [MemberData(nameof(NamesAndNorms))]
    public void Gradients_are_the_finite_differences(string name, string norm)
    {
        using var scope = NewDisposeScope();
        manual_seed(3);
        using var model = TinyModels.Build(name, TinyModels.Options(name, norm, dropout: 0), TinyModels.Images(2, 8, 9, 3));
        model.to(ScalarType.Float64);
        var input = randn(5, 2, 8, 9, dtype: ScalarType.Float64);
        var target = tensor(new long[] { 0, 1, 2, 1, 0 });
        Loss().backward();
        using var none = no_grad();
        foreach (var (parameterName, parameter) in model.named_parameters())
        {
            var flat = parameter.view(-1);
            long step = Math.Max(1, flat.numel() / 3);
            for (long i = 0; i < flat.numel(); i += step)
            {
                const double h = 1e-5;
                double at = flat[i].item<double>();
                flat[i] = at + h;
                double above = Loss().item<double>();
                flat[i] = at - h;
                double below = Loss().item<double>();
                flat[i] = at;
                double expected = (above - below) / (2 * h);
                Assert.Equal(expected, parameter.grad!.view(-1)[i].item<double>(), 1e-7 + 1e-5 * Math.Abs(expected));
            }
            Assert.True(parameter.grad!.isfinite().all().item<bool>(), parameterName);
        }

        Tensor Loss() => nn.functional.cross_entropy(model.forward(input), target, reduction: nn.Reduction.Sum);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Evaluation_uses_neither_dropout_nor_statistics_of_the_batch(string name)
    {
        using var scope = NewDisposeScope();
        using var model = TinyModels.Build(name, TinyModels.Options(name), TinyModels.Images(1, 8, 8));
        var input = randn(7, 1, 8, 8) * 3 + 1;
        for (int i = 0; i < 3; i++) model.forward(input);
        model.eval();
        var before = model.named_buffers().ToDictionary(b => b.name, b => b.buffer.clone());
        var whole = model.forward(input);
        Assert.True(allclose(whole.narrow(0, 4, 1), model.forward(input.narrow(0, 4, 1)), 1e-5, 1e-5));
        Assert.All(model.named_buffers(), b => Assert.True(b.buffer.equal(before[b.name]).all().item<bool>(), b.name));
        // and training does use them, so that the test above tells something
        model.train();
        bool hasEither = TinyModels.Options(name).GetType().GetProperty("Dropout") is not null;
        Assert.Equal(!hasEither, allclose(whole, model.forward(input), 1e-3, 1e-3));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Saved_weights_and_running_statistics_load_into_a_predictor(string name)
    {
        var spec = TestJobs.Spec(name, TinyModels.Options(name)) with { Data = new DataSpec { Options = new DigitsOptions(), Prefetch = 0 } };
        using var job = TestJobs.Open(spec);
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var after = new float[buffers.Length];
        worker.ComputeLeaf(TestJobs.Plan(0, 0, 0, 32), new PositionRange(0, 32), 0, new FlatBuffer(weights.Length), buffers, after);
        Assert.Equal(buffers.Length == 0, buffers.AsSpan().SequenceEqual(after));
        double loss = worker.Evaluate(DataSplit.Validation, new PositionRange(0, 16), after)[MetricSums.Loss].Sum;
        job.SaveModel(Path.Combine(_folder, "model.safetensors"), weights.Span.ToArray(), after);
        job.SaveInference(Path.Combine(_folder, "inference.json"));

        using var predictor = Predictor.Load(_folder);
        var runtime = (DistOpt.Torch.Engine.TorchJobRuntime)job;
        var source = DatasetCatalog.Create().Get("digits")(new DigitsOptions(), new DataEnvironment { Root = _folder });
        double sum = 0;
        foreach (long index in runtime.Splits.Validation.Span[..16])
        {
            float[] pixels = new float[64];
            source.CopyInput(index, pixels);
            sum -= Math.Log(predictor.Predict(pixels).Probabilities[source.Labels[(int)index]]);
        }
        Assert.Equal(loss, sum, 1e-3);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_gradient_shard_of_one_sample_leaves_finite_gradients_and_statistics(string name)
    {
        var spec = TestJobs.Spec(name, TinyModels.Options(name)) with { Data = new DataSpec { Options = new DigitsOptions(), Prefetch = 0 } };
        using var job = TestJobs.Open(spec);
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var gradient = new FlatBuffer(weights.Length);
        var after = new float[buffers.Length];
        worker.ComputeLeaf(TestJobs.Plan(0, 0, 0, 2), new PositionRange(0, 1), 0, gradient, buffers, after);
        Assert.True(gradient.Span.ToArray().All(float.IsFinite));
        foreach (var slot in job.Layout.Buffers.Where(b => b.Type == ElementType.Float32))
            Assert.True(after.AsSpan((int)slot.Offset, (int)slot.Length).ToArray().All(float.IsFinite), slot.Name);
    }
}
