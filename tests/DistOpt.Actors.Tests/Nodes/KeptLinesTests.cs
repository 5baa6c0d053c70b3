using DistOpt.Actors.Nodes;
using DistOpt.Protocol;

namespace DistOpt.Actors.Tests.Nodes;

public sealed class KeptLinesTests
{
    [Fact]
    public void Lines_are_numbered_and_kept_until_they_are_seen()
    {
        var lines = new KeptLines(3);

        var first = lines.Add([Line("a"), Line("b")]);
        var second = lines.Add([Line("c")]);
        lines.Seen(new LinesSeen(3, 1));

        Assert.Equal((1, 3, 3), (first.First, second.First, second.Stream));
        Assert.Equal(2, lines.Unseen!.First);
        Assert.Equal(["b", "c"], lines.Unseen.Lines.Select(l => l.Text));
        lines.Seen(new LinesSeen(3, 3));
        Assert.Null(lines.Unseen);
    }

    [Fact]
    public void What_was_seen_of_another_count_does_not_concern_it()
    {
        var lines = new KeptLines(3);
        lines.Add([Line("a")]);

        lines.Seen(new LinesSeen(2, 100));

        Assert.Equal(["a"], lines.Unseen!.Lines.Select(l => l.Text));
    }

    [Fact]
    public void The_latest_ones_are_kept_with_their_numbers()
    {
        var lines = new KeptLines(1);
        for (int i = 1; i <= KeptLines.Kept + 50; i++) lines.Add([Line($"{i}")]);

        Assert.Equal(51, lines.Unseen!.First);
        Assert.Equal(KeptLines.Kept, lines.Unseen.Lines.Length);
        Assert.Equal("51", lines.Unseen.Lines[0].Text);
    }

    private static WireLogLine Line(string text) => new("node", "stdout", "information", text);
}
