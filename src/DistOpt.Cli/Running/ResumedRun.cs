using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>A run that is gone on with: its own spec, in which only what does not change the bits may be set anew.</summary>
internal sealed record ResumedRun(string Job, TrainingSpec Spec, RunDirectory Directory)
{
    /// <param name="run">Its folder, name or id.</param>
    /// <param name="specFile">What the user gave as SPEC; has no place beside a resumed run.</param>
    /// <param name="outPath">What the user gave as <c>--out</c>; likewise.</param>
    /// <param name="settings"><c>path=value</c>.</param>
    /// <exception cref="SpecException">All violations.</exception>
    public static ResumedRun Open(string run, string? specFile, string? outPath, IReadOnlyList<string> settings, string root, DistOptAppDefinition app)
    {
        var violations = new ViolationCollector();
        if (specFile is not null) violations.Add("spec", $"'{specFile}' is given beside --resume: a run is resumed with its own spec; leave it away, and change workers, servers and limits by --set");
        if (outPath is not null) violations.Add("--out", $"'{outPath}' is given beside --resume: a resumed run stays in its folder; leave it away");
        var reader = violations.Try(() => RunDirectoryReader.Open(run, root));
        violations.ThrowIfAny();

        var own = SpecFiles.Parse(reader!.SpecText(), reader.Directory.SpecFile, app);
        var spec = SpecFiles.Binder(app).Check(own, settings).Resolve();
        if (SpecIdentity.Hash(spec) != SpecIdentity.Hash(own))
        {
            foreach (string line in Changed(SpecIdentity.Text(own), SpecIdentity.Text(spec)))
                violations.Add("--set", $"{line}: this changes the bits of the run; a resumed run can only change workers, servers, paths and limits. Begin a new run for it");
        }
        // what is where is known of the kind that wrote it
        if (spec.Storage.Kind != own.Storage.Kind)
        {
            violations.Add("storage.kind", $"is '{spec.Storage.Kind}', but the run's checkpoints are in storage of kind '{own.Storage.Kind}'; "
                + "a resumed run keeps it, storage.path may change");
        }
        var summary = reader.Summary();
        if (summary?.Status == RunStatus.Completed) violations.Add("--resume", $"'{reader.Directory.Path}' is complete ({RunJson.Name(summary.StopReason ?? StopReason.Epochs)} after {summary.Steps} steps): there is nothing left to do");
        violations.ThrowIfAny();
        return new ResumedRun(summary?.Job ?? reader.SharedJob() ?? Path.GetFileName(Path.GetFullPath(reader.Directory.Path)), spec, reader.Directory);
    }

    private static IEnumerable<string> Changed(string before, string after)
    {
        string[] old = before.Split('\n');
        return after.Split('\n').Where(line => !old.Contains(line)).Select(line => $"'{line.Trim()}'");
    }
}
