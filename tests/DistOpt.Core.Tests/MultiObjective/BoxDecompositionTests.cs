using DistOpt.Core.MultiObjective;
using DistOpt.Core.Randomness;

namespace DistOpt.Core.Tests.MultiObjective;

/// <summary>Against hypervolumes, which know nothing of these boxes.</summary>
public sealed class BoxDecompositionTests
{
    [Fact]
    public void Of_no_points_it_is_all_that_is_better_than_the_reference()
    {
        // the second one is not better in the second objective
        foreach (double[][] points in new double[][][] { [], [[0, 5]] })
        {
            var boxes = BoxDecomposition.Of(points, [4, 5]);
            Assert.Equal((1, 2), (boxes.Count, boxes.Objectives));
            Assert.Equal((double.NegativeInfinity, 4), (boxes.Lower(0)[0], boxes.Upper(0)[0]));
            Assert.Equal((double.NegativeInfinity, 5), (boxes.Lower(1)[0], boxes.Upper(1)[0]));
            Assert.Equal(6, boxes.Improvement([1, 3]));
        }
    }

    [Fact]
    public void Beside_one_point_there_are_two_strips()
    {
        var boxes = BoxDecomposition.Of([[1, 2]], [4, 5]);
        Assert.Equal([double.NegativeInfinity, 1], boxes.Lower(0).ToArray());
        Assert.Equal([1, 4], boxes.Upper(0).ToArray());
        Assert.Equal([double.NegativeInfinity, double.NegativeInfinity], boxes.Lower(1).ToArray());
        Assert.Equal([5, 2], boxes.Upper(1).ToArray());
        Assert.Equal(20 - 9, boxes.Improvement([0, 0]));
        Assert.Equal((0, 0, 0), (boxes.Improvement([1, 2]), boxes.Improvement([3, 2.5]), boxes.Improvement([0, 6])));
        Assert.Equal(2, boxes.Improvement([0, 3]));
    }

    /// <summary>Some points equal, some dominated, some beyond the reference, some the same in one objective.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void It_is_what_the_points_leave_of_the_volume_and_tells_what_a_further_one_adds(int objectives)
    {
        double[] reference = [.. Enumerable.Repeat(1.0, objectives)], corner = [.. Enumerable.Repeat(-0.25, objectives)];
        for (int seed = 0; seed < 12; seed++)
        {
            var random = new CounterRandom(seed, RandomPurpose.User, objectives);
            List<double[]> points = Points(ref random, objectives, seed);
            double before = Hypervolume.Of(points, reference);
            var boxes = BoxDecomposition.Of(points, reference);
            Assert.Equal(Math.Pow(1.25, objectives) - before, boxes.Improvement(corner), 1e-12);
            foreach (double[] point in Points(ref random, objectives, 12))
                Assert.Equal(Hypervolume.Of([.. points, point], reference) - before, boxes.Improvement(point), 1e-12);
        }
    }

    [Theory]
    [InlineData(2, 41)]
    [InlineData(3, 81)]
    [InlineData(4, 300)]
    public void Boxes_have_nothing_in_common_and_are_not_many(int objectives, int most)
    {
        var random = new CounterRandom(3, RandomPurpose.User, objectives);
        var points = new List<double[]>();
        for (int i = 0; i < 40; i++)
        {
            // on a sphere nobody dominates another one
            double[] point = new double[objectives];
            for (int k = 0; k < objectives; k++) point[k] = Math.Abs(random.NextGaussian());
            double norm = Math.Sqrt(point.Sum(x => x * x));
            points.Add([.. point.Select(x => 1 - x / norm)]);
        }
        var boxes = BoxDecomposition.Of(points.Concat(points), [.. Enumerable.Repeat(2.0, objectives)]);
        Assert.InRange(boxes.Count, 41, most);
        for (int a = 0; a < boxes.Count; a++)
            for (int b = 0; b < a; b++)
                Assert.Contains(Enumerable.Range(0, objectives), k => boxes.Upper(k)[a] <= boxes.Lower(k)[b] || boxes.Upper(k)[b] <= boxes.Lower(k)[a]);
    }

    [Fact]
    public void What_has_no_volume_is_refused()
    {
        Assert.Throws<ArgumentException>(() => BoxDecomposition.Of([], [1]));
        Assert.Throws<ArgumentException>(() => BoxDecomposition.Of([], [1, double.PositiveInfinity]));
        Assert.Throws<ArgumentException>(() => BoxDecomposition.Of([[1, 2, 3]], [4, 4]));
        Assert.Throws<ArgumentException>(() => BoxDecomposition.Of([[1, double.NaN]], [4, 4]));
        Assert.Throws<ArgumentException>(() => BoxDecomposition.Of([[1, double.NegativeInfinity]], [4, 4]));
        Assert.Throws<ArgumentException>(() => BoxDecomposition.Of([], [4, 4]).Improvement([1]));
    }

    private static List<double[]> Points(ref CounterRandom random, int objectives, int count)
    {
        var points = new List<double[]>();
        for (int i = 0; i < count; i++)
        {
            double[] point = new double[objectives];
            for (int k = 0; k < objectives; k++) point[k] = random.NextInt(6) == 0 ? 0.5 : random.NextDouble() * 1.1;
            points.Add(i % 5 == 4 ? [.. points[i - 2]] : point);
        }
        return points;
    }
}
