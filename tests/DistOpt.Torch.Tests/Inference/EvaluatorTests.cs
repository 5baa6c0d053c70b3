using DistOpt.Core.Datasets;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;
using DistOpt.Torch.Engine;
using DistOpt.Torch.Losses;
using DistOpt.Torch.Models;
using TorchSharp;

namespace DistOpt.Torch.Tests.Inference;

public sealed class EvaluatorTests : IDisposable
{
    private static readonly TorchRuntimeFactory Factory = new(TorchCatalog.Default(), new DataEnvironment { Root = Path.GetTempPath() });

    private static readonly TrainingSpec Spec = new()
    {
        Data = new DataSpec { Kind = "digits", Options = new DigitsOptions() },
        Model = new ModelSpec { Kind = "cnn", Options = new CnnOptions { Dropout = 0.4 } },
        Loss = new PluginSpec("cross-entropy", new CrossEntropyOptions()),
        Evaluate = new EvaluateSection { BatchSize = 100 },
    };

    private readonly RunFolder _run = new();

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData(DataSplit.Validation)]
    [InlineData(DataSplit.Test)]
    public void A_saved_run_is_measured_to_the_bits_of_the_run(DataSplit split)
    {
        var own = SaveRun(split, out long count);
        // another seed: the weights come from the file
        var other = Spec with { Seed = Spec.Seed + 1 };
        var again = Evaluator.Evaluate(Factory, other, _run.Files, split, TestContext.Current.CancellationToken);
        Assert.Equal(["loss", "accuracy"], again.Select(m => m.Key));
        Assert.Equal(own, again);
        Assert.Equal(count, again["accuracy"].Weight);
    }

    [Fact]
    public void A_predictor_gives_the_figures_of_the_runs_own_evaluation()
    {
        var own = SaveRun(DataSplit.Test, out long count);
        var source = DatasetCatalog.Create().Get("digits")(new DigitsOptions(), new DataEnvironment { Root = Path.GetTempPath() });
        long[] indices;
        using (var job = (TorchJobRuntime)Factory.Open(Spec)) indices = job.Splits.Test.ToArray();
        float[] inputs = new float[indices.Length * 64];
        SupervisedBatcher.FillInputs(source, indices, normalization: null, inputs);

        using var predictor = Predictor.Load(_run.Path);
        var predictions = predictor.Predict(inputs, indices.Length);
        Assert.Equal(count, predictions.Length);
        int right = 0;
        double loss = 0;
        for (int i = 0; i < predictions.Length; i++)
        {
            int label = source.Labels[(int)indices[i]];
            if (predictions[i].ClassIndex == label) right++;
            loss -= Math.Log(predictions[i].Probabilities[label]);
        }
        Assert.Equal(own["accuracy"].Sum, right);
        Assert.Equal(own["loss"].Value, loss / predictions.Length, 1e-5);
    }

    [Fact]
    public void An_empty_part_is_bad_input()
    {
        SaveRun(DataSplit.Test, out _);
        var none = Spec with { Data = Spec.Data with { ValidationFraction = 0 } };
        var error = Assert.Throws<SpecException>(
            () => Evaluator.Evaluate(Factory, none, _run.Files, DataSplit.Validation, TestContext.Current.CancellationToken));
        Assert.Equal("the validation part of data set 'digits' is empty: there is nothing to measure", error.Message);
    }

    [Fact]
    public void Weights_of_another_model_are_bad_input()
    {
        SaveRun(DataSplit.Test, out _);
        var other = Spec with { Model = new ModelSpec { Kind = "mlp", Options = new MlpOptions() } };
        Assert.Throws<SpecException>(
            () => Evaluator.Evaluate(Factory, other, _run.Files, DataSplit.Test, TestContext.Current.CancellationToken));
    }

    /// <summary>Saves a run with weights that no seed makes, and measures it as its workers would.</summary>
    private MetricSums SaveRun(DataSplit split, out long count)
    {
        using var job = Factory.Open(Spec);
        var weights = new DistOpt.Core.Parameters.FlatBuffer(job.Layout.ParameterCount);
        job.WriteInitialWeights(weights.Span, []);
        for (int i = 0; i < weights.Length; i++) weights.Span[i] *= 1.5f;
        job.SaveModel(_run.Files.ModelFile, weights.Memory, default);
        job.SaveInference(_run.Files.InferenceFile);
        count = job.Data.Of(split);
        var ledger = new EvaluationLedger(1, split, count, 100);
        // the slices of two workers, the later ones first
        using var first = job.CreateWorker(weights);
        using var second = job.CreateWorker(weights);
        for (int slice = EvaluationLedger.SliceCount(count, 100) - 1; slice >= 0; slice--)
            ledger.Add(slice, (slice % 2 == 0 ? first : second).Evaluate(split, EvaluationLedger.Slice(count, 100, slice), []));
        return ledger.Total();
    }
}
