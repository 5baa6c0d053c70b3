using System.Reflection;
using DistOpt.Core.Datasets;

namespace DistOpt.Torch;

/// <summary>A registered data set: how to open it.</summary>
public sealed class DatasetDefinition
{
    internal DatasetDefinition(Func<object, DataEnvironment, Dataset> open, Type batchType, Assembly code)
    {
        Open = open;
        BatchType = batchType;
        Code = code;
    }

    /// <summary>Opens the data set from its options record.</summary>
    public Func<object, DataEnvironment, Dataset> Open { get; }

    /// <summary>Type of its batches.</summary>
    public Type BatchType { get; }

    /// <summary>Assembly of the user's code, part of a job's fingerprint.</summary>
    internal Assembly Code { get; }
}
