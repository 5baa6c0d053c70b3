using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Studies;

namespace DistOpt.Hosting.Tests.Studies;

public sealed class StudyRequestTests
{
    [Fact]
    public void Code_that_is_accepted_twice_with_one_key_is_accepted_once_and_the_second_answer_says_so()
    {
        var setup = new StudySetup
        {
            Context = new StudyContext { Space = new SearchSpace([new("x", new FloatDomain(0, 1))]), Directions = [Direction.Maximize], Trials = 4 },
            Sampler = () => new RandomSampler(),
            Code = "old",
        };
        var events = new List<StudyEvent>();
        var before = new StudyEngine(setup, events.Add);
        before.NoteCode();
        before.Decide();
        before.Pause(null);
        var engine = StudyEngine.Restore(setup with { Code = "new" }, events, _ => { });
        var accept = new StudyRequest("resume", "k", """{"accept_new_code": true}""").ToCommand();
        var resume = new StudyRequest("resume", "k", "").ToCommand();

        Assert.Equal(new CommandAnswer(), accept(engine));
        Assert.Null(engine.CodeChange);
        Assert.True(accept(engine).IsRepeat);
        // for another command it cannot stand, and where there is nothing to accept the study is gone on with
        Assert.Contains("was used for another command", resume(engine).Refusal);
        engine.Pause(null);
        Assert.Equal(new CommandAnswer(), new StudyRequest("resume", "k2", """{"accept_new_code": true}""").ToCommand()(engine));
        Assert.False(engine.Status().IsSuspended);
    }
}
