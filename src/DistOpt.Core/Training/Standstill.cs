namespace DistOpt.Core.Training;

/// <summary>
/// Whether a job loses its nodes to itself: user code that ends the process which runs it (native code that aborts, memory that runs out) takes one node
/// after the other along, always at the same step, and would do so for as long as nodes are started again. Other losses come at other steps.
/// </summary>
public sealed class Standstill
{
    /// <summary>Losses at one step, for each node that the job has, after which it is no accident any more.</summary>
    public const int LossesPerNode = 5;

    /// <summary>A step more or less is the same one: the latest may not have been told yet.</summary>
    private const int Tolerance = 1;

    /// <summary>Step of the losses; -1 = there were none.</summary>
    public long Step { get; private set; } = -1;

    /// <summary>Nodes that were lost there, one after the other.</summary>
    public int Losses { get; private set; }

    /// <summary>Most nodes that the job had at once meanwhile.</summary>
    public int Nodes { get; private set; }

    /// <summary>Whether there were too many.</summary>
    public bool IsTooLong => Losses >= LossesPerNode * Math.Max(1, Nodes);

    /// <summary>Nodes were lost.</summary>
    /// <param name="step">Steps that were complete then.</param>
    /// <param name="lost">How many nodes.</param>
    /// <param name="nodes">That the job had until then.</param>
    public void Lose(long step, int lost, int nodes)
    {
        bool isSame = Step >= 0 && Math.Abs(step - Step) <= Tolerance;
        (Step, Losses, Nodes) = isSame ? (Math.Max(step, Step), Losses + lost, Math.Max(Nodes, nodes)) : (step, lost, nodes);
    }

    /// <summary>Goes on from what a former coordinator has kept.</summary>
    public void Restore(long step, int losses, int nodes) => (Step, Losses, Nodes) = (step, losses, nodes);
}
