using System.Collections.Immutable;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Studies.Exchange;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

public sealed class StudyDirectoryReaderTests : IDisposable
{
    private static readonly StudySpec s_spec = OfSpace("""
        clip.norm: { choices: [null, 1, 0.5] }
        optimizer.amsgrad: { choices: [true, false] }
        model.hidden: { choices: [[8], [16, 8]] }
        name: { choices: ["1", a-b, "true"] }
        optimizer.learning_rate: { float: [0.001, 1] }
        optimizer.beta1: { float: [0, 0.9], when: { optimizer.amsgrad: true } }
        training.epochs: { int: [1, 9] }
        """);

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-study-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_is_written_is_read_again()
    {
        TrialRecord complete = Record(1, amsgrad: 0) with
        {
            Values = [0.75],
            Constraints = [-1, 2],
            Reports = [new(1, 0.5), new(2, double.NaN)],
            Spans = [new(0.5, 2.25), new(3, 4)],
        };
        TrialRecord failed = Record(0, amsgrad: 1) with { State = TrialState.Failed, Cause = TrialEndCause.TimedOut, Losses = ["a", "\"b\""], Error = "too long" };
        Write(complete, failed);

        var read = StudyDirectoryReader.Open(_folder, Binder);

        Assert.Equal([0, 1], read.Trials.Select(t => t.Number));
        Assert.Equal(Line(failed), Line(read.Trials[0]));
        Assert.Equal(Line(complete), Line(read.Trials[1]));
        Assert.Equal(failed.Parameters, read.Trials[0].Parameters);
        Assert.Empty(read.Trials[0].Values);
        Assert.Equal(complete.Spans, read.Trials[1].Spans);
        Assert.True(StudyDirectoryReader.IsStudy(_folder));
        Assert.True(StudyDirectoryReader.IsStudy(Path.GetFileName(_folder), Path.GetDirectoryName(_folder)!));
        Assert.False(StudyDirectoryReader.IsStudy(Path.Combine(_folder, "trials")));
    }

    [Fact]
    public void Its_trials_say_how_it_stands()
    {
        TrialRecord Complete(int number, double value, params ImmutableArray<double> constraints) =>
            Record(number, 0) with { Values = [value], Constraints = constraints, Spans = [new(number, number + 2)] };
        bool isMaximized = s_spec.Directions[0] == Direction.Maximize;
        double good = isMaximized ? 3 : -3;
        Write(Complete(0, 0), Complete(1, 2 * good, 1), Complete(2, good), Complete(3, good), Record(4, 1) with { State = TrialState.Pruned },
            Record(5, 1) with { State = TrialState.Failed });

        var status = StudyDirectoryReader.Open(_folder, Binder).Status();

        Assert.Equal(new TrialCounts(0, 0, 0, 4, 1, 1, 0), status.Counts);
        // of equal ones the first, and none that breaks a constraint
        Assert.Equal((2, good, 6, 5.0), (status.Best!.Number, status.Best.Values[0], status.Started, status.Seconds));
    }

    /// <summary>As a metric that is NaN gives.</summary>
    [Theory]
    [InlineData(double.PositiveInfinity, "\"Infinity\"", double.PositiveInfinity, 0)]
    [InlineData(double.NegativeInfinity, "\"-Infinity\"", double.NegativeInfinity, 1)]
    [InlineData(double.NaN, "\"NaN\"", double.PositiveInfinity, 0)]
    public void A_constraint_that_is_missed_infinitely_is_missed_when_it_is_read_again(double constraint, string text, double read, int front)
    {
        string line = Line(Record(0, 0) with { Values = [1], Constraints = [-1, constraint] });
        Assert.Contains($"\"constraints\":[-1,{text}]", line);
        Write(Record(0, 0) with { Values = [1], Constraints = [-1, constraint] });
        var reader = StudyDirectoryReader.Open(_folder, Binder);
        Assert.Equal([-1, read], reader.Trials[0].Constraints);
        Assert.Equal(line.Replace("NaN", "Infinity"), Line(reader.Trials[0]));
        Assert.Equal(front, reader.Status().Front.Length);
        Assert.Equal(double.IsNegativeInfinity(read) ? 0 : double.PositiveInfinity, StudyTrial.ViolationOf([-1, constraint]));
    }

    [Fact]
    public void Values_and_reports_that_are_infinite_or_no_number_are_read_ranked_and_exported_as_they_are()
    {
        bool isMaximized = s_spec.Directions[0] == Direction.Maximize;
        double best = isMaximized ? double.PositiveInfinity : double.NegativeInfinity;
        TrialRecord[] trials =
        [
            Record(0, 0) with { Values = [1] },
            Record(1, 0) with { Values = [best], Reports = [new(1, -best), new(2, double.NaN), new(3, best)] },
            Record(2, 0) with { Values = [-best] },
            Record(3, 0) with { Values = [double.NaN] },
        ];
        Write(trials);

        var read = StudyDirectoryReader.Open(_folder, Binder);

        Assert.Equal(trials.Select(t => t.Values[0]), read.Trials.Select(t => t.Values[0]));
        Assert.Equal(trials[1].Reports, read.Trials[1].Reports);
        Assert.Equal(1, read.Status().Best!.Number);
        var text = new StringWriter();
        StudyCsv.Write(text, StudyExport.Of(read));
        var again = StudyCsv.Read(new StringReader(text.ToString()), "csv");
        Assert.Equal(trials.Select(t => t.Values[0]), again.Trials.Select(t => t.Values[0]));
        Assert.Equal(trials[1].Reports, again.Trials[1].Intermediate);
        Assert.Equal([best, -best], StudyImport.Of(s_spec, again with { Directions = [s_spec.Directions[0]] }, "csv", new Dictionary<string, string>())
            .Trials.Skip(1).Select(t => t.Values[0]));
    }

    /// <summary>Which wrote null for an infinity, too.</summary>
    [Fact]
    public void Null_in_files_of_earlier_versions_is_no_number_and_as_a_constraint_infinite()
    {
        Write(Record(0, 0) with { Values = [double.NaN], Constraints = [double.PositiveInfinity], Reports = [new(1, double.NaN)] });
        string file = new StudyDirectory(_folder).TrialsFile, text = File.ReadAllText(file);
        File.WriteAllText(file, text.Replace("\"NaN\"", "null", StringComparison.Ordinal).Replace("\"Infinity\"", "null", StringComparison.Ordinal));
        Assert.NotEqual(text, File.ReadAllText(file));

        var read = StudyDirectoryReader.Open(_folder, Binder).Trials[0];

        Assert.Equal([double.NaN, double.PositiveInfinity, double.NaN], [read.Values[0], read.Constraints[0], read.Reports[0].Value]);
    }

    [Theory]
    [InlineData("0,1,3", 1.0, 4.0, 4.0, 1.0, 9.0, 9.0, 2.0, 2.0)]
    [InlineData("0", 1.0, 1.0, 2.0, 1.0, 1.0, 1.5)]
    public void Of_several_objectives_it_is_the_front(string front, params double[] values)
    {
        var spec = Parse("""
            study: { objectives: [{ metric: validation.loss }, { metric: train.loss }] }
            space: { optimizer.learning_rate: { float: [0.001, 1] } }
            """);
        var directory = new StudyDirectory(_folder);
        directory.Create(spec);
        File.WriteAllText(directory.TrialsFile, string.Concat(values.Chunk(2).Select((v, i) =>
            StudyJson.TrialLine(Record(i, 0) with { Parameters = [0.5], Values = [.. v] }, spec, "local") + "\n")));

        var status = StudyDirectoryReader.Open(_folder, Binder).Status();

        Assert.Equal(front, string.Join(",", status.Front.Select(r => r.Number)));
        Assert.Equal((values.Where((_, i) => i % 2 == 0).Max(), values.Where((_, i) => i % 2 == 1).Max()), (status.Worst[0], status.Worst[1]));
        Assert.Null(status.Best);
    }

    [Fact]
    public void A_line_that_is_being_written_is_left_out_and_a_damaged_one_is_named()
    {
        Write(Record(0, 0) with { Values = [1] });
        string file = new StudyDirectory(_folder).TrialsFile;
        File.AppendAllText(file, "{\"number\":1,");
        Assert.Single(StudyDirectoryReader.Open(_folder, Binder).Trials);
        File.AppendAllText(file, "\n");
        Assert.Contains("trials.jsonl: line 2 is damaged", Assert.Throws<SpecException>(() => StudyDirectoryReader.Open(_folder, Binder)).Message);
        foreach (string line in (string[])["[]", "{}", Line(Record(0, 0)).Replace("timed_out", "x"), Line(Record(0, 0)).Replace("\"done\"", "\"gone\""),
            Line(Record(0, 0)).Replace("training.epochs", "training.epoch"), Line(Record(0, 0)).Replace("\"attempts\":1,", "")])
        {
            File.WriteAllText(file, line + "\n");
            if (line == Line(Record(0, 0))) Assert.Single(StudyDirectoryReader.Open(_folder, Binder).Trials);
            else Assert.Contains("line 1 is damaged", Assert.Throws<SpecException>(() => StudyDirectoryReader.Open(_folder, Binder)).Message);
        }
    }

    [Fact]
    public void A_folder_that_is_no_study_is_refused_by_name()
    {
        var error = Assert.Throws<SpecException>(() => StudyDirectoryReader.Open("nowhere", Binder, _folder));
        Assert.StartsWith("study: 'nowhere' is no study", error.Message);
    }

    private static string Line(TrialRecord trial) => StudyJson.TrialLine(trial, s_spec, "local");

    private void Write(params TrialRecord[] trials)
    {
        new StudyDirectory(_folder).Create(s_spec);
        File.WriteAllText(new StudyDirectory(_folder).TrialsFile, string.Concat(trials.Select(t => Line(t) + "\n")));
    }

    private static TrialRecord Record(int number, int amsgrad)
    {
        var values = new Dictionary<string, double>
        {
            ["clip.norm"] = 1 + amsgrad,
            ["optimizer.amsgrad"] = amsgrad,
            ["model.hidden"] = 1,
            ["name"] = 2 * amsgrad,
            ["optimizer.learning_rate"] = 1 - 0.5 * amsgrad,
            ["optimizer.beta1"] = amsgrad == 0 ? 0.5 : double.NaN,
            ["training.epochs"] = 4,
        };
        return new(number, TrialState.Complete, TrialEndCause.Done,
            [.. s_spec.Space.Space.Parameters.Select(p => values[p.Name])], [], [], [], 1, [], 1.5, null);
    }
}
