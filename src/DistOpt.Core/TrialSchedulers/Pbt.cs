using System.Collections.Immutable;
using DistOpt.Core.Randomness;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;

namespace DistOpt.Core.TrialSchedulers;

/// <summary>
/// Population-based training whose explore step is Ray's: each parameter is drawn anew from its domain with some probability; otherwise a number is
/// multiplied by one of the factors, clipped to its domain and cut to an integer where that is one, an ordered choice goes to a neighbour, another
/// choice is drawn anew.
/// </summary>
public sealed class Pbt : PopulationScheduler
{
    private readonly PbtOptions _options;

    /// <exception cref="SpecException">It cannot be used for the study.</exception>
    public Pbt(PbtOptions options, StudyContext context) : base(options, context) => _options = options;

    private protected override ImmutableArray<double> Explore(Member donor, ref CounterRandom random) =>
        Explore(Context.Space, donor.Parameters, _options, ref random);

    internal static ImmutableArray<double> Explore(SearchSpace space, ImmutableArray<double> from, PbtOptions options, ref CounterRandom random)
    {
        double[] values = new double[space.Count];
        for (int i = 0; i < values.Length; i++)
        {
            // drawn in any case: what becomes of a parameter does not depend on the others
            double resample = random.NextDouble(), way = random.NextDouble(), place = random.NextDouble();
            var domain = space.Parameters[i].Domain;
            values[i] = !space.IsActive(i, values) ? double.NaN
                : resample < options.ResampleProbability || double.IsNaN(from[i]) ? domain.FromUnit(place)
                : Perturb(domain, from[i], options.Factors, way, place);
        }
        return [.. values];
    }

    private static double Perturb(Domain domain, double value, ImmutableArray<double> factors, double way, double place)
    {
        switch (domain)
        {
            case NumericDomain numbers:
                double perturbed = value * factors[Math.Min((int)(way * factors.Length), factors.Length - 1)];
                return numbers.Round(numbers is IntDomain ? Math.Truncate(perturbed) : perturbed);
            case ChoiceDomain { IsOrdered: true } choices:
                return Math.Clamp(value + (way < 0.5 ? 1 : -1), 0, choices.Choices.Length - 1);
            default:
                return domain.FromUnit(place);
        }
    }
}
