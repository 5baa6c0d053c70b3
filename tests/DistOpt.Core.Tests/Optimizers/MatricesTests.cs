using DistOpt.Core.Optimizers;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>Products of matrices, whose bits are those of one sum after the other.</summary>
public sealed class MatricesTests
{
    // below, at and above the tile of 8 rows by 32 columns and the block of 256 inner indices
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(3, 5, 7)]
    [InlineData(8, 256, 32)]
    [InlineData(9, 257, 33)]
    [InlineData(24, 300, 64)]
    [InlineData(31, 520, 100)]
    [InlineData(4, 0, 4)]
    public void Each_element_is_the_sum_in_the_order_of_the_inner_index(int n, int k, int m)
    {
        float[] a = Values(1, n * k), b = Values(2, k * m), result = Values(3, n * m);

        Matrices.Multiply(a, b, result, n, k, m);

        Assert.Equal(InOrder(a, b, n, k, m), result);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(7, 3)]
    [InlineData(8, 256)]
    [InlineData(33, 257)]
    [InlineData(70, 300)]
    public void A_matrix_times_its_transpose_has_the_bits_of_the_product_on_both_sides_of_the_diagonal(int n, int k)
    {
        float[] a = Values(1, n * k), transpose = new float[k * n], result = Values(3, n * n);
        Matrices.Transpose(a, transpose, n, k);

        Matrices.Gram(a, result, n, k);

        Assert.Equal(InOrder(a, transpose, n, k, n), result);
    }

    [Fact]
    public void A_matrix_that_is_too_short_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Matrices.Multiply(new float[5], new float[6], new float[4], 2, 3, 2));
        Assert.Throws<ArgumentException>(() => Matrices.Multiply(new float[6], new float[5], new float[4], 2, 3, 2));
        Assert.Throws<ArgumentException>(() => Matrices.Multiply(new float[6], new float[6], new float[3], 2, 3, 2));
        Assert.Throws<ArgumentException>(() => Matrices.Gram(new float[6], new float[3], 2, 3));
    }

    private static float[] InOrder(float[] a, float[] b, int n, int k, int m)
    {
        float[] result = new float[n * m];
        for (int r = 0; r < n; r++)
        {
            for (int c = 0; c < m; c++)
                for (int i = 0; i < k; i++) result[r * m + c] = MathF.FusedMultiplyAdd(a[r * k + i], b[i * m + c], result[r * m + c]);
        }
        return result;
    }

    private static float[] Values(int seed, int count)
    {
        float[] values = new float[count];
        var random = new CounterRandom(seed, RandomPurpose.Data);
        for (int i = 0; i < count; i++) values[i] = (float)(random.NextDouble() - 0.5);
        return values;
    }
}
