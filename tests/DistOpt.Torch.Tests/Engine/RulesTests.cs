using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using TorchSharp;
using TorchSharp.Modules;

using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Engine;

[Collection(EngineCollection.Name)]
public class RulesTests
{
    [Fact]
    public void Tied_parameters_stand_once_in_the_layout_and_get_the_sum_of_their_gradients()
    {
        var catalog = TestJobs.Catalog().AddModel<NoOptions>("tied", (_, _) => new TiedNet());
        using var job = TestJobs.Open(TestJobs.Spec("tied", new NoOptions()), catalog);
        Assert.Equal(["a.weight", "a.bias", "b.bias", "last.weight", "last.bias"], job.Layout.Parameters.Select(p => p.Name));
        Assert.Equal([KeyValuePair.Create("b.weight", "a.weight")], job.Layout.Ties);

        // finite differences over the shared weight
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var gradient = new FlatBuffer(weights.Length);
        var plan = TestJobs.Plan(0, 0, 0, 16);
        worker.ComputeLeaf(plan, new PositionRange(0, 16), 0, gradient, buffers, []);
        var scratch = new FlatBuffer(weights.Length);
        for (int i = 0; i < 36; i += 7)
        {
            float at = weights.Span[i];
            const float Step = 1e-2f;
            weights.Span[i] = at + Step;
            double up = worker.ComputeLeaf(plan, new PositionRange(0, 16), 0, scratch, buffers, []).Metrics["loss"].Sum;
            weights.Span[i] = at - Step;
            double down = worker.ComputeLeaf(plan, new PositionRange(0, 16), 0, scratch, buffers, []).Metrics["loss"].Sum;
            weights.Span[i] = at;
            Assert.Equal((up - down) / (2 * Step), gradient.Span[i], 2e-2);
        }
    }

    [Fact]
    public void Frozen_parameters_stand_outside_the_vector_and_a_pattern_without_match_is_refused()
    {
        var spec = TestJobs.Mlp();
        using var job = TestJobs.Open(spec with { Model = spec.Model with { Freeze = ["layers.0.*"] } });
        Assert.Equal(["layers.1.weight", "layers.1.bias", "layers.2.weight", "layers.2.bias"], job.Layout.Parameters.Select(p => p.Name));
        var (gradient, leaf) = GradientTests.Leaf(job, TestJobs.Plan(0, 0, 0, 8), new PositionRange(0, 8));
        Assert.Equal(job.Layout.ParameterCount, gradient.Length);
        Assert.True(leaf.Metrics["loss"].Sum > 0);

        var unmatched = spec with { Model = spec.Model with { Freeze = ["nothing.*", "layers.0.*", "no"] } };
        var e = Assert.Throws<SpecException>(() => TestJobs.Open(unmatched));
        Assert.Equal(["model.freeze", "model.freeze"], e.Violations.Select(v => v.Path));
        Assert.Contains("'nothing.*'", e.Message, StringComparison.Ordinal);
        e = Assert.Throws<SpecException>(() => TestJobs.Open(spec with { Model = spec.Model with { Freeze = ["*"] } }));
        Assert.Contains("no parameter to train", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Batch_norm_starts_every_leaf_from_the_given_statistics_and_hands_out_those_of_its_forward_pass()
    {
        using var job = TestJobs.Open(TestJobs.Spec("norm", new NetOptions { Width = 4 }));
        Assert.Equal(["norm.running_mean", "norm.running_var", "norm.num_batches_tracked"], job.Layout.Buffers.Select(b => b.Name));
        Assert.Equal(4 + 4 + 2, job.Layout.BufferCount);
        var (weights, buffers) = TestJobs.Initial(job);
        Assert.Equal([0, 0, 0, 0, 1, 1, 1, 1, 0, 0], buffers);
        using var worker = job.CreateWorker(weights);
        var gradient = new FlatBuffer(weights.Length);
        var plan = TestJobs.Plan(0, 0, 0, 30);
        var once = new float[buffers.Length];
        worker.ComputeLeaf(plan, new PositionRange(0, 15), 0, gradient, buffers, once);
        Assert.Equal(1, BitConverter.ToInt64(System.Runtime.InteropServices.MemoryMarshal.AsBytes(once.AsSpan(8))));
        Assert.All(once[..4], v => Assert.NotEqual(0, v));
        var again = new float[buffers.Length];
        worker.ComputeLeaf(plan, new PositionRange(15, 30), 1, gradient, buffers, []);
        worker.Evaluate(DataSplit.Validation, new PositionRange(0, 5), once);
        worker.ComputeLeaf(plan, new PositionRange(0, 15), 0, gradient, buffers, again);
        Assert.Equal(once, again);
        var second = new float[buffers.Length];
        worker.ComputeLeaf(plan, new PositionRange(0, 15), 0, gradient, once, second);
        Assert.Equal(2, BitConverter.ToInt64(System.Runtime.InteropServices.MemoryMarshal.AsBytes(second.AsSpan(8))));
        // momentum 0.1 twice on the same batch: 0.1 m, then 0.19 m
        for (int i = 0; i < 4; i++) Assert.Equal(once[i] * 1.9f, second[i], 1e-6f);
    }

    [Fact]
    public void Evaluation_uses_the_running_statistics_and_not_those_of_its_batch()
    {
        using var job = TestJobs.Open(TestJobs.Spec("norm", new NetOptions()));
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        long count = job.Data.Validation;
        Assert.True(count > 4);
        var whole = worker.Evaluate(DataSplit.Validation, new PositionRange(0, count), buffers);
        double loss = 0, right = 0;
        for (long i = 0; i < count; i++)
        {
            var one = worker.Evaluate(DataSplit.Validation, new PositionRange(i, i + 1), buffers);
            loss += one["loss"].Sum;
            right += one["accuracy"].Sum;
        }
        Assert.Equal(count, whole["loss"].Weight);
        Assert.Equal(loss, whole["loss"].Sum, 1e-4);
        Assert.Equal(right, whole["accuracy"].Sum);
        buffers.AsSpan(0, 16).Fill(1);
        Assert.NotEqual(whole["loss"].Sum, worker.Evaluate(DataSplit.Validation, new PositionRange(0, count), buffers)["loss"].Sum);
    }

    [Fact]
    public void Torch_dropout_is_noticed_and_named_and_counters_are_not()
    {
        using var drop = TestJobs.Open(TestJobs.Spec("drop", new NetOptions()));
        Assert.Contains("drop (Dropout) draws from libtorch's generator", Assert.Single(drop.Warnings), StringComparison.Ordinal);
        using var off = TestJobs.Open(TestJobs.Spec("drop", new NetOptions { Dropout = 0 }));
        using var counters = TestJobs.Open(TestJobs.Spec("mlp", new DistOpt.Torch.Models.MlpOptions { Dropout = 0.5 }));
        Assert.Empty(counters.Warnings);
        using var data = TestJobs.Open(TestJobs.Mlp(new ToyOptions { Draw = true }));
        Assert.Contains("data set 'toy' draws", Assert.Single(data.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void A_data_set_that_draws_from_the_shared_generator_still_gives_the_same_bits()
    {
        using var job = TestJobs.Open(TestJobs.Mlp(new ToyOptions { Draw = true }));
        var plan = TestJobs.Plan(3, 1, 10, 20);
        float[] first = GradientTests.Leaf(job, plan, new PositionRange(0, 10)).Gradient;
        using (rand(5)) { }
        Assert.Equal(first, GradientTests.Leaf(job, plan, new PositionRange(0, 10)).Gradient);
    }

    [Fact]
    public void Parameters_and_buffers_of_other_float_types_are_refused_by_name_all_at_once()
    {
        var catalog = TestJobs.Catalog().AddModel<NoOptions>("double", (_, _) => new DoubleNet());
        var e = Assert.Throws<SpecException>(() => TestJobs.Open(TestJobs.Spec("double", new NoOptions()), catalog));
        Assert.Equal(2, e.Violations.Length);
        Assert.Contains("parameter 'scale' is Float64", e.Message, StringComparison.Ordinal);
        Assert.Contains("buffer 'mean' is Float64", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_step_that_clears_gradients_is_an_error_and_not_a_run_that_learns_nothing()
    {
        var catalog = TestJobs.Catalog().AddModel<NetOptions, NormNet, SupervisedBatch>("clears",
            (options, _) => new NormNet(options.Width),
            (module, batch, _) =>
            {
                module.zero_grad();
                return new StepResult(module.forward(batch.Input).sum(), batch.Input.size(0));
            });
        var e = Assert.Throws<InvalidOperationException>(() => TestJobs.Open(TestJobs.Spec("clears", new NetOptions()), catalog));
        Assert.Contains("zero_grad", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_names_are_reported_together_with_what_exists()
    {
        var spec = TestJobs.Mlp();
        var unknown = spec with { Model = new ModelSpec { Kind = "mpl" }, Data = spec.Data with { Kind = "tyo" } };
        var e = Assert.Throws<SpecException>(() => TestJobs.Open(unknown));
        Assert.Equal(["data.name", "model.kind"], e.Violations.Select(v => v.Path));
        Assert.Contains("linear, mlp, residual-mlp, cnn, lenet, resnet", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_for_other_batches_is_refused()
    {
        var catalog = TestJobs.Catalog().AddModel<NoOptions, TiedNet, PairBatch>("pairs", (_, _) => new TiedNet(),
            (module, batch, _) => new StepResult(module.forward(batch.Left).sum(), 1));
        var e = Assert.Throws<SpecException>(() => TestJobs.Open(TestJobs.Spec("pairs", new NoOptions()), catalog));
        Assert.Contains("PairBatch", e.Message, StringComparison.Ordinal);
        Assert.Contains("SupervisedBatch", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fingerprints_agree_for_the_same_job_and_differ_for_other_data()
    {
        using var one = TestJobs.Open(TestJobs.Mlp());
        using var same = TestJobs.Open(TestJobs.Mlp());
        using var other = TestJobs.Open(TestJobs.Mlp(new ToyOptions { Seed = 8 }));
        using var longer = TestJobs.Open(TestJobs.Mlp(new ToyOptions { Count = 102 }));
        Assert.Equal(one.Fingerprint.Exact, same.Fingerprint.Exact);
        Assert.Equal(one.Fingerprint.Numeric, same.Fingerprint.Numeric);
        Assert.NotEqual(one.Fingerprint.Exact["data hash"], other.Fingerprint.Exact["data hash"]);
        Assert.NotEqual(one.Fingerprint.Numeric["probe gradient"], other.Fingerprint.Numeric["probe gradient"]);
        Assert.NotEqual(one.Fingerprint.Exact["data rows"], longer.Fingerprint.Exact["data rows"]);
        Assert.Equal(one.Fingerprint.Exact["layout"], other.Fingerprint.Exact["layout"]);
    }

    internal sealed record PairBatch(Tensor Left, Tensor Right);

    private sealed class TiedNet : nn.Module<Tensor, Tensor>
    {
        private readonly Linear a;
        private readonly Linear b;
        private readonly Linear last;

        public TiedNet() : base(nameof(TiedNet))
        {
            a = nn.Linear(6, 6);
            b = nn.Linear(6, 6);
            b.weight = a.weight;
            last = nn.Linear(6, 3);
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => last.forward(b.forward(a.forward(input).tanh()));
    }

    private sealed class DoubleNet : nn.Module<Tensor, Tensor>
    {
        private readonly Linear layer;
        private readonly Parameter scale;

        public DoubleNet() : base(nameof(DoubleNet))
        {
            layer = nn.Linear(6, 3);
            scale = nn.Parameter(ones(3, ScalarType.Float64));
            register_buffer("mean", zeros(3, ScalarType.Float64));
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => layer.forward(input) * scale;
    }
}
