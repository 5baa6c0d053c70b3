using System.Diagnostics;
using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using DistOpt.Torch.Models;
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Inference;

public sealed class PredictorTests
{
    private static readonly Normalization Scale = new(NormalizationKind.PerFeature, [1, 2, 3, 4], [2, 2, 4, 4]);

    // the outputs of a module called here are compared to the bit, and kernels split sums by the number of threads
    public PredictorTests() => set_num_threads(1);

    [Fact]
    public void A_prediction_is_the_models_output_on_the_normalized_input()
    {
        using var scope = NewDisposeScope();
        using var run = RunFolder.OfMlp(out var module, Scale, dropout: 0.5);
        using var predictor = Predictor.Load(run.Path);
        float[] inputs = [.. Enumerable.Range(0, 20).Select(i => i * 0.7f - 3)];

        float[] normalized = [.. inputs.Select((v, i) => (v - new[] { 1f, 2, 3, 4 }[i % 4]) * new[] { 0.5f, 0.5f, 0.25f, 0.25f }[i % 4])];
        module.eval();
        var scores = module.forward(tensor(normalized).reshape(5, 4));
        float[] probabilities = nn.functional.softmax(scores, 1).data<float>().ToArray();

        var predictions = predictor.Predict(inputs, 5);
        Assert.Equal(5, predictions.Length);
        Assert.Equal(scores.data<float>().ToArray(), predictions.SelectMany(p => p.Values));
        Assert.Equal(probabilities, predictions.SelectMany(p => p.Probabilities));
        foreach (var prediction in predictions)
        {
            int best = prediction.Probabilities.IndexOf(prediction.Probabilities.Max());
            Assert.Equal(best, prediction.ClassIndex);
            Assert.Equal(RunFolder.Flowers.Classes[best], prediction.ClassName);
            Assert.Equal(1, prediction.Probabilities.Sum(), 5);
        }
    }

    [Fact]
    public void Many_rows_are_computed_in_slices_and_none_gives_none()
    {
        using var run = RunFolder.OfMlp(out var module, Scale, batchSize: 8);
        module.Dispose();
        using var predictor = Predictor.Load(run.Path);
        float[] inputs = Random(4 * 21);
        var all = predictor.Predict(inputs, 21);
        for (int begin = 0; begin < 21; begin += 8)
        {
            int rows = Math.Min(8, 21 - begin);
            var part = predictor.Predict(inputs.AsSpan(begin * 4, rows * 4), rows);
            Assert.Equal(part.SelectMany(p => p.Values), all.Skip(begin).Take(rows).SelectMany(p => p.Values));
        }
        Assert.Empty(predictor.Predict([], 0));
    }

    [Fact]
    public void A_regression_gives_its_values_and_after_binary_cross_entropy_probabilities()
    {
        using var scope = NewDisposeScope();
        using var run = new RunFolder();
        using var module = new LinearModel(2, 2, new LinearOptions());
        var data = new DataInfo { Name = "t", Task = TaskKind.Regression, InputShape = [2], TargetShape = [2] };
        float[] expected = module.forward(tensor(new float[] { 3, -1 }).reshape(1, 2)).data<float>().ToArray();

        run.Save(module, new PluginSpec("linear", new LinearOptions()), data, loss: "mse");
        using (var predictor = Predictor.Load(run.Path))
        {
            var prediction = predictor.Predict([3f, -1]);
            Assert.Equal(expected, prediction.Values);
            Assert.Null(prediction.ClassIndex);
            Assert.Empty(prediction.Probabilities);
        }
        run.Save(module, new PluginSpec("linear", new LinearOptions()), data, loss: "bce-with-logits");
        using (var predictor = Predictor.Load(run.Path))
        {
            var values = predictor.Predict([3f, -1]).Values;
            for (int i = 0; i < 2; i++) Assert.Equal(1 / (1 + Math.Exp(-expected[i])), values[i], 1e-6);
        }
    }

    [Fact]
    public void A_picture_is_scaled_to_the_size_and_range_of_the_training_data()
    {
        using var run = new RunFolder();
        using var module = new LinearModel(64, 2, new LinearOptions());
        var data = new DataInfo
        {
            Name = "d",
            Task = TaskKind.Classification,
            InputShape = [1, 8, 8],
            PixelMax = 16,
            Classes = ["a", "b"],
        };
        run.Save(module, new PluginSpec("linear", new LinearOptions()), data);
        using var predictor = Predictor.Load(run.Path);
        using var bitmap = new SKBitmap(new SKImageInfo(20, 20, SKColorType.Rgba8888, SKAlphaType.Opaque));
        bitmap.Erase(new SKColor(51, 51, 51));
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);

        // 51 of 255 is 3.2 of 16
        float[] flat = [.. Enumerable.Repeat(51f * (16f / 255), 64)];
        Assert.Equal(predictor.Predict(flat).Values, predictor.PredictImage(png.AsSpan()).Values);

        string file = Path.Combine(run.Path, "digit.png");
        File.WriteAllBytes(file, png.ToArray());
        Assert.Equal(predictor.Predict(flat).Values, predictor.PredictImage(file).Values);
        File.WriteAllText(file, "no picture");
        Assert.Contains("digit.png", Assert.Throws<SpecException>(() => predictor.PredictImage(file)).Message, StringComparison.Ordinal);
        Assert.Throws<SpecException>(() => predictor.PredictImage(Path.Combine(run.Path, "none.png")));
    }

    [Fact]
    public void Eight_threads_at_once_get_what_one_thread_gets()
    {
        using var run = RunFolder.OfMlp(out var module, Scale, dropout: 0.3);
        module.Dispose();
        using var predictor = Predictor.Load(run.Path);
        float[][] inputs = [.. Enumerable.Range(0, 8).Select(i => Random(4 * (i + 1), i))];
        float[][] expected = [.. inputs.Select((x, i) => predictor.Predict(x, i + 1).SelectMany(p => p.Values).ToArray())];
        OnEightThreads(thread =>
        {
            for (int call = 0; call < 300; call++)
            {
                int i = (thread + call) % 8;
                Assert.Equal(expected[i], predictor.Predict(inputs[i], i + 1).SelectMany(p => p.Values));
            }
        });
    }

    [Fact]
    public void Thousands_of_calls_leave_no_tensor_and_no_memory_behind()
    {
        using var run = RunFolder.OfMlp(out var module, Scale);
        module.Dispose();
        using var predictor = Predictor.Load(run.Path);
        float[] inputs = Random(4 * 512);
        // a call in two slices makes tensors of some 250 KB: one of them left behind in each of 2,000 calls would show
        void Calls(int count)
        {
            var statistics = DisposeScopeManager.Statistics;
            long live = statistics.ThreadTotalLiveCount;
            for (int i = 0; i < count; i++) predictor.Predict(inputs, 512);
            Assert.Equal(live, statistics.ThreadTotalLiveCount);
        }
        Calls(50);
        long before = ResidentBytes();
        OnEightThreads(_ => Calls(250));
        Assert.InRange(ResidentBytes() - before, long.MinValue, 50L << 20);
    }

    [Fact]
    public void A_call_leaves_the_threads_settings_as_they_were()
    {
        OnThread(() =>
        {
            using var run = RunFolder.OfMlp(out var module);
            module.Dispose();
            using var predictor = Predictor.Load(run.Path);
            set_num_threads(2);
            int inside = predictor.Use<Mlp, int>(_ => get_num_threads());
            Assert.Equal(1, inside);
            Assert.Equal(2, get_num_threads());
            Assert.True(is_grad_enabled());
            Assert.False(predictor.Use<Mlp, bool>(_ => is_grad_enabled()));
            using var wide = Predictor.Load(run.Path, options: new PredictorOptions { Threads = 2 });
            Assert.Equal(2, wide.Use<Mlp, int>(_ => get_num_threads()));
        });
    }

    [Fact]
    public void A_model_of_the_users_own_with_two_inputs_is_called_by_its_own_type()
    {
        using var scope = NewDisposeScope();
        using var run = new RunFolder();
        using var module = new Two(3);
        var data = new DataInfo { Name = "pairs", Task = TaskKind.Other, InputShape = [] };
        run.Save(module, new PluginSpec("two", new TwoOptions { Width = 3 }), data);
        var catalog = TorchCatalog.Default().AddModel<TwoOptions, Two, SupervisedBatch>("two", (o, _) => new Two(o.Width),
            (_, _, _) => throw new NotSupportedException());

        using var predictor = Predictor.Load(run.Path, catalog);
        var (a, b) = (randn(4, 3), randn(4, 3));
        Tensor output = predictor.Use<Two, Tensor>(m => m.Call(a, b));
        Assert.True(allclose(module.Call(a, b), output));
        Assert.False(output.requires_grad);
        float sum = predictor.Use<Two, float>(m => m.Call(a, b).sum().item<float>());
        Assert.Equal(output.sum().item<float>(), sum);

        foreach (Action call in new Action[] { () => predictor.Run(a), () => predictor.Predict([1f]) })
            Assert.Contains("call Use", Assert.Throws<InvalidOperationException>(call).Message, StringComparison.Ordinal);
        var unknown = Assert.Throws<SpecException>(() => Predictor.Load(run.Path));
        Assert.Equal("model: model 'two' is not known. Available: linear, mlp, residual-mlp, cnn, lenet, resnet", unknown.Message);
    }

    [Fact]
    public void Run_gives_the_output_of_the_module_to_the_caller()
    {
        using var run = RunFolder.OfMlp(out var module, Scale);
        using var predictor = Predictor.Load(run.Path);
        using var input = rand(6, 4);
        using var output = predictor.Run(input);
        using (var inner = NewDisposeScope())
        {
            Assert.True(module.forward(input).Equals(output));
            // an input that the caller made outside his scope stays his
            predictor.Run(input);
        }
        Assert.False(input.IsInvalid);
        module.Dispose();
    }

    [Fact]
    public void A_call_that_runs_when_the_predictor_is_disposed_ends_well_and_later_ones_are_refused()
    {
        using var run = RunFolder.OfMlp(out var module);
        module.Dispose();
        var predictor = Predictor.Load(run.Path);
        float sum = predictor.Use<Mlp, float>(m =>
        {
            predictor.Dispose();
            predictor.Dispose();
            using var input = ones(2, 4);
            return m.forward(input).sum().item<float>();
        });
        Assert.True(float.IsFinite(sum));
        Assert.Throws<ObjectDisposedException>(() => predictor.Predict([1f, 2, 3, 4]));
    }

    [Fact]
    public void Wrong_sizes_and_folders_are_told_plainly()
    {
        using var run = RunFolder.OfMlp(out var module);
        module.Dispose();
        using (var predictor = Predictor.Load(run.Path))
        {
            var error = Assert.Throws<ArgumentException>(() => predictor.Predict([1f, 2, 3], 1));
            Assert.StartsWith("1 rows of 4 values ([4]) are 4 values, but 3 were given", error.Message, StringComparison.Ordinal);
            Assert.Throws<InvalidOperationException>(() => predictor.PredictImage("x"u8));
            Assert.Throws<ArgumentOutOfRangeException>(() => predictor.Predict([], -1));
        }
        Assert.Contains("does not exist", Refused(run.Path + "-no"), StringComparison.Ordinal);
        File.Delete(run.Files.ModelFile);
        Assert.Equal($"{run.Files.ModelFile}: does not exist", Refused(run.Path));
        File.Delete(run.Files.InferenceFile);
        Assert.Contains("holds no inference.json", Refused(run.Path), StringComparison.Ordinal);
        static string Refused(string path) => Assert.Throws<SpecException>(() => Predictor.Load(path)).Message;
    }

    private static float[] Random(int count, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() * 10 - 5)];
    }

    private static long ResidentBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private static void OnThread(Action action) => OnThreads(1, _ => action());

    private static void OnEightThreads(Action<int> action) => OnThreads(8, action);

    private static void OnThreads(int count, Action<int> action)
    {
        var errors = new System.Collections.Concurrent.ConcurrentQueue<Exception>();
        Thread[] threads =
        [
            .. Enumerable.Range(0, count).Select(i => new Thread(() =>
            {
                try
                {
                    action(i);
                }
                catch (Exception e)
                {
                    errors.Enqueue(e);
                }
            })),
        ];
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        Assert.Empty(errors);
    }

    public sealed record TwoOptions
    {
        public int Width { get; init; } = 2;
    }

    private sealed class Two : nn.Module
    {
        private readonly TorchSharp.Modules.Linear left;
        private readonly TorchSharp.Modules.Linear right;

        public Two(int width)
            : base(nameof(Two))
        {
            left = nn.Linear(width, 5);
            right = nn.Linear(width, 5);
            RegisterComponents();
        }

        public Tensor Call(Tensor a, Tensor b) => left.forward(a) * right.forward(b);
    }
}
