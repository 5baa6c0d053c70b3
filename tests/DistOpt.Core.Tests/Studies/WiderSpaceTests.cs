using System.Text.Json;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using DistOpt.Core.Tests.Runs;
using DistOpt.Core.Tests.Studies.Engine;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

/// <summary>Studies over training specs whose space is widened by a file: spec, directory, export.</summary>
public sealed class WiderSpaceTests : IDisposable
{
    private const string Wide = """
        space:
          model.dropout: { float: [0, 0.5] }
          optimizer.kind: { choices: [adamw, sgd, adam] }
          optimizer.learning_rate: { float: [1e-4, 1], log: true }
          optimizer.momentum: { float: [0, 0.9], when: { optimizer.kind: sgd } }
          optimizer.beta1: { float: [0.8, 0.9], when: { optimizer.kind: adamw } }
          batch.size: { choices: [16, 32, 64], default: 64 }
        """;

    private static readonly StudySpec s_spec = Parse("""
        name: small
        seed: 3
        model: { kind: mlp, dropout: 0.1 }
        batch: { size: 32 }
        training: { epochs: 4 }
        study: { metric: validation.loss, sampler: random, trials: 9, parallel: 2 }
        space:
          optimizer.kind: { choices: [sgd, adam] }
          optimizer.learning_rate: { float: [1e-4, 0.1], log: true }
          optimizer.momentum: { float: [0, 0.9], when: { optimizer.kind: sgd } }
        """);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Earlier_trials_had_what_the_file_says_or_else_what_the_training_spec_has()
    {
        var wider = WiderSpace.Of(s_spec, Wide, Binder);

        Assert.Equal(["batch.size 2", "model.dropout 0.1"], wider.Defaults.Select(d => FormattableString.Invariant($"{d.Key} {d.Value}")));
        double[] old = s_spec.Values(("optimizer.kind", "sgd"), ("optimizer.learning_rate", 0.01), ("optimizer.momentum", 0.5));
        Assert.Equal(wider.Spec.Values(("model.dropout", 0.1), ("optimizer.kind", "sgd"), ("optimizer.learning_rate", 0.01), ("optimizer.momentum", 0.5),
            ("batch.size", 64L)), wider.Widening.Map(old));
        Assert.Equal(s_spec.Study.Objectives, wider.Spec.Study.Objectives);
        Assert.Equal(s_spec.Seed, wider.Spec.Seed);

        // what is written says it all, also where the training spec would not
        var again = WiderSpace.Of(s_spec, wider.Write(7), Binder);
        Assert.Equal(wider.Spec.Space.Space.ToString(), again.Spec.Space.Space.ToString());
        Assert.Equal(wider.Defaults, again.Defaults);
        Assert.Contains("from_trial: 7", wider.Write(7));
        Assert.Equal(wider.Write(7), again.Write(7));
    }

    [Fact]
    public void A_list_that_is_added_has_a_default_as_a_whole()
    {
        const string list = "model.hidden: { list: { length: { int: [1, 3] }, each: { int: [8, 512] } }";
        string kept = "\n  optimizer.kind: { choices: [sgd, adam] }\n  optimizer.learning_rate: { float: [1e-4, 0.1], log: true }"
            + "\n  optimizer.momentum: { float: [0, 0.9], when: { optimizer.kind: sgd } }";
        var wider = WiderSpace.Of(s_spec, $"space:\n  {list}, default: [64, 32] }}{kept}", Binder);
        Assert.Equal(["model.hidden.length 2", "model.hidden[0] 64", "model.hidden[1] 32"],
            wider.Defaults.Select(d => FormattableString.Invariant($"{d.Key} {d.Value}")));
        // and longer ones later need none
        var longer = WiderSpace.Of(wider.Spec, $"space:\n  {list.Replace("[1, 3]", "[1, 5]")} }}{kept}", Binder);
        Assert.Empty(longer.Defaults);
        Assert.Equal(wider.Spec.Space.Space.Count + 2, longer.Spec.Space.Space.Count);
    }

    [Fact]
    public void All_that_is_wrong_is_said_at_once()
    {
        var spec = s_spec with { Study = s_spec.Study with { Sampler = new PluginSpec("sobol", new DistOpt.Core.Samplers.SobolOptions()) } };
        var engine = new StudyEngine(StudySetup.Of(spec, Binder.Catalogs), _ => { });

        var violations = Assert.Throws<SpecException>(() => engine.Widen("k", """
            trials: 9
            space:
              optimizer.kind: { choices: [sgd, adamw] }
              optimizer.learning_rate: { float: [1e-4, 0.05], log: true, default: 0.01 }
              model.dropout: { float: [0.2, 0.5] }
              model.hiden: { int: [1, 2] }
              batch.size: { choices: [16, 64], default: 48 }
            """)).Violations;
        string[] errors = [.. violations.Select(v => $"{v.Path}: {v.Message}")];

        foreach (string part in (string[])["trials: cannot be changed while the study goes on", "space.model.hiden: ",
            "space.optimizer.kind: no longer has choice 'adam'", "space.optimizer.learning_rate: goes from 0.0001 to 0.05",
            "space.optimizer.learning_rate: has a default, but is no parameter that is added", "space.optimizer.momentum: is no longer in the space",
            "space.model.dropout: is added, and for earlier trials is 0.1, but must be between 0.2 and 0.5",
            "space.batch.size.default: is 48, but must be one of 16, 64", "study.sampler: follows a course"])
            Assert.Single(errors, e => e.StartsWith(part, StringComparison.Ordinal));
        Assert.Equal(9, errors.Length);
        foreach (var (path, line) in new (string, int?)[] { ("trials", 1), ("space.optimizer.kind", 3), ("space.optimizer.learning_rate", 4),
            ("space.model.dropout", 5), ("space.model.hiden", 6), ("space.batch.size.default", 7), ("space.optimizer.momentum", null) })
            Assert.All(violations.Where(v => v.Path == path), v => Assert.Equal((path, line), (v.Path, v.Line)));
        Assert.Equal(0, engine.Status().SpaceVersion);
        foreach (string empty in (string[])["", "space:", "[1]"])
            Assert.Contains("space: is missing", Assert.Throws<SpecException>(() => WiderSpace.Of(s_spec, empty, Binder)).Message);
    }

    [Fact]
    public void A_key_that_was_used_for_the_same_file_does_nothing_more()
    {
        var study = new EngineFixture(StudySetup.Of(s_spec, Binder.Catalogs));
        Assert.Equal(new CommandAnswer(), study.Engine.Widen("k", Wide));
        Assert.Equal(new CommandAnswer(IsRepeat: true), study.Engine.Widen("k", Wide));
        Assert.Contains("was used for another command", study.Engine.Widen("k", Wide + "\n").Refusal);
        Assert.Single(study.Journal);
        Assert.Throws<InvalidOperationException>(() => new EngineFixture(EngineFixture.Random()).Engine.Widen(null, Wide));
    }

    /// <summary>A study that is widened while a trial runs: its files, before and after it is gone on with, and what others read of them.</summary>
    [Fact]
    public void All_trials_are_read_in_the_widest_space()
    {
        var study = new EngineFixture(StudySetup.Of(s_spec, Binder.Catalogs));
        var directory = new StudyDirectory(_folder.In("s"));
        var specs = new TrialSpecs(Binder, s_spec);
        var first = study.Order();
        study.Complete(first, 0.25);
        var running = study.Order();
        Assert.Null(study.Engine.Widen("w", Wide).Refusal);
        study.Complete(running, 0.5);
        while (study.Engine.Decide().Order is { } order)
        {
            Assert.Equal((1, study.Engine.Spec), (order.SpaceVersion, order.Study));
            study.Complete(order, 1 + order.Id.Trial);
        }
        string[] Files(params IEnumerable<StudyEvent> after)
        {
            using var writer = new StudyDirectoryWriter(directory, s_spec, specs);
            writer.Begin([.. study.Journal.Except(after)]);
            foreach (var e in after) writer.Add(e);
            return [File.ReadAllText(directory.SpaceFile(1)), File.ReadAllText(directory.BestSpecFile)];
        }

        string[] files = Files(study.Journal);
        string lines = File.ReadAllText(directory.TrialsFile);
        // as after a kill between the event and the file
        File.Delete(directory.SpaceFile(1));
        Assert.Equal(files, Files());
        Assert.Equal(lines, File.ReadAllText(directory.TrialsFile));
        Assert.Contains("from_trial: 2", files[0]);
        // the best one is trained as it was drawn, not as what it is taken for
        Assert.Equal(32, Binder.ParseTraining(files[1]).Batch.OptionsAs<DistOpt.Core.Batching.FixedBatchOptions>().Size);

        var read = StudyDirectoryReader.Open(directory.Path, Binder);
        Assert.Equal(study.Engine.Spec!.Space.Space.ToString(), read.Spec.Space.Space.ToString());
        Assert.Equal([0, 0, 1, 1, 1, 1, 1, 1, 1], read.Trials.Select(t => t.SpaceVersion));
        Assert.Equal(study.Engine.History.Trials.Select(t => string.Join(' ', t.Parameters)), read.Trials.Select(t => string.Join(' ', t.Parameters)));
        var named = read.Spec.Space.Named(read.Trials[0].Parameters.AsSpan()).ToDictionary();
        Assert.Equal((0.1, 64L), (named["model.dropout"], named["batch.size"]));
        Assert.Equal(s_spec.Space.Named(first.Parameters.AsSpan()), named.Where(n => n.Key.StartsWith("optimizer.", StringComparison.Ordinal)));

        var exported = StudyExport.Of("s", s_spec, study.Journal.Select(e => new TimedEvent(e, null)));
        Assert.Equal(named.OrderBy(n => n.Key), exported.Trials[0].Parameters.Select(p => KeyValuePair.Create(p.Name, p.Value)).OrderBy(n => n.Key));
        Assert.DoesNotContain(exported.Trials[1].Attributes, a => a.Key == "space_version");
        Assert.Contains(exported.Trials[2].Attributes, a => a is { Key: "space_version", Value: 1 });
        Assert.Contains(exported.Attributes, a => a.Key == "space 1 from trial 2" && Equals(a.Value, Wide));

        study.Rebuild();
        var status = study.Engine.Status();
        Assert.Equal((1, 2, (int?)null), (status.SpaceVersion, status.SpaceFrom, status.NextSpaceFrom));
        Assert.Equal(read.Spec.Space.Space.ToString(), status.Spec!.Space.Space.ToString());
        using var json = JsonDocument.Parse(DistOpt.Core.Runs.RunJson.Text(false, writer =>
        {
            writer.WriteStartObject();
            StudyStatusJson.WriteFields(writer, status.Spec!.Outline, status);
            writer.WriteEndObject();
        }));
        Assert.Equal((1, 2), (json.RootElement.GetProperty("space_version").GetInt32(), json.RootElement.GetProperty("space_from_trial").GetInt32()));

        File.Delete(directory.SpaceFile(1));
        Assert.Contains("it is of space 1 of the study, of which there is no file",
            Assert.Throws<SpecException>(() => StudyDirectoryReader.Open(directory.Path, Binder)).Message);
        File.WriteAllText(directory.SpaceFile(1), "space: {}");
        Assert.Contains("space-1.yaml: space: is missing", Assert.Throws<SpecException>(() => StudyDirectoryReader.Open(directory.Path, Binder)).Message);
    }

    [Fact]
    public void Trials_go_on_as_the_specs_that_they_were_drawn_as()
    {
        var study = new EngineFixture(StudySetup.Of(s_spec, Binder.Catalogs));
        var folders = new TrialFolders(new StudyDirectory(_folder.In("s")), new TrialSpecs(Binder, s_spec));
        var before = study.Order();
        string spec = SpecWriter.Write(folders.Open(before).Spec);
        study.Engine.Widen(null, Wide);
        study.Engine.Lose(before.Id, "its node is gone");
        var after = study.Order();
        Assert.Equal((before.Id.Trial, 0), (after.Id.Trial, after.SpaceVersion));
        Assert.Equal(spec, SpecWriter.Write(folders.Open(after).Spec));

        var wide = study.Order();
        double dropout = (double)study.Engine.Spec!.Space.Named(wide.Parameters.AsSpan()).ToDictionary()["model.dropout"]!;
        Assert.NotEqual(0.1, dropout);
        Assert.Contains(FormattableString.Invariant($"dropout: {dropout}"), SpecWriter.Write(folders.Open(wide).Spec));
    }
}
