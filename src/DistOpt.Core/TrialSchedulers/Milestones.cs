using System.Collections.Immutable;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>Where the rungs of a bracket lie.</summary>
internal static class Milestones
{
    /// <summary>More rungs than any study needs, and as many as a word has bits for.</summary>
    public const int Most = 60;

    /// <summary>Steps of a whole power are whole, also where logarithms and powers of floating point are off by a bit.</summary>
    private const double Tolerance = 1e-9;

    /// <summary>
    /// <c>r * eta^(s + k)</c> for k = 0 .. floor(log_eta(R / r)) - s, rounded up to whole numbers; those that fall together are one. None where s is
    /// too great.
    /// </summary>
    public static ImmutableArray<long> Of(long least, long most, double reductionFactor, int bracket)
    {
        var milestones = ImmutableArray.CreateBuilder<long>();
        for (double at = least * Math.Pow(reductionFactor, bracket); at <= most * (1 + Tolerance); at *= reductionFactor)
        {
            long whole = Math.Min(most, (long)Math.Ceiling(at * (1 - Tolerance)));
            if (milestones.Count == 0 || whole > milestones[^1]) milestones.Add(whole);
        }
        return milestones.ToImmutable();
    }

    /// <summary><c>R * eta^(i - s)</c> for i = 0 .. s, rounded to whole numbers of at least 1; those that fall together are one.</summary>
    public static ImmutableArray<long> Downwards(long most, double reductionFactor, int bracket)
    {
        var milestones = ImmutableArray.CreateBuilder<long>();
        for (int i = 0; i <= bracket; i++)
        {
            long whole = i == bracket ? most : (long)Math.Round(most * Math.Pow(reductionFactor, i - bracket), MidpointRounding.AwayFromZero);
            if (milestones.Count == 0 || whole > milestones[^1]) milestones.Add(Math.Max(1, whole));
        }
        return milestones.ToImmutable();
    }

    /// <summary>floor(log_eta(R / r)), but no more than <see cref="Most"/>.</summary>
    public static int Powers(long least, long most, double reductionFactor)
    {
        int powers = 0;
        for (double at = least * reductionFactor; at <= most * (1 + Tolerance) && powers < Most; at *= reductionFactor) powers++;
        return powers;
    }
}
