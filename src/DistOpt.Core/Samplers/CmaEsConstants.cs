namespace DistOpt.Core.Samplers;

/// <summary>The strategy parameters of CMA-ES (Hansen, "The CMA Evolution Strategy: A Tutorial", arXiv:1604.00772, table 1), with negative weights.</summary>
internal sealed class CmaEsConstants
{
    public CmaEsConstants(int dimensions, int population)
    {
        double d = dimensions;
        (Dimensions, Population, Parents) = (dimensions, population, population / 2);
        double[] raw = new double[population];
        for (int i = 0; i < population; i++) raw[i] = Math.Log((population + 1) / 2.0) - Math.Log(i + 1);
        MuEff = Effective(raw.AsSpan(0, Parents));
        double effectiveRest = Effective(raw.AsSpan(Parents));
        C1 = 2 / ((d + 1.3) * (d + 1.3) + MuEff);
        CMu = Math.Min(1 - C1 - 1e-8, 2 * (MuEff - 2 + 1 / MuEff) / ((d + 2) * (d + 2) + MuEff));
        double alpha = Math.Min(1 + C1 / CMu, Math.Min(1 + 2 * effectiveRest / (MuEff + 2), (1 - C1 - CMu) / (d * CMu)));
        double above = 0, below = 0;
        foreach (double weight in raw)
        {
            if (weight > 0) above += weight;
            else below -= weight;
        }
        for (int i = 0; i < population; i++) raw[i] = raw[i] >= 0 ? raw[i] / above : raw[i] * alpha / below;
        Weights = raw;
        CSigma = (MuEff + 2) / (d + MuEff + 5);
        DSigma = 1 + 2 * Math.Max(0, Math.Sqrt((MuEff - 1) / (d + 1)) - 1) + CSigma;
        CC = (4 + MuEff / d) / (d + 4 + 2 * MuEff / d);
        ChiN = Math.Sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d));
    }

    public int Dimensions { get; }

    /// <summary>Lambda.</summary>
    public int Population { get; }

    /// <summary>Mu: those with weights above 0.</summary>
    public int Parents { get; }

    /// <summary>One for each rank, the best first: those of the parents add up to 1, the others are negative.</summary>
    public double[] Weights { get; }

    public double MuEff { get; }

    public double C1 { get; }

    public double CMu { get; }

    public double CSigma { get; }

    public double DSigma { get; }

    public double CC { get; }

    /// <summary>Expected length of a standard normal vector.</summary>
    public double ChiN { get; }

    /// <summary>4 + 3 ln d.</summary>
    public static int DefaultPopulation(int dimensions) => 4 + (int)Math.Floor(3 * Math.Log(dimensions));

    private static double Effective(ReadOnlySpan<double> weights)
    {
        double sum = 0, squares = 0;
        foreach (double weight in weights) (sum, squares) = (sum + weight, squares + weight * weight);
        return sum * sum / squares;
    }
}
