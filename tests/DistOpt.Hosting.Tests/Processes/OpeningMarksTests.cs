using DistOpt.Hosting.Processes;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Processes;

/// <summary>What a process leaves behind that ends while it opens a model.</summary>
public sealed class OpeningMarksTests : IDisposable
{
    private static readonly OpeningMarks.Subject s_one = new("data digits, model mlp", "spec-1");
    private static readonly OpeningMarks.Subject s_two = new("data digits, model mlp", "spec-2");
    private static readonly OpeningMarks.Subject s_other = new("data digits, model cnn", "spec-3");

    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-").FullName;

    private string Marks => Path.Combine(_folder, "node", "opening");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void What_was_opened_or_has_thrown_is_no_suspect_for_the_next_process()
    {
        var first = Open();
        first.Begin(s_one).Dispose();

        Assert.False(Open().IsSuspect(s_one));
        Assert.Empty(Directory.GetFiles(Marks));
    }

    [Fact]
    public void What_was_being_opened_when_the_process_ended_is_suspect_with_its_family_and_nothing_else()
    {
        Open().Begin(s_one);
        var next = Open();

        Assert.True(next.IsSuspect(s_one));
        Assert.True(next.IsSuspect(s_two));
        Assert.False(next.IsSuspect(s_other));
        // the mark has done its work, the suspicion stays with the node
        Assert.Empty(Directory.GetFiles(Marks, "*.opening"));
        Assert.True(Open().IsSuspect(s_one));
    }

    [Fact]
    public void What_another_process_is_opening_at_the_moment_is_no_suspect()
    {
        Open().Begin(s_one);
        // under the number of another process
        string own = Assert.Single(Directory.GetFiles(Marks)), other = Path.Combine(Marks, "1-1.opening");
        File.Move(own, other);
        var asked = new List<(int, TimeSpan)>();
        var next = Open((pid, started) =>
        {
            asked.Add((pid, (DateTime.UtcNow - started).Duration()));
            return true;
        });

        Assert.False(next.IsSuspect(s_one));
        Assert.True(File.Exists(other));
        var (id, age) = Assert.Single(asked);
        Assert.Equal(1, id);
        Assert.True(age < TimeSpan.FromDays(1), $"{age}");
    }

    /// <summary>The number of a process that is there, but was started at another time.</summary>
    [Fact]
    public void A_process_that_has_the_number_of_the_one_that_ended_is_not_taken_for_it()
    {
        Open().Begin(s_one);
        string own = Assert.Single(Directory.GetFiles(Marks));
        string[] lines = File.ReadAllLines(own);
        lines[2] = "2001-02-03T04:05:06.0000000Z";
        File.WriteAllLines(Path.Combine(Marks, "1-1.opening"), lines);
        File.Delete(own);

        Assert.True(Open(isAlive: null).IsSuspect(s_one));
    }

    [Fact]
    public void A_suspect_spec_stays_one_until_it_has_been_opened_whatever_of_its_family_is_opened_meanwhile()
    {
        Open().Begin(s_one);
        var next = Open();
        for (int i = 0; i < OpeningMarks.CleanOpenings + 2; i++) next.Clear(s_two);
        Assert.True(next.IsSuspect(s_one));
        // the others of its family do not suffer for it for ever
        Assert.False(next.IsSuspect(s_two));

        next.Clear(s_one);

        Assert.False(next.IsSuspect(s_one));
        Assert.False(next.IsSuspect(s_two));
        Assert.Empty(Directory.GetFiles(Marks));
    }

    [Fact]
    public void A_family_is_trusted_again_after_three_openings_in_a_row_and_one_that_ends_a_process_begins_the_count_anew()
    {
        Open().Begin(s_one);
        var next = Open();
        next.Clear(s_one);
        next.Clear(s_two);
        Assert.True(next.IsSuspect(s_two));
        next.Blame(s_two);
        next.Clear(s_two);
        next.Clear(s_one);
        Assert.True(next.IsSuspect(s_one));

        next.Clear(s_one);

        Assert.False(next.IsSuspect(s_one));
    }

    [Theory]
    [InlineData("")]
    [InlineData("data digits, model mlp\n")]
    [InlineData("data digits, model mlp\nspec-1\nnever")]
    public void A_mark_that_was_torn_says_nothing_and_is_cleared_away(string text)
    {
        Directory.CreateDirectory(Marks);
        File.WriteAllText(Path.Combine(Marks, "1-1.opening"), text);

        Assert.False(Open().IsSuspect(s_one));
        Assert.Empty(Directory.GetFiles(Marks));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_keeps_nothing_from_being_opened()
    {
        File.WriteAllText(Path.Combine(_folder, "node"), "a file where a folder should be");
        var marks = Open();

        marks.Begin(s_one).Dispose();
        marks.Blame(s_one);

        Assert.False(marks.IsSuspect(s_one));
    }

    /// <summary>As a process does that begins now.</summary>
    private OpeningMarks Open() => Open((_, _) => false);

    private OpeningMarks Open(Func<int, DateTime, bool>? isAlive) => new(Marks, NullLogger.Instance, isAlive);
}
