using Akka.Actor;
using DistOpt.Actors.Studies;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Hosting.Local;

/// <summary>
/// Gives commands to a study that runs. What is given before it runs waits for it, what is given after its end is answered at once. Thread-safe.
/// </summary>
public sealed class StudyCommands
{
    private const string Ended = "the study has ended";

    private readonly TaskCompletionSource<IActorRef> _supervisor = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // with its last status, where it has one
    private readonly TaskCompletionSource<StudyStatus?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly Lock _looking = new();
    private FindRepeat? _repeat;

    /// <summary>
    /// Carries out a command; the answer comes once it is stored. After the study's end those that it has had are answered as repeats are before it.
    /// </summary>
    public async Task<CommandAnswer> GiveAsync(Func<StudyEngine, CommandAnswer> carry, CancellationToken cancellationToken = default)
    {
        if (await AskAsync<CommandAnswer?>(new StudyCommand(carry), cancellationToken).ConfigureAwait(false) is { } answer) return answer;
        lock (_looking) return _repeat?.Invoke(carry) ?? new(Refusal: Ended);
    }

    /// <summary>Where the study stands, or stood when it ended.</summary>
    /// <exception cref="SpecException">It has ended, and did not tell.</exception>
    public async Task<StudyStatus> StatusAsync(CancellationToken cancellationToken = default) =>
        await AskAsync<StudyStatus?>(new AskStudy(), cancellationToken).ConfigureAwait(false)
            ?? await _ended.Task.ConfigureAwait(false) ?? throw new SpecException("", Ended);

    internal void Reach(IActorRef supervisor) => _supervisor.TrySetResult(supervisor);

    /// <summary>What the study has had is known from now on; before <see cref="End"/>.</summary>
    internal void Keep(FindRepeat repeat)
    {
        lock (_looking) _repeat = repeat;
    }

    /// <summary>There is no supervisor any more: it has answered whatever it was going to.</summary>
    /// <param name="last">Where the study stands for good; null where it broke.</param>
    internal void End(StudyStatus? last) => _ended.TrySetResult(last);

    /// <returns>The answer; null where the study has ended without one.</returns>
    private async Task<T?> AskAsync<T>(object message, CancellationToken cancellationToken)
    {
        await Task.WhenAny(_supervisor.Task, _ended.Task).WaitAsync(cancellationToken).ConfigureAwait(false);
        if (_ended.Task.IsCompleted) return default;
        var supervisor = await _supervisor.Task.ConfigureAwait(false);
        var reply = new Reply<T>(((IInternalActorRef)supervisor).Provider);
        supervisor.Tell(message, reply);
        await Task.WhenAny(reply.Answer, _ended.Task).WaitAsync(cancellationToken).ConfigureAwait(false);
        // a supervisor answers before it ends: what is not there now does not come any more
        return reply.Answer.IsCompleted ? await reply.Answer.ConfigureAwait(false) : default;
    }

    /// <summary>Has an answer as soon as it is told: nothing of it is on its way while its sender does something else.</summary>
    private sealed class Reply<T>(IActorRefProvider provider) : MinimalActorRef
    {
        private readonly TaskCompletionSource<T> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<T> Answer => _answer.Task;

        public override ActorPath Path { get; } = provider.TempPath();

        public override IActorRefProvider Provider => provider;

        protected override void TellInternal(object message, IActorRef sender)
        {
            if (message is Status.Failure failure) _answer.TrySetException(failure.Cause);
            else _answer.TrySetResult((T)message);
        }
    }
}
