using DistOpt.Core.Specs.Yaml;

namespace DistOpt.Core.Specs.Binding;

/// <summary>
/// <c>training.workers: {min: 2, max: 8}</c>, the form for workers that may come and go, written as the two fields that it stands for.
/// </summary>
internal static class WorkersForm
{
    private const string Path = "training.workers";

    /// <summary>The spec with the two fields in place of the form; unchanged where it is not used.</summary>
    public static MappingNode Expand(MappingNode spec, Violations violations)
    {
        if (spec.Get("training") is not MappingNode training || training.Get("workers") is not MappingNode form) return spec;
        foreach (var entry in form.Entries)
        {
            if (entry.Key is not ("min" or "max"))
                violations.Add($"{Path}.{entry.Key}", "is no field of it; it has min and max", entry.Line ?? form.Line);
        }
        if (form.Get("max") is not { } most)
        {
            violations.Add(Path, "has no max: write workers: {min: 2, max: 8}, or one number", form.Line);
            return spec.With("training", new MappingNode([.. training.Entries.Where(e => e.Key != "workers")], training.Line));
        }
        if (form.Get("min") is { } least)
        {
            if (training.Get("workers_min") is not null) violations.Add($"{Path}_min", $"is set, and so is {Path}.min: leave one of them out", form.Line);
            training = training.With("workers_min", least);
        }
        return spec.With("training", training.With("workers", most));
    }
}
