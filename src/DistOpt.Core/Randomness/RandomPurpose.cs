namespace DistOpt.Core.Randomness;

/// <summary>
/// What random numbers are drawn for; part of every key, so that no two uses share a stream. Numbers are final: append only.
/// </summary>
public enum RandomPurpose
{
    /// <summary>Initial weights. Coordinates: index of the tensor or layer.</summary>
    InitialWeights = 1,

    /// <summary>Order of the training samples. Coordinates: epoch.</summary>
    Shuffle = 2,

    /// <summary>Dropout masks. Coordinates: step, layer; element = position in the global batch * features + feature.</summary>
    Dropout = 3,

    /// <summary>Augmentation of a sample. Coordinates: epoch, sample index; for the entries of data.augment also their place in the list.</summary>
    Augmentation = 4,

    /// <summary>Data splits. Coordinates: class.</summary>
    Split = 5,

    /// <summary>Seeds for libtorch's own generator. Coordinates: step, gradient shard.</summary>
    Engine = 6,

    /// <summary>Stochastic rounding in codecs. Coordinates: step, gradient shard.</summary>
    Codec = 7,

    /// <summary>Samplers of studies. Coordinates: trial; where a suggestion breaks a constraint also the attempt, from 1; for what
    /// an enqueued point leaves out the attempt and the parameter; for a parameter that trials define while they run a hash of its name.</summary>
    Search = 8,

    /// <summary>Network, compute and fault models of a simulation.</summary>
    Simulation = 9,

    /// <summary>Synthetic data sets.</summary>
    Data = 10,

    /// <summary>Sizes of random batches. Coordinates: step.</summary>
    BatchSize = 11,

    /// <summary>Seeds of the runs of a study. Coordinates: trial, repeat.</summary>
    Trial = 12,

    /// <summary>Forests that say which parameters matter. Coordinates: tree.</summary>
    Importance = 13,

    /// <summary>Samples of trials that say how sure an importance is. Coordinates: sample.</summary>
    ImportanceResample = 14,

    /// <summary>Code outside DistOpt that wants streams of its own.</summary>
    User = 1000,
}
