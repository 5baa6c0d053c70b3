using System.Collections.Immutable;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.TrialSchedulers;
using DistOpt.Protocol.Journal;
using Microsoft.Data.Sqlite;

namespace DistOpt.Cli.Tests.Support;

/// <summary>Directories of studies that nobody has run: trials whose values follow a rule.</summary>
internal static class ExampleStudy
{
    public const string Spec = """
        name: made
        model: { kind: mlp, hidden: [8] }
        training: { epochs: 9 }
        study: { metric: validation.accuracy, trial_scheduler: { kind: asha, min_resource: 1, max_resource: 9, reduction_factor: 3 }, trials: 40 }
        space:
          optimizer.learning_rate: { float: [1e-4, 1e-1], log: true }
          model.dropout: { float: [0.0, 0.5] }
          model.activation: { choices: [relu, tanh] }
        """;

    public const string TwoObjectives = """
        name: two
        model: { kind: mlp, hidden: [8] }
        study: { objectives: [{ metric: validation.loss }, { metric: validation.accuracy }], trials: 40 }
        space:
          optimizer.kind: { choices: [sgd, adam] }
          optimizer.momentum: { float: [0.0, 0.9], when: { optimizer.kind: sgd } }
          batch.size: { choices: [16, 32, 64], ordered: true }
        """;

    public static StudySpec Parse(string yaml) => SpecFiles.Binder(DistOptApp.Define()).ParseStudy(yaml, "study.yaml", []);

    /// <summary>Writes a study's directory.</summary>
    public static string Write(string folder, StudySpec spec, params IEnumerable<TrialRecord> trials)
    {
        var directory = new StudyDirectory(folder);
        directory.Create(spec);
        File.WriteAllText(directory.TrialsFile, string.Concat(trials.Select(t => StudyJson.TrialLine(t, spec, "local") + "\n")));
        return folder;
    }

    /// <summary>
    /// Of <see cref="Spec"/>: a high rate is good, tanh costs a little, dropout nothing. Of every nine trials six end at epoch 1 and two at epoch 3, as
    /// ASHA would; a second for each epoch.
    /// </summary>
    public static IEnumerable<TrialRecord> Trials(StudySpec spec, int count) => Enumerable.Range(0, count).Select(i =>
    {
        var (rate, dropout, activation) = (1e-4 * Math.Pow(1e3, Unit(i, 2)), 0.5 * Unit(i, 3), (int)(2 * Unit(i, 5)));
        double value = 0.9 + 0.1 * Math.Log10(rate) - 0.01 * activation;
        long epochs = i % 9 == 8 ? 9 : i % 9 >= 6 ? 3 : 1;
        return new TrialRecord(i, epochs == 9 ? TrialState.Complete : TrialState.Pruned, epochs == 9 ? TrialEndCause.Done : TrialEndCause.NotPromoted,
            Point(spec, ("optimizer.learning_rate", rate), ("model.dropout", dropout), ("model.activation", activation)), epochs == 9 ? [value] : [], [],
            [.. Enumerable.Range(1, (int)epochs).Select(e => new Report(e, value - 0.3 / e + 0.3 / 9))], 1, [], epochs, null)
        {
            Spans = [new TrialSpan(i, i + epochs)],
        };
    });

    /// <summary>
    /// The same study in the middle, as its journal has it: those that are complete have ended, the others are paused at the rung that they came to, and one
    /// more has just begun.
    /// </summary>
    public static IEnumerable<StudyEvent> Halfway(StudySpec spec, int count)
    {
        foreach (var trial in Trials(spec, count))
        {
            int attempt = 1;
            yield return new StudyEvent.Started(trial.Number, trial.Parameters, 1, 0, false);
            foreach (var (step, value) in trial.Reports)
            {
                bool isRung = step is 1 or 3;
                yield return new StudyEvent.Reported(trial.Number, step, [value], isRung ? ReportAction.Pause : ReportAction.Continue, 1);
                if (!isRung) continue;
                yield return new StudyEvent.Released(trial.Number, step, 1);
                if (step == trial.Reports[^1].Step) continue;
                yield return new StudyEvent.Promoted(trial.Number, 3 * step, null);
                yield return new StudyEvent.AttemptBegun(trial.Number, ++attempt);
            }
            if (trial.State == TrialState.Complete) yield return new StudyEvent.Ended(trial.Number, trial.State, trial.Cause, trial.Values, [], null, 1);
        }
        yield return new StudyEvent.Started(count, Trials(spec, 1).First().Parameters, 1, 0, false);
    }

    /// <summary>Puts a journal with these events into a study's directory.</summary>
    public static void WriteJournal(string folder, IEnumerable<StudyEvent> events)
    {
        using var connection = new SqliteConnection($"Data Source={new StudyDirectory(folder).JournalFile};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "CREATE TABLE journal (ordering INTEGER PRIMARY KEY, created INTEGER, deleted INTEGER, persistence_id TEXT, sequence_number INTEGER, message BLOB, manifest TEXT)";
        command.ExecuteNonQuery();
        using var transaction = connection.BeginTransaction();
        command.Transaction = transaction;
        command.CommandText = "INSERT INTO journal (created, deleted, persistence_id, sequence_number, message, manifest) VALUES (0, 0, 'study-made', $n, $message, $manifest)";
        foreach (var (i, e) in events.Index())
        {
            var entry = StudyJournalCodec.Write(e);
            command.Parameters.Clear();
            command.Parameters.AddWithValue("$n", i + 1);
            command.Parameters.AddWithValue("$message", entry.Body);
            command.Parameters.AddWithValue("$manifest", entry.Manifest);
            command.ExecuteNonQuery();
        }
        transaction.Commit();
    }

    public static ImmutableArray<double> Point(StudySpec spec, params (string Name, double Value)[] values) =>
        [.. spec.Space.Space.Parameters.Select(p => values.Where(v => v.Name == p.Name).Select(v => v.Value).DefaultIfEmpty(double.NaN).First())];

    /// <summary>Of <see cref="TwoObjectives"/>: loss a and accuracy b by turns.</summary>
    public static IEnumerable<TrialRecord> Complete(StudySpec spec, params (double Loss, double Accuracy)[] values) => values.Select((v, i) =>
        new TrialRecord(i, TrialState.Complete, TrialEndCause.Done, i % 2 == 0 ? Point(spec, ("optimizer.kind", 0), ("optimizer.momentum", 0.9 * Unit(i, 2)), ("batch.size", i % 3))
            : Point(spec, ("optimizer.kind", 1), ("batch.size", i % 3)), [v.Loss, v.Accuracy], [], [], 1, [], 1, null));

    /// <summary>Trials of these numbers that have failed, the first ones since they diverged.</summary>
    public static IEnumerable<TrialRecord> Failed(TrialRecord like, int from, int count, int diverged) => Enumerable.Range(0, count).Select(i => like with
    {
        Number = from + i,
        State = TrialState.Failed,
        Cause = i < diverged ? TrialEndCause.Diverged : TrialEndCause.Threw,
        Values = [],
        Error = "it went wrong",
    });

    private static double Unit(int i, int prime) => i * Math.Sqrt(prime) % 1;
}
