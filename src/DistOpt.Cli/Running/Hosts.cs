using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt;

/// <summary>The composition root: what opens models and data, and what runs jobs.</summary>
internal static class Hosts
{
    public static IJobRuntimeFactory Runtimes(DistOptAppDefinition app) => app.Runtimes ?? throw new NotSupportedException("no tensor engine is built in");

    /// <exception cref="SpecException">So many processes are not possible here.</exception>
    public static ITrainingHost For(DistOptAppDefinition app, int processes) => app.Host ?? throw new NotSupportedException("no training host is built in");
}
