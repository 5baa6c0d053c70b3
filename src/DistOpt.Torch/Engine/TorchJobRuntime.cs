using System.Collections.Immutable;
using System.Reflection;
using DistOpt.Core.Datasets;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Inference;

namespace DistOpt.Torch.Engine;

/// <summary>What opening a job gave.</summary>
/// <param name="Initial">The module with the initial weights, bound to <paramref name="Weights"/>; never trained.</param>
/// <param name="Code">Assemblies of the user's code.</param>
internal sealed record TorchJobState(TrainingSpec Spec, Dataset Dataset, DataSplits Splits, TorchModel Model, FlatModule Initial,
    BatchLoader Loader, FlatBuffer Weights, float[] Buffers, ImmutableArray<Assembly> Code, WarmUpResult Probe);

/// <summary>A job's model and data on this machine; <see cref="TorchRuntimeFactory.Open"/> makes it.</summary>
public sealed class TorchJobRuntime : IJobRuntime
{
    private readonly TorchJobState _job;
    private readonly Lazy<JobFingerprint> _fingerprint;
    private readonly Lock _files = new();
    private bool _disposed;

    internal TorchJobRuntime(TorchJobState job)
    {
        _job = job;
        _fingerprint = new Lazy<JobFingerprint>(() => Fingerprints.Of(job));
    }

    public ParameterLayout Layout => _job.Initial.Layout;

    public DataCounts Data => _job.Splits.Counts;

    /// <summary>Which samples are in which part, with counts by class.</summary>
    public DataSplits Splits => _job.Splits;

    /// <summary>What the data set says of itself.</summary>
    public DataInfo DataInfo => _job.Dataset.Info;

    public JobFingerprint Fingerprint => _fingerprint.Value;

    public IReadOnlyList<string> Classes => _job.Dataset.Info.Classes;

    public IReadOnlyList<string> Warnings => _job.Probe.Warnings;

    public void WriteInitialWeights(Span<float> parameters, Span<float> buffers)
    {
        _job.Weights.Span.CopyTo(parameters);
        _job.Buffers.CopyTo(buffers);
    }

    public IGradientWorker CreateWorker(FlatBuffer weights)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var flat = _job.Model.Create();
        try
        {
            if (!flat.Layout.Parameters.SequenceEqual(Layout.Parameters) || !flat.Layout.Buffers.SequenceEqual(Layout.Buffers))
            {
                throw new InvalidOperationException($"the factory of model '{_job.Model.Name}' made a module of another layout the second "
                    + "time: it must give equal modules for equal options and data");
            }
            flat.ShareConstants(_job.Initial);
            flat.Bind(weights);
            return new TorchGradientWorker(_job.Model, flat, _job.Model.CreateBf16(_job.Initial), _job.Loader, _job.Spec.Data.Prefetch);
        }
        catch
        {
            flat.Dispose();
            throw;
        }
    }

    public void SaveModel(string path, ReadOnlyMemory<float> parameters, ReadOnlyMemory<float> buffers)
    {
        lock (_files) WeightFile.Save(path, _job.Initial.Inventory, parameters, buffers);
    }

    public void SaveInference(string path)
    {
        lock (_files) InferenceDocument.Create(_job.Spec, _job.Model.Data, _job.Dataset.Normalization).Save(path);
    }

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _job.Initial.Dispose();
        _job.Dataset.Dispose();
    }
}
