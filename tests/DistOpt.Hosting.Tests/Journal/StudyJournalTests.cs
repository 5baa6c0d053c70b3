using System.Globalization;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Functions;
using DistOpt.Hosting.Journal;
using Microsoft.Data.Sqlite;

namespace DistOpt.Hosting.Tests.Journal;

/// <summary>Studies over functions with a journal in a file.</summary>
public sealed class StudyJournalTests : IDisposable
{
    private static readonly SearchSpace s_space = new([new("x", new FloatDomain(-2, 2)), new("kind", new ChoiceDomain(["a", "b"]))]);

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-journal-").FullName;

    private string Path => System.IO.Path.Combine(_folder, "study.db");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static FunctionStudyOptions Options(int trials = 40, int parallel = 4) =>
        new() { Space = s_space, Trials = trials, Parallel = parallel, Seed = 1, Sampler = new("random") };

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_study_that_is_opened_again_is_the_same_and_goes_on()
    {
        IReadOnlyList<TrialSnapshot> before;
        using (var journal = StudyJournal.Open(Path))
        {
            var study = new FunctionStudy(Options(), journal);
            study.SetUserAttribute("owner", "me");
            await study.RunAsync(trial => trial.Float("x"), trials: 15, cancellationToken: Token);
            before = study.Trials;
        }
        using (var journal = StudyJournal.Open(Path))
        {
            var study = new FunctionStudy(Options(), journal);
            Assert.Equal(before.Select(Text), study.Trials.Select(Text));
            Assert.Equal("me", study.UserAttributes["owner"].GetString());
            var status = await study.RunAsync(trial => trial.Float("x"), cancellationToken: Token);
            Assert.Equal((StudyStopReason.Trials, 40, 1), (status.End, status.Counts.Complete, status.Sessions));
        }
        using var last = StudyJournal.Open(Path);
        var ended = new FunctionStudy(Options(), last);
        Assert.Equal((StudyStopReason.Trials, null), (ended.Status().End, ended.Ask()));
        Assert.Equal(before.Select(Text), ended.Trials.Take(15).Select(Text));
    }

    /// <summary>The file is copied while the study goes on: what a method has returned is in it.</summary>
    [Fact]
    public void What_ask_and_tell_return_is_on_the_disk()
    {
        using var journal = StudyJournal.Open(Path);
        var study = new FunctionStudy(Options(), journal);
        for (int i = 0; i < 5; i++)
        {
            var trial = study.Ask()!;
            Assert.Equal(i + 1, Stored("trial-started.1"));
            trial.SetUserAttribute("n", i);
            Assert.True(study.Tell(trial, i));
            Assert.Equal((i + 1, i + 1), (Stored("trial-ended.1"), Stored("study-attribute.1")));
        }
    }

    [Fact]
    public async Task Callers_side_by_side_share_commits()
    {
        using var journal = StudyJournal.Open(Path);
        var study = new FunctionStudy(Options(trials: 400, parallel: 16), journal);
        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() =>
        {
            while (study.Ask() is { } trial) Assert.True(study.Tell(trial, trial.Float("x")));
        }, Token)));
        // one of them may have asked when all slots were taken, and none of them asks again then
        while (study.Ask() is { } trial) study.Tell(trial, trial.Float("x"));
        Assert.Equal(400, study.Status().Counts.Complete);
        Assert.Equal(400, Stored("trial-ended.1"));
        Assert.Equal(Enumerable.Range(1, Count("1 = 1")), Numbers());
    }

    [Fact]
    public void A_second_writer_is_refused_until_the_first_one_is_gone()
    {
        var first = StudyJournal.Open(Path);
        var error = Assert.Throws<SpecException>(() => StudyJournal.Open(Path));
        Assert.Contains("is in use: a study is written by one process", error.Message);
        first.Dispose();
        StudyJournal.Open(Path).Dispose();
    }

    /// <summary>Whoever takes the journal in spite of the lock, as on another machine's view of the file, keeps the old writer out.</summary>
    [Fact]
    public void A_writer_whose_journal_was_taken_stores_nothing_more_and_says_so()
    {
        using var journal = StudyJournal.Open(Path);
        var study = new FunctionStudy(Options(), journal);
        var trial = study.Ask()!;
        using (var connection = new SqliteConnection($"Data Source={Path};Pooling=False"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "UPDATE distopt_journal SET epoch = epoch + 1";
            command.ExecuteNonQuery();
        }
        Assert.Contains("fenced", Assert.Throws<IOException>(() => study.Tell(trial, 1)).Message);
        Assert.Contains("nothing can be stored", Assert.Throws<InvalidOperationException>(() => study.Ask()).Message);
        Assert.Equal(0, Stored("trial-ended.1"));
    }

    [Fact]
    public void Another_study_in_the_file_is_refused_with_what_is_different()
    {
        using (var journal = StudyJournal.Open(Path)) new FunctionStudy(Options(), journal).Ask();
        string Refusal(FunctionStudyOptions options)
        {
            using var journal = StudyJournal.Open(Path);
            return Assert.Throws<SpecException>(() => new FunctionStudy(options, journal)).Message;
        }
        Assert.Contains("there, seed is 1; here, seed is 2", Refusal(Options() with { Seed = 2 }));
        Assert.Contains("space.x: goes from -2 to 1, which does not contain all from -2 to 2",
            Refusal(Options() with { Space = new SearchSpace([new("x", new FloatDomain(-2, 1)), s_space.Parameters[1]]) }));
        Assert.Contains("there, parameters are declared; here, parameters are defined by trials", Refusal(Options() with { Space = null }));
        // what may be another one
        using var same = StudyJournal.Open(Path);
        Assert.Equal(1, new FunctionStudy(Options(trials: 80, parallel: 2) with { Sampler = new("tpe") }, same).Status().Started);
    }

    [Fact]
    public void A_wider_space_is_kept_and_a_file_of_an_earlier_version_takes_none()
    {
        SearchSpace wide = new([new("x", new FloatDomain(-2, 3)), new("kind", new ChoiceDomain(["a", "c", "b"]))]);
        StudyStatus Opened(SearchSpace space)
        {
            using var journal = StudyJournal.Open(Path);
            var study = new FunctionStudy(Options() with { Space = space }, journal);
            study.Tell(study.Ask()!, 1);
            return study.Status();
        }
        Assert.Equal(0, Opened(s_space).SpaceVersion);
        Assert.Equal((1, 1), (Opened(wide).SpaceVersion, Opened(s_space).SpaceFrom));
        Assert.Equal((1, 1), (Opened(wide).SpaceVersion, Stored("study-space.1")));
        Assert.Equal(wide.ToString(), StudyReading.Of("w", FunctionStudyFile.Read(Path, "study").Study, FunctionStudyFile.Read(Path, "study").Events)
            .Outline.Space.ToString());

        using (var connection = new SqliteConnection($"Data Source={Path};Pooling=False"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "DROP TABLE distopt_function_study_declaration";
            command.ExecuteNonQuery();
        }
        Assert.Contains("there, parameter 'x' is float [-2, 2]; here, parameter 'x' is float [-2, 3]", Assert.Throws<SpecException>(() => Opened(wide)).Message);
        // its program opens it once more, and stores what is searched
        Assert.Equal(1, Opened(s_space).SpaceVersion);
        Assert.Equal(1, Opened(wide).SpaceVersion);
    }

    [Fact]
    public async Task A_study_that_defines_its_parameters_is_kept_too()
    {
        static double Objective(FunctionTrial trial) =>
            trial.SuggestCategorical("kind", "a", "b") == "a" ? trial.SuggestFloat("x", -1, 1) : trial.SuggestInt("n", 1, 4);
        var options = new FunctionStudyOptions { Trials = 60, Seed = 2 };
        using (var journal = StudyJournal.Open(Path))
        {
            var study = new FunctionStudy(options, journal);
            study.Enqueue(new Dictionary<string, object?> { ["kind"] = "b", ["n"] = 3 });
            await study.RunAsync(Objective, trials: 30, cancellationToken: Token);
        }
        using var again = StudyJournal.Open(Path);
        var rest = new FunctionStudy(options, again);
        await rest.RunAsync(Objective, cancellationToken: Token);
        var whole = new FunctionStudy(options);
        whole.Enqueue(new Dictionary<string, object?> { ["kind"] = "b", ["n"] = 3 });
        await whole.RunAsync(Objective, cancellationToken: Token);
        Assert.Equal(whole.Trials.Select(Text), rest.Trials.Select(Text));
    }

    /// <summary>Of a trial that began anew what it had reported before counts, as it did for its pruner.</summary>
    [Fact]
    public async Task What_is_exported_has_every_report_once_and_the_times_though_the_study_was_interrupted()
    {
        var clock = new Ticks();
        using (var journal = StudyJournal.Open(Path, clock))
        {
            var study = new FunctionStudy(Options(trials: 3, parallel: 1), journal);
            await study.RunAsync(trial => trial.Float("x"), trials: 1, cancellationToken: Token);
            var begun = study.Ask()!;
            for (int step = 1; step <= 2; step++) begun.Report(step, step);
            begun.SetUserAttribute("begun", true);
            Assert.Equal(2, study.Status().Started); // what is shown is stored
        }
        using var again = StudyJournal.Open(Path, clock);
        var rest = new FunctionStudy(Options(trials: 3, parallel: 1), again);
        await rest.RunAsync(trial =>
        {
            for (int step = 1; step <= 4; step++) trial.Report(10 * step, step);
            return trial.Float("x");
        }, cancellationToken: Token);

        var exported = rest.Export("s");

        Assert.Equal(rest.Trials.Select(t => t.Values.Single()), exported.Trials.Select(t => t.Values.Single()));
        Assert.Equal(rest.Trials.Select(t => t.Parameters["kind"]), exported.Trials.Select(t => t.Parameters.Single(p => p.Name == "kind").Value));
        Assert.Equal([[], [1, 2, 30, 40], [10, 20, 30, 40]], exported.Trials.Select(t => t.Intermediate.Select(r => r.Value)));
        Assert.Contains(new("begun", true), exported.Trials[1].Attributes);
        DateTime[] times = [.. exported.Trials.SelectMany(t => (DateTime[])[t.Started!.Value, t.Ended!.Value])];
        Assert.Equal(times.Order(), times);
        Assert.InRange(times[^1], times[0].AddSeconds(3), clock.GetUtcNow().UtcDateTime);
        var file = FunctionStudyFile.Read(Path, "study");
        Assert.Equal((1L, false, "seed is 1"), (file.Study.Seed, file.Study.IsDefinedByRun, file.Study.Lines[0]));
        Assert.Equal(s_space.Parameters.Select(p => p.Domain), file.Study.Space.Parameters.Select(p => p.Domain));
    }

    [Fact]
    public void A_file_that_is_no_study_is_refused()
    {
        File.WriteAllText(Path, "something else entirely, and long enough to be looked at as a database of some kind");
        Assert.Contains("cannot be opened", Assert.Throws<SpecException>(() => StudyJournal.Open(Path)).Message);
    }

    private int Stored(string manifest) => Count($"manifest = '{manifest}'");

    private int Count(string where) => Numbers($"SELECT count(*) FROM journal WHERE {where}").Single();

    private List<int> Numbers(string sql = "SELECT sequence_number FROM journal ORDER BY sequence_number")
    {
        using var connection = new SqliteConnection($"Data Source={Path};Mode=ReadOnly;Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var numbers = new List<int>();
        while (reader.Read()) numbers.Add(reader.GetInt32(0));
        return numbers;
    }

    /// <summary>A second later each time.</summary>
    private sealed class Ticks : TimeProvider
    {
        private long _seconds;

        public override DateTimeOffset GetUtcNow() => new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero).AddSeconds(Interlocked.Increment(ref _seconds));
    }

    private static string Text(TrialSnapshot trial) => string.Create(CultureInfo.InvariantCulture,
        $"{trial.Number} {trial.State} {string.Join(" ", trial.Parameters)} {string.Join(" ", trial.Values)}");
}
