using System.Net;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Journal;

/// <summary>What holds for the journal in every database.</summary>
public abstract class JournalContract : IDisposable
{
    /// <summary>A job that waits for ever: there are not so many slots.</summary>
    private protected static readonly string Waiting = LinearParts.Yaml(workers: 5000, shards: 5000);

    private protected string Root { get; } = Directory.CreateTempSubdirectory("distopt-journal-").FullName;

    /// <summary>The setting <c>journal</c>; null = the file under <see cref="Root"/>.</summary>
    private protected abstract string? Setting { get; }

    private protected static CancellationToken Token => TestContext.Current.CancellationToken;

    public virtual void Dispose()
    {
        // a database connection that ends late may put its files there once more
        for (int tries = 100; Directory.Exists(Root); tries--)
        {
            try
            {
                Directory.Delete(Root, recursive: true);
            }
            catch (IOException) when (tries > 0) { }
        }
        GC.SuppressFinalize(this);
    }

    private protected async Task<ApiNode> StartAsync() => await (await ApiNode.StartAsync(Root, Setting, NullLoggerFactory.Instance)).HoldsAsync();

    private protected SqlJournal Journal() => SqlJournal.Of(new NodeOptions { DataRoot = Root, Journal = Setting })!;

    [Fact]
    public async Task Every_accepted_job_and_command_is_there_again_after_a_restart()
    {
        string done, running, waiting;
        await using (var before = await StartAsync())
        {
            done = await before.SubmitAsync(LinearParts.Yaml(), "key done");
            await before.EndedAsync(done);
            waiting = await before.SubmitAsync(Waiting, "key waiting");
            running = await before.SubmitAsync(LinearParts.Yaml(epochs: 3), "key running");
            Assert.Equal(HttpStatusCode.Accepted, (await before.PostAsync($"/api/v1/jobs/{waiting}/cancel", "key cancel")).Status);
            await before.CutAsync();
        }

        await using var after = await StartAsync();
        var jobs = (await after.GetAsync("/api/v1/jobs")).GetProperty("jobs").EnumerateArray().Select(j => j.GetProperty("id").GetString());
        var shown = await after.GetAsync($"/api/v1/jobs/{done}");

        Assert.Equal([done, waiting, running], jobs);
        Assert.Equal("completed", shown.GetProperty("status").GetString());
        Assert.Equal(22, shown.GetProperty("summary").GetProperty("steps").GetInt32());
        Assert.Equal(0, shown.GetProperty("summary").GetProperty("coordinator_restarts").GetInt32());
        Assert.Contains("\"split\"", await after.Http.GetStringAsync($"/api/v1/jobs/{done}/rows", Token));
        Assert.Equal(HttpStatusCode.OK, (await after.Http.GetAsync($"/api/v1/jobs/{done}/logs", Token)).StatusCode);
        // repeats give the same answers
        Assert.Equal(done, await after.SubmitAsync(LinearParts.Yaml(), "key done"));
        Assert.Equal(running, await after.SubmitAsync(LinearParts.Yaml(epochs: 3), "key running"));
        Assert.Equal(HttpStatusCode.Accepted, (await after.PostAsync($"/api/v1/jobs/{waiting}/cancel", "key cancel")).Status);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await after.PostAsync("/api/v1/jobs", "key done", LinearParts.Yaml(epochs: 4))).Status);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, (await after.PostAsync($"/api/v1/jobs/{running}/cancel", "key done")).Status);
        // what had not ended goes on, or is stopped as it was asked to
        Assert.Equal("cancelled", (await after.EndedAsync(waiting)).GetProperty("status").GetString());
        var summary = (await after.EndedAsync(running)).GetProperty("summary");
        Assert.Equal("completed", summary.GetProperty("status").GetString());
        Assert.Equal(33, summary.GetProperty("steps").GetInt32());
    }

    [Fact]
    public async Task A_job_that_was_under_way_is_taken_up_again_and_says_so()
    {
        string id;
        await using (var before = await StartAsync())
        {
            id = await before.SubmitAsync(LinearParts.Yaml(epochs: 1_000_000));
            await TrainingAsync(before, id);
            await before.CutAsync();
        }

        await using var after = await StartAsync();
        await TrainingAsync(after, id);
        await after.PostAsync($"/api/v1/jobs/{id}/cancel", null);
        var summary = (await after.EndedAsync(id)).GetProperty("summary");

        Assert.Equal("cancelled", summary.GetProperty("status").GetString());
        Assert.Equal(1, summary.GetProperty("coordinator_restarts").GetInt32());
    }

    [Fact]
    public async Task Old_events_give_way_to_a_snapshot_that_tells_the_same()
    {
        string id;
        await using (var before = await StartAsync())
        {
            id = await before.SubmitAsync(LinearParts.Yaml(), "the job");
            await before.EndedAsync(id);
            await Parallel.ForEachAsync(Enumerable.Range(0, 1100), new ParallelOptions { MaxDegreeOfParallelism = 32, CancellationToken = Token },
                async (i, _) => Assert.Equal(HttpStatusCode.Accepted, (await before.PostAsync($"/api/v1/jobs/{id}/cancel", $"key-{i}")).Status));
            // deleting follows the snapshot
            while (Count("journal") > 700) await Task.Yield();
            Assert.InRange(Count("snapshot"), 1, 2);
            await before.CutAsync();
        }

        await using var after = await StartAsync();
        Assert.Equal(id, await after.SubmitAsync(LinearParts.Yaml(), "the job"));
        foreach (int i in new[] { 0, 499, 1099 })
            Assert.Equal(HttpStatusCode.UnprocessableEntity, (await after.PostAsync("/api/v1/jobs", $"key-{i}", LinearParts.Yaml())).Status);
        Assert.Equal("completed", (await after.GetAsync($"/api/v1/jobs/{id}")).GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_coordinator_whose_journal_was_taken_accepts_nothing_more_and_its_node_ends_as_downed()
    {
        await using var old = await StartAsync();
        string id = await old.SubmitAsync(LinearParts.Yaml());
        await old.EndedAsync(id);
        var other = Journal();
        await TakeAnywayAsync(other);

        var (status, _) = await old.PostAsync("/api/v1/jobs", "late", LinearParts.Yaml());

        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Equal(1, Scalar("SELECT count(*) FROM journal WHERE manifest = 'job-submitted.1'"));
        // it does not take the journal back: it is the one that others think dead
        Assert.Equal(NodeEnd.Downed, await old.Node.Ended.WaitAsync(TimeSpan.FromSeconds(60), Token));
        Assert.True(await other.IsHeldAsync());
        other.Release();
    }

    [Fact]
    public async Task A_coordinator_that_writes_nothing_notices_too_that_its_journal_was_taken()
    {
        await using var old = await StartAsync();
        var other = Journal();
        await TakeAnywayAsync(other);

        Assert.Equal(NodeEnd.Downed, await old.Node.Ended.WaitAsync(TimeSpan.FromSeconds(60), Token));
        other.Release();
    }

    [Fact]
    public void A_journal_of_a_newer_format_is_refused_with_what_to_do()
    {
        var journal = Journal();
        journal.Prepare();
        Scalar("UPDATE distopt_journal SET format = 99 WHERE one = 1 RETURNING format");

        var error = Assert.Throws<Core.Specs.SpecException>(journal.Prepare);

        Assert.Contains("format 99", error.Message);
        Assert.Contains("newer version", error.Message);
        Scalar("UPDATE distopt_journal SET format = 1 WHERE one = 1 RETURNING format");
    }

    [Fact]
    public void The_same_database_has_the_same_id()
    {
        string id = Journal().Prepare();

        Assert.Equal(16, id.Length);
        Assert.Equal(id, Journal().Prepare());
    }

    /// <summary>Takes the journal although somebody has it.</summary>
    private protected abstract Task TakeAnywayAsync(SqlJournal journal);

    /// <summary>Runs a statement on a connection of the test's own.</summary>
    private protected abstract long Scalar(string sql);

    private static async Task TrainingAsync(ApiNode node, string id)
    {
        while ((await node.GetAsync($"/api/v1/jobs/{id}")).GetProperty("status").GetString() != "training") { }
    }

    private long Count(string table) => Scalar($"SELECT count(*) FROM {table}");
}
