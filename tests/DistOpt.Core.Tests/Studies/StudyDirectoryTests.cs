using DistOpt.Core.Specs;
using DistOpt.Core.Studies;
using DistOpt.Core.Studies.Engine;
using DistOpt.Core.Tests.Runs;

namespace DistOpt.Core.Tests.Studies;

public sealed class StudyDirectoryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_files_have_the_documented_places()
    {
        var study = new StudyDirectory("s");
        Assert.Equal(["study.yaml", "trials.jsonl", "summary.json", "best.yaml", "best", "journal.db", ".lock"],
            ((string[])[study.SpecFile, study.TrialsFile, study.SummaryFile, study.BestSpecFile, study.BestFolder, study.JournalFile, study.LockFile])
                .Select(p => Path.GetRelativePath("s", p)));
        Assert.Equal((Path.Combine("s", "trials", "12"), Path.Combine("s", "trials", "12", "repeat-2")), (study.RunFolder(12), study.RunFolder(12, 2)));
        Assert.Equal(Path.Combine("s", "states", "3-1-40"), study.StateFolder(new TrialCheckpoint(3, 40, 1)));
    }

    [Fact]
    public void Without_out_the_folder_is_below_studies_and_planning_creates_nothing()
    {
        var study = StudyDirectory.Plan(null, "digits-sweep", "20260124-153012-4f2a");
        Assert.Equal(Path.Combine("studies", "digits-sweep-20260124-153012-4f2a"), study.Path);
        Assert.False(Directory.Exists(study.Path));
        Assert.Equal(_folder.In("new"), StudyDirectory.Plan(_folder.In("new"), "n", "i").Path);
        Assert.False(Directory.Exists(_folder.In("new")));
    }

    [Fact]
    public void A_folder_that_is_not_empty_a_file_and_an_empty_path_are_refused()
    {
        File.WriteAllText(_folder.In("file"), "");
        Assert.Equal(_folder.In("free"), StudyDirectory.Plan(Directory.CreateDirectory(_folder.In("free")).FullName, "n", "i").Path);
        Assert.Contains($"'{_folder.Path}' is not empty", Assert.Throws<SpecException>(() => StudyDirectory.Plan(_folder.Path, "n", "i")).Message);
        Assert.Contains("is a file", Assert.Throws<SpecException>(() => StudyDirectory.Plan(_folder.In("file"), "n", "i")).Message);
        Assert.Contains("leave --out away for studies/<name>-<id>", Assert.Throws<SpecException>(() => StudyDirectory.Plan(" ", "n", "i")).Message);
    }

    [Fact]
    public void A_study_is_found_by_its_path_and_by_its_name()
    {
        var study = new StudyDirectory(_folder.In("a-1"));
        study.Create(StudyFixture.Binder.ParseStudy(StudyFixture.Digits));
        Assert.Equal(study.Path, StudyDirectory.Find(study.Path).Path);
        Assert.Equal(study.Path, StudyDirectory.Find("a-1", _folder.Path).Path);
    }

    /// <summary>Its trials were drawn from and measured by what it said at the beginning.</summary>
    [Fact]
    public void A_study_whose_spec_was_changed_is_not_gone_on_with()
    {
        var study = new StudyDirectory(_folder.In("a-1"));
        var spec = StudyFixture.Binder.ParseStudy(StudyFixture.Digits);
        study.Create(spec, hasJournal: true);
        Assert.Equal(StudySpecWriter.Write(spec), StudySpecWriter.Write(study.ReadSpec(StudyFixture.Binder)));
        string text = File.ReadAllText(study.SpecFile);
        File.WriteAllText(study.SpecFile, "# a note\n" + text);
        study.ReadSpec(StudyFixture.Binder);
        File.WriteAllText(study.SpecFile, text.Replace("name: digits-sweep", "name: other", StringComparison.Ordinal));
        string error = Assert.Throws<SpecException>(() => study.ReadSpec(StudyFixture.Binder)).Message;
        Assert.Contains("was changed: it says 'name: other' where the study began with 'name: digits-sweep'", error);
        Assert.Contains($"'cp {_folder.In(Path.Combine("a-1", ".study.yaml"))} {study.SpecFile}' brings it back", error);
        // of an earlier version
        File.Delete(_folder.In(Path.Combine("a-1", ".study.yaml")));
        Assert.Equal("other", study.ReadSpec(StudyFixture.Binder).Name);
    }

    [Theory]
    [InlineData("nowhere")]
    [InlineData("empty")]
    public void What_is_no_study_is_bad_input(string name)
    {
        Directory.CreateDirectory(_folder.In("empty"));
        var violation = Assert.Single(Assert.Throws<SpecException>(() => StudyDirectory.Find(name, _folder.Path)).Violations);
        Assert.Equal(("--resume", $"'{name}' is no study: there is no study.yaml in it, nor in {_folder.In(name)}; name the folder of a study"),
            (violation.Path, violation.Message));
    }

    /// <summary>Not the current folder, nor that of all studies.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("  ")]
    public void An_empty_name_is_no_study_even_where_there_is_a_study_file(string name)
    {
        File.WriteAllText(_folder.In("study.yaml"), "");
        Assert.Contains("the path is empty", Assert.Throws<SpecException>(() => StudyDirectory.Find(name, _folder.Path)).Message);
    }

    [Fact]
    public void Only_one_can_run_a_study_at_a_time()
    {
        var study = new StudyDirectory(_folder.In("s"));
        Assert.Throws<DirectoryNotFoundException>(study.Lock);
        Directory.CreateDirectory(study.Path);
        using (study.Lock())
        {
            var violation = Assert.Single(Assert.Throws<SpecException>(new StudyDirectory(study.Path).Lock).Violations);
            Assert.Equal(("--resume", $"'{study.Path}' is being run by another process; wait for its end, or stop it"), (violation.Path, violation.Message));
        }
        Assert.False(File.Exists(study.LockFile));
        // left by a process that was killed
        File.WriteAllText(study.LockFile, "");
        study.Lock().Dispose();
    }
}
