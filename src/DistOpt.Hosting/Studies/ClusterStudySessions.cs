using DistOpt.Actors.Studies;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Journal;
using DistOpt.Protocol;

namespace DistOpt.Hosting.Studies;

/// <summary>The studies of a cluster, in directories of the node that coordinates; wakes whoever waits for news of them.</summary>
internal sealed class ClusterStudySessions(StudyParts parts, RunDirectorySinks sinks, TimeProvider time) : IStudySessions
{
    public IStudySession Open(string study, string specYaml, string directory) =>
        new StudySession(study, parts.Read(specYaml), new StudyDirectory(directory), parts, time, new Watch(sinks, new JobId(study)));

    public StudySetup SetupOf(string specYaml) => parts.Setup(parts.Read(specYaml));

    public string SpecOf(string directory)
    {
        string file = new StudyDirectory(directory).SpecFile;
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SpecException("", $"'{file}' cannot be read: {e.Message}");
        }
    }

    private sealed class Watch(RunDirectorySinks sinks, JobId study) : IStudyWatch
    {
        public void Began(IReadOnlyList<TrialRecord> before) => sinks.Signal(study);

        public void Ended(TrialRecord trial, StudySpec spec) => sinks.Signal(study);

        public void Widened(StudyEvent.SpaceWidened widened) { }

        public void Stands(Func<StudyStatus> status) { }
    }
}
