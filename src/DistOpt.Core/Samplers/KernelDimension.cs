using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using DistOpt.Core.SearchSpaces;

namespace DistOpt.Core.Samplers;

/// <summary>The kernels of a <see cref="ParzenEstimator"/> in one of its parameters: what each adds to the logarithm of its density at a value.</summary>
internal sealed class KernelDimension
{
    public Domain? Domain;

    /// <summary>Means on the domain's scale; of choices the one that was seen, and below 0 where the kernel is the prior's.</summary>
    public double[] Means = [];

    /// <summary>1 / deviation of each kernel.</summary>
    public double[] Inverses = [];

    /// <summary>Probabilities of the choice that a kernel has seen, of every other one, and of each for the prior.</summary>
    public double Hit, Miss, Even;

    /// <summary>Not null where the domain has steps.</summary>
    public MassClasses? Classes;

    private double _logHit, _logMiss, _logEven;

    public void SetProbabilities(double hit, double miss, double even)
    {
        (Hit, Miss, Even) = (hit, miss, even);
        (_logHit, _logMiss, _logEven) = (Math.Log(hit), Math.Log(miss), Math.Log(even));
    }

    /// <summary>Adds what neighbouring kernels have of a value to their terms.</summary>
    /// <param name="value">On the domain's scale; of choices the index.</param>
    /// <param name="begin">The first kernel.</param>
    /// <param name="terms">One for each kernel.</param>
    public void AddAll(double value, int begin, Span<double> terms)
    {
        if (Classes is { } classes) classes.AddAll(value, begin, terms);
        else if (Domain is NumericDomain) AddSquares(value, Means.AsSpan(begin, terms.Length), Inverses.AsSpan(begin, terms.Length), terms);
        else AddChoices(value, Means.AsSpan(begin, terms.Length), terms);
    }

    /// <summary>
    /// Adds what some kernels have of a value to their terms, as <see cref="AddAll"/> to the bit, and moves those that stay above a bound to the front.
    /// </summary>
    /// <param name="value">On the domain's scale; of choices the index.</param>
    /// <param name="kernels">Whose terms they are.</param>
    /// <param name="terms">One for each of these.</param>
    /// <param name="bound">What is not above it is dropped; no number stays.</param>
    /// <returns>How many are left.</returns>
    public int AddTo(double value, Span<int> kernels, Span<double> terms, double bound)
    {
        int left = 0;
        if (Classes is { } classes)
        {
            var masses = classes.At(value);
            for (int i = 0; i < kernels.Length; i++) Keep(kernels, terms, kernels[i], terms[i] + masses.Of(kernels[i]));
        }
        else if (Domain is NumericDomain)
        {
            for (int i = 0; i < kernels.Length; i++)
            {
                int k = kernels[i];
                double z = (value - Means[k]) * Inverses[k];
                Keep(kernels, terms, k, terms[i] - 0.5 * z * z);
            }
        }
        else
        {
            for (int i = 0; i < kernels.Length; i++)
            {
                double seen = Means[kernels[i]];
                Keep(kernels, terms, kernels[i], terms[i] + (seen == value ? _logHit : seen < 0 ? _logEven : _logMiss));
            }
        }
        return left;

        void Keep(Span<int> kernels, Span<double> terms, int kernel, double term)
        {
            (kernels[left], terms[left]) = (kernel, term);
            if (!(term <= bound)) left++;
        }
    }

    private static void AddSquares(double value, ReadOnlySpan<double> means, ReadOnlySpan<double> inverses, Span<double> terms)
    {
        int k = 0;
        ref double term = ref MemoryMarshal.GetReference(terms), mean = ref MemoryMarshal.GetReference(means);
        ref double inverse = ref MemoryMarshal.GetReference(inverses);
        for (; k <= terms.Length - Vector256<double>.Count; k += Vector256<double>.Count)
        {
            var z = (Vector256.Create(value) - Vector256.LoadUnsafe(ref mean, (nuint)k)) * Vector256.LoadUnsafe(ref inverse, (nuint)k);
            (Vector256.LoadUnsafe(ref term, (nuint)k) - 0.5 * z * z).StoreUnsafe(ref term, (nuint)k);
        }
        for (; k < terms.Length; k++)
        {
            double z = (value - means[k]) * inverses[k];
            terms[k] -= 0.5 * z * z;
        }
    }

    private void AddChoices(double value, ReadOnlySpan<double> seen, Span<double> terms)
    {
        ref double term = ref MemoryMarshal.GetReference(terms), choice = ref MemoryMarshal.GetReference(seen);
        int k = 0;
        for (; k <= terms.Length - Vector256<double>.Count; k += Vector256<double>.Count)
        {
            var choices = Vector256.LoadUnsafe(ref choice, (nuint)k);
            var isPrior = Vector256.LessThan(choices, Vector256<double>.Zero);
            var others = Vector256.ConditionalSelect(isPrior, Vector256.Create(_logEven), Vector256.Create(_logMiss));
            var logs = Vector256.ConditionalSelect(Vector256.Equals(choices, Vector256.Create(value)), Vector256.Create(_logHit), others);
            (Vector256.LoadUnsafe(ref term, (nuint)k) + logs).StoreUnsafe(ref term, (nuint)k);
        }
        for (; k < terms.Length; k++) terms[k] += seen[k] < 0 ? _logEven : seen[k] == value ? _logHit : _logMiss;
    }
}
