using System.Collections.Immutable;
using System.Globalization;
using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Datasets;
using DistOpt.Core.Datasets.Augmentations;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Metrics;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>Opens jobs with TorchSharp: the catalogue's models and data sets on this machine.</summary>
public sealed class TorchRuntimeFactory(TorchCatalog catalog, DataEnvironment environment) : IJobRuntimeFactory
{
    private const int ProbeSamples = 8;

    /// <summary>Why bfloat16 is not fast here, or null, asked when a job wants it; a test says otherwise.</summary>
    internal Func<string?> Bf16Missing { get; init; } = () => Bf16.IsAllowedWhereSlow ? null : Bf16.Missing;

    /// <inheritdoc/>
    public IJobRuntime Open(TrainingSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var (data, model, loss) = Find(spec);
        using var threads = ThreadCount.One();
        Dataset? dataset = null;
        FlatModule? initial = null;
        try
        {
            dataset = data.Open(spec.Data.OptionsAs<object>(), environment)
                ?? throw new InvalidOperationException($"opening data set '{spec.Data.Kind}' gave null");
            Augment(dataset, spec.Data);
            var splits = Split(dataset, spec.Data);
            dataset.Prepare(splits.Train.Span);
            if (loss?.Check(dataset.Info).ToList() is { Count: > 0 } unfit) throw new SpecException(unfit);
            var info = dataset.Info with { SingleScore = loss?.ReadsSingleScore(dataset.Info) == true };
            var shared = new TorchModel(spec, model, info, loss, Metrics(spec, loss, info, splits.Counts));
            initial = shared.Create();
            if (AveragingCatalog.UpdatesBatchNorm(spec) && !initial.Statistics.Exist)
            {
                throw new SpecException("averaging.update_batch_norm", $"is true, but model '{spec.Model.Kind}' has no batch norm with running statistics; "
                    + "leave it away");
            }
            if (spec.Model.Weights is { } path) WeightFile.Load(environment.Resolve(path), initial.Module);
            var loader = new BatchLoader(dataset, splits, spec.Seed);
            var weights = new FlatBuffer(initial.Layout.ParameterCount);
            var buffers = new float[initial.Layout.BufferCount];
            initial.ReadParameters(weights.Span);
            initial.ReadBuffers(buffers);
            initial.Bind(weights);
            string? oneRow = BatchNormRows.Check(spec, initial.Module, splits.Counts.Train);
            var probe = WarmUp.Run(shared, initial, loader, spec, Math.Min(ProbeSamples, splits.Counts.Train), weights, buffers);
            if (oneRow is not null) probe = probe with { Warnings = [.. probe.Warnings, oneRow] };
            var code = model.Code.Add(data.Code).Add(dataset.GetType().Assembly).Add(initial.Module.GetType().Assembly)
                .AddRange(spec.Data.Augment.Select(a => catalog.Augmentations.Get(a.Kind).Method.Module.Assembly));
            var state = new TorchJobState(spec, dataset, splits, shared, initial, loader, weights, buffers, code, probe);
            return new TorchJobRuntime(state);
        }
        catch
        {
            initial?.Dispose();
            dataset?.Dispose();
            throw;
        }
    }

    /// <summary>The catalogue entries that the spec names; all that do not exist or do not fit are reported together.</summary>
    private (DatasetDefinition Data, ModelDefinition Model, ILoss? Loss) Find(TrainingSpec spec)
    {
        var violations = new List<SpecViolation>();
        var data = Get(catalog.Datasets, spec.Data.Kind, "data.name");
        var model = Get(catalog.Models, spec.Model.Kind, "model.kind");
        Func<object, ILoss>? loss = model is { Step: null } ? Get(catalog.Losses, spec.Loss.Kind, "loss") : null;
        if (data is not null && model is not null)
        {
            var wanted = model.BatchType ?? typeof(SupervisedBatch);
            if (!wanted.IsAssignableFrom(data.BatchType))
            {
                violations.Add(new("model.kind", $"model '{spec.Model.Kind}' trains on batches of type {wanted.Name}, "
                    + $"but data set '{spec.Data.Kind}' gives {data.BatchType.Name}: choose a data set that fits, "
                    + "or give the model a training step for these batches"));
            }
        }
        if (spec.Training.Precision == TrainingSection.Bf16)
        {
            if (Bf16Missing() is { } why)
            {
                violations.Add(new("training.precision", $"is bf16, but {why}; use float32, or set {Bf16.SlowVariable}=1 on every node to compute in "
                    + "bfloat16 all the same"));
            }
            if (model is { Step: not null })
            {
                violations.Add(new("training.precision", $"is bf16, but model '{spec.Model.Kind}' has a training step of its own, which "
                    + "computes in float32; use float32"));
            }
        }
        if (model is { Step: not null } && !spec.Evaluate.Metrics.IsEmpty)
        {
            violations.Add(new("evaluate.metrics", $"names metrics, but model '{spec.Model.Kind}' measures by a step of its own: "
                + "let that step log them, and leave evaluate.metrics empty"));
        }
        if (violations.Count > 0) throw new SpecException(violations);
        return (data!, model!, loss?.Invoke(spec.Loss.OptionsAs<object>()));

        T? Get<T>(Catalog<T> from, string name, string path) where T : class
        {
            if (from.TryGet(name, out var entry)) return ((CatalogEntry<T>)entry).Factory;
            violations.Add(new SpecViolation(path, from.UnknownName(name)));
            return null;
        }
    }

    private void Augment(Dataset dataset, DataSpec spec)
    {
        if (spec.Augment.IsDefaultOrEmpty) return;
        if (dataset is not SupervisedDataset supervised)
        {
            throw new SpecException("data.augment", $"works on the built-in data sets of pictures, but '{spec.Kind}' makes its batches itself: "
                + "leave it out, and change the samples in Load, with context.Random(index)");
        }
        supervised.Use(ImageAugmenter.Create(spec.Augment, dataset.Info, catalog.Augmentations)!);
    }

    private MetricSet? Metrics(TrainingSpec spec, ILoss? loss, DataInfo data, DataCounts counts) => loss is null || spec.Evaluate.Metrics.IsEmpty
        ? null : new MetricSet(spec.Evaluate.Metrics, catalog.Metrics, loss, data, Math.Max(counts.Validation, counts.Test));

    private static DataSplits Split(Dataset dataset, DataSpec spec)
    {
        var labels = dataset.Labels;
        var classes = dataset.Info.Classes;
        if (!labels.IsEmpty)
        {
            int kinds = 0;
            foreach (int label in labels)
            {
                if (label < 0) throw new SpecException("data.name", $"data set '{spec.Kind}' has a label {label}, but labels count from 0");
                kinds = Math.Max(kinds, label + 1);
            }
            // a data set may give labels for stratification alone, without names
            for (int kind = classes.Length; kind < kinds; kind++) classes = classes.Add(kind.ToString(CultureInfo.InvariantCulture));
        }
        return DataSplitter.Split(dataset.Count, dataset.TestCount, labels, classes, spec.ValidationFraction, spec.TestFraction,
            spec.SplitSeed, DataFold.Of(spec));
    }
}
