using DistOpt.Core.Optimizers;

namespace DistOpt.Core.Tests.Optimizers;

public sealed class RmsPropTests
{
    /// <summary>The variance of a constant is 0, which rounding misses on either side; the last three elements are the padded rest.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(0.9)]
    public void Centered_a_constant_gradient_gives_no_NaN(double momentum)
    {
        var run = new OptimizerRun(new RmsProp(new RmsPropOptions { Centered = true, Momentum = momentum, Alpha = 0.5 }), 19) { Rate = _ => 1e-3 };
        float[] gradient = [.. Enumerable.Range(0, 19).Select(i => 0.1f + i * 0.037f)];
        bool isBelow = false;
        for (int step = 1; step <= 200; step++)
        {
            run.Step(step, 1, gradient);
            for (int i = 0; i < 19; i++) isBelow |= run.Slots[0].Span[i] - run.Slots[1].Span[i] * run.Slots[1].Span[i] < 0;
        }
        Assert.True(isBelow);
        Assert.All(run.Parameters, p => Assert.True(float.IsFinite(p)));
    }
}
