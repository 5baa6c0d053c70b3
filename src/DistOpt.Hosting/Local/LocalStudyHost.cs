using Akka.Actor;
using DistOpt.Actors.Studies;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Processes;

namespace DistOpt.Hosting.Local;

/// <summary>
/// Runs one study in this process: its supervisors, and the jobs of its trials on one node that has every role. Leaves no thread behind, nor any of the child
/// processes that attempts run in where <c>study.isolation</c> is <c>process</c>.
/// </summary>
public static class LocalStudyHost
{
    /// <summary>Runs the study until it ends or is interrupted.</summary>
    /// <param name="run">What to run; its supervisors are given the job coordinator.</param>
    /// <param name="journalFile">SQLite file of its events, from which it goes on; null = they are not stored.</param>
    /// <param name="interrupt">Ends all attempts with a checkpoint; the study can be gone on with.</param>
    /// <param name="program">
    /// What child processes are started with: a program of the same build that knows the commands of <see cref="ClusterNode.StartAsync"/>; null = this one.
    /// </param>
    /// <returns>Where the study stands; what has not ended has no <see cref="StudyStatus.End"/>.</returns>
    /// <exception cref="SpecException">The journal cannot be opened, bad input was found, or no child process starts.</exception>
    public static async Task<StudyStatus> RunAsync(StudyRun run, string? journalFile, JobParts parts, StudyCommands? commands, CancellationToken interrupt,
        ProgramStart? program = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        SqliteJournal? journal = null;
        try
        {
            journal = journalFile is null ? null : new SqliteJournal(Path.GetFullPath(journalFile));
            if (journal is not null)
            {
                journal.Prepare();
                await TakeAsync(journal).ConfigureAwait(false);
            }
            var ended = new TaskCompletionSource<StudyStatus>(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var node = await LocalStudyNode.StartAsync(run, journal, parts, program, why => ended.TrySetException(why), interrupt)
                .ConfigureAwait(false);
            var here = run with { Jobs = node.Jobs, IsDurable = journal is not null, Setup = run.Setup with { SharesProcess = node.SharesProcess } };
            var host = node.System.ActorOf(Props.Create(() => new HostActor(here, ended, commands)), "study");
            await using var registration = interrupt.Register(() => host.Tell(new InterruptStudy())).ConfigureAwait(false);
            var status = await ended.Task.ConfigureAwait(false);
            commands?.End(status);
            return status;
        }
        finally
        {
            commands?.End(null);
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
            Receive<StudyOver>(over => End(over.Status, over.Repeat));
            Receive<StudyLeft>(left => End(left.Status, left.Repeat));
            Receive<StudyUnchanged>(unchanged => ended.TrySetException(new SpecException("", unchanged.Answer.Refusal ?? "the study has had the command before")));
            Receive<StudyBroke>(broke => ended.TrySetException(broke.Why));
            Receive<Terminated>(_ => ended.TrySetException(new InvalidOperationException("the study's supervisor has stopped")));

            void End(StudyStatus status, FindRepeat repeat)
            {
                commands?.Keep(repeat);
                ended.TrySetResult(status);
            }
        }

        protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(error =>
        {
            _ended.TrySetException(error is ActorInitializationException { InnerException: { } inner } ? inner : error);
            return Directive.Stop;
        });
    }
}
