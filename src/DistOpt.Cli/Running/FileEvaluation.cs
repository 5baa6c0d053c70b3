using System.Collections.Immutable;
using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using DistOpt.Torch;

namespace DistOpt;

/// <summary>
/// Measures a run's model on files that were no part of its data, read as the run's data set reads its own and normalized as the run's
/// training data was. Classification gives the mean cross-entropy and the accuracy, regression mse and mae; and what the run's
/// <c>evaluate.metrics</c> names.
/// </summary>
internal static class FileEvaluation
{
    private const int Rows = 256;

    /// <exception cref="SpecException">The data set does not read files, or the file does not fit the run.</exception>
    public static (Dictionary<string, double> Metrics, Evaluation? Chosen) Measure(string run, TrainingSpec spec, string path, TorchCatalog catalog,
        DataEnvironment data)
    {
        using var source = new Opened(Open(spec, path, data));
        using var predictor = Predictor.Load(run, catalog);
        var chosen = spec.Evaluate.Metrics.IsEmpty ? null : new PredictedMetrics(predictor, spec, catalog, source.Value.Count);
        var metrics = Measure(predictor, source.Value, path, chosen);
        if (chosen?.Total() is not { } total) return (metrics, null);
        foreach (var (name, sum) in total.Metrics) metrics[name] = sum.Value;
        return (metrics, total);
    }

    private static ISupervisedSource Open(TrainingSpec spec, string path, DataEnvironment data)
    {
        object options = spec.Data.Options switch
        {
            CsvOptions csv => csv with { Path = path, TestPath = null },
            ImagesOptions images => images with { Path = path, TestPath = null },
            MnistOptions mnist => mnist with { Path = path },
            _ => throw new SpecException("--file", $"data set '{spec.Data.Kind}' does not read files: csv, images and mnist do; use --split"),
        };
        return DatasetCatalog.Create().Get(spec.Data.Kind)(options, data);
    }

    private static Dictionary<string, double> Measure(Predictor predictor, ISupervisedSource source, string path, PredictedMetrics? chosen)
    {
        int width = predictor.Document.ToDataInfo().InputLength;
        if (source.Info.InputLength != width)
            throw new SpecException(path, $"has {source.Info.InputLength} input values a row, but the run was trained with {width}");
        int[] classes = Classes(predictor.Classes, source, path);
        float[] inputs = new float[Rows * width];
        float[] target = new float[Math.Max(1, source.Info.TargetLength)];
        double loss = 0, right = 0, squares = 0, absolutes = 0;
        long values = 0;
        for (long begin = 0; begin < source.Count; begin += Rows)
        {
            int count = (int)Math.Min(Rows, source.Count - begin);
            for (int row = 0; row < count; row++) source.CopyInput(begin + row, inputs.AsSpan(row * width, width));
            var predictions = predictor.Predict(inputs.AsSpan(0, count * width), count);
            if (chosen is not null) Add(chosen, source, begin, classes, inputs.AsSpan(0, count * width), count);
            for (int row = 0; row < count; row++)
            {
                if (classes.Length > 0)
                {
                    int label = classes[source.Labels[checked((int)(begin + row))]];
                    loss -= Math.Log(Math.Max(predictions[row].Probabilities[label], float.Epsilon));
                    if (predictions[row].ClassIndex == label) right++;
                    continue;
                }
                source.CopyTarget(begin + row, target);
                for (int i = 0; i < source.Info.TargetLength; i++)
                {
                    double error = (double)predictions[row].Values[i] - target[i];
                    (squares, absolutes, values) = (squares + error * error, absolutes + Math.Abs(error), values + 1);
                }
            }
        }
        return classes.Length > 0
            ? new() { ["loss"] = loss / source.Count, ["accuracy"] = right / source.Count }
            : new() { ["mse"] = squares / values, ["mae"] = absolutes / values };
    }

    private static void Add(PredictedMetrics chosen, ISupervisedSource source, long begin, int[] classes, ReadOnlySpan<float> inputs, int count)
    {
        if (classes.Length > 0)
        {
            long[] labels = [.. Enumerable.Range(0, count).Select(row => (long)classes[source.Labels[checked((int)(begin + row))]])];
            chosen.AddClasses(inputs, labels);
            return;
        }
        int length = source.Info.TargetLength;
        float[] targets = new float[count * length];
        for (int row = 0; row < count; row++) source.CopyTarget(begin + row, targets.AsSpan(row * length, length));
        chosen.AddValues(inputs, targets, count);
    }

    /// <summary>The run's class index for each of the file's; classes go by name.</summary>
    private static int[] Classes(ImmutableArray<string> known, ISupervisedSource source, string path)
    {
        if (known.IsEmpty != source.Info.Classes.IsEmpty)
            throw new SpecException(path, known.IsEmpty ? "holds classes, but the run was trained on values" : "holds values, but the run was trained on classes");
        string[] foreign = [.. source.Info.Classes.Where(c => !known.Contains(c))];
        return foreign.Length == 0 ? [.. source.Info.Classes.Select(c => known.IndexOf(c))]
            : throw new SpecException(path, $"holds classes that the run does not know: {string.Join(", ", foreign.Take(10))} (it knows {string.Join(", ", known.Take(20))})");
    }

    /// <summary>Sources need not be disposable.</summary>
    private sealed record Opened(ISupervisedSource Value) : IDisposable
    {
        public void Dispose() => (Value as IDisposable)?.Dispose();
    }
}
