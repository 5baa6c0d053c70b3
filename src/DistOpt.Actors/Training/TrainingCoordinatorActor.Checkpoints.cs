using System.Collections.Immutable;
using Akka.Actor;
using Akka.Event;
using DistOpt.Actors.Nodes;
using DistOpt.Core.Averaging;
using DistOpt.Core.Checkpoints;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Training;

/// <summary>Checkpoints: when they are due, what belongs to them, and going on from one.</summary>
internal sealed partial class TrainingCoordinatorActor
{
    private const string CheckpointTimer = "checkpoint";

    private readonly List<SkippedCheckpoint> _skipped = [];
    private CheckpointStore? _store;
    private IActorRef? _writer;
    private CheckpointManifest? _resumed;
    private long? _latestCheckpoint;
    private double _copySeconds;
    private double _writeSeconds;

    // somebody asked for a checkpoint: the step since which none has been written; null = nobody did
    private long? _askedSince;

    private sealed record CheckpointDue : INoSerializationVerificationNeeded;

    private StateLayout StateLayout => new(_handle!.Runtime.Layout, Rule, AveragingCatalog.Of(Spec) is not null);

    private void OpenCheckpoints()
    {
        _store = Spec.Storage.Kind == StorageSection.Shared ? OpenShared()
            : _submission.CheckpointDirectory is { } directory ? new CheckpointStore(directory) : null;
        if (_store is null) return;
        var runtime = _handle!.Runtime;
        var template = new CheckpointManifest
        {
            Job = _submission.Job.Value,
            State = new TrainingState { Step = 0 },
            Epoch = 0,
            BatchStart = 0,
            Seed = Spec.Seed,
            GradientShards = Spec.Training.GradientShards!.Value,
            SpecIdentity = SpecIdentity.Hash(Spec),
            Parameters = CheckpointManifest.Tensors(runtime.Layout.Parameters),
            Buffers = CheckpointManifest.Tensors(runtime.Layout.Buffers),
            Optimizer = Spec.Optimizer.Kind,
            Slots = [.. Rule.Slots],
            BatchSize = Core.Batching.BatchPlanner.Of(Spec, runtime.Data.Train).Nominal,
            TrainSamples = runtime.Data.Train,
        };
        if (_submission.Resumes)
        {
            using var newest = _store.OpenNewest(_skipped);
            if (newest is not null)
            {
                CheckFits(newest, template);
                _resumed = Own(newest.Manifest);
                _latestCheckpoint = newest.Step;
                TakeOver(_resumed.Run);
            }
            else if (_submission.Recovery is null)
            {
                // what there was would be lost to a run that begins anew in its place
                if (_skipped.Count > 0) throw NoneIsSound(_store.Directory);
                _warnings.Add($"there is no checkpoint in {_store.Directory}: the run begins anew");
            }
        }
        var (store, layout, keep) = (_store, StateLayout, Spec.Checkpoint.Keep);
        _writer = Context.ActorOf(Props.Create(() => new CheckpointWriterActor(_submission.Job, _services, store, layout, template, keep))
            .WithDispatcher(_services.ComputeDispatcher), "checkpoints");
    }

    private SpecException NoneIsSound(string directory) => new("--resume", $"no checkpoint in {directory} is sound ({string.Join("; ", _skipped)}): "
        + "bring back a good copy of one, or begin a new run without --resume");

    /// <exception cref="SpecException">The checkpoint is one of another job.</exception>
    private void CheckFits(Checkpoint checkpoint, CheckpointManifest own)
    {
        var theirs = checkpoint.Manifest;
        if (theirs.SpecIdentity != own.SpecIdentity && _submission.Trial is not { IsOfAnother: true })
            throw new SpecException("--resume", $"{checkpoint.Path} belongs to another spec: only what does not change the bits (workers, servers, paths, limits) may differ when a run is resumed");
        try
        {
            checkpoint.CheckLayout(StateLayout);
        }
        catch (InvalidDataException e)
        {
            if (_submission.Trial is { From: { } trial, Structural: var structural }) throw DoesNotFit(trial, structural, e.Message);
            throw new SpecException("--resume", $"{checkpoint.Path} does not fit the model: {e.Message}; resume with the build that wrote it");
        }
        if (theirs.TrainSamples != own.TrainSamples)
            throw new SpecException("--resume", $"{checkpoint.Path} was trained on {theirs.TrainSamples} samples, but the data set has {own.TrainSamples} now");
    }

    /// <summary>Nobody has resumed anything: the study has given the trial parameters with which the state is none of its own.</summary>
    private static SpecException DoesNotFit(int trial, ImmutableArray<string> structural, string why) => new("study",
        FormattableString.Invariant($"the trial was to go on from the state of trial {trial}, which does not fit its own model and optimizer: {why}; ")
        + (structural.IsEmpty ? "nothing that is searched changes them, so the program is another one than when the state was written: bring that back"
            : "the parameters that are explored change of what a state consists: leave those that do out of the space, or use a trial scheduler that copies none, "
                + $"such as asha; searched are {string.Join(", ", structural.Take(10))}{(structural.Length > 10 ? ", ..." : "")}"));

    /// <summary>
    /// What the job goes on from by a checkpoint. What another spec has selected is none of its own: a trial that has copied another one is to have the value
    /// that its own parameters have come to. That is seen by the spec, so that a job that is lost before it has written one of its own goes on alike.
    /// </summary>
    private CheckpointManifest Own(CheckpointManifest manifest) =>
        manifest.SpecIdentity == SpecIdentity.Hash(Spec) ? manifest : manifest.UnderAnotherSpec();

    /// <summary>What the run had reached counts on.</summary>
    private void TakeOver(ManifestRun run)
    {
        (_train, _validation) = (run.Train, run.Validation);
        (_workerFailures, _serverFailures, _rollbacks) = (run.WorkerFailures, run.ServerFailures, run.Rollbacks);
        _stepsRedone = Math.Max(0, run.StepsComputed - _resumed!.Step);
        _lastRows[DataSplit.Train] = _resumed.State.SinceRow.Count == 0 ? _resumed.Step : _resumed.Step - 1;
        _lastRows[DataSplit.Validation] = _resumed.State.Evaluated ? _resumed.Step : _resumed.Step - 1;
    }

    private ManifestRun RunSoFar(long step) => new()
    {
        WallSeconds = _progress.WallSeconds,
        Train = _train,
        Validation = _validation,
        WorkerFailures = _workerFailures,
        ServerFailures = _serverFailures,
        Rollbacks = _rollbacks,
        StepsComputed = StepsComputed(step),
    };

    private void OnAsked()
    {
        if (_ended) return;
        if (_store is null)
        {
            Note("warning", "a checkpoint was asked for, but the run has no folder for checkpoints: give it a run directory");
            return;
        }
        _askedSince ??= _progress.CurrentStep;
        OnCheckpointDue();
    }

    private void ScheduleCheckpoint()
    {
        if (_store is null) return;
        // whom it was asked of may be gone
        if (_askedSince is not null) OnCheckpointDue();
        double seconds = Spec.Checkpoint.EverySeconds ?? double.PositiveInfinity;
        if (Spec.Checkpoint is { Auto: true, EverySteps: null, EverySeconds: null })
            seconds = CheckpointInterval.Auto(_copySeconds, _writeSeconds, _progress.WallSeconds, _workerFailures + _serverFailures);
        if (double.IsFinite(seconds)) Timers.StartSingleTimer(CheckpointTimer, new CheckpointDue(), TimeSpan.FromSeconds(Math.Min(seconds, 1e7)));
    }

    private void OnCheckpointDue()
    {
        if (_ended || _state != "training") return;
        Send(FirstServer.Peer.Node, NodeActors.Server(0), new RequestCheckpoint());
    }

    private void OnGathered(CheckpointGathered gathered)
    {
        // whoever goes on from it is not told again what came before
        if (_sinkStarted) _sink!.Flush();
        _writer!.Tell(new CommitCheckpoint(gathered.Step, RunSoFar(gathered.Step)));
    }

    private void OnWritten(CheckpointWritten written)
    {
        if (_ended) return;
        _progress.Moved();
        _latestCheckpoint = written.Step;
        if (written.Step > _askedSince) _askedSince = null;
        (_copySeconds, _writeSeconds) = (written.CopySeconds, written.WriteSeconds);
        Note("debug", $"checkpoint of step {written.Step} written in {written.WriteSeconds:0.000} s, copied in {written.CopySeconds:0.000} s: {written.Path}");
        Context.Parent.Tell(new StoreCheckpoint(_submission.Job, written.Step, written.Path));
    }

    /// <summary>Training goes on: what was written before is still there. The next interval tries again.</summary>
    private void OnCheckpointFailed(CheckpointFailed failed)
    {
        if (_ended) return;
        _log.Error(failed.Error, "Job [{0}]: the checkpoint of step {1} could not be written", _submission.Job, failed.Step);
        Note("error", $"the checkpoint of step {failed.Step} could not be written: {failed.Error.Message}");
        // a trial is to be gone on with from it, once there is room
        if (_submission.Trial is not null && DiskFull.Find(failed.Error) is not null) throw failed.Error;
        // nor is one that was asked for tried again at every step
        (_awaitCheckpoint, _askedSince) = (null, null);
        CheckpointIsOver(failed.Step);
    }

    private void CheckpointIsOver(long step)
    {
        if (_ended) return;
        TellStatus();
        ReleaseAfterCheckpoint();
        if (_state == "saving" && _training?.Step == step)
        {
            CollectLast();
            return;
        }
        if (_state != "training") return;
        Send(FirstServer.Peer.Node, NodeActors.Server(0), new CheckpointDone(step));
        ScheduleCheckpoint();
    }
}
