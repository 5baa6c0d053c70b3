using System.Text.RegularExpressions;

namespace DistOpt.Core.Tests.Conventions;

public class SourceRuleTests
{
    /// <summary>Where decisions are made and actors run, time comes from a TimeProvider and randomness from counters.</summary>
    private const string Ambient =
        @"\bDateTime(Offset)?\.(Now|UtcNow|Today)\b|\bRandom\.Shared\b|\bnew\s+Random\s*\(|\bTask\.Run\b|\bThread\.Sleep\b|\bStopwatch\b"
        + @"|\bGuid\.NewGuid\b|\bGuid\.CreateVersion7\b|\bEnvironment\.TickCount";

    /// <summary>A library belongs to its caller: only the command line talks to the terminal and ends the process.</summary>
    private const string CallersBusiness = @"\bConsole\.|\bEnvironment\.(Exit|FailFast)\b";

    /// <summary>The library's reductions add in an order that goes by where the elements lie in memory; ours have a fixed one.</summary>
    private const string Reductions = @"\bTensorPrimitives\.(Sum\w*|Dot|Norm|Product\w*|Average|StdDev|Distance|CosineSimilarity|SoftMax)\s*[<(]";

    /// <summary>A test waits for what it means, not for a while.</summary>
    private const string Waiting = @"\bThread\.Sleep\b|\bTask\.Delay\(\s*(\d|TimeSpan\.From\w+\(\s*\d)";

    [Theory]
    [InlineData("src/DistOpt.Core")]
    [InlineData("src/DistOpt.Actors")]
    public void There_is_no_ambient_clock_randomness_or_thread(string folder) => AssertNone(Ambient, Repository.SourceFiles(folder));

    [Fact]
    public void Only_the_command_line_and_the_examples_use_the_console_or_end_the_process()
    {
        var libraries = Repository.SourceFiles("src")
            .Where(file => !file.StartsWith("src/DistOpt.Cli/") && !file.StartsWith("src/DistOpt.Examples/"));
        AssertNone(CallersBusiness, libraries);
    }

    /// <summary>Whoever asks a study on this machine hears from it, or that it has ended.</summary>
    [Theory]
    [InlineData("src/DistOpt.Hosting/Local")]
    [InlineData("src/DistOpt.Hosting/Studies")]
    public void Hosts_of_studies_wait_for_something_and_not_for_a_while(string folder) => AssertNone(@"\bTask\.Delay\(", Repository.SourceFiles(folder));

    [Fact]
    public void No_sum_depends_on_where_its_elements_lie_in_memory() => AssertNone(Reductions, Repository.SourceFiles("src"));

    [Fact]
    public void Tests_do_not_sleep() => AssertNone(Waiting, Repository.SourceFiles("tests"));

    /// <summary>The text of a literal does not count: a message can be found and read when it stands in one piece.</summary>
    [Fact]
    public void No_line_is_longer_than_160_columns() =>
        AssertNone(Repository.SourceFiles("src").Concat(Repository.SourceFiles("tests"))
            .SelectMany(file => Lines(file, Repository.Read(file)).Zip(Lines(file, CodeText.Of(Repository.Read(file)))))
            .Select(line => (line.First.Place, Columns: Columns(line.First.Text, line.Second.Text)))
            .Where(line => line.Columns > 160)
            .Select(line => $"{line.Place}: {line.Columns} columns"));

    [Theory]
    [InlineData("var a = DateTimeOffset.UtcNow;", true)]
    [InlineData("Stopwatch.GetTimestamp()", true)]
    [InlineData("// never DateTime.Now\n", false)]
    [InlineData("/* Task.Run */ var x = \"Thread.Sleep\";", false)]
    [InlineData("var x = @\"a\"\"Random.Shared\"; Task.Run(f)", true)]
    [InlineData("var x = \"\"\"\n \"Task.Run\" \n\"\"\";", false)]
    [InlineData("char q = '\"'; var now = DateTime.Now; char r = '\"';", true)]
    [InlineData("var t = time.GetUtcNow(); string s = \"\\\"\"; ", false)]
    public void The_rules_look_at_code_and_not_at_comments_or_literals(string source, bool broken) =>
        Assert.Equal(broken, Regex.IsMatch(CodeText.Of(source), Ambient));

    [Theory]
    [InlineData("double s = TensorPrimitives.Sum<double>(terms);", true)]
    [InlineData("float s = TensorPrimitives.SumOfSquares(g);", true)]
    [InlineData("TensorPrimitives.Dot(a, b)", true)]
    [InlineData("TensorPrimitives.Subtract(a, b, a); TensorPrimitives.Max<double>(a)", false)]
    public void A_sum_of_the_library_is_told_from_what_it_does_to_each_element(string source, bool broken) =>
        Assert.Equal(broken, Regex.IsMatch(CodeText.Of(source), Reductions));

    [Theory]
    [InlineData("await Task.Delay(100);", true)]
    [InlineData("await Task.Delay(TimeSpan.FromSeconds(1), token);", true)]
    [InlineData("await Task.Delay(Timeout.Infinite, token);", false)]
    [InlineData("await Task.Delay(pause, time);", false)]
    public void A_wait_for_a_while_is_told_from_a_wait_for_something(string source, bool broken) =>
        Assert.Equal(broken, Regex.IsMatch(CodeText.Of(source), Waiting));

    private static int Columns(string line, string code) =>
        line.Length <= 160 || line.TrimStart().StartsWith("//") ? line.Length : Regex.Replace(code, @"(?<=\S) +", " ").TrimEnd().Length;

    private static void AssertNone(string pattern, IEnumerable<string> files)
    {
        var rule = new Regex(pattern);
        AssertNone(files
            .SelectMany(file => Lines(file, CodeText.Of(Repository.Read(file))))
            .Select(line => (line.Place, Found: rule.Match(line.Text)))
            .Where(line => line.Found.Success)
            .Select(line => $"{line.Place}: {line.Found.Value}"));
    }

    private static void AssertNone(IEnumerable<string> findings)
    {
        string[] all = [.. findings];
        Assert.True(all.Length == 0, string.Join(Environment.NewLine, all));
    }

    private static IEnumerable<(string Place, string Text)> Lines(string file, string text) =>
        text.Split('\n').Select((line, i) => ($"{file}:{i + 1}", line.TrimEnd('\r')));
}
