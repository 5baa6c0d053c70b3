using System.Collections.Immutable;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Tests.Optimizers;
using DistOpt.Core.Training;
using static DistOpt.Actors.Tests.Support.SameSummary;

namespace DistOpt.Actors.Tests.Training;

/// <summary>
/// Everything in the catalogues that has a state: a run that is interrupted in the middle and resumed on other numbers of workers, servers and nodes
/// ends with the bits of one that was not.
/// </summary>
public sealed class ResumeTests : IDisposable
{
    /// <summary>Options by which an entry shows in so short a run what it does, and does not diverge; others have their defaults.</summary>
    private static readonly ImmutableArray<object> Short =
    [
        new GdOptions { LearningRate = 1e-5 },
        new MomentumOptions { LearningRate = 1e-5 },
        new StochasticAverageOptions { StartEpoch = 1, EverySteps = 3 },
        new StepScheduleOptions { StepSize = 1, Gamma = 0.5 },
        new MultiStepScheduleOptions { Milestones = [1, 3] },
        new InverseTimeScheduleOptions { DecaySteps = 5 },
        new InverseSqrtScheduleOptions { Timescale = 5 },
        new CosineRestartsScheduleOptions { T_0 = 1, T_mult = 2 },
        new CyclicScheduleOptions { MaxLearningRate = 1e-2, StepSizeUp = 7, CycleMomentum = true },
        new OneCycleScheduleOptions { CycleMomentum = true },
        new ReduceOnPlateauOptions { Patience = 0, Threshold = 0.5 },
        new RandomBatchOptions { Min = 3, Max = 30 },
        new GrowingBatchOptions { Size = 7, Factor = 1.5, Every = 1, MaxSize = 30 },
        new NoiseScaleBatchOptions { Size = 10, MinSize = 4, MaxSize = 60, Interval = 3 },
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, string> Catalogue =>
    [
        .. OptimizerVariants.Names.Select(n => ("optimizer", n)),
        .. ScheduleCatalog.Default.Entries.Select(e => ("schedule", e.Name)),
        .. BatchCatalog.Default.Entries.Select(e => ("batch", e.Name)),
        .. AveragingCatalog.Default.Entries.Select(e => ("averaging", e.Name)),
    ];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory, MemberData(nameof(Catalogue))]
    public async Task Interrupted_in_the_middle_and_resumed_elsewhere_it_ends_with_the_same_bits(string section, string name)
    {
        var spec = Spec(section, name);
        await using var whole = new JobHarness([Runtime()], isAlone: true);
        var (expected, rows) = await whole.RunAsync(spec, Token);
        Assert.True(expected.Summary.Status == RunStatus.Completed, expected.Summary.Error);
        LinearRuntime[] begun = [Runtime(), Runtime()];
        await using (var first = new JobHarness(begun) { CheckpointDirectory = _folder })
        {
            var interrupted = await first.InterruptAsync(With(spec, workers: 2, servers: 3), begun[0], expected.Summary.Steps / 2, Token);
            Assert.InRange(interrupted.Steps, 1, expected.Summary.Steps - 1);
        }

        await using var second = new JobHarness([Runtime()]) { CheckpointDirectory = _folder, Resumes = true };
        var (end, sink) = await second.RunAsync(With(spec, workers: 4, servers: 2), Token);

        AssertSame(expected.Summary, end.Summary);
        AssertSame(rows, sink);
    }

    /// <summary>The catalogues hold more than what does nothing: a resumed run would not notice a state that is never used.</summary>
    [Theory, MemberData(nameof(Catalogue))]
    public async Task Each_of_them_trains_to_other_bits_than_the_default_does(string section, string name)
    {
        var spec = Spec(section, name);
        string usual = section switch { "optimizer" => "adam", "schedule" => "constant", "batch" => "fixed", _ => "none" };
        await using var harness = new JobHarness([Runtime()], isAlone: true);
        var (own, sink) = await harness.RunAsync(spec, Token);
        var (other, usually) = await harness.RunAsync(Spec(section, usual), Token, "job-2");
        bool isSame = own.Summary.WeightsSha256 == other.Summary.WeightsSha256 && sink.Selected!.AsSpan().SequenceEqual(usually.Selected);
        // without decay there is nothing that adamw does otherwise than adam
        Assert.Equal(name == usual || name == "adamw no weight_decay", isSame);
    }

    private static TrainingSpec Spec(string section, string name)
    {
        var spec = JobHarness.SpecOf(workers: 1, servers: 1, shards: 4, epochs: section == "batch" && name == "full" ? 8 : 4);
        return section switch
        {
            "optimizer" => spec with { Optimizer = new OptimizerSpec(name.Split(' ')[0], OfOptimizer()) },
            "schedule" => spec with { Schedule = new ScheduleSpec { Kind = name, Options = Options(ScheduleCatalog.Default.Entries), WarmupSteps = 3 } },
            "batch" => spec with { Batch = new BatchSpec(name, Options(BatchCatalog.Default.Entries)) },
            "averaging" => spec with { Averaging = new PluginSpec(name, Options(AveragingCatalog.Default.Entries)) },
            _ => throw new ArgumentOutOfRangeException(nameof(section), section, "no such section"),
        };

        object OfOptimizer() => Stable(OptimizerVariants.Options.GetValueOrDefault(name) ?? Options(OptimizerCatalog.Default.Entries));

        object Options<T>(IEnumerable<CatalogEntry<T>> entries)
        {
            var type = entries.Single(e => e.Name == name).OptionsType;
            return Short.FirstOrDefault(o => o.GetType() == type) ?? Activator.CreateInstance(type)!;
        }
    }

    /// <summary>Options as they are, but where steps grow with the gradient a rate at which they do not diverge, and names of this layout.</summary>
    private static object Stable(object options) => options switch
    {
        SgdOptions sgd => sgd with { LearningRate = 1e-5 },
        LarsOptions { TrustBiases: false } lars => lars with { LearningRate = 1e-5 },
        MuonOptions { AdamwFor.Length: > 0 } muon => muon with { AdamwFor = ["c"] },
        _ => options,
    };

    private static TrainingSpec With(TrainingSpec spec, int workers, int servers) =>
        spec with { Training = spec.Training with { Workers = workers, Servers = servers } };

    /// <summary>Two matrices and a vector, of 3,000 parameters in all, so that whole tensors and their norms lie on several servers.</summary>
    private static LinearRuntime Runtime() => new(layout: new ParameterLayout(
        [new TensorSlot("a", [20, 50], 0, 1000), new TensorSlot("b", [500], 1000, 500), new TensorSlot("c", [30, 50], 1500, 1500)], []));
}
