using DistOpt.Core.Batching;
using DistOpt.Core.Datasets;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Engine;
using DistOpt.Torch.Models;
using DistOpt.Torch.Tests.Models;

using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Engine;

/// <summary><c>training.precision: bf16</c>. What is not about speed works on any CPU, so it is tested on any.</summary>
[Collection(EngineCollection.Name)]
public sealed class Bf16Tests
{
    [Theory]
    [InlineData("linear")]
    [InlineData("mlp")]
    [InlineData("residual-mlp")]
    public void The_gradient_in_bf16_is_close_to_that_in_float32_and_its_statistics_too(string name)
    {
        var (exact, exactBuffers, exactLoss) = Leaf(name, TrainingSection.Float32);
        var (rounded, roundedBuffers, roundedLoss) = Leaf(name, TrainingSection.Bf16);
        Assert.NotEqual(exact, rounded);
        // bfloat16 has 8 bits; errors of a few roundings, in the mean over all parameters
        Assert.InRange(Distance(exact, rounded), 1e-6, 0.06);
        Assert.Equal(exactLoss, roundedLoss, 0.02 * exactLoss);
        if (exactBuffers.Length > 0) Assert.InRange(Distance(exactBuffers, roundedBuffers), 1e-9, 0.02);
    }

    /// <summary>
    /// Convolutions to 6 channels are wrong in some builds of libtorch: such a job must not start, or be right. Which it is depends on the build; that a
    /// wrong one does not start is the next test.
    /// </summary>
    [Theory]
    [InlineData("cnn")]
    [InlineData("lenet")]
    [InlineData("resnet")]
    public void A_picture_model_that_opens_in_bf16_is_right(string name)
    {
        try
        {
            Assert.InRange(Distance(Leaf(name, TrainingSection.Float32).Gradient, Leaf(name, TrainingSection.Bf16).Gradient), 0, 0.2);
        }
        catch (SpecException e)
        {
            Assert.Matches(Refusal, e.Message);
        }
    }

    private const string Refusal = "^training.precision: is bf16, but the gradient of model '.*' in bfloat16 is .* % away from that in float32";

    /// <summary>A layer that computes something else in bfloat16, as some of libtorch's do, and the same without the error.</summary>
    [Fact]
    public void A_model_that_is_computed_wrongly_in_bf16_is_refused()
    {
        var catalog = TestJobs.Catalog().AddModel<NoOptions>("wrong", (_, _) => new Doubtful(3)).AddModel<NoOptions>("right", (_, _) => new Doubtful(1));
        var factory = new TorchRuntimeFactory(catalog, new DataEnvironment { Root = Path.GetTempPath() }) { Bf16Missing = () => null };
        foreach (string precision in (string[])[TrainingSection.Float32, TrainingSection.Bf16])
        {
            var training = new TrainingSection { Precision = precision };
            using (factory.Open(TestJobs.Spec("right", new NoOptions()) with { Training = training })) { }
            var spec = TestJobs.Spec("wrong", new NoOptions()) with { Training = training };
            if (precision == TrainingSection.Bf16) Assert.Matches(Refusal, Assert.Throws<SpecException>(() => factory.Open(spec)).Message);
            else using (factory.Open(spec)) { }
        }
    }

    /// <summary>A linear map whose output is multiplied where it is in bfloat16.</summary>
    private sealed class Doubtful : nn.Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.Linear linear = nn.Linear(ToyData.Features, 3);
        private readonly double factor;

        public Doubtful(double factor) : base(nameof(Doubtful))
        {
            this.factor = factor;
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            var output = linear.forward(input);
            return output.dtype == ScalarType.BFloat16 ? output * factor : output;
        }
    }

    [Fact]
    public void Gradients_of_micro_batches_are_added_in_float32()
    {
        var spec = Spec("mlp", TrainingSection.Bf16);
        using var whole = Open(spec with { Training = spec.Training with { MicroBatch = 8 } });
        float[] cut = Leaf(whole, new PositionRange(0, 24)).Gradient, sum = new float[cut.Length];
        using var job = Open(spec);
        for (int start = 0; start < 24; start += 8)
        {
            float[] part = Leaf(job, new PositionRange(start, start + 8)).Gradient;
            for (int i = 0; i < sum.Length; i++) sum[i] += part[i];
        }
        Assert.Equal(sum, cut);
        // a sum in bfloat16 would have no more than its 8 bits
        Assert.Contains(cut, g => (BitConverter.SingleToUInt32Bits(g) & 0xFFFF) != 0);
    }

    [Fact]
    public void Weights_and_evaluation_stay_in_float32()
    {
        using var exact = Open(Spec("mlp", TrainingSection.Float32));
        using var rounded = Open(Spec("mlp", TrainingSection.Bf16));
        Assert.Equal(exact.Layout.ParameterCount, rounded.Layout.ParameterCount);
        Assert.Equal(Loss(exact), Loss(rounded));

        static double Loss(IJobRuntime job)
        {
            var (weights, buffers) = TestJobs.Initial(job);
            using var worker = job.CreateWorker(weights);
            worker.ComputeLeaf(TestJobs.Plan(0, 0, 0, 24), new PositionRange(0, 24), 0, new FlatBuffer(weights.Length), buffers, []);
            return worker.Evaluate(DataSplit.Validation, new PositionRange(0, 50), buffers)[MetricSums.Loss].Sum;
        }
    }

    [Fact]
    public void Normalization_layers_and_whole_number_buffers_keep_their_types()
    {
        var spec = Spec("cnn", TrainingSection.Bf16);
        var definition = TorchCatalog.Default().Models.Get("cnn");
        var model = new TorchModel(spec, definition, TinyModels.Images(1, 8, 8), new DistOpt.Torch.Losses.CrossEntropyLoss(new()), metrics: null);
        using var initial = model.Create();
        using var replica = model.CreateBf16(initial)!;
        foreach (var (name, tensor) in replica.Module.state_dict())
        {
            var expected = name.EndsWith("num_batches_tracked", StringComparison.Ordinal) ? ScalarType.Int64
                : name.Contains("norms", StringComparison.Ordinal) ? ScalarType.Float32 : ScalarType.BFloat16;
            Assert.True(tensor.dtype == expected, $"{name} is {tensor.dtype}");
        }
    }

    [Fact]
    public void A_cpu_without_it_and_a_model_with_its_own_step_are_refused_with_the_reason()
    {
        var catalog = TestJobs.Catalog().AddModel<NoOptions, NormNet, SupervisedBatch>("own", (_, _) => new NormNet(4),
            (module, batch, _) => new StepResult(module.forward(batch.Input).sum(), 1));
        var spec = TestJobs.Spec("own", new NoOptions()) with { Training = new TrainingSection { Precision = TrainingSection.Bf16 } };
        var factory = new TorchRuntimeFactory(catalog, new DataEnvironment { Root = Path.GetTempPath() }) { Bf16Missing = () => "this CPU is a test" };
        var error = Assert.Throws<SpecException>(() => factory.Open(spec));
        Assert.Equal(["training.precision: is bf16, but this CPU is a test; use float32, or set "
            + "DISTOPT_SLOW_BF16=1 on every node to compute in bfloat16 all the same", "training.precision: is bf16, but model 'own' has a "
            + "training step of its own, which computes in float32; use float32"], error.Violations.Select(v => v.ToString()));
    }

    [Fact]
    public void The_processor_is_asked_for_what_linux_says_it_has()
    {
        Assert.SkipUnless(File.Exists("/proc/cpuinfo"), "no /proc/cpuinfo here");
        string[] flags = File.ReadLines("/proc/cpuinfo").First(l => l.StartsWith("flags", StringComparison.Ordinal)).Split(' ');
        Assert.Equal(flags.Contains("avx512_bf16"), Bf16.HasAvx512);
        Assert.Equal(flags.Contains("amx_bf16"), Bf16.HasAmx);
    }

    [Theory]
    [InlineData(true, false, 90, 80, null)]
    [InlineData(false, true, 900, 80, null)]
    [InlineData(true, false, 73.4, 130.2,
        "this CPU has AVX512-BF16, but gains nothing by it (73 GFLOP/s a core in bfloat16, 130 in float32)")]
    [InlineData(true, true, 80, 80, "this CPU has AVX512-BF16 and AMX-BF16, but gains nothing by it (80 GFLOP/s a core in bfloat16, 80 in float32)")]
    [InlineData(false, false, 900, 80, "this CPU has neither AVX512-BF16 nor AMX-BF16, so that bfloat16 would be slower than float32")]
    public void It_is_fast_where_there_are_instructions_for_it_that_are_measured_to_be_so(bool hasAvx512, bool hasAmx, double bfloat16, double float32,
        string? missing) => Assert.Equal(missing, Bf16.Reason(hasAvx512, hasAmx, () => new Bf16Speed(bfloat16, float32)));

    [Fact]
    public void What_is_measured_are_products_per_time()
    {
        // any CPU since 2010, and none of this decade, in both
        Assert.InRange(Bf16.Speed.Float32, 0.1, 1e5);
        Assert.InRange(Bf16.Speed.Bfloat16, 0.001, 1e5);
    }

    private static (float[] Gradient, float[] Buffers, double Loss) Leaf(string name, string precision)
    {
        using var job = Open(Spec(name, precision));
        return Leaf(job, new PositionRange(0, 24));
    }

    private static (float[] Gradient, float[] Buffers, double Loss) Leaf(IJobRuntime job, PositionRange shard)
    {
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var gradient = new FlatBuffer(weights.Length);
        float[] after = new float[buffers.Length];
        var leaf = worker.ComputeLeaf(TestJobs.Plan(0, 0, 0, 24), shard, 0, gradient, buffers, after);
        float[] statistics = [.. job.Layout.Buffers.Where(b => b.Type == ElementType.Float32)
            .SelectMany(b => after.AsSpan((int)b.Offset, (int)b.Length).ToArray())];
        return (gradient.Span.ToArray(), statistics, leaf.Metrics[MetricSums.Loss].Sum);
    }

    private static TrainingSpec Spec(string name, string precision)
    {
        var spec = TestJobs.Spec(name, TinyModels.Options(name, dropout: 0.2));
        return spec with
        {
            Data = new DataSpec { Options = new DigitsOptions(), Prefetch = 0 },
            Training = spec.Training with { Precision = precision },
        };
    }

    private static IJobRuntime Open(TrainingSpec spec) =>
        new TorchRuntimeFactory(TestJobs.Catalog(), new DataEnvironment { Root = Path.GetTempPath() }) { Bf16Missing = () => null }.Open(spec);

    private static double Distance(float[] expected, float[] actual) =>
        Math.Sqrt(expected.Zip(actual, (a, b) => Math.Pow(a - b, 2)).Sum() / expected.Sum(a => (double)a * a));
}
