using DistOpt.Core.Studies.Engine;

namespace DistOpt.Actors.Studies;

/// <summary>
/// Checkpoints that nobody can need any more. That is decided of where the study stands, stored or not; files go once all is stored that it follows from,
/// however much more is on its way to the journal by then.
/// </summary>
public sealed partial class StudySupervisorActor
{
    // attempts that are over, whose runs may have left checkpoints that nobody needs
    private readonly List<(int Trial, int Repeat)> _left = [];

    // runs whose checkpoints nobody needs once that much is stored
    private readonly Dictionary<(int Trial, int Repeat), long> _trims = [];
    private readonly Dictionary<TrialCheckpoint, long> _sizes = [];

    // those for which there was no room, and those of them that may come again, until they are deleted
    private readonly HashSet<TrialCheckpoint> _evicted = [];
    private readonly HashSet<TrialCheckpoint> _awaited = [];
    private bool _mayDelete = true;

    private void DeleteUnneeded()
    {
        if (_isOver || _engine is null || !_mayDelete) return;
        _mayDelete = false;
        DeleteAwaited();
        foreach (var checkpoint in _engine.Superfluous()) Forget(checkpoint);
        foreach (var run in _left)
            if (IsDoneWith(run)) _trims[run] = _decided;
        _left.Clear();
        if (_run.Study.DiskLimit is { } limit) KeepWithin((long)(limit * (1 << 30)));
    }

    private bool IsDoneWith((int Trial, int Repeat) run) => _engine!.IsDoneWith(run.Trial, run.Repeat) && !HasAttempt(run.Trial);

    private bool HasAttempt(int trial) => _attempts.Keys.Any(a => a.Trial == trial);

    private void KeepWithin(long limit)
    {
        long held = 0;
        foreach (var checkpoint in _engine!.Checkpoints)
        {
            if (!_sizes.TryGetValue(checkpoint, out long size)) _sizes[checkpoint] = size = _run.Trials.Size(checkpoint);
            held += size;
        }
        while (held > limit && _engine.LeastNeeded() is { } least)
        {
            held -= _sizes[least];
            _evicted.Add(least);
            Forget(least);
            _trims[(least.Trial, least.Repeat)] = _decided;
        }
    }

    /// <summary>The files go once that is stored: else a study that goes on without this event would look for them.</summary>
    private void Forget(TrialCheckpoint checkpoint)
    {
        _sizes.Remove(checkpoint);
        _engine!.Deleted(checkpoint);
    }

    private void Delete(TrialCheckpoint checkpoint)
    {
        // a trial that has begun anew meanwhile may be about to keep the same again
        if (_evicted.Remove(checkpoint) && HasAttempt(checkpoint.Trial)) _awaited.Add(checkpoint);
        else if (!_engine!.Checkpoints.Contains(checkpoint)) _run.Trials.Delete(checkpoint);
    }

    /// <summary>States whose trials were under way when they were given up, and have not kept them again.</summary>
    private void DeleteAwaited()
    {
        foreach (var checkpoint in _awaited.Where(c => !HasAttempt(c.Trial)).ToList())
        {
            _awaited.Remove(checkpoint);
            if (!_engine!.Checkpoints.Contains(checkpoint)) _run.Trials.Delete(checkpoint);
        }
    }

    /// <summary>What runs have left in their own folders, unless their trials have gone on since.</summary>
    private void Trim()
    {
        if (_isOver || _trims.Count == 0) return;
        foreach (var run in _trims.Where(t => t.Value <= _stored).Select(t => t.Key).ToList())
        {
            _trims.Remove(run);
            if (IsDoneWith(run)) _run.Trials.Trim(run.Trial, run.Repeat);
        }
    }
}
