using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>The maximum norm, beside the same step without it.</summary>
public sealed class MaxNormTests
{
    private const double Bound = 6.5;

    private readonly OptimizerRun _free = Run(new TrainingSpec());
    private readonly OptimizerRun _bound = Run(new TrainingSpec { Regularization = new RegularizationSection { MaxNorm = Bound } });

    public MaxNormTests()
    {
        _free.Step(1);
        _bound.Step(1);
    }

    /// <summary>A row is what goes into one unit: of a kernel all its channels and places.</summary>
    [Theory]
    [InlineData("0.weight", 50, true)]
    [InlineData("1.weight", 36, true)]
    [InlineData("2.weight", 185, false)]
    public void A_row_that_the_step_leaves_too_long_is_shortened_to_the_bound_and_no_other_changes(string name, int width, bool hasShort)
    {
        float[] free = Of(_free, name), bound = Of(_bound, name);
        int shorter = 0, longer = 0;
        foreach (var (before, after) in free.Chunk(width).Zip(bound.Chunk(width)))
        {
            double norm = Norm(before);
            if (norm <= Bound)
            {
                shorter++;
                Assert.Equal(before.Select(BitConverter.SingleToInt32Bits), after.Select(BitConverter.SingleToInt32Bits));
                continue;
            }
            longer++;
            Assert.InRange(Norm(after), Bound * (1 - 1e-6), Bound * (1 + 1e-6));
            Assert.All(before.Zip(after), pair => Assert.Equal(pair.First * (Bound / norm), pair.Second, 1e-6 * Math.Abs(pair.First)));
        }
        Assert.Equal(hasShort, shorter > 3);
        Assert.True(longer > 3);
    }

    [Theory]
    [InlineData("0.bias")]
    [InlineData("1.bias")]
    public void Biases_have_no_bound(string name)
    {
        var spec = new TrainingSpec { Regularization = new RegularizationSection { MaxNorm = 0.01, Biases = true } };
        var tight = Run(spec);
        tight.Step(1);
        Assert.Equal(Of(_free, name), Of(tight, name));
        Assert.True(Norm(Of(tight, "0.weight")) < 0.1);
    }

    /// <summary>Rows that were too long before stay so: a scale of 0 says that they are not trained.</summary>
    [Fact]
    public void What_is_not_trained_is_not_shortened()
    {
        var frozen = new OptimizerSpec { Groups = [new ParameterGroup { Match = ["0.*"], LearningRateScale = 0 }] };
        var run = Run(new TrainingSpec { Optimizer = frozen, Regularization = new RegularizationSection { MaxNorm = 0.01 } });
        float[] before = Of(run, "0.weight");
        Assert.True(Norm(before) > 1);
        run.Step(1);
        Assert.Equal(before, Of(run, "0.weight"));
        Assert.True(Norm(Of(run, "1.weight")) < 1);
    }

    private static OptimizerRun Run(TrainingSpec spec) => new(new UpdateRule(new Sgd(new SgdOptions()), spec), OptimizerRun.Network);

    private static float[] Of(OptimizerRun run, string name)
    {
        TensorSlot tensor = run.Layout.Parameters.Single(p => p.Name == name);
        return run.Parameters[(int)tensor.Range.Begin..(int)tensor.Range.End];
    }

    private static double Norm(float[] row) => Math.Sqrt(row.Sum(w => (double)w * w));
}
