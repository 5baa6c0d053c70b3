using System.Collections;
using System.Collections.Immutable;
using System.Reflection;
using DistOpt.Core.Averaging;
using DistOpt.Core.Batching;
using DistOpt.Core.Specs;
using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Tests.Specs;

public sealed class SpecWriterTests
{
    [Fact]
    public void A_resolved_spec_is_written_with_every_field_in_the_order_of_declaration()
    {
        var spec = TestCatalogs.Binder.ParseTraining("optimizer: { learning_rate: 1e-5 }\nmodel: { hidden: [8], freeze: ['*.bias'] }");
        var text = SpecWriter.Write(spec.Resolve());

        Assert.Equal("""
            name: digits-mlp
            seed: 42
            data:
              name: digits
              validation_fraction: 0.1
              test_fraction: 0.15
              folds: null
              fold: null
              split_seed: 0
              augment: []
              prefetch: 2
            model:
              kind: mlp
              hidden: [8]
              activation: relu
              dropout: 0.0
              weights: null
              freeze: ["*.bias"]
            loss:
              kind: cross-entropy
            optimizer:
              kind: adam
              learning_rate: 1.0e-05
              beta1: 0.9
              weight_decay: 0.0
              decay_biases: true
              groups: []
            regularization:
              l1: 0.0
              l1_mode: subgradient
              l2: 0.0
              power: 0.0
              power_exponent: 4.0
              max_norm: null
              biases: false
            clip:
              value: null
              norm: null
              global_norm: null
            averaging:
              kind: none
            schedule:
              kind: constant
              warmup_steps: 0
              warmup_epochs: null
              warmup_start_factor: auto
            batch:
              kind: fixed
              size: 32
              learning_rate_scaling: none
              base_size: auto
              noise_smoothing: 0.99
              noise_norm: auto
            training:
              epochs: 20
              workers: 2
              workers_min: null
              worker_memory: null
              worker_gpus: 0
              servers: 1
              gradient_shards: 2
              micro_batch: null
              log_every_steps: null
              consistency:
                kind: bsp
              replicas: 0
              bit_exact: true
              worker_timeout: 60.0
              node_timeout: 600.0
              start_timeout: 604800.0
              coordinator_grace: 600.0
              gradient_precision: float32
              precision: float32
              device: cpu
            evaluate:
              every_epochs: 1
              every_steps: null
              batch_size: 256
              metrics: []
            select:
              metric: validation.loss
              direction: minimize
            stop:
              target: null
              patience: null
              max_steps: null
              max_samples: null
              max_seconds: null
              divergence_factor: 100000.0
            checkpoint:
              every_steps: null
              every_seconds: null
              auto: true
              keep: 3
            storage:
              kind: coordinator
              path: null

            """.ReplaceLineEndings("\n"), text);
        Assert.Contains("gradient_shards: auto", SpecWriter.Write(TestCatalogs.Binder.Default()), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_written_reads_back_as_the_same_spec()
    {
        for (var seed = 0; seed < 300; seed++)
        {
            var spec = RandomSpec(new Random(seed));
            var text = SpecWriter.Write(spec);
            var again = TestCatalogs.Binder.ParseTraining(text);
            AssertSame(spec, again, $"seed {seed}");
            Assert.Equal(text, SpecWriter.Write(again));
            AssertSame(spec, TestCatalogs.Binder.Check(spec), $"seed {seed}, checked in code");
        }
    }

    [Fact]
    public void Numbers_keep_all_their_bits()
    {
        var random = new Random(3);
        double[] special = [0, -0.0, double.Epsilon, double.MaxValue, 1e16, 1e15, 1e-5, 1.0 / 3, 123456789.123, long.MaxValue];
        var values = special.Concat(Enumerable.Range(0, 2000).Select(_ => BitConverter.Int64BitsToDouble(random.NextInt64())));
        foreach (var value in values.Where(double.IsFinite))
        {
            var text = SpecScalars.Format(value);
            Assert.True(SpecScalars.IsNumber(text, out var again), text);
            Assert.Equal(BitConverter.DoubleToInt64Bits(value), BitConverter.DoubleToInt64Bits(again));
            Assert.Matches(@"^-?\d+\.\d+(e[+-]\d+)?$", text);
        }
    }

    private static TrainingSpec RandomSpec(Random random)
    {
        var shards = random.Next(1, 50);
        double Number() => random.Next(3) switch
        {
            0 => random.Next(1, 5),
            1 => random.NextDouble(),
            _ => Math.Exp((random.NextDouble() * 60) - 30),
        };
        string Text() => string.Concat(Enumerable.Range(0, random.Next(1, 12)).Select(_ => random.Next(4) switch
        {
            0 => ((char)random.Next(1, 0x2100)).ToString(),
            1 => "null true 1e3 - : # ' \" \\ \n \t { [ ] } * & ! yes"[random.Next(47)].ToString(),
            2 => char.ConvertFromUtf32(random.Next(0x10000, 0x10FFFF)),
            _ => ((char)random.Next('a', 'z')).ToString(),
        }));
        T Pick<T>(params ReadOnlySpan<T> of) => of[random.Next(of.Length)];

        return new TrainingSpec
        {
            Name = Pick("a", "0", "1e3", "null", "true", "x-1.y_Z"),
            Seed = Pick(0, 1, long.MaxValue, random.NextInt64()),
            Data = new DataSpec
            {
                Kind = "csv",
                ValidationFraction = (random.NextDouble() * 0.4) + 0.01,
                TestFraction = random.NextDouble() * 0.5,
                SplitSeed = random.Next(),
                Prefetch = random.Next(0, 65),
                Options = new CsvOptions { Path = "p" + Text(), Label = Pick<string?>(null, "", "null", "3", Text(), Text()) },
            },
            Model = Pick(
                new ModelSpec
                {
                    Options = new MlpOptions
                    {
                        Hidden = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(1, 100_001))],
                        Activation = Pick(Activation.Relu, Activation.LeakyRelu),
                        Dropout = random.NextDouble() * 0.95,
                    },
                },
                new ModelSpec { Kind = "cnn", Options = new CnnOptions(), Freeze = [Text(), Text()], Weights = Text() },
                new ModelSpec { Kind = "linear", Options = new Nothing(), Freeze = default }),
            Loss = new PluginSpec(Pick("mse", "cross-entropy"), new Nothing()),
            Optimizer = Pick(
                new OptimizerSpec("sgd", new SgdOptions { LearningRate = Number(), Momentum = -Number(), Nesterov = true }),
                new OptimizerSpec("adam", new AdamOptions { LearningRate = Number(), Beta1 = random.NextDouble(), WeightDecay = Number() })
                {
                    DecayBiases = Pick(true, false),
                    Groups = [new() { Match = [Text()], LearningRateScale = random.NextDouble(), WeightDecay = Pick<double?>(null, 1) }],
                }),
            Averaging = Pick(
                new PluginSpec("none", new NoAveragingOptions()),
                new PluginSpec("ema", new ExponentialAverageOptions { Decay = random.NextDouble(), Warmup = Pick(true, false), EverySteps = 3 }),
                new PluginSpec("swa", new StochasticAverageOptions
                {
                    LearningRate = Pick<double?>(null, 0.1),
                    StartStep = 0,
                    EverySteps = random.Next(1, 9),
                })),
            Schedule = new ScheduleSpec
            {
                Kind = "cosine",
                Options = new CosineOptions { TotalSteps = random.NextInt64() },
                WarmupSteps = random.NextInt64(),
                WarmupStartFactor = Pick<double?>(null, 0.25),
            },
            Batch = Pick(
                new BatchSpec("fixed", new FixedBatchOptions { Size = random.Next(1, 1000) })
                {
                    LearningRateScaling = LearningRateScaling.Adascale,
                    NoiseSmoothing = random.NextDouble(),
                },
                new BatchSpec("random", new RandomBatchOptions { Sizes = [random.Next(1, 1000), 7] }) { LearningRateScaling = LearningRateScaling.Linear },
                new BatchSpec("growing", new GrowingBatchOptions { Factor = 1 + random.Next(1, 9), MaxSize = Pick<int?>(null, 4096) })
                {
                    LearningRateScaling = LearningRateScaling.SquareRoot,
                    BaseSize = Pick<int?>(null, random.Next(1, 1000)),
                },
                new BatchSpec("noise-scale", new NoiseScaleBatchOptions { Multiple = 0.1 + random.NextDouble() })
                {
                    LearningRateScaling = LearningRateScaling.Adascale,
                }),
            Training = new TrainingSection
            {
                Epochs = random.Next(1, 1_000_001),
                GradientShards = Pick<int?>(null, shards),
                Workers = random.Next(1, shards + 1),
                MicroBatch = Pick<int?>(null, 7),
                Servers = random.Next(1, 10_001),
                BitExact = Pick(true, false),
                WorkerTimeout = 1 + (random.NextDouble() * 1000),
                StartTimeout = 1 + (random.NextDouble() * 1000),
                Consistency = new PluginSpec("bsp", new Core.Consistency.BspOptions()),
            },
            Evaluate = new EvaluateSection
            {
                EveryEpochs = Pick<int?>(1, 7),
                EverySteps = Pick<long?>(null, random.NextInt64(1, long.MaxValue)),
            },
            Select = Pick(new SelectSection(), new SelectSection { Metric = "validation.accuracy", Direction = Direction.Maximize }),
            Stop = new StopSection
            {
                Target = Pick(null, new TargetSection { Metric = "train.x", AtLeast = -Number() },
                    new TargetSection { Metric = "validation.y", AtMost = Number() }),
                Patience = Pick(null, new PatienceSection { MinDelta = Number(), Direction = Pick<Direction?>(null, Direction.Maximize) }),
                MaxSteps = Pick<long?>(null, 1),
                MaxSeconds = Pick<double?>(null, 0.001 + (random.NextDouble() * 1e8)),
            },
        };
    }

    [Fact]
    public void A_field_of_a_later_minor_version_is_written_only_where_it_is_used()
    {
        Assert.Equal("old: 1\n", SpecWriter.Write(new Later()));
        Assert.Equal("old: 1\nnames: [x]\nfactor: 0.5\n", SpecWriter.Write(new Later { Names = ["x"], Factor = 0.5 }));
    }

    private sealed record Later
    {
        public int Old { get; init; } = 1;

        [AddedIn("1.1")]
        public ImmutableArray<string> Names { get; init; } = [];

        [AddedIn("1.1")]
        public double? Factor { get; init; }
    }

    /// <summary>Equality by value through lists, without the writer's or the binder's help.</summary>
    private static void AssertSame(object? expected, object? actual, string path)
    {
        if (expected is IEnumerable and not string && expected is not ImmutableArray<string> { IsDefault: true }
            && actual is IEnumerable list)
        {
            object?[] wanted = [.. ((IEnumerable)expected).Cast<object?>()], got = [.. list.Cast<object?>()];
            Assert.Equal(wanted.Length, got.Length);
            for (int i = 0; i < wanted.Length; i++) AssertSame(wanted[i], got[i], $"{path}[{i}]");
        }
        else if (expected is ImmutableArray<string>)
            Assert.Empty((ImmutableArray<string>)actual!);
        else if (expected is null or string or Enum || expected.GetType().IsPrimitive)
            Assert.True(Equals(expected, actual), $"{path}: '{expected}' came back as '{actual}'");
        else
        {
            Assert.Equal(expected.GetType(), actual?.GetType());
            foreach (var property in expected.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
                AssertSame(property.GetValue(expected), property.GetValue(actual), $"{path}.{property.Name}");
        }
    }
}
