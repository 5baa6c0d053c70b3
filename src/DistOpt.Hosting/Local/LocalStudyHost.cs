using Akka.Actor;
using DistOpt.Actors.Studies;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Journal;

namespace DistOpt.Hosting.Local;

/// <summary>Gives commands to a study that runs. What is given before it runs waits for it. Thread-safe.</summary>
public sealed class StudyCommands
{
    private readonly TaskCompletionSource<IActorRef> _supervisor = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Carries out a command; the answer comes once it is stored.</summary>
    public async Task<CommandAnswer> GiveAsync(Func<StudyEngine, CommandAnswer> carry, CancellationToken cancellationToken = default)
    {
        var supervisor = await _supervisor.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        return await supervisor.Ask<CommandAnswer>(new StudyCommand(carry), Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Where the study stands.</summary>
    public async Task<StudyStatus> StatusAsync(CancellationToken cancellationToken = default)
    {
        var supervisor = await _supervisor.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        return await supervisor.Ask<StudyStatus>(new AskStudy(), Timeout.InfiniteTimeSpan, cancellationToken).ConfigureAwait(false);
    }

    internal void Reach(IActorRef supervisor) => _supervisor.TrySetResult(supervisor);
}

/// <summary>
/// Runs one study in this process: its supervisors, and the jobs of its trials on one node that has every role. Leaves no thread behind.
/// </summary>
public static class LocalStudyHost
{
    /// <summary>Runs the study until it ends or is interrupted.</summary>
    /// <param name="run">What to run; its supervisors are given the job coordinator.</param>
    /// <param name="journalFile">SQLite file of its events, from which it goes on; null = they are not stored.</param>
    /// <param name="interrupt">Ends all attempts with a checkpoint; the study can be gone on with.</param>
    /// <returns>Where the study stands; what has not ended has no <see cref="StudyStatus.End"/>.</returns>
    /// <exception cref="SpecException">The journal cannot be opened, or bad input was found.</exception>
    public static async Task<StudyStatus> RunAsync(StudyRun run, string? journalFile, JobParts parts, StudyCommands? commands, CancellationToken interrupt)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Study.Isolation == TrialIsolation.Process)
        {
            throw new SpecException("study.isolation",
                "is process, but this study runs in one process: submit it to a cluster, or use auto, which means none here");
        }
        var journal = journalFile is null ? null : new SqliteJournal(Path.GetFullPath(journalFile));
        if (journal is not null)
        {
            journal.Prepare();
            await TakeAsync(journal).ConfigureAwait(false);
        }
        try
        {
            await using var node = new LocalNode(parts, run.Time, journal);
            var ended = new TaskCompletionSource<StudyStatus>(TaskCreationOptions.RunContinuationsAsynchronously);
            var here = run with { Jobs = node.Coordinator, IsDurable = journal is not null };
            var host = node.System.ActorOf(Props.Create(() => new HostActor(here, ended, commands)), "study");
            await using var registration = interrupt.Register(() => host.Tell(new InterruptStudy())).ConfigureAwait(false);
            return await ended.Task.ConfigureAwait(false);
        }
        finally
        {
            journal?.Release();
        }
    }

    private static async Task TakeAsync(SqliteJournal journal)
    {
        try
        {
            await journal.TakeAsync().ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw new SpecException("--resume", $"the study is being run by another process: {e.Message}");
        }
    }

    private sealed class HostActor : ReceiveActor
    {
        private readonly TaskCompletionSource<StudyStatus> _ended;

        public HostActor(StudyRun run, TaskCompletionSource<StudyStatus> ended, StudyCommands? commands)
        {
            _ended = ended;
            var supervisor = Context.Watch(Context.ActorOf(StudySupervisorActor.Props(run), "supervisor"));
            commands?.Reach(supervisor);
            Receive<InterruptStudy>(interrupt => supervisor.Tell(interrupt));
            Receive<StudyOver>(over => ended.TrySetResult(over.Status));
            Receive<StudyLeft>(left => ended.TrySetResult(left.Status));
            Receive<StudyUnchanged>(unchanged => ended.TrySetException(new SpecException("", unchanged.Answer.Refusal ?? "the study has had the command before")));
            Receive<StudyBroke>(broke => ended.TrySetException(broke.Why));
            Receive<Terminated>(_ => ended.TrySetException(new InvalidOperationException("the study's supervisor has stopped")));
        }

        protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
        {
            _ended.TrySetException(error is ActorInitializationException { InnerException: { } inner } ? inner : error);
            return Directive.Stop;
        });
    }
}
