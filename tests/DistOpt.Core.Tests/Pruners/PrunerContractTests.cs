using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using DistOpt.Core.Pruners;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Tests.TrialSchedulers;

namespace DistOpt.Core.Tests.Pruners;

/// <summary>
/// Every pruner of the catalogue, with several options, against its rule as it stands in the peer: a function of all reports so far, without any
/// state.
/// </summary>
public sealed class PrunerContractTests
{
    private static readonly (string Name, string Kind, PrunerOptions Options, Func<Study, Trial, bool> Rule)[] s_cases =
    [
        ("none", "none", new NoPrunerOptions(), (_, _) => false),
        ("median", "median", new MedianOptions(), (s, t) => Percentile(s, t, 50, 5, 0, 1, 1)),
        ("median, later and seldom", "median", new MedianOptions { StartupTrials = 0, WarmupSteps = 3, IntervalSteps = 4, MinTrials = 3 },
            (s, t) => Percentile(s, t, 50, 0, 3, 4, 3)),
        ("percentile", "percentile", new PercentileOptions(), (s, t) => Percentile(s, t, 25, 5, 0, 1, 1)),
        ("percentile 80", "percentile", new PercentileOptions { Percentile = 80, StartupTrials = 2 }, (s, t) => Percentile(s, t, 80, 2, 0, 1, 1)),
        ("patient", "patient", new PatientOptions { Patience = 3 }, (s, t) => Patient(s, t, 3, 0, null)),
        ("patient, then the median", "patient", new PatientOptions { Patience = 1, MinDelta = 0.05, Wrapped = new PluginSpec("median", new MedianOptions()) },
            (s, t) => Patient(s, t, 1, 0.05, () => Percentile(s, t, 50, 5, 0, 1, 1))),
        ("threshold", "threshold", new ThresholdOptions { Upper = 1.2 }, (s, t) => Threshold(t, double.NegativeInfinity, 1.2, 0, 1)),
        ("threshold on both sides", "threshold", new ThresholdOptions { Lower = 0.1, Upper = 1.1, WarmupSteps = 2, IntervalSteps = 3 },
            (s, t) => Threshold(t, 0.1, 1.1, 2, 3)),
        ("wilcoxon", "wilcoxon", new WilcoxonOptions(), (s, t) => Wilcoxon(s, t, 0.1, 2)),
        ("wilcoxon, later", "wilcoxon", new WilcoxonOptions { PThreshold = 0.3, StartupSteps = 6 }, (s, t) => Wilcoxon(s, t, 0.3, 6)),
        ("successive-halving", "successive-halving", new SuccessiveHalvingOptions { MinResource = 1 }, (s, t) => SuccessiveHalving(s, t, 1, 4, 0, 0)),
        ("successive-halving, auto", "successive-halving", new SuccessiveHalvingOptions { ReductionFactor = 2 },
            (s, t) => SuccessiveHalving(s, t, null, 2, 0, 0)),
        ("successive-halving, later", "successive-halving",
            new SuccessiveHalvingOptions { MinResource = 1, ReductionFactor = 2, MinEarlyStoppingRate = 1, BootstrapCount = 3 },
            (s, t) => SuccessiveHalving(s, t, 1, 2, 1, 3)),
    ];

    public static TheoryData<string, Direction> Cases => [.. s_cases.SelectMany(c => Enum.GetValues<Direction>().Select(d => (c.Name, d)))];

    /// <summary>120 trials of up to 20 steps, eight at a time, of which some leave out steps, report NaN, fail, or go on although they should not.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void Every_judgement_is_that_of_the_rule(string name, Direction direction)
    {
        var (_, kind, options, rule) = s_cases.Single(c => c.Name == name);
        var pruner = PrunerCatalog.Default.Get(kind)(options, Contexts.Of(direction: direction));
        var (judged, pruned) = Run(pruner, rule, direction);
        Assert.True(judged > 300, $"{judged} judgements");
        if (kind != "none") Assert.InRange(pruned, 5, judged - 100);
    }

    [Fact]
    public void The_cases_cover_the_catalogue_and_every_option_is_described()
    {
        Assert.Equal(PrunerCatalog.Default.Entries.Select(e => e.Name).Order(), s_cases.Select(c => c.Kind).Distinct().Order());
        Assert.All(PrunerCatalog.Default.Entries, entry =>
        {
            Assert.NotEmpty(entry.Summary);
            Assert.All(entry.OptionsType.GetProperties().Where(p => p.CanWrite), p => Assert.NotNull(p.GetCustomAttribute<DescriptionAttribute>()));
        });
    }

    [Fact]
    public void Only_those_that_look_at_the_trial_alone_are_possible_in_a_deterministic_study()
    {
        foreach (var (name, kind, options, _) in s_cases)
        {
            bool isIndependent = PrunerCatalog.Default.Get(kind)(options, Contexts.Of()).IsOrderIndependent;
            Assert.Equal(isIndependent, !options.Check(Contexts.Of(deterministic: true)).Any());
            Assert.Equal(name is "none" or "patient" || kind == "threshold", isIndependent);
            bool isForSeveral = !options.Check(Contexts.Of() with { Directions = [Direction.Minimize, Direction.Minimize] }).Any();
            Assert.Equal(kind == "none", isForSeveral);
        }
    }

    [Fact]
    public void Options_that_contradict_each_other_are_refused()
    {
        Assert.Contains("give one of them", Problem(new ThresholdOptions()));
        Assert.Contains("above upper", Problem(new ThresholdOptions { Lower = 2, Upper = 1 }));
        Assert.Contains("is NaN", Problem(new ThresholdOptions { Lower = double.NaN }));
        Assert.Contains("needs min_resource", Problem(new SuccessiveHalvingOptions { BootstrapCount = 1 }));
        Assert.Empty(new SuccessiveHalvingOptions().Validate(new ValidationContext(this)));

        static string Problem(IValidatableObject options) => Assert.Single(options.Validate(new ValidationContext(options))).ErrorMessage!;
    }

    /// <summary>After its end a trial is not judged, and reports that come late do not count.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void A_trial_that_has_ended_is_not_judged(string name, Direction direction)
    {
        var (_, kind, options, rule) = s_cases.Single(c => c.Name == name);
        var pruner = PrunerCatalog.Default.Get(kind)(options, Contexts.Of(direction: direction));
        Assert.False(pruner.ShouldPrune(7));
        Run(pruner, rule, direction);
        for (int step = 0; step < 20; step++)
        {
            pruner.Report(3, 1000 + step, double.NaN);
            Assert.False(pruner.ShouldPrune(3));
        }
    }

    private static (int Judged, int Pruned) Run(IPruner pruner, Func<Study, Trial, bool> rule, Direction direction)
    {
        var study = new Study(direction, []);
        var running = new List<Trial>();
        int judged = 0, pruned = 0;
        for (int turn = 0; study.Trials.Count < 120 || running.Count > 0; turn++)
        {
            while (running.Count < 8 && study.Trials.Count < 120)
            {
                running.Add(new Trial(study.Trials.Count));
                study.Trials.Add(running[^1]);
            }
            var random = new CounterRandom(11, RandomPurpose.Simulation, turn);
            var trial = running[random.NextInt(running.Count)];
            trial.Step += random.NextInt(4) == 0 ? 2 : 1;
            double level = new CounterRandom(11, RandomPurpose.Data, trial.Number).NextDouble();
            // not of the best ones: the signed-rank test would then keep all
            double value = level is > 0.3 and < 0.7 && random.NextInt(10) == 0 ? double.NaN
                : Math.Round(64 * (level + 0.5 * random.NextDouble() / Math.Sqrt(trial.Step))) / 64;
            // a second report at the same step does not count
            trial.Reports.Add(trial.Step, value);
            pruner.Report(trial.Number, trial.Step, value);
            pruner.Report(trial.Number, trial.Step, -value);
            bool expected = rule(study, trial);
            Assert.True(expected == pruner.ShouldPrune(trial.Number), $"trial {trial.Number} at step {trial.Step}: {expected} by the rule");
            judged++;
            if (expected) pruned++;
            // now and then a trial goes on all the same
            if (expected && random.NextInt(4) > 0) End(TrialState.Pruned);
            else if (trial.Step >= 18) End(random.NextInt(10) == 0 ? TrialState.Failed : TrialState.Complete);

            void End(TrialState state)
            {
                running.Remove(trial);
                trial.State = state;
                trial.Value = trial.Reports.Values.Where(v => !double.IsNaN(v)).LastOrDefault(1);
                pruner.End(trial.Number, state, state == TrialState.Complete ? trial.Value : double.NaN);
                pruner.End(trial.Number, state, state == TrialState.Complete ? trial.Value : double.NaN);
            }
        }
        return (judged, pruned);
    }

    private static bool IsDue(Trial trial, long warmup, long interval)
    {
        long step = trial.Reports.Keys.Max();
        if (step < warmup) return false;
        long second = trial.Reports.Keys.Where(s => s != step).Append(-1).Max();
        return second < (step - warmup) / interval * interval + warmup;
    }

    private static double Best(IEnumerable<double> losses) => losses.Where(v => !double.IsNaN(v)).Append(double.PositiveInfinity).Min() is var min
        && double.IsPositiveInfinity(min) ? double.NaN : min;

    private static bool Percentile(Study study, Trial trial, double percentile, int startup, long warmup, long interval, int least)
    {
        var complete = study.Trials.Where(t => t.State == TrialState.Complete).ToList();
        if (complete.Count == 0 || complete.Count < startup || !IsDue(trial, warmup, interval)) return false;
        double best = Best(trial.Reports.Values.Select(study.Loss));
        if (double.IsNaN(best)) return true;
        var values = complete.Where(t => t.Reports.ContainsKey(trial.Step)).Select(t => study.Loss(t.Reports[trial.Step])).ToList();
        double[] numbers = [.. values.Where(v => !double.IsNaN(v)).Order()];
        if (values.Count < least || numbers.Length == 0) return false;
        double at = (numbers.Length - 1) * (percentile / 100);
        int below = (int)Math.Floor(at);
        double share = at - below, low = numbers[below], high = numbers[Math.Min(below + 1, numbers.Length - 1)];
        return best > (share >= 0.5 ? high - (high - low) * (1 - share) : low + (high - low) * share);
    }

    private static bool Patient(Study study, Trial trial, int patience, double delta, Func<bool>? wrapped)
    {
        double[] losses = [.. trial.Reports.Values.Select(study.Loss)];
        if (losses.Length <= patience + 1) return false;
        return Best(losses[..^(patience + 1)]) + delta < Best(losses[^(patience + 1)..]) && (wrapped?.Invoke() ?? true);
    }

    private static bool Threshold(Trial trial, double lower, double upper, long warmup, long interval)
    {
        double value = trial.Reports[trial.Step];
        return IsDue(trial, warmup, interval) && (double.IsNaN(value) || value < lower || value > upper);
    }

    private static bool Wilcoxon(Study study, Trial trial, double threshold, int startup)
    {
        var best = study.Trials.Where(t => t.State == TrialState.Complete).OrderBy(t => study.Loss(t.Value)).ThenBy(t => t.Number).FirstOrDefault();
        if (best is null || trial.Reports.Values.Concat(best.Reports.Values).Any(double.IsNaN)) return false;
        double[] differences = [.. trial.Reports.Keys.Intersect(best.Reports.Keys).Select(s => study.Loss(trial.Reports[s]) - study.Loss(best.Reports[s]))];
        if (differences.Length == 0 || differences.Length < startup) return false;
        return SignedRankTest.PValueGreater(differences) < threshold
            && study.Loss(trial.Reports.Values.Average()) > study.Loss(best.Reports.Values.Average());
    }

    private static bool SuccessiveHalving(Study study, Trial trial, long? least, int eta, int rate, int bootstrap)
    {
        if (least is null && study.MinResource is null && study.Trials.Where(t => t.State == TrialState.Complete).ToList() is { Count: > 0 } complete)
            study.MinResource = Math.Max(complete.Max(t => t.Step) / 100, 1);
        if ((least ?? study.MinResource) is not { } first) return false;
        double loss = study.Loss(trial.Reports[trial.Step]);
        while (true)
        {
            int rung = trial.Rungs.Count;
            if (trial.Step < first * Math.Pow(eta, rate + rung)) return false;
            if (double.IsNaN(loss)) return true;
            trial.Rungs.Add(loss);
            double[] competing = [.. study.Trials.Where(t => t.Rungs.Count > rung).Select(t => t.Rungs[rung]).Order()];
            if (competing.Length <= bootstrap || loss > competing[Math.Max(0, competing.Length / eta - 1)]) return true;
        }
    }

    private sealed record Study(Direction Direction, List<Trial> Trials)
    {
        public long? MinResource { get; set; }

        public double Loss(double value) => Direction == Direction.Maximize ? -value : value;
    }

    private sealed class Trial(int number)
    {
        public int Number => number;

        public TrialState State { get; set; } = TrialState.Running;

        public long Step { get; set; }

        public double Value { get; set; }

        public SortedDictionary<long, double> Reports { get; } = [];

        public List<double> Rungs { get; } = [];
    }
}
