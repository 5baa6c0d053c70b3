using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Tests.Studies.Engine;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>Of several brackets a sampler that ranks trials ranks those of the new trial's.</summary>
public sealed class BracketTests
{
    private static readonly SearchSpace s_line = new([new("x", new FloatDomain(0, 1))]);

    /// <summary>In bracket 0 small values are good, in bracket 1, whose trials get farther, great ones; bracket 2 has too few trials for a model.</summary>
    [Fact]
    public void Tpe_learns_from_the_trials_of_the_new_ones_bracket_alone()
    {
        var history = Brackets();
        Assert.Equal(63, history.Ranking.Length);
        Assert.All(Suggested(history, 0), x => Assert.True(x < 0.3));
        Assert.All(Suggested(history, 1), x => Assert.True(x > 0.7));
        Assert.Equal(Enumerable.Range(70, 20).Select(n => Suggestion(new RandomSampler(), history, n)), Suggested(history, 2));
    }

    /// <summary>As in a study that has had these alone.</summary>
    [Fact]
    public void What_becomes_of_other_brackets_changes_nothing()
    {
        var (history, other) = (Brackets(), Brackets(value: x => Math.Sin(9 * x), runningAt: 0.02));
        Assert.Equal(Suggested(history, 1), Suggested(other, 1));
        Assert.NotEqual(Suggested(history, 0), Suggested(other, 0));
    }

    [Fact]
    public void Trials_of_other_studies_are_of_every_bracket()
    {
        var history = new StudyHistory(s_line, Direction.Minimize);
        for (int i = 0; i < 12; i++)
            history.Set(Trial(i, i / 11.0, 5) with { State = TrialState.Complete, Values = [Math.Abs(i / 11.0 - 0.5)], IsImported = true });
        for (int i = 12; i < 40; i++) history.Set(Trial(i, i / 40.0, 0) with { Reports = [new Report(9, -i)] });
        Assert.Equal(12 + 28, PeersOf(history, 0));
        Assert.Equal(12, PeersOf(history, 1));
        Assert.All(Suggested(history, 1), x => Assert.InRange(x, 0.3, 0.7));
    }

    /// <summary>Whatever else the history has; also where the study goes on from its journal, and in a deterministic one.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void In_a_hyperband_study_a_suggestion_is_that_of_its_bracket_also_after_a_restart(bool deterministic)
    {
        var setup = StudySetups.Of("tpe", "hyperband", deterministic: deterministic, trials: 80);
        var simulation = new StudySimulation(setup, slots: 4, timing: 2).Run();
        var starts = simulation.Of<StudyEvent.Started>().ToList();
        Assert.True(starts.Select(s => s.Bracket).Distinct().Count() > 1);
        Assert.Equal(starts.Select(s => s.Bracket), simulation.Engine.History.Trials.Select(t => t.Bracket));
        int modelled = 0;
        for (int i = 0; i < simulation.Journal.Count; i++)
        {
            if (simulation.Journal[i] is not StudyEvent.Started start) continue;
            var restored = StudyEngine.Restore(setup, simulation.Journal.Take(i), _ => { });
            Assert.Equal(start.Parameters, restored.Decide().Order!.Parameters);
            Assert.Equal(start.Bracket, restored.History.Bracket);
            if (restored.History.Peers.Length >= 10 && restored.History.Peers.Length < restored.History.Ranking.Length) modelled++;
        }
        Assert.True(modelled > 5, $"{modelled}");
    }

    private static StudyHistory Brackets(Func<double, double>? value = null, double runningAt = 0.9)
    {
        var history = new StudyHistory(s_line, Direction.Minimize);
        for (int i = 0; i < 63; i++)
        {
            double x = i * 17 % 63 / 62.0;
            history.Set(i < 3 ? Trial(i, x, 2) with { Reports = [new Report(9, 0)] }
                : i % 2 == 0 ? Trial(i, x, 0) with { Reports = [new Report(1, value?.Invoke(x) ?? x)] }
                : Trial(i, x, 1) with { Reports = [new Report(3, -x)] });
        }
        for (int i = 63; i < 70; i++) history.Set(Trial(i, runningAt, 0) with { State = TrialState.Running });
        return history;
    }

    private static int PeersOf(StudyHistory history, int bracket)
    {
        history.Bracket = bracket;
        return history.Peers.Length;
    }

    private static double[] Suggested(StudyHistory history, int bracket)
    {
        history.Bracket = bracket;
        var sampler = new TpeSampler(new TpeOptions());
        return [.. Enumerable.Range(70, 20).Select(number => Suggestion(sampler, history, number))];
    }

    private static double Suggestion(ISampler sampler, StudyHistory history, int number)
    {
        double[] values = new double[1];
        sampler.Suggest(history, 3, number, values);
        return values[0];
    }

    private static StudyTrial Trial(int number, double x, int bracket) =>
        new() { Number = number, State = TrialState.Paused, Parameters = [x], Bracket = bracket };
}
