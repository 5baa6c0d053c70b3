using DistOpt.Core.Runs;
using DistOpt.Core.Specs;

namespace DistOpt.Core.Tests.Runs;

public sealed class RunDirectoryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_id_is_the_utc_time_and_sixteen_random_bits()
    {
        var at = new DateTimeOffset(2026, 1, 24, 17, 30, 12, TimeSpan.FromHours(2));
        Assert.Equal("20260124-153012-4f2a", RunDirectory.NewId(at, 0x4f2a));
        Assert.Equal("20260124-153012-000b", RunDirectory.NewId(at, 0xb));
    }

    [Fact]
    public void Ids_sort_by_time_whatever_their_random_part()
    {
        var at = new DateTimeOffset(2026, 9, 30, 23, 59, 59, TimeSpan.Zero);
        string[] ids = [.. Enumerable.Range(0, 100).Select(i => RunDirectory.NewId(at.AddSeconds(i * 1000), (ushort)(65535 - 600 * i)))];
        Assert.Equal(ids.Order(StringComparer.Ordinal), ids);
    }

    [Fact]
    public void Without_out_the_folder_is_below_runs_and_planning_creates_nothing()
    {
        var run = RunDirectory.Plan(null, "mnist", "20260124-153012-4f2a");
        Assert.Equal(Path.Combine("runs", "mnist-20260124-153012-4f2a"), run.Path);
        Assert.False(Directory.Exists(run.Path));
    }

    [Fact]
    public void An_empty_folder_is_taken()
    {
        string path = Directory.CreateDirectory(_folder.In("empty")).FullName;
        Assert.Equal(path, RunDirectory.Plan(path, "n", "i").Path);
    }

    [Fact]
    public void A_folder_that_is_not_empty_is_refused_and_resume_is_named()
    {
        string path = Directory.CreateDirectory(_folder.In("full")).FullName;
        File.WriteAllText(Path.Combine(path, "x"), "");
        var violation = Assert.Single(Assert.Throws<SpecException>(() => RunDirectory.Plan(path, "n", "i")).Violations);
        Assert.Equal("--out", violation.Path);
        Assert.Contains($"'{path}' is not empty", violation.Message);
        Assert.Contains("--resume", violation.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    public void An_empty_path_is_refused(string path) => Assert.Throws<SpecException>(() => RunDirectory.Plan(path, "n", "i"));

    [Fact]
    public void A_file_is_refused()
    {
        File.WriteAllText(_folder.In("file"), "");
        Assert.Contains("is a file", Assert.Throws<SpecException>(() => RunDirectory.Plan(_folder.In("file"), "n", "i")).Message);
    }

    [Fact]
    public void A_run_is_found_by_path_folder_name_id_and_end_of_id()
    {
        string root = _folder.In("runs");
        string path = Directory.CreateDirectory(Path.Combine(root, "a-20260124-153012-4f2a")).FullName;
        File.WriteAllText(Path.Combine(path, "spec.yaml"), "name: a\n");
        foreach (string key in (string[])[path, "a-20260124-153012-4f2a", "20260124-153012-4f2a", "4f2a"])
            Assert.Equal("name: a\n", RunDirectoryReader.Open(key, root).SpecText());
    }

    [Fact]
    public void An_ambiguous_unknown_or_foreign_run_is_bad_input()
    {
        string root = _folder.In("runs");
        foreach (string name in (string[])["a-1-4f2a", "b-2-4f2a"]) Directory.CreateDirectory(Path.Combine(root, name));
        Assert.Contains("one of 2 runs", Assert.Throws<SpecException>(() => RunDirectoryReader.Open("4f2a", root)).Message);
        Assert.Contains("run 'zz' does not exist", Assert.Throws<SpecException>(() => RunDirectoryReader.Open("zz", root)).Message);
        Assert.Contains("has no spec.yaml", Assert.Throws<SpecException>(() => RunDirectoryReader.Open(_folder.Path, root)).Message);
    }
}
