using System.Text.Json;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Tests.Runs;
using DistOpt.Core.Tests.Studies.Engine;
using DistOpt.Core.TrialSchedulers;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

/// <summary>The files of a study's directory beside its trials'.</summary>
public sealed class StudyDirectoryWriterTests : IDisposable
{
    private static readonly StudySpec s_spec = Parse("""
        name: small
        seed: 3
        training: { epochs: 16 }
        study: { metric: validation.loss, sampler: random, trial_scheduler: { kind: asha, reduction_factor: 2 }, trials: 20, parallel: 3, max_attempts: 1000 }
        space:
          optimizer.kind: { choices: [sgd, adam] }
          optimizer.learning_rate: { float: [1e-4, 1], log: true }
          optimizer.momentum: { float: [0, 0.9], when: { optimizer.kind: sgd } }
        """);

    private static readonly TrialSpecs s_specs = new(Binder, s_spec);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_study_begins_with_its_spec_and_no_trials()
    {
        var study = new StudyDirectory(_folder.In("deep/s"));
        using var writer = new StudyDirectoryWriter(study, s_spec, s_specs);
        Assert.False(Directory.Exists(study.Path));
        Assert.Empty(writer.Begin([]));
        Assert.Equal("", Text(study.TrialsFile));
        Assert.Equal(["study.yaml", "trials.jsonl"], Directory.GetFileSystemEntries(study.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void Trials_of_which_no_event_tells_are_not_overwritten()
    {
        var study = new StudyDirectory(_folder.In("s"));
        study.Create(s_spec);
        File.WriteAllText(study.TrialsFile, "{}\n");
        File.WriteAllText(study.SummaryFile, "{}");
        using var writer = new StudyDirectoryWriter(study, s_spec, s_specs);

        Assert.Contains("they are not overwritten", Assert.Throws<SpecException>(() => writer.Begin([])).Message);

        Assert.Equal(("{}\n", "{}"), (Text(study.TrialsFile), Text(study.SummaryFile)));
    }

    [Theory]
    [InlineData(Digits)]
    [InlineData("""
        study:
          objectives: [{ metric: validation.loss }, { metric: train.f1 }]
          repeats: 3
          constraints: [{ metric: train.loss, at_most: 2 }, { parameters: "model.hidden[0] - model.hidden[1]", at_least: 0 }]
        space: { model.hidden: { list: { length: 2, each: { int: [1, 64] } } } }
        """)]
    public void Its_spec_reads_back_as_the_same_study(string yaml)
    {
        var spec = Parse(yaml);
        var study = new StudyDirectory(_folder.In("s"));
        using var writer = new StudyDirectoryWriter(study, spec, new TrialSpecs(Binder, spec));
        writer.Begin([]);

        var read = Parse(File.ReadAllText(study.SpecFile));

        Assert.Equal(StudySpecWriter.Write(spec), StudySpecWriter.Write(read));
        Assert.Equal(spec.Space.Space.Parameters.Select(p => p.Name), read.Space.Space.Parameters.Select(p => p.Name));
        Assert.Equal(SpecWriter.Write(spec.Training), SpecWriter.Write(read.Training));
        Assert.Equal((spec.Seed, spec.Name), (read.Seed, read.Name));
        Assert.Equal(spec.Directions, read.Directions);
        Assert.Equal(spec.Enqueued.Select(p => string.Join(" ", p)), read.Enqueued.Select(p => string.Join(" ", p)));
    }

    [Fact]
    public void With_several_objectives_there_is_a_spec_to_train_for_each_trial_of_the_front()
    {
        var spec = Parse("""
            study: { objectives: [{ metric: validation.loss }, { metric: validation.accuracy }], trials: 9 }
            space: { optimizer.learning_rate: { float: [0.001, 1] } }
            """);
        var study = new StudyDirectory(_folder.In("s"));
        using var writer = new StudyDirectoryWriter(study, spec, new TrialSpecs(Binder, spec));
        writer.Begin([]);
        string[] Front() => Directory.Exists(study.FrontFolder) ? [.. Directory.GetFiles(study.FrontFolder).Select(f => Path.GetFileName(f)).Order()] : [];
        Assert.Empty(Front());

        // each is there as soon as it is of the front, and no longer
        List<StudyEvent> events = [.. Ended(0, [0.5], [0.75, 0.8]), .. Ended(1, [0.25], [0.8, 0.9])];
        events.ForEach(e => writer.Add(e));
        Assert.Equal(["0.yaml", "1.yaml"], Front());
        events.AddRange([.. Ended(2, [0.125], [0.9, 0.7]), .. Ended(3, [0.25], [0.5, 0.9])]);
        events.ForEach(e => writer.Add(e));
        Assert.Equal(["3.yaml"], Front());
        Assert.False(File.Exists(study.BestSpecFile));
        // what was left by a process that was killed is made anew
        File.WriteAllText(study.FrontSpecFile(7), "");
        using var next = new StudyDirectoryWriter(study, spec, new TrialSpecs(Binder, spec));
        writer.Dispose();
        next.Begin(events);

        Assert.Equal(["3.yaml"], Front());
        string yaml = File.ReadAllText(study.FrontSpecFile(3));
        Assert.Contains("validation.loss 0.5, validation.accuracy 0.9", yaml);
        Assert.Contains("learning_rate: 0.25", yaml);
    }

    /// <summary>Wherever the study was interrupted, and also where the last line is torn, or lines are there of which the journal knows nothing.</summary>
    [Fact]
    public void Trials_are_the_same_lines_as_of_a_study_that_was_never_interrupted()
    {
        var journal = Simulated();
        var whole = new StudyDirectory(_folder.In("whole"));
        string expected = Write(whole, [], journal);
        string[] lines = expected.TrimEnd('\n').Split('\n');
        var numbers = lines.Select(l => JsonDocument.Parse(l).RootElement.GetProperty("number").GetInt32()).ToList();
        Assert.Equal(journal.OfType<StudyEvent.Ended>().Select(e => e.Trial), numbers);
        Assert.Equal(Enumerable.Range(0, 20), numbers.Order());

        var study = new StudyDirectory(_folder.In("resumed"));
        for (int cut = 0; cut <= journal.Count; cut += 1 + journal.Count / 30)
        {
            study.Create(s_spec);
            File.WriteAllText(study.TrialsFile, expected[..(expected.Length * cut / journal.Count)] + "{\"number\":1,\"sta");
            Assert.Equal(expected, Write(study, journal[..cut], journal[cut..]));
        }
    }

    [Fact]
    public void A_study_that_goes_on_is_told_what_had_ended_and_has_no_summary_any_more()
    {
        var journal = Simulated();
        var study = new StudyDirectory(_folder.In("s"));
        study.Create(s_spec);
        File.WriteAllText(study.SummaryFile, "{}");
        int half = journal.Count / 2;
        using var writer = new StudyDirectoryWriter(study, s_spec, s_specs, nodeOf: _ => "n7");

        var before = writer.Begin(journal[..half]);

        Assert.Equal(journal.Take(half).OfType<StudyEvent.Ended>().Select(e => e.Trial), before.Select(t => t.Number));
        Assert.False(File.Exists(study.SummaryFile));
        var later = journal[half..].Select(writer.Add).OfType<TrialRecord>().ToList();
        Assert.Equal(journal.Skip(half).OfType<StudyEvent.Ended>().Select(e => e.Trial), later.Select(t => t.Number));
        // each is there at once
        Assert.Equal(20, Text(study.TrialsFile).Split("\"node\":\"n7\"").Length - 1);
    }

    [Fact]
    public void A_trial_cannot_end_before_the_study_has_begun()
    {
        using var writer = new StudyDirectoryWriter(new StudyDirectory(_folder.In("s")), s_spec, s_specs);
        var journal = Simulated();
        Assert.Throws<InvalidOperationException>(() => journal.ForEach(e => writer.Add(e)));
    }

    [Fact]
    public void The_spec_of_the_best_trial_is_one_for_train_and_is_written_where_it_is_another_one()
    {
        var study = new StudyDirectory(_folder.In("s"));
        using var writer = new StudyDirectoryWriter(study, s_spec, s_specs);
        writer.Begin([]);
        Assert.False(File.Exists(study.BestSpecFile));

        void Add(params IEnumerable<StudyEvent> events) => Assert.NotNull(events.Select(writer.Add).ToList()[^1]);
        Add(Ended(4, [0, 0.01, 0.5], [0.25]));
        string text = File.ReadAllText(study.BestSpecFile);
        Assert.StartsWith("# Trial 4 of study small: validation.loss 0.25\n", text, StringComparison.Ordinal);
        Assert.Equal(SpecWriter.Write(s_specs.Of(4, [0, 0.01, 0.5])), SpecWriter.Write(Binder.ParseTraining(text, "best.yaml").Resolve()));

        File.Delete(study.BestSpecFile);
        // none of these is better: worse, as good and later, and one that misses a constraint
        Add(Ended(5, [0, 0.01, 0.5], [0.5]));
        Add(Ended(6, [0, 0.01, 0.5], [0.25]));
        Add(Ended(7, [0, 0.01, 0.5], [0.125], 1));
        Assert.False(File.Exists(study.BestSpecFile));
        Add(Ended(9, [1, 0.01, double.NaN], [0.125]));
        Assert.Equal("adam", Binder.ParseTraining(File.ReadAllText(study.BestSpecFile), "best.yaml").Optimizer.Kind);
    }

    /// <summary>Also of a study that goes on from its events.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_spec_of_a_best_trial_that_has_copied_another_one_says_so(bool resumed)
    {
        var study = new StudyDirectory(_folder.In("s"));
        using var writer = new StudyDirectoryWriter(study, s_spec, s_specs);
        List<StudyEvent> events =
        [
            new StudyEvent.Started(0, [1, 0.01, double.NaN], 4, 0, false),
            new StudyEvent.Started(1, [1, 0.5, double.NaN], 4, 0, false),
            new StudyEvent.Promoted(1, 8, new Exploit(0, 4, [1, 0.0125, double.NaN])),
            new StudyEvent.Ended(1, TrialState.Complete, TrialEndCause.Done, [0.25], [], null, 1),
        ];
        writer.Begin(resumed ? events : []);
        if (!resumed) events.ForEach(e => writer.Add(e));
        Assert.Contains("from trial 0 as it was at epoch 4, with optimizer.learning_rate 0.5 -> 0.0125\n", File.ReadAllText(study.BestSpecFile));
        Assert.Contains("\"exploits\":[{\"step\":4,\"donor\":0,", Text(study.TrialsFile));
    }

    [Fact]
    public void The_end_is_the_summary_and_the_best_spec()
    {
        var study = new StudyDirectory(_folder.In("s"));
        using var writer = new StudyDirectoryWriter(study, s_spec, s_specs);
        writer.Begin([]);
        var engine = new StudyEngine(StudySetup.Of(s_spec, Binder.Catalogs), e => writer.Add(e));
        var order = engine.Decide().Order!;
        engine.Complete(order.Id, [0.5]);

        writer.End(new StudySummary(s_spec, study.Path, engine.Status(), null));

        var summary = JsonDocument.Parse(File.ReadAllText(study.SummaryFile)).RootElement;
        Assert.Equal(("interrupted", 0), (summary.GetProperty("status").GetString(), summary.GetProperty("best").GetProperty("number").GetInt32()));
        Assert.Equal(study.BestSpecFile, summary.GetProperty("best").GetProperty("spec").GetString());
        Assert.Contains("# Trial 0 of study small", File.ReadAllText(study.BestSpecFile));
        Assert.EndsWith("}\n", File.ReadAllText(study.SummaryFile), StringComparison.Ordinal);
    }

    [Fact]
    public void What_users_want_to_be_known_is_there_at_once_and_after_the_study_was_gone_on_with()
    {
        var study = new StudyDirectory(_folder.In("s"));
        List<StudyEvent> events = [new StudyEvent.AttributeSet(null, "owner", "\"me\""), .. Ended(0, [0, 0.01, 0.5], [0.25]), new StudyEvent.AttributeSet(0, "odd", "[1, true]")];
        using (var writer = new StudyDirectoryWriter(study, s_spec, s_specs))
        {
            writer.Begin([]);
            Assert.False(File.Exists(study.AttributesFile));
            events.ForEach(e => writer.Add(e));
            Check();
        }
        File.AppendAllText(study.AttributesFile, "{\"name\":\"of another\",\"value\":1}\n{\"na");
        using var next = new StudyDirectoryWriter(study, s_spec, s_specs);
        next.Begin(events);
        Check();
        next.Add(new StudyEvent.AttributeSet(0, "odd", "false"));
        Assert.Equal([KeyValuePair.Create("odd", (object?)false)], Read().OfTrial(0));

        DistOpt.Core.Studies.Exchange.ToldAttributes Read() => StudyDirectoryReader.Open(study.Path, Binder).Attributes;

        void Check()
        {
            Assert.Equal([KeyValuePair.Create("owner", (object?)"me")], Read().OfStudy);
            Assert.Equal("odd", Assert.Single(Read().OfTrial(0)).Key);
            Assert.Empty(Read().OfTrial(1));
        }
    }

    /// <summary>The clock of a study stands still where it is interrupted.</summary>
    [Fact]
    public void When_a_trial_ran_is_told_in_UTC_by_the_studys_clock()
    {
        var study = new StudyDirectory(_folder.In("s"));
        using var writer = new StudyDirectoryWriter(study, s_spec, s_specs);
        var noon = new DateTime(2026, 3, 1, 12, 0, 0, DateTimeKind.Utc);
        writer.Begin([]);
        Assert.All((StudyEvent[])[.. Ended(0, [0, 0.01, 0.5], [0.25]), new StudyEvent.TimePassed(0, noon), Ended(1, [0, 0.01, 0.5], [0.25])[0],
            new StudyEvent.TimePassed(5, noon.AddSeconds(5)), new StudyEvent.TimePassed(5, noon.AddHours(1)), Ended(2, [0, 0.01, 0.5], [0.25])[0],
            new StudyEvent.TimePassed(8, noon.AddHours(1).AddSeconds(3)), Ended(1, [], [0.5])[1]], e => writer.Add(e));

        var trials = StudyDirectoryReader.Open(study.Path, Binder).Trials;
        Assert.Equal([(null, null), (noon, noon.AddHours(1).AddSeconds(3))], trials.Select(t => (t.Started, t.Ended)));
        // as far as it has come
        string open = Assert.Single(writer.OpenLines()!);
        Assert.Contains("\"state\":\"running\"", open);
        Assert.Contains("\"started\":\"2026-03-01T13:00:00.000Z\"", open);
    }

    private static StudyEvent[] Ended(int trial, double[] parameters, double[] values, params double[] constraints) =>
    [
        new StudyEvent.Started(trial, [.. parameters], 0, 0, false),
        new StudyEvent.Ended(trial, TrialState.Complete, TrialEndCause.Done, [.. values], [.. constraints], null, 1),
    ];

    [Fact]
    public void The_run_of_the_best_trial_is_kept_without_its_checkpoints_in_place_of_the_one_before()
    {
        var study = new StudyDirectory(_folder.In("s"));
        using var writer = new StudyDirectoryWriter(study, s_spec, s_specs);
        foreach (int trial in (int[])[3, 5])
        {
            var run = new RunDirectory(study.RunFolder(trial));
            Directory.CreateDirectory(Path.Combine(run.CheckpointFolder, "step-000000000001"));
            Directory.CreateDirectory(study.RunFolder(trial, 1));
            File.WriteAllText(Path.Combine(run.Path, $"only-{trial}"), "");
            File.WriteAllText(run.ModelFile, $"weights {trial}");
            // of a process that was killed
            Directory.CreateDirectory(study.BestFolder + ".tmp");
            File.WriteAllText(Path.Combine(study.BestFolder + ".tmp", "half"), "");

            writer.KeepBest(trial);

            Assert.Equal(["model.safetensors", $"only-{trial}"], Directory.GetFileSystemEntries(study.BestFolder).Select(Path.GetFileName).Order());
            Assert.Equal($"weights {trial}", File.ReadAllText(new RunDirectory(study.BestFolder).ModelFile));
            Assert.False(Directory.Exists(study.BestFolder + ".tmp"));
        }
        // a run that is not there takes nothing along
        Assert.Throws<DirectoryNotFoundException>(() => writer.KeepBest(8));
        Assert.True(File.Exists(Path.Combine(study.BestFolder, "only-5")));
    }

    private static List<StudyEvent> Simulated() =>
        new StudySimulation(StudySetup.Of(s_spec, Binder.Catalogs), slots: 3, timing: 11) { Chaos = Chaos.Wild }.Run().Journal;

    /// <summary>The lines of trials.</summary>
    private static string Write(StudyDirectory study, List<StudyEvent> before, List<StudyEvent> after)
    {
        using (var writer = new StudyDirectoryWriter(study, s_spec, s_specs))
        {
            writer.Begin(before);
            foreach (var e in after) writer.Add(e);
        }
        return File.ReadAllText(study.TrialsFile);
    }

    /// <summary>Of a file that is being written.</summary>
    private static string Text(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }
}
