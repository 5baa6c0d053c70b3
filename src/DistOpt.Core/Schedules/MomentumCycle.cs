using System.ComponentModel.DataAnnotations;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Binding;

namespace DistOpt.Core.Schedules;

/// <summary>What is wrong with a cycled momentum, by itself and beside the optimizer.</summary>
internal static class MomentumCycle
{
    /// <summary>The defaults of torch's OneCycleLR.</summary>
    public const double OneCycleBase = 0.85, OneCycleMax = 0.95;

    /// <summary>The defaults of torch's CyclicLR.</summary>
    public const double CyclicBase = 0.8, CyclicMax = 0.9;

    /// <summary>Fields that do nothing, and a wave upside down.</summary>
    public static IEnumerable<ValidationResult> Validate(bool cycles, (double Value, double Usual) least, (double Value, double Usual) most)
    {
        if (!cycles && least.Value != least.Usual) yield return Unused(least.Value, "base_momentum", nameof(OneCycleScheduleOptions.BaseMomentum));
        if (!cycles && most.Value != most.Usual) yield return Unused(most.Value, "max_momentum", nameof(OneCycleScheduleOptions.MaxMomentum));
        if (cycles && least.Value > most.Value)
        {
            yield return new ValidationResult($"is {FieldRules.Display(least.Value)}, but must be at most {FieldRules.Display(most.Value)}, the max_momentum",
                [nameof(OneCycleScheduleOptions.BaseMomentum)]);
        }

        static ValidationResult Unused(double value, string field, string member) => new(
            $"is {FieldRules.Display(value)}, but cycle_momentum is false; set it to true, or leave {field} away", [member]);
    }

    /// <summary>A cycled momentum that the optimizer would not take, or that its proximal step could not reckon with.</summary>
    public static IEnumerable<SpecViolation> Violations(TrainingSpec spec)
    {
        if (spec.Schedule.Options is not IMomentumScheduleOptions { CycleMomentum: true }) yield break;
        if (spec.Optimizer.Options is { } options and not ILearningRateOptions { TakesMomentum: true })
        {
            // sgd, lars and rmsprop have one only where it is above 0
            string why = options.GetType().GetProperty("Momentum")?.GetValue(options) is double and 0
                ? "has momentum 0; set optimizer.momentum above 0" : "takes no momentum or beta1 from the schedule";
            yield return new("schedule.cycle_momentum", $"is true, but optimizer '{spec.Optimizer.Kind}' {why}, or set cycle_momentum to false");
        }
        if (spec.Regularization is { L1: > 0, L1Mode: L1Mode.Proximal })
        {
            yield return new("schedule.cycle_momentum", "is true, but regularization.l1_mode is proximal, whose step reckons with one momentum; "
                + "set l1_mode to subgradient, or cycle_momentum to false");
        }
    }
}
