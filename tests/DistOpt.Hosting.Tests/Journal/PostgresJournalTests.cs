using System.Net;
using System.Text.Json;
using DistOpt.Actors.Tests.Support;
using DistOpt.Hosting.Journal;
using DistOpt.Hosting.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace DistOpt.Hosting.Tests.Journal;

/// <summary>The journal in a real PostgreSQL server, and a coordinator that moves.</summary>
public sealed class PostgresJournalTests(PostgresServer server) : JournalContract, IClassFixture<PostgresServer>
{
    private string? _connection;

    private protected override string? Setting => _connection ??= server.NewDatabase();

    [Fact]
    public async Task Another_node_takes_over_with_every_job_and_until_then_sends_clients_to_the_holder()
    {
        var first = await StartAsync();
        await using var second = await ApiNode.StartAsync(Path.Combine(Root, "second"), Setting, NullLoggerFactory.Instance, "coordinator", first.Node.Endpoint);
        await using var worker = await ApiNode.StartAsync(Path.Combine(Root, "third"), null, NullLoggerFactory.Instance, "server,worker", first.Node.Endpoint);
        string done = await first.SubmitAsync(LinearParts.Yaml(), "key");
        await first.EndedAsync(done);
        string waiting = await first.SubmitAsync(Waiting);

        var answer = await second.Http.GetAsync("/api/v1/jobs/x/rows?after=3", Token);
        while (answer.StatusCode == HttpStatusCode.ServiceUnavailable) answer = await second.Http.GetAsync("/api/v1/jobs/x/rows?after=3", Token);
        Assert.Equal(HttpStatusCode.TemporaryRedirect, answer.StatusCode);
        Assert.Equal($"{first.Http.BaseAddress}api/v1/jobs/x/rows?after=3", answer.Headers.Location!.ToString());
        Assert.Equal(HttpStatusCode.TemporaryRedirect, (await second.PostAsync("/api/v1/jobs", "k", LinearParts.Yaml())).Status);

        await first.DisposeAsync();
        await second.HoldsAsync();

        Assert.Equal(done, await second.SubmitAsync(LinearParts.Yaml(), "key"));
        var jobs = (await second.GetAsync("/api/v1/jobs")).GetProperty("jobs").EnumerateArray().ToList();
        Assert.Equal([done, waiting], jobs.Select(j => j.GetProperty("id").GetString()));
        Assert.Equal(HttpStatusCode.Accepted, (await second.PostAsync($"/api/v1/jobs/{waiting}/cancel", "cancel")).Status);
        Assert.Equal("cancelled", (await second.EndedAsync(waiting)).GetProperty("status").GetString());
        // and it works: the worker's node has offered itself here too
        Assert.Equal("completed", (await second.EndedAsync(await second.SubmitAsync(LinearParts.Yaml()))).GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_job_that_runs_goes_on_under_the_node_that_takes_over()
    {
        var first = await (await ApiNode.StartAsync(Root, Setting, NullLoggerFactory.Instance, "coordinator")).HoldsAsync();
        await using var second = await ApiNode.StartAsync(Path.Combine(Root, "second"), Setting, NullLoggerFactory.Instance, "coordinator", first.Node.Endpoint);
        var runtime = new LinearRuntime();
        await using var worker = await ApiNode.StartAsync(Path.Combine(Root, "third"), null, NullLoggerFactory.Instance, "server,worker", first.Node.Endpoint,
            runtime: runtime);
        string shared = Directory.CreateDirectory(Path.Combine(Root, "shared")).FullName;
        string yaml = $$"""
            {{LinearParts.Yaml(epochs: 10)}}
            storage: { kind: shared, path: '{{shared}}' }
            checkpoint: { every_steps: 5 }
            """;
        var calm = (await first.EndedAsync(await first.SubmitAsync(yaml))).GetProperty("summary");
        var gate = new StepGate(step: 13);
        runtime.BeforeLeaf = gate.Pass;
        string id = await first.SubmitAsync(yaml);
        await gate.Reached(Token);

        await first.DisposeAsync();
        // another machine does not see what this one has written
        Directory.Move(Path.Combine(Root, "runs"), Path.Combine(Root, "runs of the first"));
        await second.HoldsAsync();
        gate.Release();
        var ended = await second.EndedAsync(id);

        var summary = ended.GetProperty("summary");
        Assert.Equal("completed", ended.GetProperty("status").GetString());
        Assert.Equal(calm.GetProperty("weights_sha256").GetString(), summary.GetProperty("weights_sha256").GetString());
        Assert.Equal(calm.GetProperty("steps").GetInt64(), summary.GetProperty("steps").GetInt64());
        Assert.Equal((1, 0), (summary.GetProperty("coordinator_restarts").GetInt32(), summary.GetProperty("rollbacks").GetInt32()));
        string run = ended.GetProperty("run").GetString()!;
        Assert.True(File.Exists(Path.Combine(run, "model.safetensors")), run);
        // and the rows of the first 11 steps are on the machine that has written them
        Assert.Equal(22, JsonDocument.Parse(File.ReadLines(Path.Combine(run, "metrics.jsonl")).First()).RootElement.GetProperty("step").GetInt64());
    }

    /// <summary>Takes as long as the cluster needs to be sure of the death: some 25 s.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task Another_node_takes_over_from_one_that_died()
    {
        var first = await StartAsync();
        await using var second = await ApiNode.StartAsync(Path.Combine(Root, "second"), Setting, NullLoggerFactory.Instance, "coordinator", first.Node.Endpoint);
        await using var worker = await ApiNode.StartAsync(Path.Combine(Root, "third"), null, NullLoggerFactory.Instance, "server,worker", first.Node.Endpoint);
        string done = await first.SubmitAsync(LinearParts.Yaml(), "key");
        await first.EndedAsync(done);

        await first.CutAsync();
        var answer = await second.Http.GetAsync("/api/v1/jobs", Token);
        while (answer.StatusCode == HttpStatusCode.TemporaryRedirect) answer = await second.Http.GetAsync("/api/v1/jobs", Token);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Equal(TimeSpan.FromSeconds(1), answer.Headers.RetryAfter!.Delta);
        await second.HoldsAsync();

        Assert.Equal(done, await second.SubmitAsync(LinearParts.Yaml(), "key"));
        Assert.Equal("completed", (await second.EndedAsync(await second.SubmitAsync(LinearParts.Yaml()))).GetProperty("status").GetString());
    }

    [Fact]
    public async Task Who_raises_the_epoch_waits_for_the_write_that_is_under_way()
    {
        var (old, next) = (Journal(), Journal());
        old.Prepare();
        await old.TakeAsync();
        using var connection = new NpgsqlConnection(Setting);
        connection.Open();
        await using (var set = new NpgsqlCommand($"SELECT set_config('distopt.epoch', '{old.Epoch}', false)", connection)) await set.ExecuteNonQueryAsync(Token);
        await using var transaction = await connection.BeginTransactionAsync(Token);
        await using var insert = new NpgsqlCommand(
            "INSERT INTO journal (created, deleted, persistence_id, sequence_number, message, manifest) VALUES (0, false, 'x', 1, '', 'm')", connection);
        await insert.ExecuteNonQueryAsync(Token);

        var taking = next.TakeAsync();
        while (Scalar("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()") == 0)
            Assert.False(taking.IsCompleted, "the epoch was raised beside a write with the old one");
        await transaction.CommitAsync(Token);
        await taking;

        Assert.Equal(old.Epoch + 1, next.Epoch);
        insert.CommandText = insert.CommandText.Replace(", 1, ''", ", 2, ''", StringComparison.Ordinal);
        var error = await Assert.ThrowsAsync<PostgresException>(() => insert.ExecuteNonQueryAsync(Token));
        Assert.Contains(SqlJournal.Fenced, error.MessageText);
    }

    [Fact]
    public void A_server_that_does_not_answer_is_bad_input_without_the_password()
    {
        var journal = SqlJournal.Of(new Hosting.Cluster.NodeOptions { Journal = "Host=127.0.0.1;Port=1;Username=u;Password=geheim;Database=d;Timeout=2" })!;

        var error = Assert.Throws<Core.Specs.SpecException>(journal.Prepare);

        Assert.Contains("PostgreSQL at 127.0.0.1:1, database d cannot be opened", error.Message);
        Assert.DoesNotContain("geheim", error.Message);
    }

    private protected override Task TakeAnywayAsync(SqlJournal journal) => journal.TakeAsync();

    private protected override long Scalar(string sql)
    {
        using var connection = new NpgsqlConnection(Setting);
        connection.Open();
        using var set = new NpgsqlCommand("SELECT set_config('distopt.epoch', (SELECT epoch::text FROM distopt_journal), false)", connection);
        set.ExecuteNonQuery();
        using var command = new NpgsqlCommand(sql, connection);
        return Convert.ToInt64(command.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture);
    }
}
