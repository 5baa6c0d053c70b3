using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DistOpt.EndToEnd.Tests.Support;
using DistOpt.EndToEnd.Tests.UserCode;

namespace DistOpt.EndToEnd.Tests.Studies;

/// <summary>
/// A study on a cluster whose nodes are killed (SIGKILL) at random, the coordinator among them: every trial ends once, with what it has in the undisturbed
/// study. The long form: <c>DISTOPT_STUDY_KILLS=30</c>, 300 trials, and the trait <c>Category=Long</c>;
/// <c>DISTOPT_STUDY_SEED=2</c> kills other ones at other times.
/// </summary>
public sealed class StudyChaosTests
{
    private const int ManyTrials = 300, Parallel = 4;

    /// <summary>Of digits' 1,797 samples 1,374 train: so many whole batches of 64.</summary>
    private const int StepsOfEpoch = 21;

    [Fact]
    public Task A_study_whose_nodes_are_killed_is_the_undisturbed_one() => RunAsync(trials: 12, kills: 4, "none");

    [Fact]
    [Trait("Category", "Long")]
    public Task A_study_is_the_undisturbed_one_however_often_its_nodes_are_killed() =>
        RunAsync(ManyTrials, Variable("DISTOPT_STUDY_KILLS", 30), "process");

    /// <summary>What trials are is a matter of time then, but not that each ends once, and no report counts twice.</summary>
    [Fact]
    [Trait("Category", "Long")]
    public async Task In_no_order_every_trial_ends_once_and_nothing_counts_twice_however_often_nodes_are_killed()
    {
        var trials = await RunAsync(trials: 60, kills: 8, "process", deterministic: false);
        Assert.All(trials, t =>
        {
            Assert.Contains(t["state"]!.GetValue<string>(), new[] { "complete", "pruned" });
            long[] steps = [.. t["intermediate"]!.AsArray().Select(r => r![0]!.GetValue<long>())];
            Assert.Equal(Enumerable.Range(1, steps.Length).Select(s => (long)s), steps);
        });
        Assert.Contains(trials, t => t["state"]!.GetValue<string>() == "complete");
    }

    /// <returns>The trials' lines.</returns>
    private static async Task<List<JsonNode>> RunAsync(int trials, int kills, string isolation, bool deterministic = true)
    {
        await using var cluster = new KillableCluster(workers: 3, servers: 0, ProgramProcess.Fixture, isSupervised: true, workersServe: true, slots: 2);
        string Spec(string count, string how) => string.Create(CultureInfo.InvariantCulture, $$"""
            name: chaos
            data: { name: digits, validation_fraction: 0.15 }
            model: { kind: counted, file: '{{cluster.Folder.In(count)}}' }
            batch: { kind: fixed, size: 64 }
            training: { epochs: 9, workers: 1, servers: 1 }
            checkpoint: { every_steps: 20 }
            study:
              metric: validation.loss
              sampler: { kind: tpe, startup_trials: 4 }
              trial_scheduler: { kind: asha, min_resource: 1, max_resource: 9, reduction_factor: 3 }
              trials: {{trials}}
              parallel: {{Parallel}}
              max_attempts: 10
              deterministic: {{(deterministic ? "true" : "false")}}
              isolation: {{how}}
            space:
              optimizer.learning_rate: { float: [1e-4, 3e-2], log: true }
              model.hidden: { int: [8, 64], log: true }
              {{(deterministic ? "" : "model.tag: { int: [0, 2000000000] }")}}
            """);
        await using var calm = ProgramProcess.Start(ProgramProcess.Fixture, cluster.Folder.Path, null,
            "sweep", cluster.Folder.Write("calm.yaml", Spec("calm.count", "none")), "--out", "calm");
        await calm.EndAsync();
        Assert.True(calm.ExitCode == 0, calm.Describe());
        await cluster.JoinedAsync(cluster.Processes.Count);

        string id = await cluster.SubmitAsync(Spec("killed.count", isolation));
        var random = new Random(Variable("DISTOPT_STUDY_SEED", 1));
        long Computed(string count) => Counted.Count(cluster.Folder.In(count));
        var killed = new Dictionary<NodeKind, int>();
        for (int kill = 0; kill < kills; kill++)
        {
            // spread over the study, and never at the same place of a trial
            int begun = 1 + ((trials - 2) * kill / kills);
            var study = await cluster.JobAsync(id, s => s.TryGetProperty("started", out var n) && n.GetInt32() >= begun, $"trial {begun}");
            Assert.False(study.TryGetProperty("summary", out _), $"it ended after {kill} of {kills} kills: {study}");
            // so many steps further on, if it has that many
            long at = Computed("killed.count") + random.Next(60);
            await cluster.JobAsync(id, _ => Computed("killed.count") >= at, $"step {at} of all trials");
            var kind = kill % 2 == 0 ? NodeKind.Worker : NodeKind.Coordinator;
            var victims = cluster.Processes.Where(p => p.Kind == kind).ToList();
            await cluster.KillAsync(victims[random.Next(victims.Count)]);
            killed[kind] = killed.GetValueOrDefault(kind) + 1;
        }
        var ended = await cluster.StudyEndAsync(id);

        string directory = Path.Combine(cluster.Folder.In("coordinator"), ended.GetProperty("run").GetString()!), undisturbed = cluster.Folder.In("calm");
        var lines = StudyFolder.Lines(directory);
        // each of them ended, and once
        Assert.Equal(Enumerable.Range(0, trials), lines.Select(t => t["number"]!.GetValue<int>()).Order());
        Assert.Equal(kills / 2, ended.GetProperty("summary").GetProperty("interruptions").GetInt32());
        if (!deterministic)
        {
            CheckComputed(Counted.Steps(cluster.Folder.In("killed.count")), lines, killed[NodeKind.Coordinator]);
            return lines;
        }
        Assert.Equal(StudyFolder.Trials(undisturbed), StudyFolder.Trials(directory));
        Assert.Equal(Best(undisturbed), Best(directory));
        long needed = Computed("calm.count"), computed = Computed("killed.count");
        Report($"{string.Join(", ", killed.Select(k => $"{k.Value} {k.Key}"))} killed; {Waste(needed, computed)}; {ended.GetProperty("summary")}");
        Assert.InRange(computed, needed, 2 * needed);
        return lines;
    }

    /// <summary>
    /// What the model has counted itself: of each trial every step up to its last report was computed, so that no report is of steps that were not; and few
    /// were computed again, the two among them on which each attempt tries its model out. On a cluster an attempt begins while that is still being stored: what
    /// the coordinator's death makes unsaid is begun again or not, in no order, and steps of a trial, or beyond the last report of one, are nobody's then.
    /// </summary>
    private static void CheckComputed(IReadOnlyList<CountedStep> computed, List<JsonNode> trials, int coordinators)
    {
        var steps = computed.ToLookup(s => s.Tag, s => s.Step);
        long[] tags = [.. trials.Select(t => t["params"]!["model.tag"]!.GetValue<long>())];
        Assert.Distinct(tags);
        int nobodys = steps.Count(s => !tags.Contains(s.Key)), reports = 0;
        foreach (var (trial, tag) in trials.Zip(tags))
        {
            int epochs = trial["intermediate"]!.AsArray().Count;
            long[] distinct = [.. steps[tag].Distinct().Order()];
            Assert.Equal(Enumerable.Range(0, distinct.Length).Select(s => (long)s), distinct);
            Assert.InRange(distinct.Length, epochs * StepsOfEpoch, int.MaxValue);
            if (distinct.Length > epochs * StepsOfEpoch) nobodys++;
            reports += epochs;
        }
        // no more can begin between two writes of the journal than run side by side
        Assert.InRange(nobodys, 0, coordinators * Parallel);
        long needed = reports * StepsOfEpoch;
        Report($"{Waste(needed, computed.Count)}; {nobodys} beginnings or promotions that were lost");
        Assert.InRange(computed.Count, needed, 2 * needed);
    }

    private static FormattableString Waste(long needed, long computed) =>
        $"{needed} steps needed, {computed} computed: waste {(double)computed / needed:0.000}";

    private static void Report(FormattableString text) => TestContext.Current.TestOutputHelper?.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    private static int Variable(string name, int value) =>
        Environment.GetEnvironmentVariable(name) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : value;

    private static string Best(string study)
    {
        var best = JsonDocument.Parse(File.ReadAllText(Path.Combine(study, "summary.json"))).RootElement.GetProperty("best");
        return $"{best.GetProperty("number")} {best.GetProperty("value")} {best.GetProperty("params")}";
    }
}
