using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>Options of <c>fifo</c>: there are none.</summary>
public sealed record FifoOptions : TrialSchedulerOptions;

/// <summary>One trial after the other, each to its own end. Remembers nothing.</summary>
public sealed class Fifo : ITrialScheduler
{
    public bool NeedsCheckpoints => false;

    public bool IsOrderIndependent => true;

    public SlotDecision Next(int? newTrial) => newTrial is { } number ? new(SlotAction.Start, number, long.MaxValue) : default;

    public ReportAction Report(int trial, long resource, double value) => ReportAction.Continue;

    public void End(int trial, TrialState state) { }
}
