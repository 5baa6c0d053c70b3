using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace DistOpt.Core.Optimizers;

/// <summary>
/// Products of row-major float32 matrices. Each element is a sum in the order of the inner index, by fused multiplications and additions, so its
/// bits depend on nothing but its row and column: neither on how wide the CPU's vectors are nor on how the work is cut.
/// </summary>
internal static class Matrices
{
    /// <summary>Rows and columns of what is kept in registers: 16 vectors of 512 bits, or four times 8 of 256.</summary>
    private const int TileRows = 8;

    private const int TileColumns = 32;

    /// <summary>Inner indices that are worked on together: the columns of the second factor, packed, then stay in the first cache (32 KiB).</summary>
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
    public static void Multiply(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> result, int n, int k, int m) =>
        Product(a, b, result, (n, k, m), isGram: false);

    /// <summary>
    /// <paramref name="result"/> [n, n] = <paramref name="a"/> [n, k] times its transpose, which is symmetric to the bit: one half is computed.
    /// </summary>
    public static void Gram(ReadOnlySpan<float> a, Span<float> result, int n, int k)
    {
        Product(a, a, result, (n, k, n), isGram: true);
        for (int r = 1; r < n; r++)
            for (int c = 0; c < r; c++) result[r * n + c] = result[c * n + r];
    }

    private static void Product(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> result, (int N, int K, int M) size, bool isGram)
    {
        var (n, k, m) = size;
        // the vector loops below read and write without checks
        if (a.Length < n * k || b.Length < k * m || result.Length < n * m) throw new ArgumentException("a matrix is too short");
        if (k == 0) result[..(n * m)].Clear();
        float[] panel = ArrayPool<float>.Shared.Rent(InnerBlock * TileColumns);
        ref float x = ref MemoryMarshal.GetReference(a);
        ref float y = ref MemoryMarshal.GetArrayDataReference(panel);
        ref float z = ref MemoryMarshal.GetReference(result);
        Span<float> edge = stackalloc float[TileRows * TileColumns];
        for (int inner = 0; inner < k; inner += InnerBlock)
        {
            int count = Math.Min(InnerBlock, k - inner);
            for (int c = 0; c < m; c += TileColumns)
            {
                int width = Math.Min(TileColumns, m - c);
                if (isGram) PackRows(b[(c * k + inner)..], panel, count, width, k);
                else Pack(b[(inner * m + c)..], panel, count, width, m);
                // of a symmetric product, tiles wholly below the diagonal are left out
                int rows = isGram ? Math.Min(n, c + TileColumns) : n;
                for (int r = 0; r < rows; r += TileRows)
                {
                    int height = Math.Min(TileRows, n - r);
                    ref float from = ref Unsafe.Add(ref x, (nint)r * k + inner);
                    if (width == TileColumns)
                    {
                        Tile(ref from, ref y, ref Unsafe.Add(ref z, (nint)r * m + c), height, count, k, m, inner == 0);
                        continue;
                    }
                    // fewer columns: by way of a whole tile
                    if (inner > 0) Copy(result[(r * m + c)..], m, edge, TileColumns, height, width);
                    Tile(ref from, ref y, ref MemoryMarshal.GetReference(edge), height, count, k, TileColumns, inner == 0);
                    Copy(edge, TileColumns, result[(r * m + c)..], m, height, width);
                }
            }
        }
        ArrayPool<float>.Shared.Return(panel);
    }

    /// <summary>Columns of a matrix with <paramref name="stride"/> columns, beside each other, filled up with zeros.</summary>
    private static void Pack(ReadOnlySpan<float> from, Span<float> panel, int count, int width, int stride)
    {
        if (width < TileColumns) panel[..(count * TileColumns)].Clear();
        for (int i = 0; i < count; i++) from.Slice(i * stride, width).CopyTo(panel[(i * TileColumns)..]);
    }

    /// <summary>The same of a transpose: rows of a matrix with <paramref name="stride"/> columns.</summary>
    private static void PackRows(ReadOnlySpan<float> from, Span<float> panel, int count, int width, int stride)
    {
        if (width < TileColumns) panel[..(count * TileColumns)].Clear();
        for (int c = 0; c < width; c++)
        {
            var row = from.Slice(c * stride, count);
            for (int i = 0; i < row.Length; i++) panel[i * TileColumns + c] = row[i];
        }
    }

    private static void Copy(ReadOnlySpan<float> from, int fromStride, Span<float> to, int toStride, int height, int width)
    {
        for (int r = 0; r < height; r++) from.Slice(r * fromStride, width).CopyTo(to[(r * toStride)..]);
    }

    /// <summary>Adds products of rows of <paramref name="x"/> with the panel <paramref name="y"/> to a tile, or begins it.</summary>
    private static void Tile(ref float x, ref float y, ref float z, int height, int count, int k, int m, bool begins)
    {
        if (height < TileRows)
        {
            for (int r = 0; r < height; r++) One(ref Unsafe.Add(ref x, (nint)r * k), ref y, ref Unsafe.Add(ref z, (nint)r * m), count, begins);
        }
        else if (Vector512.IsHardwareAccelerated)
        {
            Wide(ref x, ref y, ref z, count, k, m, begins);
        }
        else
        {
            for (int r = 0; r < TileRows; r += 4)
            {
                ref float rows = ref Unsafe.Add(ref x, (nint)r * k);
                ref float target = ref Unsafe.Add(ref z, (nint)r * m);
                Four(ref rows, ref y, ref target, count, k, m, begins);
                Four(ref rows, ref Unsafe.Add(ref y, 16), ref Unsafe.Add(ref target, 16), count, k, m, begins);
            }
        }
    }

    /// <summary>Eight rows by 32 columns.</summary>
    private static void Wide(ref float x, ref float y, ref float z, int count, int k, int m, bool begins)
    {
        Vector512<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
        Vector512<float> s40 = default, s41 = default, s50 = default, s51 = default, s60 = default, s61 = default, s70 = default, s71 = default;
        if (!begins)
        {
            (s00, s01) = Load512(ref z, 0, m);
            (s10, s11) = Load512(ref z, 1, m);
            (s20, s21) = Load512(ref z, 2, m);
            (s30, s31) = Load512(ref z, 3, m);
            (s40, s41) = Load512(ref z, 4, m);
            (s50, s51) = Load512(ref z, 5, m);
            (s60, s61) = Load512(ref z, 6, m);
            (s70, s71) = Load512(ref z, 7, m);
        }
        nint row = k;
        ref float upper = ref x;
        ref float lower = ref Unsafe.Add(ref x, 4 * row);
        for (int i = 0; i < count; i++)
        {
            var low = Vector512.LoadUnsafe(ref y);
            var high = Vector512.LoadUnsafe(ref y, 16);
            var f = Vector512.Create(upper);
            s00 = Vector512.FusedMultiplyAdd(f, low, s00);
            s01 = Vector512.FusedMultiplyAdd(f, high, s01);
            f = Vector512.Create(Unsafe.Add(ref upper, row));
            s10 = Vector512.FusedMultiplyAdd(f, low, s10);
            s11 = Vector512.FusedMultiplyAdd(f, high, s11);
            f = Vector512.Create(Unsafe.Add(ref upper, 2 * row));
            s20 = Vector512.FusedMultiplyAdd(f, low, s20);
            s21 = Vector512.FusedMultiplyAdd(f, high, s21);
            f = Vector512.Create(Unsafe.Add(ref upper, 3 * row));
            s30 = Vector512.FusedMultiplyAdd(f, low, s30);
            s31 = Vector512.FusedMultiplyAdd(f, high, s31);
            f = Vector512.Create(lower);
            s40 = Vector512.FusedMultiplyAdd(f, low, s40);
            s41 = Vector512.FusedMultiplyAdd(f, high, s41);
            f = Vector512.Create(Unsafe.Add(ref lower, row));
            s50 = Vector512.FusedMultiplyAdd(f, low, s50);
            s51 = Vector512.FusedMultiplyAdd(f, high, s51);
            f = Vector512.Create(Unsafe.Add(ref lower, 2 * row));
            s60 = Vector512.FusedMultiplyAdd(f, low, s60);
            s61 = Vector512.FusedMultiplyAdd(f, high, s61);
            f = Vector512.Create(Unsafe.Add(ref lower, 3 * row));
            s70 = Vector512.FusedMultiplyAdd(f, low, s70);
            s71 = Vector512.FusedMultiplyAdd(f, high, s71);
            upper = ref Unsafe.Add(ref upper, 1);
            lower = ref Unsafe.Add(ref lower, 1);
            y = ref Unsafe.Add(ref y, TileColumns);
        }
        Store512(ref z, 0, m, s00, s01);
        Store512(ref z, 1, m, s10, s11);
        Store512(ref z, 2, m, s20, s21);
        Store512(ref z, 3, m, s30, s31);
        Store512(ref z, 4, m, s40, s41);
        Store512(ref z, 5, m, s50, s51);
        Store512(ref z, 6, m, s60, s61);
        Store512(ref z, 7, m, s70, s71);
    }

    /// <summary>Four rows by 16 columns.</summary>
    private static void Four(ref float x, ref float y, ref float z, int count, int k, int m, bool begins)
    {
        Vector256<float> s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
        if (!begins)
        {
            (s00, s01) = Load256(ref z, 0, m);
            (s10, s11) = Load256(ref z, 1, m);
            (s20, s21) = Load256(ref z, 2, m);
            (s30, s31) = Load256(ref z, 3, m);
        }
        nint row = k;
        for (int i = 0; i < count; i++)
        {
            var low = Vector256.LoadUnsafe(ref y);
            var high = Vector256.LoadUnsafe(ref y, 8);
            var f = Vector256.Create(x);
            s00 = Vector256.FusedMultiplyAdd(f, low, s00);
            s01 = Vector256.FusedMultiplyAdd(f, high, s01);
            f = Vector256.Create(Unsafe.Add(ref x, row));
            s10 = Vector256.FusedMultiplyAdd(f, low, s10);
            s11 = Vector256.FusedMultiplyAdd(f, high, s11);
            f = Vector256.Create(Unsafe.Add(ref x, 2 * row));
            s20 = Vector256.FusedMultiplyAdd(f, low, s20);
            s21 = Vector256.FusedMultiplyAdd(f, high, s21);
            f = Vector256.Create(Unsafe.Add(ref x, 3 * row));
            s30 = Vector256.FusedMultiplyAdd(f, low, s30);
            s31 = Vector256.FusedMultiplyAdd(f, high, s31);
            x = ref Unsafe.Add(ref x, 1);
            y = ref Unsafe.Add(ref y, TileColumns);
        }
        Store256(ref z, 0, m, s00, s01);
        Store256(ref z, 1, m, s10, s11);
        Store256(ref z, 2, m, s20, s21);
        Store256(ref z, 3, m, s30, s31);
    }

    /// <summary>One row by 32 columns.</summary>
    private static void One(ref float x, ref float y, ref float z, int count, bool begins)
    {
        for (int c = 0; c < TileColumns; c += 16)
        {
            ref float target = ref Unsafe.Add(ref z, c);
            ref float column = ref Unsafe.Add(ref y, c);
            var (s0, s1) = begins ? default : Load256(ref target, 0, 0);
            for (int i = 0; i < count; i++)
            {
                var f = Vector256.Create(Unsafe.Add(ref x, i));
                s0 = Vector256.FusedMultiplyAdd(f, Vector256.LoadUnsafe(ref column, (nuint)(i * TileColumns)), s0);
                s1 = Vector256.FusedMultiplyAdd(f, Vector256.LoadUnsafe(ref column, (nuint)(i * TileColumns + 8)), s1);
            }
            Store256(ref target, 0, 0, s0, s1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector512<float> Low, Vector512<float> High) Load512(ref float tile, int row, int stride)
    {
        ref float from = ref Unsafe.Add(ref tile, (nint)row * stride);
        return (Vector512.LoadUnsafe(ref from), Vector512.LoadUnsafe(ref from, 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store512(ref float tile, int row, int stride, Vector512<float> low, Vector512<float> high)
    {
        ref float to = ref Unsafe.Add(ref tile, (nint)row * stride);
        low.StoreUnsafe(ref to);
        high.StoreUnsafe(ref to, 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> Low, Vector256<float> High) Load256(ref float tile, int row, int stride)
    {
        ref float from = ref Unsafe.Add(ref tile, (nint)row * stride);
        return (Vector256.LoadUnsafe(ref from), Vector256.LoadUnsafe(ref from, 8));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store256(ref float tile, int row, int stride, Vector256<float> low, Vector256<float> high)
    {
        ref float to = ref Unsafe.Add(ref tile, (nint)row * stride);
        low.StoreUnsafe(ref to);
        high.StoreUnsafe(ref to, 8);
    }
}
