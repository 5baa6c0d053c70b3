using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace DistOpt.Core.Averaging;

/// <summary>Options of <c>ema</c>. Averaging begins with the first step and goes by every step unless its fields say otherwise.</summary>
public sealed record ExponentialAverageOptions : AveragingOptions
{
    [Description("Share of the average that stays when weights enter")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Decay { get; init; } = 0.999;

    [Description("Whether the decay begins smaller, as (1 + n) / (10 + n) after n entries, so that a short run forgets its first weights")]
    public bool Warmup { get; init; }
}

/// <summary>
/// Exponential moving average of weights w, with n of them in it: a = w at n = 0, and then a = decay * a + (1 - decay) * w, as
/// <c>torch.optim.swa_utils.AveragedModel</c> with <c>get_ema_multi_avg_fn(decay)</c> (Polyak and Juditsky 1992; Tarvainen and Valpola 2017). With
/// the warm-up decay is min(decay, (1 + n) / (10 + n)), as in TensorFlow's ExponentialMovingAverage and in timm.
/// </summary>
public sealed class ExponentialAverage(ExponentialAverageOptions options) : IWeightAveraging
{
    public bool UsesBuffers => options.UseBuffers;

    public long StartOf(in AveragedRun run) => options.Start(run) ?? 0;

    public long IntervalOf(in AveragedRun run) => options.EverySteps ?? 1;

    public double ShareOf(long number) =>
        1 - (options.Warmup ? Math.Min(options.Decay, (1.0 + number) / (10.0 + number)) : options.Decay);
}
