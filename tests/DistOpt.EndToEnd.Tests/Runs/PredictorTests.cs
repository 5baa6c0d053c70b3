using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using DistOpt.EndToEnd.Tests.Support;
using DistOpt.Torch;
using static TorchSharp.torch;

namespace DistOpt.EndToEnd.Tests.Runs;

/// <summary>A saved run in a program that only infers.</summary>
[Collection(Alone.Name)]
public sealed class PredictorTests(DefaultRun run) : IClassFixture<DefaultRun>
{
    private const int Slice = 256;

    [Fact]
    public void Predictor_gives_the_runs_own_test_figures()
    {
        var (inputs, labels) = TestRows();
        using var predictor = Predictor.Load(run.Run);
        var predictions = predictor.Predict(inputs, labels.Length);
        int correct = predictions.Zip(labels, (p, label) => p.ClassIndex == label ? 1 : 0).Sum();
        Assert.Equal(run.Summary.Test["accuracy"], (double)correct / labels.Length);

        // the scores are the bits that the run measured: the loss over its own slices, summed in double precision, is the run's
        double loss = 0;
        for (int begin = 0; begin < labels.Length; begin += Slice)
        {
            var part = predictions[begin..Math.Min(begin + Slice, labels.Length)];
            using var scores = tensor(part.SelectMany(p => p.Values).ToArray()).reshape(part.Length, 10);
            using var targets = tensor(labels[begin..(begin + part.Length)]);
            using var sum = nn.functional.cross_entropy(scores, targets, reduction: nn.Reduction.Sum);
            loss += sum.item<float>();
        }
        Assert.Equal(run.Summary.Test["loss"], loss / labels.Length);
    }

    [Fact]
    public async Task Predictor_is_right_on_eight_threads_at_once_and_does_not_leak()
    {
        var (inputs, labels) = TestRows();
        using var predictor = Predictor.Load(run.Run);
        float[][] expected = [.. predictor.Predict(inputs, labels.Length).Select(p => p.Probabilities.ToArray())];
        var wrong = new System.Collections.Concurrent.ConcurrentQueue<string>();

        await OnEightThreads(calls: 20); // warm-up: thread-local memory of libtorch and the heap's growth
        long before = ProcessState.NativeBytes();
        await OnEightThreads(calls: 200);
        long growth = ProcessState.NativeBytes() - before;

        Assert.Empty(wrong);
        // one leaked batch of inputs or outputs a call would be 8 x 200 x (64 + 10) x 270 x 4 bytes = 128 MB
        Assert.True(growth < 32 << 20, $"{growth >> 20} MiB more after 1,600 calls");

        async Task OnEightThreads(int calls)
        {
            var threads = Enumerable.Range(0, 8).Select(t => Task.Factory.StartNew(() =>
            {
                for (int call = 0; call < calls; call++)
                {
                    // every thread asks for other rows, in slices of other sizes
                    int rows = 1 + (t * 37 + call * 11) % labels.Length, first = (call * 7 + t) % (labels.Length - rows + 1);
                    var got = predictor.Predict(inputs.AsSpan(first * 64, rows * 64), rows);
                    for (int row = 0; row < rows; row++)
                    {
                        float error = got[row].Probabilities.Zip(expected[first + row], (a, b) => Math.Abs(a - b)).Max();
                        if (error > 1e-5) wrong.Enqueue($"thread {t}, call {call}, row {row}: off by {error}");
                    }
                }
            }, TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default));
            await Task.WhenAll(threads);
        }
    }

    /// <summary>The test part of the digits as they are stored; the run's spec is the default one.</summary>
    private (float[] Inputs, long[] Labels) TestRows()
    {
        using var dataset = new SupervisedDataset(
            DatasetCatalog.Create().Get("digits")(new DigitsOptions { Normalize = false }, new DataEnvironment { Root = run.Run }));
        var splits = DataSplitter.Split(dataset.Source, new DataSpec());
        using var batch = new Rows(dataset.Load(splits.Test.Span, default));
        return (batch.Of.Input.data<float>().ToArray(), batch.Of.Target.data<long>().ToArray());
    }

    private sealed record Rows(SupervisedBatch Of) : IDisposable
    {
        public void Dispose()
        {
            Of.Input.Dispose();
            Of.Target.Dispose();
        }
    }
}
