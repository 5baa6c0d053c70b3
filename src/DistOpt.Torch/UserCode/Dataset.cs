using DistOpt.Core.Datasets;

namespace DistOpt.Torch;

/// <summary>The part of a data set that does not depend on its batch type. Derive from <see cref="Dataset{TBatch}"/>.</summary>
public abstract class Dataset : IDisposable
{
    private protected Dataset() { }

    /// <summary>Number of samples, test part included.</summary>
    public abstract long Count { get; }

    /// <summary>Shapes, types, classes, columns: what models are built from and predictions are read with.</summary>
    public virtual DataInfo Info => new() { Name = GetType().Name, Task = TaskKind.Other, InputShape = [] };

    /// <summary>
    /// The last so many samples are the predefined test part; 0 = none, and <c>data.test_fraction</c> of all is held out.
    /// </summary>
    public virtual long TestCount => 0;

    /// <summary>
    /// Class index of each sample, for stratified splits (the names stand in <c>Info.Classes</c>); empty = the splits are not stratified.
    /// </summary>
    public virtual ReadOnlySpan<int> Labels => [];

    /// <summary>
    /// Hash of the samples in hexadecimal, compared between nodes. Null: the engine hashes a few hundred samples that lie evenly over the
    /// data, as <c>Load</c> gives them.
    /// </summary>
    public virtual string? ContentHash => null;

    internal abstract Type BatchType { get; }

    /// <summary>
    /// Called once, after the splits are drawn and before the first training batch: fit normalization and vocabularies here, on the
    /// training part alone.
    /// </summary>
    /// <param name="trainIndices">Indices of the training part, ascending.</param>
    public virtual void Prepare(ReadOnlySpan<long> trainIndices) { }

    /// <summary>How inputs were normalized, for <c>inference.json</c>; known after <see cref="Prepare"/>. Null = they were not.</summary>
    public virtual Normalization? Normalization => null;

    internal abstract object LoadBatch(ReadOnlySpan<long> indices, DataContext context);

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Closes files and frees tensors that the data set holds.</summary>
    protected virtual void Dispose(bool disposing) { }
}

/// <summary>
/// A data set with a batch type of its own. Collation and padding live in <see cref="Load"/>; a batch is any class or record whose
/// tensors are public properties (also nested records, arrays and lists of tensors).
/// </summary>
public abstract class Dataset<TBatch> : Dataset
    where TBatch : class
{
    internal sealed override Type BatchType => typeof(TBatch);

    /// <summary>
    /// The samples with these indices as one batch. Called on several threads at once. The tensors become the engine's, which disposes of
    /// them after the step: hand out new ones.
    /// </summary>
    /// <param name="indices">Indices within <c>[0, Count)</c>; at least one.</param>
    public abstract TBatch Load(ReadOnlySpan<long> indices, DataContext context);

    internal sealed override object LoadBatch(ReadOnlySpan<long> indices, DataContext context) => Load(indices, context);
}
