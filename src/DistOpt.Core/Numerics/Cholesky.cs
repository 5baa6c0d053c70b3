using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DistOpt.Core.Numerics;

/// <summary>K = L L^T of symmetric positive definite matrices, row after row; of L the lower half counts. All sums in a fixed order.</summary>
internal static class Cholesky
{
    /// <summary>Right-hand sides that are solved together.</summary>
    public const int Together = 16;

    /// <summary>Overwrites the lower half of K by L; false = K is not positive definite.</summary>
    public static bool Factor(Span<double> matrix, int n)
    {
        for (int i = 0; i < n; i++)
        {
            var row = matrix.Slice(i * n, n);
            for (int j = 0; j < i; j++) row[j] = (row[j] - Vectors.Dot(row[..j], matrix.Slice(j * n, j))) / matrix[j * n + j];
            double pivot = row[i] - Vectors.Dot(row[..i], row[..i]);
            if (!(pivot > 0) || double.IsInfinity(pivot)) return false;
            row[i] = Math.Sqrt(pivot);
        }
        return true;
    }

    /// <summary>Solves L x = b in place.</summary>
    public static void SolveLower(ReadOnlySpan<double> factor, int n, Span<double> b) => SolveLower(factor, n, b, 0);

    /// <summary>The same, where the first elements of b are solved already.</summary>
    public static void SolveLower(ReadOnlySpan<double> factor, int n, Span<double> b, int from)
    {
        for (int i = from; i < n; i++) b[i] = (b[i] - Vectors.Dot(factor.Slice(i * n, i), b[..i])) / factor[i * n + i];
    }

    /// <summary>
    /// Solves L X = B in place for many right-hand sides at once, several times as fast as one after the other: what is read of L serves sixteen of them.
    /// </summary>
    /// <param name="factor">L, n by n.</param>
    /// <param name="n">Rows.</param>
    /// <param name="b">B, row after row, each of one element for each right-hand side.</param>
    /// <param name="columns">Right-hand sides, a multiple of <see cref="Together"/>.</param>
    public static void SolveLowerMany(ReadOnlySpan<double> factor, int n, Span<double> b, int columns)
    {
        if (columns % Together != 0) throw new ArgumentException($"{columns} is no multiple of {Together}", nameof(columns));
        if (factor.Length < n * n || b.Length < n * columns) throw new ArgumentException($"{factor.Length} and {b.Length} elements are too few for {n} rows");
        ref double x = ref MemoryMarshal.GetReference(b);
        for (int at = 0; at < columns; at += Together)
        {
            for (int i = 0; i < n; i++)
            {
                nuint own = (nuint)(i * columns + at);
                Vector256<double> p = Vector256.LoadUnsafe(ref x, own), q = Vector256.LoadUnsafe(ref x, own + 4), r = Vector256.LoadUnsafe(ref x, own + 8),
                    s = Vector256.LoadUnsafe(ref x, own + 12);
                var row = factor.Slice(i * n, i + 1);
                nuint other = (nuint)at;
                for (int j = 0; j < i; j++, other += (nuint)columns)
                {
                    var weight = Vector256.Create(row[j]);
                    p -= weight * Vector256.LoadUnsafe(ref x, other);
                    q -= weight * Vector256.LoadUnsafe(ref x, other + 4);
                    r -= weight * Vector256.LoadUnsafe(ref x, other + 8);
                    s -= weight * Vector256.LoadUnsafe(ref x, other + 12);
                }
                var pivot = Vector256.Create(row[i]);
                (p / pivot).StoreUnsafe(ref x, own);
                (q / pivot).StoreUnsafe(ref x, own + 4);
                (r / pivot).StoreUnsafe(ref x, own + 8);
                (s / pivot).StoreUnsafe(ref x, own + 12);
            }
        }
    }

    /// <summary>Solves L^T x = b in place.</summary>
    public static void SolveUpper(ReadOnlySpan<double> factor, int n, Span<double> b)
    {
        for (int i = n - 1; i >= 0; i--)
        {
            b[i] /= factor[i * n + i];
            Vectors.Add(-b[i], factor.Slice(i * n, i), b[..i]);
        }
    }

    /// <summary>Writes the inverse of K, both halves.</summary>
    public static void Inverse(ReadOnlySpan<double> factor, int n, Span<double> inverse)
    {
        // L^-1 first, whose rows are found from those above; its transpose times itself is the inverse
        double[] lower = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            var row = lower.AsSpan(i * n, n);
            for (int j = 0; j < i; j++) Vectors.Add(-factor[i * n + j], lower.AsSpan(j * n, j + 1), row[..(j + 1)]);
            double scale = 1 / factor[i * n + i];
            for (int j = 0; j < i; j++) row[j] *= scale;
            row[i] = scale;
        }
        inverse[..(n * n)].Clear();
        for (int k = 0; k < n; k++)
        {
            var row = lower.AsSpan(k * n, k + 1);
            for (int i = 0; i <= k; i++) Vectors.Add(row[i], row[..(i + 1)], inverse.Slice(i * n, i + 1));
        }
        for (int i = 0; i < n; i++)
            for (int j = 0; j < i; j++) inverse[j * n + i] = inverse[i * n + j];
    }

    /// <summary>The logarithm of K's determinant.</summary>
    public static double LogDeterminant(ReadOnlySpan<double> factor, int n)
    {
        double sum = 0;
        for (int i = 0; i < n; i++) sum += Math.Log(factor[i * n + i]);
        return 2 * sum;
    }
}
