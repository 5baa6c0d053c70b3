using DistOpt.Core.Datasets;
using static DistOpt.Core.Tests.Datasets.TemporaryFolder;

namespace DistOpt.Core.Tests.Datasets;

public class CsvReaderTests
{
    private static List<string[]> Rows(string text, char delimiter = ',', int skip = 0)
    {
        var reader = new CsvReader(new StringReader(text), delimiter, "f.csv");
        reader.SkipLines(skip);
        var rows = new List<string[]>();
        while (reader.ReadRow()) rows.Add([$"{reader.Line}", .. Enumerable.Range(0, reader.Count).Select(i => reader[i].ToString())]);
        return rows;
    }

    [Theory]
    [InlineData("a,b\nc,d\n")]
    [InlineData("a,b\r\nc,d\r\n")]
    [InlineData("a,b\rc,d")]
    [InlineData("a,b\nc,d")]
    [InlineData(" a ,\tb\n\"c\",\"d\"\n")]
    [InlineData("a, \"b\" \n\"c\" ,d")]
    public void Line_ends_blanks_and_quotes_do_not_matter(string text) => Assert.Equal([["1", "a", "b"], ["2", "c", "d"]], Rows(text));

    [Fact]
    public void Quoted_cells_hold_delimiters_quotes_and_line_breaks() =>
        Assert.Equal([["1", "a,b", "say \"hi\"", "two\nlines"], ["3", " x ", "", "5\" pipe"]],
            Rows("\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\"\n\" x \",\"\",5\" pipe\n"));

    [Fact]
    public void Empty_cells_count_and_blank_lines_do_not() =>
        Assert.Equal([["2", "", ""], ["5", "a", ""], ["6", ""]], Rows("\n,\n\n  \na,\n\"\"\n\n"));

    [Fact]
    public void Other_delimiters_and_skipped_lines() =>
        Assert.Equal([["3", "a,b", "c"]], Rows("x;\"y\nz;z;z\na,b;c\n", ';', skip: 2));

    [Fact]
    public void Skipping_more_lines_than_there_are_leaves_none() => Assert.Empty(Rows("a\nb", skip: 5));

    [Fact]
    public void Rows_longer_than_any_buffer_are_read_whole()
    {
        string[] cells = [.. Enumerable.Range(0, 20_000).Select(i => $"{i}")];
        var rows = Rows(string.Join(",", cells) + "\r\nend\r\n");
        Assert.Equal(cells, rows[0][1..]);
        Assert.Equal(["2", "end"], rows[1]);
    }

    [Theory]
    [InlineData("a,b\n1,\"2", "f.csv (line 2): column 1: a quote is opened and never closed")]
    [InlineData("\"a\"b,c", "f.csv (line 1): column 0: 'b' follows a closing quote; double the quotes that belong to the cell")]
    public void Bad_quotes_are_named_by_line_and_column(string text, string complaint) =>
        Assert.Equal([complaint], Complaints(() => Rows(text)));
}
