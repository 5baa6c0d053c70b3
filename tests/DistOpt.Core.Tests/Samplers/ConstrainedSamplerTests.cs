using DistOpt.Core.Samplers;
using DistOpt.Core.SearchSpaces;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Samplers;

/// <summary>Constraints between parameters.</summary>
public sealed class ConstrainedSamplerTests
{
    private const string Space = "model.hidden: { list: { length: { int: [1, 3] }, each: { int: [4, 64] } } }\nbatch.size: { choices: [8, 16, 32] }\noptimizer.learning_rate: { float: [0.001, 0.1] }";

    private static StudySpec Study(params string[] constraints) => Parse($"study: {{ constraints: [{string.Join(", ", constraints)}] }}\nspace:\n  {Space.ReplaceLineEndings("\n  ")}");

    [Fact]
    public void Every_suggestion_keeps_to_the_constraints_and_is_the_same_by_a_new_instance()
    {
        var spec = Study("{ parameters: 'model.hidden[0] - model.hidden[1]', at_least: 0 }", "{ parameters: 'model.hidden[1] - model.hidden[2]', at_least: 0 }",
            "{ parameters: 'batch.size * 0.01 + log(optimizer.learning_rate)', at_most: -3, at_least: -5.5 }");
        var history = new StudyHistory(spec.Space.Space, spec.Directions);
        double[] values = new double[spec.Space.Space.Count], again = new double[spec.Space.Space.Count];
        int broken = 0;
        for (int i = 0; i < 100; i++)
        {
            spec.CreateSampler(SamplerCatalog.Default).Suggest(history, 1, i, values);
            spec.CreateSampler(SamplerCatalog.Default).Suggest(history, 1, i, again);
            Assert.Equal(values, again);
            Assert.Empty(spec.Space.Space.Check(values));
            Assert.False(values[1] < values[2] || values[2] < values[3]);
            Assert.InRange(8 * Math.Pow(2, values[4]) * 0.01 + Math.Log(values[5]), -5.5, -3);
            new TpeSampler(new TpeOptions()).Suggest(history, 1, i, again);
            if (!again.SequenceEqual(values)) broken++;
            history.Set(new StudyTrial { Number = i, State = TrialState.Complete, Parameters = [.. values], Values = [values[5]] });
        }
        Assert.InRange(broken, 20, 99);
    }

    /// <summary>One that goes on suggesting the same: after some attempts values are random.</summary>
    [Fact]
    public void A_sampler_that_insists_is_replaced_by_chance()
    {
        var spec = Study("{ parameters: 'batch.size', at_least: 30 }");
        double[] values = new double[spec.Space.Space.Count];
        new ConstrainedSampler(new Stubborn(), spec.Constraints).Suggest(new StudyHistory(spec.Space.Space, Direction.Minimize), 1, 0, values);
        Assert.Equal(2, values[4]);
        Assert.Empty(spec.Space.Space.Check(values));
    }

    private sealed class Stubborn : ISampler
    {
        public void Suggest(StudyHistory history, long seed, int number, Span<double> values)
        {
            new RandomSampler().Suggest(history, 1, 1, values);
            values[4] = 0;
        }

        public IEnumerable<SpecViolation> Check(SearchSpace space, int objectives) => [];
    }
}
