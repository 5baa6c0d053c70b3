using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>An attempt as a node runs it: it counts up resource, and reports at every multiple of the interval.</summary>
internal sealed class SimulatedAttempt(TrialOrder order)
{
    public TrialOrder Order => order;

    public AttemptId Id => order.Id;

    /// <summary>What the trial has had.</summary>
    public long Step { get; set; } = order.From?.Resource ?? 0;

    public double Seconds { get; set; }

    /// <summary>Steps that it has told of.</summary>
    public List<long> Reported { get; } = [];

    /// <summary>Whether it has a slot and computes.</summary>
    public bool IsAlive { get; set; } = true;
}

/// <summary>What happens to attempts and to whoever drives the study; probabilities for each event.</summary>
internal sealed record Chaos
{
    public static Chaos None { get; } = new();

    public static Chaos Wild { get; } = new() { Loss = 0.03, Duplicate = 0.15, Zombie = 0.5, Kill = 0.02, AnswerLost = 0.05 };

    /// <summary>An attempt is gone in place of its report.</summary>
    public double Loss { get; init; }

    /// <summary>A report comes twice.</summary>
    public double Duplicate { get; init; }

    /// <summary>A lost attempt is heard of once more.</summary>
    public double Zombie { get; init; }

    /// <summary>Whoever drives the study is gone, with an end of the journal that was not on disk.</summary>
    public double Kill { get; init; }

    /// <summary>What was said to a report does not arrive, and it is sent again.</summary>
    public double AnswerLost { get; init; }

    /// <summary>The study is rebuilt from all its events, without anybody noticing.</summary>
    public double Rebuild { get; init; }
}
