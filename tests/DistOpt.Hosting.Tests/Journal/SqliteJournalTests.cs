using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Tests.Support;
using DistOpt.Hosting.Tests.Tensors;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Journal;

public sealed class SqliteJournalTests : JournalContract
{
    private string Database => Path.Combine(Root, "coordinator", "journal.db");

    private protected override string? Setting => null;

    [Fact]
    public async Task A_second_writer_is_kept_out_by_the_lock_file_and_told_what_to_do()
    {
        var (one, two) = (Journal(), Journal());
        one.Prepare();
        await one.TakeAsync();

        var error = await Assert.ThrowsAsync<IOException>(two.TakeAsync);
        Assert.Contains("is in use by another job coordinator", error.Message);
        Assert.Equal(0, two.Epoch);
        one.Release();
        await two.TakeAsync();
        Assert.Equal(2, two.Epoch);
        two.Release();
    }

    [Fact]
    public async Task A_second_coordinator_on_the_same_file_waits_until_the_first_is_gone()
    {
        var log = new TestLog();
        var first = await StartAsync();
        // a cluster of its own, as after a wrong setting: only the lock keeps the two apart
        await using var second = await ApiNode.StartAsync(Root, Setting, new TestLoggers(log));
        await log.UntilAsync(() => log.Lines.Any(l => l.Text.Contains("is in use by another job coordinator", StringComparison.Ordinal)));
        Assert.False(second.Node.CoordinatorPlace.IsHere);
        string job = await first.SubmitAsync(LinearParts.Yaml());
        await first.EndedAsync(job);
        await first.CutAsync();

        await second.HoldsAsync();

        Assert.Equal("completed", (await second.EndedAsync(job)).GetProperty("status").GetString());
    }

    [Fact]
    public async Task Commits_are_flushed_to_the_disk_and_another_program_cannot_write()
    {
        var journal = Journal();
        journal.Prepare();
        await journal.TakeAsync();
        using var connection = Open();
        using var command = connection.CreateCommand();

        command.CommandText = "PRAGMA journal_mode";
        Assert.Equal("wal", command.ExecuteScalar());
        command.CommandText = "INSERT INTO journal (created, deleted, persistence_id, sequence_number, message, manifest) VALUES (0, 0, 'x', 1, x'00', 'm')";
        Assert.Contains("distopt_epoch", Assert.Throws<SqliteException>(() => command.ExecuteNonQuery()).Message);
        connection.CreateFunction("distopt_epoch", () => journal.Epoch - 1);
        Assert.Contains(SqlJournal.Fenced, Assert.Throws<SqliteException>(() => command.ExecuteNonQuery()).Message);
        connection.CreateFunction("distopt_epoch", () => journal.Epoch);
        Assert.Equal(1, command.ExecuteNonQuery());
        journal.Release();
    }

    [Fact]
    public async Task An_event_of_a_newer_version_is_refused_and_nothing_is_answered_from_half_a_journal()
    {
        await using (var before = await StartAsync())
        {
            await before.EndedAsync(await before.SubmitAsync(LinearParts.Yaml()));
            await before.CutAsync();
        }
        using (var connection = Open())
        using (var command = connection.CreateCommand())
        {
            connection.CreateFunction("distopt_epoch", () => Scalar("SELECT epoch FROM distopt_journal"));
            command.CommandText = """
                INSERT INTO journal (created, deleted, persistence_id, sequence_number, message, manifest, identifier)
                SELECT created, deleted, persistence_id, sequence_number + 1, message, 'job-paused.1', identifier FROM journal ORDER BY sequence_number DESC LIMIT 1
                """;
            Assert.Equal(1, command.ExecuteNonQuery());
        }

        var log = new TestLog();
        await using var after = await ApiNode.StartAsync(Root, Setting, new TestLoggers(log));
        await log.UntilAsync(() => log.Lines.Any(l => l.Text.Contains("'job-paused.1', which this build does not know", StringComparison.Ordinal)));

        Assert.Equal(System.Net.HttpStatusCode.ServiceUnavailable, (await after.Http.GetAsync("/api/v1/jobs", Token)).StatusCode);
    }

    [Fact]
    public void A_place_that_cannot_be_written_is_bad_input()
    {
        string file = Path.Combine(Root, "file");
        File.WriteAllText(file, "");

        var error = Assert.Throws<Core.Specs.SpecException>(() => SqlJournal.Of(new NodeOptions { Journal = Path.Combine(file, "journal.db") })!.Prepare());

        Assert.Equal("journal", error.Violations[0].Path);
        Assert.Contains("a folder that this user may write to", error.Message);
    }

    [Fact]
    public async Task A_coordinator_with_another_journal_may_not_join()
    {
        await using var first = await StartAsync();

        var error = await Assert.ThrowsAsync<Core.Specs.SpecException>(() =>
            ApiNode.StartAsync(Path.Combine(Root, "second"), null, NullLoggerFactory.Instance, join: first.Node.Endpoint));

        Assert.Contains("belongs to one machine", error.Message);
        Assert.Contains(first.Node.Endpoint, error.Message);
    }

    /// <summary>Watches for longer than it takes the cluster to decide that a node is dead.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task A_worker_stays_while_its_coordinator_is_away_and_works_for_it_when_it_is_back()
    {
        var first = await (await ApiNode.StartAsync(Root, Setting, NullLoggerFactory.Instance, "coordinator")).HoldsAsync();
        await using var worker = await ApiNode.StartAsync(Path.Combine(Root, "worker"), null, NullLoggerFactory.Instance, "server,worker", first.Node.Endpoint);
        int port = int.Parse(first.Node.Endpoint.Split(':')[^1], System.Globalization.CultureInfo.InvariantCulture);
        string done = await first.SubmitAsync(LinearParts.Yaml(), "key");
        await first.EndedAsync(done);
        await first.CutAsync();

        await Assert.ThrowsAsync<TimeoutException>(() => worker.Node.Ended.WaitAsync(TimeSpan.FromSeconds(25), Token));
        await using var second = await (await ApiNode.StartAsync(Root, Setting, NullLoggerFactory.Instance, "coordinator", port: port)).HoldsAsync();

        Assert.Equal(done, await second.SubmitAsync(LinearParts.Yaml(), "key"));
        Assert.Equal("completed", (await second.EndedAsync(await second.SubmitAsync(LinearParts.Yaml()))).GetProperty("status").GetString());
        var names = (await second.GetAsync("/api/v1/nodes")).GetProperty("nodes").EnumerateArray().Select(n => n.GetProperty("name").GetString());
        Assert.Contains(worker.Node.Endpoint, names);
    }

    [Theory]
    [InlineData("postgresql://user@host/db", "is a URL")]
    [InlineData("Host=db;Prot=5", "is no PostgreSQL connection string")]
    [InlineData(" ", "is empty")]
    public void A_wrong_setting_is_bad_input(string setting, string text)
    {
        var violation = Assert.Single(new NodeOptions { Journal = setting }.Validate());

        Assert.Equal("journal", violation.Path);
        Assert.Contains(text, violation.Message);
    }

    private protected override async Task TakeAnywayAsync(SqlJournal journal)
    {
        // a file system that does not keep locks, say
        File.Delete(Database + ".lock");
        await journal.TakeAsync();
    }

    private protected override long Scalar(string sql)
    {
        using var connection = Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return Convert.ToInt64(command.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture);
    }

    private SqliteConnection Open()
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Database, Pooling = false, DefaultTimeout = 10 }.ToString());
        connection.Open();
        return connection;
    }
}
