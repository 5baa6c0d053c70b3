using System.Collections.ObjectModel;
using DistOpt.Actors.ParameterServer;
using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.ParameterServer;

public sealed class KeptRowsTests
{
    [Fact]
    public void Rows_are_kept_until_they_are_stored_and_no_row_is_kept_twice()
    {
        var rows = new KeptRows();
        foreach (long step in new[] { 10, 20, 10, 20, 30 }) rows.Add(Train(step));
        foreach (long step in new[] { 10, 20, 20 }) rows.Add(Validation(step));
        Assert.Equal([10, 20, 30], rows.Wire.NewTrain.Select(r => r.Step));
        Assert.Equal([10, 20], rows.Wire.NewValidation.Select(r => r.Step));

        rows.Stored(20, 10);
        // older news on their way
        rows.Stored(10, -1);
        Assert.False(rows.AreStored);
        Assert.Equal((20, 10), (rows.Wire.StoredTrain, rows.Wire.StoredValidation));
        Assert.Equal([30], rows.Wire.NewTrain.Select(r => r.Step));
        Assert.Equal([20], rows.Wire.NewValidation.Select(r => r.Step));
        rows.Stored(30, 20);

        Assert.True(rows.AreStored);
        Assert.Equal(30, rows.Wire.Train!.Step);
    }

    [Fact]
    public void The_row_of_the_selected_weights_stays_known()
    {
        var rows = new KeptRows();
        rows.Add(Validation(10));
        Assert.Equal(10, rows.Wire.Validation!.Step);
        rows.Add(Validation(20, selected: true));
        rows.Add(Validation(30));

        Assert.Equal(20, rows.Wire.Validation!.Step);
    }

    [Fact]
    public void Rows_that_are_told_again_after_going_back_are_known_though_they_were_stored_before()
    {
        var rows = new KeptRows();
        rows.Restore(KeptRows.Of(new TrainingState { Step = 15 }, ReadOnlyDictionary<string, double>.Empty));
        rows.Stored(40, 40);
        rows.Add(Train(20));
        rows.Add(Validation(20, selected: true));

        Assert.True(rows.AreStored);
        Assert.Equal((20, 20), (rows.Wire.Train!.Step, rows.Wire.Validation!.Step));
    }

    [Theory]
    [InlineData(true, true, 14, 15)]
    [InlineData(false, false, 15, 14)]
    public void A_checkpoint_knows_which_rows_of_its_step_were_told(bool hasSums, bool evaluated, long train, long validation)
    {
        var sums = new MetricSums();
        if (hasSums) sums.Add("loss", 1, 1);
        var rows = new KeptRows();
        rows.Restore(KeptRows.Of(new TrainingState { Step = 15, SinceRow = sums, Evaluated = evaluated }, ReadOnlyDictionary<string, double>.Empty));

        Assert.Equal((train, validation), (rows.Wire.StoredTrain, rows.Wire.StoredValidation));
    }

    /// <summary>A coordinator that takes over later knows no other than this one.</summary>
    [Fact]
    public void A_checkpoint_brings_the_row_of_the_weights_that_were_selected_before_it_and_no_later_one_is_taken_for_it()
    {
        var rows = new KeptRows();
        rows.Restore(KeptRows.Of(new TrainingState { Step = 15, SelectedStep = 10, SelectedValue = 0.25 }, new Dictionary<string, double> { ["loss"] = 0.25 }));
        rows.Add(Validation(20));

        Assert.Equal((10, true), (rows.Wire.Validation!.Step, rows.Wire.Validation.Selected));
        Assert.Equal(0.25, rows.Wire.Validation.Metrics.ToMetrics().Single().Value.Value);
        Assert.Equal([20], rows.Wire.NewValidation.Select(r => r.Step));
        rows.Add(Validation(30, selected: true));
        Assert.Equal(30, rows.Wire.Validation!.Step);
    }

    [Fact]
    public void A_successor_goes_on_with_what_was_kept()
    {
        var rows = new KeptRows();
        rows.Add(Train(10));
        rows.Add(Validation(10, selected: true));
        rows.Stored(10, -1);
        rows.Add(Train(20));
        var successor = new KeptRows();
        successor.Add(Train(5));

        successor.Restore(rows.Wire);

        Assert.Equal(WireCodec.Serialize(rows.Wire), WireCodec.Serialize(successor.Wire));
        successor.Add(Train(20));
        Assert.Single(successor.Wire.NewTrain);
    }

    private static readonly WireMetrics None = WireMetrics.From(new MetricSums());

    private static TrainRow Train(long step) => new(step, 0, None, 0.1, 8, step * 8);

    private static ValidationRow Validation(long step, bool selected = false) => new(step, 0, None, selected);
}
