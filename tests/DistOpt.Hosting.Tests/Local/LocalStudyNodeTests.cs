using Akka.Actor;
using Akka.Actor.Internal;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Hosting.Local;
using DistOpt.Hosting.Processes;
using DistOpt.Hosting.Studies;
using DistOpt.Hosting.Tests.Support;

namespace DistOpt.Hosting.Tests.Local;

/// <summary>Studies of this process whose attempts are to have processes of their own. Those that have them are in the end-to-end tests.</summary>
public sealed class LocalStudyNodeTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("distopt-local-study-").FullName;
    private readonly JobParts _parts = LinearParts.Of(new LinearRuntime());

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task Where_no_child_process_ever_starts_that_is_said_with_what_it_wrote_last()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no sh");
        var directory = new StudyDirectory(Path.Combine(_root, "study"));
        string file = Path.Combine(_root, "starts");
        using var session = new StudySession("s", Spec(), directory, _parts.Studies!, TimeProvider.System);

        var error = await Assert.ThrowsAsync<SpecException>(() => LocalStudyHost.RunAsync(session.Run, directory.JournalFile, _parts, null, Token,
            new ProgramStart("/bin/sh", ["-c", $"echo started >> {file}; echo its last word; exit 9"])));

        var violation = Assert.Single(error.Violations);
        Assert.Equal("study.isolation", violation.Path);
        Assert.Matches(@"^is process, but child processes of this program do not start: process \d \(pid \d+\) ended with exit code 9; its last word; mend that, "
            + "or leave isolation at auto", violation.Message);
        Assert.InRange((await File.ReadAllLinesAsync(file, Token)).Length, 3, 6);
        // the study goes on once that is mended: it has its journal, and nobody holds it
        Assert.True(File.Exists(directory.JournalFile));
        Assert.False(session.Run.Setup.SharesProcess);
    }

    /// <summary>Where each trial has one attempt only: none of them is lost by that.</summary>
    [Fact]
    public async Task A_study_whose_job_coordinator_breaks_leaves_off_with_the_reason_and_goes_on_without_a_loss()
    {
        var directory = new StudyDirectory(Path.Combine(_root, "study"));
        using var gate = new ManualResetEventSlim();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var runtime = new LinearRuntime
        {
            BeforeLeaf = (_, _) =>
            {
                begun.TrySetResult();
                Assert.True(gate.Wait(Eventually.Patience));
            },
        };
        var parts = LinearParts.Of(runtime);
        var spec = parts.Studies!.Read(LinearParts.StudyYaml(trials: 4).Replace("parallel: 2", "parallel: 2, max_attempts: 1", StringComparison.Ordinal));
        var commands = new StudyCommands();

        var broken = RunAsync(commands);
        await begun.Task.WaitAsync(Eventually.Patience, Token);
        await commands.GiveAsync(_ =>
        {
            InternalCurrentActorCellKeeper.Current!.System.ActorSelection("/user/*/jobs").Tell(Kill.Instance);
            return default;
        }, Token);
        gate.Set();
        var why = await Assert.ThrowsAsync<InvalidOperationException>(() => broken.WaitAsync(Eventually.Patience, Token));

        Assert.Equal("the job coordinator broke: Kill", why.Message);
        Assert.IsType<ActorKilledException>(why.InnerException);
        Assert.Equal(new TrialCounts(0, 0, 0, 4, 0, 0, 0), (await RunAsync(null).WaitAsync(Eventually.Patience, Token)).Counts);

        async Task<StudyStatus> RunAsync(StudyCommands? given)
        {
            using var session = new StudySession("s", spec, directory, parts.Studies, TimeProvider.System);
            return await LocalStudyHost.RunAsync(session.Run, directory.JournalFile, parts, given, Token);
        }
    }

    [Fact]
    public void What_the_machine_can_never_give_is_named()
    {
        var spec = Spec();
        var training = spec.Training.Training with { Workers = 2, WorkerMemory = 1 << 20, WorkerGpus = 4096 };

        var violations = LocalStudyNode.Violations(spec with { Training = spec.Training with { Training = training } }).ToList();

        Assert.Equal(["training.worker_gpus", "training.worker_memory"], violations.Select(v => v.Path));
        Assert.StartsWith("is 4096 for each of a trial's workers, at least 2, but this machine has ", violations[0].Message);
        Assert.StartsWith("is 1048576 GiB for each of a trial's workers, at least 2, but this machine has ", violations[1].Message);
        Assert.Empty(LocalStudyNode.Violations(spec));
        // nothing is counted where all share one process
        Assert.Empty(LocalStudyNode.Violations(spec with
        {
            Study = spec.Study with { Isolation = null },
            Training = spec.Training with { Training = training },
        }));
    }

    private StudySpec Spec() => _parts.Studies!.Read(LinearParts.StudyYaml(trials: 2).Replace("isolation: none", "isolation: process", StringComparison.Ordinal));
}
