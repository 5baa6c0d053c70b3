using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

public sealed class StepPlannerTests
{
    [Fact]
    public void Batches_walk_through_the_epoch_and_the_last_one_is_what_remains()
    {
        var planner = Planner(train: 25, batch: 10, epochs: 2, validation: 0);
        var plans = new List<StepPlan> { planner.Current };
        while (planner.Current.Stop is null) plans.Add(planner.Advance());

        Assert.Equal([(0, 0, 0, 10), (1, 0, 10, 10), (2, 0, 20, 5), (3, 1, 0, 10), (4, 1, 10, 10), (5, 1, 20, 5)],
            plans.Take(6).Select(p => ((int)p.Step, p.Epoch, (int)p.BatchStart, p.BatchSize)));
        Assert.Equal((6, StopReason.Epochs), (plans[6].Step, plans[6].Stop!.Value));
        Assert.Equal(50, planner.Samples);
    }

    [Fact]
    public void Evaluation_is_a_barrier_after_every_so_many_epochs_and_at_the_end()
    {
        var planner = Planner(train: 20, batch: 10, epochs: 5, everyEpochs: 2);

        Assert.Equal([4, 8, 10], Barriers(planner, _ => 1.0));
    }

    [Fact]
    public void Evaluation_every_so_many_steps_goes_across_epochs()
    {
        var planner = Planner(train: 20, batch: 10, epochs: 4, everyEpochs: null, everySteps: 3);

        Assert.Equal([3, 6, 8], Barriers(planner, _ => 1.0));
    }

    [Fact]
    public void A_barrier_must_be_passed_before_the_next_update()
    {
        var planner = Planner(train: 10, batch: 10, epochs: 2);
        planner.Advance();

        Assert.Throws<InvalidOperationException>(planner.Advance);
        Assert.Throws<InvalidOperationException>(() => { var p = Planner(train: 10, batch: 10, epochs: 2); p.Evaluated(Loss(1)); });
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_step_that_diverged_ends_the_run_where_it_began_and_so_does_a_planner_that_takes_over(int step)
    {
        var planner = Planner(train: 10, batch: 10, epochs: 9);
        for (int i = 0; i < step; i++)
        {
            planner.Advance();
            planner.Evaluated(Loss(3 - i));
        }
        planner.RequestStop(StopReason.Observer);
        var diverged = new DivergedStep(double.NaN, 17);
        var plan = planner.Diverge(diverged);

        // the weights of this version were evaluated: they are the selected ones
        Assert.Equal((step, StopReason.Diverged, false, step > 0), (plan.Step, plan.Stop!.Value, plan.Evaluate, plan.Keep));
        Assert.Equal(step > 0 ? step : null, planner.SelectedStep);
        Assert.Equal(step * 10, planner.Samples);
        var takenOver = Planner(train: 10, batch: 10, epochs: 9);
        takenOver.Restore(planner.Save());
        Assert.Equal(plan, takenOver.Current);
        Assert.Equal(diverged, takenOver.Diverged);
    }

    [Fact]
    public void Selection_has_the_usual_direction_of_its_metric()
    {
        var spec = new TrainingSpec { Select = new SelectSection { Metric = "validation.f1" } };
        Assert.Equal(Direction.Maximize, spec.Resolve().Select.Direction);
        Assert.Equal(Direction.Minimize, (spec with { Select = new SelectSection { Metric = "validation.rmse" } }).Resolve().Select.Direction);
        Assert.Equal(Direction.Maximize, (spec with { Select = new SelectSection { Metric = "validation.recall/loss" } }).Resolve().Select.Direction);
        Assert.Equal(Direction.Minimize, (spec with { Select = new SelectSection { Metric = "validation.score" } }).Resolve().Select.Direction);
    }

    [Fact]
    public void The_lowest_loss_is_selected_and_marked_to_be_kept()
    {
        var planner = Planner(train: 10, batch: 10, epochs: 4);
        double[] losses = [3, 1, 2, 1];
        var kept = new List<bool>();
        for (int i = 0; i < 4; i++)
        {
            planner.Advance();
            kept.Add(planner.Evaluated(Loss(losses[i])).Plan.Keep);
        }

        Assert.Equal([true, true, false, false], kept); // an equal value is no gain
        Assert.Equal((2, 1.0), (planner.SelectedStep, planner.SelectedValue));
    }

    [Fact]
    public void A_metric_that_is_no_number_is_never_selected()
    {
        var planner = Planner(train: 10, batch: 10, epochs: 2);
        planner.Advance();

        Assert.False(planner.Evaluated(Loss(double.NaN)).Selected);
        Assert.Null(planner.SelectedStep);
    }

    [Fact]
    public void Training_stops_when_the_target_is_reached()
    {
        var planner = Planner(train: 10, batch: 10, epochs: 100, stop: new StopSection { Target = new TargetSection { Metric = "validation.loss", AtMost = 0.5 } });

        Assert.Equal([1, 2, 3], Barriers(planner, step => 0.8 - (0.1 * step)));
        Assert.Equal(StopReason.Target, planner.Current.Stop);
    }

    [Fact]
    public void Training_stops_when_patience_is_used_up()
    {
        var planner = Planner(train: 10, batch: 10, epochs: 100,
            stop: new StopSection { Patience = new PatienceSection { Evaluations = 3, MinDelta = 0.1 } });

        // 1.0, then gains smaller than the least one that counts
        Assert.Equal([1, 2, 3, 4], Barriers(planner, step => 1 - (0.01 * step)));
        Assert.Equal(StopReason.Patience, planner.Current.Stop);
    }

    [Fact]
    public void Max_steps_ends_before_the_epochs_do()
    {
        var planner = Planner(train: 100, batch: 10, epochs: 10, stop: new StopSection { MaxSteps = 7 });

        Assert.Equal(7, planner.TotalSteps);
        Assert.Equal([7], Barriers(planner, _ => 1));
        Assert.Equal(StopReason.MaxSteps, planner.Current.Stop);
    }

    [Fact]
    public void An_interruption_ends_at_the_next_step_without_an_evaluation()
    {
        var planner = Planner(train: 100, batch: 10, epochs: 10);
        planner.Advance();
        planner.RequestStop(StopReason.Interrupted);
        planner.RequestStop(StopReason.MaxSeconds);

        var plan = planner.Advance();

        Assert.Equal((2, StopReason.Interrupted, false), (plan.Step, plan.Stop!.Value, plan.Evaluate));
    }

    [Fact]
    public void A_run_that_leaves_off_where_nobody_computes_is_evaluated_by_whoever_goes_on_with_it()
    {
        var planner = Planner(train: 100, batch: 10, epochs: 10);
        while (!planner.Current.Evaluate) planner.Advance();
        var barrier = planner.Current;

        var plan = planner.StopHere(StopReason.Interrupted);

        Assert.Equal((barrier.Step, StopReason.Interrupted, false), (plan.Step, plan.Stop!.Value, plan.Evaluate));
        var next = Planner(train: 100, batch: 10, epochs: 10);
        next.Restore(planner.Save());
        Assert.Equal(barrier, next.Current);
    }

    [Theory]
    [InlineData(RunUnit.Epochs, 2, 20)]
    [InlineData(RunUnit.Steps, 11, 20)]
    [InlineData(RunUnit.Samples, 101, 20)]
    [InlineData(RunUnit.Samples, 100, 10)]
    public void A_pause_comes_with_the_first_weights_that_have_had_so_much_and_are_evaluated(RunUnit unit, long at, long step)
    {
        var planner = Planner(train: 100, batch: 10, epochs: 10, pause: new RunPause(unit, at));

        Assert.Equal(step, Barriers(planner, _ => 1)[^1]);

        Assert.Equal(StopReason.Paused, planner.Current.Stop);
        // whoever goes on from its state is not asked to evaluate it again
        var next = Planner(train: 100, batch: 10, epochs: 10);
        next.Restore(planner.Save());
        Assert.Equal((step, null, false), (next.Current.Step, next.Current.Stop, next.Current.Evaluate));
        Assert.Equal([.. Enumerable.Range((int)step / 10 + 1, 10 - (int)step / 10).Select(e => e * 10L)], Barriers(next, _ => 1));
    }

    [Fact]
    public void A_pause_where_the_run_ends_is_its_end()
    {
        var planner = Planner(train: 100, batch: 10, epochs: 3, pause: new RunPause(RunUnit.Epochs, 3));

        Assert.Equal([10, 20, 30], Barriers(planner, _ => 1));
        Assert.Equal(StopReason.Epochs, planner.Current.Stop);
    }

    [Fact]
    public void A_time_limit_ends_at_the_next_step_with_an_evaluation()
    {
        var planner = Planner(train: 100, batch: 10, epochs: 10);
        planner.RequestStop(StopReason.MaxSeconds);

        var plan = planner.Advance();

        Assert.Equal((1, StopReason.MaxSeconds, true), (plan.Step, plan.Stop!.Value, plan.Evaluate));
        Assert.Equal((StopReason.MaxSeconds, true), (planner.Evaluated(Loss(1)).Plan.Stop!.Value, planner.Current.Keep));
    }

    private static List<long> Barriers(StepPlanner planner, Func<long, double> loss)
    {
        var barriers = new List<long>();
        while (planner.Current.Stop is null || planner.Current.Evaluate)
        {
            if (planner.Current.Evaluate)
            {
                barriers.Add(planner.Current.Step);
                planner.Evaluated(Loss(loss(planner.Current.Step)));
            }
            else
            {
                planner.Advance();
            }
        }
        return barriers;
    }

    private static MetricSums Loss(double value)
    {
        var sums = new MetricSums();
        sums.Add(MetricSums.Loss, value * 4, 4);
        return sums;
    }

    private static StepPlanner Planner(int train, int batch, int epochs, int validation = 5, int? everyEpochs = 1, long? everySteps = null,
        StopSection? stop = null, RunPause? pause = null)
    {
        var spec = new TrainingSpec
        {
            Training = new TrainingSection { Epochs = epochs, GradientShards = 1 },
            Evaluate = new EvaluateSection { EveryEpochs = everyEpochs, EverySteps = everySteps },
            Stop = stop ?? new StopSection(),
        };
        return new StepPlanner(spec, new Flat(), 0.1, batch, new DataCounts(train, validation, 0)) { Pause = pause };
    }

    private sealed class Flat : ILearningRateSchedule
    {
        public double RateAt(double baseRate, in SchedulePosition position) => baseRate;
    }
}
