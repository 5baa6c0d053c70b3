using DistOpt.Core.Training;
using DistOpt.Protocol;

namespace DistOpt.Actors.ParameterServer;

/// <summary>
/// Rows of metrics that the server of key 0 has told the coordinator, until it knows that they are stored: neither a coordinator nor a server that
/// is lost takes one with it. Goes to the server's backup with its state.
/// </summary>
internal sealed class KeptRows
{
    private readonly List<TrainRow> _newTrain = [];
    private readonly List<ValidationRow> _newValidation = [];
    private TrainRow? _train;
    private ValidationRow? _validation;
    private long _storedTrain = -1;
    private long _storedValidation = -1;
    private RowsKept? _wire;

    /// <summary>Whether every row is known to be stored.</summary>
    public bool AreStored => _newTrain.Count == 0 && _newValidation.Count == 0;

    public RowsKept Wire => _wire ??= new RowsKept(_storedTrain, _storedValidation, _train, _validation, [.. _newTrain], [.. _newValidation]);

    /// <summary>
    /// A row is told. It is kept unless it was told before: some steps are done again after a loss, while the coordinator may know more than the
    /// state that was gone back to.
    /// </summary>
    public void Add(TrainRow row)
    {
        if (row.Step > Math.Max(_storedTrain, _newTrain.Count > 0 ? _newTrain[^1].Step : -1)) _newTrain.Add(row);
        if (row.Step > (_train?.Step ?? -1)) _train = row;
        _wire = null;
    }

    /// <inheritdoc cref="Add(TrainRow)"/>
    public void Add(ValidationRow row)
    {
        if (row.Step > Math.Max(_storedValidation, _newValidation.Count > 0 ? _newValidation[^1].Step : -1)) _newValidation.Add(row);
        if (row.Selected || _validation is null) _validation = row;
        _wire = null;
    }

    /// <summary>Rows up to these steps are stored.</summary>
    public void Stored(long train, long validation)
    {
        if (train <= _storedTrain && validation <= _storedValidation) return;
        (_storedTrain, _storedValidation) = (Math.Max(train, _storedTrain), Math.Max(validation, _storedValidation));
        _newTrain.RemoveAll(r => r.Step <= _storedTrain);
        _newValidation.RemoveAll(r => r.Step <= _storedValidation);
        _wire = null;
    }

    /// <summary>
    /// What there is to keep at a checkpoint: rows beyond it are told again, and the one of the selected weights lies before it, so that no later one
    /// may be taken for it by a coordinator that knows none.
    /// </summary>
    /// <param name="state">The checkpoint's.</param>
    /// <param name="validation">Metrics of the selected weights there, or of the first evaluation; empty where there was none.</param>
    public static RowsKept Of(TrainingState state, IReadOnlyDictionary<string, double> validation)
    {
        var metrics = new MetricSums();
        foreach (var (name, value) in validation) metrics.Add(name, value, 1);
        var selected = validation.Count == 0 ? null
            : new ValidationRow(state.SelectedStep ?? state.Step, state.LastEpoch, WireMetrics.From(metrics), state.SelectedStep is not null);
        return new RowsKept(state.SinceRow.Count == 0 ? state.Step : state.Step - 1, state.Evaluated ? state.Step : state.Step - 1, null, selected, [], []);
    }

    /// <summary>Goes on from what another server has kept.</summary>
    public void Restore(RowsKept kept)
    {
        Clear();
        (_storedTrain, _storedValidation, _train, _validation) = (kept.StoredTrain, kept.StoredValidation, kept.Train, kept.Validation);
        _newTrain.AddRange(kept.NewTrain);
        _newValidation.AddRange(kept.NewValidation);
    }

    private void Clear()
    {
        _newTrain.Clear();
        _newValidation.Clear();
        (_train, _validation, _wire) = (null, null, null);
    }
}
