using DistOpt.Core.MultiObjective;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

public sealed class Nsga2SamplerTests
{
    private static readonly SearchSpace s_space = new(Enumerable.Range(0, 6).Select(i => new SearchParameter($"x{i}", new FloatDomain(0, 1))));

    /// <summary>ZDT1 (Zitzler, Deb, Thiele 2000): the front is f2 = 1 - sqrt(f1), which has a third of the unit square below it.</summary>
    [Fact]
    public void It_comes_nearer_to_the_front_of_zdt1_than_random_does()
    {
        const double front = 1.1 * 1.1 - 1.0 / 3;
        double best = Volume(new Nsga2Sampler(new Nsga2Options { Population = 20 })), random = Volume(new RandomSampler());
        Assert.True(best > 0.6 * front, $"{best} of {front}");
        Assert.True(random < 0.5 * best, $"random {random} of {front}");

        static double Volume(ISampler sampler) => Hypervolume.Of(Run(sampler, 600).Trials.Select(t => t.Values.ToArray()), [1.1, 1.1]);
    }

    [Fact]
    public void Parents_are_the_best_fronts_of_what_has_ended_and_of_the_parents_before()
    {
        var sampler = new Nsga2Sampler(new Nsga2Options { Population = 10 });
        var history = Run(sampler, 9);
        Assert.Empty(sampler.Parents(history));
        Run(sampler, 10, history);
        Assert.Equal(Enumerable.Range(0, 10), sampler.Parents(history).Order());
        Run(sampler, 20, history);
        var losses = history.Trials.Select(t => t.Values.ToArray()).ToList();
        var parents = sampler.Parents(history);
        Assert.Equal(10, parents.Distinct().Count());
        var fronts = Domination.Fronts(losses);
        // nobody who was left out stands in a front before one of theirs
        int Rank(int number) => fronts.FindIndex(f => f.Contains(number));
        int worst = parents.Max(Rank);
        Assert.All(Enumerable.Range(0, 20).Except(parents), number => Assert.True(Rank(number) >= worst));
    }

    /// <summary>A child's values are its parents', but for some that were drawn anew.</summary>
    [Fact]
    public void Values_are_inherited()
    {
        var sampler = new Nsga2Sampler(new Nsga2Options { Population = 10, MutationProbability = 0 });
        var history = Run(sampler, 40);
        for (int i = 10; i < 40; i++)
            for (int j = 0; j < 6; j++) Assert.Contains(history.Trials[i].Parameters[j], history.Trials.Take(10).Select(t => t.Parameters[j]));
        // and not all from one parent
        Assert.Contains(history.Trials.Skip(10), t => !history.Trials.Take(10).Any(p => p.Parameters.SequenceEqual(t.Parameters)));
        var mutants = Run(new Nsga2Sampler(new Nsga2Options { Population = 10, MutationProbability = 1 }), 30);
        Assert.Equal(30, mutants.Trials.Select(t => t.Parameters[0]).Distinct().Count());
    }

    /// <summary>The smaller f1, the more it misses the constraint; all parents keep to it in the end.</summary>
    [Fact]
    public void Constraints_come_before_objectives()
    {
        var sampler = new Nsga2Sampler(new Nsga2Options { Population = 20 });
        var history = new StudyHistory(s_space, Direction.Minimize, Direction.Maximize);
        double[] values = new double[6];
        for (int i = 0; i < 200; i++)
        {
            sampler.Suggest(history, 1, i, values);
            history.Set(new StudyTrial
            {
                Number = i,
                State = TrialState.Complete,
                Parameters = [.. values],
                Values = [values[0], values[1]],
                Constraints = [0.4 - values[0], values[1] - 0.9],
            });
        }
        var parents = sampler.Parents(history).Select(n => history.Trials[n]).ToList();
        Assert.All(parents, t => Assert.Equal(0, t.Violation));
        // less of the first, more of the second
        Assert.True(parents.Average(t => t.Values[0]) < 0.55 && parents.Average(t => t.Values[1]) > 0.7);
    }

    /// <summary>The best of four dominates the others, and wins each tournament that it is in; without crossover each has the same chance.</summary>
    [Fact]
    public void A_single_parent_is_drawn_by_chance()
    {
        var sampler = new Nsga2Sampler(new Nsga2Options { Population = 4, CrossoverProbability = 0, MutationProbability = 0 });
        var history = Finished(4, new SearchSpace([new("x", new FloatDomain(0, 1))]));
        int worst = 0;
        double[] values = new double[1];
        for (int i = 4; i < 404; i++)
        {
            sampler.Suggest(history, 1, i, values);
            if (values[0] == history.Trials[3].Parameters[0]) worst++;
        }
        Assert.InRange(worst, 70, 130);
    }

    /// <summary>One parameter of ten has more than one value: it is drawn anew in each trial.</summary>
    [Fact]
    public void What_has_one_value_does_not_count_as_a_parameter_to_mutate()
    {
        var single = Enumerable.Range(0, 9).Select(i => new SearchParameter($"one{i}", new IntDomain(1, 1)));
        var space = new SearchSpace([new("x", new FloatDomain(0, 1)), .. single]);
        var sampler = new Nsga2Sampler(new Nsga2Options { Population = 4 });
        var history = Finished(4, space);
        double[] values = new double[10];
        for (int i = 4; i < 54; i++)
        {
            sampler.Suggest(history, 1, i, values);
            Assert.DoesNotContain(history.Trials, t => t.Parameters[0] == values[0]);
        }
    }

    /// <summary>Each trial is worse than those before it.</summary>
    private static StudyHistory Finished(int trials, SearchSpace space)
    {
        var history = new StudyHistory(space, Direction.Minimize, Direction.Minimize);
        for (int i = 0; i < trials; i++)
        {
            history.Set(new StudyTrial
            {
                Number = i,
                State = TrialState.Complete,
                Parameters = [(i + 1) / 8.0, .. Enumerable.Repeat(1.0, space.Count - 1)],
                Values = [i, i],
            });
        }
        return history;
    }

    private static StudyHistory Run(ISampler sampler, int trials, StudyHistory? history = null)
    {
        history ??= new StudyHistory(s_space, Direction.Minimize, Direction.Minimize);
        double[] values = new double[6];
        for (int i = history.Trials.Count; i < trials; i++)
        {
            sampler.Suggest(history, 1, i, values);
            double g = 1 + 9 * values[1..].Average();
            double second = g * (1 - Math.Sqrt(values[0] / g));
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [values[0], second] });
        }
        return history;
    }
}
