using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Tests.Studies.Engine;
using DistOpt.Core.TrialSchedulers;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>The Gaussian process under trial schedulers that pause trials at rungs.</summary>
public sealed class GpRungTests
{
    private static readonly SearchSpace s_line = new([new("x", new FloatDomain(0, 1))]);

    /// <summary>Those that went on say the opposite there; ten make a model.</summary>
    [Theory]
    [InlineData(0, 0, 0.2)]
    [InlineData(9, 0, 0.2)]
    [InlineData(10, 0.8, 1)]
    [InlineData(16, 0.8, 1)]
    public void The_highest_rung_that_has_enough_trials_counts(int atSecond, double from, double to)
    {
        var history = History(40, i => i * 7 % 40 < atSecond);
        Assert.All(Suggested(history), x => Assert.InRange(x, from, to));
    }

    [Fact]
    public void Until_there_are_enough_at_a_rung_suggestions_are_random_and_failed_trials_do_not_count()
    {
        double[] random = [.. Enumerable.Range(40, 5).Select(number => Suggestion(new RandomSampler(), History(9, _ => false), number))];
        Assert.Equal(random, Suggested(History(9, _ => false)));
        var history = History(9, _ => false);
        for (int i = 9; i < 30; i++)
            history.Set(new StudyTrial { Number = i, State = TrialState.Failed, Parameters = [0.1], Rungs = [new Report(1, double.NaN)] });
        Assert.Equal(random, Suggested(history));
        // nor do rungs count where trials only pass them
        Assert.Equal(random, Suggested(History(30, _ => true, hasRungs: false)));
    }

    /// <summary>Only few know at the end whether they keep to x at least 0.5; the best of the others is not what is to be improved on.</summary>
    [Fact]
    public void Constraints_that_are_known_of_few_trials_are_learned()
    {
        var history = new StudyHistory(s_line, Direction.Minimize) { HasRungs = true };
        for (int i = 0; i < 40; i++)
        {
            double x = i / 39.0;
            var trial = new StudyTrial { Number = i, State = TrialState.Paused, Parameters = [x], Rungs = [new Report(1, x * x)] };
            history.Set(i % 5 == 2 ? trial with { State = TrialState.Complete, Values = [x * x], Constraints = [0.5 - x] } : trial);
        }
        Assert.All(Suggested(history), x => Assert.InRange(x, 0.4, 0.7));
    }

    /// <summary>12 seeds, 50 trials of which most never become complete; by the signed-rank test.</summary>
    [Fact]
    public void With_asha_it_finds_better_values_than_random_configurations_with_asha_do()
    {
        double[] gp = [.. Enumerable.Range(0, 12).Select(seed => Best(new GpSampler(new GpOptions()), seed))];
        double[] random = [.. Enumerable.Range(0, 12).Select(seed => Best(new RandomSampler(), seed))];
        Assert.True(SamplerFigures.Compare(gp, random) == Verdict.Better, $"{string.Join(" ", gp)}; {string.Join(" ", random)}");
    }

    /// <summary>How far the best trial is from the minimum: values come near to the true ones as a trial goes on.</summary>
    private static double Best(ISampler sampler, int seed)
    {
        var setup = EngineFixture.Random(trials: 50, parallel: 1);
        var study = new EngineFixture(setup with
        {
            Context = setup.Context with { Seed = seed },
            Sampler = () => sampler,
            TrialScheduler = c => new AshaOptions().Create(c),
        });
        while (study.Engine.Decide().Order is { } order)
        {
            double noise = new CounterRandom(seed, RandomPurpose.Simulation, order.Id.Trial, order.Until).NextGaussian();
            double value = Loss(order.Parameters.AsSpan()) + 0.02 * noise / order.Until;
            study.Report(order, order.Until, value);
            if (order.Until == 16) study.Complete(order, value);
            else study.Engine.Release(order.Id, order.Until);
        }
        return Loss(study.Engine.Status().Best!.Parameters.AsSpan());

        static double Loss(ReadOnlySpan<double> x) => Math.Pow(x[0] - 0.3, 2) + Math.Pow(x[1] - 0.6, 2);
    }

    private static StudyHistory History(int count, Func<int, bool> goesOn, bool hasRungs = true)
    {
        var history = new StudyHistory(s_line, Direction.Maximize) { HasRungs = hasRungs };
        for (int i = 0; i < count; i++)
        {
            double x = i / (count - 1.0);
            Report first = new(1, -Math.Pow(x - 0.1, 2)), second = new(3, -Math.Pow(x - 0.9, 2));
            history.Set(new StudyTrial { Number = i, State = TrialState.Paused, Parameters = [x], Rungs = goesOn(i) ? [first, second] : [first] });
        }
        return history;
    }

    private static double[] Suggested(StudyHistory history) =>
        [.. Enumerable.Range(40, 5).Select(number => Suggestion(new GpSampler(new GpOptions()), history, number))];

    private static double Suggestion(ISampler sampler, StudyHistory history, int number)
    {
        double[] values = new double[1];
        sampler.Suggest(history, 3, number, values);
        return values[0];
    }
}
