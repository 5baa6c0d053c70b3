using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class StandstillTests
{
    [Fact]
    public void Five_losses_for_each_node_at_one_step_are_too_many()
    {
        var standstill = new Standstill();
        for (int i = 0; i < 14; i++)
        {
            standstill.Lose(step: 20 + (i % 2), lost: 1, nodes: i == 3 ? 3 : 2);
            Assert.False(standstill.IsTooLong);
        }

        standstill.Lose(21, 1, 1);

        Assert.True(standstill.IsTooLong);
        Assert.Equal((21, 15, 3), (standstill.Step, standstill.Losses, standstill.Nodes));
    }

    [Theory]
    [InlineData(22)]
    [InlineData(18)]
    public void A_loss_at_another_step_begins_the_count_anew_whether_the_job_got_further_or_went_back(long step)
    {
        var standstill = new Standstill();
        for (int i = 0; i < 9; i++) standstill.Lose(20, 1, 2);

        standstill.Lose(step, 1, 1);

        Assert.False(standstill.IsTooLong);
        Assert.Equal((step, 1, 1), (standstill.Step, standstill.Losses, standstill.Nodes));
    }

    [Fact]
    public void All_nodes_may_be_lost_at_once_a_few_times()
    {
        var standstill = new Standstill();
        for (int i = 0; i < 4; i++) standstill.Lose(7, lost: 100, nodes: 100);
        Assert.False(standstill.IsTooLong);

        standstill.Lose(7, 100, 100);

        Assert.True(standstill.IsTooLong);
    }

    [Fact]
    public void A_job_that_never_got_to_its_first_step_counts_from_there_and_what_was_kept_goes_on()
    {
        var first = new Standstill();
        Assert.False(first.IsTooLong);
        for (int i = 0; i < 4; i++) first.Lose(0, 1, 1);
        var second = new Standstill();
        second.Restore(first.Step, first.Losses, first.Nodes);
        Assert.False(second.IsTooLong);

        second.Lose(0, 1, 1);

        Assert.True(second.IsTooLong);
    }

    [Fact]
    public void One_that_was_kept_before_any_loss_is_none()
    {
        var second = new Standstill();
        second.Restore(new Standstill().Step, new Standstill().Losses, new Standstill().Nodes);

        second.Lose(0, 1, 2);

        Assert.Equal((0, 1, 2), (second.Step, second.Losses, second.Nodes));
    }
}
