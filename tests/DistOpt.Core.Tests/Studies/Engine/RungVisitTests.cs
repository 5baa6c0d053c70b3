using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Studies.Functions;

namespace DistOpt.Core.Tests.Studies.Engine;

/// <summary>Which trials came to which rungs, by what their records say.</summary>
public sealed class RungVisitTests
{
    /// <summary>Over losses, kills and trials that fail, in the middle and at the end.</summary>
    [Theory]
    [InlineData("hyperband")]
    [InlineData("asha, 2 brackets")]
    [InlineData("asha, stopping")]
    [InlineData("asha")]
    public void They_are_as_many_as_the_trial_scheduler_counts_at_each_rung_of_each_bracket(string scheduler)
    {
        var setup = StudySetups.Of(scheduler: scheduler, trials: 60);
        var study = new StudySimulation(setup, slots: 4, timing: 8) { Chaos = Chaos.Wild }.Run();
        foreach (int events in (int[])[study.Journal.Count / 3, study.Journal.Count / 2, study.Journal.Count])
        {
            var reading = Read(setup, study.Journal.Take(events));
            var engine = StudyEngine.Restore(setup, study.Journal.Take(events), _ => { });
            var visits = reading.RungVisits().ToLookup(v => (v.Bracket, v.Resource));
            Assert.Equal(engine.Status().Rungs.Select(r => (r.Bracket, r.Resource, r.Entered)),
                engine.Status().Rungs.Select(r => (r.Bracket, r.Resource, visits[(r.Bracket, r.Resource)].Count())));
            Assert.Equal(engine.Status().Rungs.Sum(r => r.Entered), visits.Sum(v => v.Count()));
        }
        Assert.Equal(scheduler is "hyperband" or "asha, 2 brackets", Read(setup, study.Journal).All.Any(t => t.Bracket > 0));
    }

    [Fact]
    public void A_trial_goes_on_from_a_rung_where_it_reports_more_and_from_its_last_one_where_it_is_under_way_or_complete()
    {
        TrialRecord Trial(int number, TrialState state, int bracket, params long[] steps) =>
            new(number, state, TrialEndCause.Done, [0.5], [], [], [.. steps.Select(s => new Report(s, -s))], 1, [], 1, null) { Bracket = bracket };

        var outline = Read(StudySetups.Of(), []).Outline;
        TrialRecord[] ended = [Trial(0, TrialState.Pruned, 0, 1, 2, 4), Trial(1, TrialState.Complete, 1, 3, 5), Trial(2, TrialState.Failed, 0, 1)];
        var reading = new StudyReading(outline, [.. ended], [Trial(3, TrialState.Running, 0, 1)]) { Brackets = [[1, 3], [3, 9]] };
        Assert.Equal([1, 3, 9], reading.Rungs);
        Assert.Equal(
        [
            new(0, 1, 0, -1, true), new(0, 3, 0, -4, false), new(1, 3, 1, -3, true), new(0, 1, 2, -1, false), new(0, 1, 3, -1, true),
        ], reading.RungVisits());
    }

    private static StudyReading Read(StudySetup setup, IEnumerable<StudyEvent> events) => StudyReading.Of("r",
        new StudyDeclaration(setup.Context.Space, false, [Direction.Minimize], 1, 1) { Lines = [], Brackets = setup.Brackets },
        [.. events.Select(e => new TimedEvent(e, null))]);
}
