using DistOpt.Core.Specs;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>Options of <c>fifo</c>: there are none.</summary>
public sealed record FifoOptions;

/// <summary>The plug-ins under <c>study.trial_scheduler</c>. Adding one is one file and one line here.</summary>
public static class TrialSchedulerCatalog
{
    public static Catalog<object> Default { get; } = new Catalog<object>("trial scheduler")
        .Add(new("fifo", typeof(FifoOptions), new FifoOptions(), "every trial runs to its end, in the order of their numbers"));
}
