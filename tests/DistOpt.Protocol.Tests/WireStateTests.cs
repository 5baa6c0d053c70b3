using DistOpt.Core.Batching;
using DistOpt.Core.Training;
using MessagePack;

namespace DistOpt.Protocol.Tests;

public sealed class WireStateTests
{
    [Fact]
    public void A_state_and_its_plan_come_over_the_wire_as_they_are()
    {
        var state = new TrainingState
        {
            Step = 7,
            Samples = 113,
            PatienceStep = 5,
            Divergence = new DivergedStep(2.5, null) { IsAtEnd = true },
            Batch = new BatchState
            {
                Size = 48,
                Reason = BatchReason.ChangeBound,
                RateFactor = 1.0 / 3,
                Progress = 0.1 + 0.2,
                Noise = new NoiseState { Trace = 1e300, SquaredNorm = -1e-300, Weight = 0.3, Count = 9, PreviousSquares = 5e-324, PreviousSize = 31 },
                Applied = new AppliedBatch(17, 1e-3 / 7, BatchReason.EpochEnd, null, null),
                Whole = new AppliedBatch(48, 1e-3, BatchReason.NoiseScale, 47.9, 1.5),
            },
        };
        var read = Copy(WireState.From(state)).ToState();
        Assert.Equal(state with { SinceRow = read.SinceRow }, read);
        Assert.Null(Copy(WireState.From(state with { Batch = null })).ToState().Batch);

        var plan = new StepPlan(7, 1, 10, 48, 1e-3)
        {
            MeasuresLeaves = true,
            PushesLeaves = true,
            Assignment = 2,
            Checkpoint = true,
            AverageShare = 0.25,
            UsesAverage = true,
            Momentum = 0.85,
        };
        Assert.Equal(plan, Copy(WirePlan.From(plan)).ToPlan());
    }

    private static T Copy<T>(T value) =>
        MessagePackSerializer.Deserialize<T>(MessagePackSerializer.Serialize(value, cancellationToken: Token), cancellationToken: Token);

    private static CancellationToken Token => TestContext.Current.CancellationToken;
}
