using DistOpt.Core.Randomness;
using DistOpt.Core.Training;

namespace DistOpt.Torch;

/// <summary>What a data set knows about the batch it loads. Row r of the batch is the r-th of the indices that it is given.</summary>
/// <param name="Split">The part of the data that the batch is from.</param>
/// <param name="Training">Whether the batch is for a training step: augment only then.</param>
/// <param name="Epoch">Epoch of the batch, from 0; 0 in evaluation.</param>
/// <param name="FirstPosition">Position of row 0 in the epoch's order (training), or in the split's fixed order (evaluation).</param>
/// <param name="Seed">The job's seed.</param>
public readonly record struct DataContext(DataSplit Split, bool Training, int Epoch, long FirstPosition, long Seed)
{
    /// <summary>
    /// A generator for the augmentation of one sample: a function of (seed, epoch, sample) alone, so that a batch has the same bits on
    /// whichever worker it is prepared. Draws of libtorch's generator (<c>torch.rand</c> and the like) would not have that.
    /// </summary>
    /// <param name="index">Index of the sample, as <c>Load</c> got it.</param>
    public CounterRandom Random(long index) => new(Seed, RandomPurpose.Augmentation, Epoch, index);
}
