using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// Products of row-major float32 matrices. Each element is a sum in the order of the inner index, by multiplications and additions that round
/// one by one, so its bits depend on nothing but its row and column.
/// </summary>
internal static class Matrices
{
    private const int RowBlock = 4;

    /// <summary>Inner indices that are worked on together: the rows of the second factor then stay in the cache.</summary>
    private const int InnerBlock = 256;

    /// <summary><paramref name="result"/> [columns, rows] = transpose of <paramref name="matrix"/> [rows, columns].</summary>
    public static void Transpose(ReadOnlySpan<float> matrix, Span<float> result, int rows, int columns)
    {
        const int tile = 16;
        for (int r0 = 0; r0 < rows; r0 += tile)
        {
            for (int c0 = 0; c0 < columns; c0 += tile)
            {
                for (int r = r0; r < Math.Min(r0 + tile, rows); r++)
                    for (int c = c0; c < Math.Min(c0 + tile, columns); c++) result[c * rows + r] = matrix[r * columns + c];
            }
        }
    }

    /// <summary><paramref name="result"/> [n, m] = <paramref name="a"/> [n, k] times <paramref name="b"/> [k, m].</summary>
    public static void Multiply(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> result, int n, int k, int m)
    {
        // the vector loops below read and write without checks
        if (a.Length < n * k || b.Length < k * m || result.Length < n * m) throw new ArgumentException("a matrix is too short");
        result[..(n * m)].Clear();
        ref float x = ref MemoryMarshal.GetReference(a);
        ref float y = ref MemoryMarshal.GetReference(b);
        ref float z = ref MemoryMarshal.GetReference(result);
        int width = 2 * Vector256<float>.Count;
        int vectorized = m - m % width;
        for (int inner = 0; inner < k; inner += InnerBlock)
        {
            int end = Math.Min(inner + InnerBlock, k);
            for (int c = 0; c < vectorized; c += width)
            {
                int r = 0;
                for (; r + RowBlock <= n; r += RowBlock) Four(ref x, ref y, ref z, r, c, inner, end, k, m);
                for (; r < n; r++) One(ref x, ref y, ref z, r, c, inner, end, k, m);
            }
            for (int r = 0; r < n; r++)
            {
                for (int c = vectorized; c < m; c++)
                {
                    float sum = result[r * m + c];
                    for (int i = inner; i < end; i++) sum += a[r * k + i] * b[i * m + c];
                    result[r * m + c] = sum;
                }
            }
        }
    }

    private static void Four(ref float x, ref float y, ref float z, int r, int c, int inner, int end, int k, int m)
    {
        ref float z0 = ref Unsafe.Add(ref z, (nint)r * m + c);
        ref float z1 = ref Unsafe.Add(ref z0, m);
        ref float z2 = ref Unsafe.Add(ref z1, m);
        ref float z3 = ref Unsafe.Add(ref z2, m);
        var (s00, s01) = Load(ref z0);
        var (s10, s11) = Load(ref z1);
        var (s20, s21) = Load(ref z2);
        var (s30, s31) = Load(ref z3);
        ref float row = ref Unsafe.Add(ref x, (nint)r * k);
        for (int i = inner; i < end; i++)
        {
            var (low, high) = Load(ref Unsafe.Add(ref y, (nint)i * m + c));
            var f0 = Vector256.Create(Unsafe.Add(ref row, i));
            s00 += f0 * low;
            s01 += f0 * high;
            var f1 = Vector256.Create(Unsafe.Add(ref row, (nint)k + i));
            s10 += f1 * low;
            s11 += f1 * high;
            var f2 = Vector256.Create(Unsafe.Add(ref row, 2 * (nint)k + i));
            s20 += f2 * low;
            s21 += f2 * high;
            var f3 = Vector256.Create(Unsafe.Add(ref row, 3 * (nint)k + i));
            s30 += f3 * low;
            s31 += f3 * high;
        }
        Store(ref z0, s00, s01);
        Store(ref z1, s10, s11);
        Store(ref z2, s20, s21);
        Store(ref z3, s30, s31);
    }

    private static void One(ref float x, ref float y, ref float z, int r, int c, int inner, int end, int k, int m)
    {
        ref float target = ref Unsafe.Add(ref z, (nint)r * m + c);
        var (s0, s1) = Load(ref target);
        for (int i = inner; i < end; i++)
        {
            var (low, high) = Load(ref Unsafe.Add(ref y, (nint)i * m + c));
            var factor = Vector256.Create(Unsafe.Add(ref x, (nint)r * k + i));
            s0 += factor * low;
            s1 += factor * high;
        }
        Store(ref target, s0, s1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> Low, Vector256<float> High) Load(ref float from) =>
        (Vector256.LoadUnsafe(ref from), Vector256.LoadUnsafe(ref from, (nuint)Vector256<float>.Count));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(ref float to, Vector256<float> low, Vector256<float> high)
    {
        low.StoreUnsafe(ref to);
        high.StoreUnsafe(ref to, (nuint)Vector256<float>.Count);
    }
}
