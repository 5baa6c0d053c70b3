namespace DistOpt.Torch;

/// <summary>What a model's output and the targets are to a loss, which decides what metrics fit.</summary>
public enum OutputReading
{
    /// <summary>A score for each class along dimension 1 of the output; targets are class indices (int64).</summary>
    Classes,

    /// <summary>One score for each target, above 0 for class 1; targets are 1 (class 1), or 0 or -1 (class 0).</summary>
    Binary,

    /// <summary>Predicted values, as many as targets.</summary>
    Values,
}
