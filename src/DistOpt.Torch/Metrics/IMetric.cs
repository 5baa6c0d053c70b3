namespace DistOpt.Torch;

/// <summary>A metric that specs can name under <c>evaluate.metrics</c>. Thread-safe, without state.</summary>
public interface IMetric
{
    /// <summary>Whether it measures outputs of this kind.</summary>
    bool Fits(OutputReading reading);

    /// <summary>Why it cannot be measured on batches like this one; null where it can. Asked before training begins.</summary>
    string? Refusal(MetricBatch batch) => null;

    /// <summary>Logs the batch's share: sums that are added over all batches of a split.</summary>
    void Measure(MetricBatch batch, StepContext context);
}
