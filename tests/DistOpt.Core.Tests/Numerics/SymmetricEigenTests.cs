using DistOpt.Core.Numerics;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.Numerics;

public sealed class SymmetricEigenTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(30)]
    public void Vectors_times_values_are_the_matrix_and_the_vectors_are_orthonormal(int n)
    {
        var random = new CounterRandom(1, RandomPurpose.User, n);
        double[] matrix = new double[n * n];
        for (int i = 0; i < n; i++)
            for (int j = i; j < n; j++) matrix[i * n + j] = matrix[j * n + i] = random.NextGaussian() * Math.Pow(10, -6.0 * (i + j) / (2 * n));
        double[] values = new double[n], vectors = new double[n * n];
        SymmetricEigen.Decompose([.. matrix], values, vectors);
        double largest = values.Max(Math.Abs);
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                Assert.Equal(matrix[i * n + j], Enumerable.Range(0, n).Sum(k => vectors[i * n + k] * values[k] * vectors[j * n + k]), 1e-13 * largest * n);
                Assert.Equal(i == j ? 1 : 0, Enumerable.Range(0, n).Sum(k => vectors[k * n + i] * vectors[k * n + j]), 1e-13 * n);
            }
        }
    }

    [Fact]
    public void Known_values()
    {
        double[] values = new double[3], vectors = new double[9];
        SymmetricEigen.Decompose([2, -1, 0, -1, 2, -1, 0, -1, 2], values, vectors);
        double[] expected = [2 - Math.Sqrt(2), 2, 2 + Math.Sqrt(2)];
        foreach (var (e, v) in expected.Zip(values.Order())) Assert.Equal(e, v, 1e-14);
    }
}
