using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace DistOpt.Core.Averaging;

/// <summary>When weights enter an average, and what becomes of buffers.</summary>
public abstract record AveragingOptions : IValidatableObject
{
    [Description("Epochs, from the run's first one, before averaging begins (not where the batch varies, since their steps are not known before); null = by start_step")]
    [Range(0, 1_000_000)]
    public int? StartEpoch { get; init; }

    [Description("The same in steps; null = by start_epoch, or where both are null when the kind says")]
    [Range(0, long.MaxValue)]
    public long? StartStep { get; init; }

    [Description("Steps from one entry to the next; null = as the kind says")]
    [Range(1, long.MaxValue)]
    public long? EverySteps { get; init; }

    [Description("Whether batch-norm statistics are averaged like the weights (torch's use_buffers); false = those of the weights that entered last")]
    public bool UseBuffers { get; init; } = true;

    [Description("Whether batch-norm statistics are measured anew with the averaged weights, by a pass over the training part, whenever these are evaluated or "
        + "written (torch's update_bn; Izmailov et al. 2018, algorithm 1); every worker makes the pass, so an evaluation takes as long as that")]
    public bool UpdateBatchNorm { get; init; }

    public virtual IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (StartEpoch is not null && StartStep is not null)
            yield return new ValidationResult("is set, and so is start_epoch; leave one of them out", [nameof(StartStep)]);
    }

    /// <summary>Updates before averaging begins; null where no field says.</summary>
    internal long? Start(in AveragedRun run) => StartStep ?? StartEpoch * run.StepsPerEpoch;
}
