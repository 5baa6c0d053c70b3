using DistOpt.Actors.Nodes;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Hosting.Processes;

/// <summary>Opens a model and data in another process, to see what becomes of it.</summary>
internal interface IOpeningRehearsal
{
    /// <summary>Blocks until it is known, or has taken too long to wait for.</summary>
    /// <returns>How the process ended, where it ended without having opened them (or thrown); null where this process may do it too.</returns>
    string? Try(TrainingSpec spec);
}

/// <summary>
/// Opens models and data in this process, but what a former process of this node ended with is first opened by a process of its own: if that ends too, the
/// job is refused with its last words, and the node goes on. Otherwise a model that aborts would take the node along each time it is started.
/// </summary>
internal sealed class GuardedRuntimes(IJobRuntimeFactory inner, ISpecCodec specs, OpeningMarks marks, IOpeningRehearsal rehearsal) : IJobRuntimeFactory
{
    public IJobRuntime Open(TrainingSpec spec)
    {
        var subject = new OpeningMarks.Subject($"data {spec.Data.Kind}, model {spec.Model.Kind}", OpeningMarks.Hash(specs.Write(spec)));
        bool isSuspect = marks.IsSuspect(subject);
        if (isSuspect && rehearsal.Try(spec) is { } end)
        {
            marks.Blame(subject);
            throw new SpecException("model", $"cannot be opened with these data: a process of this node had ended while it opened {subject.Family}, so a "
                + $"process of its own tried it first, and has ended too: {end}");
        }
        IJobRuntime runtime;
        using (marks.Begin(subject)) runtime = inner.Open(spec);
        if (isSuspect) marks.Clear(subject);
        return runtime;
    }
}
