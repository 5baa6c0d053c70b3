using DistOpt.Core.Checkpoints;
using DistOpt.Core.Runs;
using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Tests.Checkpoints;
using DistOpt.Core.Tests.Runs;
using DistOpt.Core.Training;
using static DistOpt.Core.Tests.Studies.StudyFixture;

namespace DistOpt.Core.Tests.Studies;

/// <summary>From what attempts at trials begin, and what is kept of them, over real checkpoints.</summary>
public sealed class TrialFoldersTests : IDisposable
{
    private static readonly TrialSpecs s_specs = new(Binder, OfSpace("optimizer.learning_rate: { float: [0.001, 1] }"));

    private readonly TemporaryFolder _folder = new();
    private readonly StudyDirectory _study;
    private readonly TrialFolders _folders;

    public TrialFoldersTests()
    {
        _study = new StudyDirectory(_folder.In("study"));
        _folders = new TrialFolders(_study, s_specs);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_first_attempt_begins_from_nothing_in_the_trials_folder()
    {
        var start = _folders.Open(Order(4, rate: 0.25));

        Assert.Equal((Path.Combine(_study.Path, "trials", "4"), false, false, 0), (start.Directory.Path, start.Resumes, start.IsOfAnother, start.Rows.Count));
        Assert.Equal(SpecWriter.Write(s_specs.Of(4, [0.25])), SpecWriter.Write(start.Spec));
        Assert.False(Directory.Exists(start.Directory.CheckpointFolder));
    }

    [Fact]
    public void What_an_attempt_without_a_checkpoint_has_left_is_cleared()
    {
        var start = _folders.Open(Order(0));
        Tell(start.Directory, 1, 2);
        File.WriteAllText(start.Directory.SummaryFile, "{}");
        Directory.CreateDirectory(Path.Combine(start.Directory.CheckpointFolder, ".unfinished-1-000000000005"));

        var again = _folders.Open(Order(0, attempt: 2));

        Assert.Equal((false, 0), (again.Resumes, again.Rows.Count));
        Assert.Equal(["attempt.txt", "spec.yaml"], Directory.GetFileSystemEntries(start.Directory.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void An_attempt_that_was_interrupted_is_gone_on_with_from_its_newest_sound_checkpoint()
    {
        var start = _folders.Open(Order(0));
        Tell(start.Directory, 1, 2, 3);
        Write(start.Directory, 10, 20);
        Damage(Write(start.Directory, 30));
        Assert.Equal((20, 0, 0), (_folders.Left(0, 0), _folders.Left(0, 1), _folders.Left(1, 0)));

        var again = _folders.Open(Order(0, attempt: 2));

        Assert.Equal((true, false), (again.Resumes, again.IsOfAnother));
        Assert.Equal([1, 2, 3], again.Rows.Select(r => r.Step));
        Assert.Equal(20, Newest(again.Directory));
        // and as often as it takes
        Assert.True(_folders.Open(Order(0, attempt: 3)).Resumes);
    }

    [Fact]
    public void Where_no_checkpoint_is_sound_it_begins_from_nothing()
    {
        var start = _folders.Open(Order(0));
        Damage(Write(start.Directory, 10));

        Assert.False(_folders.Open(Order(0, attempt: 2)).Resumes);
        Assert.False(Directory.Exists(start.Directory.CheckpointFolder));
    }

    [Fact]
    public void A_state_has_a_size_and_what_the_run_has_besides_can_go()
    {
        var order = Order(0);
        var start = _folders.Open(order);
        string written = Write(start.Directory, 10);
        long bytes = Directory.GetFiles(written).Sum(f => new FileInfo(f).Length);
        var state = new TrialCheckpoint(0, 10);
        Assert.Equal(0, _folders.Size(state));
        _folders.Keep(order, state);
        Assert.Equal(bytes, _folders.Size(state));

        _folders.Trim(0, 0);
        _folders.Trim(1, 2);
        Assert.False(Directory.Exists(start.Directory.CheckpointFolder));
        Assert.True(_folders.Open(Order(0, attempt: 2, from: state)).Resumes);

        _folders.Delete(state);
        Assert.Equal(0, _folders.Size(state));
    }

    [Fact]
    public void A_trial_whose_own_state_is_gone_begins_anew_where_that_comes_to_the_same()
    {
        var state = new TrialCheckpoint(0, 10);
        var order = Order(0, from: state) with { MayBeginAnew = true };

        Assert.Contains("is not in", Assert.Throws<SpecException>(() => _folders.Open(Order(0, from: state))).Message);
        // that of another trial is another matter
        Assert.Throws<SpecException>(() => _folders.Open(order with { Id = Order(1).Id }));
        var start = _folders.Open(order);
        Assert.False(start.Resumes);

        // lost again, it goes on from what it has computed since
        Write(start.Directory, 5);
        Assert.True(_folders.Open(order).Resumes);
        Assert.Equal(5, Newest(start.Directory));
    }

    [Fact]
    public void What_a_killed_process_has_left_is_swept_away()
    {
        var (known, unknown) = (new TrialCheckpoint(0, 10), new TrialCheckpoint(1, 10));
        var starts = Enumerable.Range(0, 3).Select(i => _folders.Open(Order(i))).ToList();
        foreach (var start in starts) Write(start.Directory, 10);
        _folders.Keep(Order(0), known);
        _folders.Keep(Order(1), unknown);
        // killed while it was replaced
        string replaced = _study.StateFolder(known) + ".old";
        Directory.CreateDirectory(replaced);
        Directory.CreateDirectory(_study.StateFolder(unknown) + ".old");

        _folders.Sweep([known], (trial, repeat) => trial == 2 && repeat == 0);

        Assert.Equal([true, false], new[] { known, unknown }.Select(s => _folders.Size(s) > 0));
        Assert.Equal([replaced], Directory.GetDirectories(Path.GetDirectoryName(replaced)!, "*.old"));
        Assert.Equal([true, true, false], starts.Select(s => Directory.Exists(s.Directory.CheckpointFolder)));
    }

    /// <summary>The study was gone on with from a journal whose end is lost, and has suggested something else.</summary>
    [Fact]
    public void An_attempt_with_other_parameters_does_not_go_on_from_what_is_there()
    {
        var start = _folders.Open(Order(0, rate: 0.5));
        Write(start.Directory, 10);
        Tell(start.Directory, 10);

        var other = _folders.Open(Order(0, rate: 0.25));

        Assert.Equal((false, 0), (other.Resumes, other.Rows.Count));
        Assert.Empty(new CheckpointStore(start.Directory.CheckpointFolder).Steps());
        Assert.Equal(SpecWriter.Write(other.Spec), File.ReadAllText(other.Directory.SpecFile));
    }

    /// <summary>What it has computed beyond the state does not count.</summary>
    [Fact]
    public void A_trial_that_was_paused_goes_on_from_its_own_state_with_the_rows_until_there()
    {
        var at = new TrialCheckpoint(0, 1);
        var start = _folders.Open(Order(0));
        Tell(start.Directory, 5, 10);
        Write(start.Directory, 10);
        _folders.Keep(Order(0), at);
        Tell(start.Directory, 15);
        Write(start.Directory, 20);

        var promoted = _folders.Open(Order(0, attempt: 2, from: at));

        Assert.True(promoted.Resumes);
        Assert.Equal([5, 10], promoted.Rows.Select(r => r.Step));
        Assert.Equal([10], new CheckpointStore(promoted.Directory.CheckpointFolder).Steps());
        // once it has gone on from there, an attempt like it goes on from its newest
        Write(promoted.Directory, 30);
        Tell(promoted.Directory, 25);
        var again = _folders.Open(Order(0, attempt: 3, from: at));
        Assert.Equal([5, 10, 25], again.Rows.Select(r => r.Step));
        Assert.Equal(30, Newest(again.Directory));
        // or, where all of them are damaged, from the state
        Damage(Path.Combine(again.Directory.CheckpointFolder, "step-000000000010"));
        Damage(Path.Combine(again.Directory.CheckpointFolder, "step-000000000030"));
        Assert.Equal([5, 10], _folders.Open(Order(0, attempt: 4, from: at)).Rows.Select(r => r.Step));
        Assert.Equal(10, Newest(again.Directory));
    }

    /// <summary>The weights are the donor's, and so is the way to them, whatever the donor has done since.</summary>
    [Fact]
    public void A_trial_that_goes_on_as_another_one_has_the_others_state_and_rows()
    {
        var at = new TrialCheckpoint(0, 4);
        var donor = _folders.Open(Order(0));
        Tell(donor.Directory, 10, 20, 40);
        Write(donor.Directory, 40);
        _folders.Keep(Order(0), at);
        var own = _folders.Open(Order(1));
        Tell(own.Directory, 11, 21, 41, 51);
        Write(own.Directory, 41);
        File.WriteAllText(donor.Directory.MetricsFile, "");

        var copy = _folders.Open(Order(1, attempt: 2, rate: 0.75, from: at));

        Assert.Equal((true, true, own.Directory.Path), (copy.Resumes, copy.IsOfAnother, copy.Directory.Path));
        Assert.Equal([10, 20, 40], copy.Rows.Select(r => r.Step));
        Assert.Equal([40], new CheckpointStore(copy.Directory.CheckpointFolder).Steps());
        Assert.Equal(SpecWriter.Write(s_specs.Of(1, [0.75])), File.ReadAllText(copy.Directory.SpecFile));
        // lost before it has written a checkpoint of its own: what is there is still the donor's
        var again = _folders.Open(Order(1, attempt: 3, rate: 0.75, from: at));
        Assert.Equal((true, true), (again.Resumes, again.IsOfAnother));
    }

    /// <summary>Its donor has ended without a state, so that it goes on with the parameters that it got of it from its own.</summary>
    [Fact]
    public void Its_own_state_too_may_be_one_of_another_spec_however_often_it_is_tried()
    {
        var at = new TrialCheckpoint(1, 4);
        Write(_folders.Open(Order(1)).Directory, 40);
        _folders.Keep(Order(1), at);

        Assert.True(_folders.Open(Order(1, attempt: 2, rate: 0.75, from: at)) is { Resumes: true, IsOfAnother: true });
        Assert.True(_folders.Open(Order(1, attempt: 3, rate: 0.75, from: at)) is { Resumes: true, IsOfAnother: true });
    }

    [Fact]
    public void Rows_of_a_state_that_has_none_are_none()
    {
        var at = new TrialCheckpoint(0, 4);
        Write(_folders.Open(Order(0)).Directory, 40);
        _folders.Keep(Order(0), at);
        Tell(_folders.Open(Order(1)).Directory, 1, 2);

        Assert.Empty(_folders.Open(Order(1, attempt: 2, from: at)).Rows);
    }

    [Fact]
    public void A_torn_last_row_is_none_and_without_its_spec_a_runs_rows_are_read_all_the_same()
    {
        var start = _folders.Open(Order(0));
        Write(start.Directory, 10);
        Tell(start.Directory, 1, 2);
        File.AppendAllText(start.Directory.MetricsFile, """{"step":3,"ep""");
        File.Delete(start.Directory.SpecFile);

        var again = _folders.Open(Order(0, attempt: 2));

        Assert.Equal([1, 2], again.Rows.Select(r => r.Step));
        Assert.Equal(SpecWriter.Write(again.Spec), File.ReadAllText(again.Directory.SpecFile));
    }

    /// <summary>A run that was told late has gone farther: the state is what it is at, by the name that the study has for it.</summary>
    [Fact]
    public void The_newest_sound_checkpoint_is_kept_by_the_name_that_was_asked_for()
    {
        var start = _folders.Open(Order(0));
        Write(start.Directory, 10, 17);
        Damage(Write(start.Directory, 18));
        _folders.Keep(Order(0), new TrialCheckpoint(0, 1));

        Assert.Equal([17], new CheckpointStore(Path.Combine(_study.Path, "states", "0-0-1")).Steps());
        Assert.Equal(17, Newest(_folders.Open(Order(1, from: new TrialCheckpoint(0, 1))).Directory));
    }

    [Fact]
    public void What_is_kept_takes_the_place_of_what_was_and_is_deleted_with_all_that_belongs_to_it()
    {
        var at = new TrialCheckpoint(0, 1);
        var start = _folders.Open(Order(0));
        foreach (int step in (int[])[30, 20])
        {
            Directory.Delete(Directory.CreateDirectory(start.Directory.CheckpointFolder).FullName, recursive: true);
            Write(start.Directory, step);
            Tell(start.Directory, step);
            _folders.Keep(Order(0), at);
            Assert.Equal([step], new CheckpointStore(_study.StateFolder(at)).Steps());
        }
        Assert.Equal([_study.StateFolder(at)], Directory.GetFileSystemEntries(_folder.In("study/states")));

        Directory.CreateDirectory(_study.StateFolder(at) + ".tmp");
        Directory.CreateDirectory(_study.StateFolder(at) + ".old");
        _folders.Delete(at);
        _folders.Delete(at);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.In("study/states")));
    }

    [Fact]
    public void A_run_that_has_left_nothing_sound_cannot_be_kept()
    {
        var start = _folders.Open(Order(2));
        Assert.Contains($"trial 2 was to be paused, but has left no checkpoint in '{start.Directory.CheckpointFolder}'",
            Assert.Throws<SpecException>(() => _folders.Keep(Order(2), new TrialCheckpoint(2, 1))).Message);
        Damage(Write(start.Directory, 10));
        Assert.Contains("is skipped: ", Assert.Throws<SpecException>(() => _folders.Keep(Order(2), new TrialCheckpoint(2, 1))).Message);
        Assert.False(Directory.Exists(_study.StateFolder(new TrialCheckpoint(2, 1))));
    }

    [Fact]
    public void A_state_that_is_missing_or_damaged_is_named_with_what_to_do()
    {
        var at = new TrialCheckpoint(0, 3);
        var missing = Assert.Throws<SpecException>(() => _folders.Open(Order(7, from: at)));
        Assert.Contains($"the state of trial 0 at 3 is not in '{_study.StateFolder(at)}': bring it back, or cancel trial 7", missing.Message);
        Write(_folders.Open(Order(0)).Directory, 10);
        _folders.Keep(Order(0), at);
        Damage(Path.Combine(_study.StateFolder(at), "step-000000000010"));

        Assert.Contains("is skipped: ", Assert.Throws<SpecException>(() => _folders.Open(Order(7, from: at))).Message);
    }

    [Fact]
    public void A_copy_that_is_torn_is_not_taken_for_a_state()
    {
        var at = new TrialCheckpoint(0, 3);
        Write(_folders.Open(Order(0)).Directory, 10);
        _folders.Keep(Order(0), at);
        // killed before the copy was whole
        Directory.Move(_study.StateFolder(at), _study.StateFolder(at) + ".tmp");
        Assert.Throws<SpecException>(() => _folders.Open(Order(7, from: at)));
        Assert.Empty(new CheckpointStore(new RunDirectory(_study.RunFolder(7)).CheckpointFolder).Steps());
        // the next one begins anew
        _folders.Keep(Order(0), at);
        Assert.Equal(10, Newest(_folders.Open(Order(7, from: at)).Directory));
        Assert.Equal([_study.StateFolder(at)], Directory.GetFileSystemEntries(_folder.In("study/states")));
    }

    /// <summary>The study has the old one in its journal, and not yet the new one.</summary>
    [Fact]
    public void A_state_whose_replacement_was_interrupted_is_the_one_that_it_was()
    {
        var at = new TrialCheckpoint(0, 3);
        Write(_folders.Open(Order(0)).Directory, 10);
        _folders.Keep(Order(0), at);
        Directory.Move(_study.StateFolder(at), _study.StateFolder(at) + ".old");
        Directory.CreateDirectory(_study.StateFolder(at) + ".tmp");

        Assert.Equal(10, Newest(_folders.Open(Order(7, from: at)).Directory));
    }

    /// <summary>The rows of the state cannot be read: as if the process were killed after the checkpoint was copied.</summary>
    [Fact]
    public void What_was_prepared_half_is_not_taken_for_what_the_attempt_before_has_left()
    {
        var at = new TrialCheckpoint(0, 3);
        var donor = _folders.Open(Order(0));
        Tell(donor.Directory, 10);
        Write(donor.Directory, 10);
        _folders.Keep(Order(0), at);
        Write(_folders.Open(Order(1)).Directory, 5);
        using (File.Open(new RunDirectory(_study.StateFolder(at)).MetricsFile, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
            Assert.Throws<IOException>(() => _folders.Open(Order(1, attempt: 2, from: at)));
        Assert.Equal(10, Newest(new RunDirectory(_study.RunFolder(1))));

        var again = _folders.Open(Order(1, attempt: 2));

        Assert.False(again.Resumes);
        Assert.False(Directory.Exists(again.Directory.CheckpointFolder));
    }

    [Fact]
    public void Of_several_runs_of_a_configuration_the_first_ones_folder_holds_the_others()
    {
        var first = _folders.Open(Order(3));
        var second = _folders.Open(Order(3, attempt: 2, repeat: 1));
        Assert.Equal(Path.Combine(first.Directory.Path, "repeat-1"), second.Directory.Path);
        Assert.NotEqual(first.Spec.Seed, second.Spec.Seed);
        Write(second.Directory, 10);
        Tell(second.Directory, 10);
        Directory.CreateDirectory(Path.Combine(first.Directory.Path, "other"));

        // begins anew, which is nothing to the others
        _folders.Open(Order(3, attempt: 3));
        Assert.Equal(["attempt.txt", "repeat-1", "spec.yaml"], Directory.GetFileSystemEntries(first.Directory.Path).Select(Path.GetFileName).Order());
        Assert.Equal([10], _folders.Open(Order(3, attempt: 4, repeat: 1)).Rows.Select(r => r.Step));
        _folders.Keep(Order(3, attempt: 4, repeat: 1), new TrialCheckpoint(3, 1, Repeat: 1));
        Assert.True(Directory.Exists(Path.Combine(_study.Path, "states", "3-1-1")));
    }

    [Fact]
    public void Parameters_that_do_not_go_together_are_refused_and_leave_no_folder()
    {
        var specs = new TrialSpecs(Binder, OfSpace("training.workers: { choices: [4, 1] }\ntraining.workers_min: { choices: [1, 2] }"));
        var folders = new TrialFolders(_study, specs);

        Assert.Contains("training.workers", Assert.Throws<SpecException>(() => folders.Open(Order(0) with { Parameters = [1, 1] })).Message);
        Assert.False(Directory.Exists(_study.Path));
        Assert.False(folders.Open(Order(0) with { Parameters = [0, 1] }).Resumes);
    }

    private static TrialOrder Order(int trial, int attempt = 1, double rate = 0.5, TrialCheckpoint? from = null, int repeat = 0) =>
        new(new AttemptId(trial, attempt, 0), [rate], repeat, from, long.MaxValue, TimeSpan.Zero, null);

    private static string Write(RunDirectory run, params int[] steps) =>
        steps.Select(step => CheckpointFixture.Write(new CheckpointStore(run.CheckpointFolder), step)).Last();

    private static void Tell(RunDirectory run, params int[] steps) =>
        File.AppendAllLines(run.MetricsFile, steps.Select(step => RunJson.RowLine(SimulatedRun.Row(DataSplit.Train, step))));

    private static void Damage(string checkpoint)
    {
        string file = Directory.GetFiles(checkpoint, "*.safetensors").Order().First();
        using var stream = File.Open(file, FileMode.Open);
        stream.Seek(-1, SeekOrigin.End);
        int last = stream.ReadByte();
        stream.Seek(-1, SeekOrigin.End);
        stream.WriteByte((byte)(last ^ 1));
    }

    /// <summary>The step of the newest sound checkpoint, whose values are those of the step.</summary>
    private static long Newest(RunDirectory run)
    {
        using var newest = new CheckpointStore(run.CheckpointFolder).OpenNewest([])!;
        CheckpointFixture.AssertHolds(newest, newest.Step);
        return newest.Step;
    }
}
