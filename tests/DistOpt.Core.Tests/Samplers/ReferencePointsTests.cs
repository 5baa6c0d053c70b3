using DistOpt.Core.Randomness;
using DistOpt.Core.Samplers;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>What NSGA-III keeps of a front (Deb and Jain 2014), against closed forms.</summary>
public sealed class ReferencePointsTests
{
    /// <summary>C(M + p - 1, p): 91 and 120 are the numbers of the paper's table for 3 and 8 objectives' outer layer.</summary>
    [Theory]
    [InlineData(1, 3, 1)]
    [InlineData(2, 3, 4)]
    [InlineData(3, 12, 91)]
    [InlineData(4, 3, 20)]
    [InlineData(8, 3, 120)]
    public void Reference_points_are_all_that_add_up_to_one_in_equal_parts(int objectives, int divisions, int count)
    {
        double[][] points = ReferencePoints.Of(objectives, divisions);
        Assert.Equal(count, points.Length);
        Assert.Equal(count, points.Select(p => string.Join(' ', p)).Distinct().Count());
        Assert.All(points, p => Assert.Equal(1, p.Sum(), 1e-12));
        Assert.All(points.SelectMany(p => p), c => Assert.True(c is >= 0 and <= 1 && Math.Abs(c * divisions - Math.Round(c * divisions)) < 1e-9));
    }

    /// <summary>x / 2 + y / 4 + z / 8 = 1 beyond (10, 20, 30): its intercepts become 1.</summary>
    [Fact]
    public void Objectives_are_in_units_of_the_plane_through_the_extreme_points()
    {
        double[][] moved = [[2, 0, 0], [0, 4, 0], [0, 0, 8], [1, 1, 2], [2, 4, 8]];
        double[][] normal = ReferencePoints.Normalized([.. moved.Select(p => (double[])[p[0] + 10, p[1] + 20, p[2] + 30])]);
        Assert.Equal([1, 0, 0, 0, 1, 0, 0, 0, 1, 0.5, 0.25, 0.25, 1, 1, 1], normal.SelectMany(p => p).Select(v => Math.Round(v, 12)));
    }

    /// <summary>One objective is the same for all; and infinite values are three times the range beyond the others.</summary>
    [Fact]
    public void Where_there_is_no_such_plane_objectives_are_in_units_of_their_greatest_values()
    {
        Assert.Equal([0, 0, 0.5, 0, 1, 0], ReferencePoints.Normalized([[3, 7], [4, 7], [5, 7]]).SelectMany(p => p));
        double[][] normal = ReferencePoints.Normalized([[0, 4], [2, 0], [double.PositiveInfinity, 0]]);
        Assert.All(normal.SelectMany(p => p), v => Assert.True(double.IsFinite(v)));
        Assert.Equal(4, normal[2][0] / normal[1][0], 1e-12);
    }

    /// <summary>Worked out by hand: (0, 1), (3, 0.5) and (4, 0) from the ideal point on, whose extreme points are the first and the last.</summary>
    [Fact]
    public void The_best_value_of_all_may_be_infinite() => Assert.Equal([0, 1, 0.75, 0.5, 1, 0],
        ReferencePoints.Normalized([[double.NegativeInfinity, 1], [0, 0.5], [1, 0]]).SelectMany(p => p).Select(v => Math.Round(v, 12)));

    [Theory]
    [InlineData(1, 1, 1, 0)]
    [InlineData(1, 0.5, 1, 0.35355339059327373)] // |1 - 0.5| / sqrt(2), and 0.5 to the axis
    [InlineData(1, 0.25, 2, 0.25)]
    [InlineData(0, 3, 0, 0)]
    public void A_point_belongs_to_the_nearest_line_by_the_perpendicular(double x, double y, int line, double distance)
    {
        double[][] references = ReferencePoints.Of(2, 2);
        Assert.Equal([0, 1, 0.5, 0.5, 1, 0], references.SelectMany(r => r));
        var nearest = ReferencePoints.Nearest(references, [x, y]);
        Assert.Equal(line, nearest.Line);
        Assert.Equal(distance, nearest.Distance, 1e-12);
    }

    /// <summary>On x + y = 10, lines through (0, 1), (1, 1) and (1, 0), of which the first has one point that is kept already.</summary>
    [Fact]
    public void Lines_with_the_fewest_points_get_the_next_ones_and_an_empty_one_the_nearest()
    {
        double[][] kept = [[0, 10]], front = [[4, 6], [5, 5], [9, 1], [10, 0], [1, 9]], references = ReferencePoints.Of(2, 2);
        var third = new HashSet<int>();
        for (int seed = 0; seed < 40; seed++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Search);
            Assert.Equal([1, 3], ReferencePoints.Choose(references, kept, front, 2, ref random).Order());
            var three = ReferencePoints.Choose(references, kept, front, 3, ref random);
            Assert.Equal([1, 3], three[..2].Order());
            third.Add(three[2]);
            Assert.Equal([0, 1, 2, 3, 4], ReferencePoints.Choose(references, kept, front, 5, ref random).Order());
        }
        // all have one then: any of them gets the next
        Assert.Equal([0, 2, 4], third.Order());
    }
}
