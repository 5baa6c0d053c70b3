namespace DistOpt.Protocol;

/// <summary>The closed table of wire contracts: manifest to type. Append only; a name is never used again for another shape.</summary>
public static class WireManifests
{
    private static readonly Dictionary<string, Type> Types = new(StringComparer.Ordinal)
    {
        ["push-meta.1"] = typeof(PushMeta),
        ["answer-meta.1"] = typeof(AnswerMeta),
        ["envelope.1"] = typeof(NodeEnvelope),
        ["node-offer.1"] = typeof(NodeOffer),
        ["prepare-job.1"] = typeof(PrepareJob),
        ["job-prepared.1"] = typeof(JobPrepared),
        ["job-refused.1"] = typeof(JobRefused),
        ["start-job.1"] = typeof(StartJob),
        ["job-started.1"] = typeof(JobStarted),
        ["end-job.1"] = typeof(EndJob),
        ["begin-training.1"] = typeof(BeginTraining),
        ["request-stop.1"] = typeof(RequestStop),
        ["collect-parts.1"] = typeof(CollectParts),
        ["publish-selected.1"] = typeof(PublishSelected),
        ["ask-waiting.1"] = typeof(AskWaiting),
        ["waiting.1"] = typeof(Waiting),
        ["proceed.1"] = typeof(Proceed),
        ["evaluate-splits.1"] = typeof(EvaluateSplits),
        ["evaluation-slices.1"] = typeof(EvaluationSlices),
        ["train-row.1"] = typeof(TrainRow),
        ["validation-row.1"] = typeof(ValidationRow),
        ["step-progress.1"] = typeof(StepProgress),
        ["training-ended.1"] = typeof(TrainingEnded),
        ["job-failed.1"] = typeof(JobFailed),
        ["log-lines.1"] = typeof(LogLines),
        ["assign.1"] = typeof(Assign),
        ["server-restored.1"] = typeof(ServerRestored),
        ["request-checkpoint.1"] = typeof(RequestCheckpoint),
        ["checkpoint-done.1"] = typeof(CheckpointDone),
        ["save-state.1"] = typeof(SaveState),
        ["use-assignment.1"] = typeof(UseAssignment),
        ["fetch-version.1"] = typeof(FetchVersion),
        ["backup-seeded.1"] = typeof(BackupSeeded),
        ["replicate-meta.1"] = typeof(ReplicateMeta),
        ["shards-redone.1"] = typeof(ShardsRedone),
        ["state-meta.1"] = typeof(StateMeta),
        ["rows-stored.1"] = typeof(RowsStored),
        ["rows-kept.1"] = typeof(RowsKept),
        ["ask-running.1"] = typeof(AskRunning),
        ["job-running.1"] = typeof(JobRunning),
        ["drain-node.1"] = typeof(DrainNode),
        ["node-released.1"] = typeof(NodeReleased),
        ["live-jobs.1"] = typeof(LiveJobs),
        ["state-written.1"] = typeof(StateWritten),
        ["try-work.1"] = typeof(TryWork),
        ["lines-seen.1"] = typeof(LinesSeen),
        ["greeting.1"] = typeof(Greeting),
        ["fetch-average.1"] = typeof(FetchAverage),
        ["ask-version.1"] = typeof(AskVersion),
        ["version-held.1"] = typeof(VersionHeld),
        ["keep-trial-processes.1"] = typeof(KeepTrialProcesses),
        ["trial-process-ended.1"] = typeof(TrialProcessEnded),
        ["return-memory.1"] = typeof(ReturnMemory),
        ["memory-returned.1"] = typeof(MemoryReturned),
    };

    private static readonly Dictionary<Type, string> Names = Types.ToDictionary(p => p.Value, p => p.Key);

    public static IReadOnlyDictionary<string, Type> All => Types;

    /// <summary>Manifest of a message, or null if the type is not a contract.</summary>
    public static string? Of(Type type) => Names.GetValueOrDefault(type);

    public static Type? TypeOf(string? manifest) => manifest is null ? null : Types.GetValueOrDefault(manifest);
}
