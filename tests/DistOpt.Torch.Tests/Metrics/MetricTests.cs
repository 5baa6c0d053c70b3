using DistOpt.Core.Datasets;
using DistOpt.Core.Metrics;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Losses;
using DistOpt.Torch.Metrics;
using TorchSharp;
using static TorchSharp.torch;

namespace DistOpt.Torch.Tests.Metrics;

/// <summary>Metrics against computations of their own, over slices of several sizes.</summary>
public sealed class MetricTests
{
    private const int Rows = 120;

    private static readonly DataInfo Five = DataInfo.Classification("five", [1], ["a", "b", "c", "d", "e"]);

    public static TheoryData<string> Names => [.. MetricCatalog.Create().Entries.Select(e => e.Name)];

    /// <summary>One test for all entries: reported whatever the slices, with the same bits, and nothing hidden is shown.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Every_metric_has_the_same_bits_for_any_slices_and_reports_no_hidden_sum(string name)
    {
        using var scope = NewDisposeScope();
        int fitting = 0;
        foreach (var reading in Enum.GetValues<OutputReading>())
        {
            var entry = MetricCatalog.Create().Entries.Single(e => e.Name == name);
            object options = name == "top-k" ? new TopKOptions { K = 2 } : Activator.CreateInstance(entry.OptionsType)!;
            var (loss, output, target) = Batch(reading);
            if (!entry.Factory(options).Fits(reading))
            {
                var error = Assert.Throws<SpecException>(() => Measure(loss, output, target, Rows, new PluginSpec(name, options)));
                Assert.Contains($"evaluate.metrics: '{name}' does not fit", error.Message, StringComparison.Ordinal);
                Assert.Contains("Fitting: ", error.Message, StringComparison.Ordinal);
                continue;
            }
            fitting++;
            var (whole, matrix) = Measure(loss, output, target, Rows, new PluginSpec(name, options));
            Assert.Equal(name == MetricCatalog.ConfusionMatrix, matrix is not null);
            Assert.Equal(matrix is null ? 1 : 0, whole.Count);
            Assert.All(whole, m => Assert.False(HiddenMetrics.IsHidden(m.Key)));
            Assert.All(whole, m => Assert.True(double.IsFinite(m.Value.Value), $"{m.Key} is {m.Value.Value}"));
            foreach (int size in (int[])[1, 7, 50])
            {
                // sums of floating-point values depend on the slices, which the spec fixes; counts do not
                int digits = reading == OutputReading.Values ? 12 : 17;
                var (sliced, cells) = Measure(loss, output, target, size, new PluginSpec(name, options));
                Assert.Equal(whole.Select(m => m.Key), sliced.Select(m => m.Key));
                foreach (var (key, sum) in whole)
                    Assert.Equal(0, (sum.Value - sliced[key].Value) / Math.Abs(sum.Value), digits == 17 ? 0 : 1e-12);
                Assert.Equal(matrix?.Cells, cells?.Cells);
            }
        }
        Assert.True(fitting > 0, $"'{name}' fits nothing");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Precision_recall_and_f1_are_sklearns_with_a_class_that_nobody_predicts_and_one_that_is_absent(bool ignores)
    {
        using var scope = NewDisposeScope();
        var output = Scores(Rows, 5, levels: 1000);
        // class 3 is never predicted and never a target; class 4 never predicted
        output[TensorIndex.Colon, TensorIndex.Slice(3)] -= 100;
        long[] targets = [.. Enumerable.Range(0, Rows).Select(i => ignores && i % 6 == 5 ? -100L
            : (i * 7 % 11) switch { < 5 => 0L, < 7 => 1, < 10 => 2, _ => 4 })];
        long[] predicted = [.. output.argmax(1).data<long>()];
        var pairs = targets.Zip(predicted).Where(p => p.First >= 0).ToList();
        long[] present = [.. pairs.SelectMany(p => new[] { p.First, p.Second }).Distinct()];
        Assert.Equal([0L, 1, 2, 4], present.Order());

        var measured = Measure(new CrossEntropyLoss(new CrossEntropyOptions()), output, tensor(targets), 50,
        [
            .. from kind in (string[])["precision", "recall", "f1"]
               from average in (ScoreAverage[])[ScoreAverage.Macro, ScoreAverage.Micro, ScoreAverage.Weighted, ScoreAverage.PerClass]
               select new PluginSpec(kind, new ClassScoreOptions { Average = average }),
        ]).Metrics;

        foreach (var (kind, score) in new (string, Func<long, double>)[] { ("precision", Precision), ("recall", Recall), ("f1", F1) })
        {
            for (int c = 0; c < 5; c++) Assert.Equal(score(c), measured[$"{kind}/{"abcde"[c]}"].Value, 1e-12);
            Assert.Equal(present.Average(score), measured[kind].Value, 1e-12);
            Assert.Equal(present.Sum(c => pairs.Count(p => p.First == c) * score(c)) / pairs.Count, measured[kind + "_weighted"].Value, 1e-12);
            Assert.Equal(pairs.Count(p => p.First == p.Second) / (double)pairs.Count, measured[kind + "_micro"].Value, 1e-12);
        }
        Assert.Equal(0, measured["precision/e"].Value);
        Assert.Equal(0, measured["f1/d"].Value);

        double Right(long c) => pairs.Count(p => p.First == c && p.Second == c);
        double Over(double part, double whole) => whole == 0 ? 0 : part / whole;
        double Precision(long c) => Over(Right(c), pairs.Count(p => p.Second == c));
        double Recall(long c) => Over(Right(c), pairs.Count(p => p.First == c));
        double F1(long c) => Precision(c) + Recall(c) == 0 ? 0 : 2 * Precision(c) * Recall(c) / (Precision(c) + Recall(c));
    }

    [Theory]
    [InlineData(1_000_000)]
    [InlineData(4)]
    public void Auc_is_the_share_of_all_pairs_in_order_ties_counted_half(int levels)
    {
        using var scope = NewDisposeScope();
        // single scores
        var output = Scores(Rows, 1, levels);
        float[] scores = [.. output.data<float>()];
        bool[] positive = [.. Enumerable.Range(0, Rows).Select(i => (i * 5 + i / 7) % 3 == 0)];
        var target = tensor(positive.Select(p => p ? 1f : 0).ToArray());
        var auc = new PluginSpec("auc", new NoMetricOptions());
        Assert.Equal(Pairwise(scores, positive), Measure(new BceWithLogitsLoss(new BceWithLogitsOptions()), output, target, 50, auc).Metrics["auc"].Value, 1e-15);

        // two classes: by the difference of their scores
        output = Scores(Rows, 2, levels);
        scores = [.. (output.select(1, 1) - output.select(1, 0)).data<float>()];
        target = tensor(positive.Select(p => p ? 1L : 0).ToArray());
        Assert.Equal(Pairwise(scores, positive), Measure(new CrossEntropyLoss(new CrossEntropyOptions()), output, target, 50, auc).Metrics["auc"].Value, 1e-15);

        // more: each against the rest; class 4 has no sample and is left out
        output = Scores(Rows, 5, levels);
        long[] classes = [.. Enumerable.Range(0, Rows).Select(i => (long)(i * 3 % 4))];
        var logs = nn.functional.log_softmax(output, 1);
        double expected = Enumerable.Range(0, 4).Average(c => Pairwise([.. logs.select(1, c).contiguous().data<float>()], [.. classes.Select(t => t == c)]));
        Assert.Equal(expected, Measure(new CrossEntropyLoss(new CrossEntropyOptions()), output, tensor(classes), 50, auc).Metrics["auc"].Value, 1e-14);
    }

    /// <summary>
    /// sklearn's roc_auc_score of several labels is the mean over them, where scores of one label are not compared with those of another; one of its ways to
    /// count F1 over labels is all together, and any other is refused.
    /// </summary>
    [Fact]
    public void Several_yes_or_no_answers_are_ranked_one_by_one_and_their_f1_counts_all_together()
    {
        using var scope = NewDisposeScope();
        const int answers = 3;
        var output = Scores(Rows, answers, levels: 40) + tensor(new float[] { 0, 5, -5 });
        bool[] yes = [.. Enumerable.Range(0, Rows * answers).Select(i => (i * 5 + i / 7) % 3 == 0)];
        var target = tensor(yes.Select(y => y ? 1f : 0).ToArray()).reshape(Rows, answers);
        var loss = new BceWithLogitsLoss(new BceWithLogitsOptions());
        PluginSpec auc = new("auc", new NoMetricOptions()), f1 = new("f1", new ClassScoreOptions { Average = ScoreAverage.Binary });
        var measured = Measure(loss, output, target, 50, auc, f1).Metrics;

        double mean = Enumerable.Range(0, answers).Average(a =>
            Pairwise([.. output.select(1, a).contiguous().data<float>()], [.. yes.Where((_, i) => i % answers == a)]));
        Assert.Equal(mean, measured["auc"].Value, 1e-14);
        float[] scores = [.. output.contiguous().data<float>()];
        double right = scores.Where((s, i) => s > 0 && yes[i]).Count(), said = scores.Count(s => s > 0), are = yes.Count(y => y);
        Assert.Equal(2 * right / (said + are), measured["f1_binary"].Value, 1e-14);
        foreach (var average in Enum.GetValues<ScoreAverage>().Where(a => a != ScoreAverage.Binary))
        {
            var error = Assert.Throws<SpecException>(() => Measure(loss, output, target, 50, new PluginSpec("f1", new ClassScoreOptions { Average = average })));
            Assert.Contains("but targets are 3 yes-or-no answers: use average binary", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Auc_of_one_class_alone_or_of_scores_that_are_NaN_is_NaN()
    {
        using var scope = NewDisposeScope();
        var loss = new BceWithLogitsLoss(new BceWithLogitsOptions());
        var auc = new PluginSpec("auc", new NoMetricOptions());
        Assert.Equal(double.NaN, Measure(loss, Scores(6, 1, 10), ones(6), 6, auc).Metrics["auc"].Value);
        foreach (float odd in (float[])[float.NaN, -float.NaN])
        {
            var output = tensor(new float[] { 1, odd, 2, 3 });
            Assert.Equal(double.NaN, Measure(loss, output, tensor(new float[] { 0, 1, 0, 1 }), 4, auc).Metrics["auc"].Value);
        }
        var infinite = tensor(new float[] { float.NegativeInfinity, 1, -0f, 0f, float.PositiveInfinity });
        // pairs: (0 against -inf, 1, -0), (inf against the same)
        Assert.Equal((1 + 0 + 0.5 + 3) / 6, Measure(loss, infinite, tensor(new float[] { 0, 0, 0, 1, 1 }), 2, auc).Metrics["auc"].Value, 1e-15);
    }

    [Fact]
    public void Top_k_counts_targets_with_fewer_than_k_better_classes()
    {
        using var scope = NewDisposeScope();
        var output = Scores(Rows, 5, levels: 6);
        long[] targets = [.. Enumerable.Range(0, Rows).Select(i => (long)(i % 5))];
        float[] scores = [.. output.data<float>()];
        foreach (int k in (int[])[1, 2, 4])
        {
            // a stable order: of equal scores the lower class first
            int right = Enumerable.Range(0, Rows).Count(i =>
                Enumerable.Range(0, 5).OrderByDescending(c => scores[5 * i + c]).Take(k).Contains((int)targets[i]));
            var measured = Measure(new CrossEntropyLoss(new CrossEntropyOptions()), output, tensor(targets), 50,
                new PluginSpec("top-k", new TopKOptions { K = k }));
            Assert.Equal(new MetricSum(right, Rows), measured.Metrics[$"top_{k}_accuracy"]);
        }
        var error = Assert.Throws<SpecException>(() => Measure(new CrossEntropyLoss(new CrossEntropyOptions()), output, tensor(targets), 50,
            new PluginSpec("top-k", new TopKOptions())));
        Assert.Contains("has k = 5, but there are 5 classes", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(3, 0)]
    [InlineData(2, 10_000)]
    public void Errors_and_r2_are_their_definitions(int columns, float offset)
    {
        using var scope = NewDisposeScope();
        var output = Scores(Rows, columns, 1000) + offset;
        var target = output + Scores(Rows, columns, 77).flip(0) * 0.4f;
        double[] p = [.. output.to(ScalarType.Float64).data<double>()], t = [.. target.to(ScalarType.Float64).data<double>()];
        double mse = p.Zip(t, (a, b) => (a - b) * (a - b)).Average();
        double r2 = Enumerable.Range(0, columns).Average(c =>
        {
            double[] own = [.. Enumerable.Range(0, Rows).Select(i => t[i * columns + c])];
            double mean = own.Average();
            return 1 - Enumerable.Range(0, Rows).Sum(i => Math.Pow(own[i] - p[i * columns + c], 2)) / own.Sum(y => (y - mean) * (y - mean));
        });
        var measured = Measure(new MseLoss(), output, target, 50, [.. ((string[])["mse", "rmse", "mae", "r2"]).Select(n => new PluginSpec(n, new NoMetricOptions()))]).Metrics;
        Assert.Equal(["mse", "rmse", "mae", "r2"], measured.Select(m => m.Key));
        Assert.Equal(mse, measured["mse"].Value, 1e-12);
        Assert.Equal(Math.Sqrt(mse), measured["rmse"].Value, 1e-12);
        Assert.Equal(p.Zip(t, (a, b) => Math.Abs(a - b)).Average(), measured["mae"].Value, 1e-12);
        Assert.Equal(r2, measured["r2"].Value, offset == 0 ? 1e-12 : 1e-7);
    }

    [Fact]
    public void R2_of_equal_targets_is_one_if_all_are_met_and_else_zero_and_one_sample_has_none()
    {
        using var scope = NewDisposeScope();
        var r2 = new PluginSpec("r2", new NoMetricOptions());
        var equal = full([30, 1], 1234.567f);
        Assert.Equal(1, Measure(new MseLoss(), equal, equal, 7, r2).Metrics["r2"].Value);
        Assert.Equal(0, Measure(new MseLoss(), equal + 1, equal, 7, r2).Metrics["r2"].Value);
        Assert.Equal(double.NaN, Measure(new MseLoss(), equal.narrow(0, 0, 1), equal.narrow(0, 0, 1), 7, r2).Metrics["r2"].Value);
    }

    [Fact]
    public void The_confusion_matrix_counts_targets_by_line_and_predictions_by_column()
    {
        using var scope = NewDisposeScope();
        var output = Scores(Rows, 5, 1000);
        long[] targets = [.. Enumerable.Range(0, Rows).Select(i => (long)(i % 4))], predicted = [.. output.argmax(1).data<long>()];
        var matrix = Measure(new CrossEntropyLoss(new CrossEntropyOptions()), output, tensor(targets), 33, new PluginSpec("confusion-matrix", new NoMetricOptions())).Matrix!;
        for (int t = 0; t < 5; t++)
            for (int c = 0; c < 5; c++)
                Assert.Equal(targets.Zip(predicted).Count(p => p.First == t && p.Second == c), matrix[t, c]);
        Assert.Equal(Rows, matrix.Cells.Sum(c => c.Count));
    }

    [Fact]
    public void Kl_compares_probabilities_and_bce_reads_scores_as_two_classes()
    {
        using var scope = NewDisposeScope();
        var output = nn.functional.log_softmax(Scores(Rows, 5, 1000), 1);
        var target = nn.functional.softmax(Scores(Rows, 5, 77), 1);
        double mae = (output.exp().to(ScalarType.Float64) - target.to(ScalarType.Float64)).abs().mean().item<double>();
        Assert.Equal(mae, Measure(new KlLoss(new KlOptions()), output, target, 50, new PluginSpec("mae", new NoMetricOptions())).Metrics["mae"].Value, 1e-12);

        var sums = Measure(new BceWithLogitsLoss(new BceWithLogitsOptions()), tensor(new float[] { 2, -1, 3, -2 }), tensor(new float[] { 1, 1, 0, 0 }), 4,
            new PluginSpec("accuracy", new NoMetricOptions()), new PluginSpec("recall", new ClassScoreOptions { Average = ScoreAverage.Binary })).Metrics;
        Assert.Equal(0.5, sums["accuracy"].Value);
        Assert.Equal(0.5, sums["recall_binary"].Value);
    }

    [Fact]
    public void Too_many_scores_or_classes_are_refused_with_the_limit()
    {
        using var scope = NewDisposeScope();
        var output = Scores(4, 1200, 1000);
        var target = tensor(new long[] { 1, 2, 3, 4 });
        PluginSpec[] metrics =
            [new("auc", new NoMetricOptions()), new("confusion-matrix", new NoMetricOptions()),
                new("f1", new ClassScoreOptions { Average = ScoreAverage.PerClass })];
        var set = new MetricSet(metrics, MetricCatalog.Create(), new CrossEntropyLoss(new CrossEntropyOptions()), Five, 2000);
        var error = Assert.Throws<SpecException>(() => set.Measure(output, target, new StepContext(new MetricSums())));
        Assert.Equal(3, error.Violations.Length);
        Assert.Contains($"would rank 2400000 scores (samples times classes), but at most {RankCounts.ScoresMax}", error.Message, StringComparison.Ordinal);
        Assert.Contains($"at most {ConfusionMatrix.ClassesMax} is written", error.Message, StringComparison.Ordinal);
        Assert.Contains("at most 100 are reported one by one", error.Message, StringComparison.Ordinal);
    }

    internal static (MetricSums Metrics, ConfusionMatrix? Matrix) Measure(ILoss loss, Tensor output, Tensor target, int sliceSize, params PluginSpec[] metrics)
    {
        long rows = target.size(0);
        var set = new MetricSet(metrics, MetricCatalog.Create(), loss, Five, rows);
        var ledger = new EvaluationLedger(1, DataSplit.Validation, rows, sliceSize);
        for (int i = 0; i < EvaluationLedger.SliceCount(rows, sliceSize); i++)
        {
            var slice = EvaluationLedger.Slice(rows, sliceSize, i);
            var sums = new MetricSums();
            set.Measure(output.narrow(0, slice.Begin, slice.Length), target.narrow(0, slice.Begin, slice.Length), new StepContext(sums));
            ledger.Add(i, sums);
        }
        return (ledger.Total(), ledger.Confusion());
    }

    private static (ILoss Loss, Tensor Output, Tensor Target) Batch(OutputReading reading) => reading switch
    {
        OutputReading.Classes => (new CrossEntropyLoss(new CrossEntropyOptions()), Scores(Rows, 5, 1000),
            tensor(Enumerable.Range(0, Rows).Select(i => (long)(i * 3 % 5)).ToArray())),
        OutputReading.Binary => (new BceWithLogitsLoss(new BceWithLogitsOptions()), Scores(Rows, 1, 1000),
            tensor(Enumerable.Range(0, Rows).Select(i => i % 3 == 0 ? 1f : 0).ToArray())),
        _ => (new MseLoss(), Scores(Rows, 2, 1000), Scores(Rows, 2, 77).flip(0)),
    };

    /// <summary>Scores of so many different values that look random.</summary>
    private static Tensor Scores(int rows, int columns, int levels) =>
        tensor(Enumerable.Range(0, rows * columns)
            .Select(i => (float)(Math.Floor(levels * (0.5 + 0.5 * Math.Sin(12.9898 * i + 0.37 * i * i))) / levels * 4 - 2)).ToArray()).reshape(rows, columns);

    private static double Pairwise(float[] scores, bool[] positive)
    {
        double right = 0, pairs = 0;
        for (int i = 0; i < scores.Length; i++)
            for (int j = 0; j < scores.Length; j++)
            {
                if (!positive[i] || positive[j]) continue;
                pairs++;
                right += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
            }
        return right / pairs;
    }
}
