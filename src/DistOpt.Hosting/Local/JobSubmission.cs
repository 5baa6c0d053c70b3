using Akka.Actor;
using DistOpt.Actors.Training;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Hosting.Local;

/// <summary>A caller outside of the actors: submits a job, may ask for its stop, and waits for its end.</summary>
internal static class JobSubmission
{
    /// <exception cref="SpecException">Bad input.</exception>
    /// <exception cref="InvalidOperationException">The coordinator rejects the job, or the node stops before its end.</exception>
    public static async Task<RunSummary> RunAsync(ActorSystem system, IActorRef coordinator, SubmitJob submit,
        IReadOnlyList<(CancellationToken Token, StopReason Reason)> stops, CheckpointRequests? requests = null)
    {
        var ended = new TaskCompletionSource<JobEnded>(TaskCreationOptions.RunContinuationsAsynchronously);
        var submitter = system.ActorOf(Props.Create(() => new SubmitterActor(coordinator, ended)));
        submitter.Tell(submit);
        requests?.Listen(() => submitter.Tell(new AskCheckpoint(submit.Job)));
        var registrations = stops.Select(s => s.Token.Register(() => coordinator.Tell(new StopJob(submit.Job, s.Reason)))).ToList();
        try
        {
            var end = await ended.Task.ConfigureAwait(false);
            return end.BadInput is { } bad ? throw bad : end.Summary;
        }
        finally
        {
            requests?.Listen(null);
            foreach (var registration in registrations) await registration.DisposeAsync().ConfigureAwait(false);
            system.Stop(submitter);
        }
    }

    private sealed class SubmitterActor : ReceiveActor
    {
        private readonly TaskCompletionSource<JobEnded> _ended;

        public SubmitterActor(IActorRef coordinator, TaskCompletionSource<JobEnded> ended)
        {
            _ended = ended;
            Receive<SubmitJob>(submit => coordinator.Tell(submit));
            Receive<AskCheckpoint>(ask => coordinator.Tell(ask));
            Receive<JobAccepted>(_ => { });
            Receive<JobRejected>(rejected => ended.TrySetException(new InvalidOperationException(rejected.Reason)));
            Receive<JobEnded>(end => ended.TrySetResult(end));
        }

        /// <summary>The whole node may stop, and then nobody else answers.</summary>
        protected override void PostStop() => _ended.TrySetException(new InvalidOperationException("the node was stopped before the job had ended"));
    }
}
