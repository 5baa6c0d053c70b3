using System.Collections.Immutable;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

/// <summary>Which child process an attempt gets, and how many of them nodes keep.</summary>
public sealed class TrialHostsTests
{
    private static TrialHost Host(string node, int slots, int used = 0, int most = 10) => new(node, $"name-{node}", slots, most, used);

    private static TrialProcess Child(string node, string host, bool busy = false, bool ending = false) => new(node, host, busy, ending);

    private static IEnumerable<(string Node, int Count)> Counts(IReadOnlyDictionary<string, IReadOnlyList<int>> wanted) =>
        wanted.Select(w => (w.Key, w.Value.Count));

    [Fact]
    public void A_child_is_used_up_when_it_has_kept_more_than_a_quarter_of_a_share_beside_what_its_libraries_keep()
    {
        Assert.False(TrialHosts.IsUsedUp(192L << 20, 64L << 20));
        Assert.True(TrialHosts.IsUsedUp((192L << 20) + 1, 64L << 20));
        Assert.True(TrialHosts.IsUsedUp((192L << 20) + 1, 0));
        Assert.False(TrialHosts.IsUsedUp(2L << 30, 8L << 30));
        Assert.True(TrialHosts.IsUsedUp((2L << 30) + 1, 8L << 30));
    }

    [Fact]
    public void An_attempt_gets_an_idle_child_of_the_node_with_most_free_slots_and_as_many_of_them_as_it_wants()
    {
        var hosts = new[] { Host("a", 4, used: 2), Host("b", 4, used: 1), Host("c", 8, used: 1) };
        var children = new[] { Child("a1", "a"), Child("b1", "b", busy: true), Child("b2", "b"), Child("c1", "c", ending: true), Child("c2", "c", busy: true) };

        Assert.Equal(("b2", 3), TrialHosts.Choose(hosts, children, new TrialDemand(1, 5), out string? missing));
        Assert.Null(missing);
        Assert.Equal(("b2", 2), TrialHosts.Choose(hosts, children, new TrialDemand(1, 2), out _));
    }

    [Fact]
    public void Slots_are_those_of_the_node_however_many_children_it_has()
    {
        var hosts = new[] { Host("a", 4, used: 3), Host("b", 2, used: 1) };
        var children = new[] { Child("a1", "a"), Child("b1", "b") };

        Assert.Null(TrialHosts.Choose(hosts, children, new TrialDemand(2, 2), out string? missing));
        Assert.Equal("2 worker slots on one node (study.isolation: process places a trial whole)", missing);
    }

    [Fact]
    public void Where_only_a_child_is_missing_that_is_said_with_the_nodes_that_will_have_one()
    {
        var hosts = new[] { Host("a", 4), Host("b", 4), Host("c", 4) with { Leaving = true } };

        Assert.Null(TrialHosts.Choose(hosts, [Child("a1", "a", busy: true), Child("c1", "c")], new TrialDemand(1, 1), out string? missing));
        Assert.Equal("a child process on node name-a or name-b (study.isolation: process)", missing);
        Assert.Null(TrialHosts.Hopeless(hosts, new TrialDemand(1, 1)));
    }

    [Fact]
    public void What_no_node_could_ever_take_is_told_apart_from_what_waits()
    {
        var demand = new TrialDemand(5, 5);

        Assert.Equal("a worker node that runs trials in child processes (study.isolation: process)", TrialHosts.Hopeless([], demand));
        Assert.Equal("a node with 5 worker slots: a trial is placed whole in one process, and the largest node has 4 "
            + "(lower training.workers, or set study.isolation: none)", TrialHosts.Hopeless([Host("a", 4), Host("b", 2)], demand));
        var failing = Host("a", 8) with { StartFailure = "the last one did not join: exit code 1" };
        Assert.Equal("a child process that starts: on node name-a the last one did not join: exit code 1", TrialHosts.Hopeless([failing, Host("b", 2)], demand));
        Assert.Null(TrialHosts.Hopeless([failing, Host("b", 5, used: 5)], demand));
    }

    [Fact]
    public void A_node_that_is_not_fit_gets_neither_the_attempt_nor_a_child_for_it_and_why_is_said_where_there_is_no_other()
    {
        var hosts = new[] { Host("a", 8), Host("b", 2) };
        var children = new[] { Child("a1", "a"), Child("b1", "b") };
        var demand = new TrialDemand(1, 1) { Unfit = ImmutableDictionary<string, string>.Empty.Add("a", "node name-a differs") };

        Assert.Equal(("b1", 1), TrialHosts.Choose(hosts, children, demand, out _));
        Assert.Equal([("a", 0), ("b", 1)], Counts(TrialHosts.Wanted(hosts, [], [demand])));
        Assert.Null(TrialHosts.Hopeless(hosts, demand));
        Assert.Equal("a node that can run it (study.isolation: process): node name-a differs", TrialHosts.Hopeless([Host("a", 8)], demand));
        Assert.Equal([("a", 0)], Counts(TrialHosts.Wanted([Host("a", 8)], [], [demand])));
        // what another attempt may have
        Assert.Equal(("a1", 1), TrialHosts.Choose(hosts, children, new TrialDemand(1, 1), out _));
    }

    [Fact]
    public void Children_are_wanted_for_attempts_that_have_one_and_then_for_others_where_most_slots_are_left()
    {
        var hosts = new[] { Host("a", 4, used: 1, most: 3), Host("b", 2), Host("c", 9) with { Leaving = true } };

        var wanted = TrialHosts.Wanted(hosts, [("a", 0), ("c", 0)], Enumerable.Repeat(new TrialDemand(1, 1), 4));
        var large = TrialHosts.Wanted(hosts, [], [new TrialDemand(3, 4), new TrialDemand(3, 3), new TrialDemand(2, 2), new TrialDemand(1, 1)]);

        // a, then b and a in turn; a has its three children then
        Assert.Equal([("a", 3), ("b", 2), ("c", 1)], Counts(wanted));
        // the second one fits nowhere beside the first and waits
        Assert.Equal([("a", 1), ("b", 1), ("c", 0)], Counts(large));
    }

    private static TrialHost Memory(string node, int slots, long gibibytes, long used = 0, long share = 1) =>
        Host(node, slots) with { MemoryBytes = gibibytes << 30, MemoryUsed = used << 30, MemoryShare = share << 30 };

    [Fact]
    public void An_attempt_gets_a_child_only_where_the_memory_of_its_workers_is_left()
    {
        var children = new[] { Child("a1", "a"), Child("b1", "b") };
        var demand = new TrialDemand(2, 4) { WorkerMemory = 3L << 30 };

        // a has more slots, but room for one worker
        Assert.Equal(("b1", 3), TrialHosts.Choose([Memory("a", 8, 16, used: 11), Memory("b", 4, 16, used: 6)], children, demand, out _));
        Assert.Null(TrialHosts.Choose([Memory("a", 8, 16, used: 11)], children, demand, out string? missing));
        Assert.Equal("2 worker slots and 6 GiB of memory (training.worker_memory) on one node (study.isolation: process places a trial whole)", missing);
        Assert.Equal("a node with 2 worker slots and 6 GiB of memory (training.worker_memory): a trial is placed whole in one process, and the largest such "
            + "node has 5 GiB for workers (lower training.worker_memory or training.workers)",
            TrialHosts.Hopeless([Memory("a", 8, 5), Memory("b", 1, 64), Memory("c", 4, 4)], demand));
        // what does not say how much it has is trusted
        Assert.Null(TrialHosts.Hopeless([Memory("a", 8, 5), Host("b", 2)], demand));
    }

    [Fact]
    public void An_attempt_that_does_not_say_what_it_needs_takes_the_share_of_a_child_however_many_workers_it_has()
    {
        var host = Memory("a", 8, 8, used: 7, share: 2);

        Assert.Null(TrialHosts.Choose([host], [Child("a1", "a")], new TrialDemand(1, 4), out _));
        Assert.Equal(("a1", 4), TrialHosts.Choose([host with { MemoryUsed = 6L << 30 }], [Child("a1", "a")], new TrialDemand(1, 4), out _));
        Assert.Equal((2L << 30, 9L << 30), (host.MemoryOf(new TrialDemand(1, 4), 3), host.MemoryOf(new TrialDemand(1, 4) { WorkerMemory = 3L << 30 }, 3)));
    }

    [Fact]
    public void Children_are_wanted_for_as_many_attempts_as_memory_is_left_for()
    {
        var demands = Enumerable.Repeat(new TrialDemand(1, 1) { WorkerMemory = 3L << 30 }, 9);

        Assert.Equal([("a", 2), ("b", 1)], Counts(TrialHosts.Wanted([Memory("a", 8, 8), Memory("b", 8, 8, used: 3)], [], demands)));
        // shares beside it: 3 of 8 are gone, and two times two are left
        Assert.Equal(3, TrialHosts.Wanted([Memory("a", 8, 8, share: 2)], [], demands.Take(1).Concat(Enumerable.Repeat(new TrialDemand(1, 1), 9)))["a"].Count);
    }

    private static TrialHost Gpus(string node, int slots, int gpus, int used = 0) => Host(node, slots) with { Gpus = gpus, GpusUsed = used };

    [Fact]
    public void An_attempt_gets_a_child_with_exactly_the_GPUs_of_its_workers_where_so_many_are_free()
    {
        var hosts = new[] { Gpus("a", 8, 4, used: 3), Gpus("b", 4, 2) };
        var children = new[] { Child("a1", "a") with { Gpus = 2 }, Child("b1", "b"), Child("b2", "b") with { Gpus = 1 }, Child("b3", "b") with { Gpus = 2 } };
        var demand = new TrialDemand(2, 2) { WorkerGpus = 1 };

        // a has more slots, but one GPU
        Assert.Equal(("b3", 2), TrialHosts.Choose(hosts, children, demand, out _));
        Assert.Null(TrialHosts.Choose(hosts, children[..3], demand, out string? child));
        Assert.Equal("a child process with 2 GPUs on node name-b (study.isolation: process)", child);
        // who wants none gets none, who wants one gets one
        Assert.Equal(("b1", 4), TrialHosts.Choose(hosts[1..], children, new TrialDemand(1, 9), out _));
        Assert.Equal(("b2", 1), TrialHosts.Choose(hosts[1..], children, new TrialDemand(1, 9) { WorkerGpus = 1 }, out _));
        Assert.Null(TrialHosts.Choose([hosts[0]], children, demand, out string? missing));
        Assert.Equal("2 worker slots and 2 GPUs (training.worker_gpus) on one node (study.isolation: process places a trial whole)", missing);
    }

    [Fact]
    public void GPUs_that_no_node_has_are_named_and_those_that_another_attempt_has_are_waited_for()
    {
        var demand = new TrialDemand(2, 2) { WorkerGpus = 2 };

        Assert.Equal("a node with 2 worker slots and 4 GPUs (training.worker_gpus): a trial is placed whole in one process, and the largest such node has 3 "
            + "(lower training.worker_gpus or training.workers)", TrialHosts.Hopeless([Gpus("a", 8, 3), Gpus("b", 1, 8), Host("c", 4)], demand));
        Assert.Null(TrialHosts.Hopeless([Gpus("a", 8, 3), Gpus("b", 2, 4, used: 4)], demand));
    }

    [Fact]
    public void Children_are_wanted_with_the_GPUs_of_their_attempts_for_as_many_as_there_are()
    {
        var one = new TrialDemand(1, 1) { WorkerGpus = 1 };
        var two = new TrialDemand(2, 2) { WorkerGpus = 1 };

        var wanted = TrialHosts.Wanted([Gpus("a", 8, 4, used: 1), Gpus("b", 7, 1)], [("a", 1)], [two, two, one, new TrialDemand(1, 1), one, one]);

        // the second one with two waits, and so does the last one
        Assert.Equal([1, 2, 0, 1], wanted["a"]);
        Assert.Equal([1], wanted["b"]);
    }

}
