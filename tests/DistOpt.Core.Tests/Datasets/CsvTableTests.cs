using System.Text;
using DistOpt.Core.Datasets;
using static DistOpt.Core.Tests.Datasets.TemporaryFolder;

namespace DistOpt.Core.Tests.Datasets;

public sealed class CsvTableTests : IDisposable
{
    private const string Small = "x,y,kind\n1,2,b\n3,4,a\n5,6,b\n";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private ISupervisedSource Open(CsvOptions options) => DatasetCatalog.Create().Get("csv")(options, _folder.Environment);

    private ISupervisedSource Open(string text, CsvOptions? options = null)
    {
        _folder.Write("t.csv", text);
        return Open((options ?? new()) with { Path = "t.csv" });
    }

    private string[] Complain(string text, CsvOptions? options = null) =>
        [.. Complaints(() => Open(text, options))
            .Select(c => c.Replace(_folder["t.csv"], "t.csv").Replace(_folder["test.csv"], "test.csv"))];

    private static float[] Input(ISupervisedSource source, long index)
    {
        var input = new float[source.Info.InputLength];
        source.CopyInput(index, input);
        return input;
    }

    private static float Target(ISupervisedSource source, long index)
    {
        var target = new float[1];
        source.CopyTarget(index, target);
        return target[0];
    }

    [Fact]
    public void Several_label_columns_are_targets_of_several_values_in_their_order()
    {
        foreach (string[] labels in (string[][])[["q", "p"], ["-1", "1"]])
        {
            var table = Open("x,p,y,q\n1,0.25,2,0.75\n3,1,4,0\n", new CsvOptions { Labels = [.. labels] });
            Assert.Equal(TaskKind.Regression, table.Info.Task);
            Assert.Equal([2], table.Info.TargetShape);
            Assert.Equal(["x", "y"], table.Info.Columns);
            Assert.Equal([3, 4], Input(table, 1));
            var target = new float[2];
            table.CopyTarget(0, target);
            Assert.Equal([0.75f, 0.25f], target);
        }
    }

    [Fact]
    public void Label_columns_that_do_not_fit_together_are_refused()
    {
        const string text = "x,p,q\n1,0.25,0.75\n3,one,0\n";
        Assert.Equal(["t.csv (line 3): column 1 'p': the label 'one' is not a finite number, as data.labels needs"],
            Complain(text, new CsvOptions { Labels = ["p", "q"] }));
        Assert.Equal(["data.labels: names column 1 2 times; name it once", "data.ignore: names column 1, which is a label; leave one of them out"],
            Complain(text, new CsvOptions { Labels = ["p", "1", "q"], Ignore = ["p"] }));
        Assert.Equal(["data.label: is 'p', and data.labels is set too; leave one of them out",
            "data.task: is classification, but data.labels makes targets of several values; name one column as data.label, or set data.task to regression"],
            Complain(text, new CsvOptions { Label = "p", Labels = ["p", "q"], Task = "classification" }));
    }

    [Fact]
    public void Iris_of_the_shared_fixture_is_read_with_its_class_names()
    {
        var iris = Open(new CsvOptions
        {
            Path = Path.Combine(AppContext.BaseDirectory, "Datasets", "Fixtures", "iris.csv"),
            SkipRows = 1,
            ClassNames = ["setosa", "versicolor", "virginica"],
        });
        Assert.Equal((150, 0), (iris.Count, iris.TestCount));
        Assert.Equal([4], iris.Info.InputShape);
        Assert.Equal(TaskKind.Classification, iris.Info.Task);
        Assert.Equal(["setosa", "versicolor", "virginica"], iris.Info.Classes);
        Assert.Equal([50, 50, 50], iris.Labels.ToArray().CountBy(l => l).OrderBy(p => p.Key).Select(p => p.Value));
        Assert.Equal([5.1f, 3.5f, 1.4f, 0.2f], Input(iris, 0));
        Assert.Empty(iris.Info.Columns);
    }

    [Fact]
    public void Wine_of_the_shared_fixture_is_read()
    {
        string path = Path.Combine(AppContext.BaseDirectory, "Datasets", "Fixtures", "wine_data.csv");
        var wine = Open(new CsvOptions { Path = path, SkipRows = 1 });
        Assert.Equal(178, wine.Count);
        Assert.Equal([13], wine.Info.InputShape);
        Assert.Equal(["0", "1", "2"], wine.Info.Classes);
        Assert.Equal([59, 71, 48], wine.Labels.ToArray().CountBy(l => l).OrderBy(p => p.Key).Select(p => p.Value));
        Assert.Equal(1065, Input(wine, 0)[12]);
    }

    [Fact]
    public void A_header_names_columns_and_texts_become_classes_in_ordinal_order()
    {
        var table = Open(Small);
        Assert.Equal(["x", "y"], table.Info.Columns);
        Assert.Equal(["a", "b"], table.Info.Classes);
        Assert.Equal([1, 0, 1], table.Labels.ToArray());
        Assert.Equal([5, 6], Input(table, 2));
        Assert.Equal(NormalizationKind.PerFeature, table.Info.Normalization);
    }

    [Theory]
    [InlineData("kind")]
    [InlineData("0")]
    [InlineData("-3")]
    public void The_label_is_found_by_name_or_index(string label)
    {
        var table = Open("kind,x,y\nb,1,2\na,3,4\n", new CsvOptions { Label = label });
        Assert.Equal([1, 0], table.Labels.ToArray());
        Assert.Equal(["x", "y"], table.Info.Columns);
    }

    [Fact]
    public void A_header_can_be_forced_and_denied()
    {
        // all names are numbers
        var years = Open("2019,2020,label\n1,2,a\n3,4,b\n", new CsvOptions { Header = "true" });
        Assert.Equal(["2019", "2020"], years.Info.Columns);
        Assert.Equal(3, Open("2019,2020,a\n1,2,a\n3,4,b\n").Count);
        const string Tail = "is not a finite number; name columns that are no numbers in data.ignore; lines before the table are passed "
            + "over "
            + "with data.skip_rows";
        Assert.Equal([$"t.csv (line 1): column 0 (from 0): 'x' {Tail}", $"t.csv (line 1): column 1 (from 0): 'y' {Tail}"],
            Complain(Small, new CsvOptions { Header = "false" }));
    }

    [Fact]
    public void A_mixed_first_row_is_taken_for_data_with_a_hint()
    {
        const string Tail = "is not a finite number; name columns that are no numbers in data.ignore";
        Assert.Equal(
        [
            $"t.csv (line 1): column 0 (from 0): 'id' {Tail}; if this line names the columns, set data.header to true",
            $"t.csv (line 2): column 0 (from 0): 'p7' {Tail}",
        ], Complain("id,2019,kind\np7,1,a\n"));
    }

    [Fact]
    public void Columns_can_be_ignored_by_name_or_index_and_may_hold_anything()
    {
        string text = "id,x,note,y,kind\np7,1,,2,b\np8,3,\"a, b\",4,a\n";
        Assert.Equal(["x", "y"], Open(text, new CsvOptions { Ignore = ["id", "note"] }).Info.Columns);
        Assert.Equal(["x", "y"], Open(text, new CsvOptions { Ignore = ["0", "-3"] }).Info.Columns);
        // without a header, too
        Assert.Equal([1, 2], Input(Open("p7,1,2,b\np8,3,4,a\n", new CsvOptions { Ignore = ["0"] }), 0));
    }

    [Theory]
    [InlineData("0\n1\n0\n1\n", TaskKind.Classification)]
    [InlineData("0\n1\n2\n0\n", TaskKind.Regression)] // 3 different ones in 4 rows
    [InlineData("0.5\n1\n0.5\n1\n", TaskKind.Regression)]
    [InlineData("a\nb\nc\nd\n", TaskKind.Classification)]
    [InlineData("-1\n1e0\n1\n-1.0\n", TaskKind.Classification)]
    public void The_task_follows_from_the_labels(string labels, TaskKind task)
    {
        string rows = string.Concat(labels.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select((l, i) => $"{i},{l}\n"));
        Assert.Equal(task, Open(rows).Info.Task);
    }

    [Theory]
    [InlineData(20, TaskKind.Classification)]
    [InlineData(21, TaskKind.Regression)]
    public void More_than_20_different_whole_numbers_are_a_regression(int different, TaskKind task)
    {
        string text = string.Concat(Enumerable.Range(0, 100).Select(i => $"{i},{i % different}\n"));
        Assert.Equal(task, Open(text).Info.Task);
        Assert.Equal(TaskKind.Classification, Open(text, new CsvOptions { Task = "classification" }).Info.Task);
        Assert.Equal(TaskKind.Regression, Open(text, new CsvOptions { Task = "regression" }).Info.Task);
    }

    [Fact]
    public void Whole_number_classes_are_sorted_by_value()
    {
        var table = Open("1,10\n2,9\n3,09\n4,10.0\n");
        Assert.Equal(["9", "10"], table.Info.Classes);
        Assert.Equal([1, 0, 0, 1], table.Labels.ToArray());
    }

    [Fact]
    public void A_regression_has_targets_and_no_classes()
    {
        var table = Open("x,price\n1,2.5\n2,-1e3\n");
        Assert.Equal(TaskKind.Regression, table.Info.Task);
        Assert.Equal([1], table.Info.TargetShape);
        Assert.True(table.Labels.IsEmpty);
        Assert.Equal([2.5f, -1000f], [Target(table, 0), Target(table, 1)]);
        // the other way of reading labels gives the same values
        Assert.Equal(table.ContentHash, Open("x,price\n1,2.5\n2,-1e3\n", new CsvOptions { Task = "regression" }).ContentHash);
    }

    [Fact]
    public void A_test_file_gives_the_last_rows()
    {
        _folder.Write("test.csv", "x,y,kind\n7,8,a\n");
        var table = Open(Small, new CsvOptions { TestPath = "test.csv" });
        Assert.Equal((4, 1), (table.Count, table.TestCount));
        Assert.Equal([7, 8], Input(table, 3));
        Assert.Equal([3L], DataSplitter.Split(table, 0, 0.5, 0).Test.ToArray());
    }

    [Fact]
    public void A_test_file_that_does_not_fit_is_refused()
    {
        _folder.Write("test.csv", "y,x,kind\n7,8,a\n");
        Assert.Equal(["test.csv (line 1): column 0 is named 'y', but that of data.path is named 'x'"],
            Complain(Small, new CsvOptions { TestPath = "test.csv" }));
        _folder.Write("test.csv", "x,y,kind\n7,8,a\n7,8,c\n");
        Assert.Equal(["data.test_path (line 3): class 'c' does not occur in data.path"],
            Complain(Small, new CsvOptions { TestPath = "test.csv" }));
        _folder.Write("test.csv", "x,kind\n7,a\n");
        Assert.Equal(["test.csv (line 1): the header has 2 columns, but that of data.path has 3"],
            Complain(Small, new CsvOptions { TestPath = "test.csv" }));
        Assert.Equal([$"{_folder["none.csv"]}: does not exist: set data.test_path to an existing CSV file"],
            Complain(Small, new CsvOptions { TestPath = "none.csv" }));
    }

    [Fact]
    public void Byte_order_marks_line_ends_delimiters_and_gzip_change_nothing()
    {
        string hash = Open(Small).ContentHash;
        Assert.Equal(hash, Open(Small.Replace("\n", "\r\n")).ContentHash);
        Assert.Equal(hash, Open("\ufeff" + Small).ContentHash);
        Assert.Equal(hash, Open(Small.Replace(',', '\t'), new CsvOptions { Delimiter = "tab" }).ContentHash);
        Assert.Equal(hash, Open(Small.Replace(',', ';'), new CsvOptions { Delimiter = ";" }).ContentHash);
        _folder.Write("t.csv.gz", Gzip(Encoding.UTF8.GetBytes(Small)));
        Assert.Equal(hash, Open(new CsvOptions { Path = "t.csv.gz" }).ContentHash);
        Assert.NotEqual(hash, Open(Small.Replace('6', '7')).ContentHash);
    }

    [Fact]
    public void A_short_and_a_long_row_are_named_by_line_and_column() =>
        Assert.Equal(
        [
            "t.csv (line 3): the row ends before column 2 'kind': it has 2 cells, but the header has 3",
            "t.csv (line 4): the row goes on after column 2 'kind': it has 4 cells, but the header has 3",
        ], Complain("x,y,kind\n1,2,b\n3,4\n5,6,b,7\n"));

    [Theory]
    [InlineData("abc", "'abc' is not a finite number; name columns that are no numbers in data.ignore")]
    [InlineData("1e99", "'1e99' is not a finite number; name columns that are no numbers in data.ignore")]
    [InlineData("Infinity", "'Infinity' is not a finite number; name columns that are no numbers in data.ignore")]
    [InlineData("\"1,000\"", "'1,000' is not a finite number; name columns that are no numbers in data.ignore")]
    [InlineData("", "the value is missing (''); fill it in, leave out the row, or name the column in data.ignore")]
    [InlineData("NaN", "the value is missing ('NaN'); fill it in, leave out the row, or name the column in data.ignore")]
    [InlineData("?", "the value is missing ('?'); fill it in, leave out the row, or name the column in data.ignore")]
    public void A_cell_that_is_no_number_is_named_by_line_column_and_value(string cell, string complaint) =>
        Assert.Equal([$"t.csv (line 3): column 1 'y': {complaint}"], Complain($"x,y,kind\n1,2,b\n3,{cell},a\n"));

    [Fact]
    public void Bad_labels_are_named()
    {
        Assert.Equal(["t.csv (line 3): column 1 'kind': the label is missing; fill it in, or leave out the row"],
            Complain("x,kind\n1,a\n2,\n"));
        Assert.Equal(["t.csv (line 3): column 1 'kind': the label 'b' is not a finite number, as data.task: regression needs"],
            Complain("x,kind\n1,1\n2,b\n", new CsvOptions { Task = "regression" }));
        Assert.Equal(["t.csv (line 4): the label 'oops' is no number, but '1' in line 2 is; set data.task to classification if both are "
            + "class names"],
            Complain("x,kind\n1,1\n2,2\n3,oops\n"));
        Assert.Equal(["t.csv: every label is 'a', but a classification needs at least 2 classes"], Complain("x,kind\n1,a\n2,a\n"));
        Assert.Equal(["data.class_names: has 1 names, but t.csv has 2 classes"], Complain(Small, new CsvOptions { ClassNames = ["one"] }));
        Assert.Equal(["data.class_names: is set, but the task is regression: set data.task to classification, or leave the names out"],
            Complain("x,y\n1,1.5\n", new CsvOptions { ClassNames = ["one"] }));
    }

    [Fact]
    public void Columns_that_are_not_there_are_named()
    {
        Assert.Equal(["data.label: is 'sort', which is no column of t.csv; it has x, y, kind",
            "data.ignore: is 3, but t.csv has 3 columns: use from -3 to 2"],
            Complain(Small, new CsvOptions { Label = "sort", Ignore = ["3"] }));
        Assert.Equal(["data.label: is 'kind', but data.header is false: give the index of a column from 0 to 2"],
            Complain(Small, new CsvOptions { Label = "kind", Header = "false" }));
        Assert.Equal(["data.ignore: names column 2, which is the label; leave one of them out"],
            Complain(Small, new CsvOptions { Ignore = ["kind"] }));
        Assert.Equal(["t.csv (line 1): no input columns are left beside the label and data.ignore"],
            Complain(Small, new CsvOptions { Ignore = ["x", "y"] }));
        Assert.Equal(["t.csv (line 1): has 1 column, but needs a label and at least one input; is data.delimiter ',' right?"],
            Complain("x;y\n1;2\n"));
        Assert.Equal(["t.csv (line 1): 2 columns are named 'x'; give each a name of its own"], Complain("x,x,kind\n1,2,a\n"));
    }

    [Fact]
    public void Files_without_rows_are_refused()
    {
        Assert.Equal(["t.csv: has no rows"], Complain(""));
        Assert.Equal(["t.csv: has no rows after the 2 skipped"], Complain("a\nb\n", new CsvOptions { SkipRows = 2 }));
        Assert.Equal(["t.csv: has a header and no rows"], Complain("x,kind\n\n"));
    }

    [Fact]
    public void Files_that_cannot_be_read_are_refused()
    {
        Assert.Equal([$"{_folder["none.csv"]}: does not exist: set data.path to an existing CSV file"],
            Complaints(() => Open(new CsvOptions { Path = "none.csv" })));
        Assert.Equal([$"{_folder.Path}: is a folder, but must be a file: set data.path to an existing CSV file"],
            Complaints(() => Open(new CsvOptions { Path = "." })));
        _folder.Write("l1.csv", [.. "x,kind\n1,caf\xe9\n"u8.ToArray()[..12], 0xe9, (byte)'\n']);
        Assert.StartsWith($"{_folder["l1.csv"]}: is not UTF-8 (after line 0)",
            Assert.Single(Complaints(() => Open(new CsvOptions { Path = "l1.csv" }))),
            StringComparison.Ordinal);
        _folder.Write("torn.csv.gz", [.. "x,y\n"u8]);
        Assert.StartsWith($"{_folder["torn.csv.gz"]}: cannot be read after line 0 (",
            Assert.Single(Complaints(() => Open(new CsvOptions { Path = "torn.csv.gz" }))),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Bad_options_are_reported_together() =>
        Assert.Equal(
        [
            "data.path: is missing: name the CSV file",
            "data.delimiter: is 'xx', but must be one character such as ',' or ';', or 'tab'",
            "data.header: is 'maybe', but must be auto, true or false",
            "data.task: is 'ranking', but must be auto, classification or regression",
            "data.skip_rows: is -1, but must be at least 0",
        ], Complaints(() => Open(new CsvOptions { Delimiter = "xx", Header = "maybe", Task = "ranking", SkipRows = -1 })));

    [Fact]
    public void Reading_stops_after_ten_errors()
    {
        string[] complaints = Complain("x,kind\n" + string.Concat(Enumerable.Repeat("?,a\n", 50)));
        Assert.Equal(11, complaints.Length);
        Assert.Equal("t.csv: reading stopped after 10 errors", complaints[10]);
    }
}
