using Akka.Actor;
using DistOpt.Actors.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Local;

namespace DistOpt.Hosting.Tests.Local;

public sealed class StudyCommandsTests : IAsyncDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("commands");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync() => await _system.Terminate();

    /// <summary>Many times over: nothing of an answer is on its way when the study has ended.</summary>
    [Fact]
    public async Task What_a_study_answers_before_it_ends_is_heard_and_what_it_does_not_answer_is_that_it_has_ended()
    {
        for (int i = 0; i < 200; i++)
        {
            var commands = new StudyCommands();
            bool answers = i % 2 == 0;
            commands.Reach(_system.ActorOf(Props.Create(() => new Ending(commands, answers))));
            var answer = await commands.GiveAsync(e => e.Pause("k"), Token);
            Assert.Equal(answers ? new(IsRepeat: true) : new CommandAnswer(Refusal: "the study has ended"), answer);
            Assert.Equal("the study has ended", (await commands.GiveAsync(e => e.Pause("k"), Token)).Refusal);
        }
    }

    private sealed class Ending : ReceiveActor
    {
        public Ending(StudyCommands commands, bool answers) => Receive<StudyCommand>(_ =>
        {
            if (answers) Sender.Tell(new CommandAnswer(IsRepeat: true));
            commands.End(null);
        });
    }
}
