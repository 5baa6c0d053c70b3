using DistOpt.Core.Specs;

namespace DistOpt.Core.Schedules;

/// <summary>The built-in learning rate schedules. Adding one is one file and one line here.</summary>
public static class ScheduleCatalog
{
    /// <summary>The built-in schedules alone; not to be added to.</summary>
    public static Catalog<Func<object, ILearningRateSchedule>> Default { get; } = Create();

    /// <summary>A new catalogue with the built-in schedules, for an application to add its own to.</summary>
    public static Catalog<Func<object, ILearningRateSchedule>> Create() => new Catalog<Func<object, ILearningRateSchedule>>("schedule")
        .Add(new("constant", typeof(ConstantScheduleOptions), _ => new ConstantSchedule(),
            "the optimizer's learning rate at every step", "transformers.get_constant_schedule"))
        .Add(new("step", typeof(StepScheduleOptions), o => new StepSchedule((StepScheduleOptions)o),
            "drops by a factor at regular intervals", "torch.optim.lr_scheduler.StepLR"))
        .Add(new("multi-step", typeof(MultiStepScheduleOptions), o => new MultiStepSchedule((MultiStepScheduleOptions)o),
            "drops by a factor at milestones", "torch.optim.lr_scheduler.MultiStepLR"))
        .Add(new("exponential", typeof(ExponentialScheduleOptions), o => new ExponentialSchedule((ExponentialScheduleOptions)o),
            "times a factor after every epoch or step", "torch.optim.lr_scheduler.ExponentialLR"))
        .Add(new("inverse-time", typeof(InverseTimeScheduleOptions), o => new InverseTimeSchedule((InverseTimeScheduleOptions)o),
            "base / (1 + decay_rate * t / decay_steps)", "keras.optimizers.schedules.InverseTimeDecay"))
        .Add(new("inverse-sqrt", typeof(InverseSqrtScheduleOptions), o => new InverseSqrtSchedule((InverseSqrtScheduleOptions)o),
            "base / sqrt(1 + t / timescale)", "Vaswani et al. 2017; transformers.get_inverse_sqrt_schedule"))
        .Add(new("polynomial", typeof(PolynomialScheduleOptions), o => new PolynomialSchedule((PolynomialScheduleOptions)o),
            "a power of the share of the run that is left; power 1 = linear decay", "torch.optim.lr_scheduler.PolynomialLR"))
        .Add(new("cosine", typeof(CosineScheduleOptions), o => new CosineSchedule((CosineScheduleOptions)o),
            "half a cosine wave over the run", "torch.optim.lr_scheduler.CosineAnnealingLR; Loshchilov and Hutter 2017"))
        .Add(new("cosine-restarts", typeof(CosineRestartsScheduleOptions), o => new CosineRestartsSchedule((CosineRestartsScheduleOptions)o),
            "half cosine waves with warm restarts", "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts; Loshchilov and Hutter 2017"))
        .Add(new("one-cycle", typeof(OneCycleScheduleOptions), o => new OneCycleSchedule((OneCycleScheduleOptions)o),
            "one rise to the optimizer's learning rate and one fall; the momentum stays unless cycle_momentum is set, where torch cycles it by default", "torch.optim.lr_scheduler.OneCycleLR; Smith and Topin 2018"))
        .Add(new("cyclic", typeof(CyclicScheduleOptions), o => new CyclicSchedule((CyclicScheduleOptions)o),
            "triangular waves above the optimizer's learning rate; the momentum stays unless cycle_momentum is set, where torch cycles it by default", "torch.optim.lr_scheduler.CyclicLR; Smith 2017"))
        .Add(new("reduce-on-plateau", typeof(ReduceOnPlateauOptions), o => new ReduceOnPlateauSchedule((ReduceOnPlateauOptions)o),
            "times a factor when a validation metric has stopped improving", "torch.optim.lr_scheduler.ReduceLROnPlateau"));
}
