using System.Text.Json.Nodes;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Cli.Tests.Commands;

/// <summary><c>sweep --resume</c> goes on with what the journal of a folder has, and never begins anew over results.</summary>
public sealed class SweepResumeTests : IDisposable
{
    private const string Study = """
        name: small
        data: { name: digits, validation_fraction: 0.15, test_fraction: 0.15 }
        model: { kind: mlp, hidden: [8] }
        training: { epochs: 2, workers: 1 }
        study: { metric: validation.accuracy, sampler: random, trials: 4, deterministic: true }
        space:
          optimizer.learning_rate: { float: [1e-4, 3e-2], log: true }
        """;

    private readonly CancellationTokenSource _interrupt = new();
    private readonly CliRun _cli = new() { UsesRealHost = true };

    public void Dispose()
    {
        _cli.Dispose();
        _interrupt.Dispose();
    }

    [Theory]
    [InlineData("studies/renamed", false)]
    [InlineData("studies/copy", true)]
    public async Task A_folder_of_another_name_goes_on_as_the_study_that_its_journal_has(string name, bool isCopied)
    {
        string folder = await InterruptedAsync(), other = _cli.In(name);
        string before = File.ReadAllText(Path.Combine(folder, "trials.jsonl"));
        if (isCopied) Copy(folder, other);
        else Directory.Move(folder, other);

        Assert.True(await _cli.RunAsync("sweep", "--resume", other, "--format", "json") == 0, _cli.Error);

        Assert.Equal(4, _cli.Json().GetProperty("trials").GetProperty("complete").GetInt32());
        Assert.Equal(1, _cli.Json().GetProperty("interruptions").GetInt32());
        string[] lines = File.ReadAllLines(Path.Combine(other, "trials.jsonl"));
        Assert.StartsWith(before, string.Concat(lines.Select(l => l + "\n")));
        Assert.Equal([0, 1, 2, 3], lines.Select(l => JsonNode.Parse(l)!["number"]!.GetValue<int>()).Order());
        // and once more: it has ended
        Assert.True(await _cli.RunAsync("sweep", "--resume", other, "--format", "json") == 0, _cli.Error);
        Assert.Equal(lines, File.ReadAllLines(Path.Combine(other, "trials.jsonl")));
        if (isCopied) Assert.Equal(before, File.ReadAllText(Path.Combine(folder, "trials.jsonl")));
    }

    [Fact]
    public async Task A_copy_without_a_journal_is_not_touched_and_it_is_said_what_to_do()
    {
        string folder = Made(3);
        var before = Files(folder);

        Assert.Equal(2, await _cli.RunAsync("sweep", "--resume", folder));

        string line = Assert.Single(_cli.ErrorLines());
        Assert.Contains("it is a copy of one on a cluster, where 'distopt resume made'", line);
        Assert.Contains($"'distopt sweep {Path.Combine(folder, "study.yaml")} --import {folder}'", line);
        Assert.Equal(before, Files(folder));
        var error = await Assert.ThrowsAsync<SpecException>(() => Tuning.ResumeAsync(folder, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal("--resume", Assert.Single(error.Violations).Path);
        Assert.Equal(before, Files(folder));
    }

    [Fact]
    public async Task Trials_that_the_journal_does_not_have_are_never_wiped()
    {
        string folder = Made(3);
        File.WriteAllText(Path.Combine(folder, "journal.db"), "");
        var before = Files(folder);

        Assert.Equal(2, await _cli.RunAsync("sweep", "--resume", folder));

        Assert.Contains("has trials in trials.jsonl, but its journal", Assert.Single(_cli.ErrorLines()));
        Assert.Equal(before, Files(folder));
        // what is there can still be taken elsewhere
        Assert.True(await _cli.RunAsync("export", folder, "--to", _cli.In("trials.csv")) == 0, _cli.Error);
        Assert.Equal(4, File.ReadAllLines(_cli.In("trials.csv")).Length);
    }

    [Fact]
    public async Task A_journal_that_is_none_is_named_and_nothing_is_touched()
    {
        string folder = Made(3);
        File.WriteAllText(Path.Combine(folder, "journal.db"), new string('x', 9000));
        var before = Files(folder);

        Assert.Equal(2, await _cli.RunAsync("sweep", "--resume", folder));

        Assert.Contains("has a journal that cannot be read", Assert.Single(_cli.ErrorLines()));
        Assert.Equal(before, Files(folder));
    }

    [Fact]
    public async Task A_study_that_was_killed_before_it_stored_anything_begins()
    {
        var directory = new StudyDirectory(_cli.In("studies/young"));
        directory.Create(ExampleStudy.Parse(Study), hasJournal: true);

        Assert.True(await _cli.RunAsync("sweep", "--resume", "young", "--format", "json") == 0, _cli.Error);

        Assert.Equal(4, _cli.Json().GetProperty("trials").GetProperty("complete").GetInt32());
    }

    [Fact]
    public async Task Of_a_study_that_was_killed_is_shown_what_its_journal_has()
    {
        string folder = await InterruptedAsync();
        // as kill -9 leaves it
        File.Delete(Path.Combine(folder, "summary.json"));
        File.WriteAllText(Path.Combine(folder, ".control"), _cli.In("gone"));
        int ended = File.ReadAllLines(Path.Combine(folder, "trials.jsonl")).Length;
        var before = Files(folder);

        Assert.True(await _cli.RunAsync("show", folder) == 0, _cli.Error);
        Assert.Contains($"{ended} complete", _cli.Out);
        Assert.Contains("best    ", _cli.Out);
        Assert.Contains($"no process of yours on this machine runs it: 'distopt sweep --resume {folder}' goes on with it", _cli.Out);
        Assert.True(await _cli.RunAsync("show", folder, "--format", "json") == 0, _cli.Error);
        var json = _cli.Json();
        Assert.Equal(("stopped", 4, 0), (json.GetProperty("status").GetString(), json.GetProperty("trials_max").GetInt32(),
            json.GetProperty("trials").GetProperty("running").GetInt32()));
        Assert.Equal(before.Where(f => !f.Key.Contains("journal.db-", StringComparison.Ordinal)), Files(folder).Where(f => !f.Key.Contains("journal.db-", StringComparison.Ordinal)));

        Assert.True(await _cli.RunAsync("sweep", "--resume", folder, "--format", "json") == 0, _cli.Error);
        Assert.Equal(4, _cli.Json().GetProperty("trials").GetProperty("complete").GetInt32());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_study_gets_more_trials_and_another_number_at_a_time_whether_it_has_ended_or_not(bool hasEnded)
    {
        string folder;
        if (hasEnded)
        {
            folder = _cli.In("studies/whole");
            Assert.True(await _cli.RunAsync("sweep", _cli.Write("study.yaml", Study), "--out", folder) == 0, _cli.Error);
        }
        else folder = await InterruptedAsync();
        string before = File.ReadAllText(Path.Combine(folder, "trials.jsonl"));

        Assert.True(await _cli.RunAsync("sweep", "--resume", folder, "--trials", "6", "--parallel", "2", "--format", "json") == 0, _cli.Error);

        Assert.Contains("6 trials, 2 at a time", _cli.Error);
        Assert.Equal(6, _cli.Json().GetProperty("trials").GetProperty("complete").GetInt32());
        string after = File.ReadAllText(Path.Combine(folder, "trials.jsonl"));
        Assert.StartsWith(before, after);
        // that is kept
        Assert.True(await _cli.RunAsync("sweep", "--resume", folder, "--format", "json") == 0, _cli.Error);
        Assert.Equal(6, _cli.Json().GetProperty("trials").GetProperty("complete").GetInt32());
        Assert.Equal(2, await _cli.RunAsync("sweep", "--resume", folder, "--trials", "5"));
        Assert.Equal("error: --trials: trials is 5, but must be at least 6: 6 have begun", Assert.Single(_cli.ErrorLines()));
        Assert.Equal(after, File.ReadAllText(Path.Combine(folder, "trials.jsonl")));
    }

    [Fact]
    public async Task Code_that_has_changed_is_gone_on_with_where_that_is_accepted()
    {
        string folder = await InterruptedAsync();
        using var changed = new CliRun { UsesRealHost = true, Configure = app => app.AddLoss<OwnLoss>("own", _ => throw new NotSupportedException()) };

        Assert.Equal(2, await changed.RunAsync("sweep", "--resume", folder));
        Assert.Contains("error: --accept-new-code: is missing", Assert.Single(changed.ErrorLines()));
        Assert.True(await changed.RunAsync("sweep", "--resume", folder, "--accept-new-code", "--format", "json") == 0, changed.Error);

        Assert.Equal(4, changed.Json().GetProperty("trials").GetProperty("complete").GetInt32());
        Assert.Contains("\"code\":[1]", File.ReadAllLines(Path.Combine(folder, "trials.jsonl"))[^1]);
    }

    private sealed record OwnLoss;

    private string Made(int trials)
    {
        var spec = ExampleStudy.Parse(ExampleStudy.Spec);
        return ExampleStudy.Write(_cli.In("studies/made"), spec, ExampleStudy.Trials(spec, trials));
    }

    /// <summary>The folder of a study that was left after its first trial.</summary>
    private async Task<string> InterruptedAsync()
    {
        using var first = new CliRun { UsesRealHost = true, Interrupt = _interrupt.Token };
        string folder = _cli.In("studies/first");
        Action leave = _interrupt.Cancel;
        int ended = 0;
        int code = await first.RunAsync(() =>
        {
            // a line for the study, for its objective, and then for each trial
            if (Interlocked.Increment(ref ended) == 3) leave();
        }, "sweep", first.Write("study.yaml", Study), "--out", folder, "--format", "json");
        Assert.True(code == 130, first.Error);
        return folder;
    }

    private static Dictionary<string, string> Files(string folder) =>
        Directory.GetFiles(folder, "*", SearchOption.AllDirectories).ToDictionary(f => f, f => $"{File.GetLastWriteTimeUtc(f):O} {File.ReadAllText(f)}");

    private static void Copy(string from, string to)
    {
        foreach (string file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }
}
