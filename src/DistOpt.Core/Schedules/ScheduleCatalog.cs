using DistOpt.Core.Specs;

namespace DistOpt.Core.Schedules;

/// <summary>The built-in learning rate schedules. Adding one is one file and one line here.</summary>
public static class ScheduleCatalog
{
    /// <summary>The built-in schedules alone; not to be added to.</summary>
    public static Catalog<Func<object, ILearningRateSchedule>> Default { get; } = Create();

    /// <summary>A new catalogue with the built-in schedules, for an application to add its own to.</summary>
    public static Catalog<Func<object, ILearningRateSchedule>> Create() => new Catalog<Func<object, ILearningRateSchedule>>("schedule")
        .Add(new("constant", typeof(ConstantScheduleOptions), _ => new ConstantSchedule(), "the optimizer's learning rate at every step"));
}
