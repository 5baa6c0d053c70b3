using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>Whether a study has ended, as its events say, which go on after an end.</summary>
public sealed class StudyEndTests
{
    [Fact]
    public void Events_say_at_any_time_what_the_study_says()
    {
        var setup = EngineFixture.Random(trials: 3) with { Stop = new StudyStopSection { MaxFailures = 2 } };
        var study = new EngineFixture(setup);
        study.Engine.Fail(study.Order().Id, false, "threw");
        study.Engine.Fail(study.Order().Id, false, "threw");
        Assert.Null(study.Engine.Decide().Order);
        Check(StudyStopReason.Failures);
        study.Engine.SetAttributes(null, [KeyValuePair.Create("owner", StudyEngine.AttributeText("me"))]);
        Check(StudyStopReason.Failures);
        study.Engine.Resume(null);
        Check(null);
        study.Complete(study.Order(), 1);
        study.Engine.Decide();
        Check(StudyStopReason.Trials);
        study.Engine.SetTrials(null, 3);
        study.Engine.SetAttributes(1, [KeyValuePair.Create("odd", StudyEngine.AttributeText(true))]);
        Check(StudyStopReason.Trials);
        study.Engine.SetTrials(null, 4);
        Check(null);
        study.Complete(study.Order(), 1);
        study.Engine.Decide();
        Check(StudyStopReason.Trials);

        void Check(StudyStopReason? expected)
        {
            Assert.Equal(expected, study.Engine.End);
            Assert.Equal(expected, StudyEnd.Of(study.Journal));
            study.Rebuild();
            Assert.Equal(expected, study.Engine.End);
        }
    }

    [Fact]
    public void A_study_that_was_given_more_trials_after_its_end_is_not_told_as_ended_and_one_with_an_attribute_after_it_is()
    {
        var study = new EngineFixture(EngineFixture.Random(trials: 1));
        study.Complete(study.Order(), 1);
        study.Engine.Decide();
        study.Engine.SetAttributes(null, [KeyValuePair.Create("owner", StudyEngine.AttributeText("me"))]);
        Assert.Equal((StudyStopReason.Trials, "trials"), Told());
        study.Engine.SetTrials(null, 2);
        Assert.Equal((null, null), Told());

        (StudyStopReason?, object?) Told()
        {
            var declared = new StudyDeclaration(EngineFixture.Space, false, [Direction.Minimize], 1, 1) { Lines = [] };
            TimedEvent[] events = [.. study.Journal.Select(e => new TimedEvent(e, null))];
            var exported = StudyExport.Of("f", declared, events).Attributes;
            return (StudyReading.Of("f", declared, events).End, exported.SingleOrDefault(a => a.Key == "stop_reason").Value);
        }
    }

    [Fact]
    public void A_study_over_training_specs_that_goes_on_is_exported_without_the_reason_of_an_end()
    {
        var spec = StudyFixture.OfSpace("optimizer.learning_rate: { float: [0.001, 1] }");
        StudyEvent[] events = [new StudyEvent.StudyEnded(StudyStopReason.Trials), new StudyEvent.TrialsSet(null, 9)];
        Assert.DoesNotContain(StudyExport.Of("s", spec, events.Select(e => new TimedEvent(e, null))).Attributes, a => a.Key == "stop_reason");
        Assert.Contains(StudyExport.Of("s", spec, [new(events[0], null)]).Attributes, a => a.Key == "stop_reason");
    }
}
