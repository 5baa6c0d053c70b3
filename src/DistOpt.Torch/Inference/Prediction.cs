using System.Collections.Immutable;

namespace DistOpt.Torch;

/// <summary>The prediction for one input.</summary>
public sealed record Prediction
{
    /// <summary>Index of the most probable class (the first of equals); null unless the task is classification.</summary>
    public int? ClassIndex { get; init; }

    /// <summary>Name of that class; null unless the task is classification.</summary>
    public string? ClassName { get; init; }

    /// <summary>
    /// Probability of each class by index, the softmax of <see cref="Values"/>, with one score for two classes its sigmoid; empty unless the task is
    /// classification.
    /// </summary>
    public ImmutableArray<float> Probabilities { get; init; } = [];

    /// <summary>
    /// What the model puts out: a score for each class (one for both of two, where the loss reads single scores), or the predicted values. After
    /// training with bce-with-logits (kl), a regression's values are probabilities: the sigmoid of the scores (the exponential of the log-probabilities).
    /// </summary>
    public required ImmutableArray<float> Values { get; init; }
}
