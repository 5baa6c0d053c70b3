using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace DistOpt.Core.Optimizers;

/// <summary>Options of optimizers with means of the gradients and of their squares (Adam and its relatives), with torch's defaults for adam.</summary>
public abstract record MomentOptions : ILearningRateOptions
{
    bool ILearningRateOptions.IsAdaptive => true;

    bool ILearningRateOptions.KeepsMeanSquares => true;

    bool ILearningRateOptions.TakesProximalStep => true;

    [Description("Base learning rate")]
    [Range(0.0, 1e9, MinimumIsExclusive = true)]
    public double LearningRate { get; init; } = 1e-3;

    [Description("Decay rate of the mean of gradients")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Beta1 { get; init; } = 0.9;

    [Description("Decay rate of the mean of squared gradients")]
    [Range(0.0, 1.0, MaximumIsExclusive = true)]
    public double Beta2 { get; init; } = 0.999;

    [Description("Added to the root of the mean square, against division by zero")]
    [Range(1e-30, 1.0)]
    public double Epsilon { get; init; } = 1e-8;
}
