using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>User code that changes while a study goes on.</summary>
public sealed class StudyCodeTests
{
    private static StudySetup With(string? code) => EngineFixture.Random(trials: 4) with { Code = code };

    [Fact]
    public void Nothing_begins_with_code_that_has_changed_until_it_is_accepted_and_the_trials_that_run_it_say_so()
    {
        var study = new EngineFixture(With("models 1"));
        study.Engine.NoteCode();
        study.Engine.NoteCode();
        study.Complete(study.Order(), 1);
        study.Order();
        var journal = study.Journal;
        Assert.Equal(new StudyEvent.CodeAccepted(null, "models 1"), Assert.Single(journal.OfType<StudyEvent.CodeAccepted>()));

        var engine = StudyEngine.Restore(With("models 2"), [.. journal], journal.Add);
        engine.Reopen(_ => false);
        engine.NoteCode();
        Assert.Equal(new CodeChange("models 1", "models 2"), engine.CodeChange);
        Assert.Equal(StudyWait.Code, engine.Decide().Wait);
        Assert.Equal(engine.CodeChange, engine.Status().CodeChange);
        Assert.Equal("paused", StudyStatusJson.State(engine.Status()));
        double seconds = engine.Status().Seconds;
        engine.Pass(100);
        Assert.Equal(seconds, engine.Status().Seconds);

        Assert.Equal(default, engine.AcceptCode("k"));
        Assert.Equal(new CommandAnswer(IsRepeat: true), engine.AcceptCode("k"));
        Assert.Equal(new CommandAnswer(), engine.AcceptCode("k2")); // there is nothing to accept any more
        Assert.Null(engine.CodeChange);
        for (int i = 0; i < 3; i++) engine.Complete(engine.Decide().Order!.Id, [i]);
        Assert.Equal(StudyStopReason.Trials, engine.Decide().End);

        var records = new TrialRecords();
        var ended = journal.Select(records.Add).OfType<TrialRecord>().OrderBy(t => t.Number).ToList();
        Assert.Equal(["", "0 1", "1", "1"], ended.Select(t => string.Join(' ', t.Code)));
    }

    [Theory]
    [InlineData("models 1", "models 1")]
    [InlineData("models 1", null)]
    [InlineData(null, "models 1")]
    public void A_study_goes_on_where_the_code_is_the_same_or_was_not_known(string? before, string? now)
    {
        var study = new EngineFixture(With(before));
        study.Engine.NoteCode();
        study.Order();
        var engine = StudyEngine.Restore(With(now), [.. study.Journal], study.Journal.Add);
        engine.NoteCode();
        Assert.Null(engine.CodeChange);
        Assert.NotNull(engine.Decide().Order);
    }

    [Fact]
    public void A_study_that_has_ended_asks_for_nothing()
    {
        var study = new EngineFixture(With("models 1"));
        study.Engine.NoteCode();
        study.Engine.Cancel(null);
        var engine = StudyEngine.Restore(With("models 2"), [.. study.Journal], study.Journal.Add);
        Assert.Null(engine.CodeChange);
        Assert.Equal(StudyStopReason.Cancelled, engine.Decide().End);
    }

    [Fact]
    public void A_study_that_waits_for_the_code_can_be_cancelled()
    {
        var study = new EngineFixture(With("models 1"));
        study.Engine.NoteCode();
        study.Order();
        var engine = StudyEngine.Restore(With("models 2"), [.. study.Journal], study.Journal.Add);
        engine.Cancel(null);
        Assert.Equal(StudyStopReason.Cancelled, engine.Decide().End);
    }
}
