namespace DistOpt.Core.Schedules;

/// <summary>
/// Where a run stands, as schedules see it. Time counts in steps where the batch is fixed. Where its size varies time counts in samples, told as
/// steps of the nominal batch: the share of the run that is done is then the share of its samples, and a field in steps means as many samples as
/// so many nominal batches have. Where every batch is the nominal one both counts are the same whole numbers, and so are the rates to the bit.
/// </summary>
public readonly record struct SchedulePosition
{
    /// <summary>The horizon of a schedule whose warm-up leaves it none: so long that all of it lies ahead.</summary>
    private const double Unreached = 1e15;

    /// <summary>Updates applied before, from 0.</summary>
    public long Step { get; private init; }

    /// <summary>Samples trained on before, from 0.</summary>
    public long Samples { get; private init; }

    /// <summary>Steps since the schedule began: since the run began, or since its warm-up ended. At least 0.</summary>
    public double Time { get; private init; }

    /// <summary>Steps that the run has after its warm-up if nothing ends it earlier.</summary>
    public double Horizon { get; private init; }

    /// <summary>Steps in an epoch, above 0.</summary>
    public double EpochLength { get; private init; }

    /// <summary>Steps of the warm-up that lies behind; 0 without one.</summary>
    public double WarmUp { get; private init; }

    /// <summary>Position by steps: a fixed batch, or a run whose length is given in steps.</summary>
    /// <param name="step">Updates applied before, from 0.</param>
    /// <param name="samples">Samples trained on before.</param>
    /// <param name="totalSteps">Steps of the run, at least 1.</param>
    /// <param name="stepsPerEpoch">At least 1.</param>
    public static SchedulePosition InSteps(long step, long samples, long totalSteps, long stepsPerEpoch) =>
        new() { Step = step, Samples = samples, Time = step, Horizon = totalSteps, EpochLength = stepsPerEpoch };

    /// <summary>Position by samples: a batch whose size varies.</summary>
    /// <param name="step">Updates applied before, from 0.</param>
    /// <param name="samples">Samples trained on before.</param>
    /// <param name="totalSamples">Samples of the run, at least 1.</param>
    /// <param name="samplesPerEpoch">At least 1.</param>
    /// <param name="nominalBatch">Samples that count as one step, at least 1: the batch that the strategy begins with.</param>
    public static SchedulePosition InSamples(long step, long samples, long totalSamples, long samplesPerEpoch, int nominalBatch) => new()
    {
        Step = step,
        Samples = samples,
        Time = samples / (double)nominalBatch,
        Horizon = totalSamples / (double)nominalBatch,
        EpochLength = samplesPerEpoch / (double)nominalBatch,
    };

    /// <summary>Position by AdaScale's progress, in steps of the base batch.</summary>
    /// <param name="step">Updates applied before, from 0.</param>
    /// <param name="samples">Samples trained on before.</param>
    /// <param name="progress">Scale-invariant iterations before: the sum of the gains.</param>
    /// <param name="total">Of them in the run.</param>
    /// <param name="perEpoch">Steps of the base batch in an epoch, above 0.</param>
    public static SchedulePosition InProgress(long step, long samples, double progress, double total, double perEpoch) =>
        new() { Step = step, Samples = samples, Time = progress, Horizon = total, EpochLength = perEpoch };

    /// <summary>The same position counted from the end of a warm-up; before that end, from the first moment after it.</summary>
    public SchedulePosition After(double warmUp) => this with
    {
        Time = Math.Max(0, Time - warmUp),
        Horizon = Left(Horizon - warmUp, Time < warmUp),
        WarmUp = WarmUp + warmUp,
        IsBefore = Time < warmUp,
    };

    /// <summary>Steps until the schedule's end: <paramref name="totalSteps"/>, which count from the run's first step, or the run's length.</summary>
    public double HorizonOr(long? totalSteps) => totalSteps is { } total ? Left(total - WarmUp, IsBefore) : Horizon;

    /// <summary>Whether the warm-up is not over: what schedules are asked for is the rate at which they begin.</summary>
    private bool IsBefore { get; init; }

    /// <summary>A schedule that begins has not ended, even if the warm-up takes the whole run.</summary>
    private static double Left(double horizon, bool isBefore) => isBefore && horizon < 1 ? Unreached : Math.Max(0, horizon);

    /// <summary>Share of the horizon that is done, from 0 to 1.</summary>
    public double ShareOf(double horizon) => horizon <= 0 ? 1 : Math.Min(1, Time / horizon);

    /// <summary>Whole units since the schedule began.</summary>
    public double Whole(ScheduleUnit unit) => Wholes(unit == ScheduleUnit.Epochs ? Time / EpochLength : Time);

    /// <summary>Whole numbers up to a quotient of times, which where batches vary are rounded themselves: 7 epochs may come out as 6.999999999999999.</summary>
    internal static double Wholes(double quotient) => Math.Floor(quotient + 1e-12 * Math.Max(1, quotient));

    /// <summary>So many units in steps.</summary>
    public double Length(double count, ScheduleUnit unit) => unit == ScheduleUnit.Epochs ? count * EpochLength : count;
}

/// <summary>What a schedule's counts mean: where PyTorch's <c>scheduler.step()</c> would be called.</summary>
public enum ScheduleUnit
{
    Epochs,
    Steps,
}
