using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>
/// Remembers the runtime that a host opened here, for it alone can write the model files of the run; and holds what can only be checked
/// once the model exists.
/// </summary>
internal sealed class KeptRuntime(IJobRuntimeFactory inner) : IJobRuntimeFactory
{
    /// <summary>Key ranges are cut at multiples of so many parameters.</summary>
    private const int BlockLength = 1024;

    private volatile IJobRuntime? _runtime;

    public IJobRuntime Runtime =>
        _runtime ?? throw new InvalidOperationException("no runtime was opened in this process, so no model file can be written");

    public IJobRuntime Open(TrainingSpec spec)
    {
        var runtime = inner.Open(spec);
        try
        {
            Check(spec, runtime);
        }
        catch
        {
            runtime.Dispose();
            throw;
        }
        return _runtime = runtime;
    }

    /// <exception cref="SpecException">More servers than blocks of 1,024 parameters, or nothing to train on.</exception>
    internal static void Check(TrainingSpec spec, IJobRuntime runtime)
    {
        var violations = new ViolationCollector();
        long parameters = runtime.Layout.ParameterCount;
        long blocks = (parameters + BlockLength - 1) / BlockLength;
        if (parameters == 0) violations.Add("model", "has no trainable parameters; free some in model.freeze");
        else if (spec.Training.Servers > blocks)
            violations.Add("training.servers", $"is {spec.Training.Servers}, but must be at most {blocks}: the model's {parameters} parameters are {blocks} blocks of {BlockLength}");
        if (runtime.Data.Train == 0) violations.Add("data", "has no training samples; lower data.validation_fraction or data.test_fraction");
        violations.ThrowIfAny();
    }
}
