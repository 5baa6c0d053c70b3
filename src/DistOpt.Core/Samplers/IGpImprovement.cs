namespace DistOpt.Core.Samplers;

/// <summary>What processes of the objectives hope for at a point over the trials so far: a logarithm, of which more is better.</summary>
internal interface IGpImprovement
{
    /// <summary>Its value at a point.</summary>
    /// <param name="point">Where.</param>
    /// <param name="gradient">Its gradient is added (nothing for choices); may be empty.</param>
    double At(ReadOnlySpan<double> point, Span<double> gradient);

    /// <summary>Its values at many points, which differ from those one by one by rounding.</summary>
    /// <param name="coordinates">Of all points, one dimension after the other.</param>
    /// <param name="count">Points that there is room for in each dimension, a multiple of <see cref="Numerics.Cholesky.Together"/>.</param>
    /// <param name="values">Receives values for the first points.</param>
    void AtMany(ReadOnlySpan<double> coordinates, int count, Span<double> values);
}
