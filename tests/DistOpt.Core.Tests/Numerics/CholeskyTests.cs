using DistOpt.Core.Numerics;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Numerics;

public sealed class CholeskyTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(41)]
    public void Factor_solutions_inverse_and_determinant_belong_to_the_matrix(int n)
    {
        double[] matrix = Positive(n), factor = [.. matrix];
        Assert.True(Cholesky.Factor(factor, n));
        for (int i = 0; i < n; i++)
            for (int j = 0; j <= i; j++)
                Assert.Equal(matrix[i * n + j], Enumerable.Range(0, j + 1).Sum(k => factor[i * n + k] * factor[j * n + k]), 1e-11);

        double[] x = [.. Enumerable.Range(0, n).Select(i => Math.Sin(i + 1))], b = [.. Enumerable.Range(0, n).Select(i => Row(i, x))];
        Cholesky.SolveLower(factor, n, b);
        Cholesky.SolveUpper(factor, n, b);
        for (int i = 0; i < n; i++) Assert.Equal(x[i], b[i], 1e-10);

        double[] inverse = new double[n * n];
        Cholesky.Inverse(factor, n, inverse);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                Assert.Equal(i == j ? 1 : 0, Row(i, [.. Enumerable.Range(0, n).Select(k => inverse[k * n + j])]), 1e-9);

        double[] work = [.. matrix], values = new double[n];
        SymmetricEigen.Decompose(work, values, new double[n * n]);
        Assert.Equal(values.Sum(Math.Log), Cholesky.LogDeterminant(factor, n), 1e-9);

        double Row(int i, double[] with) => Enumerable.Range(0, n).Sum(k => matrix[i * n + k] * with[k]);
    }

    [Theory]
    [InlineData(1, 16)]
    [InlineData(7, 48)]
    [InlineData(33, 32)]
    public void Many_right_hand_sides_are_solved_as_each_one_is(int n, int columns)
    {
        double[] factor = Positive(n);
        Assert.True(Cholesky.Factor(factor, n));
        var random = new CounterRandom(3, RandomPurpose.User);
        double[] all = new double[n * columns];
        for (int i = 0; i < all.Length; i++) all[i] = random.NextGaussian();
        double[][] each = [.. Enumerable.Range(0, columns).Select(c => (double[])[.. Enumerable.Range(0, n).Select(i => all[i * columns + c])])];

        Cholesky.SolveLowerMany(factor, n, all, columns);

        for (int c = 0; c < columns; c++)
        {
            Cholesky.SolveLower(factor, n, each[c]);
            for (int i = 0; i < n; i++) Assert.Equal(each[c][i], all[i * columns + c], 1e-11);
        }
        Assert.Throws<ArgumentException>(() => Cholesky.SolveLowerMany(factor, n, all, columns - 1));
        Assert.Throws<ArgumentException>(() => Cholesky.SolveLowerMany(factor, n, new double[n * columns - 1], columns));
    }

    [Fact]
    public void What_is_not_positive_definite_has_no_factor()
    {
        Assert.False(Cholesky.Factor([1, 2, 2, 1], 2));
        Assert.False(Cholesky.Factor([double.NaN], 1));
    }

    /// <summary>The same bits wherever the elements lie in memory.</summary>
    [Fact]
    public void A_product_does_not_depend_on_where_its_vectors_lie()
    {
        var random = new CounterRandom(2, RandomPurpose.User);
        double[] a = new double[1003], b = new double[1003];
        for (int i = 0; i < a.Length; i++) (a[i], b[i]) = (random.NextGaussian(), random.NextGaussian());
        for (int length = 0; length < 40; length++)
        {
            double first = Vectors.Dot(a.AsSpan(0, length), b.AsSpan(0, length));
            Assert.Equal(Enumerable.Range(0, length).Sum(i => a[i] * b[i]), first, 1e-12);
            for (int shift = 1; shift < 9; shift++)
            {
                double[] moved = new double[length + shift], other = new double[length + 3 * shift];
                a.AsSpan(0, length).CopyTo(moved.AsSpan(shift));
                b.AsSpan(0, length).CopyTo(other.AsSpan(3 * shift));
                Assert.Equal(first, Vectors.Dot(moved.AsSpan(shift), other.AsSpan(3 * shift)));
            }
        }
    }

    private static double[] Positive(int n)
    {
        var random = new CounterRandom(3, RandomPurpose.User, n);
        double[] root = new double[n * n], matrix = new double[n * n];
        for (int i = 0; i < root.Length; i++) root[i] = random.NextGaussian();
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) matrix[i * n + j] = Enumerable.Range(0, n).Sum(k => root[i * n + k] * root[j * n + k]) + (i == j ? 1 : 0);
        return matrix;
    }
}
