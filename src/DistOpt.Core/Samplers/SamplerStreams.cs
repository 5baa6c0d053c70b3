namespace DistOpt.Core.Samplers;

/// <summary>First of two coordinates of streams that belong to a study rather than to one of its trials; no trial has a negative number.</summary>
internal static class SamplerStreams
{
    public const long Grid = -1;

    /// <summary>Second coordinate: the dimension.</summary>
    public const long Scrambling = -2;

    /// <summary>Second coordinate: how many trials had ended.</summary>
    public const long Restart = -3;

    /// <summary>Second coordinate: how many trials were complete.</summary>
    public const int Improvement = -4;

    /// <summary>Second coordinate: the last trial of the front that is chosen from.</summary>
    public const long Niches = -5;
}
