using DistOpt.Core.Averaging;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Core.Tests.Training;

/// <summary>What ends training and which weights are kept, by any metric of either split; also across a restart.</summary>
public sealed class StopRulesTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(25, 3)]
    [InlineData(26, 4)]
    [InlineData(30, 4)]
    [InlineData(70, 8)]
    [InlineData(76, 10)]
    public void Max_samples_ends_with_the_step_that_reaches_it(long most, long steps)
    {
        // epochs of 25 samples in steps of 10, 10, 5
        var planner = Planner(new StopSection { MaxSamples = most });

        Run(planner, _ => 1, _ => 1);

        Assert.Equal((steps, StopReason.MaxSamples), (planner.Current.Step, planner.Current.Stop));
        Assert.InRange(planner.Samples, most, most + 9);
    }

    [Theory]
    [InlineData("validation.accuracy", 5)]
    [InlineData("validation.loss", 8)]
    [InlineData("train.loss", 3)]
    [InlineData("train.accuracy", 6)]
    public void A_target_on_any_metric_of_either_split_ends_training(string metric, long epoch)
    {
        bool isLoss = metric.EndsWith("loss", StringComparison.Ordinal);
        var target = new TargetSection { Metric = metric, AtMost = isLoss ? 0.5 : null, AtLeast = isLoss ? null : 0.5 };
        foreach (bool hasValidation in metric.StartsWith("train", StringComparison.Ordinal) ? (bool[])[true, false] : [true])
        {
            var planner = Planner(new StopSection { Target = target }, hasValidation: hasValidation);

            Run(planner,
                train => train >= (metric == "train.loss" ? epoch : 99) ? 0.5 : 0.6,
                validation => validation >= (metric == "validation.loss" ? epoch : 99) ? 0.5 : 0.6,
                train => metric == "train.accuracy" && train >= epoch ? 0.5 : 0.4,
                validation => metric == "validation.accuracy" && validation >= epoch ? 0.5 : 0.4);

            Assert.Equal((3 * epoch, StopReason.Target), (planner.Current.Step, planner.Current.Stop));
            Assert.False(planner.Current.Evaluate);
        }
    }

    [Theory]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(double.NaN)]
    public void A_metric_that_is_not_finite_reaches_no_target_selects_nothing_and_is_no_gain(double value)
    {
        foreach (var bounded in (TargetSection[])[new() { AtLeast = 0.5 }, new() { AtMost = 0.5 }, new() { AtLeast = double.NegativeInfinity }])
        {
            var target = bounded with { Metric = "validation.accuracy" };
            var planner = Planner(new StopSection { Target = target }, new SelectSection { Metric = "validation.accuracy" }, epochs: 4);
            Run(planner, _ => 1, _ => 1, null, _ => value);
            Assert.Equal((12, StopReason.Epochs), (planner.Current.Step, planner.Current.Stop));
            Assert.Null(planner.SelectedStep);
        }
        var patience = new PatienceSection { Metric = "validation.accuracy", Evaluations = 3 };
        var patient = Planner(new StopSection { Patience = patience });
        Run(patient, _ => 1, _ => 1, null, _ => value);
        Assert.Equal((9, StopReason.Patience), (patient.Current.Step, patient.Current.Stop));
    }

    /// <summary>A first value that is infinite is no best value, of which a share would be infinite too.</summary>
    [Theory]
    [InlineData(PatienceSection.Absolute)]
    [InlineData(PatienceSection.Relative)]
    public void After_an_infinite_value_gains_count_from_the_first_finite_one(string mode)
    {
        double[] losses = [0, double.PositiveInfinity, 8, 7, 6, 5, 4, 4, 4, 4];
        var planner = Planner(new StopSection { Patience = new PatienceSection { Evaluations = 2, MinDelta = 0.01, MinDeltaMode = mode } });
        Run(planner, _ => 1, epoch => losses[epoch]);
        Assert.Equal((8 * 3, StopReason.Patience), (planner.Current.Step, planner.Current.Stop));
    }

    /// <summary>As with selection: the average, which begins at step 6, does not compete with weights from before it; a restart changes nothing.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void When_averaging_begins_patience_counts_anew(bool restarts)
    {
        double[] losses = [0, 1, 5, 4, 3, 3, 3, 3, 3];
        var spec = new TrainingSpec
        {
            Training = new TrainingSection { Epochs = 100, GradientShards = 1 },
            Stop = new StopSection { Patience = new PatienceSection { Evaluations = 2 } },
            Averaging = new PluginSpec("ema", new ExponentialAverageOptions { StartStep = 5 }),
        };
        StepPlanner Make() => new(spec, new ConstantSchedule(), 0.1, 10, new DataCounts(25, 5, 0));
        long last = Run(Make(), _ => 1, epoch => losses[epoch], restore: restarts ? Again : planner => planner)[^1].Step;
        Assert.Equal(6 * 3, last);

        StepPlanner Again(StepPlanner planner)
        {
            var other = Make();
            other.Restore(planner.Save());
            return other;
        }
    }

    /// <summary>Behind the last update there is no step whose loss would show what it has done.</summary>
    [Theory]
    [InlineData("validation.loss", null)]
    [InlineData("validation.accuracy", 3L)]
    [InlineData("train.loss", 3L)]
    public void A_run_whose_last_validation_loss_is_not_finite_has_diverged(string select, long? selected)
    {
        foreach (double bad in (double[])[double.NaN, double.PositiveInfinity])
        {
            var planner = Planner(new StopSection { MaxSteps = 4 }, new SelectSection { Metric = select });
            Run(planner, _ => 1, _ => bad, _ => 0, step => 0.5);
            Assert.Equal((4, StopReason.Diverged, false), (planner.Current.Step, planner.Current.Stop, planner.Current.Keep));
            Assert.Equal(new DivergedStep(bad, null) { IsAtEnd = true }, planner.Diverged);
            Assert.Equal(selected, planner.SelectedStep);
            var other = Planner(new StopSection { MaxSteps = 4 }, new SelectSection { Metric = select });
            other.Restore(planner.Save());
            Assert.Equal((planner.Current, planner.Diverged), (other.Current, other.Diverged));
        }
    }

    [Fact]
    public void A_last_validation_loss_beyond_reason_by_the_first_steps_has_diverged_unless_the_spec_says_otherwise()
    {
        Assert.Equal((StopReason.MaxSteps, false), End(2.9e5, 3, 1e5));
        Assert.Equal((StopReason.Diverged, true), End(3.1e5, 3, 1e5));
        Assert.Equal((StopReason.Diverged, true), End(31, 3, 10));
        Assert.Equal((StopReason.MaxSteps, false), End(3e300, 3, null));
        Assert.Equal((StopReason.MaxSteps, false), End(3e300, double.NaN, 10));

        static (StopReason, bool) End(double loss, double first, double? factor)
        {
            var planner = Planner(new StopSection { MaxSteps = 1, DivergenceFactor = factor });
            planner.Advance();
            var outcome = planner.Evaluated(Sums(loss, 0), first);
            return (outcome.Plan.Stop!.Value, planner.SelectedStep is null);
        }
    }

    [Fact]
    public void A_validation_loss_that_is_not_finite_ends_nothing_while_steps_follow()
    {
        var planner = Planner(new StopSection { MaxSteps = 6 });
        Run(planner, _ => 1, epoch => epoch == 1 ? double.NaN : 2);
        Assert.Equal((6, StopReason.MaxSteps, 6L), (planner.Current.Step, planner.Current.Stop, planner.SelectedStep));
    }

    [Fact]
    public void A_train_metric_selects_weights_with_and_without_a_validation_part()
    {
        double[] losses = [0, 3, 1, 2, 1, 5];
        foreach (bool hasValidation in (bool[])[true, false])
        {
            var planner = Planner(new StopSection(), new SelectSection { Metric = "train.loss" }, hasValidation, epochs: 5);

            Run(planner, epoch => losses[epoch], _ => 9);

            Assert.Equal((6, 1.0), (planner.SelectedStep, planner.SelectedValue));
            Assert.Equal(StopReason.Epochs, planner.Current.Stop);
        }
    }

    [Theory]
    [InlineData(PatienceSection.Absolute, 0.10, 3)]
    [InlineData(PatienceSection.Absolute, 0.00, 9)]
    [InlineData(PatienceSection.Absolute, 0.20, 3)]
    [InlineData(PatienceSection.Relative, 0.04, 9)]
    [InlineData(PatienceSection.Relative, 0.20, 3)]
    public void Patience_counts_gains_above_min_delta_from_the_best(string mode, double delta, int evaluations)
    {
        double[] losses = [double.NaN, 1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.7, 0.7, 0.7, 0.7];
        var patience = new PatienceSection { Evaluations = 2, MinDelta = delta, MinDeltaMode = mode };
        var planner = Planner(new StopSection { Patience = patience });
        int count = 0;

        Run(planner, _ => 1, epoch => { count++; return losses[epoch]; });

        Assert.Equal(StopReason.Patience, planner.Current.Stop);
        Assert.Equal(Reference(losses, 2, mode, delta), count);
        Assert.Equal(evaluations, count);
    }

    [Fact]
    public void A_metric_that_is_never_a_number_uses_patience_up()
    {
        var planner = Planner(new StopSection { Patience = new PatienceSection { Evaluations = 3 } });

        Run(planner, _ => 1, _ => double.NaN);

        // which is no training any more
        Assert.Equal((9, StopReason.Diverged), (planner.Current.Step, planner.Current.Stop));
    }

    [Theory]
    [InlineData("train.loss")]
    [InlineData("validation.loss")]
    public void A_planner_that_is_saved_and_restored_at_every_plan_decides_the_same(string metric)
    {
        StopSection stop = new() { Patience = new PatienceSection { Metric = metric, Evaluations = 3 }, MaxSamples = 1000 };
        var select = new SelectSection { Metric = metric };
        foreach (bool hasValidation in (bool[])[true, false])
        {
            if (!hasValidation && metric.StartsWith("validation", StringComparison.Ordinal)) continue;
            var straight = Planner(stop, select, hasValidation);
            var expected = Run(straight, Loss, Loss);

            StepPlanner? last = null;
            var plans = Run(Planner(stop, select, hasValidation), Loss, Loss, restore: planner =>
            {
                last = Planner(stop, select, hasValidation);
                last.Restore(planner.Save());
                return last;
            });

            Assert.Equal(expected, plans);
            Assert.Equal((straight.SelectedStep, straight.SelectedValue), (last!.SelectedStep, last.SelectedValue));
            Assert.Equal(StopReason.Patience, plans[^1].Stop);
        }

        static double Loss(int epoch) => Math.Abs(epoch - 6.2);
    }

    [Fact]
    public void What_a_train_metric_decides_is_not_lost_by_an_interruption_at_that_step()
    {
        var stop = new StopSection { Target = new TargetSection { Metric = "train.loss", AtMost = 0.5 } };
        var planner = Planner(stop);
        planner.Advance(Sums(0.4, 0));
        planner.Advance(Sums(0.4, 0));
        planner.RequestStop(StopReason.Interrupted);
        var interrupted = planner.Advance(Sums(0.4, 0));
        Assert.Equal((StopReason.Interrupted, false), (interrupted.Stop, interrupted.Evaluate));

        var again = Planner(stop);
        again.Restore(planner.Save());

        Assert.Equal((3, true, StopReason.Target), (again.Current.Step, again.Current.Evaluate, again.Current.Stop));
    }

    /// <summary>Keras' EarlyStopping as documented: a gain is a value below best - min_delta; stop after so many evaluations in a row without.</summary>
    private static int Reference(double[] losses, int patience, string mode, double delta)
    {
        double best = double.PositiveInfinity;
        int wait = 0;
        for (int i = 1; i < losses.Length; i++)
        {
            double least = double.IsPositiveInfinity(best) ? best : best - (mode == PatienceSection.Relative ? delta * best : delta);
            if (losses[i] < least) (best, wait) = (losses[i], 0);
            else if (++wait >= patience) return i;
        }
        return losses.Length;
    }

    private static List<StepPlan> Run(StepPlanner planner, Func<int, double> train, Func<int, double> validation,
        Func<int, double>? trainAccuracy = null, Func<int, double>? validationAccuracy = null, Func<StepPlanner, StepPlanner>? restore = null)
    {
        var plans = new List<StepPlan>();
        while (planner.Current.Stop is null || planner.Current.Evaluate)
        {
            int epoch = (int)((planner.Current.Step + (planner.Current.Evaluate ? 0 : 1)) / 3);
            if (planner.Current.Evaluate) planner.Evaluated(Sums(validation(epoch), validationAccuracy?.Invoke(epoch) ?? 0));
            else planner.Advance(Sums(train(epoch), trainAccuracy?.Invoke(epoch) ?? 0));
            plans.Add(planner.Current);
            if (restore is not null) planner = restore(planner);
        }
        return plans;
    }

    private static MetricSums Sums(double loss, double accuracy) => new() { { "loss", loss * 4, 4 }, { "accuracy", accuracy * 4, 4 } };

    private static StepPlanner Planner(StopSection stop, SelectSection? select = null, bool hasValidation = true, int epochs = 100) => new(
        new TrainingSpec
        {
            Training = new TrainingSection { Epochs = epochs, GradientShards = 1 },
            Stop = stop,
            Select = select ?? new SelectSection(),
            Checkpoint = new CheckpointSection { Auto = false },
        },
        new ConstantSchedule(), 0.1, 10, new DataCounts(25, hasValidation ? 5 : 0, 0));
}
