using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace DistOpt.Core.Randomness;

/// <summary>
/// Names a stream of random words by (seed, purpose, coordinates) and gives any slice of it: word i depends on the name and on i alone,
/// never on what was drawn before, on which thread, or in vectors of what width.
/// <para>
/// Layout. Word i is word i mod 4 of Philox4x32-10 with counter (i / 4, <see cref="High"/>) and key <see cref="Key"/>. Those two come from
/// folding the name: h = Philox(counter (purpose | number of coordinates &lt;&lt; 32, first coordinate or 0), key seed), then for every
/// further coordinate h = Philox(counter (high half of h, coordinate), key low half of h); key and high are the halves of h. For up to
/// one coordinate two names of a seed never share a stream, since Philox is a bijection for each key; beyond that two given names do with
/// probability 2^-128.
/// </para>
/// </summary>
/// <param name="Key">Philox key of the stream.</param>
/// <param name="High">High half of the stream's counters.</param>
public readonly record struct RandomKey(ulong Key, ulong High)
{
    /// <summary>The stream of a name.</summary>
    /// <param name="seed">Random seed of the job (or of the splits).</param>
    /// <param name="purpose">What the numbers are for.</param>
    /// <param name="coordinates">Whatever tells draws apart: epoch, step, layer, sample position, ... (each any 64-bit integer).</param>
    public static RandomKey Of(long seed, RandomPurpose purpose, params ReadOnlySpan<long> coordinates)
    {
        ulong first = coordinates.Length > 0 ? (ulong)coordinates[0] : 0;
        var (key, high) = Philox4x32.Block((uint)purpose | (ulong)coordinates.Length << 32, first, (ulong)seed);
        for (int i = 1; i < coordinates.Length; i++) (key, high) = Philox4x32.Block(high, (ulong)coordinates[i], key);
        return new RandomKey(key, high);
    }

    /// <summary>The four words <c>4 * block .. 4 * block + 3</c> of the stream as two halves.</summary>
    public (ulong Low, ulong High) Block(ulong block) => Philox4x32.Block(block, High, Key);

    /// <summary>Word <paramref name="index"/> of the stream.</summary>
    public uint Word(long index)
    {
        var (low, high) = Block((ulong)index >> 2);
        return (uint)(((index & 2) == 0 ? low : high) >> (int)(32 * (index & 1)));
    }

    /// <summary>
    /// Uniform values in [0, 1), multiples of 2^-24: <c>destination[i]</c> belongs to element <paramref name="firstElement"/> + i,
    /// whatever slice it is asked for in.
    /// </summary>
    /// <param name="destination">Receives the values.</param>
    /// <param name="firstElement">Index of the first element, at least 0.</param>
    public void FillUniform(Span<float> destination, long firstElement = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstElement);
        Fill(destination, firstElement, default(Uniform));
    }

    /// <summary>
    /// An inverted-dropout mask: 0 where the element's uniform value is below <paramref name="probability"/>, else 1 / (1 - probability).
    /// </summary>
    /// <param name="destination">Receives the mask.</param>
    /// <param name="probability">Probability of a zero, in [0, 1]; at 1 the mask is all zero.</param>
    /// <param name="firstElement">Index of the first element, at least 0.</param>
    public void FillDropoutMask(Span<float> destination, double probability, long firstElement = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstElement);
        if (!(probability >= 0 && probability <= 1))
            throw new ArgumentOutOfRangeException(nameof(probability), $"dropout probability {probability} is outside [0, 1]");
        float keep = probability == 1 ? 0 : (float)(1 / (1 - probability));
        Fill(destination, firstElement, new Mask((float)probability, keep));
    }

    /// <summary>
    /// Standard normal values in float32, below 5.5 in size: the quantile at the middle of one of 2^24 equal cells, within 4e-7 of it.
    /// <c>destination[i]</c> belongs to element <paramref name="firstElement"/> + i, whatever slice it is asked for in.
    /// </summary>
    /// <param name="destination">Receives the values.</param>
    /// <param name="firstElement">Index of the first element, at least 0.</param>
    public void FillGaussian(Span<float> destination, long firstElement = 0)
    {
        FillUniform(destination, firstElement);
        NormalQuantile.FromUniform(destination);
    }

    /// <summary>What a word becomes; the vector form must give the same bits.</summary>
    private interface IElement
    {
        float Scalar(uint word);

        Vector256<float> Vector(Vector256<uint> words);
    }

    private readonly struct Uniform : IElement
    {
        public float Scalar(uint word) => CounterRandom.ToSingle(word);

        // below 2^24: exact as int32 and as float32
        public Vector256<float> Vector(Vector256<uint> words) =>
            Vector256.ConvertToSingle((words >>> 8).AsInt32()) * Vector256.Create(CounterRandom.SingleUnit);
    }

    private readonly struct Mask(float probability, float keep) : IElement
    {
        public float Scalar(uint word) => CounterRandom.ToSingle(word) < probability ? 0 : keep;

        public Vector256<float> Vector(Vector256<uint> words) =>
            Vector256.ConditionalSelect(Vector256.LessThan(default(Uniform).Vector(words), Vector256.Create(probability)),
                Vector256<float>.Zero, Vector256.Create(keep));
    }

    private void Fill<TElement>(Span<float> destination, long firstElement, TElement element) where TElement : struct, IElement
    {
        int done = 0;
        if (Avx2.IsSupported)
        {
            // up to the next whole block first
            int head = (int)Math.Min((4 - (firstElement & 3)) & 3, destination.Length);
            FillScalar(destination[..head], firstElement, element);
            done = head;
            ref float start = ref MemoryMarshal.GetReference(destination);
            for (; done <= destination.Length - 16; done += 16)
            {
                var (blocks01, blocks23) = Philox4x32.FourBlocks((ulong)(firstElement + done) >> 2, High, Key);
                element.Vector(blocks01).StoreUnsafe(ref Unsafe.Add(ref start, done));
                element.Vector(blocks23).StoreUnsafe(ref Unsafe.Add(ref start, done + 8));
            }
        }
        FillScalar(destination[done..], firstElement + done, element);
    }

    internal void FillUniformScalar(Span<float> destination, long firstElement) => FillScalar(destination, firstElement, default(Uniform));

    private void FillScalar<TElement>(Span<float> destination, long firstElement, TElement element) where TElement : struct, IElement
    {
        for (int i = 0; i < destination.Length;)
        {
            long at = firstElement + i;
            var (low, high) = Block((ulong)at >> 2);
            for (int word = (int)(at & 3); word < 4 && i < destination.Length; word++, i++)
                destination[i] = element.Scalar((uint)((word < 2 ? low : high) >> (32 * (word & 1))));
        }
    }
}
