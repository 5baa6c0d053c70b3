using System.Collections.Immutable;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>What holds for every sampler.</summary>
public sealed class SamplerContractTests
{
    private static readonly SearchSpace s_space = Space(new FloatDomain(1e-5, 1, log: true));

    /// <summary>For those who go through all configurations.</summary>
    private static readonly SearchSpace s_countable = Space(new IntDomain(1, 100_000, log: true));

    private static SearchSpace Space(Domain rate) => new(
    [
        new("rate", rate),
        new("kind", new ChoiceDomain(["adam", "sgd"])),
        new("momentum", new FloatDomain(0, 0.95, step: 0.05), new Condition("kind", Among: [1])),
        new("depth", new IntDomain(1, 3)),
        new("width.0", new IntDomain(4, 64, log: true)),
        new("width.1", new IntDomain(4, 64, log: true), new Condition("depth", Least: 2)),
        new("width.2", new IntDomain(4, 64, log: true), new Condition("depth", Least: 3)),
        new("fixed", new IntDomain(3, 3)),
    ]);

    private static readonly (string Name, Func<ISampler> Create)[] s_samplers =
    [
        .. SamplerCatalog.Default.Entries.Select(e => (e.Name, (Func<ISampler>)(() => e.Factory(Activator.CreateInstance(e.OptionsType)!)))),
        ("sobol, shifted", () => new SobolSampler(new SobolOptions { Scrambling = Scrambling.Shift })),
        ("cma-es, warm", () => new CmaEsSampler(new CmaEsOptions { WarmStartTrials = 20, Population = 5 })),
        ("gp, soon", () => new GpSampler(new GpOptions { StartupTrials = 5 })),
        ("bohb, always", () => new BohbSampler(new BohbOptions { RandomFraction = 0, MinPoints = 10, TopPercent = 30 })),
        ("nsga2, few", () => new Nsga2Sampler(new Nsga2Options { Population = 20 })),
        ("tpe, each by itself", () => new TpeSampler(new TpeOptions { Multivariate = false, ConstantLiar = false })),
        ("tpe as in Optuna 4", () => new TpeSampler(new TpeOptions { Bandwidth = Bandwidth.Scott, Endpoints = true })),
    ];

    public static TheoryData<string> Samplers => [.. s_samplers.Select(s => s.Name)];

    /// <summary>Those that can be used with two objectives, gp among them.</summary>
    public static TheoryData<string> OfSeveralObjectives => [.. s_samplers.Where(s => !s.Create().Check(s_countable, 2).Any()).Select(s => s.Name)];

    /// <summary>While others run, fail, are pruned, or break constraints.</summary>
    [Theory, MemberData(nameof(Samplers))]
    public void Every_suggestion_is_a_configuration_of_the_space(string name)
    {
        int trials = name.StartsWith("gp", StringComparison.Ordinal) ? 40 : 150;
        var (history, _) = Run(name, trials);
        Assert.Empty(Create(name).Check(history.Space, 1));
        Assert.True(Create(name).HasMore(history));
        Assert.All(history.Trials, t => Assert.Empty(history.Space.Check([.. t.Parameters])));
        Assert.Contains(history.Trials, t => t.Parameters[3] == 3);
        Assert.True(history.Trials.Select(t => string.Join(' ', t.Parameters)).Distinct().Count() > trials * 2 / 3);
    }

    /// <summary>By the history, the seed and the number; a sampler that has just been made goes on where another one was.</summary>
    [Theory, MemberData(nameof(Samplers))]
    public void The_same_history_gives_the_same_suggestion_also_by_a_new_instance(string name)
    {
        int trials = name.StartsWith("gp", StringComparison.Ordinal) ? 30 : 80;
        var (history, suggested) = Run(name, trials);
        var (_, again) = Run(name, trials);
        Assert.Equal(suggested, again);
        double[] values = new double[s_space.Count], others = new double[s_space.Count];
        Create(name).Suggest(history, 5, trials, values);
        Create(name).Suggest(history, 5, trials, others);
        Assert.Equal(values, others);
        Create(name).Suggest(history, 6, trials, others);
        Assert.NotEqual(values, others);
        Create(name).Suggest(history, 5, trials + 1, others);
        Assert.NotEqual(values, others);
    }

    [Theory, MemberData(nameof(OfSeveralObjectives))]
    public void With_two_objectives_it_is_no_different(string name)
    {
        int trials = name.StartsWith("gp", StringComparison.Ordinal) ? 25 : 60;
        var (history, suggested) = Run(name, trials, objectives: 2);
        Assert.Equal(suggested, Run(name, trials, objectives: 2).Suggested);
        Assert.All(history.Trials, t => Assert.Empty(history.Space.Check([.. t.Parameters])));
        double[] values = new double[s_space.Count], others = new double[s_space.Count];
        Create(name).Suggest(history, 5, trials, values);
        Create(name).Suggest(history, 5, trials, others);
        Assert.Equal(values, others);
        Create(name).Suggest(history, 6, trials, others);
        Assert.NotEqual(values, others);
    }

    private static ISampler Create(string name) => s_samplers.Single(s => s.Name == name).Create();

    private static (StudyHistory History, List<double> Suggested) Run(string name, int trials, int objectives = 1)
    {
        ImmutableArray<Direction> directions = objectives == 1 ? [Direction.Maximize] : [Direction.Maximize, Direction.Minimize];
        var history = new StudyHistory(name == "grid" ? s_countable : s_space, directions);
        var sampler = Create(name);
        var suggested = new List<double>();
        double[] values = new double[s_space.Count];
        for (int i = 0; i < trials; i++)
        {
            sampler.Suggest(history, 5, i, values);
            suggested.AddRange(values);
            double value = -Math.Abs(Math.Log10(values[0]) + 2) + (double.IsNaN(values[2]) ? 0 : values[2]) - values[4] / 100;
            ImmutableArray<double> brought = objectives == 1 ? [value] : [value, values[4] + values[1]];
            history.Set((i % 7) switch
            {
                3 => Trial(i, TrialState.Failed),
                4 => Trial(i, TrialState.Running),
                5 => Trial(i, TrialState.Pruned) with { Reports = i % 2 == 0 ? [] : [new Report(1, double.NaN), new Report(i, value)] },
                6 => Trial(i, TrialState.Complete) with { Values = brought, Constraints = [value, -1] },
                _ => Trial(i, TrialState.Complete) with { Values = brought },
            });
        }
        return (history, suggested);

        // the first rung of all, the second of some, one of which failed on its way there
        ImmutableArray<Report> Rungs(int number, double value) => number % 7 == 4 ? []
            : [new Report(1, value - 1), .. number % 2 == 0 ? new[] { new Report(3, number % 7 == 3 ? double.NaN : value) } : []];

        StudyTrial Trial(int number, TrialState state) => new()
        {
            Number = number,
            State = state,
            Parameters = [.. values],
            Rungs = Rungs(number, -Math.Abs(Math.Log10(values[0]) + 2)),
        };
    }
}
