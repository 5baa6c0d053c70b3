using System.ComponentModel.DataAnnotations;
using System.Reflection;
using DistOpt.Core.Batching;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Specs;
using DistOpt.Core.Tests.Support;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>What every optimizer of the catalogue holds, with its default options and with those of <see cref="OptimizerVariants"/>.</summary>
public sealed class OptimizerContractTests
{
    public static TheoryData<string> ElementWise => [.. OptimizerVariants.Names.Where(n => Make(n).Needs == OptimizerNeeds.None)];

    public static TheoryData<string> All => [.. OptimizerVariants.Names];

    private static IOptimizer Make(string name) => OptimizerVariants.Make(name);

    /// <summary>What can stand round an optimizer, by a name for the test.</summary>
    private static readonly Dictionary<string, Func<TrainingSpec, TrainingSpec>> Around = new()
    {
        ["nothing"] = s => s,
        ["penalties"] = s => s with { Regularization = new() { L1 = 1e-3, L2 = 1e-2, Power = 1e-3 } },
        ["proximal"] = s => s with { Regularization = new() { L1 = 1e-2, L1Mode = L1Mode.Proximal, Power = 1e-3, PowerExponent = 3, Biases = true } },
        ["max-norm"] = s => s with { Regularization = new() { MaxNorm = 2 } },
        ["clip value"] = s => s with { Clip = new() { Value = 0.01 } },
        ["clip norm"] = s => s with { Clip = new() { Norm = 0.1 } },
        ["clip global"] = s => s with { Clip = new() { GlobalNorm = 0.5 }, Regularization = new() { L2 = 1e-2 } },
        ["clip all"] = s => s with { Clip = new() { Value = 1, Norm = 1, GlobalNorm = 1 } },
        ["noise of leaves"] = s => s with
        {
            Batch = s.Batch with { LearningRateScaling = LearningRateScaling.Adascale },
            Training = new() { GradientShards = 4 },
        },
        ["plain noise of leaves"] = s => s with
        {
            Batch = s.Batch with { LearningRateScaling = LearningRateScaling.Adascale, NoiseNorm = NoiseNorm.Plain },
            Training = new() { GradientShards = 4 },
        },
        ["noise of consecutive gradients"] = s => s with
        {
            Batch = s.Batch with { LearningRateScaling = LearningRateScaling.Adascale },
            Training = new() { GradientShards = 1 },
            Clip = new() { Norm = 0.1 },
            Regularization = new() { L2 = 1e-2 },
        },
        ["groups"] = s => s with
        {
            Optimizer = s.Optimizer with { DecayBiases = false, Groups = [new() { Match = ["1.*"], LearningRateScale = 0.1, WeightDecay = 0.2 }] },
        },
    };

    public static TheoryData<string, string> Everything =>
        [.. from optimizer in OptimizerVariants.Names from around in Around.Keys select (optimizer, around)];

    private static UpdateRule Rule(string name, string around) =>
        new(Make(name), Around[around](new TrainingSpec { Optimizer = SpecOf(name) }));

    private static OptimizerSpec SpecOf(string name) => new(name.Split(' ')[0], OptimizerVariants.OptionsOf(name));

    [Theory, MemberData(nameof(Everything))]
    public void The_bits_do_not_depend_on_the_number_of_servers(string name, string around)
    {
        var layout = OptimizerRun.Network;
        var rule = Rule(name, around);
        var whole = new OptimizerRun(rule, layout);
        int[] before = whole.Bits();
        // in the seventh step preconditioned norms are measured for the second time
        for (int t = 1; t <= 7; t++) whole.Step(t);
        Assert.NotEqual(before, whole.Bits());
        Assert.Equal(rule.Noise != NoiseSource.None, whole.Noise().Squares > 0);
        Assert.Equal(rule.Noise == NoiseSource.PreconditionedLeaves, whole.Noise().Leaves > 0);
        Assert.Equal(rule.Noise == NoiseSource.PreconditionedConsecutive, whole.Noise().Previous > 0);
        bool wholeTensors = rule.Needs.HasFlag(OptimizerNeeds.WholeTensors);
        for (int servers = 2; servers <= KeyRangePartitioner.MaxServers(layout, wholeTensors); servers++)
        {
            int[] cuts = [.. KeyRangePartitioner.Cut(layout, servers, wholeTensors).Skip(1).Select(r => (int)r.Begin)];
            var cut = new OptimizerRun(rule, layout);
            for (int t = 1; t <= 7; t++) cut.Step(t, 1, cuts);
            Assert.Equal(whole.Bits(), cut.Bits());
            Assert.Equal(whole.Noise(), cut.Noise());
        }
    }

    /// <summary>The gradient of the loss alone, without the penalty and before clipping; and nothing of it changes the update.</summary>
    [Theory, MemberData(nameof(All))]
    public void Measuring_noise_sees_the_gradient_and_changes_no_weight(string name)
    {
        foreach (var (shards, norm) in new[] { (1, NoiseNorm.Plain), (4, NoiseNorm.Plain), (1, NoiseNorm.Auto), (4, NoiseNorm.Auto) })
        {
            var spec = Around["clip all"](Around["penalties"](new TrainingSpec { Optimizer = SpecOf(name) }));
            var plain = new OptimizerRun(new UpdateRule(Make(name), spec), OptimizerRun.Network);
            var rule = new UpdateRule(Make(name), spec with
            {
                Batch = new BatchSpec { LearningRateScaling = LearningRateScaling.Adascale, NoiseNorm = norm },
                Training = new TrainingSection { GradientShards = shards },
            });
            var measured = new OptimizerRun(rule, OptimizerRun.Network);
            for (int t = 1; t <= 7; t++)
            {
                plain.Step(t, 0.5f);
                measured.Step(t, 0.5f);
                double Sum(Func<int, double> of) => Enumerable.Range(0, 5000).Sum(of);
                double squares = Sum(i => Math.Pow(OptimizerRun.GradientAt(t, i), 2));
                double dot = t == 1 || shards > 1 ? 0 : Sum(i => (double)OptimizerRun.GradientAt(t, i) * OptimizerRun.GradientAt(t - 1, i));
                Assert.Equal(squares, measured.Noise().Gradient, squares * 1e-12);
                if (rule.Noise.IsPreconditioned()) continue;
                Assert.Equal(squares, measured.Noise().Squares, squares * 1e-12);
                Assert.Equal(dot, measured.Noise().Dot, squares * 1e-12);
            }
            Assert.Equal(plain.Parameters, measured.Parameters);
            Assert.Equal(shards == 1 ? "previous_gradient" : null, rule.Slots.Except(rule.Optimizer.Slots).SingleOrDefault());
        }
    }

    [Theory, MemberData(nameof(Everything))]
    public void A_step_allocates_nothing(string name, string around)
    {
        var run = new OptimizerRun(Rule(name, around), OptimizerRun.Network);
        float[] gradient = [.. Enumerable.Range(0, 5000).Select(i => OptimizerRun.GradientAt(1, i))];
        for (int t = 1; t <= 2; t++) run.Step(t, 1, gradient);
        Assert.Equal(0, Allocations.LeastOf(() =>
        {
            for (int t = 5; t <= 8; t++) run.Step(t, 1, gradient);
        }));
    }

    /// <summary>A rule is made of the spec, where options alone stand.</summary>
    [Theory, MemberData(nameof(All))]
    public void Options_say_whether_an_optimizer_keeps_mean_squares(string name)
    {
        var optimizer = Make(name);
        Assert.Equal(optimizer is IMeanSquareOptimizer, ((ILearningRateOptions)OptimizerVariants.OptionsOf(name)).KeepsMeanSquares);
        if (optimizer is not IMeanSquareOptimizer squares) return;
        Assert.All(new long[] { 1, 5, 100_000 }, updates =>
        {
            var means = squares.MeanSquaresAfter(updates);
            Assert.InRange(means.Factor, 1e-9, 1e3 + 1);
            Assert.All(OptimizerRun.Network.Parameters, p => Assert.Equal(p.Shape, optimizer.SlotShape(means.Slot, p)));
        });
    }

    [Fact]
    public void A_rule_that_is_to_measure_by_mean_squares_that_its_optimizer_has_not_is_refused()
    {
        var spec = new TrainingSpec
        {
            Optimizer = new OptimizerSpec("own", new SgdOptions()),
            Batch = new BatchSpec { LearningRateScaling = LearningRateScaling.Adascale, NoiseNorm = NoiseNorm.Preconditioned },
        };
        Assert.Contains("set batch.noise_norm to plain", Assert.Throws<ArgumentException>(() => new UpdateRule(Make("sgd"), spec)).Message);
    }

    [Theory, MemberData(nameof(ElementWise))]
    public void Any_cut_gives_the_same_bits(string name)
    {
        var whole = new OptimizerRun(Make(name), 5000);
        var anywhere = new OptimizerRun(Make(name), 5000);
        for (int t = 1; t <= 5; t++)
        {
            whole.Step(t);
            anywhere.Step(t, 1, 1, 8, 17, 1000, 1000, 1023, 3333, 4999);
        }
        Assert.Equal(whole.Bits(), anywhere.Bits());
    }

    [Theory, MemberData(nameof(ElementWise))]
    public void Every_length_of_tail_gives_the_bits_of_the_vector_body(string name)
    {
        // in the reference every element stands in the middle of a long vector
        const int most = 70;
        var reference = new OptimizerRun(Make(name), 128);
        for (int t = 1; t <= 3; t++) reference.Step(t);
        for (int length = 0; length <= most; length++)
        {
            var run = new OptimizerRun(Make(name), length);
            for (int t = 1; t <= 3; t++) run.Step(t);
            int[] expected = [.. reference.Parameters[..length].Concat(reference.Slots.SelectMany(s => s[..length].ToArray()))
                .Select(BitConverter.SingleToInt32Bits)];
            Assert.Equal(expected, run.Bits());
        }
    }

    [Theory, MemberData(nameof(All))]
    public void Nothing_beside_the_range_is_written(string name)
    {
        var optimizer = Make(name);
        for (int length = 0; length < 40; length++)
        {
            var arrays = Enumerable.Range(0, 2 + optimizer.Slots.Count).Select(_ => Enumerable.Repeat(1f, length + 20).ToArray()).ToArray();
            optimizer.Apply(StepOf(1, 0.1, length), arrays[0].AsSpan(10, length), arrays[1].AsSpan(10, length),
                [.. arrays[2..].Select(a => a.AsMemory(10, length))]);
            Assert.All(arrays, a => Assert.All(a[..10].Concat(a[(10 + length)..]), v => Assert.Equal(1f, v)));
            Assert.All(arrays[1], v => Assert.Equal(1f, v));
        }
    }

    [Theory, MemberData(nameof(All))]
    public void The_gradient_scale_is_a_factor_on_the_gradient(string name)
    {
        var plain = new OptimizerRun(Make(name), 100);
        var scaled = new OptimizerRun(Make(name), 100);
        for (int t = 1; t <= 3; t++)
        {
            plain.Step(t);
            scaled.Step(t, scale: 1f / 64);
        }
        Assert.Equal(plain.Bits(), scaled.Bits());
    }

    /// <summary>Rates that bring a method from 3 to 0 in 2,000 steps that fall linearly, where 0.02 does not.</summary>
    private static readonly Dictionary<string, double> Rates = new() { ["adagrad"] = 0.5, ["adadelta"] = 5, ["lars"] = 20, ["adafactor"] = 0.1, ["muon"] = 0.2 };

    [Theory, MemberData(nameof(All))]
    public void A_quadratic_is_minimized(string name)
    {
        double rate = Rates.GetValueOrDefault(name.Split(' ')[0], 0.02);
        var run = new OptimizerRun(new UpdateRule(Make(name)), OptimizerRun.Of(("weight", [3, 11]))) { Rate = t => rate * (1 - t / 2001.0) };
        for (int t = 1; t <= 2000; t++) run.Step(t, 1, run.Parameters.ToArray());
        Assert.All(run.Parameters, x => Assert.InRange(x, -1e-2f, 1e-2f));
    }

    private static OptimizerStep StepOf(long number, double rate, int length) =>
        new(number, rate, 1) { Tensor = new TensorSlot("vector", [length], 0, length) };

    [Theory, MemberData(nameof(All))]
    public void Lengths_and_slots_that_do_not_fit_are_refused(string name)
    {
        var optimizer = Make(name);
        Memory<float>[] slots = [.. optimizer.Slots.Select(_ => (Memory<float>)new float[10])];
        var step = StepOf(1, 0.1, 10);
        Assert.Throws<ArgumentException>(() => optimizer.Apply(step, new float[10], new float[9], slots));
        Assert.Throws<ArgumentException>(() => optimizer.Apply(step, new float[10], new float[10], [.. slots, new float[10]]));
        if (slots.Length > 0)
        {
            Assert.Throws<ArgumentException>(() => optimizer.Apply(step, new float[10], new float[10], slots[1..]));
            Assert.Throws<ArgumentException>(() => optimizer.Apply(step, new float[10], new float[10], [.. slots[1..], new float[9]]));
        }
    }

    [Fact]
    public void Every_options_record_has_valid_defaults_a_learning_rate_and_described_fields()
    {
        Assert.All(OptimizerCatalog.Default.Entries, entry =>
        {
            object options = Activator.CreateInstance(entry.OptionsType)!;
            Assert.True(Assert.IsAssignableFrom<ILearningRateOptions>(options).LearningRate > 0);
            Assert.True(Validator.TryValidateObject(options, new ValidationContext(options), null, validateAllProperties: true));
            Assert.All(entry.OptionsType.GetProperties(BindingFlags.Public | BindingFlags.Instance),
                p => Assert.NotNull(p.GetCustomAttribute<System.ComponentModel.DescriptionAttribute>()));
        });
    }

    public static TheoryData<object> Refused =>
    [
        new SgdOptions { LearningRate = 0 }, new SgdOptions { LearningRate = double.NaN }, new SgdOptions { LearningRate = -1 },
        new SgdOptions { Momentum = 1 }, new SgdOptions { Nesterov = true },
        new SgdOptions { Nesterov = true, Momentum = 0.9, Dampening = 0.1 },
        new SgdOptions { WeightDecay = -1e-4 }, new AdamOptions { LearningRate = double.PositiveInfinity }, new AdamOptions { Beta1 = 1 },
        new AdamOptions { Beta2 = -0.1 }, new AdamOptions { Epsilon = 0 }, new AdamWOptions { WeightDecay = double.NaN },
    ];

    [Theory, MemberData(nameof(Refused))]
    public void Options_out_of_range_are_refused(object options) =>
        Assert.False(Validator.TryValidateObject(options, new ValidationContext(options), null, validateAllProperties: true));
}
