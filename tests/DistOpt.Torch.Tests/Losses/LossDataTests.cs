using System.Globalization;
using DistOpt.Core.Batching;
using DistOpt.Core.Datasets;
using DistOpt.Core.Optimizers;
using DistOpt.Core.Parameters;
using DistOpt.Core.Randomness;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Losses;
using DistOpt.Torch.Metrics;
using DistOpt.Torch.Tests.Engine;

namespace DistOpt.Torch.Tests.Losses;

/// <summary>Losses beside the data of a job, as it is opened.</summary>
[Collection(EngineCollection.Name)]
public sealed class LossDataTests
{
    public static TheoryData<string> Names => [.. LossCatalog.Create().Entries.Select(e => e.Name)];

    /// <summary>Three classes, a score for each: what does not fit is the spec's fault, not the model's.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void On_data_with_classes_every_loss_opens_or_is_refused_by_name(string name)
    {
        var entry = LossCatalog.Create().Entries.Single(e => e.Name == name);
        var spec = TestJobs.Mlp() with { Loss = new PluginSpec(name, Activator.CreateInstance(entry.OptionsType)) };
        if (name is "cross-entropy" or "hinge")
        {
            using var opened = TestJobs.Open(spec);
            return;
        }
        var violation = Assert.Single(Assert.Throws<SpecException>(() => TestJobs.Open(spec)).Violations);
        if (name == "nll")
        {
            Assert.Equal("loss.input", violation.Path);
            return;
        }
        Assert.Equal("loss.kind", violation.Path);
        Assert.Equal($"is {name}, which compares values one by one, but the targets are class indices, [8], and the model gives [8, 3]; "
            + "use cross-entropy or hinge, or a model with one score for each sample", violation.Message);
    }

    /// <summary>
    /// Options and label columns of the table below with which a spec trains the loss. A new loss must come here: none is out of reach of a spec file.
    /// </summary>
    private static readonly Dictionary<string, (object Options, string[] Labels, string Task)[]> Reach = new()
    {
        ["cross-entropy"] = [(new CrossEntropyOptions(), ["three"], "classification"), (new CrossEntropyOptions { LabelSmoothing = 0.3 }, ["two"], "classification")],
        ["mse"] = [(new NoLossOptions(), ["p"], "regression"), (new NoLossOptions(), ["p", "q", "r"], "auto")],
        ["mae"] = [(new NoLossOptions(), ["p"], "regression"), (new NoLossOptions(), ["p", "q", "r"], "auto")],
        ["huber"] = [(new HuberOptions(), ["p"], "regression"), (new HuberOptions(), ["p", "q", "r"], "auto")],
        ["bce-with-logits"] = [(new BceWithLogitsOptions(), ["two"], "classification"), (new BceWithLogitsOptions { PosWeight = [3] }, ["two"], "classification"),
            (new BceWithLogitsOptions { PosWeight = [1, 2, 3] }, ["p", "q", "r"], "auto")],
        ["nll"] = [(new NllOptions { Input = LossInput.Scores }, ["three"], "classification")],
        ["hinge"] = [(new HingeOptions(), ["three"], "classification"), (new HingeOptions { SingleScore = true }, ["two"], "classification"),
            (new HingeOptions { SingleScore = true, P = 2, Weight = [1, 2] }, ["two"], "classification")],
        ["kl"] = [(new KlOptions { Input = LossInput.Scores }, ["p", "q", "r"], "auto")],
    };

    public static TheoryData<string, int> Reached => [.. LossCatalog.Create().Entries
        .SelectMany(e => Enumerable.Range(0, Math.Max(1, Reach.GetValueOrDefault(e.Name)?.Length ?? 0)).Select(i => (e.Name, i)))];

    [Theory]
    [MemberData(nameof(Reached))]
    public void A_spec_over_a_table_trains_every_loss(string name, int variant)
    {
        Assert.True(Reach.ContainsKey(name), $"{name} is trained by no spec here");
        using var table = new Table();
        var spec = table.Spec(name, Reach[name][variant]);
        using var job = TestJobs.Open(spec);
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var rule = new UpdateRule(new Adam(new AdamOptions()));
        var range = new KeyRange(0, weights.Length);
        using var shard = new ParameterShard<Nothing>(weights.Memory, rule, job.Layout, range, new ReductionTree(1), _ => new float[weights.Length]);
        var gradient = new FlatBuffer(weights.Length);
        double before = Measured(MetricSums.Loss);
        int size = (int)job.Data.Train;
        for (int step = 0; step < 60; step++)
        {
            var plan = new StepPlan(step, step, 0, size, 0.05);
            var leaf = worker.ComputeLeaf(plan, new PositionRange(0, size), 0, gradient, buffers, []);
            shard.Apply(plan, gradient.Span, leaf.Weight);
        }
        double after = Measured(MetricSums.Loss);
        // distributions and smoothed targets leave a loss that cannot fall to 0
        Assert.True(after < 0.9 * before, $"{before} became {after}");

        // what the run's files predict is what it measured
        if (Reach[name][variant].Task != "classification") return;
        double accuracy = Measured("accuracy");
        Assert.InRange(accuracy, 0.7, 1);
        using var folder = new Inference.RunFolder();
        job.SaveModel(folder.Files.ModelFile, weights.Memory, buffers);
        job.SaveInference(folder.Files.InferenceFile);
        using var predictor = Predictor.Load(folder.Path);
        var (inputs, classes) = table.Rows(Reach[name][variant].Labels[0]);
        var predictions = predictor.Predict(inputs, classes.Length);
        Assert.All(predictions, p => Assert.Equal(1, p.Probabilities.Sum(), 5));
        Assert.All(predictions, p => Assert.Equal(p.ClassIndex, p.Probabilities.IndexOf(p.Probabilities.Max())));
        int right = predictions.Where((p, i) => p.ClassName == classes[i]).Count();
        // the table's rows are the training, validation and test parts together
        double total = new[] { DataSplit.Train, DataSplit.Validation, DataSplit.Test }.Sum(s => Of("accuracy", s).Sum);
        Assert.Equal(total, right);

        double Measured(string metric) => Of(metric, DataSplit.Train).Value;

        MetricSum Of(string metric, DataSplit split) => worker.Evaluate(split, new PositionRange(0, job.Data.Of(split)), buffers)[metric];
    }

    [Fact]
    public void Auc_and_f1_of_a_single_score_are_those_of_two_classes()
    {
        using var table = new Table();
        var spec = table.Spec("bce-with-logits", (new BceWithLogitsOptions(), ["two"], "classification")) with
        {
            Evaluate = new EvaluateSection
            {
                Metrics = [new PluginSpec("auc", new NoMetricOptions()), new PluginSpec("f1", new ClassScoreOptions { Average = ScoreAverage.PerClass })],
            },
        };
        using var job = TestJobs.Open(spec);
        var (weights, buffers) = TestJobs.Initial(job);
        using var worker = job.CreateWorker(weights);
        var ledger = new EvaluationLedger(0, DataSplit.Train, job.Data.Train, 50);
        for (int i = 0; i * 50 < job.Data.Train; i++) ledger.Add(i, worker.Evaluate(DataSplit.Train, EvaluationLedger.Slice(job.Data.Train, 50, i), buffers));
        Assert.Equal(["auc", "f1/no", "f1/yes", "loss"], ledger.Total().Select(m => m.Key).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("hinge", "loss.single_score")]
    [InlineData("bce-with-logits", "loss.pos_weight")]
    public void A_single_score_that_the_data_has_no_place_for_is_refused(string name, string field)
    {
        using var table = new Table();
        object options = name == "hinge" ? new HingeOptions { SingleScore = true } : new BceWithLogitsOptions { PosWeight = [1, 2] };
        var spec = table.Spec(name, (options, [name == "hinge" ? "three" : "two"], "classification"));
        Assert.Equal(field, Assert.Single(Assert.Throws<SpecException>(() => TestJobs.Open(spec)).Violations).Path);
    }

    /// <summary>A table of 200 rows: two inputs, a label of two classes and one of three, and a distribution over three that goes with them.</summary>
    private sealed class Table : IDisposable
    {
        private readonly string _path = Path.Combine(Path.GetTempPath(), $"distopt-{Guid.NewGuid():N}.csv");
        private readonly List<(float X, float Y, string Two, string Three)> _rows = [];

        public Table()
        {
            var text = new System.Text.StringBuilder("x,y,two,three,p,q,r\n");
            var random = new CounterRandom(5, RandomPurpose.Data);
            for (int i = 0; i < 200; i++)
            {
                double x = random.NextGaussian(), y = random.NextGaussian();
                double[] shares = [Math.Exp(2 * x), Math.Exp(2 * y), Math.Exp(-x - y)];
                double sum = shares.Sum();
                int best = Array.IndexOf(shares, shares.Max());
                var row = ((float)x, (float)y, x + y > 0 ? "yes" : "no", "abc"[best].ToString());
                _rows.Add(row);
                string[] numbers = [.. shares.Select(s => (s / sum).ToString("R", CultureInfo.InvariantCulture))];
                text.Append(CultureInfo.InvariantCulture, $"{row.Item1:R},{row.Item2:R},{row.Item3},{row.Item4},{string.Join(',', numbers)}\n");
            }
            File.WriteAllText(_path, text.ToString());
        }

        public TrainingSpec Spec(string loss, (object Options, string[] Labels, string Task) how)
        {
            string[] all = ["two", "three", "p", "q", "r"];
            var csv = new CsvOptions { Path = _path, Ignore = [.. all.Except(how.Labels)], Task = how.Task, Normalize = false };
            csv = how.Labels.Length == 1 ? csv with { Label = how.Labels[0] } : csv with { Labels = [.. how.Labels] };
            return TestJobs.Spec("linear", new DistOpt.Torch.Models.LinearOptions()) with
            {
                Data = new DataSpec { Kind = "csv", Options = csv, Prefetch = 0 },
                Loss = new PluginSpec(loss, how.Options),
            };
        }

        public (float[] Inputs, string[] Classes) Rows(string label) =>
            ([.. _rows.SelectMany(r => new[] { r.X, r.Y })], [.. _rows.Select(r => label == "two" ? r.Two : r.Three)]);

        public void Dispose() => File.Delete(_path);
    }

    private sealed class Nothing : IDisposable
    {
        public void Dispose() { }
    }
}
