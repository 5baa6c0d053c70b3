using DistOpt.Core.Batching;
using DistOpt.Core.Datasets;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Engine;
using DistOpt.Torch.Tests.Engine;
using TorchSharp;
using TorchSharp.Modules;

using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.UserCode;

/// <summary>Two inputs, rows of different length, a loss weighted by tokens, an own metric.</summary>
[Collection(EngineCollection.Name)]
public class OwnBatchTests
{
    [Fact]
    public void A_gradient_weighted_by_tokens_does_not_depend_on_how_the_batch_is_cut()
    {
        using var job = TestJobs.Open(Spec(), Catalog());
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var whole = Mean(worker, weights.Length, 1, buffers, out double tokens);
        Assert.True(tokens > 12);
        foreach (int shards in new[] { 2, 3, 5, 12, 16 })
        {
            var cut = Mean(worker, weights.Length, shards, buffers, out double counted);
            Assert.Equal(tokens, counted);
            for (int i = 0; i < whole.Length; i++) Assert.Equal(whole[i], cut[i], 1e-6);
        }
    }

    [Fact]
    public void Own_metrics_are_summed_and_evaluation_without_one_of_its_own_is_the_step_in_eval_mode()
    {
        using var job = TestJobs.Open(Spec(), Catalog());
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var leaf = worker.ComputeLeaf(TestJobs.Plan(0, 0, 0, 12), new PositionRange(0, 12), 0, new FlatBuffer(weights.Length), buffers, []);
        Assert.Equal(["loss", "tokens_per_row"], leaf.Metrics.Select(m => m.Key));
        Assert.Equal(12, leaf.Metrics["tokens_per_row"].Weight);
        Assert.Equal(leaf.Weight, leaf.Metrics["tokens_per_row"].Sum);
        var metrics = worker.Evaluate(DataSplit.Validation, new PositionRange(0, job.Data.Validation), buffers);
        Assert.Equal(["loss", "tokens_per_row"], metrics.Select(m => m.Key));
    }

    [Fact]
    public void Every_tensor_of_a_batch_is_freed_also_nested_ones()
    {
        using var scope = NewDisposeScope();
        var batch = new Nested(ones(1), new Inside([ones(2), ones(3)]), new() { ["x"] = ones(4) }, "text") { Extra = ones(5) };
        var tensors = BatchTensors.Of(batch);
        Assert.Equal([1, 2, 3, 4, 5], tensors.Select(t => t.numel()).Order());
    }

    private static double[] Mean(IGradientWorker worker, int length, int shards, float[] buffers, out double weight)
    {
        const int Size = 12;
        var gradient = new FlatBuffer(length);
        var sum = new double[length];
        weight = 0;
        for (int shard = 0; shard < shards; shard++)
        {
            var part = GradientShards.Part(Size, shards, shard);
            weight += worker.ComputeLeaf(TestJobs.Plan(0, 0, 0, Size), part, shard, gradient, buffers, []).Weight;
            for (int i = 0; i < sum.Length; i++) sum[i] += gradient.Span[i];
        }
        for (int i = 0; i < sum.Length; i++) sum[i] /= weight;
        return sum;
    }

    private static TrainingSpec Spec() => new()
    {
        Data = new DataSpec { Kind = "rows", Options = new NoOptions(), Prefetch = 0 },
        Model = new ModelSpec { Kind = "tagger", Options = new NoOptions() },
    };

    private static TorchCatalog Catalog() => TorchCatalog.Empty()
        .AddDataset<NoOptions, TokenBatch>("rows", (_, _) => new RowData())
        .AddModel<NoOptions, Tagger, TokenBatch>("tagger", (_, _) => new Tagger(), Step);

    private static StepResult Step(Tagger module, TokenBatch batch, StepContext context)
    {
        var scores = module.forward(batch.Tokens, batch.Topic).reshape(-1, RowData.Tags);
        double tokens = batch.Mask.sum().item<float>();
        context.Log("tokens_per_row", tokens, batch.Tokens.size(0));
        var loss = nn.functional.cross_entropy(scores, batch.Tags.reshape(-1), reduction: nn.Reduction.None);
        return new StepResult((loss * batch.Mask.reshape(-1)).sum(), tokens);
    }

    private sealed record TokenBatch(Tensor Tokens, Tensor Topic, Tensor Tags, Tensor Mask);

    private sealed class RowData : Dataset<TokenBatch>
    {
        public const int Words = 20, Tags = 4;

        public override long Count => 40;

        public override TokenBatch Load(ReadOnlySpan<long> indices, DataContext context)
        {
            int width = 0;
            foreach (long i in indices) width = Math.Max(width, Length(i));
            var tokens = new long[indices.Length, width];
            var tags = new long[indices.Length, width];
            var mask = new float[indices.Length, width];
            var topic = new float[indices.Length, 2];
            for (int row = 0; row < indices.Length; row++)
            {
                topic[row, 0] = indices[row] % 5;
                topic[row, 1] = 1;
                for (int t = 0; t < Length(indices[row]); t++)
                {
                    tokens[row, t] = (indices[row] * 7 + t * 3) % Words;
                    tags[row, t] = tokens[row, t] % Tags;
                    mask[row, t] = 1;
                }
            }
            return new TokenBatch(tensor(tokens), tensor(topic), tensor(tags), tensor(mask));
        }

        private static int Length(long index) => 1 + (int)(index * 5 % 9);
    }

    private sealed class Tagger : nn.Module<Tensor, Tensor, Tensor>
    {
        private readonly Embedding embedding = nn.Embedding(RowData.Words, 8);
        private readonly Linear topic = nn.Linear(2, 8);
        private readonly Linear last = nn.Linear(8, RowData.Tags);

        public Tagger() : base(nameof(Tagger)) => RegisterComponents();

        public override Tensor forward(Tensor tokens, Tensor about) =>
            last.forward((embedding.forward(tokens) + topic.forward(about).unsqueeze(1)).tanh());
    }

    private sealed record Inside(IReadOnlyList<Tensor> Items);

    private sealed record Nested(Tensor First, Inside Inside, Dictionary<string, Tensor> Named, string Text)
    {
        public required Tensor Extra { get; init; }

        public Tensor Computed => First + 1;
    }
}
