using System.Runtime.CompilerServices;
using DistOpt.Core.Functions;
using DistOpt.Core.Specs;

namespace DistOpt;

/// <summary>Specs as the command line and <see cref="Training"/> read, resolve and write them, with a program's catalogues.</summary>
internal static class SpecFiles
{
    private static readonly ConditionalWeakTable<DistOptAppDefinition, SpecBinder> Binders = [];

    public static SpecCatalogs Catalogs(DistOptAppDefinition app) => Binder(app).Catalogs;

    /// <summary>The resolved spec of a file (null: the defaults) with settings.</summary>
    /// <exception cref="SpecException">All violations.</exception>
    public static TrainingSpec Read(string? path, IReadOnlyList<string> settings, DistOptAppDefinition app) =>
        (path is null ? Binder(app).Default(settings) : Binder(app).ReadTraining(path, settings)).Resolve();

    /// <summary>Whether a file is the spec of a study.</summary>
    /// <exception cref="SpecException">It cannot be read, or is no YAML.</exception>
    public static bool IsStudy(string path) => SpecBinder.IsStudy(SpecFile.Read(path), path);

    /// <summary>The resolved spec of a text.</summary>
    /// <param name="yaml">The text.</param>
    /// <param name="fileName">What errors of the whole text call it.</param>
    /// <exception cref="SpecException">All violations.</exception>
    public static TrainingSpec Parse(string yaml, string? fileName, DistOptAppDefinition app) => Binder(app).ParseTraining(yaml, fileName).Resolve();

    /// <summary>A spec that was made in code: checked, defaults filled in, gradient shards fixed.</summary>
    /// <exception cref="SpecException">All violations.</exception>
    public static TrainingSpec Resolve(TrainingSpec spec, DistOptAppDefinition app) => Binder(app).Check(spec).Resolve();

    public static string Write(TrainingSpec spec) => SpecWriter.Write(spec);

    public static SpecBinder Binder(DistOptAppDefinition app) => Binders.GetValue(app, static a => new SpecBinder(new SpecCatalogs
    {
        Models = FunctionModel.Models(a.Catalog.Models),
        Datasets = FunctionModel.Datasets(a.Catalog.Datasets),
        Augmentations = a.Catalog.Augmentations,
        Losses = a.Catalog.Losses,
        Metrics = a.Catalog.Metrics,
        Optimizers = a.Optimizers,
        Schedules = a.Schedules,
        Samplers = a.Samplers,
    }));
}
