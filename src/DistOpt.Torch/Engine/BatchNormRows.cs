using System.Reflection;
using DistOpt.Core.Batching;
using DistOpt.Core.Specs;
using DistOpt.Torch.Models;
using TorchSharp.Modules;

using static TorchSharp.torch;

namespace DistOpt.Torch.Engine;

/// <summary>
/// Whether the batch norms of the catalogue's models see more than one row at a time. With one row there is no variance: PyTorch ends the run then; here the
/// last sample of an epoch may be alone (<see cref="Norms.Apply"/>), but a layer that never normalizes is a mistake of the spec.
/// </summary>
internal static class BatchNormRows
{
    /// <param name="spec">The resolved spec.</param>
    /// <param name="module">Its model.</param>
    /// <param name="trainCount">Samples in the training part, at least 1.</param>
    /// <returns>A warning where some batches are that small; else null.</returns>
    /// <exception cref="SpecException">All of them are.</exception>
    public static string? Check(TrainingSpec spec, nn.Module module, long trainCount)
    {
        if (spec.Model.Options is not { } options || !IsNormalized(options) || !module.modules().Any(m => m is BatchNorm1d)) return null;
        var bounds = BatchBounds.Of(spec.Batch, trainCount);
        int shards = spec.Training.GradientShards ?? spec.Training.Workers;
        const string what = "batch norm then has one row for its mean and variance, so it takes its running ones and leaves them as they are";
        if (BatchBounds.RowsOf(spec, bounds.Most) == 1)
        {
            throw spec.Training.MicroBatch == 1
                ? new SpecException("training.micro_batch", $"is 1, but model.norm is batch: {what}; raise it, or use norm layer")
                : new SpecException("model.norm", $"is batch, but batches of at most {bounds.Most} samples on {shards} gradient shards have one in each: {what}; "
                    + "raise batch.size, lower training.gradient_shards, or use norm layer");
        }
        return BatchBounds.LeastRowsOf(spec, bounds.Least) > 1 ? null
            : $"of batches of {bounds.Least} samples on {shards} gradient shards some passes have one row: {what}";
    }

    private static bool IsNormalized(object options) => options.GetType().GetProperties()
        .Any(p => p.GetCustomAttribute<NormNameAttribute>() is not null && p.GetValue(options) is Norms.Batch);
}
