using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;
using DistOpt.Hosting.Journal;
using Microsoft.Data.Sqlite;

namespace DistOpt.Benchmarks.Rows;

/// <summary>
/// Studies over a function that does nothing, as users run them: random sampler, eight at a time, in memory and with a journal. Against the figures of the
/// budget.
/// </summary>
internal sealed class FunctionStudyRow : IBenchmarkRow
{
    private const int Trials = 50_000;
    private const int Journaled = 10_000;
    private const int Asked = 200;
    private const int Parallel = 8;

    public string Name => "function-study";

    public string Summary => "no-op trials a second of studies over a function (random sampler, parallel 8), in memory and journaled, and bytes kept of each";

    public IEnumerable<BenchmarkLine> Run(BenchmarkContext context)
    {
        var space = new SearchSpace(Enumerable.Range(0, 3).Select(i => new SearchParameter($"p{i}", new FloatDomain(0, 1))));
        var declared = new FunctionStudyOptions { Space = space, Trials = Trials, Parallel = Parallel, Sampler = new("random") };
        var times = context.Interleave(
            ($"{Trials} in memory", () => RunStudy(declared, trial => 0)),
            ($"{Trials} in memory, defined by run", () => RunStudy(declared with { Space = null }, Defined)),
            ($"{Journaled} journaled", () => RunJournaled(declared with { Trials = Journaled }, trial => 0)),
            ($"{Journaled} journaled, defined by run", () => RunJournaled(declared with { Space = null, Trials = Journaled }, Defined)),
            ($"{Asked} journaled, asked and told by eight callers", () => AskAndTell(declared with { Trials = Asked })),
            ($"{Asked} commits of one row", () => Commit(Asked)));
        yield return new BenchmarkLine("no-op trials a second in memory, vs budget", Trials / times[0].Median, 50_000, "trials/s", 1);
        yield return new BenchmarkLine("the same with 3 parameters defined by run", Trials / times[1].Median, 50_000, "trials/s", null);
        yield return new BenchmarkLine("no-op trials a second journaled, vs budget", Journaled / times[2].Median, 3_000, "trials/s", 1);
        yield return new BenchmarkLine("the same with 3 parameters defined by run", Journaled / times[3].Median, 3_000, "trials/s", null);
        yield return new BenchmarkLine("asked and told by eight callers, each stored, vs commits a second", Asked / times[4].Median, Asked / times[5].Median,
            "trials/s", null);
        var (few, many) = (Kept(declared with { Trials = 10_000 }), Kept(declared with { Trials = 100_000 }));
        yield return new BenchmarkLine("bytes kept of an ended trial, 100,000 vs 10,000 of them", many, few, "bytes", 1.1, LessIsBetter: true);
        yield return new BenchmarkLine("kept of all 100,000 trials, 3 parameters", many * 100_000 / 1e6, double.NaN, "MB", null, LessIsBetter: true);
    }

    private static double Defined(FunctionTrial trial) => trial.SuggestFloat("a", 0, 1) + trial.SuggestFloat("b", 0, 1) + trial.SuggestInt("n", 0, 9);

    private static void RunStudy(FunctionStudyOptions options, Func<FunctionTrial, double> objective, IStudyJournal? journal = null)
    {
        var status = new FunctionStudy(options, journal).RunAsync(objective).GetAwaiter().GetResult();
        if (status.Counts.Complete != options.Trials) throw new InvalidOperationException($"{status.Counts}");
    }

    private static void RunJournaled(FunctionStudyOptions options, Func<FunctionTrial, double> objective) => InFile(file =>
    {
        using var journal = StudyJournal.Open(file);
        RunStudy(options, objective, journal);
    });

    /// <summary>Each caller waits until the beginning of its trial is stored, and its end.</summary>
    private static void AskAndTell(FunctionStudyOptions options) => InFile(file =>
    {
        using var journal = StudyJournal.Open(file);
        var study = new FunctionStudy(options, journal);
        Task.WhenAll(Enumerable.Range(0, Parallel).Select(_ => Task.Factory.StartNew(() =>
        {
            while (study.Ask() is { } trial) study.Tell(trial, 0);
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))).GetAwaiter().GetResult();
        if (study.Status().End is null) throw new InvalidOperationException("the study has not ended");
    });

    private static void Commit(int count) => InFile(file =>
    {
        using var connection = new SqliteConnection($"Data Source={file};Pooling=False");
        connection.Open();
        void Execute(string sql)
        {
            using var command = connection.CreateCommand();
            command.CommandText = sql;
            command.ExecuteNonQuery();
        }
        Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (n INTEGER);");
        for (int i = 0; i < count; i++) Execute("INSERT INTO t VALUES (1)");
    });

    private static void InFile(Action<string> act)
    {
        string folder = Directory.CreateTempSubdirectory("distopt-study-").FullName;
        try
        {
            act(Path.Combine(folder, "study.db"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static double Kept(FunctionStudyOptions options)
    {
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var study = new FunctionStudy(options);
        study.RunAsync(trial => 0).GetAwaiter().GetResult();
        long after = GC.GetTotalMemory(forceFullCollection: true);
        GC.KeepAlive(study);
        return (after - before) / (double)options.Trials!.Value;
    }
}
