using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Studies;
using DistOpt.Hosting.Studies;
using DistOpt.Hosting.Tests.Support;

namespace DistOpt.Hosting.Tests.Studies;

public sealed class StudySessionTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("distopt-session-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Whoever_runs_a_study_knows_whether_the_process_before_died_over_it()
    {
        var directory = new StudyDirectory(Path.Combine(_root, "study"));
        var parts = LinearParts.Of(new LinearRuntime()).Studies!;
        var spec = parts.Read(LinearParts.StudyYaml(trials: 3));

        Assert.False(HasDied());
        Assert.False(HasDied());
        // as one that was killed leaves it
        File.WriteAllBytes(directory.RunningFile, []);
        Assert.True(HasDied());
        Assert.False(HasDied());

        bool HasDied()
        {
            using var session = new StudySession("s", spec, directory, parts, TimeProvider.System);
            Assert.True(File.Exists(directory.RunningFile));
            Assert.Equal(Path.GetFullPath(directory.Path), session.Run.Directory);
            return session.Run.HasDied;
        }
    }
}
