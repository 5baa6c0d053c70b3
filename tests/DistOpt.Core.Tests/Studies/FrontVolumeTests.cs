using System.Collections.Immutable;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Tests.Studies.Engine;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

/// <summary>What the front of a study dominates.</summary>
public sealed class FrontVolumeTests
{
    private const string Space = "space: { optimizer.learning_rate: { float: [0.001, 1] } }";

    private static StudySpec Spec(string objectives) => Parse($"study: {{ objectives: [{objectives}], trials: 9 }}\n{Space}\n");

    [Fact]
    public void Where_the_file_says_from_where_it_is_measured_from_there_and_else_from_a_tenth_beyond_the_worst()
    {
        var spec = Spec("{ metric: validation.loss }, { metric: validation.accuracy, reference: 0.25 }");
        Assert.Equal([2.2, 0.25], FrontVolume.ReferenceOf(spec.Outline, [2, 0.5]));
        Assert.Equal([1e-12, 0.25], FrontVolume.ReferenceOf(spec.Outline, [0, 0.5]));
        var other = Spec("{ metric: validation.loss, reference: 3 }, { metric: validation.accuracy }");
        Assert.Equal([3, 0.45], FrontVolume.ReferenceOf(other.Outline, [2, 0.5]));

        // the second one is beyond the reference, the third one dominated
        ImmutableArray<double>[] values = [[1, 0.75], [0.5, 0.2], [2, 0.5]];
        Assert.Equal(1.2 * 0.5, FrontVolume.Measure(spec.Outline, values, [2.2, 0.25]), 1e-12);
    }

    [Fact]
    public void A_study_tells_it_from_its_feasible_trials_and_one_of_one_objective_does_not()
    {
        var setup = StudySetups.Of("random", trials: 4) with { };
        setup = setup with { Context = setup.Context with { Directions = [Core.Specs.Direction.Minimize, Core.Specs.Direction.Maximize] } };
        var engine = new StudyEngine(setup, _ => { });
        (double[] Values, double[] Constraints)[] trials = [([1, 0.5], [0]), ([9, 0.1], [1]), ([0.5, 0.25], [-1]), ([2, 0.5], [0])];
        Assert.Empty(engine.Status().Worst);
        foreach (var (values, constraints) in trials) engine.Complete(engine.Decide().Order!.Id, values, constraints);
        var status = engine.Status();
        Assert.Equal([2, 0.25], status.Worst);
        Assert.Equal([0, 2], status.Front.Select(t => t.Number));

        var dominated = FrontVolume.Of(Spec("{ metric: validation.loss, reference: 2 }, { metric: validation.accuracy, reference: 0 }").Outline, status)!;
        Assert.Equal((1 * 0.5) + (0.5 * 0.25), dominated.Volume, 1e-12);
        Assert.Null(FrontVolume.Of(Spec("{ metric: validation.loss }").Outline, status));
    }

    /// <summary>A trial that is infinitely bad in one of its objectives says nothing of how far values go.</summary>
    [Fact]
    public void An_infinite_value_moves_no_reference_point()
    {
        var setup = StudySetups.Of("random", trials: 3);
        setup = setup with { Context = setup.Context with { Directions = [Core.Specs.Direction.Minimize, Core.Specs.Direction.Minimize] } };
        var engine = new StudyEngine(setup, _ => { });
        var spec = Spec("{ metric: validation.loss }, { metric: train.loss }");
        engine.Complete(engine.Decide().Order!.Id, [double.PositiveInfinity, 0.5]);
        Assert.Null(FrontVolume.Of(spec.Outline, engine.Status()));
        engine.Complete(engine.Decide().Order!.Id, [1, 2]);
        engine.Complete(engine.Decide().Order!.Id, [double.PositiveInfinity, 0.75]);
        Assert.Equal([1, 2], engine.Status().Worst);
        Assert.Equal(0.1 * 0.2, FrontVolume.Of(spec.Outline, engine.Status())!.Volume, 1e-12);
    }
}
