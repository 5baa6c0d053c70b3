using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>Remembers the runtime that a host opened here, for it alone can write the model files of the run.</summary>
internal sealed class KeptRuntime(IJobRuntimeFactory inner) : IJobRuntimeFactory
{
    private volatile IJobRuntime? _runtime;

    public IJobRuntime Runtime =>
        _runtime ?? throw new InvalidOperationException("no runtime was opened in this process, so no model file can be written");

    public IJobRuntime Open(TrainingSpec spec) => _runtime = inner.Open(spec);
}
