using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class NodeFailuresTests
{
    private static readonly DateTimeOffset At = new(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero);

    private readonly NodeFailures _failures = new();

    [Fact]
    public void The_latest_are_kept_and_every_text_is_bounded()
    {
        for (int i = 0; i < NodeFailures.Kept + 5; i++)
            _failures.Add($"n{i}", Failure($"n{i}") with { Why = new string('w', 100_000), Stack = new string('s', 100_000) });

        Assert.Equal(Enumerable.Range(5, NodeFailures.Kept).Select(i => $"n{i}"), _failures.All.Select(f => f.Node));
        Assert.All(_failures.All, f => Assert.InRange(f.Why.Length, NodeFailure.WhyMax, NodeFailure.WhyMax + 3));
        Assert.All(_failures.All, f => Assert.InRange(f.Stack!.Length, NodeFailure.StackMax, NodeFailure.StackMax + 3));
    }

    [Fact]
    public void Who_saw_the_end_tells_more_of_the_latest_loss_of_that_node()
    {
        _failures.Add("n1", Failure("n1") with { Why = "thrown", Stack = "at User.Code()" });
        _failures.Add("n1", Failure("n1") with { LastLines = ["one", "two"] });
        _failures.Add("n2", Failure("n2"));

        Assert.True(_failures.Amend("n1", "exit code 134", ["two", "three"], "at Runtime()"));

        Assert.Equal(["thrown", "exit code 134", "it was lost"], _failures.All.Select(f => f.Why));
        Assert.Equal(["one", "two", "three"], _failures.All[1].LastLines);
        Assert.Equal(["at User.Code()", "at Runtime()", null], _failures.All.Select(f => f.Stack));
    }

    [Fact]
    public void What_says_nothing_new_changes_nothing()
    {
        _failures.Add("n1", Failure("n1") with { LastLines = ["one"] });

        Assert.False(_failures.Amend("n1", "it was lost", ["one"], null));
        Assert.False(_failures.Amend("n2", "exit code 1", [], null));
    }

    [Fact]
    public void They_are_the_same_after_json()
    {
        NodeFailure[] all = [Failure("n1") with { LastLines = ["a \"line\"", "é"] }, Failure("n2") with { Stack = "at X\nat Y", Roles = "worker 0, server 1" }];
        string text = RunJson.Text(false, json =>
        {
            json.WriteStartObject();
            FailureJson.Write(json, all);
            json.WriteEndObject();
        });

        var read = FailureJson.Parse(JsonDocument.Parse(text).RootElement);

        Assert.Equal(all.Select(f => f with { LastLines = [] }), read.Select(f => f with { LastLines = [] }));
        Assert.Equal(all.SelectMany(f => f.LastLines), read.SelectMany(f => f.LastLines));
        Assert.Empty(FailureJson.Parse(JsonDocument.Parse("{}").RootElement));
        Assert.Throws<JsonException>(() => FailureJson.Parse(JsonDocument.Parse("""{"failures": 3}""").RootElement));
        Assert.Throws<JsonException>(() => FailureJson.Parse(JsonDocument.Parse("""{"failures": [{}]}""").RootElement));
    }

    private static NodeFailure Failure(string node) => new(node, "worker 0", 7, At, "it was lost", [], null);
}
