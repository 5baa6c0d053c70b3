using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;

namespace DistOpt.Benchmarks.Rows;

/// <summary>
/// Studies without training: how many trials a second the engine goes through whose attempts end at once, in memory and with its events, and how long a
/// suggestion takes. Against the figures of the budget.
/// </summary>
internal sealed class StudyRow : IBenchmarkRow
{
    private const int Trials = 100_000;
    private const int Parallel = 8;
    private const int Suggestions = 20;
    private const int WarmUp = 400;

    public string Name => "study";

    public string Summary => "no-op trials a second (random sampler, parallel 8), and a TPE suggestion with 10 parameters after 1,000 and 10,000 trials";

    public IEnumerable<BenchmarkLine> Run(BenchmarkContext context)
    {
        var space = new SearchSpace(Enumerable.Range(0, 10).Select(i => new SearchParameter($"p{i}", Domain(i))));
        long events = 0;
        var times = context.Interleave(
            ($"{Trials} trials", () => events = RunStudy(space, Trials, reports: 0)),
            ($"{Trials} trials, 1 report each", () => events = RunStudy(space, Trials, reports: 1)),
            ($"{Trials / 10} trials", () => events = RunStudy(space, Trials / 10, reports: 0)));
        yield return new BenchmarkLine($"no-op trials a second, of {Trials}, vs budget", Trials / times[0].Median, 50_000, "trials/s", 1);
        yield return new BenchmarkLine($"no-op trials a second with a report each, of {Trials}, vs budget", Trials / times[1].Median, 50_000, "trials/s", null);
        yield return new BenchmarkLine("time of a trial, 100,000 vs 10,000 of them", times[0].Median / Trials * 1e6, times[2].Median / Trials * 1e7, "us", null,
            LessIsBetter: true);
        var (few, many) = (Kept(space, Trials / 10), Kept(space, Trials));
        yield return new BenchmarkLine("bytes kept of an ended trial, 100,000 vs 10,000 of them", many, few, "bytes", 1.1, LessIsBetter: true);
        yield return new BenchmarkLine("kept of all 100,000 trials, 10 parameters", many * Trials / 1e6, double.NaN, "MB", null, LessIsBetter: true);
        foreach (var (count, budget) in new[] { (1_000, 1.0), (10_000, 10.0) })
        {
            var history = History(space, count);
            var sampler = new TpeSampler(new TpeOptions());
            double[] values = new double[space.Count];
            // code that is compiled anew while it runs is slower at first, by up to twenty times
            for (int i = 0; i < WarmUp; i++) sampler.Suggest(history, i, count, values);
            var time = context.Interleave(($"{Suggestions} by TPE at {count}", () =>
            {
                for (int i = 0; i < Suggestions; i++)
                {
                    int number = history.Trials.Count;
                    sampler.Suggest(history, 1, number, values);
                    End(history, number, values);
                }
            }
            ))[0];
            yield return new BenchmarkLine($"TPE suggestion, 10 parameters, {count} trials, vs budget", time.Median / Suggestions * 1e3, budget, "ms", 1,
                LessIsBetter: true);
        }
    }

    private static Domain Domain(int index) => (index % 5) switch
    {
        0 => new FloatDomain(1e-5, 1, log: true),
        1 => new FloatDomain(0, 1),
        2 => new IntDomain(1, 512, log: true),
        3 => new ChoiceDomain(["a", "b", "c"]),
        _ => new FloatDomain(0, 1, step: 0.05),
    };

    /// <summary>Number of events.</summary>
    private static long RunStudy(SearchSpace space, int trials, int reports, Action? atEnd = null)
    {
        long events = 0;
        var engine = new StudyEngine(new StudySetup
        {
            Context = new StudyContext { Space = space, Directions = [Direction.Minimize], Seed = 1, Trials = trials },
            Sampler = () => new RandomSampler(),
            Parallel = Parallel,
        }, _ => events++);
        var running = new Queue<TrialOrder>();
        Span<double> value = stackalloc double[1];
        while (true)
        {
            while (engine.Decide() is { Order: { } order }) running.Enqueue(order);
            if (!running.TryDequeue(out var next)) break;
            value[0] = next.Parameters[1];
            for (int step = 1; step <= reports; step++) engine.Report(next.Id, step, value);
            engine.Complete(next.Id, value);
        }
        atEnd?.Invoke();
        GC.KeepAlive(engine);
        return engine.End is StudyStopReason.Trials ? events : throw new InvalidOperationException($"the study ended by {engine.End}");
    }

    /// <summary>Bytes that a study holds in the end, for each of its trials.</summary>
    private static double Kept(SearchSpace space, int trials)
    {
        long before = GC.GetTotalMemory(forceFullCollection: true), after = 0;
        RunStudy(space, trials, reports: 3, () => after = GC.GetTotalMemory(forceFullCollection: true));
        return (after - before) / (double)trials;
    }

    private static StudyHistory History(SearchSpace space, int count)
    {
        var history = new StudyHistory(space, Direction.Minimize);
        var sampler = new RandomSampler();
        double[] values = new double[space.Count];
        for (int i = 0; i < count; i++)
        {
            sampler.Suggest(history, 1, i, values);
            End(history, i, values);
        }
        return history;
    }

    private static void End(StudyHistory history, int number, double[] parameters)
    {
        double value = new CounterRandom(2, RandomPurpose.User, number).NextDouble();
        history.Set(new StudyTrial { Number = number, State = TrialState.Complete, Parameters = [.. parameters], Values = [value] });
    }
}
