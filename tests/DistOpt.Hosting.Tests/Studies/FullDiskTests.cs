using System.Diagnostics;
using DistOpt.Actors.Studies;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Studies;
using DistOpt.Hosting.Tests.Support;

namespace DistOpt.Hosting.Tests.Studies;

/// <summary>A study on a disk that is full before it is done: a file system in memory, as small as it is made.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly string _disk = Directory.CreateTempSubdirectory("distopt-disk-").FullName;
    private bool _isMounted;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        if (_isMounted) Run("umount", _disk);
        Directory.Delete(_disk, recursive: true);
    }

    [Fact]
    public async Task A_study_whose_disk_is_full_says_so_and_goes_on_without_a_loss_once_there_is_room()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess, "only root may mount a small disk");
        _isMounted = Run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", _disk);
        Assert.SkipUnless(_isMounted, "no file system may be mounted here");
        var directory = new StudyDirectory(Path.Combine(_disk, "study"));
        var parts = LinearParts.Of(new LinearRuntime());
        var spec = parts.Studies!.Read(LinearParts.StudyYaml(trials: 60).Replace("parallel: 2", "parallel: 2, sampler: random, max_attempts: 1"));

        var full = await Assert.ThrowsAsync<StudyDiskFullException>(RunAsync);
        Assert.StartsWith($"the disk of '{directory.Path}' is full (", full.Message);
        Assert.InRange(directory.TrialLines().Count, 1, 59);
        // nothing has become of it
        Assert.Matches("is full|No space left", (await Assert.ThrowsAnyAsync<Exception>(RunAsync)).Message);
        Assert.True(Run("mount", "-o", "remount,size=64m", _disk));
        var status = await RunAsync();

        Assert.Equal(new TrialCounts(0, 0, 0, 60, 0, 0, 0), status.Counts);
        Assert.Equal(60, directory.TrialLines().Count);

        async Task<StudyStatus> RunAsync()
        {
            using var session = new StudySession("s", spec, directory, parts.Studies, TimeProvider.System);
            return await LocalStudyHost.RunAsync(session.Run, directory.JournalFile, parts, null, Token);
        }
    }

    private static bool Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
