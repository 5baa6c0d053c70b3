using System.Text.Json.Nodes;
using DistOpt.EndToEnd.Tests.Support;

namespace DistOpt.EndToEnd.Tests.Studies;

/// <summary>A study on a cluster some of whose trials take their process along.</summary>
public sealed class DoomedTrialsTests
{
    [Fact]
    public async Task Trials_that_throw_abort_or_allocate_without_end_have_failed_with_the_reason_and_all_others_are_complete()
    {
        await using var cluster = new KillableCluster(workers: 1, servers: 0, ProgramProcess.Fixture, workersServe: true, slots: 2, trialMemory: 1L << 30);
        await cluster.JoinedAsync(cluster.Processes.Count);
        int[] before = [.. cluster.Processes.Select(p => p.Process.Pid)];

        // position 640 is in the middle of the only epoch, the other one in none
        string id = await cluster.SubmitAsync("""
            name: doomed
            data: { name: digits, validation_fraction: 0.15 }
            model: { kind: crasher }
            training: { epochs: 1, workers: 1, servers: 1 }
            study: { metric: validation.loss, sampler: grid, parallel: 2, max_attempts: 2 }
            space:
              model.how: { choices: [throw, abort, allocate] }
              model.at_position: { choices: [640, 999999] }
            """);
        var ended = await cluster.StudyEndAsync(id);

        var trials = StudyFolder.Lines(Path.Combine(cluster.Folder.In("coordinator"), ended.GetProperty("run").GetString()!));
        Assert.Equal(6, trials.Count);
        var doomed = trials.Where(t => t["params"]!["model.at_position"]!.GetValue<int>() == 640).ToDictionary(t => t["params"]!["model.how"]!.GetValue<string>());
        Assert.All(trials.Except(doomed.Values), t => Assert.Equal(("complete", 1), (State(t), Attempts(t))));
        Assert.All(doomed.Values, t => Assert.Equal("failed", State(t)));
        Assert.Equal((1, 2, 2), (Attempts(doomed["throw"]), Attempts(doomed["abort"]), Attempts(doomed["allocate"])));
        Assert.Contains("the crasher has had enough", Error(doomed["throw"]));
        Assert.Contains("(SIGABRT)", Error(doomed["abort"]));
        Assert.Contains("over its memory limit of 1024 MiB (trial_memory_bytes)", Error(doomed["allocate"]));
        Assert.Equal((3, 3), (Count("complete"), Count("failed")));
        // the node that ran them all is the one that it was
        Assert.Equal(before, cluster.Processes.Select(p => p.Process.Pid));
        Assert.All(cluster.Processes, p => Assert.False(p.Process.HasExited));

        int Count(string state) => ended.GetProperty("summary").GetProperty("trials").GetProperty(state).GetInt32();
    }

    [Fact]
    public async Task In_a_sweep_of_one_machine_whose_attempts_have_processes_of_their_own_trials_that_abort_or_allocate_disturb_nothing_either()
    {
        using var folder = new TestFolder();
        string spec = folder.Write("doomed.yaml", """
            name: doomed
            data: { name: digits, validation_fraction: 0.15 }
            model: { kind: crasher }
            training: { epochs: 1, workers: 1, servers: 1, worker_memory: 1 }
            study: { metric: validation.loss, sampler: grid, parallel: 2, max_attempts: 1, isolation: process }
            space:
              model.how: { choices: [abort, allocate] }
              model.at_position: { choices: [640, 999999] }
            """);
        await using var sweep = ProgramProcess.Start(ProgramProcess.Fixture, folder.Path, null, "sweep", spec, "--out", "doomed");

        Assert.True(await sweep.WaitForExitAsync() == 0, sweep.Describe());
        var trials = StudyFolder.Lines(folder.In("doomed")).ToDictionary(t => (t["params"]!["model.how"]!.GetValue<string>(), t["params"]!["model.at_position"]!.GetValue<int>()));
        Assert.Equal(4, trials.Count);
        Assert.Equal(("failed", "failed"), (State(trials[("abort", 640)]), State(trials[("allocate", 640)])));
        Assert.Contains("(SIGABRT)", Error(trials[("abort", 640)]));
        Assert.Contains("over its memory limit of 1024 MiB (training.worker_memory)", Error(trials[("allocate", 640)]));
        Assert.Equal(("complete", "complete"), (State(trials[("abort", 999_999)]), State(trials[("allocate", 999_999)])));
        // nothing of the study's own cluster is left beside the study
        Assert.Equal(["doomed", "doomed.yaml"], Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_child_process_that_would_begin_the_study_anew_says_what_its_program_must_do()
    {
        using var folder = new TestFolder();
        string spec = folder.Write("study.yaml", """
            data: { name: digits }
            study: { metric: validation.loss, trials: 1, isolation: process }
            space: { optimizer.learning_rate: { float: [1e-4, 1e-2], log: true } }
            """);

        await using var sweep = ProgramProcess.Start(ProgramProcess.Fixture, folder.Path, new Dictionary<string, string> { ["DISTOPT_CHILD"] = "1" }, "sweep", spec);

        Assert.True(await sweep.WaitForExitAsync() == 2, sweep.Describe());
        Assert.Contains("study.isolation: is process, but this process is itself one of those", sweep.Error);
    }

    private static string State(JsonNode trial) => trial["state"]!.GetValue<string>();

    private static int Attempts(JsonNode trial) => trial["attempts"]!.GetValue<int>();

    private static string Error(JsonNode trial) => trial["error"]!.GetValue<string>();
}
