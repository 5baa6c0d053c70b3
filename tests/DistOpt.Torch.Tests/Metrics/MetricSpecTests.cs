using DistOpt.Core.Batching;
using DistOpt.Core.Parameters;
using DistOpt.Core.Schedules;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Losses;
using DistOpt.Torch.Metrics;
using DistOpt.Torch.Tests.Engine;

namespace DistOpt.Torch.Tests.Metrics;

/// <summary>What a spec names under evaluate.metrics, as it is opened.</summary>
[Collection(EngineCollection.Name)]
public sealed class MetricSpecTests
{
    private static readonly TrainingSpec Spec = TestJobs.Mlp();

    [Fact]
    public void Metrics_that_do_not_fit_are_refused_at_opening_with_those_that_do()
    {
        var error = Refused(Spec with
        {
            Evaluate = Metrics(new PluginSpec("r2", new NoMetricOptions()), new PluginSpec("f1", new ClassScoreOptions()),
                new PluginSpec("top-k", new TopKOptions { K = 5 }), new PluginSpec("rmse", new NoMetricOptions())),
        });
        Assert.Equal(["'r2'", "'top-k'", "'rmse'"], error.Violations.Select(v => v.Message.Split(' ')[0]));
        Assert.All(error.Violations, v => Assert.Equal("evaluate.metrics", v.Path));
        Assert.EndsWith("does not fit: this data and loss have classes. Fitting: accuracy, top-k, precision, recall, f1, auc, confusion-matrix",
            error.Violations[0].Message, StringComparison.Ordinal);
        error = Refused(Spec with { Evaluate = Metrics(new PluginSpec("f2", new NoMetricOptions())) });
        Assert.StartsWith("metric 'f2' is not known. Available: accuracy, top-k", error.Violations[0].Message, StringComparison.Ordinal);
        error = Refused(Spec with { Evaluate = Metrics(new PluginSpec("auc", new NoMetricOptions()), new PluginSpec("auc", new NoMetricOptions())) });
        Assert.Contains("twice", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_is_not_selected_or_stopped_by_what_is_not_measured()
    {
        var wanting = Spec with
        {
            Select = new SelectSection { Metric = "validation.f1", Direction = Direction.Maximize },
            Stop = new StopSection { Target = new TargetSection { Metric = "validation.auc", AtLeast = 0.9 } },
            Schedule = new ScheduleSpec { Kind = "reduce-on-plateau", Options = new ReduceOnPlateauOptions { Metric = "validation.f1" } },
        };
        var error = Refused(wanting);
        Assert.Equal(["select.metric", "stop.target.metric", "schedule.metric"], error.Violations.Select(v => v.Path));
        Assert.Contains("is 'validation.f1', but an evaluation measures validation.loss, validation.accuracy", error.Message, StringComparison.Ordinal);
        using var opened = TestJobs.Open(wanting with
        {
            Evaluate = Metrics(new PluginSpec("f1", new ClassScoreOptions()), new PluginSpec("auc", new NoMetricOptions())),
        });
    }

    [Fact]
    public void A_train_metric_that_training_steps_do_not_measure_is_refused_with_those_that_they_do()
    {
        var wanting = Spec with
        {
            Select = new SelectSection { Metric = "train.los" },
            Stop = new StopSection
            {
                Target = new TargetSection { Metric = "train.f1", AtLeast = 0.9 },
                Patience = new PatienceSection { Metric = "train.gradient_norm", Direction = Direction.Minimize },
            },
            Evaluate = Metrics(new PluginSpec("f1", new ClassScoreOptions()), new PluginSpec("accuracy", new NoMetricOptions())),
        };
        Assert.Equal(
            ["select.metric: is 'train.los', but training steps measure train.loss, train.accuracy; choose one of them, or add the metric to evaluate.metrics",
                "stop.target.metric: is 'train.f1', but f1 is no mean over samples, so training steps do not add it up; use validation.f1, or one of "
                + "train.loss, train.accuracy"],
            Refused(wanting).Violations.Select(v => v.ToString()));
        using var opened = TestJobs.Open(wanting with
        {
            Select = new SelectSection { Metric = "train.accuracy" },
            Stop = wanting.Stop with { Target = wanting.Stop.Target! with { Metric = "train.loss" } },
        });
    }

    /// <summary>Only what was asked for, and the same whatever else is evaluated; the gradient stays what it was.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_training_step_measures_what_the_spec_decides_by_and_nothing_else(bool isChosen)
    {
        var asking = Spec with { Stop = new StopSection { Target = new TargetSection { Metric = "train.accuracy", AtLeast = 0.9 } } };
        PluginSpec auc = new("auc", new NoMetricOptions()), chosen = new("accuracy", new NoMetricOptions());
        if (isChosen) asking = asking with { Evaluate = Metrics(auc, chosen) };
        var (silent, without) = Step(Spec, 6);
        var (measured, with) = Step(asking, 6);
        Assert.Equal(["loss"], silent.Metrics.Select(m => m.Key));
        Assert.Equal(["loss", "accuracy"], measured.Metrics.Select(m => m.Key));
        Assert.Empty(measured.Metrics.Counts);
        Assert.Equal(without, with);
        Assert.Equal(silent.Metrics["loss"], measured.Metrics["loss"]);
        var accuracy = measured.Metrics["accuracy"];
        Assert.Equal((6.0, true), (accuracy.Weight, accuracy.Sum == Math.Round(accuracy.Sum)));
        // sample by sample it comes to the same
        double right = 0;
        for (int i = 0; i < 6; i++) right += Step(asking, 1, i).Result.Metrics["accuracy"].Sum;
        Assert.Equal(right, accuracy.Sum);
    }

    private static (LeafResult Result, float[] Gradient) Step(TrainingSpec spec, int length, int begin = 0)
    {
        using var runtime = TestJobs.Open(spec);
        var weights = new FlatBuffer(runtime.Layout.ParameterCount);
        runtime.WriteInitialWeights(weights.Span, new float[runtime.Layout.BufferCount]);
        using var worker = runtime.CreateWorker(weights);
        var gradient = new FlatBuffer(runtime.Layout.ParameterCount);
        var result = worker.ComputeLeaf(new StepPlan(0, 0, begin, length, 0.1), new PositionRange(0, length), 0, gradient, [], []);
        return (result, gradient.Span.ToArray());
    }

    [Fact]
    public void A_model_that_gives_fewer_scores_than_there_are_classes_is_refused_at_opening()
    {
        var catalog = TestJobs.Catalog().AddModel<NoOptions>("narrow", (_, _) => TorchSharp.torch.nn.Linear(ToyData.Features, 2));
        var error = Assert.Throws<SpecException>(() => TestJobs.Open(TestJobs.Spec("narrow", new NoOptions()), catalog));
        Assert.Contains("model 'narrow' gives 2 scores, but data set 'toy' has 3 classes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_of_a_loss_that_do_not_fit_the_data_are_refused_at_opening()
    {
        var error = Refused(Spec with { Loss = new PluginSpec("cross-entropy", new CrossEntropyOptions { Weight = [1, 2] }) });
        Assert.Equal("loss.weight", Assert.Single(error.Violations).Path);
    }

    private static SpecException Refused(TrainingSpec spec) => Assert.Throws<SpecException>(() => TestJobs.Open(spec));

    private static EvaluateSection Metrics(params PluginSpec[] metrics) => new() { Metrics = [.. metrics] };
}
