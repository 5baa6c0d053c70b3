using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>Refuses what can only be seen to be wrong once model and data are open.</summary>
internal sealed class CheckedRuntimes(IJobRuntimeFactory inner) : IJobRuntimeFactory
{
    /// <summary>Key ranges are cut at multiples of so many parameters.</summary>
    private const int BlockLength = 1024;

    public IJobRuntime Open(TrainingSpec spec)
    {
        var runtime = inner.Open(spec);
        try
        {
            Check(spec, runtime);
            return runtime;
        }
        catch
        {
            // nobody else knows it yet
            runtime.Dispose();
            throw;
        }
    }

    private static void Check(TrainingSpec spec, IJobRuntime runtime)
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
