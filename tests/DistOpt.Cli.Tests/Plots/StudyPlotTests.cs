using System.Collections.Immutable;
using DistOpt.Cli.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Plots;

namespace DistOpt.Cli.Tests.Plots;

/// <summary>What pictures of a study show, before anything draws them.</summary>
public sealed class StudyPlotTests
{
    private static readonly StudySpec s_one = ExampleStudy.Parse(ExampleStudy.Spec);
    private static readonly StudySpec s_two = ExampleStudy.Parse(ExampleStudy.TwoObjectives);
    private static readonly StudyPlotSource s_made = Source(s_one, [.. ExampleStudy.Trials(s_one, 54)]);

    /// <summary>A front of three: (1, 0.9), (0.5, 0.8), (0.2, 0.3); the others are worse in both than one of these.</summary>
    private static readonly StudyPlotSource s_front =
        Source(s_two, [.. ExampleStudy.Complete(s_two, (1, 0.9), (0.5, 0.8), (0.6, 0.7), (0.2, 0.3), (1.5, 0.1), (0.9, 0.5))]);

    [Fact]
    public void History_has_the_complete_trials_those_that_ended_early_and_the_best_up_to_each()
    {
        var panel = Assert.Single(HistoryPlot.Panels(s_made));
        Assert.Equal(("trial", "validation.accuracy"), (panel.XLabel, panel.YLabel));
        Assert.Equal(["complete", "ended early (last report)"], panel.Points.Select(p => p.Name));
        Assert.Equal([8, 17, 26, 35, 44, 53], panel.Points[0].X);
        Assert.Equal(48, panel.Points[1].X.Count);
        var best = Assert.Single(panel.Series);
        Assert.Equal((8.0, 53.0), (best.X[0], best.X[^1]));
        Assert.Equal(panel.Points[0].Y.Max(), best.Y[^1]);
        Assert.Equal(best.Y.Order(), best.Y);
    }

    [Fact]
    public void History_marks_the_trials_that_failed_at_the_lower_edge()
    {
        TrialRecord[] trials = [.. ExampleStudy.Complete(s_two, (1, 0.9), (0.5, 0.8))];
        var panels = HistoryPlot.Panels(Source(s_two, [.. trials, .. ExampleStudy.Failed(trials[0], 2, 3, 1)]));
        foreach (var panel in panels.Take(2))
        {
            Assert.Equal("failed (3)", panel.Rug!.Name);
            Assert.Equal([2, 3, 4], panel.Rug.X);
            Assert.DoesNotContain(panel.Points, p => p.X.Any(x => x > 1));
        }
        Assert.Null(Assert.Single(HistoryPlot.Panels(s_made)).Rug);
        string drawn = System.Text.Encoding.UTF8.GetString(Figure.Draw([panels[0]], PlotFormat.Svg));
        Assert.Contains("failed (3)", drawn);
        // three lines more
        string without = System.Text.Encoding.UTF8.GetString(Figure.Draw([panels[0] with { Rug = new("failed (3)", [2, 4], 7) }], PlotFormat.Svg));
        Assert.True(drawn.Length > without.Length);
    }

    [Fact]
    public void History_of_several_objectives_has_a_panel_for_each_with_what_is_better_there()
    {
        var panels = HistoryPlot.Panels(s_front);
        Assert.Equal(["validation.loss", "validation.accuracy", "hypervolume"], panels.Select(p => p.YLabel));
        Assert.Equal([1, 0.5, 0.2, 0.2], panels[0].Series[0].Y);
        Assert.Equal([0.9, 0.9], panels[1].Series[0].Y);
        // measured from (1.65, 0.09), a tenth beyond the worst: 0.65 * 0.81, and then 0.5 * 0.71 and 0.3 * 0.21 more
        Assert.Equal([0.5265, 0.8815, 0.9445, 0.9445], panels[2].Series[0].Y.Select(y => Math.Round(y, 9)));
        Assert.Equal([0, 1, 3, 5], panels[2].Series[0].X);
    }

    [Fact]
    public void Pareto_of_three_objectives_has_a_panel_for_each_two_with_the_front_of_all()
    {
        var spec = ExampleStudy.Parse(ExampleStudy.TwoObjectives.Replace("{ metric: validation.loss }", "{ metric: validation.loss }, { metric: train.loss }", StringComparison.Ordinal));
        var trials = ExampleStudy.Complete(ExampleStudy.Parse(ExampleStudy.TwoObjectives), (1, 0.9), (0.5, 0.8), (1.1, 0.7))
            .Select((t, i) => t with { Values = [t.Values[0], 3 - i, t.Values[1]] });
        var panels = ParetoPlot.Panels(Source(spec, [.. trials]));
        Assert.Equal([("validation.loss", "train.loss"), ("validation.loss", "validation.accuracy"), ("train.loss", "validation.accuracy")],
            panels.Select(p => (p.XLabel, p.YLabel)));
        Assert.All(panels, p => Assert.Empty(p.Series));
        // worse than others by two objectives, and best by the third
        Assert.All(panels, p => Assert.Equal(3, p.Points.Single(n => n.Name == "front (3 trials)").X.Count));
    }

    [Fact]
    public void An_infeasible_trial_is_shown_and_is_never_the_best()
    {
        var trials = ExampleStudy.Complete(s_two, (1, 0.9), (0.1, 0.95), (0.6, 0.7)).ToArray();
        trials[1] = trials[1] with { Constraints = [0.5] };
        var source = Source(s_two, trials);
        var panel = HistoryPlot.Panels(source)[0];
        Assert.Equal([1, 0.6, 0.6], panel.Series[0].Y);
        Assert.Equal([1.0], panel.Points.Single(p => p.Name == "infeasible").X);
        Assert.Equal([0.1], ParetoPlot.Panels(source)[0].Points.Single(p => p.Name == "infeasible").X);
    }

    [Fact]
    public void Intermediate_has_a_curve_for_each_trial_and_the_best_one_over_all()
    {
        var panel = Assert.Single(IntermediatePlot.Panels(s_made));
        Assert.Equal(54, panel.Series.Count);
        Assert.Equal(["ended early", "complete", "best (trial 17)"], panel.Series.Select(s => s.Name).OfType<string>().Select(n => n.StartsWith("best", StringComparison.Ordinal) ? "best (trial 17)" : n));
        Assert.False(panel.Series[^1].IsFaint);
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8, 9], panel.Series[^1].X);
    }

    [Fact]
    public void Parallel_has_an_axis_for_each_parameter_and_the_value_at_the_end()
    {
        var panel = Assert.Single(ParallelPlot.Panels(s_made));
        // as many as got to epoch 3
        Assert.Equal(18, panel.Series.Count);
        Assert.Equal(["activation", "dropout", "learning_rate", "value"], panel.XTicks.Select(t => t.Label).Order());
        Assert.Equal(("learning_rate", "value", "validation.accuracy at epoch 3"), (panel.XTicks[0].Label, panel.XTicks[^1].Label, panel.Scale!.Label));
        Assert.Equal(["0.0001", "0.00316", "0.1"], panel.Uprights[0].Ticks.Select(t => t.Label));
        Assert.All(panel.Series, s => Assert.All(s.Y, y => Assert.InRange(y, 0, 1)));
        // drawn last: the best
        Assert.Equal(1, panel.Series[^1].Y[^1]);
        Assert.True(panel.Scale.IsHighDark);
    }

    [Fact]
    public void Parallel_has_a_place_for_parameters_that_a_trial_does_not_have()
    {
        var panel = Assert.Single(ParallelPlot.Panels(s_front));
        int momentum = panel.XTicks.ToList().FindIndex(t => t.Label == "momentum");
        Assert.Contains(panel.Uprights[momentum].Ticks, t => t.Label == "none");
        Assert.Equal(3, panel.Series.Count(s => s.Y[momentum] < 0));
    }

    [Fact]
    public void Slice_has_a_panel_for_each_parameter_with_its_own_axis()
    {
        var panels = SlicePlot.Panels(s_made);
        Assert.Equal("learning_rate", panels[0].XLabel);
        Assert.True(panels[0].IsLogX);
        Assert.Equal(18, panels[0].Points.Sum(p => p.X.Count));
        Assert.Equal(["other trials", "best 5 trials"], panels[0].Points.Select(p => p.Name));
        Assert.Equal("mean over the rest (forest)", panels[0].Series[0].Name);
        var activation = panels.Single(p => p.XLabel == "activation");
        Assert.Equal([(0, "relu"), (1, "tanh")], activation.XTicks.Select(t => (t.At, t.Label)));
        Assert.Empty(activation.Series);
        Assert.Equal([0, 1], activation.Points[2].X);
        Assert.All(activation.Points.SelectMany(p => p.X), x => Assert.InRange(Math.Abs(x - Math.Round(x)), 0, 0.25));
        // a high rate is better
        var mean = panels[0].Series[0];
        Assert.True(mean.Y[^1] > mean.Y[0] + 0.1);
    }

    /// <summary>Beside each other they would lie where the parameter has no value, at its ends outside of its range.</summary>
    [Fact]
    public void Slice_shows_numbers_where_they_are()
    {
        var spec = ExampleStudy.Parse("""
            name: steps
            model: { kind: mlp, hidden: [8] }
            study: { metric: validation.loss, trials: 40 }
            space:
              training.epochs: { int: [1, 4] }
              model.dropout: { float: [0.0, 0.5], step: 0.25 }
            """);
        var trials = Enumerable.Range(0, 24).Select(i => new TrialRecord(i, TrialState.Complete, TrialEndCause.Done,
            ExampleStudy.Point(spec, ("training.epochs", 1 + i % 4), ("model.dropout", 0.25 * (i % 3))), [0.1 * (i % 4) + 0.01 * (i % 3)], [], [], 1, [], 1, null));
        var panels = SlicePlot.Panels(Source(spec, [.. trials]));
        Assert.Equal([1, 2, 3, 4], Xs("epochs"));
        Assert.Equal([0, 0.25, 0.5], Xs("dropout"));

        IEnumerable<double> Xs(string name) => panels.Single(p => p.XLabel.EndsWith(name, StringComparison.Ordinal)).Points
            .SelectMany(p => p.X).Distinct().Order();
    }

    [Fact]
    public void Contour_has_the_pairs_that_matter_with_the_trials_upon_the_means()
    {
        var panels = ContourPlot.Panels(s_made);
        Assert.Equal(3, panels.Count);
        Assert.Equal("learning_rate", panels[0].XLabel);
        var map = panels[0].Map!;
        Assert.Equal((map.Y.Count, map.X.Count), (map.Values.GetLength(0), map.Values.GetLength(1)));
        Assert.True(map.Values[0, map.X.Count - 1] > map.Values[0, 0] + 0.1);
        Assert.Equal((map.Values.Cast<double>().Min(), map.Values.Cast<double>().Max()), (panels[0].Scale!.Low, panels[0].Scale!.High));
        Assert.Equal(18, panels[0].Points.Sum(p => p.X.Count));
    }

    [Fact]
    public void Importance_has_two_bars_for_each_parameter_the_most_important_above()
    {
        var panel = Assert.Single(ImportancePlot.Panels(s_made));
        Assert.Equal(6, panel.Bars.Count);
        Assert.Equal((2, "learning_rate"), (panel.YTicks[0].At, panel.YTicks[0].Label));
        Assert.InRange(panel.Bars[0].To, 0.8, 1);
        Assert.All(panel.Bars, b => Assert.InRange(b.Deviation!.Value, 1e-6, 0.5));
        Assert.Equal(1, panel.Bars.Where((_, i) => i % 2 == 1).Sum(b => b.To), 1e-9);
    }

    [Fact]
    public void Edf_rises_from_nothing_to_one()
    {
        var panels = EdfPlot.Panels(s_front);
        Assert.Equal(["validation.loss", "validation.accuracy"], panels.Select(p => p.XLabel));
        Assert.Equal([0.2, 0.2, 0.5, 0.6, 0.9, 1, 1.5], panels[0].Series[0].X);
        Assert.Equal([0, 1 / 6.0, 2 / 6.0, 0.5, 4 / 6.0, 5 / 6.0, 1], panels[0].Series[0].Y);
        Assert.Equal("share of 6 trials", panels[0].YLabel);
    }

    [Fact]
    public void Pareto_has_the_front_and_the_line_below_which_nothing_is_known_to_be()
    {
        Assert.NotNull(ParetoPlot.Missing(s_made));
        var panel = Assert.Single(ParetoPlot.Panels(s_front));
        Assert.Equal(("validation.loss", "validation.accuracy"), (panel.XLabel, panel.YLabel));
        Assert.Equal(["dominated", "front (3 trials)"], panel.Points.Select(p => p.Name));
        Assert.Equal([0.2, 0.5, 1], panel.Points[1].X);
        // less loss is better: an accuracy is known to be had from its loss on
        Assert.Equal([0.2, 0.5, 0.5, 1, 1], panel.Series[0].X);
        Assert.Equal([0.3, 0.3, 0.8, 0.8, 0.9], panel.Series[0].Y);
    }

    [Fact]
    public void Timeline_has_a_bar_for_each_attempt_in_the_color_of_its_trials_end()
    {
        var trials = ExampleStudy.Trials(s_one, 9).ToArray();
        trials[0] = trials[0] with { Spans = [new(0, 1), new(300, 306)], State = TrialState.Failed, Cause = TrialEndCause.Threw };
        var panel = Assert.Single(TimelinePlot.Panels(Source(s_one, trials)));
        Assert.Equal("time (min)", panel.XLabel);
        Assert.Equal(10, panel.Bars.Count);
        Assert.Equal((0, 5, 5.1), (panel.Bars[1].At, panel.Bars[1].From, panel.Bars[1].To));
        Assert.Equal(["failed", "pruned", "complete"], panel.Bars.Select(b => b.Name).OfType<string>());
        Assert.NotNull(TimelinePlot.Missing(s_front));
    }

    [Fact]
    public void Rungs_have_the_trials_that_reached_them_and_whether_they_were_sent_on()
    {
        var panel = Assert.Single(RungsPlot.Panels(s_made));
        Assert.Equal(["1 (54)", "3 (18)", "9 (6)"], panel.XTicks.Select(t => t.Label));
        var (stayed, sent) = (panel.Points[0], panel.Points[1]);
        Assert.Equal([36, 12, 0], Enumerable.Range(0, 3).Select(r => stayed.X.Count(x => Math.Round(x) == r)));
        Assert.Equal([18, 6, 6], Enumerable.Range(0, 3).Select(r => sent.X.Count(x => Math.Round(x) == r)));
        Assert.Equal("the study's trial scheduler has no rungs", RungsPlot.Missing(Source(s_two, [.. ExampleStudy.Complete(s_two, (1, 1), (2, 2))], [])));
    }

    /// <summary>Of 54 trials 27 are in a bracket that begins at 3, to which 9 of them come.</summary>
    [Fact]
    public void A_trial_is_drawn_at_the_rungs_of_its_own_bracket_alone()
    {
        TrialRecord[] trials = [.. ExampleStudy.Trials(s_one, 54).Select(t => t with { Bracket = t.Number % 2 })];
        var panel = Assert.Single(RungsPlot.Panels(Source(s_one, trials, [1, 3, 9], [3, 9])));
        Assert.Equal(["1 (27)", "3 (18)", "9 (6)"], panel.XTicks.Select(t => t.Label));
    }

    [Fact]
    public void Values_that_spread_over_more_than_a_decade_are_shown_on_a_logarithmic_axis()
    {
        Assert.True(StudyPlotSource.Spreads([0.1, 0.2, 0.3, 9, double.PositiveInfinity], Direction.Minimize));
        Assert.False(StudyPlotSource.Spreads([0.1, 0.2, 0.3, 2], Direction.Minimize));
        Assert.False(StudyPlotSource.Spreads([0, 0.2, 0.3, 90], Direction.Minimize));
        Assert.False(StudyPlotSource.Spreads([], Direction.Minimize));
        // small losses are what one looks for, small accuracies are not
        Assert.True(StudyPlotSource.Spreads([0.001, 0.5, 0.6, 1], Direction.Minimize));
        Assert.False(StudyPlotSource.Spreads([0.001, 0.5, 0.6, 1], Direction.Maximize));
    }

    [Fact]
    public void Short_names_are_the_last_parts_that_tell_a_parameter_from_the_others() => Assert.Equal(["learning_rate", "optimizer.kind", "schedule.kind", "hidden[0]", "seed"],
        StudyPlotSource.ShortNames(["optimizer.learning_rate", "optimizer.kind", "schedule.kind", "model.hidden[0]", "seed"]));

    [Fact]
    public void A_legend_is_put_into_the_emptiest_corner()
    {
        PlotPanel panel = new("x", "y", [new("a", [0, 1, 10], [5, 9, 10])]) { Points = [new(null, [9], [0])] };
        Assert.Equal(LegendPlace.LowerLeft, panel.WithLegendAside().LegendPlace);
        Assert.Equal(LegendPlace.UpperRight, new PlotPanel("x", "y", []).WithLegendAside().LegendPlace);
    }

    [Fact]
    public void Of_trials_too_few_to_compare_there_is_what_there_is()
    {
        var source = Source(s_one, [.. ExampleStudy.Trials(s_one, 1)]);
        Assert.Equal(["history", "intermediate", "edf", "timeline", "rungs"], StudyPlots.All.Where(k => k.Missing(source) is null).Select(k => k.Name));
        foreach (var kind in StudyPlots.All.Where(k => k.Missing(source) is null)) Assert.NotEmpty(Figure.Draw(kind.Panels(source), PlotFormat.Png));
    }

    /// <summary>Every kind draws, as both formats, of both studies where they have it.</summary>
    [Fact]
    public void Every_kind_can_be_drawn()
    {
        foreach (var source in (StudyPlotSource[])[s_made, s_front])
        {
            foreach (var kind in StudyPlots.All.Where(k => k.Missing(source) is null))
            {
                Assert.True(Figure.Draw(kind.Panels(source), PlotFormat.Png).Length > 5000, kind.Name);
                Assert.True(Figure.Draw(kind.Panels(source), PlotFormat.Svg).Length > 2000, kind.Name);
            }
        }
    }

    [Fact]
    public void Wide_panels_have_a_row_of_their_own()
    {
        PlotPanel narrow = new("x", "y", []), wide = narrow with { IsWide = true };
        var (cells, width, height) = Figure.Layout([narrow, wide, narrow, narrow, narrow]);
        Assert.Equal([(0, 0), (0, 1), (0, 2), (1, 2), (0, 3)], cells.Select(c => ((int)(2 * c.Left / width), (int)(4 * c.Top / height))));
        Assert.Equal(width, cells[1].Width);
        Assert.Equal(cells[0].Height * 4, height);
    }

    private static StudyPlotSource Source(StudySpec spec, TrialRecord[] trials, params long[][] brackets)
    {
        if (brackets.Length == 0 && spec == s_one) brackets = [[1, 3, 9]];
        return new(new StudyReading(spec.Outline, [.. trials], null) { Brackets = [.. brackets.Select(b => b.ToImmutableArray())] }, [], null);
    }
}
