using System.Text.Json;
using DistOpt.Hosting.Cluster;
using Microsoft.Extensions.Logging;

namespace DistOpt.Cli.Tests.Console;

public sealed class NodeLoggersTests
{
    private readonly StringWriter _output = new() { NewLine = "\n" };

    [Fact]
    public void A_JSON_line_holds_time_level_category_text_ids_and_arguments()
    {
        var log = Logger(LogFormat.Json);
        using (log.BeginScope(new Dictionary<string, object> { ["job"] = "20260101-abc", ["trial"] = 7 }))
        using (log.BeginScope(new Dictionary<string, object> { ["worker"] = 3 }))
            log.LogWarning(new EventId(5), "{Count} frames wait for \"{Node}\"\nsince {Seconds}", 12, "10.0.0.5", 1.5);

        var line = Assert.Single(Lines());
        Assert.Equal(DateTimeOffset.UnixEpoch, line.GetProperty("time").GetDateTimeOffset());
        Assert.Equal("warning", line.GetProperty("level").GetString());
        Assert.Equal("DistOpt.Test", line.GetProperty("category").GetString());
        Assert.Equal(5, line.GetProperty("event").GetInt32());
        Assert.Equal("12 frames wait for \"10.0.0.5\"\nsince 1.5", line.GetProperty("message").GetString());
        Assert.Equal("20260101-abc", line.GetProperty("job").GetString());
        Assert.Equal(7, line.GetProperty("trial").GetInt32());
        Assert.Equal(3, line.GetProperty("worker").GetInt32());
        Assert.Equal("""{"Count":12,"Node":"10.0.0.5","Seconds":1.5}""", line.GetProperty("fields").GetRawText());
    }

    [Fact]
    public void An_exception_of_many_lines_is_one_line_of_JSON()
    {
        Logger(LogFormat.Json).LogError(new InvalidOperationException("first\nsecond"), "it failed");

        var line = Assert.Single(Lines());
        Assert.Contains("first\nsecond", line.GetProperty("exception").GetString());
        Assert.False(line.TryGetProperty("job", out _));
    }

    [Fact]
    public void A_scope_that_has_ended_is_not_told_and_an_own_field_is_not_written_twice()
    {
        var log = Logger(LogFormat.Json);
        using (log.BeginScope(new Dictionary<string, object> { ["job"] = "a", ["message"] = "mine" })) log.LogInformation("in");
        log.LogInformation("out");

        var lines = Lines();
        Assert.Equal("in", lines[0].GetProperty("message").GetString());
        Assert.Equal("mine", lines[0].GetProperty("fields").GetProperty("message").GetString());
        Assert.False(lines[1].TryGetProperty("job", out _));
    }

    [Fact]
    public void Text_for_people_has_the_ids_too()
    {
        var log = Logger(LogFormat.Text);
        using (log.BeginScope(new Dictionary<string, object> { ["job"] = "a", ["worker"] = 3 })) log.LogInformation("begun");
        log.LogDebug("too much");

        Assert.Equal("1970-01-01 00:00:00.000 information DistOpt.Test [job=a worker=3]: begun\n", _output.ToString());
    }

    private ILogger Logger(LogFormat format) => new NodeLoggers(_output, new FixedTime(), LogLevel.Information, format).CreateLogger("DistOpt.Test");

    private JsonElement[] Lines() =>
        [.. _output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonDocument.Parse(l).RootElement)];

    private sealed class FixedTime : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch;
    }
}
