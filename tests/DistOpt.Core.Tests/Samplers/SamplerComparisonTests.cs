using System.Collections.Immutable;
using System.Text.Json;
using DistOpt.Cli.Tests.Exchange;
using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>
/// TPE and GP are better than random on at least ten of the twelve functions and worse on none: 20 seeds, best value after 100 and after 200 trials,
/// <see cref="SamplerFigures.Compare"/>. All of it, and the tables of <c>tests/README.md</c> with Optuna beside, have the trait <c>Category=Long</c>.
/// Figures stay in the file that <c>DISTOPT_SAMPLER_FIGURES</c> names, and those that are there are not measured again; the tables go to the one that
/// <c>DISTOPT_SAMPLER_TABLE</c> names, else to the test's output.
/// </summary>
public sealed class SamplerComparisonTests
{
    private const string Random = "random";
    private const string Peer = "Optuna ";

    private static readonly ImmutableArray<int> s_budgets = [100, 200];

    private static readonly ImmutableArray<string> s_own = [Random, "tpe", "gp", "cma-es", "sobol", "auto"];

    private static readonly ImmutableArray<string> s_peers = [Random, "tpe", "cma-es"];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public Task Tpe_is_better_than_random_on_ten_functions_of_twelve_and_worse_on_none() => DemandAsync("tpe", 200, new SamplerFigureFile(null));

    /// <summary>Two functions and fewer trials: the time of a suggestion grows with the cube of their number.</summary>
    [Theory]
    [InlineData("Branin", 30)]
    [InlineData("Hartmann6", 40)]
    public async Task Gp_is_better_than_random_after_few_trials(string name, int trials)
    {
        var function = TestFunctions.All.Single(f => f.Name == name);
        var file = new SamplerFigureFile(null);
        Assert.Equal(Verdict.Better, SamplerFigures.Compare(await OwnAsync(file, function, "gp", [trials]), await OwnAsync(file, function, Random, [trials])));
    }

    /// <summary>Its column of the tables is theirs, and is not measured again.</summary>
    [Fact]
    public async Task Auto_is_gp_where_all_parameters_are_numbers_and_else_tpe()
    {
        ImmutableArray<int> budgets = [.. Enumerable.Range(1, 15)];
        foreach (var function in TestFunctions.All)
        {
            double[] auto = await SamplerFigures.BestAsync(function, "auto", 1, budgets, Token);
            Assert.Equal(await SamplerFigures.BestAsync(function, BehindAuto(function), 1, budgets, Token), auto);
        }
    }

    [Fact]
    public void Optuna_is_given_the_same_functions()
    {
        var points = TestFunctions.All.ToDictionary(f => f.Name, f => (double[][])[.. Enumerable.Range(0, 20).Select(i => PointOf(f, i)), .. f.Minimizers]);
        var peer = OptunaPeer.Run(Script(), "values", JsonSerializer.Serialize(points.ToDictionary(p => p.Key, p => Json(p.Key, p.Value))));
        foreach (var function in TestFunctions.All)
        {
            double[] values = [.. peer.GetProperty(function.Name).EnumerateArray().Select(v => v.GetDouble())];
            Assert.Equal(points[function.Name].Length, values.Length);
            Assert.All(points[function.Name].Zip(values), p => Assert.Equal(function.Value(p.First), p.Second, 1e-9 * Math.Max(1, Math.Abs(p.Second))));
        }
    }

    [Theory]
    [InlineData("tpe", 100)]
    [InlineData("tpe", 200)]
    [InlineData("gp", 100)]
    [InlineData("gp", 200)]
    [Trait("Category", "Long")]
    public Task A_sampler_is_better_than_random_on_ten_functions_of_twelve_and_worse_on_none(string sampler, int trials) =>
        DemandAsync(sampler, trials, new SamplerFigureFile(Figures()));

    [Fact]
    [Trait("Category", "Long")]
    public async Task Samplers_and_Optuna_are_put_into_tables()
    {
        var file = new SamplerFigureFile(Figures());
        // Optuna has a process of its own meanwhile
        var peers = Task.Run(() => MeasurePeers(file), Token);
        foreach (string sampler in s_own.Where(s => s != "auto").OrderBy(s => s == "gp"))
            foreach (var function in TestFunctions.All.Where(f => IsFor(sampler, f))) await OwnAsync(file, function, sampler, s_budgets);
        await peers;
        string tables = string.Join(Environment.NewLine, s_budgets.Select(b => $"Median regret after {b} trials:" + Environment.NewLine + Environment.NewLine
            + SamplerTable.Format((f, s) => file.Get(f.Name, s == "auto" ? BehindAuto(f) : s, b), TestFunctions.All,
                [.. s_own, .. s_peers.Select(s => Peer + s)], Random, Peer + "tpe")));
        TestContext.Current.TestOutputHelper?.WriteLine(tables);
        if (Environment.GetEnvironmentVariable("DISTOPT_SAMPLER_TABLE") is { Length: > 0 } path) await File.WriteAllTextAsync(path, tables, Token);
    }

    /// <summary>After each of the budgets up to some trials.</summary>
    private static async Task DemandAsync(string sampler, int trials, SamplerFigureFile file)
    {
        ImmutableArray<int> budgets = [.. s_budgets.Where(b => b <= trials)];
        var verdicts = new List<(string Function, int Trials, Verdict Verdict)>();
        foreach (var function in TestFunctions.All)
        {
            await OwnAsync(file, function, sampler, budgets);
            await OwnAsync(file, function, Random, budgets);
            foreach (int b in budgets)
                verdicts.Add((function.Name, b, SamplerFigures.Compare(file.Get(function.Name, sampler, b)!, file.Get(function.Name, Random, b)!)));
        }
        Assert.All(budgets, b => Assert.True(verdicts.Count(v => v.Trials == b && v.Verdict == Verdict.Better) >= 10, string.Join(", ", verdicts)));
        Assert.DoesNotContain(verdicts, v => v.Verdict == Verdict.Worse);
    }

    /// <summary>A value for each seed after the last budget; those that are not known are measured.</summary>
    private static async Task<double[]> OwnAsync(SamplerFigureFile file, TestFunction function, string sampler, ImmutableArray<int> budgets)
    {
        await Parallel.ForEachAsync(file.Missing(function.Name, sampler, budgets), Token, async (seed, token) =>
            file.Add(function.Name, sampler, seed, budgets, await SamplerFigures.BestAsync(function, sampler, seed, budgets, token)));
        return file.Get(function.Name, sampler, budgets[^1])!;
    }

    private static void MeasurePeers(SamplerFigureFile file)
    {
        foreach (string sampler in s_peers)
        {
            foreach (var function in TestFunctions.All)
            {
                foreach (int seed in file.Missing(function.Name, Peer + sampler, s_budgets))
                {
                    var best = OptunaPeer.Run(Script(), ["studies", function.Name, sampler, $"{seed}", .. s_budgets.Select(b => $"{b}")]);
                    file.Add(function.Name, Peer + sampler, seed, s_budgets, [.. best.EnumerateArray().Select(v => v.GetDouble())]);
                }
            }
        }
    }

    private static bool IsFor(string sampler, TestFunction function)
    {
        var entry = SamplerCatalog.Default.Entries.Single(e => e.Name == sampler);
        return !entry.Factory(Activator.CreateInstance(entry.OptionsType)!).Check(function.Space, 1).Any();
    }

    /// <summary>What auto is for as many trials as are measured.</summary>
    private static string BehindAuto(TestFunction function) =>
        new AutoSampler(new AutoOptions()).For(new StudyHistory(function.Space, Direction.Minimize), 1) is GpSampler ? "gp" : "tpe";

    private static double[] PointOf(TestFunction function, int number)
    {
        double[] values = new double[function.Space.Count];
        new RandomSampler().Suggest(new StudyHistory(function.Space, Direction.Minimize), 3, number, values);
        return values;
    }

    /// <summary>Integers and choices as integers, null where a parameter has no value.</summary>
    private static IEnumerable<IEnumerable<object?>> Json(string function, double[][] points)
    {
        var parameters = TestFunctions.All.Single(f => f.Name == function).Space.Parameters;
        return points.Select(p => p.Select((v, j) => double.IsNaN(v) ? null : parameters[j].Domain is FloatDomain ? v : (object?)(long)v));
    }

    private static string? Figures() => Environment.GetEnvironmentVariable("DISTOPT_SAMPLER_FIGURES") is { Length: > 0 } path ? path : null;

    private static string Script() => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Samplers/Fixtures/optuna_figures.py"));
}
