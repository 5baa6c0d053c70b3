using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class UserFailuresTests
{
    private static readonly string[] Nodes = ["a", "b", "c"];

    private readonly UserFailures _failures = new();

    [Fact]
    public void Work_is_tried_once_on_another_node_and_then_the_job_fails()
    {
        var first = Report("a", Shards(step: 3, 0, 1));
        var second = Report("b", Shards(step: 3, 1));

        Assert.Equal(("b", false, false), (first.Node, first.Fails, first.IsOut));
        Assert.True(second.Fails);
        Assert.Equal("a failed", second.First);
        Assert.Null(second.Node);
    }

    [Fact]
    public void Other_work_of_the_step_has_tries_of_its_own()
    {
        Report("a", Shards(step: 3, 0, 1));

        Assert.False(Report("b", Shards(step: 3, 2, 3)).Fails);
        Assert.False(Report("c", Slices(step: 3, 0, 1)).Fails);
        Assert.False(Report("b", Shards(step: 4, 0, 1)).Fails);
    }

    [Fact]
    public void The_node_with_the_fewest_failures_tries()
    {
        Report("b", Shards(step: 1, 2));

        Assert.Equal("c", Report("a", Shards(step: 2, 0)).Node);
    }

    [Fact]
    public void A_lone_node_tries_itself_and_then_the_job_fails_however_often_it_threw_before()
    {
        for (int step = 0; step < 5; step++)
        {
            var first = _failures.Report("a", Shards(step, 0), "a failed", ["a"]);
            Assert.Equal(("a", false), (first.Node, first.IsOut));
        }

        Assert.True(_failures.Report("a", Shards(step: 4, 0), "a failed", ["a"]).Fails);
    }

    [Fact]
    public void A_node_that_fails_at_a_second_step_gets_no_more_work_and_others_take_over_with_the_second_try()
    {
        Report("a", Shards(step: 3, 0));
        // both workers of a node at one step are one occasion
        Assert.False(Report("a", Shards(step: 3, 1)).IsOut);

        var again = Report("a", Shards(step: 7, 0, 1));

        Assert.Equal((null, true, false), (again.Node, again.IsOut, again.Fails));
        Assert.Equal(["a"], _failures.Out);
        Assert.True(Report("c", Shards(step: 7, 1)).Fails);
        Assert.Equal("c", Report("b", Shards(step: 8, 0)).Node);
    }

    [Fact]
    public void What_a_node_does_again_while_others_try_it_is_no_second_try()
    {
        Report("a", Shards(step: 3, 0, 1));

        var again = Report("a", Shards(step: 3, 0, 1, 2));

        Assert.Equal((false, false, "b"), (again.Fails, again.IsOut, again.Node));
        Assert.Equal([2], again.Work.Parts);
        Assert.Null(Report("a", Shards(step: 3, 1, 2)).Node);
    }

    [Fact]
    public void A_new_epoch_begins_the_tries_anew_but_remembers_the_nodes()
    {
        Report("a", Shards(step: 3, 0));

        var decision = Report("b", Shards(step: 3, 0) with { JobEpoch = 2 });

        Assert.False(decision.Fails);
        Assert.True(Report("a", Shards(step: 4, 0) with { JobEpoch = 2 }).IsOut);
    }

    [Fact]
    public void Where_the_second_node_is_lost_a_third_tries_and_at_last_the_first()
    {
        var work = Shards(step: 3, 0);
        string second = Report("a", work).Node!;

        var third = Assert.Single(_failures.Without(new HashSet<string> { second }, ["a", "c"]));
        Assert.Equal((3, "c"), (third.Work.Step, third.Node));
        Assert.Equal([0], third.Work.Parts);
        var last = Assert.Single(_failures.Without(new HashSet<string> { "c" }, ["a"]));
        Assert.Equal("a", last.Node);
        Assert.Empty(_failures.Without(new HashSet<string> { "c" }, ["a"]));
        Assert.True(_failures.Report("a", work, "a failed", ["a"]).Fails);
    }

    [Theory]
    [InlineData(null, "gradient shards 2-5")]
    [InlineData(DataSplit.Validation, "slices 2-5 of validation data")]
    public void Work_is_named(DataSplit? split, string expected) => Assert.Equal(expected, new FailedWork(1, 0, split, [5, 2, 3]).ToString());

    private UserFailureDecision Report(string node, FailedWork work) => _failures.Report(node, work, $"{node} failed", Nodes);

    private static FailedWork Shards(long step, params int[] parts) => new(1, step, null, parts);

    private static FailedWork Slices(long step, params int[] parts) => new(1, step, DataSplit.Validation, parts);
}
