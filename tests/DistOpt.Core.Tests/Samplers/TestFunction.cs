using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>A function to minimize whose least value is known.</summary>
/// <param name="Name">As in tables.</param>
/// <param name="Space">Where.</param>
/// <param name="Value">By the values of the space's parameters; NaN where one has none.</param>
/// <param name="Least">The least value within the space, up to <paramref name="Tolerance"/>.</param>
/// <param name="Minimizers">Where it is reached.</param>
/// <param name="Tolerance">Of the published digits.</param>
internal sealed record TestFunction(string Name, SearchSpace Space, Func<double[], double> Value, double Least, double[][] Minimizers, double Tolerance)
{
    public override string ToString() => Name;

    /// <summary>How far a value is above the least one.</summary>
    public double Regret(double value) => Math.Max(0, value - Least);
}
