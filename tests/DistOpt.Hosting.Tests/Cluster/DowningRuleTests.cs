using DistOpt.Hosting.Cluster;

namespace DistOpt.Hosting.Tests.Cluster;

public sealed class DowningRuleTests
{
    [Theory]
    [InlineData(true, "", true)]
    [InlineData(true, "reachable", true)]
    [InlineData(false, "", true)]
    [InlineData(false, "gone", true)]
    [InlineData(false, "gone reachable", false)]
    public void Whose_process_has_ended_is_taken_for_gone_by_a_coordinator_or_where_there_is_none_by_anyone(bool coordinates, string others, bool may) =>
        Assert.Equal(may, DowningRule.MayDownEnded(coordinates, others.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(o => o == "reachable")));

    /// <summary>Coordinators from the oldest on: S = this node, r = can be reached, u = cannot.</summary>
    [Theory]
    [InlineData("", DowningDecision.Wait)]
    [InlineData("r", DowningDecision.Wait)] // a worker leaves it to the coordinator
    [InlineData("u", DowningDecision.Wait)] // and stays when that is away
    [InlineData("uu", DowningDecision.Wait)]
    [InlineData("S", DowningDecision.DownUnreachable)] // the only coordinator: whom it does not reach is a worker
    [InlineData("rS", DowningDecision.Wait)] // the older one decides
    [InlineData("Sr", DowningDecision.DownUnreachable)]
    [InlineData("uS", DowningDecision.DownUnreachable)] // the journal keeps the other from writing
    [InlineData("Su", DowningDecision.DownUnreachable)]
    [InlineData("Suu", DowningDecision.DownSelf)]
    [InlineData("uSr", DowningDecision.DownUnreachable)]
    [InlineData("urS", DowningDecision.Wait)]
    [InlineData("uSu", DowningDecision.DownSelf)]
    [InlineData("Sruu", DowningDecision.DownUnreachable)] // half and half: the side of the oldest
    [InlineData("uuSr", DowningDecision.DownSelf)]
    public void The_part_with_most_coordinators_goes_on(string coordinators, DowningDecision expected) =>
        Assert.Equal(expected, DowningRule.Decide([.. coordinators.Select(c => (c != 'u', c == 'S'))]));
}
