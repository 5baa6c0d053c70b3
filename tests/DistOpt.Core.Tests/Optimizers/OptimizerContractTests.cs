using System.ComponentModel.DataAnnotations;
using System.Reflection;
using DistOpt.Core.Optimizers;

namespace DistOpt.Core.Tests.Optimizers;

/// <summary>What every optimizer of the catalogue holds, with its default options and with those of <see cref="Variants"/>.</summary>
public sealed class OptimizerContractTests
{
    private static readonly Dictionary<string, object> Variants = new()
    {
        ["sgd momentum"] = new SgdOptions { Momentum = 0.9, WeightDecay = 0.01 },
        ["sgd dampening"] = new SgdOptions { Momentum = 0.9, Dampening = 0.5 },
        ["sgd nesterov"] = new SgdOptions { Momentum = 0.9, Nesterov = true },
        ["adam weight_decay"] = new AdamOptions { WeightDecay = 0.01 },
        ["adamw no weight_decay"] = new AdamWOptions { WeightDecay = 0 },
    };

    public static TheoryData<string> All => [.. OptimizerCatalog.Default.Entries.Select(e => e.Name), .. Variants.Keys];

    private static IOptimizer Make(string name)
    {
        var entry = OptimizerCatalog.Default.Entries.Single(e => e.Name == name.Split(' ')[0]);
        return entry.Factory(Variants.GetValueOrDefault(name) ?? Activator.CreateInstance(entry.OptionsType)!);
    }

    [Theory, MemberData(nameof(All))]
    public void Any_cut_gives_the_same_bits(string name)
    {
        const int length = 5000;
        var whole = new OptimizerRun(Make(name), length);
        var blocks = new OptimizerRun(Make(name), length);
        var anywhere = new OptimizerRun(Make(name), length);
        for (int t = 1; t <= 5; t++)
        {
            whole.Step(t);
            blocks.Step(t, 1, 1024, 2048, 4096);
            anywhere.Step(t, 1, 1, 8, 17, 1000, 1000, 1023, 3333, 4999);
        }
        Assert.Equal(whole.Bits(), blocks.Bits());
        Assert.Equal(whole.Bits(), anywhere.Bits());
    }

    [Theory, MemberData(nameof(All))]
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
            optimizer.Apply(new OptimizerStep(1, 0.1, 1), arrays[0].AsSpan(10, length), arrays[1].AsSpan(10, length),
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

    [Theory, MemberData(nameof(All))]
    public void A_step_allocates_nothing(string name)
    {
        var run = new OptimizerRun(Make(name), 10_007);
        float[] gradient = [.. Enumerable.Range(0, 10_007).Select(i => OptimizerRun.GradientAt(1, i))];
        var optimizer = run.Optimizer;
        optimizer.Apply(new OptimizerStep(1, 0.01, 1), run.Parameters, gradient, run.Slots);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int t = 2; t <= 10; t++) optimizer.Apply(new OptimizerStep(t, 0.01, 1), run.Parameters, gradient, run.Slots);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory, MemberData(nameof(All))]
    public void A_quadratic_is_minimized(string name)
    {
        var optimizer = Make(name);
        var p = Enumerable.Repeat(3f, 33).ToArray();
        Memory<float>[] slots = [.. optimizer.Slots.Select(_ => (Memory<float>)new float[33])];
        for (int t = 1; t <= 2000; t++)
            optimizer.Apply(new OptimizerStep(t, 0.02 * (1 - t / 2001.0), 1), p, p.Select(x => x).ToArray(), slots);
        Assert.All(p, x => Assert.InRange(x, -1e-2f, 1e-2f));
    }

    [Theory, MemberData(nameof(All))]
    public void Lengths_and_slots_that_do_not_fit_are_refused(string name)
    {
        var optimizer = Make(name);
        Memory<float>[] slots = [.. optimizer.Slots.Select(_ => (Memory<float>)new float[10])];
        var step = new OptimizerStep(1, 0.1, 1);
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
